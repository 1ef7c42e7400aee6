/* What children know of each other. See handover.h. */
#include "shared/handover.h"

#include "base/clock.h"
#include "base/units.h"
#include "shared/seat.h"

#include <limits.h>

#define GONE_US (600 * TC_US_PER_S)

void tc_handover_plan(tc_handover_t *handover, unsigned children, unsigned version)
{
    handover->version = version;
    handover->count = tc_seats_for(children);
}

size_t tc_handover_size(const tc_handover_t *handover)
{
    return sizeof(tc_handover_board_t) + (sizeof(tc_handover_seat_t) + sizeof(tc_handover_gone_t)) * handover->count + 8;
}

/* ---- children that have gone ---- */

static tc_handover_gone_t *gone_at(const tc_handover_t *handover, unsigned i)
{
    uintptr_t at = ((uintptr_t)&handover->board->seats[handover->count] + 7) / 8 * 8;

    return (tc_handover_gone_t *)at + i % handover->count; /* NOLINT(performance-no-int-to-ptr): it is rounded up */
}

/* This comes before its seat is given up, so that it is known at each moment. */
static void note_gone(const tc_handover_t *handover, pid_t pid)
{
    tc_handover_gone_t *place = gone_at(handover, atomic_fetch_add(&handover->board->gone, 1));

    atomic_store(&place->since_us, tc_clock_monotonic_us());
    atomic_store(&place->pid, pid);
}

bool tc_handover_knows(const tc_handover_t *handover, pid_t pid)
{
    int64_t now_us = tc_clock_monotonic_us();
    unsigned i;

    for (i = 0; i < handover->count && pid != 0; i++) {
        if (atomic_load(&handover->board->seats[i].pid) == pid) {
            return true;
        }
    }
    /* Afterwards, because a child that leaves is noted as gone before its seat is free. */
    for (i = 0; i < handover->count && pid != 0; i++) {
        const tc_handover_gone_t *place = gone_at(handover, i);

        if (atomic_load(&place->pid) == pid && now_us - atomic_load(&place->since_us) < GONE_US) {
            return true;
        }
    }
    return false;
}

/* ---- seats ---- */

static bool lives(const tc_handover_seat_t *seat)
{
    return tc_seat_lives(atomic_load(&seat->pid));
}

tc_handover_seat_t *tc_handover_sit(const tc_handover_t *handover, pid_t pid, unsigned generation, unsigned room)
{
    unsigned i;

    for (i = 0; i < handover->count; i++) {
        tc_handover_seat_t *seat = &handover->board->seats[i];
        pid_t before = atomic_load(&seat->pid);

        if (before != 0 && !tc_seat_lives(before)) {
            note_gone(handover, before);
        }
        if (tc_seat_take(&seat->pid, pid)) {
            atomic_store(&seat->receives, false);
            atomic_store(&seat->held, 0);
            atomic_store(&seat->room, room);
            atomic_store(&seat->version, handover->version);
            atomic_store(&seat->generation, generation);
            return seat;
        }
    }
    return NULL;
}

void tc_handover_leave(const tc_handover_t *handover, tc_handover_seat_t *seat)
{
    note_gone(handover, atomic_load(&seat->pid));
    atomic_store(&seat->receives, false);
    atomic_store(&seat->pid, 0);
}

void tc_handover_clear(const tc_handover_t *handover, pid_t pid)
{
    unsigned i;

    for (i = 0; i < handover->count; i++) {
        if (atomic_load(&handover->board->seats[i].pid) == pid) {
            note_gone(handover, pid);
            tc_seat_clear(&handover->board->seats[i].pid, pid);
        }
    }
}

static bool would_read(const tc_handover_t *handover, const tc_handover_seat_t *seat,
                       const tc_handover_seat_t *own)
{
    return seat != own && atomic_load(&seat->receives)
           && atomic_load(&seat->version) == handover->version && lives(seat);
}

static unsigned count_readers(const tc_handover_t *handover, const tc_handover_seat_t *own, bool of_ours,
                              unsigned enough)
{
    unsigned count = 0, i;

    for (i = 0; i < handover->count && count < enough; i++) {
        const tc_handover_seat_t *seat = &handover->board->seats[i];

        count += (of_ours || atomic_load(&seat->generation) != atomic_load(&own->generation))
                 && would_read(handover, seat, own);
    }
    return count;
}

unsigned tc_handover_receivers(const tc_handover_t *handover, const tc_handover_seat_t *own, unsigned enough)
{
    return count_readers(handover, own, true, enough);
}

unsigned tc_handover_followers(const tc_handover_t *handover, const tc_handover_seat_t *own, unsigned enough)
{
    return count_readers(handover, own, false, enough);
}

bool tc_handover_has_leavers(const tc_handover_t *handover, unsigned generation)
{
    unsigned i;

    for (i = 0; i < handover->count; i++) {
        const tc_handover_seat_t *seat = &handover->board->seats[i];

        if (atomic_load(&seat->held) > 0
            && (atomic_load(&seat->generation) != generation || !atomic_load(&seat->receives))
            && lives(seat)) {
            return true;
        }
    }
    return false;
}

unsigned tc_handover_children(const tc_handover_t *handover, unsigned generation)
{
    unsigned count = 0, i;

    for (i = 0; i < handover->count; i++) {
        const tc_handover_seat_t *seat = &handover->board->seats[i];

        count += atomic_load(&seat->generation) == generation && lives(seat);
    }
    return count;
}

bool tc_handover_has_room(const tc_handover_t *handover, const tc_handover_seat_t *own)
{
    unsigned i;

    for (i = 0; i < handover->count; i++) {
        const tc_handover_seat_t *seat = &handover->board->seats[i];

        if (atomic_load(&seat->held) < atomic_load(&seat->room) && would_read(handover, seat, own)) {
            return true;
        }
    }
    return false;
}

unsigned tc_handover_fewest(const tc_handover_t *handover, const tc_handover_seat_t *own)
{
    unsigned fewest = UINT_MAX, i;

    for (i = 0; i < handover->count; i++) {
        unsigned held = atomic_load(&handover->board->seats[i].held);

        if (held < fewest && would_read(handover, &handover->board->seats[i], own)) {
            fewest = held;
        }
    }
    return fewest;
}
