/*
 * How many connections a user or an address has, over all children of this httpd: counts by key (tc_meter_key()) in
 * memory that the children share. Each child counts in a seat of its own: when the child dies, its counts go with it.
 * Any thread, any process, without locks: a child may be ended anywhere.
 */
#ifndef TC_SHARED_TALLY_H
#define TC_SHARED_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    unsigned seats;        /* children at a time, with those of the generation before */
    unsigned groups;       /* of a seat; a power of 2 */
    unsigned char *memory; /* shared */
} tc_tally_t;

/* One child's place in a tally. */
typedef struct {
    const tc_tally_t *tally;
    unsigned seat;
} tc_tally_seat_t;

/*
 * Plans a tally for `children` at a time with `keys` each: of so many different ones, one in 5,000 finds no place. A key takes
 * 32 bytes. Sets all fields but `memory`. Before the first fork.
 */
void tc_tally_plan(tc_tally_t *tally, unsigned children, unsigned keys);

/* The bytes of zeroed memory that the tally needs. */
size_t tc_tally_size(const tc_tally_t *tally);

/* Takes a free seat, or the seat of a child that has ended, with all counts at 0. False when no seat is free. */
bool tc_tally_sit(const tc_tally_t *tally, pid_t pid, tc_tally_seat_t *seat);
void tc_tally_leave(const tc_tally_seat_t *seat);

/* Frees the seat of a child that has ended, if it still has one. */
void tc_tally_clear(const tc_tally_t *tally, pid_t pid);

/*
 * tc_tally_add() counts one more for a key (not 0). It returns false when all children together already have `max`.
 * A key that finds no free place is let through without being counted. *counted says whether tc_tally_remove(), which
 * takes one back, must follow.
 */
bool tc_tally_add(const tc_tally_seat_t *seat, uint64_t key, unsigned max, bool *counted);
void tc_tally_remove(const tc_tally_seat_t *seat, uint64_t key);

/* The count of a key over all children. */
unsigned tc_tally_sum(const tc_tally_t *tally, uint64_t key);

#endif
