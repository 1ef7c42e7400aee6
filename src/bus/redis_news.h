/*
 * News: what the bus thread tells the loop. It tells events, typing and heads of other children, and whether the link
 * to a Redis is up. News is mail; the loop passes it on to the hub.
 */
#ifndef TC_BUS_REDIS_NEWS_H
#define TC_BUS_REDIS_NEWS_H

#include "bus/redis_door.h"
#include "codec/envelope.h"

/* Redis has confirmed the subscription of a room, which may have missed events before that. Bus. */
void tc_redis_news_joined(tc_redis_door_t *door, const tc_uuid_t *room_id);

/* The link that a door leads to has come up or gone down. Bus. */
void tc_redis_news_state(tc_redis_door_t *door, bool is_up);

/* An envelope of another child for a room. False when it is not valid or not of a kind that rooms have. Bus. */
bool tc_redis_news_envelope(tc_redis_door_t *door, const tc_uuid_t *room_id, const tc_envelope_t *envelope);

#endif
