/*
 * The hub holds all live rooms of a child, of all sites. It finds rooms, keeps an empty room for a while, sends the
 * messages of members to the store, and the store's answers to the rooms. Loop thread only; time is passed in.
 */
#ifndef TC_DOMAIN_HUB_H
#define TC_DOMAIN_HUB_H

#include "domain/bus.h"
#include "domain/limits.h"
#include "domain/room.h"

#include <apr_pools.h>

typedef struct tc_hub_t tc_hub_t;

/* Makes a hub that lives as long as `pool`, which must be the loop's own pool. */
tc_hub_t *tc_hub_create(apr_pool_t *pool);

/*
 * Until `until_us` (monotonic), every tick asks the store for news of all rooms, also if the bus is local. That is for
 * the time in which another child of the same httpd ends or starts: a local bus does not reach that child.
 */
void tc_hub_watch_until(tc_hub_t *hub, int64_t until_us);

/* Frees all rooms. No member and no job may be left. */
void tc_hub_destroy(tc_hub_t *hub);

/*
 * After _watch_gaps(), the hub calls `on_gap(context)` if a room lacks events that may be on their way over the bus.
 * The owner then calls _fill_gaps() a moment later, which fetches the events that have not come. Without _watch_gaps(),
 * the hub asks the store at once.
 */
void tc_hub_watch_gaps(tc_hub_t *hub, void (*on_gap)(void *context), void *context);
void tc_hub_fill_gaps(tc_hub_t *hub);

/*
 * After _serve_in_portions(), rooms that are opened are served in portions: about so many members, or events that members
 * are handed, at once. The hub calls `on_unserved(context)` if members wait for their turn. The owner then calls _serve_on()
 * when other work has had its turn, and again while it returns true. Without it, the hub serves all members at once.
 */
void tc_hub_serve_in_portions(tc_hub_t *hub, unsigned portion, void (*on_unserved)(void *context), void *context);
bool tc_hub_serve_on(tc_hub_t *hub);

/*
 * Adds a member to the room of a trip. `after` is the seq from which the member resumes; -1: a newcomer. Each store
 * always comes with the same bus. If the hub still has an older room of the trip, which was deleted and made again, that
 * room's members are closed with 1012. A member for a room that was replaced so is closed with 1012. The member stays
 * the caller's, and must stay in memory until it has left and member->jobs is 0.
 */
void tc_hub_join(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                 const tc_trip_t *trip, const tc_uuid_t *room_id, int64_t after);

/* Takes a member out of its room. Allowed if it is in none. */
void tc_hub_leave(tc_hub_t *hub, tc_member_t *member, int64_t now_us);

/* Adds a member that moved here from another child, where it has seen the events of this room up to its cursor. */
void tc_hub_rejoin(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                   const tc_trip_t *trip, const tc_uuid_t *room_id);

/* Sets the meter that counts a user's actions over all of the user's connections. The meter must outlive the hub. */
void tc_hub_set_meter(tc_hub_t *hub, tc_meter_t *meter);

/* Handles a text message (valid UTF-8) of a member that is in a room. Answers go through the member's sink. */
void tc_hub_on_text(tc_hub_t *hub, tc_member_t *member, const char *text, size_t len,
                    int64_t now_us);

/*
 * Stores a message or an edit that came in a REST request. The members of the room get the event as any other, but
 * `member` itself is not added to the room. Its sink has stored() and refused(); exactly one of them is called, once.
 * `member` must stay in memory until then, and until member->jobs is 0. `in` stays the caller's.
 */
void tc_hub_write(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                  const tc_trip_t *trip, const tc_uuid_t *room_id, const tc_chat_in_t *in,
                  int64_t now_us);

/* Takes a job that the store has finished, and destroys it. */
void tc_hub_on_job(tc_hub_t *hub, tc_job_t *job, int64_t now_us);

/*
 * The bus calls these functions for what it brings. If the hub does not have the room, they do nothing. _event(): an
 * event of another child; the caller keeps its reference. _head(): the room's last seq, as another child knows it.
 * _typing(): a typing frame; the caller keeps its reference. _joined(): the bus has subscribed to the room, so that no
 * later event is missed.
 */
void tc_hub_on_bus_event(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                         tc_event_t *event);
void tc_hub_on_bus_head(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                        int64_t seq);
void tc_hub_on_bus_typing(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                          const char *user_id, tc_blob_t *frame);
void tc_hub_on_bus_joined(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id);

/* Called if a bus comes up or goes down, or if it lost an envelope; then it reports the same state again. */
void tc_hub_on_bus_state(tc_hub_t *hub, tc_bus_t *bus, tc_bus_state_e state, int64_t now_us);

/* Call this about once a second: forgets rooms that have been empty long enough, and asks for missing events. */
void tc_hub_tick(tc_hub_t *hub, int64_t now_us);

/*
 * Drops the caches of rooms, the heaviest first, until they have had `bytes` together. Returns how many. Newcomers then
 * have to wait for the store.
 */
unsigned tc_hub_shed(tc_hub_t *hub, size_t bytes);

/* The number of live rooms, for tests. */
unsigned tc_hub_room_count(const tc_hub_t *hub);

#endif
