/*
 * All live rooms of a child, found by trip and by id, and listed by site. Rooms that lack something have a list of their
 * own, so that nobody walks all rooms to find them. The hub owns it. Loop thread only.
 */
#ifndef TC_DOMAIN_ROOMS_H
#define TC_DOMAIN_ROOMS_H

#include "domain/bus.h"
#include "domain/room.h"

#include <apr_hash.h>
#include <apr_pools.h>

/* A site that has or had rooms here: its store, its bus, its live rooms. Sites are few and stay as long as the child. */
typedef struct tc_home_t {
    tc_store_t *store;
    tc_bus_t *bus;
    tc_room_t *first;    /* its rooms, in no order */
    unsigned checks;     /* HEADS jobs in flight */
    unsigned connects;   /* store->connects when the store was asked for news after a connection was made */
    int64_t checked_us;  /* when the store was asked for news last; monotonic */
    struct tc_home_t *next;
} tc_home_t;

typedef struct {
    apr_pool_t *pool;
    apr_hash_t *by_trip; /* tc_room_trip_key_t to tc_room_t; without rooms that were replaced */
    apr_hash_t *by_id;   /* tc_room_key_t to tc_room_t */
    tc_home_t *homes;
    tc_room_t *lacking;  /* rooms that lack events, or may */
    unsigned portion;    /* of rooms that will be opened; see room.h */
    tc_room_t *unserved; /* rooms with members that wait for their turn; the next is served first */
    tc_room_t **unserved_end;
} tc_rooms_t;

/* Makes an empty set that lives as long as `pool`. _free() frees all rooms; no member and no job may be left. */
void tc_rooms_init(tc_rooms_t *rooms, apr_pool_t *pool);
void tc_rooms_free(tc_rooms_t *rooms);

/* Return a site's room with this id, or of this trip. NULL: there is none. */
tc_room_t *tc_rooms_find(const tc_rooms_t *rooms, const tc_site_t *site, const tc_uuid_t *room_id);
tc_room_t *tc_rooms_find_trip(const tc_rooms_t *rooms, const tc_site_t *site, const tc_trip_t *trip);

/* Returns the site of a store. NULL: no room of it was opened. */
tc_home_t *tc_rooms_home(const tc_rooms_t *rooms, const tc_store_t *store);

/* Makes a room, of a trip that has none, and tells the bus. */
tc_room_t *tc_rooms_open(tc_rooms_t *rooms, tc_store_t *store, tc_bus_t *bus, const tc_trip_t *trip,
                         const tc_uuid_t *room_id);

/*
 * The room was deleted, and its trip has another room: closes its members with 1012. The trip may then get its new room.
 * This one stays until its members and jobs are gone, and a while longer, so that nobody is led into it by a handshake
 * that was slow.
 */
void tc_rooms_replace(tc_rooms_t *rooms, tc_room_t *room);

/* Takes the room, which has no members and no jobs, out of everything, tells the bus, and frees it. */
void tc_rooms_forget(tc_rooms_t *rooms, tc_room_t *room);

/* See tc_hub_shed(). */
unsigned tc_rooms_shed(tc_rooms_t *rooms, size_t bytes);

/* If the room lacks events, or may lack some, adds it to the list of such rooms and returns true. */
bool tc_rooms_note_lack(tc_rooms_t *rooms, tc_room_t *room);

/* Takes the room out of that list, if it is in it. */
void tc_rooms_clear_lack(tc_room_t *room);

/* If the room has members that wait for their turn, adds it to the end of the queue of such rooms, unless it is in it. */
void tc_rooms_queue_unserved(tc_rooms_t *rooms, tc_room_t *room);

/* Takes the first room out of that queue. NULL: it is empty. */
tc_room_t *tc_rooms_next_unserved(tc_rooms_t *rooms);

#endif
