/* Orders of the loop to the bus thread. See redis_order.h. */
#include "bus/redis_order.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "codec/envelope.h"

#include <stdlib.h>

static tc_redis_order_t *make_order(tc_bus_t *bus, tc_redis_order_e what, const void *data, size_t len)
{
    tc_redis_order_t *order = tc_alloc_zero(sizeof(*order) + len);

    order->door = (tc_redis_door_t *)bus;
    order->mail.deliver = order->door->exchange->obey;
    order->what = what;
    order->len = len;
    if (len > 0) {
        memcpy(order->data, data, len);
    }
    return order;
}

void tc_redis_note_mail(atomic_uint *waiting, unsigned way, bool more)
{
    if (more) {
        atomic_fetch_add(waiting, 1);
        tc_metrics_add(TC_METRICS_CHILD, TC_M_BUS_MAIL + way, 1);
    }
    else {
        atomic_fetch_sub(waiting, 1);
        tc_metrics_sub(TC_METRICS_CHILD, TC_M_BUS_MAIL + way, 1);
    }
}

static void post_order(tc_redis_order_t *order)
{
    tc_redis_exchange_t *exchange = order->door->exchange;

    tc_redis_note_mail(&exchange->outgoing, TC_L_WAY_OUT, true);
    if (!tc_loop_post(exchange->bus_loop, &order->mail)) {
        tc_redis_note_mail(&exchange->outgoing, TC_L_WAY_OUT, false);
        free(order);
    }
}

/* If the bus thread does not keep up, it gets no more orders that can be left out. */
static bool keeps_up(const tc_bus_t *bus)
{
    bool keeps = atomic_load(&((const tc_redis_door_t *)bus)->exchange->outgoing) < TC_BUS_QUEUE_MAILS;

    tc_metrics_add(TC_METRICS_CHILD, TC_M_BUS_DROPPED + TC_L_WAY_OUT, !keeps);
    return keeps;
}

static void post_of_room(tc_bus_t *bus, const tc_room_t *room, tc_redis_order_e what, const tc_buf_t *data)
{
    tc_redis_order_t *order = make_order(bus, what, data ? data->data : NULL, data ? data->len : 0);

    order->room_id = room->room_id;
    post_order(order);
}

/* An envelope can be left out: other children ask the database every few seconds. */
static void post_envelope(tc_bus_t *bus, const tc_room_t *room, tc_buf_t *envelope)
{
    if (keeps_up(bus)) {
        post_of_room(bus, room, TC_REDIS_PUBLISH, envelope);
    }
    tc_buf_free(envelope);
}

static tc_uuid_t sender_of(const tc_bus_t *bus)
{
    const tc_redis_door_t *door = (const tc_redis_door_t *)bus;

    return tc_envelope_sender(&door->exchange->child, tc_site_database(door->site));
}

static void room_opened(tc_bus_t *bus, const tc_room_t *room)
{
    post_of_room(bus, room, TC_REDIS_SUBSCRIBE, NULL);
}

static void room_closed(tc_bus_t *bus, const tc_room_t *room)
{
    post_of_room(bus, room, TC_REDIS_UNSUBSCRIBE, NULL);
}

static void publish(tc_bus_t *bus, const tc_room_t *room, const tc_event_t *event)
{
    bool is_message = event->kind == TC_EVENT_MESSAGE;
    tc_uuid_t sender = sender_of(bus);
    tc_buf_t envelope = TC_BUF_INIT;

    if (event->object_len > TC_BUS_ENVELOPE_BYTES / 2) { /* too long for the bus: the others read the database */
        tc_envelope_encode(&envelope, TC_ENVELOPE_HEAD, &sender, event->seq);
    }
    else {
        tc_envelope_encode_event(&envelope, is_message ? TC_ENVELOPE_MESSAGE : TC_ENVELOPE_EDIT,
                                 &sender, event->seq, event->wire->data + event->object_at, event->object_len);
    }
    post_envelope(bus, room, &envelope);
}

static void publish_head(tc_bus_t *bus, const tc_room_t *room)
{
    tc_uuid_t sender = sender_of(bus);
    tc_buf_t envelope = TC_BUF_INIT;

    tc_envelope_encode(&envelope, TC_ENVELOPE_HEAD, &sender, room->timeline.last_seq);
    post_envelope(bus, room, &envelope);
}

static void publish_typing(tc_bus_t *bus, const tc_room_t *room, const tc_user_t *user,
                           bool is_typing)
{
    tc_uuid_t sender = sender_of(bus);
    tc_buf_t envelope = TC_BUF_INIT;

    tc_envelope_encode_typing(&envelope, &sender, user->id, user->email, is_typing);
    post_envelope(bus, room, &envelope);
}

/* If it is left out, other httpds count a little less. */
static void spend(tc_bus_t *bus, tc_action_e action, const tc_user_t *user)
{
    if (keeps_up(bus)) {
        tc_redis_order_t *order = make_order(bus, TC_REDIS_SPEND, user->id, strlen(user->id) + 1);

        order->action = action;
        post_order(order);
    }
}

void tc_redis_order_init(tc_redis_door_t *door)
{
    door->bus = (tc_bus_t){TC_BUS_DOWN, room_opened, room_closed, publish, publish_head,
                           publish_typing, spend};
}
