/*
 * The Redis channels that this child listens to, and for which doors. A channel belongs to a room, or tells what users
 * of a site spend. The table `channels` maps keys to tc_channel_t and starts empty. Bus.
 */
#ifndef TC_BUS_REDIS_CHANNEL_H
#define TC_BUS_REDIS_CHANNEL_H

#include "bus/redis_door.h"
#include "bus/redis_link.h"

/* A door that listens to a channel. There are several only if sites have the same Redis, database and prefix. */
typedef struct tc_listener_t {
    tc_redis_door_t *door;
    struct tc_listener_t *next;
} tc_listener_t;

typedef struct {
    bool is_spending;  /* tells what users of a site spend; otherwise it is a room's */
    tc_uuid_t room_id;
    tc_listener_t *listeners;
    char key[];
} tc_channel_t;

/* The names of channels in Redis; the caller frees them with free(). */
char *tc_channel_of_room(const tc_redis_door_t *door, const tc_uuid_t *room_id);
char *tc_channel_of_spending(const tc_redis_door_t *door);

/* The channel with this name on a link; NULL when nobody listens to it. The table owns it. */
tc_channel_t *tc_channel_find(apr_hash_t *channels, const tc_redis_link_t *link, const char *name);

/* Makes a door listen, or stop. The link subscribes with the first listener and unsubscribes with the last. */
tc_channel_t *tc_channel_subscribe(apr_hash_t *channels, tc_redis_door_t *door, const char *name);
void tc_channel_unsubscribe(apr_hash_t *channels, tc_redis_door_t *door, const char *name);

/* Frees all channels; the links do not unsubscribe. */
void tc_channel_forget_all(apr_hash_t *channels);

#endif
