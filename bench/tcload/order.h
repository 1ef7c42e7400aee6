/*
 * Checks that each connection gets each event of its room once and in order, by `seq`. Every event's seq must be the
 * connection's previous one + 1, beginning with the last_seq of its message_history.
 *
 * missing      numbers that a jump left out
 * reordered    an event that was missing and comes later
 * duplicated   any other event that is not new
 * lost         what is still missing in the end, or what another member of the room saw and this connection did not
 */
#ifndef BENCH_TCLOAD_ORDER_H
#define BENCH_TCLOAD_ORDER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct { uint64_t from, to; } range_t;

/* A connection's place, and what it has got there. */
typedef struct {
    uint32_t room, member;
    uint64_t last_seq;
    range_t *gaps;              /* the missing numbers */
    uint32_t n_gaps, cap_gaps;
} track_t;

typedef struct {
    uint64_t *room_max;         /* highest seq that any member has seen, by room */
    uint64_t n_missing, n_lost, n_duplicated, n_reordered;
    uint64_t n_fault_lines;
} order_t;

void order_init(order_t *o, uint32_t n_rooms);

/* The connection has the history, which ends with last_seq. */
void order_begin(order_t *o, track_t *t, uint64_t last_seq);

/* An event has arrived. The first faults of the run are also noted on stderr. */
void order_check(order_t *o, track_t *t, uint64_t seq);

/* Whether another member of the room has seen a later event. */
bool order_is_behind(const order_t *o, const track_t *t);

/* At the end of the run: first what is missing is lost, then what each connection that is behind never got. */
void order_lose_missing(order_t *o);
void order_lose_behind(order_t *o, const track_t *t);

#endif
