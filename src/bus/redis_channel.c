/* Channels of Redis. See redis_channel.h. */
#include "bus/redis_channel.h"

#include "base/alloc.h"

#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>

#define ROOM "room:"
#define SPENT "spent"
#define DATABASE_CHARS 12
#define POINTER_CHARS 24

/* ---- names ---- */

/* The database's number is part of the name, because a Redis subscription hears publishers of all databases. */
static char *make_name(const tc_redis_door_t *door, const char *what, const char *which)
{
    size_t size = strlen(door->prefix) + DATABASE_CHARS + strlen(what) + strlen(which) + 1;
    char *name = tc_alloc(size);

    apr_snprintf(name, size, "%s%d:%s%s", door->prefix, door->address.database, what, which);
    return name;
}

char *tc_channel_of_room(const tc_redis_door_t *door, const tc_uuid_t *room_id)
{
    char id[TC_UUID_CHARS + 1];

    tc_uuid_format(room_id, id);
    return make_name(door, ROOM, id);
}

char *tc_channel_of_spending(const tc_redis_door_t *door)
{
    return make_name(door, SPENT, "");
}

/* Channels of two links may have the same name, so the key begins with the link. */
static char *make_key(const tc_redis_link_t *link, const char *name)
{
    size_t size = strlen(name) + POINTER_CHARS;
    char *key = tc_alloc(size);

    snprintf(key, size, "%p %s", (const void *)link, name);
    return key;
}

/* ---- who listens ---- */

tc_channel_t *tc_channel_find(apr_hash_t *channels, const tc_redis_link_t *link, const char *name)
{
    char *key = make_key(link, name);
    tc_channel_t *channel = apr_hash_get(channels, key, APR_HASH_KEY_STRING);

    free(key);
    return channel;
}

tc_channel_t *tc_channel_subscribe(apr_hash_t *channels, tc_redis_door_t *door, const char *name)
{
    tc_channel_t *channel = tc_channel_find(channels, door->link, name);
    tc_listener_t *listener = tc_alloc(sizeof(*listener));

    if (channel == NULL) {
        char *key = make_key(door->link, name);
        size_t size = strlen(key) + 1;

        channel = tc_alloc_zero(sizeof(*channel) + size);
        memcpy(channel->key, key, size);
        free(key);
        apr_hash_set(channels, channel->key, APR_HASH_KEY_STRING, channel);
        tc_redis_link_subscribe(door->link, name);
    }
    listener->door = door;
    listener->next = channel->listeners;
    channel->listeners = listener;
    return channel;
}

static void forget(apr_hash_t *channels, tc_channel_t *channel)
{
    apr_hash_set(channels, channel->key, APR_HASH_KEY_STRING, NULL);
    while (channel->listeners != NULL) {
        tc_listener_t *listener = channel->listeners;

        channel->listeners = listener->next;
        free(listener);
    }
    free(channel);
}

void tc_channel_unsubscribe(apr_hash_t *channels, tc_redis_door_t *door, const char *name)
{
    tc_channel_t *channel = tc_channel_find(channels, door->link, name);
    tc_listener_t **at;

    if (channel == NULL) {
        return;
    }
    for (at = &channel->listeners; *at != NULL && (*at)->door != door; at = &(*at)->next) {
    }
    if (*at != NULL) {
        tc_listener_t *gone = *at;

        *at = gone->next;
        free(gone);
    }
    if (channel->listeners == NULL) {
        tc_redis_link_unsubscribe(door->link, name);
        forget(channels, channel);
    }
}

void tc_channel_forget_all(apr_hash_t *channels)
{
    apr_hash_index_t *at;

    while ((at = apr_hash_first(NULL, channels)) != NULL) {
        forget(channels, apr_hash_this_val(at));
    }
}
