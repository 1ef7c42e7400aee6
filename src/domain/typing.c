/* Typing indicators. See typing.h. */
#include "domain/typing.h"

#include "codec/wire.h"

/* The limit counts for a user, not for a connection: finds the user's member that sent a typing message last. */
static const tc_member_t *latest_of_user(const tc_member_t *member)
{
    const tc_room_t *room = member->room;
    const tc_member_t *latest = member;
    unsigned i;

    for (i = 0; i < room->count; i++) {
        const tc_member_t *other = room->members[i];

        if (other->typing_sent_us > latest->typing_sent_us
            && strcmp(other->user->id, member->user->id) == 0) {
            latest = other;
        }
    }
    return latest;
}

tc_blob_t *tc_typing_frame(const char *user_id, const char *user_email, bool is_typing)
{
    tc_buf_t buf = TC_BUF_INIT;
    tc_blob_t *frame;

    tc_chat_encode_typing(&buf, user_id, user_email, is_typing);
    frame = tc_wire_frame(TC_OPCODE_TEXT, buf.data, buf.len, 0);
    frame->droppable = true;
    tc_buf_free(&buf);
    return frame;
}

static void tell_room(tc_member_t *member, bool is_typing, int64_t now_us)
{
    tc_room_t *room = member->room, *twin = room;
    tc_blob_t *frame = tc_typing_frame(member->user->id, member->user->email, is_typing);

    member->typing_sent_us = now_us;
    member->typing_shown = is_typing;
    member->typing_due_us = 0;
    tc_room_send_others(room, member->user->id, frame);
    while ((twin = tc_room_next_twin(room, twin)) != NULL) {
        tc_typing_on_bus(twin, member->user->id, frame);
    }
    tc_blob_unref(frame);
    if (room->bus->state == TC_BUS_UP) {
        room->bus->publish_typing(room->bus, room, member->user, is_typing);
    }
}

void tc_typing_on_bus(tc_room_t *room, const char *user_id, tc_blob_t *frame)
{
    if (room->count <= room->site->typing_max_room) {
        tc_room_send_others(room, user_id, frame);
    }
}

void tc_typing_on_message(tc_member_t *member, bool is_typing, int64_t now_us)
{
    const tc_site_t *site = member->room->site;
    const tc_member_t *latest;
    int64_t due_us;

    if (member->room->count > site->typing_max_room) {
        return;
    }
    latest = latest_of_user(member);
    due_us = latest->typing_sent_us + site->typing_interval_us;
    if (latest->typing_sent_us == 0 || now_us >= due_us) {
        tell_room(member, is_typing, now_us);
        return;
    }
    member->typing_wanted = is_typing;
    member->typing_due_us = is_typing == latest->typing_shown ? 0 : due_us;
    if (member->typing_due_us != 0) {
        member->sink->wake(member, due_us);
    }
}

void tc_typing_on_timer(tc_member_t *member, int64_t now_us)
{
    if (member->typing_due_us != 0 && now_us >= member->typing_due_us && member->room != NULL) {
        member->typing_due_us = 0;
        tc_typing_on_message(member, member->typing_wanted, now_us);
    }
}
