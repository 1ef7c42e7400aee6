/*
 * A seat: a place in memory that children share. It holds the pid of the process that owns it, 0 when it is free. A
 * child may be killed anywhere, so the seat of a process that has ended is free, too. Any process, without locks.
 */
#ifndef TC_SHARED_SEAT_H
#define TC_SHARED_SEAT_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* How many seats are needed for `children` at a time and for those that a reload leaves behind for a while. */
static inline unsigned tc_seats_for(unsigned children)
{
    return 2 * children + 2;
}

/* Is there such a process? If another process has the same pid by now, the answer is yes. */
static inline bool tc_seat_lives(pid_t pid)
{
    return pid != 0 && (kill(pid, 0) == 0 || errno != ESRCH);
}

/* Takes the seat if it is free or its owner has ended. False when it has a living owner. */
static inline bool tc_seat_take(_Atomic pid_t *owner, pid_t pid)
{
    pid_t before = atomic_load(owner);

    return !tc_seat_lives(before) && atomic_compare_exchange_strong(owner, &before, pid);
}

/* Frees the seat if the process `pid` owns it. */
static inline void tc_seat_clear(_Atomic pid_t *owner, pid_t pid)
{
    (void)atomic_compare_exchange_strong(owner, &pid, 0);
}

#endif
