/*
 * What a token says, in a form that a connection can keep: a hash of each claim and its value, never the token. A child
 * that takes a connection over compares these facts with the rules of its own configuration (rules.h). Any thread.
 */
#ifndef TC_TOKEN_FACTS_H
#define TC_TOKEN_FACTS_H

#include "codec/json.h"

#include <apr_pools.h>
#include <stdint.h>

#define TC_FACTS_MAX 64 /* claims and values of a token that are kept */

typedef struct {
    uint32_t count;
    bool is_partial; /* the token says more than this */
    uint64_t hashes[];
} tc_facts_t;

/*
 * Reads the facts of a verified token, onto `pool`: iss, aud and the header's typ first, then every other claim with a
 * text, a whole number, a boolean, or a list of these. Dates and jti are no facts.
 */
tc_facts_t *tc_facts_read(json_object *header, json_object *claims, apr_pool_t *pool);

/* True if the token's claim `name`, or the header's typ for TC_FACTS_TYPE, has this value or contains it. */
bool tc_facts_have(const tc_facts_t *facts, const char *name, const char *value);
#define TC_FACTS_TYPE "\1typ" /* no claim has this name */

/* The bytes of the facts, for copies: tc_facts_copy() mallocs one. `bytes` may have any alignment; NULL: they are none. */
size_t tc_facts_size(const tc_facts_t *facts);
tc_facts_t *tc_facts_copy(const void *bytes, size_t len);

/* ---- values of claims ---- */

/* The text of a string, a whole number or a boolean; NULL: the value is something else, or has U+0000. */
const char *tc_facts_text(json_object *value);

/* Calls `visit` with each text of a claim until it returns true, and returns that. A scope is a list of words (RFC 8693, 4.2). */
bool tc_facts_each(const char *name, json_object *value, bool (*visit)(void *what, const char *text, size_t len), void *what);

/* The media type of a header's typ, without "application/" (RFC 7515, 4.1.9); "": it has none, or no text. */
const char *tc_facts_type(json_object *header);

#endif
