/*
 * The counts of all children (base/metrics.h) in memory that they share: a seat a child, as many slots for sites as a
 * seat has. What was counted stays when a child ends, so that sums never fall; gauges are those of living children
 * alone. The memory may outlive a reload: whoever finds it fit goes on with it. Any process, without locks.
 */
#ifndef TC_SHARED_BOARD_H
#define TC_SHARED_BOARD_H

#include "base/metrics.h"

#include <stddef.h>
#include <sys/types.h>

typedef struct tc_board_t tc_board_t; /* the shared memory itself */

/* Seats for so many children at a time, and those that a reload leaves behind. */
unsigned tc_board_seats(unsigned children);

/* Bytes of zeroed memory that a board needs; makes one of them, aligned to 64. */
size_t tc_board_size(unsigned seats);
tc_board_t *tc_board_make(void *memory, unsigned seats);

/* Was it made for this table of metrics, and so many seats? */
bool tc_board_fits(const tc_board_t *board, unsigned seats);

/*
 * The slot of a site, from now on and for as long as there is the board; TC_METRICS_OTHER when there are too many.
 * Before the children are there.
 */
unsigned tc_board_slot(tc_board_t *board, const char *site);

/* The name of a slot's site, "other" among them; NULL when it has none. */
const char *tc_board_site(const tc_board_t *board, unsigned slot);

/*
 * Takes a free seat, or that of a child that is no more, for the process `pid`: its counts are added to, its gauges are
 * zero. NULL when there is none.
 */
tc_metrics_seat_t *tc_board_sit(tc_board_t *board, pid_t pid);

/* Gives it back: its gauges count no more. */
void tc_board_leave(tc_board_t *board, pid_t pid);

/* What all children have in a slot; `sums` has TC_METRICS_CELLS. Memory that nobody counted in is not touched. */
void tc_board_sum(const tc_board_t *board, unsigned slot, uint64_t *sums);

#endif
