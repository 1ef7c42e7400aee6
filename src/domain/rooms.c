/* All live rooms of a child. See rooms.h. */
#include "domain/rooms.h"

#include "base/classes.h"
#include "base/metrics.h"
#include "domain/room_fetch.h"

void tc_rooms_init(tc_rooms_t *rooms, apr_pool_t *pool)
{
    rooms->pool = pool;
    rooms->by_trip = apr_hash_make(pool);
    rooms->by_id = apr_hash_make(pool);
    rooms->homes = NULL;
    rooms->lacking = rooms->unserved = NULL;
    rooms->unserved_end = &rooms->unserved;
    rooms->portion = UINT_MAX;
}

void tc_rooms_free(tc_rooms_t *rooms)
{
    tc_home_t *home;

    for (home = rooms->homes; home != NULL; home = home->next) {
        while (home->first != NULL) {
            tc_rooms_forget(rooms, home->first);
        }
    }
}

tc_room_t *tc_rooms_find(const tc_rooms_t *rooms, const tc_site_t *site, const tc_uuid_t *room_id)
{
    tc_room_key_t key = {site->index, *room_id};

    return apr_hash_get(rooms->by_id, &key, sizeof(key));
}

tc_room_t *tc_rooms_find_trip(const tc_rooms_t *rooms, const tc_site_t *site, const tc_trip_t *trip)
{
    tc_room_trip_key_t key = {site->index, *trip};

    return apr_hash_get(rooms->by_trip, &key, tc_room_trip_key_len(&key));
}

tc_home_t *tc_rooms_home(const tc_rooms_t *rooms, const tc_store_t *store)
{
    tc_home_t *home = rooms->homes;

    while (home != NULL && home->store != store) {
        home = home->next;
    }
    return home;
}

static tc_home_t *find_or_make_home(tc_rooms_t *rooms, tc_store_t *store, tc_bus_t *bus)
{
    tc_home_t *home = tc_rooms_home(rooms, store);

    if (home == NULL) {
        home = apr_pcalloc(rooms->pool, sizeof(*home));
        home->store = store;
        home->bus = bus;
        home->next = rooms->homes;
        rooms->homes = home;
    }
    return home;
}

/* Joins the circle of rooms with this id, of all sites. */
static void find_twins(const tc_rooms_t *rooms, tc_room_t *room)
{
    const tc_home_t *home;

    for (home = rooms->homes; home != NULL; home = home->next) {
        tc_room_t *other = home->store == room->store ? NULL : tc_rooms_find(rooms, home->store->site, &room->room_id);

        if (other != NULL) {
            room->twin = other->twin;
            other->twin = room;
            return;
        }
    }
}

static void leave_twins(tc_room_t *room)
{
    tc_room_t *before = room->twin;

    while (before->twin != room) {
        before = before->twin;
    }
    before->twin = room->twin;
    room->twin = room;
}

tc_room_t *tc_rooms_open(tc_rooms_t *rooms, tc_store_t *store, tc_bus_t *bus, const tc_trip_t *trip,
                         const tc_uuid_t *room_id)
{
    tc_room_t *room = tc_room_create(store, bus, trip, room_id);
    tc_home_t *home = find_or_make_home(rooms, store, bus);

    room->portion = rooms->portion;
    apr_hash_set(rooms->by_trip, &room->trip_key, tc_room_trip_key_len(&room->trip_key), room);
    apr_hash_set(rooms->by_id, &room->id_key, sizeof(room->id_key), room);
    room->next = home->first;
    room->link = &home->first;
    if (room->next != NULL) {
        room->next->link = &room->next;
    }
    home->first = room;
    find_twins(rooms, room);
    tc_metrics_add(room->site->metrics_slot, TC_M_ROOMS, 1);
    bus->room_opened(bus, room);
    return room;
}

/* Closing a member does not change the list: a member leaves the list later, when its connection is destroyed. */
void tc_rooms_replace(tc_rooms_t *rooms, tc_room_t *room)
{
    unsigned i;

    apr_hash_set(rooms->by_trip, &room->trip_key, tc_room_trip_key_len(&room->trip_key), NULL);
    room->replaced = true;
    for (i = 0; i < room->count; i++) {
        tc_room_send_away(room->members[i]);
    }
}

void tc_rooms_queue_unserved(tc_rooms_t *rooms, tc_room_t *room)
{
    if (room->unserved > 0 && !room->is_queued) {
        room->is_queued = true;
        room->next_unserved = NULL;
        *rooms->unserved_end = room;
        rooms->unserved_end = &room->next_unserved;
    }
}

/* The queue is short. */
static void unqueue(tc_rooms_t *rooms, tc_room_t *room)
{
    tc_room_t **at = &rooms->unserved;

    if (!room->is_queued) {
        return;
    }
    while (*at != room) {
        at = &(*at)->next_unserved;
    }
    *at = room->next_unserved;
    if (*at == NULL) {
        rooms->unserved_end = at;
    }
    room->is_queued = false;
}

tc_room_t *tc_rooms_next_unserved(tc_rooms_t *rooms)
{
    tc_room_t *room = rooms->unserved;

    if (room != NULL) {
        unqueue(rooms, room);
    }
    return room;
}

void tc_rooms_forget(tc_rooms_t *rooms, tc_room_t *room)
{
    if (!room->replaced) {
        apr_hash_set(rooms->by_trip, &room->trip_key, tc_room_trip_key_len(&room->trip_key), NULL);
    }
    apr_hash_set(rooms->by_id, &room->id_key, sizeof(room->id_key), NULL);
    *room->link = room->next;
    if (room->next != NULL) {
        room->next->link = room->link;
    }
    tc_rooms_clear_lack(room);
    unqueue(rooms, room);
    leave_twins(room);
    room->bus->room_closed(room->bus, room);
    tc_metrics_sub(room->site->metrics_slot, TC_M_ROOMS, 1);
    tc_room_destroy(room);
}

/* The next room of all sites; NULL: there is none. `room` is NULL at first. */
static tc_room_t *next_room(const tc_home_t **home, tc_room_t *room)
{
    room = room != NULL ? room->next : *home != NULL ? (*home)->first : NULL;
    while (room == NULL && *home != NULL && (*home = (*home)->next) != NULL) {
        room = (*home)->first;
    }
    return room;
}

unsigned tc_rooms_shed(tc_rooms_t *rooms, size_t bytes)
{
    const tc_home_t *home = rooms->homes;
    tc_classes_t classes = {{0}};
    unsigned shed = 0, least;
    tc_room_t *room = NULL;

    while ((room = next_room(&home, room)) != NULL) {
        tc_classes_add(&classes, tc_timeline_weight(&room->timeline));
    }
    least = tc_classes_needed(&classes, bytes);
    home = rooms->homes;
    while (bytes > 0 && (room = next_room(&home, room)) != NULL) {
        size_t weight = tc_timeline_weight(&room->timeline);

        if (weight > 0 && tc_class_of(weight) >= least) {
            tc_timeline_shed(&room->timeline);
            room->stale = room->loaded; /* the next newcomer waits for a LOAD, which fills the timeline */
            bytes -= weight < bytes ? weight : bytes;
            shed++;
        }
    }
    return shed;
}

bool tc_rooms_note_lack(tc_rooms_t *rooms, tc_room_t *room)
{
    if (!tc_room_is_behind(room) && !(room->probe && room->loaded)) {
        return false;
    }
    if (room->lacking_link == NULL) {
        room->next_lacking = rooms->lacking;
        room->lacking_link = &rooms->lacking;
        if (room->next_lacking != NULL) {
            room->next_lacking->lacking_link = &room->next_lacking;
        }
        rooms->lacking = room;
    }
    return true;
}

void tc_rooms_clear_lack(tc_room_t *room)
{
    if (room->lacking_link == NULL) {
        return;
    }
    *room->lacking_link = room->next_lacking;
    if (room->next_lacking != NULL) {
        room->next_lacking->lacking_link = room->lacking_link;
    }
    room->lacking_link = NULL;
}
