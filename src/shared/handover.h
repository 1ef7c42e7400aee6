/*
 * What the children of an httpd, those of all its generations, know of each other's coming and going: the passage
 * through which connections move, and memory that they share, with a seat a child. Made before the first fork and
 * kept over reloads. Without locks: a child may be ended anywhere.
 */
#ifndef TC_SHARED_HANDOVER_H
#define TC_SHARED_HANDOVER_H

#include "engine/passage.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A child as the others see it; its pid is 0 where there is none. */
typedef struct {
    _Atomic pid_t pid;
    atomic_uint version;    /* of the parcels that it reads */
    atomic_uint generation; /* httpd's */
    atomic_uint held;       /* connections */
    atomic_uint room;       /* how many it may hold */
    atomic_bool receives;
} tc_handover_seat_t;

/* Shared; zeroed at first. */
typedef struct {
    atomic_uint configurations; /* how often httpd has read its configuration with us in it */
    tc_handover_seat_t seats[];
} tc_handover_board_t;

typedef struct {
    tc_passage_t passage;
    tc_handover_board_t *board;
    unsigned count;   /* seats */
    unsigned version; /* of the parcels that children of this build read and write */
} tc_handover_t;

/*
 * Sets the number of seats for so many children at a time, and those that a reload leaves behind, and the version of
 * the parcels that children of this build read.
 */
void tc_handover_plan(tc_handover_t *handover, unsigned children, unsigned version);

/* Bytes of the board. */
size_t tc_handover_size(const tc_handover_t *handover);

/*
 * Takes a free seat, or that of a child that is no more, with room for so many connections; NULL: there is none. The
 * seat does not say yet that any are taken.
 */
tc_handover_seat_t *tc_handover_sit(const tc_handover_t *handover, pid_t pid, unsigned generation, unsigned room);
void tc_handover_leave(tc_handover_seat_t *seat);

/* Frees the seat of a child that is gone, if it has left one behind. */
void tc_handover_clear(const tc_handover_t *handover, pid_t pid);

/* How many others would read our parcels; stops counting at `enough`. */
unsigned tc_handover_receivers(const tc_handover_t *handover, const tc_handover_seat_t *own, unsigned enough);

/* The same of those of other generations: of ours all go. */
unsigned tc_handover_followers(const tc_handover_t *handover, const tc_handover_seat_t *own, unsigned enough);

/* True when a child of another generation, or one that takes nothing any more, has connections. */
bool tc_handover_has_leavers(const tc_handover_t *handover, unsigned generation);

/* Living children of a generation, whether they receive or not. */
unsigned tc_handover_children(const tc_handover_t *handover, unsigned generation);

/* True when one of the others would read our parcels and has room for another connection. */
bool tc_handover_has_room(const tc_handover_t *handover, const tc_handover_seat_t *own);

/* The fewest connections that one of the others holds who would read our parcels; UINT_MAX: there are none. */
unsigned tc_handover_fewest(const tc_handover_t *handover, const tc_handover_seat_t *own);

#endif
