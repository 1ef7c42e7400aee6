/* The event loop. See loop.h. */
#include "engine/loop.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"

/* Tasks, in the order in which they were put off. */
typedef struct {
    tc_task_t *first;
    tc_task_t **end;
} task_list_t;

struct tc_loop_t {
    tc_poller_t *poller;
    tc_mailbox_t mailbox;
    tc_timers_t timers;
    task_list_t deferred;
    task_list_t backlog; /* deferred tasks of earlier iterations, and what may come later */
    tc_mail_t *mail;     /* taken from the mailbox, but not delivered */
    task_list_t again;
    task_list_t paced;
    int64_t beat_us;
    int64_t paced_us;     /* when the first task began to wait for the beat; valid while `paced` is not empty */
    int64_t beat_cost_us; /* how long the last beat took, with the slices that it left to later iterations */
    bool beat_lasts;      /* some of them are left */
    int64_t now_us;
    bool quit;
    tc_thread_role_e role;  /* of the thread that runs the loop */
    unsigned char *read_buffer;
    unsigned char *write_buffer;
};

static void wake_loop(void *context)
{
    tc_loop_t *loop = context;

    tc_poller_wake(loop->poller);
}

static void task_list_init(task_list_t *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void task_list_add(task_list_t *list, tc_task_t *task)
{
    if (!tc_task_is_put_off(task)) {
        task->next = task;
        *list->end = task;
        list->end = &task->next;
    }
}

apr_status_t tc_loop_create(tc_loop_t **out, int64_t beat_us, apr_pool_t *pool)
{
    tc_loop_t *loop = apr_pcalloc(pool, sizeof(*loop));
    apr_status_t rv = tc_poller_create(&loop->poller, pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    loop->beat_us = beat_us;
    loop->role = TC_THREAD_LOOP;
    loop->now_us = tc_clock_monotonic_us();
    loop->read_buffer = apr_palloc(pool, TC_READ_BUFFER_BYTES);
    loop->write_buffer = apr_palloc(pool, TC_TLS_BATCH_BYTES);
    tc_mailbox_init(&loop->mailbox, wake_loop, loop);
    tc_timers_init(&loop->timers, loop->now_us);
    task_list_init(&loop->deferred);
    task_list_init(&loop->backlog);
    task_list_init(&loop->again);
    task_list_init(&loop->paced);
    *out = loop;
    return APR_SUCCESS;
}

int64_t tc_loop_now_us(const tc_loop_t *loop)
{
    return loop->now_us;
}

tc_timers_t *tc_loop_timers(tc_loop_t *loop)
{
    return &loop->timers;
}

unsigned char *tc_loop_read_buffer(tc_loop_t *loop)
{
    return loop->read_buffer;
}

unsigned char *tc_loop_write_buffer(tc_loop_t *loop)
{
    return loop->write_buffer;
}

bool tc_loop_post(tc_loop_t *loop, tc_mail_t *mail)
{
    return tc_mailbox_push(&loop->mailbox, mail);
}

void tc_loop_quit(tc_loop_t *loop)
{
    TC_ASSERT_THREAD(loop->role);
    loop->quit = true;
}

void tc_loop_defer(tc_loop_t *loop, tc_task_t *task)
{
    task_list_add(&loop->deferred, task);
}

void tc_loop_later(tc_loop_t *loop, tc_task_t *task)
{
    task_list_add(&loop->backlog, task);
}

void tc_loop_again(tc_loop_t *loop, tc_task_t *task)
{
    task_list_add(&loop->again, task);
}

/* After a beat, the loop pauses twice as long as the beat took. So urgent work gets two thirds of the time or more. */
static int64_t beat_due_us(const tc_loop_t *loop)
{
    int64_t pause_us = 2 * loop->beat_cost_us;

    return loop->paced_us + (pause_us > loop->beat_us ? pause_us : loop->beat_us);
}

void tc_loop_pace(tc_loop_t *loop, tc_task_t *task)
{
    if (loop->paced.first == NULL) {
        loop->paced_us = tc_clock_monotonic_us();
    }
    task_list_add(&loop->paced, task);
}

apr_status_t tc_loop_watch(tc_loop_t *loop, tc_io_t *io, unsigned events)
{
    TC_ASSERT_THREAD(loop->role);
    return tc_poller_set(loop->poller, io, events);
}

/* ---- iterations ---- */

static int64_t time_to_wait(const tc_loop_t *loop)
{
    int64_t wait_us = tc_timers_next_us(&loop->timers, loop->now_us);

    if (loop->again.first != NULL || loop->deferred.first != NULL || loop->backlog.first != NULL
        || loop->mail != NULL) {
        return 0;
    }
    if (loop->paced.first != NULL) {
        int64_t due_us = beat_due_us(loop);
        int64_t beat_us = due_us > loop->now_us ? due_us - loop->now_us : 0;

        wait_us = wait_us < 0 || beat_us < wait_us ? beat_us : wait_us;
    }
    return wait_us;
}

/* Delivers mail until `until_us`. Returns what is left. */
static tc_mail_t *deliver_mail(tc_mail_t *mail, void *context, int64_t until_us)
{
    while (mail != NULL && tc_clock_monotonic_us() < until_us) {
        tc_mail_t *next = mail->next;

        mail->next = NULL;
        mail->deliver(mail, context);
        mail = next;
    }
    return mail;
}

/* Takes the first task out of a list that is not empty. */
static tc_task_t *task_list_take(task_list_t *list)
{
    tc_task_t *task = list->first;

    if (task->next == task) {
        task_list_init(list);
    }
    else {
        list->first = task->next;
    }
    task->next = NULL;
    return task;
}

/* Runs the tasks of the list until `until_us`. A task may put off further tasks to the same list; they run too. */
static void run_tasks(task_list_t *list, int64_t until_us)
{
    while (list->first != NULL && tc_clock_monotonic_us() < until_us) {
        tc_task_t *task = task_list_take(list);

        task->run(task);
    }
}

/* Moves the tasks of `from` behind those of `to`. */
static void task_list_move(task_list_t *to, task_list_t *from)
{
    if (from->first != NULL) {
        *to->end = from->first;
        to->end = from->end;
        task_list_init(from);
    }
}

static int64_t slice_end_us(void)
{
    return tc_clock_monotonic_us() + TC_LOOP_SLICE_US;
}

/* A slice of mail: what was left goes before what came since. While something is left, the loop does not wait. */
static void run_mail(tc_loop_t *loop, void *context)
{
    int64_t until_us = slice_end_us();

    loop->mail = deliver_mail(loop->mail, context, until_us);
    if (loop->mail == NULL) {
        loop->mail = deliver_mail(tc_mailbox_take(&loop->mailbox), context, until_us);
    }
}

/* Runs the tasks that are in the list now, a slice of them. Tasks that they put off stay in the list, behind the rest. */
static void run_once(task_list_t *list)
{
    task_list_t now;

    if (list->first == NULL) {
        return;
    }
    task_list_init(&now);
    task_list_move(&now, list);
    run_tasks(&now, slice_end_us());
    task_list_move(&now, list);
    task_list_move(list, &now);
}

/* What this iteration has put off goes before what earlier ones have left, and each has its slice. */
static void run_deferred(tc_loop_t *loop)
{
    if (loop->deferred.first != NULL) {
        run_tasks(&loop->deferred, slice_end_us());
    }
    if (loop->backlog.first != NULL) {
        int64_t start_us = tc_clock_monotonic_us();

        run_tasks(&loop->backlog, start_us + TC_LOOP_SLICE_US);
        loop->beat_cost_us += loop->beat_lasts ? tc_clock_monotonic_us() - start_us : 0;
    }
    task_list_move(&loop->backlog, &loop->deferred);
    loop->beat_lasts = loop->beat_lasts && loop->backlog.first != NULL;
}

/* Has the tasks of the beat run, and measures what the beat costs. A long beat goes on in the backlog. */
static void run_beat(tc_loop_t *loop)
{
    int64_t start_us = tc_clock_monotonic_us();

    loop->beat_lasts = false;
    run_once(&loop->paced);
    run_deferred(loop);
    loop->beat_lasts = loop->backlog.first != NULL;
    loop->beat_cost_us = tc_clock_monotonic_us() - start_us;
}

void tc_loop_run(tc_loop_t *loop, void *context)
{
    loop->role = tc_thread_role();
    while (!loop->quit) {
        apr_status_t rv = tc_poller_wait(loop->poller, time_to_wait(loop));

        loop->now_us = tc_clock_monotonic_us();
        if (rv != APR_SUCCESS) {
            tc_log(TC_LOG_ERR, rv, "TC0001: the event loop cannot wait for its sockets; it tries again");
        }
        run_once(&loop->again);
        tc_poller_dispatch(loop->poller, slice_end_us());
        run_mail(loop, context);
        tc_timers_run(&loop->timers, loop->now_us, slice_end_us());
        if (loop->paced.first != NULL && loop->now_us >= beat_due_us(loop)) {
            run_beat(loop);
        }
        else {
            run_deferred(loop);
        }
    }
}

void tc_loop_close(tc_loop_t *loop, void *context)
{
    (void)deliver_mail(loop->mail, context, INT64_MAX);
    loop->mail = NULL;
    (void)deliver_mail(tc_mailbox_close(&loop->mailbox), context, INT64_MAX);
    task_list_move(&loop->backlog, &loop->deferred);
    run_tasks(&loop->backlog, INT64_MAX);
    run_tasks(&loop->deferred, INT64_MAX);
}
