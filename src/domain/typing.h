/*
 * Typing indicators: ephemeral, to everybody but the typist, at most one per interval and user. The
 * first goes out at once; a change within the interval waits for its end; a repetition is dropped.
 * Nothing is stored, nothing has a seq. The loop's; time is passed in.
 */
#ifndef TC_DOMAIN_TYPING_H
#define TC_DOMAIN_TYPING_H

#include "domain/room.h"

/* A member in a room says whether it types. `now_us` is monotonic. */
void tc_typing_on_message(tc_member_t *member, bool is_typing, int64_t now_us);

/* Somebody types in another child. */
void tc_typing_on_bus(tc_room_t *room, const char *user_id, tc_blob_t *frame);

/* The typing frame, one that a full queue may leave out. One reference, the caller's. Any thread. */
tc_blob_t *tc_typing_frame(const char *user_id, const char *user_email, bool is_typing);

/* The time that tc_sink_t.wake asked for may have come. */
void tc_typing_on_timer(tc_member_t *member, int64_t now_us);

#endif
