/* What children know of each other. See handover.h. */
#include "shared/handover.h"

#include "shared/seat.h"

#include <limits.h>

void tc_handover_plan(tc_handover_t *handover, unsigned children, unsigned version)
{
    handover->version = version;
    handover->count = tc_seats_for(children);
}

size_t tc_handover_size(const tc_handover_t *handover)
{
    return sizeof(tc_handover_board_t) + sizeof(tc_handover_seat_t) * handover->count;
}

static bool lives(const tc_handover_seat_t *seat)
{
    return tc_seat_lives(atomic_load(&seat->pid));
}

tc_handover_seat_t *tc_handover_sit(const tc_handover_t *handover, pid_t pid, unsigned generation, unsigned room)
{
    unsigned i;

    for (i = 0; i < handover->count; i++) {
        tc_handover_seat_t *seat = &handover->board->seats[i];

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

void tc_handover_leave(tc_handover_seat_t *seat)
{
    atomic_store(&seat->receives, false);
    atomic_store(&seat->pid, 0);
}

void tc_handover_clear(const tc_handover_t *handover, pid_t pid)
{
    unsigned i;

    for (i = 0; i < handover->count; i++) {
        tc_seat_clear(&handover->board->seats[i].pid, pid);
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
