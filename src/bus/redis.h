/*
 * The bus over Redis, `TripChatBus redis://…`. A child has one bus thread, with a link to each Redis that the doors of
 * its sites lead to. The loop sends orders to the thread, and the thread sends the news of other children to the loop.
 * Both travel as mail.
 */
#ifndef TC_BUS_REDIS_H
#define TC_BUS_REDIS_H

#include "bus/redis_door.h"
#include "shared/meter.h"

typedef struct tc_bus_redis_t tc_bus_redis_t; /* a child's bus thread */

/*
 * Starts the thread for a list of doors. The doors, `loop`, `hub` and `meter` must outlive it. What users spend on
 * other httpds is taken out of the buckets of `meter`; NULL: it is not counted. With any status but APR_SUCCESS there
 * is no thread. Worker.
 */
apr_status_t tc_bus_redis_start(tc_bus_redis_t **redis, tc_redis_door_t *doors, tc_loop_t *loop,
                                tc_hub_t *hub, tc_shared_meter_t *meter, apr_pool_t *pool);

/* Has the thread publish what is queued and end. False when that took longer than `timeout_us`. Worker. */
bool tc_bus_redis_stop(tc_bus_redis_t *redis, int64_t timeout_us);

#endif
