/* Confirmations that a room owes. See confirm.h. */
#include "domain/confirm.h"

#include "base/alloc.h"

#include <stdlib.h>

void tc_confirms_add(tc_confirm_t **list, int64_t seq, tc_member_t *member, tc_blob_t *frame)
{
    tc_confirm_t *confirm = tc_alloc(sizeof(*confirm));

    while (*list != NULL && (*list)->seq <= seq) {
        list = &(*list)->next;
    }
    confirm->next = *list;
    confirm->seq = seq;
    confirm->member = member;
    confirm->frame = frame ? tc_blob_ref(frame) : NULL;
    *list = confirm;
}

static tc_confirm_t *take(tc_confirm_t **at)
{
    tc_confirm_t *confirm = *at;

    *at = confirm->next;
    return confirm;
}

tc_confirm_t *tc_confirms_take(tc_confirm_t **list, int64_t seq, const tc_member_t *member)
{
    for (; *list != NULL && (*list)->seq <= seq; list = &(*list)->next) {
        if ((*list)->seq == seq && (*list)->member == member) {
            return take(list);
        }
    }
    return NULL;
}

tc_confirm_t *tc_confirms_take_until(tc_confirm_t **list, int64_t seq, const tc_member_t *member)
{
    for (; *list != NULL && (*list)->seq <= seq; list = &(*list)->next) {
        if ((*list)->member == member) {
            return take(list);
        }
    }
    return NULL;
}

bool tc_confirms_have(const tc_confirm_t *list, const tc_member_t *member)
{
    for (; list != NULL; list = list->next) {
        if (list->member == member) {
            return true;
        }
    }
    return false;
}

void tc_confirm_destroy(tc_confirm_t *confirm)
{
    tc_blob_unref(confirm->frame);
    free(confirm);
}
