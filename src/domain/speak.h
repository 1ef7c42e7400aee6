/*
 * Handles the messages of members, and sends an error if that is not possible. Loop thread only; time is passed in.
 */
#ifndef TC_DOMAIN_SPEAK_H
#define TC_DOMAIN_SPEAK_H

#include "domain/limits.h"
#include "domain/room.h"

/*
 * Handles a text message (valid UTF-8) of a member that is in a room. Answers go through the member's sink. `meter` may
 * be NULL.
 */
void tc_speak_on_text(tc_member_t *member, tc_meter_t *meter, const char *text, size_t len,
                      int64_t now_us);

/* Stores a message or an edit of a member whose `room` is set, within its rate limits. `in` stays the caller's. */
void tc_speak_write(tc_member_t *member, tc_meter_t *meter, const tc_chat_in_t *in, int64_t now_us);

/* Sends the text in `buf` to one member, and frees the buffer. A full queue may drop a droppable text. */
void tc_speak_text(tc_member_t *member, tc_buf_t *buf, bool droppable);

/* Sends a member an error. `client_id` and `field` may be NULL. `retry_after_s` 0 stands for the error's default. */
void tc_speak_error(tc_member_t *member, tc_chat_error_e error, const char *client_id,
                    const char *field, int retry_after_s);

#endif
