/*
 * What the children of an httpd know of each other, also children of other generations. This is the passage through
 * which connections move, and shared memory with a seat for each child. Made before the first fork, kept over reloads.
 * Any process, any thread, without locks: a child may be ended anywhere.
 */
#ifndef TC_SHARED_HANDOVER_H
#define TC_SHARED_HANDOVER_H

#include "engine/passage.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A child as the others see it; its pid is 0 when the seat is free. */
typedef struct {
    _Atomic pid_t pid;
    atomic_uint version;    /* of the parcels that the child reads */
    atomic_uint generation; /* httpd's */
    atomic_uint held;       /* connections that the child has */
    atomic_uint room;       /* connections that it may have */
    atomic_bool receives;   /* it takes connections from others */
} tc_handover_seat_t;

/* A child that had a seat; what it sent may still wait in the passage. */
typedef struct {
    _Atomic pid_t pid;
    _Atomic int64_t since_us; /* monotonic */
} tc_handover_gone_t;

/* Shared; zeroed at first. Behind the seats are as many places for children that have gone. */
typedef struct {
    atomic_uint configurations; /* how often httpd has read a configuration that uses this module */
    atomic_uint gone;           /* children that have gone so far */
    tc_handover_seat_t seats[];
} tc_handover_board_t;

typedef struct {
    tc_passage_t passage;
    tc_handover_board_t *board;
    unsigned count;   /* seats */
    unsigned version; /* of the parcels that children of this build read and write */
} tc_handover_t;

/*
 * Sets `count`, the seats for `children` at a time and for those that a reload leaves behind, and `version`. Before the
 * first fork.
 */
void tc_handover_plan(tc_handover_t *handover, unsigned children, unsigned version);

/* The bytes of zeroed memory that the board needs. */
size_t tc_handover_size(const tc_handover_t *handover);

/*
 * Takes a free seat, or the seat of a child that has ended, for the process `pid`, which may hold `room` connections.
 * `receives` stays false until the child sets it. NULL when no seat is free. The board owns the seat.
 */
tc_handover_seat_t *tc_handover_sit(const tc_handover_t *handover, pid_t pid, unsigned generation, unsigned room);
void tc_handover_leave(const tc_handover_t *handover, tc_handover_seat_t *seat);

/* Frees the seat of a child that has ended, if it still has one. */
void tc_handover_clear(const tc_handover_t *handover, pid_t pid);

/* True if the process is a child with a seat, or was one in the last ten minutes. Seats of other generations count, too. */
bool tc_handover_knows(const tc_handover_t *handover, pid_t pid);

/*
 * How many receivers there are: other living children that receive and read our parcels. Counting stops at `enough`.
 * `own` is the caller's seat; NULL: the caller has none.
 */
unsigned tc_handover_receivers(const tc_handover_t *handover, const tc_handover_seat_t *own, unsigned enough);

/* The same for receivers of other generations alone: at a reload all children of our own end. `own` is not NULL. */
unsigned tc_handover_followers(const tc_handover_t *handover, const tc_handover_seat_t *own, unsigned enough);

/* True when a living child has connections, and is of another generation or does not receive. */
bool tc_handover_has_leavers(const tc_handover_t *handover, unsigned generation);

/* How many children of a generation live, whether they receive or not. */
unsigned tc_handover_children(const tc_handover_t *handover, unsigned generation);

/* True when a receiver has room for another connection. */
bool tc_handover_has_room(const tc_handover_t *handover, const tc_handover_seat_t *own);

/* The number of connections of the receiver that has the fewest; UINT_MAX when there is no receiver. */
unsigned tc_handover_fewest(const tc_handover_t *handover, const tc_handover_seat_t *own);

#endif
