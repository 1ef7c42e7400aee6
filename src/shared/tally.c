/* Counts connections by user and address. See tally.h. */
#include "shared/tally.h"

#include "shared/seat.h"

#include <string.h>

#define GROUP 8        /* places that a key may have; a cache line */
#define COUNT_BITS 24
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

/* The key's tag and its count in one word, so that both change at once. A count of 0: the place is free. */
typedef _Atomic uint64_t place_t;

typedef struct {
    _Atomic pid_t pid; /* 0: free */
    place_t places[];
} seat_t;

static size_t seat_size(const tc_tally_t *tally)
{
    return sizeof(seat_t) + sizeof(place_t) * GROUP * tally->groups;
}

void tc_tally_plan(tc_tally_t *tally, unsigned children, unsigned keys)
{
    tally->seats = tc_seats_for(children);
    tally->groups = 1;
    while (tally->groups < keys / (GROUP / 4) && tally->groups < 1u << 20) {
        tally->groups *= 2;
    }
    tally->memory = NULL;
}

size_t tc_tally_size(const tc_tally_t *tally)
{
    return seat_size(tally) * tally->seats;
}

static seat_t *seat_at(const tc_tally_t *tally, unsigned index)
{
    return (seat_t *)(void *)(tally->memory + seat_size(tally) * index);
}

/* ---- seats ---- */

bool tc_tally_sit(const tc_tally_t *tally, pid_t pid, tc_tally_seat_t *seat)
{
    unsigned i;

    for (i = 0; i < tally->seats; i++) {
        seat_t *at = seat_at(tally, i);

        if (tc_seat_take(&at->pid, pid)) {
            memset((void *)at->places, 0, seat_size(tally) - sizeof(*at));
            *seat = (tc_tally_seat_t){tally, i};
            return true;
        }
    }
    return false;
}

void tc_tally_leave(const tc_tally_seat_t *seat)
{
    atomic_store(&seat_at(seat->tally, seat->seat)->pid, 0);
}

void tc_tally_clear(const tc_tally_t *tally, pid_t pid)
{
    unsigned i;

    for (i = 0; i < tally->seats; i++) {
        tc_seat_clear(&seat_at(tally, i)->pid, pid);
    }
}

/* ---- places ---- */

static uint64_t tag_of(uint64_t key)
{
    return key & ~COUNT_MASK;
}

static place_t *group_of(seat_t *seat, const tc_tally_t *tally, uint64_t key)
{
    return &seat->places[GROUP * (key & (tally->groups - 1))];
}

static bool is_of(uint64_t word, uint64_t key)
{
    return (word & COUNT_MASK) != 0 && tag_of(word) == tag_of(key);
}

/* Adds to the key's place, or takes a free place. False when no place is free. */
static bool count_up(place_t *group, uint64_t key)
{
    int i;

    for (i = 0; i < GROUP; i++) {
        uint64_t word = atomic_load(&group[i]);

        while (is_of(word, key) && (word & COUNT_MASK) < COUNT_MASK) {
            if (atomic_compare_exchange_weak(&group[i], &word, word + 1)) {
                return true;
            }
        }
    }
    for (i = 0; i < GROUP; i++) {
        uint64_t word = atomic_load(&group[i]);

        if ((word & COUNT_MASK) == 0
            && atomic_compare_exchange_strong(&group[i], &word, tag_of(key) | 1)) {
            return true;
        }
    }
    return false;
}

void tc_tally_remove(const tc_tally_seat_t *seat, uint64_t key)
{
    place_t *group = group_of(seat_at(seat->tally, seat->seat), seat->tally, key);
    int i;

    for (i = 0; i < GROUP; i++) {
        uint64_t word = atomic_load(&group[i]);

        while (is_of(word, key)) {
            if (atomic_compare_exchange_weak(&group[i], &word, word - 1)) {
                return;
            }
        }
    }
}

unsigned tc_tally_sum(const tc_tally_t *tally, uint64_t key)
{
    unsigned sum = 0, i;
    int j;

    for (i = 0; i < tally->seats; i++) {
        seat_t *seat = seat_at(tally, i);
        const place_t *group = group_of(seat, tally, key);

        for (j = 0; j < GROUP && atomic_load(&seat->pid) != 0; j++) {
            uint64_t word = atomic_load(&group[j]);

            sum += is_of(word, key) ? (unsigned)(word & COUNT_MASK) : 0;
        }
    }
    return sum;
}

bool tc_tally_add(const tc_tally_seat_t *seat, uint64_t key, unsigned max, bool *counted)
{
    *counted = count_up(group_of(seat_at(seat->tally, seat->seat), seat->tally, key), key);
    if (*counted && tc_tally_sum(seat->tally, key) > max) {
        tc_tally_remove(seat, key);
        *counted = false;
        return false;
    }
    return true;
}
