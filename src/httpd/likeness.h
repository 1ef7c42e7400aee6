/*
 * Whether two servers have the same configuration, which makes one site of them (sites.h). From the reading of directives to check_config.
 */
#ifndef TC_HTTPD_LIKENESS_H
#define TC_HTTPD_LIKENESS_H

#include "httpd/config.h"

#include <stdint.h>

/* True if a directive has the same value in both; a default that is written is no other value. */
int tc_likeness_of(tc_directive_e directive, const tc_config_t *one, const tc_config_t *other);

/* True if both have the same keys for tokens, and the same further issuers. */
int tc_likeness_of_keys(const tc_config_t *one, const tc_config_t *other);

/*
 * The first directive, besides TripChatSite, whose value is not the same in both; -1: there is none. _hash() makes a
 * number of the same values, which is another one if a value is: `hash` so far, TC_HASH_BASIS at first. _hash_keys() does
 * so for the keys and issuers alone.
 */
int tc_likeness_difference(const tc_config_t *one, const tc_config_t *other);
uint64_t tc_likeness_hash(const tc_config_t *config, uint64_t hash);
uint64_t tc_likeness_hash_keys(const tc_config_t *config, uint64_t hash);

#endif
