/*
 * A place in memory that children share, owned by the process whose number stands in it, 0 where nobody sits. A child
 * may be killed anywhere, so who is gone sits nowhere. Any process, without locks.
 */
#ifndef TC_SHARED_SEAT_H
#define TC_SHARED_SEAT_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* Seats for so many children at a time, and those that a reload leaves behind for a while. */
static inline unsigned tc_seats_for(unsigned children)
{
    return 2 * children + 2;
}

/* Is there such a process? A number that another one has got since counts as the first's. */
static inline bool tc_seat_lives(pid_t pid)
{
    return pid != 0 && (kill(pid, 0) == 0 || errno != ESRCH);
}

/* Takes a seat that is free, or whose owner is gone. */
static inline bool tc_seat_take(_Atomic pid_t *owner, pid_t pid)
{
    pid_t before = atomic_load(owner);

    return !tc_seat_lives(before) && atomic_compare_exchange_strong(owner, &before, pid);
}

/* Frees the seat of a process, if it is that one's. */
static inline void tc_seat_clear(_Atomic pid_t *owner, pid_t pid)
{
    (void)atomic_compare_exchange_strong(owner, &pid, 0);
}

#endif
