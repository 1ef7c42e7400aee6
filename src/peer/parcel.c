/* A connection's state as bytes. See parcel.h. */
#include "peer/parcel.h"

static const char magic[] = "tcparcel"; /* eight bytes; the NUL is not written */

void tc_parcel_begin(tc_parcel_t *parcel)
{
    memset(tc_buf_reserve(&parcel->bytes, sizeof(parcel->head)), 0, sizeof(parcel->head));
    parcel->bytes.len = sizeof(parcel->head);
}

void tc_parcel_add(tc_parcel_t *parcel, tc_parcel_part_e part, const void *data, size_t len)
{
    parcel->head.lens[part] = (uint32_t)len;
    tc_buf_append(&parcel->bytes, data, len);
    tc_buf_append(&parcel->bytes, "", 1);
}

void tc_parcel_end(tc_parcel_t *parcel)
{
    tc_parcel_head_t *head = &parcel->head;

    memcpy(head->prefix.magic, magic, sizeof(head->prefix.magic));
    head->prefix.version = TC_PARCEL_VERSION;
    head->prefix.size = sizeof(*head);
    memcpy(parcel->bytes.data, head, sizeof(*head));
}

/* Finds the parts. False: their lengths do not fit the bytes. */
static bool find_parts(tc_parcel_t *parcel)
{
    size_t at = sizeof(parcel->head);
    int i;

    for (i = 0; i < TC_PARCEL_PARTS; i++) {
        size_t len = parcel->head.lens[i];

        if (len >= parcel->bytes.len - at || parcel->bytes.data[at + len] != '\0') {
            return false;
        }
        parcel->parts[i] = parcel->bytes.data + at;
        at += len + 1;
    }
    return at == parcel->bytes.len;
}

bool tc_parcel_read(tc_parcel_t *parcel, tc_buf_t *bytes)
{
    tc_parcel_prefix_t prefix;

    memset(parcel, 0, sizeof(*parcel));
    parcel->bytes = *bytes;
    *bytes = (tc_buf_t)TC_BUF_INIT;
    if (parcel->bytes.len < sizeof(prefix)
        || memcmp(parcel->bytes.data, magic, sizeof(prefix.magic)) != 0) {
        return false;
    }
    memcpy(&prefix, parcel->bytes.data, sizeof(prefix));
    parcel->head.prefix = prefix;
    if (prefix.version != TC_PARCEL_VERSION || prefix.size != sizeof(parcel->head)
        || parcel->bytes.len < sizeof(parcel->head)) {
        return false;
    }
    memcpy(&parcel->head, parcel->bytes.data, sizeof(parcel->head));
    return find_parts(parcel) && tc_parcel_is_sane(parcel);
}

void tc_parcel_free(tc_parcel_t *parcel)
{
    tc_buf_free(&parcel->bytes);
}

void tc_parcel_restore_member(const tc_parcel_t *parcel, tc_member_t *member)
{
    const tc_member_t *was = &parcel->head.member;

    member->cursor = was->cursor;
    member->after = was->after;
    member->lost = was->lost;
    member->typing_shown = was->typing_shown;
    member->typing_wanted = was->typing_wanted;
    member->typing_sent_us = was->typing_sent_us;
    member->typing_due_us = was->typing_due_us;
    memcpy(member->buckets, was->buckets, sizeof(member->buckets));
    member->refusals = was->refusals;
}

tc_blob_t *tc_parcel_queue(const tc_parcel_t *parcel)
{
    size_t len = parcel->head.lens[TC_PARCEL_QUEUE];
    tc_blob_t *blob = len > 0 ? tc_blob_create(len) : NULL;

    if (blob != NULL) {
        memcpy(blob->data, parcel->parts[TC_PARCEL_QUEUE], len);
    }
    return blob;
}
