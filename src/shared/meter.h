/*
 * How often whoever does what, over all children of this httpd: token buckets by key in memory that they
 * share. Any thread, any process, without locks: a child may be ended wherever it is.
 */
#ifndef TC_SHARED_METER_H
#define TC_SHARED_METER_H

#include "domain/limits.h"

#include <apr_siphash.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    tc_meter_t meter;      /* the domain's; stands first */
    unsigned char secret[APR_SIPHASH_KSIZE]; /* const; so that nobody can make keys that collide */
    void *memory;          /* shared */
} tc_shared_meter_t;

/* What keys are made of, beside a site and a name. The first are tc_action_e. */
enum { TC_KEY_HANDSHAKE = TC_ACTIONS, TC_KEY_USER, TC_KEY_ADDRESS, TC_KEY_SPENT };

/* Bytes of zeroed memory that it needs; sets it up with them. `secret` has APR_SIPHASH_KSIZE bytes. */
size_t tc_meter_size(void);
void tc_meter_init(tc_shared_meter_t *meter, void *memory, const unsigned char *secret);

/* The key of somebody's in a site; never 0. */
uint64_t tc_meter_key(const tc_shared_meter_t *meter, const tc_site_t *site, int kind, const char *name);

/*
 * Takes a token of the key's bucket. 0, or how long there is none: then nothing was taken. A key that finds no
 * place among too many others is let through.
 */
int64_t tc_meter_take(tc_shared_meter_t *meter, const tc_rate_t *rate, uint64_t key, int64_t now_us);

#endif
