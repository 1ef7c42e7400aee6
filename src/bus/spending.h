/*
 * Users' rates over several httpds. What users spend on one httpd is taken out of their buckets, a moment later, on all
 * other httpds that share its Redis. While Redis is down, each httpd counts alone. Bus, unless a comment says
 * otherwise.
 */
#ifndef TC_BUS_SPENDING_H
#define TC_BUS_SPENDING_H

#include "bus/redis_door.h"
#include "codec/envelope.h"
#include "shared/meter.h"

typedef struct tc_spending_t tc_spending_t;

/* Sends an envelope to all children that share the door's Redis, database and prefix. Keeps nothing. */
typedef void tc_spending_publish_fn(tc_redis_door_t *door, const tc_buf_t *envelope);

/* Made on `pool`; `meter` and `loop`, the bus thread's, must outlive it. `child` is copied. Worker. */
tc_spending_t *tc_spending_create(tc_shared_meter_t *meter, const tc_uuid_t *child, tc_loop_t *loop,
                                  tc_spending_publish_fn *publish, apr_pool_t *pool);

/* Notes that a user of the door's site has spent a token. The others are told 0.2 s later, of many users at once. */
void tc_spending_add(tc_spending_t *spending, tc_redis_door_t *door, tc_action_e action,
                     const char *user_id);

/*
 * Takes in another child's envelope for the door's site, unless it is this httpd's own, tells of the users of another
 * database, or was taken in already, over another door or by another child of this httpd. False when the envelope is not
 * valid.
 */
bool tc_spending_take_in(tc_spending_t *spending, const tc_redis_door_t *door,
                         const tc_envelope_t *envelope);

/* Frees what has not been told. */
void tc_spending_free(tc_spending_t *spending);

#endif
