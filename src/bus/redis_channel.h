/*
 * Channels of Redis that somebody here listens to: which door's room, or what users of its site spend. Bus.
 */
#ifndef TC_BUS_REDIS_CHANNEL_H
#define TC_BUS_REDIS_CHANNEL_H

#include "bus/redis_door.h"
#include "bus/redis_link.h"

/* Who wants to hear a channel: a room of one site, seldom of more (two with one database and prefix). */
typedef struct tc_listener_t {
    tc_redis_door_t *door;
    struct tc_listener_t *next;
} tc_listener_t;

typedef struct {
    bool is_spending;  /* no room's, but what users of a site spend */
    tc_uuid_t room_id;
    tc_listener_t *listeners;
    char key[];
} tc_channel_t;

/* The names of channels as Redis knows them; the caller frees them. */
char *tc_channel_of_room(const tc_redis_door_t *door, const tc_uuid_t *room_id);
char *tc_channel_of_spending(const tc_redis_door_t *door);

/* The channel of that name on a link; NULL when nobody listens to it. */
tc_channel_t *tc_channel_find(apr_hash_t *channels, const tc_redis_link_t *link, const char *name);

/* Has a door listen, and listen no more: its link hears of it with the first and with the last. */
tc_channel_t *tc_channel_subscribe(apr_hash_t *channels, tc_redis_door_t *door, const char *name);
void tc_channel_unsubscribe(apr_hash_t *channels, tc_redis_door_t *door, const char *name);

/* Frees them all; no link hears of it. */
void tc_channel_forget_all(apr_hash_t *channels);

#endif
