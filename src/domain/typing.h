/*
 * Typing indicators: ephemeral messages to every other user in the room, at most one for each interval and user. The
 * first one goes out at once. A change within the interval waits for the interval's end, and a repetition is dropped. A
 * typing indicator is not stored and has no seq. Loop thread only; time is passed in.
 */
#ifndef TC_DOMAIN_TYPING_H
#define TC_DOMAIN_TYPING_H

#include "domain/room.h"

/* Handles a typing message of a member that is in a room. `now_us` is monotonic. */
void tc_typing_on_message(tc_member_t *member, bool is_typing, int64_t now_us);

/* Handles a typing frame of a user in another child, or in a twin of the room. The caller keeps its reference. */
void tc_typing_on_bus(tc_room_t *room, const char *user_id, tc_blob_t *frame);

/* Makes a typing frame, which a full queue may drop. The caller owns the one reference. Any thread. */
tc_blob_t *tc_typing_frame(const char *user_id, const char *user_email, bool is_typing);

/* Call this at the time that tc_sink_t.wake asked for, or earlier: does nothing before that time. */
void tc_typing_on_timer(tc_member_t *member, int64_t now_us);

#endif
