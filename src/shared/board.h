/*
 * The board: the counts of all children (base/metrics.h) in memory that they share, with a seat for each child.
 * Counters stay when a child ends, so that sums never fall. Gauges are summed over living children only. The memory
 * may outlive a reload: httpd goes on with it if it still fits. Any process, without locks, unless a
 * comment says otherwise.
 */
#ifndef TC_SHARED_BOARD_H
#define TC_SHARED_BOARD_H

#include "base/metrics.h"

#include <stddef.h>
#include <sys/types.h>

typedef struct tc_board_t tc_board_t; /* the shared memory itself */

/* How many seats are needed for `children` at a time and for those that a reload leaves behind. */
unsigned tc_board_seats(unsigned children);

/*
 * The bytes that a board needs, and a board made in them: zeroed memory, aligned to 64, which stays the caller's.
 * Before the first fork.
 */
size_t tc_board_size(unsigned seats);
tc_board_t *tc_board_make(void *memory, unsigned seats);

/* True when the board was made for this build's table of metrics and for `seats`. */
bool tc_board_fits(const tc_board_t *board, unsigned seats);

/*
 * The slot of a site, which is the same as long as the board exists. TC_METRICS_OTHER when there are too many sites.
 * Before the first fork.
 */
unsigned tc_board_slot(tc_board_t *board, const char *site);

/* The name of a slot's site; "other" for TC_METRICS_OTHER. NULL when the slot has no site. */
const char *tc_board_site(const tc_board_t *board, unsigned slot);

/*
 * Takes a free seat, or the seat of a child that has ended, for the process `pid`. The seat's counters go on from where
 * they are, its gauges start at zero. NULL when no seat is free. The board owns the seat.
 */
tc_metrics_seat_t *tc_board_sit(tc_board_t *board, pid_t pid);

/* Frees the seat of the process `pid`, if there is one: its gauges are not summed any more. */
void tc_board_leave(tc_board_t *board, pid_t pid);

/* Sums a slot over all seats; `sums` has TC_METRICS_CELLS cells. Memory in which nobody has counted is not read. */
void tc_board_sum(const tc_board_t *board, unsigned slot, uint64_t *sums);

#endif
