/* Confirmations that a room owes. See confirm.h. */
#include "domain/confirm.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void tc_confirms_add(tc_confirm_t **list, tc_member_t *member, tc_event_t *event, const char *client_id,
                     bool is_awaited)
{
    size_t id_len = client_id ? strlen(client_id) : 0;
    tc_confirm_t *confirm;

    for (; *list != NULL && (*list)->seq <= event->seq; list = &(*list)->next) {
        if ((*list)->seq == event->seq && (*list)->member == member) {
            (*list)->sends += is_awaited;
            return;
        }
    }
    confirm = tc_alloc_zero(sizeof(*confirm) + id_len + 1);
    confirm->next = *list;
    confirm->seq = event->seq;
    confirm->member = member;
    confirm->sends = is_awaited;
    confirm->event = tc_event_ref(event);
    if (client_id != NULL) {
        memcpy(confirm->client_id, client_id, id_len);
    }
    *list = confirm;
}

void tc_confirm_send(const tc_confirm_t *confirm, tc_event_t *event)
{
    tc_blob_t *frame = event->wire;
    unsigned sent;

    if (confirm->client_id[0] != '\0') {
        frame = event->own ? event->own : tc_event_frame_for(event, confirm->client_id);
    }
    for (sent = 0; sent == 0 || sent < confirm->sends; sent++) {
        confirm->member->sink->send(confirm->member, frame, true);
    }
    if (frame != event->wire && frame != event->own) {
        tc_blob_unref(frame);
    }
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

bool tc_confirms_have_event(const tc_confirm_t *list, int64_t seq, const tc_member_t *member)
{
    for (; list != NULL && list->seq <= seq; list = list->next) {
        if (list->seq == seq && list->member == member) {
            return true;
        }
    }
    return false;
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
    tc_event_unref(confirm->event);
    free(confirm);
}
