/*
 * Orders: what the loop wants the bus thread to do: subscribe to rooms, publish, tell what users spend. An order is
 * mail. Orders that can be left out are dropped while the bus thread does not keep up.
 */
#ifndef TC_BUS_REDIS_ORDER_H
#define TC_BUS_REDIS_ORDER_H

#include "bus/redis_door.h"

typedef enum { TC_REDIS_SUBSCRIBE, TC_REDIS_UNSUBSCRIBE, TC_REDIS_PUBLISH, TC_REDIS_SPEND } tc_redis_order_e;

/* As soon as an order has been posted, the bus thread owns it, and frees it with free(). */
typedef struct {
    tc_mail_t mail; /* stands first */
    tc_redis_order_e what;
    tc_redis_door_t *door;
    tc_uuid_t room_id;
    tc_action_e action;   /* SPEND */
    size_t len;           /* bytes */
    unsigned char data[]; /* PUBLISH: the envelope; SPEND: the user's id with its NUL */
} tc_redis_order_t;

/* Fills in door->bus, which the hub uses; the caller fills in the other fields. At start-up. */
void tc_redis_order_init(tc_redis_door_t *door);

/* Counts one mail more, or one less, that waits on a way (TC_L_WAY_…). Either thread. */
void tc_redis_note_mail(atomic_uint *waiting, unsigned way, bool more);

#endif
