/* Token buckets that children share. See meter.h. */
#include "shared/meter.h"

#include <stdatomic.h>
#include <string.h>

#define GROUPS 16384u /* a power of 2 */
#define GROUP 8       /* places that a key may have */

/* A full bucket holds no information, so its place is free. */
typedef struct {
    _Atomic uint64_t key;
    _Atomic tc_bucket_t bucket;
} place_t;

size_t tc_meter_size(void)
{
    return sizeof(place_t) * GROUP * GROUPS;
}

/* The key of a name within `whose`. */
static uint64_t make_key(const tc_shared_meter_t *meter, uint64_t whose, int kind, const char *name)
{
    unsigned char text[256];
    size_t len = strlen(name), head = sizeof(whose) + 1;
    uint64_t key;

    memcpy(text, &whose, sizeof(whose));
    text[head - 1] = (unsigned char)kind;
    if (len > sizeof(text) - head) { /* a long name is hashed first */
        key = apr_siphash24(name, len, meter->secret);
        len = sizeof(key);
        name = (const char *)&key;
    }
    memcpy(text + head, name, len);
    key = apr_siphash24(text, head + len, meter->secret);
    return key ? key : 1;
}

/* Of the site, its name counts: its place in the configuration may be another one after a reload. */
uint64_t tc_meter_key(const tc_shared_meter_t *meter, const tc_site_t *site, int kind, const char *name)
{
    return make_key(meter, apr_siphash24(site->name, strlen(site->name), meter->secret), kind, name);
}

uint64_t tc_meter_database_key(const tc_shared_meter_t *meter, uint64_t database, int kind, const char *name)
{
    return make_key(meter, database, kind, name);
}

static place_t *group_of(const tc_shared_meter_t *meter, uint64_t key)
{
    return (place_t *)meter->memory + GROUP * (key & (GROUPS - 1));
}

/* The key's place, or NULL. */
static place_t *find_place(const tc_shared_meter_t *meter, uint64_t key)
{
    place_t *group = group_of(meter, key);
    int i;

    for (i = 0; i < GROUP; i++) {
        if (atomic_load(&group[i].key) == key) {
            return &group[i];
        }
    }
    return NULL;
}

/*
 * The key's place. If the key has none, it takes the one whose bucket is full first: a free one, or that of a key that has
 * spent least. So however many keys there are, whoever spends most stays limited. NULL: others took all of them just now.
 */
static place_t *claim_place(const tc_shared_meter_t *meter, uint64_t key, int64_t now_us)
{
    place_t *place = find_place(meter, key), *group = group_of(meter, key);
    int tries, i;

    for (tries = 0; place == NULL && tries < GROUP; tries++) {
        place_t *least = &group[0];
        uint64_t owner;
        tc_bucket_t bucket;

        for (i = 1; i < GROUP; i++) {
            if (atomic_load(&group[i].bucket) < atomic_load(&least->bucket)) {
                least = &group[i];
            }
        }
        owner = atomic_load(&least->key);
        bucket = atomic_load(&least->bucket);
        if (atomic_compare_exchange_strong(&least->key, &owner, key)) {
            place = least;
            if (bucket > now_us) { /* unless the key has spent from it meanwhile */
                (void)atomic_compare_exchange_strong(&place->bucket, &bucket, 0);
            }
        }
    }
    return place;
}

int64_t tc_meter_take(tc_shared_meter_t *meter, const tc_rate_t *rate, uint64_t key, int64_t now_us)
{
    place_t *place = rate->tokens > 0 ? claim_place(meter, key, now_us) : NULL;
    tc_bucket_t bucket = place ? atomic_load(&place->bucket) : 0;

    while (place != NULL) {
        int64_t wait_us = tc_bucket_wait_us(bucket, rate, now_us);

        if (wait_us > 0) {
            return wait_us;
        }
        if (atomic_compare_exchange_weak(&place->bucket, &bucket, tc_bucket_less(bucket, rate, now_us))) {
            break;
        }
    }
    return 0;
}

int64_t tc_meter_wait_us(const tc_shared_meter_t *meter, const tc_rate_t *rate, uint64_t key, int64_t now_us)
{
    place_t *place = find_place(meter, key);

    return place ? tc_bucket_wait_us(atomic_load(&place->bucket), rate, now_us) : 0;
}

/* ---- the domain's side ---- */

static uint64_t key_of(tc_meter_t *base, const tc_site_t *site, tc_action_e action, const char *user_id)
{
    const tc_shared_meter_t *meter = (tc_shared_meter_t *)base;
    uint64_t database = tc_site_database(site);

    return database != 0 ? tc_meter_database_key(meter, database, (int)action, user_id)
                         : tc_meter_key(meter, site, (int)action, user_id);
}

static int64_t wait_us(tc_meter_t *base, const tc_site_t *site, tc_action_e action,
                       const char *user_id, int64_t now_us)
{
    return tc_meter_wait_us((tc_shared_meter_t *)base, &site->user_rates[action],
                            key_of(base, site, action, user_id), now_us);
}

static void take(tc_meter_t *base, const tc_site_t *site, tc_action_e action, const char *user_id,
                 int64_t now_us)
{
    (void)tc_meter_take((tc_shared_meter_t *)base, &site->user_rates[action],
                        key_of(base, site, action, user_id), now_us);
}

static void spend(tc_meter_t *base, const tc_site_t *site, uint64_t database, tc_action_e action, const char *user_id,
                  unsigned count, int64_t now_us)
{
    const tc_rate_t *rate = &site->user_rates[action];
    const tc_shared_meter_t *meter = (tc_shared_meter_t *)base;
    place_t *place = claim_place(meter, tc_meter_database_key(meter, database, (int)action, user_id), now_us);
    tc_bucket_t bucket = place ? atomic_load(&place->bucket) : 0;

    while (place != NULL
           && !atomic_compare_exchange_weak(&place->bucket, &bucket,
                                            tc_bucket_spend(bucket, rate, count, now_us))) {
    }
}

void tc_meter_init(tc_shared_meter_t *meter, void *memory, const unsigned char *secret)
{
    meter->meter = (tc_meter_t){wait_us, take, spend};
    meter->memory = memory;
    memcpy(meter->secret, secret, APR_SIPHASH_KSIZE);
}
