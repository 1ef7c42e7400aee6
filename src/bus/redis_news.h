/*
 * What the bus thread tells the loop: events, typing and heads of other children, and how the link to a Redis is. News
 * is mail; the loop passes it on to the hub.
 */
#ifndef TC_BUS_REDIS_NEWS_H
#define TC_BUS_REDIS_NEWS_H

#include "bus/redis_door.h"
#include "codec/envelope.h"

/* A subscription stands: the room may have missed something before it. Bus. */
void tc_redis_news_joined(tc_redis_door_t *door, const tc_uuid_t *room_id);

/* The link that a door leads to has come up or gone down. Bus. */
void tc_redis_news_state(tc_redis_door_t *door, bool is_up);

/* Another child's envelope for a room; false when it is none of a kind that rooms have. Bus. */
bool tc_redis_news_envelope(tc_redis_door_t *door, const tc_uuid_t *room_id, const tc_envelope_t *envelope);

#endif
