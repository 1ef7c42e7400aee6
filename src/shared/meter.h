/*
 * How often users and addresses do something, over all children of this httpd: token buckets by key in memory that the
 * children share. Any thread, any process, without locks: a child may be ended anywhere.
 */
#ifndef TC_SHARED_METER_H
#define TC_SHARED_METER_H

#include "domain/limits.h"

#include <apr_siphash.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    tc_meter_t meter;      /* the domain's; stands first */
    unsigned char secret[APR_SIPHASH_KSIZE]; /* const; without it nobody can make names whose keys collide */
    void *memory;          /* shared */
} tc_shared_meter_t;

/* The kinds of keys; a key is made of a site, a kind and a name. The first kinds are tc_action_e. */
enum { TC_KEY_HANDSHAKE = TC_ACTIONS, TC_KEY_USER, TC_KEY_ADDRESS, TC_KEY_SPENT, TC_KEY_REQUEST, TC_KEY_USER_REQUEST,
       TC_KEY_TOLD, TC_KEY_REFUSED /* and its action: TC_KEY_REFUSED + TC_ACTION_EDIT */ };

/*
 * The bytes of zeroed memory that a meter needs, and a meter made with them. The memory stays the caller's; `secret`
 * has APR_SIPHASH_KSIZE bytes, which are copied. Before the first fork.
 */
size_t tc_meter_size(void);
void tc_meter_init(tc_shared_meter_t *meter, void *memory, const unsigned char *secret);

/* The key of a name in a site: a user's id, an address or another text. Never 0. */
uint64_t tc_meter_key(const tc_shared_meter_t *meter, const tc_site_t *site, int kind, const char *name);

/* The same in a database (tc_site_database()), whichever sites are on it. */
uint64_t tc_meter_database_key(const tc_shared_meter_t *meter, uint64_t database, int kind, const char *name);

/*
 * Takes a token out of the key's bucket and returns 0. If the bucket has none, takes nothing and returns how long it
 * takes until it has one (microseconds). There are 131,072 places for keys whose buckets are not full; if a key finds none
 * free, it takes the place of one that has spent less than others. `now_us` is monotonic.
 */
int64_t tc_meter_take(tc_shared_meter_t *meter, const tc_rate_t *rate, uint64_t key, int64_t now_us);

/* Returns how long it takes until the key's bucket has a token; 0: it has one. Takes nothing. */
int64_t tc_meter_wait_us(const tc_shared_meter_t *meter, const tc_rate_t *rate, uint64_t key, int64_t now_us);

#endif
