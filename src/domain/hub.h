/*
 * All live rooms of a child, of all sites: finds them, keeps an empty one a while, sends what members
 * say to the store and what the store answers to the rooms. The loop's; time is passed in.
 */
#ifndef TC_DOMAIN_HUB_H
#define TC_DOMAIN_HUB_H

#include "domain/bus.h"
#include "domain/limits.h"
#include "domain/room.h"

#include <apr_pools.h>

typedef struct tc_hub_t tc_hub_t;

/* Makes a hub that lives as long as `pool`, which must be the loop's own. */
tc_hub_t *tc_hub_create(apr_pool_t *pool);

/*
 * Until then (monotonic) every tick asks the store for news of all rooms where the bus is alone, too: there is another
 * child for a while, which this one follows, or which follows it.
 */
void tc_hub_watch_until(tc_hub_t *hub, int64_t until_us);

/* Frees all rooms; no member and no job is left. */
void tc_hub_destroy(tc_hub_t *hub);

/*
 * Has `on_gap(context)` called when a room lacks something that may be on its way over the bus; a moment
 * later tc_hub_fill_gaps() fetches what has not come. Without it the store is asked at once.
 */
void tc_hub_watch_gaps(tc_hub_t *hub, void (*on_gap)(void *context), void *context);
void tc_hub_fill_gaps(tc_hub_t *hub);

/*
 * Puts a member into the room of a trip; `after` is the seq it resumes from, -1 for a newcomer. A
 * store always comes with the same bus.
 */
void tc_hub_join(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                 const tc_uuid_t *trip_id, const tc_uuid_t *room_id, int64_t after);
void tc_hub_leave(tc_hub_t *hub, tc_member_t *member, int64_t now_us);

/* Puts a member back that was in this room of another child, and has seen the events up to its cursor. */
void tc_hub_rejoin(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                   const tc_uuid_t *trip_id, const tc_uuid_t *room_id);

/* Has what users do counted over all of their connections. The meter outlives the hub. */
void tc_hub_set_meter(tc_hub_t *hub, tc_meter_t *meter);

/* A member of a room has sent a text message (valid UTF-8). Answers go through its sink. */
void tc_hub_on_text(tc_hub_t *hub, tc_member_t *member, const char *text, size_t len,
                    int64_t now_us);

/*
 * Stores a message or an edit of one who is not in the room, which is told of it like of any other.
 * `member` has a sink with stored() and refused(), of which one is called, once; until then it stays in
 * memory. `in` is a POST or an EDIT, and the caller's.
 */
void tc_hub_write(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                  const tc_uuid_t *trip_id, const tc_uuid_t *room_id, const tc_chat_in_t *in,
                  int64_t now_us);

/* A store's job has come back; destroys it. */
void tc_hub_on_job(tc_hub_t *hub, tc_job_t *job, int64_t now_us);

/*
 * What the bus of a site brings for one of its rooms, which may have been forgotten: an event (the
 * caller keeps its reference), how far the room has come, somebody who types, and that from now on
 * nothing of this room passes by.
 */
void tc_hub_on_bus_event(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                         tc_event_t *event);
void tc_hub_on_bus_head(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                        int64_t seq);
void tc_hub_on_bus_typing(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                          const char *user_id, tc_blob_t *frame);
void tc_hub_on_bus_joined(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id);

/* A bus comes up or goes down, or has lost something and says its state once more. */
void tc_hub_on_bus_state(tc_hub_t *hub, tc_bus_t *bus, tc_bus_state_e state, int64_t now_us);

/* Once a second or so: forgets rooms that stood empty, asks for what is missing. */
void tc_hub_tick(tc_hub_t *hub, int64_t now_us);

/* Live rooms, for tests and metrics. */
unsigned tc_hub_room_count(const tc_hub_t *hub);

#endif
