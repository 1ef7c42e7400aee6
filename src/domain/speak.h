/*
 * What members say, and what they are told when it cannot be done. The loop's; time is passed in.
 */
#ifndef TC_DOMAIN_SPEAK_H
#define TC_DOMAIN_SPEAK_H

#include "domain/limits.h"
#include "domain/room.h"

/* A member of a room has sent a text message (valid UTF-8). Answers go through its sink. */
void tc_speak_on_text(tc_member_t *member, tc_meter_t *meter, const char *text, size_t len,
                      int64_t now_us);

/* Stores a message or an edit of a member whose room is known, unless its user has had too many. */
void tc_speak_write(tc_member_t *member, tc_meter_t *meter, const tc_chat_in_t *in, int64_t now_us);

/* Sends one member what is in the buffer, which it frees; what is droppable may be left out under pressure. */
void tc_speak_text(tc_member_t *member, tc_buf_t *buf, bool droppable);

/* Tells a member what went wrong; client_id and field may be NULL, a retry_after_s of 0 is the error's usual. */
void tc_speak_error(tc_member_t *member, tc_chat_error_e error, const char *client_id,
                    const char *field, int retry_after_s);

#endif
