/*
 * How many connections whoever has, over all children of this httpd: counts by key in memory that they share.
 * Each child has a seat with counts of its own there, so that what one held that died is not counted for ever.
 * Any thread, any process, without locks: a child may be ended wherever it is.
 */
#ifndef TC_SHARED_TALLY_H
#define TC_SHARED_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    unsigned seats;        /* children at a time, those of the generation before among them */
    unsigned groups;       /* of a seat; a power of 2 */
    unsigned char *memory; /* shared */
} tc_tally_t;

/* One child's place in a tally. */
typedef struct {
    const tc_tally_t *tally;
    unsigned seat;
} tc_tally_seat_t;

/* A tally for so many children with so many keys each; sets the fields but for the memory. */
void tc_tally_plan(tc_tally_t *tally, unsigned children, unsigned keys);

/* Bytes of zeroed memory that it needs. */
size_t tc_tally_size(const tc_tally_t *tally);

/* Takes a free seat, or that of a child that is no more. False when there is none. */
bool tc_tally_sit(const tc_tally_t *tally, pid_t pid, tc_tally_seat_t *seat);
void tc_tally_leave(const tc_tally_seat_t *seat);

/* Frees the seat of a child that is gone, if it has left one behind. */
void tc_tally_clear(const tc_tally_t *tally, pid_t pid);

/*
 * Counts one more for a key (not 0) unless all children together have `max` of them, or takes one back. A key that
 * finds no place is not counted: false alone means that there are as many as allowed. *counted says whether
 * tc_tally_remove() must follow.
 */
bool tc_tally_add(const tc_tally_seat_t *seat, uint64_t key, unsigned max, bool *counted);
void tc_tally_remove(const tc_tally_seat_t *seat, uint64_t key);

/* All children's count of a key. */
unsigned tc_tally_sum(const tc_tally_t *tally, uint64_t key);

#endif
