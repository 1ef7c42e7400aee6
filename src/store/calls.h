/*
 * The calls that all threads make to the driver for one database. Such a call may wait as long as the database likes. What
 * else a thread does while it has a connection is not counted, so nobody but the database can make a call look old. Any
 * thread.
 */
#ifndef TC_STORE_CALLS_H
#define TC_STORE_CALLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    atomic_uint under_way;
    atomic_llong answered_us; /* monotonic; when the last call came back, or the only one under way began */
} tc_calls_t;

void tc_calls_init(tc_calls_t *calls);

/* Before and after each call. NULL is allowed: the call is not counted. */
void tc_calls_begin(tc_calls_t *calls);
void tc_calls_end(tc_calls_t *calls);

/* True if a call is under way, and none has come back for `span_us`. */
bool tc_calls_are_silent(tc_calls_t *calls, int64_t span_us);

#endif
