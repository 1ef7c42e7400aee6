/* A bus that records what is published. Included by fake_room.c. See fake_bus.h. */
#include "fake_bus.h"

#include "domain/typing.h"

/* ---- what the hub publishes ---- */

/* The place of a room among the open rooms; room_count: the room is not open. */
static unsigned place_of(const fake_bus_t *bus, const tc_room_t *room)
{
    unsigned i = 0;

    while (i < bus->room_count && bus->rooms[i] != room) {
        i++;
    }
    return i;
}

static void bus_room_opened(tc_bus_t *base, const tc_room_t *room)
{
    fake_bus_t *bus = (fake_bus_t *)base;

    ck_assert_ptr_eq(room->bus, base);
    ck_assert_msg(place_of(bus, room) == bus->room_count, "a room is opened twice");
    bus->rooms = realloc(bus->rooms, (bus->room_count + 1) * sizeof(*bus->rooms));
    bus->rooms[bus->room_count++] = room;
    bus->opened++;
}

static void bus_room_closed(tc_bus_t *base, const tc_room_t *room)
{
    fake_bus_t *bus = (fake_bus_t *)base;
    unsigned i = place_of(bus, room);

    ck_assert_msg(i < bus->room_count, "a room is closed that is not open");
    ck_assert_uint_eq(room->count + room->jobs, 0);
    bus->room_count--;
    memmove(bus->rooms + i, bus->rooms + i + 1, (bus->room_count - i) * sizeof(*bus->rooms));
    bus->closed++;
}

/* Returns the empty envelope of a new letter. */
static tc_buf_t *new_letter(fake_bus_t *bus, const tc_room_t *room)
{
    ck_assert_msg(place_of(bus, room) < bus->room_count, "told of a room that is not open");
    ck_assert_msg(bus->bus.state != TC_BUS_DOWN, "told while it is down");
    bus->letters = realloc(bus->letters,
                           ((size_t)bus->letter_count + 1) * sizeof(*bus->letters));
    bus->letters[bus->letter_count] = (fake_letter_t){room->room_id, TC_BUF_INIT};
    return &bus->letters[bus->letter_count++].envelope;
}

static void bus_publish(tc_bus_t *base, const tc_room_t *room, const tc_event_t *event)
{
    fake_bus_t *bus = (fake_bus_t *)base;
    bool is_message = event->kind == TC_EVENT_MESSAGE;

    tc_envelope_encode_event(new_letter(bus, room),
                             is_message ? TC_ENVELOPE_MESSAGE : TC_ENVELOPE_EDIT, &bus->child,
                             event->seq, event->wire->data + event->object_at, event->object_len);
    bus->published++;
    bus->published_seq = event->seq;
}

static void bus_publish_head(tc_bus_t *base, const tc_room_t *room)
{
    fake_bus_t *bus = (fake_bus_t *)base;

    tc_envelope_encode(new_letter(bus, room), TC_ENVELOPE_HEAD, &bus->child,
                       room->timeline.last_seq);
}

/* Ephemeral messages go only to a bus that is up. */
static void bus_publish_typing(tc_bus_t *base, const tc_room_t *room, const tc_user_t *user,
                               bool is_typing)
{
    fake_bus_t *bus = (fake_bus_t *)base;

    ck_assert_int_eq(base->state, TC_BUS_UP);
    tc_envelope_encode_typing(new_letter(bus, room), &bus->child, user->id, user->email,
                              is_typing);
}

static void bus_spend(tc_bus_t *base, tc_action_e action, const tc_user_t *user)
{
    (void)user;
    ((fake_bus_t *)base)->spent[action]++;
}

void fake_bus_open(fake_bus_t *bus, tc_bus_state_e state)
{
    memset(bus, 0, sizeof(*bus));
    bus->bus = (tc_bus_t){state,       bus_room_opened,  bus_room_closed,
                          bus_publish, bus_publish_head, bus_publish_typing,
                          bus_spend};
    tc_uuid_make_v7(&bus->child);
}

void fake_bus_close(fake_bus_t *bus)
{
    ck_assert_uint_eq(bus->opened, bus->closed);
    ck_assert_uint_eq(bus->room_count, 0);
    while (bus->letter_count > 0) {
        tc_buf_free(&bus->letters[--bus->letter_count].envelope);
    }
    tc_buf_free(&bus->told);
    free(bus->letters);
    free(bus->rooms);
}

/* ---- what other children receive ---- */

static void open_letter(const fake_letter_t *letter, tc_envelope_t *envelope)
{
    ck_assert(tc_envelope_decode((const char *)letter->envelope.data, letter->envelope.len,
                                 envelope));
}

static void show_letter(fake_bus_t *bus, const fake_letter_t *letter)
{
    static const char *const names[] = {"msg", "edit", "head"};
    tc_envelope_t envelope;
    tc_envelope_typing_t typing;

    open_letter(letter, &envelope);
    ck_assert(tc_uuid_equal(&envelope.child, &bus->child));
    if (bus->told.len > 0) {
        tc_buf_append(&bus->told, " ", 1);
    }
    if (envelope.kind != TC_ENVELOPE_TYPING) {
        ck_assert_int_le(envelope.kind, TC_ENVELOPE_HEAD);
        unit_append_text(&bus->told, "%s(%lld)", names[envelope.kind], (long long)envelope.seq);
        return;
    }
    ck_assert(tc_envelope_decode_typing(&envelope, &typing));
    unit_append_text(&bus->told, "typing(%s %s)", typing.user_id, typing.is_typing ? "on" : "off");
    tc_envelope_typing_free(&typing);
}

const char *fake_told(fake_bus_t *bus)
{
    bus->told.len = 0;
    while (bus->shown < bus->letter_count) {
        show_letter(bus, &bus->letters[bus->shown++]);
    }
    unit_append_text(&bus->told, "%s", "");
    return (const char *)bus->told.data;
}

static void carry_event(const tc_envelope_t *envelope, const fake_letter_t *letter, tc_hub_t *hub,
                        const tc_site_t *site)
{
    bool is_message = envelope->kind == TC_ENVELOPE_MESSAGE;
    tc_envelope_event_t body;
    tc_event_t *event;

    ck_assert(tc_envelope_decode_event(envelope, &letter->room_id, &body));
    event = tc_event_wrap(is_message ? TC_EVENT_MESSAGE : TC_EVENT_EDIT, envelope->seq,
                          &body.message_id, body.object, body.object_len, &body.message);
    tc_envelope_event_free(&body);
    tc_hub_on_bus_event(hub, site, &letter->room_id, event);
    tc_event_unref(event);
}

static void carry_typing(const tc_envelope_t *envelope, const fake_letter_t *letter, tc_hub_t *hub,
                         const tc_site_t *site)
{
    tc_envelope_typing_t typing;
    tc_blob_t *frame;

    ck_assert(tc_envelope_decode_typing(envelope, &typing));
    frame = tc_typing_frame(typing.user_id, typing.user_email, typing.is_typing);
    tc_hub_on_bus_typing(hub, site, &letter->room_id, typing.user_id, frame);
    tc_blob_unref(frame);
    tc_envelope_typing_free(&typing);
}

void fake_carry(const fake_letter_t *letter, tc_hub_t *hub, const tc_site_t *site)
{
    tc_envelope_t envelope;

    open_letter(letter, &envelope);
    switch (envelope.kind) {
    case TC_ENVELOPE_MESSAGE:
    case TC_ENVELOPE_EDIT:
        carry_event(&envelope, letter, hub, site);
        break;
    case TC_ENVELOPE_HEAD:
        tc_hub_on_bus_head(hub, site, &letter->room_id, envelope.seq);
        break;
    case TC_ENVELOPE_TYPING:
        carry_typing(&envelope, letter, hub, site);
        break;
    case TC_ENVELOPE_BEAT:
    case TC_ENVELOPE_SPENT:
        ck_abort_msg("the hub says no beat");
    }
}
