/* The counts of all children. See board.h. */
#include "shared/board.h"

#include "shared/seat.h"

#include <string.h>

#define NAME_BYTES 128
#define OTHER "other"

/* A seat's word: the owner's pid (0: free), and two flags. A word of 0: the seat was never taken. */
#define PID_MASK UINT64_C(0xffffffff)
#define SEATED (UINT64_C(1) << 32) /* the gauges were zeroed, so they are the owner's */
#define TAKEN (UINT64_C(1) << 33)  /* now or earlier: the counters are summed */

struct tc_board_t {
    uint64_t layout;
    unsigned seats;
    atomic_uint sites; /* names in use, from slot 1 on; without TC_METRICS_OTHER */
    atomic_bool has_other;
    char names[TC_METRICS_SLOTS][NAME_BYTES]; /* each is written once */
    _Atomic uint64_t words[];
};

unsigned tc_board_seats(unsigned children)
{
    return tc_seats_for(children);
}

static size_t seats_at(unsigned seats)
{
    return (sizeof(tc_board_t) + seats * sizeof(_Atomic uint64_t) + 63) / 64 * 64;
}

size_t tc_board_size(unsigned seats)
{
    return seats_at(seats) + seats * sizeof(tc_metrics_seat_t);
}

static tc_metrics_seat_t *seat_at(const tc_board_t *board, unsigned i)
{
    return (tc_metrics_seat_t *)(void *)((unsigned char *)board + seats_at(board->seats)) + i;
}

tc_board_t *tc_board_make(void *memory, unsigned seats)
{
    tc_board_t *board = memory;

    board->layout = tc_metrics_layout();
    board->seats = seats;
    return board;
}

bool tc_board_fits(const tc_board_t *board, unsigned seats)
{
    return board->layout == tc_metrics_layout() && board->seats == seats;
}

/* ---- sites ---- */

unsigned tc_board_slot(tc_board_t *board, const char *site)
{
    unsigned count = atomic_load(&board->sites), slot;

    for (slot = 1; slot <= count; slot++) {
        if (strncmp(board->names[slot], site, NAME_BYTES - 1) == 0) {
            return slot;
        }
    }
    if (slot >= TC_METRICS_OTHER) {
        atomic_store(&board->has_other, true);
        return TC_METRICS_OTHER;
    }
    strncpy(board->names[slot], site, NAME_BYTES - 1); /* the last byte stays 0 */
    atomic_store(&board->sites, slot);
    return slot;
}

const char *tc_board_site(const tc_board_t *board, unsigned slot)
{
    if (slot == TC_METRICS_OTHER) {
        return atomic_load(&board->has_other) ? OTHER : NULL;
    }
    if (slot == TC_METRICS_CHILD || slot > TC_METRICS_OTHER || slot > atomic_load(&board->sites)) {
        return NULL;
    }
    return board->names[slot];
}

/* ---- seats ---- */

static void zero_gauges(tc_metrics_seat_t *seat)
{
    uint64_t used = atomic_load(&seat->used);
    unsigned count, slot, i, cell;
    const tc_metric_t *metrics = tc_metrics_table(&count);

    for (slot = 0; slot < TC_METRICS_SLOTS; slot++) {
        for (i = 0; i < count && (used >> slot & 1) != 0; i++) {
            unsigned end = i + 1 < count ? metrics[i + 1].first : TC_METRICS_CELLS;

            for (cell = metrics[i].first; cell < end && !tc_metric_is_kept(&metrics[i]); cell++) {
                atomic_store(&seat->cells[slot][cell], 0);
            }
        }
    }
}

tc_metrics_seat_t *tc_board_sit(tc_board_t *board, pid_t pid)
{
    unsigned i;

    for (i = 0; i < board->seats; i++) {
        uint64_t word = atomic_load(&board->words[i]);

        if (!tc_seat_lives((pid_t)(word & PID_MASK))
            && atomic_compare_exchange_strong(&board->words[i], &word, TAKEN | (uint64_t)pid)) {
            zero_gauges(seat_at(board, i));
            atomic_store(&board->words[i], TAKEN | SEATED | (uint64_t)pid);
            return seat_at(board, i);
        }
    }
    return NULL;
}

void tc_board_leave(tc_board_t *board, pid_t pid)
{
    unsigned i;

    for (i = 0; i < board->seats; i++) {
        if ((atomic_load(&board->words[i]) & PID_MASK) == (uint64_t)pid) {
            atomic_store(&board->words[i], TAKEN);
        }
    }
}

/* ---- reading ---- */

static void add_cells(const tc_metrics_seat_t *seat, unsigned slot, bool lives, uint64_t *sums)
{
    unsigned count, i, cell;
    const tc_metric_t *metrics = tc_metrics_table(&count);

    for (i = 0; i < count; i++) {
        unsigned end = i + 1 < count ? metrics[i + 1].first : TC_METRICS_CELLS;
        bool largest = metrics[i].kind == TC_METRIC_LARGEST || metrics[i].kind == TC_METRIC_LONGEST;

        for (cell = metrics[i].first; cell < end && (lives || tc_metric_is_kept(&metrics[i])); cell++) {
            uint64_t value = atomic_load_explicit(&seat->cells[slot][cell], memory_order_relaxed);

            if (!largest) {
                sums[cell] += value;
            }
            else if (value > sums[cell]) {
                sums[cell] = value;
            }
        }
    }
}

void tc_board_sum(const tc_board_t *board, unsigned slot, uint64_t *sums)
{
    unsigned i;

    memset(sums, 0, TC_METRICS_CELLS * sizeof(*sums));
    for (i = 0; i < board->seats; i++) {
        uint64_t word = atomic_load(&board->words[i]);
        bool lives = (word & SEATED) != 0 && tc_seat_lives((pid_t)(word & PID_MASK));

        if (word != 0 && (atomic_load(&seat_at(board, i)->used) >> slot & 1) != 0) {
            add_cells(seat_at(board, i), slot, lives, sums);
        }
    }
}
