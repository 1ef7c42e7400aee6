/*
 * The cluster's tier of users' rates: what users spend on one httpd is taken out of their buckets on all others
 * that share a Redis, a moment later. Without the Redis each httpd's own buckets are what counts. Bus.
 */
#ifndef TC_BUS_SPENDING_H
#define TC_BUS_SPENDING_H

#include "bus/redis_door.h"
#include "codec/envelope.h"
#include "shared/meter.h"

typedef struct tc_spending_t tc_spending_t;

/* `publish` sends an envelope to all who share a door's Redis and prefix. */
typedef void tc_spending_publish_fn(tc_redis_door_t *door, const tc_buf_t *envelope);

tc_spending_t *tc_spending_create(tc_shared_meter_t *meter, const tc_uuid_t *child, tc_loop_t *loop,
                                  tc_spending_publish_fn *publish, apr_pool_t *pool);

/* A user of the door's site has spent a token; others are told a moment later, of many at once. */
void tc_spending_add(tc_spending_t *spending, tc_redis_door_t *door, tc_action_e action,
                     const char *user_id);

/* Another child's envelope; false when it is none. One of this httpd's children takes it in for the door's site. */
bool tc_spending_take_in(tc_spending_t *spending, const tc_redis_door_t *door,
                         const tc_envelope_t *envelope);

/* Frees what was not told. */
void tc_spending_free(tc_spending_t *spending);

#endif
