/*
 * A reply has the text that it replies to in its message object (docs/protocol.md). When that message is edited, objects
 * in memory are changed, so that newcomers read what a history from the database would say. Pure.
 */
#ifndef TC_CODEC_REQUOTE_H
#define TC_CODEC_REQUOTE_H

#include "base/buf.h"
#include "base/uuid.h"

#include <stdbool.h>

/* Message objects as tc_chat_encode_object() writes them. */
typedef struct {
    const char *data;
    size_t len;
} tc_object_t;

/*
 * Appends the object with its quote as the message `id` reads in the object `edited`. False, and nothing is appended: the
 * object replies to nothing or to another message, or says the same already.
 */
bool tc_requote(tc_buf_t *buf, tc_object_t object, const tc_uuid_t *id, tc_object_t edited);

#endif
