/*
 * An event loop: one thread that waits for sockets, mail and timers, and never blocks on anything else. A child has a
 * loop for its connections, and another loop on its bus thread. "Loop thread" below is the thread that runs the loop.
 * Tasks run at the end of an iteration, so that all frames that were queued for a socket meanwhile leave in one write.
 *
 * No kind of work holds the loop for more than a slice of TC_LOOP_SLICE_US. What is left of it then waits, in its order,
 * until the loop has looked for sockets, mail and timers again, and what these ask for goes first.
 */
#ifndef TC_ENGINE_LOOP_H
#define TC_ENGINE_LOOP_H

#include "engine/mailbox.h"
#include "engine/poller.h"
#include "engine/timer.h"

#include <apr_pools.h>

typedef struct tc_loop_t tc_loop_t;

/* Work that a function below puts off; embedded in its owner, zeroed at first. */
typedef struct tc_task_t {
    struct tc_task_t *next; /* in its list, the last one's is the task itself; NULL: not put off */
    void (*run)(struct tc_task_t *task);
} tc_task_t;

/* True until the task begins to run. */
static inline bool tc_task_is_put_off(const tc_task_t *task)
{
    return task->next != NULL;
}

/* Makes a loop on `pool`, which the loop thread owns from now on. `beat_us` is for tc_loop_pace(). */
apr_status_t tc_loop_create(tc_loop_t **loop, int64_t beat_us, apr_pool_t *pool);

/* Runs until tc_loop_quit(). The calling thread is the loop thread. `context` is passed to each mail's deliver(). */
void tc_loop_run(tc_loop_t *loop, void *context);

/* Ends tc_loop_run() after this iteration. Loop thread only. */
void tc_loop_quit(tc_loop_t *loop);

/* Sends mail to the loop. If the loop was closed, returns false and the mail stays the caller's. Any thread. */
bool tc_loop_post(tc_loop_t *loop, tc_mail_t *mail);

/* Call after tc_loop_run(): closes the mailbox and delivers the mail that is left. Loop thread only. */
void tc_loop_close(tc_loop_t *loop, void *context);

/* The monotonic time at which this iteration began. Loop thread only. */
int64_t tc_loop_now_us(const tc_loop_t *loop);

/* The loop's timers. Loop thread only. */
tc_timers_t *tc_loop_timers(tc_loop_t *loop);

/*
 * Two buffers for any callback of the loop: TC_READ_BUFFER_BYTES to read into, TC_TLS_BATCH_BYTES to write from. The
 * next callback may overwrite them. Loop thread only.
 */
unsigned char *tc_loop_read_buffer(tc_loop_t *loop);
unsigned char *tc_loop_write_buffer(tc_loop_t *loop);

/* Watches io->fd as tc_poller_set() does. Loop thread only. */
apr_status_t tc_loop_watch(tc_loop_t *loop, tc_io_t *io, unsigned events);

/*
 * Each of the next four puts a task off. A task that is put off already stays where it is, and runs once.
 *
 * _defer() runs the task at the end of this iteration or, if that has many tasks, of one of the next. Loop thread only.
 */
void tc_loop_defer(tc_loop_t *loop, tc_task_t *task);

/*
 * Runs the task in one of the next iterations, behind all that is waiting, in the order of these calls. For work that may
 * come in great numbers at once. Loop thread only.
 */
void tc_loop_later(tc_loop_t *loop, tc_task_t *task);

/* Runs the task in the next iteration, which then does not wait for events. Loop thread only. */
void tc_loop_again(tc_loop_t *loop, tc_task_t *task);

/*
 * Runs the task with the loop's next beat. The beat comes `beat_us` after the first task began to wait for the beat. If
 * twice the time that the last beat took is longer, the beat comes after that time. Writes that are not urgent gather
 * until then. Loop thread only.
 */
void tc_loop_pace(tc_loop_t *loop, tc_task_t *task);

#endif
