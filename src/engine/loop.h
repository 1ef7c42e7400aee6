/*
 * The event loop of a child: one thread that waits for sockets, mail and timers, and never
 * blocks on anything else. What an iteration puts off (tasks) runs at its end, so that everything that
 * was queued for a socket meanwhile leaves in one write.
 */
#ifndef TC_ENGINE_LOOP_H
#define TC_ENGINE_LOOP_H

#include "engine/mailbox.h"
#include "engine/poller.h"
#include "engine/timer.h"

#include <apr_pools.h>

typedef struct tc_loop_t tc_loop_t;

/* Something to do at the end of this iteration, or of the next; embedded in its owner. */
typedef struct tc_task_t {
    struct tc_task_t *next;
    void (*run)(struct tc_task_t *task);
    bool queued;
} tc_task_t;

/* Makes a loop on a pool that the loop's thread owns from now on; `beat_us` is for tc_loop_pace(). */
apr_status_t tc_loop_create(tc_loop_t **loop, int64_t beat_us, apr_pool_t *pool);

/* Runs until tc_loop_quit(); `context` goes to each mail's deliver(). Loop. */
void tc_loop_run(tc_loop_t *loop, void *context);

/* Ends tc_loop_run() after this iteration. Loop. */
void tc_loop_quit(tc_loop_t *loop);

/* Any thread: mail for the loop; false when it has ended. */
bool tc_loop_post(tc_loop_t *loop, tc_mail_t *mail);

/* After tc_loop_run(): no more mail; delivers what is left. Loop. */
void tc_loop_close(tc_loop_t *loop, void *context);

/* The time of this iteration, monotonic. Loop. */
int64_t tc_loop_now_us(const tc_loop_t *loop);

tc_timers_t *tc_loop_timers(tc_loop_t *loop);

/* Two buffers for whoever runs: TC_READ_BUFFER_BYTES to read into, TC_TLS_BATCH_BYTES to write from. */
unsigned char *tc_loop_read_buffer(tc_loop_t *loop);
unsigned char *tc_loop_write_buffer(tc_loop_t *loop);

/* Watches io->fd for TC_POLL_IN and/or TC_POLL_OUT, in place of before; 0 stops watching. Loop. */
apr_status_t tc_loop_watch(tc_loop_t *loop, tc_io_t *io, unsigned events);

/* Runs `task` at the end of this iteration, once however often it is asked for. Loop. */
void tc_loop_defer(tc_loop_t *loop, tc_task_t *task);

/* Runs it in the next iteration, which then does not wait. Loop. */
void tc_loop_again(tc_loop_t *loop, tc_task_t *task);

/*
 * Runs it with the loop's next beat, which comes `beat_us` after the first task that waits for it, or twice
 * as long after as the last beat took: what is in no hurry gathers until then. Loop.
 */
void tc_loop_pace(tc_loop_t *loop, tc_task_t *task);

#endif
