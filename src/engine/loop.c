/* The event loop. See loop.h. */
#include "engine/loop.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"

#include <apr_portable.h>
#include <apr_tables.h>
#include <stdlib.h>

#define READY_MAX 512 /* descriptors that one poll reports; epoll watches any number */

/* Tasks in the order they were asked for. */
typedef struct {
    tc_task_t *first;
    tc_task_t **end;
} task_list_t;

struct tc_loop_t {
    apr_pool_t *pool;
    apr_pollset_t *pollset;
    tc_mailbox_t mailbox;
    tc_timers_t timers;
    task_list_t deferred;
    task_list_t again;
    apr_array_header_t *spare; /* apr_socket_t to use again: a pool gives nothing back */
    int64_t now_us;
    bool quit;
    unsigned char *read_buffer;
    unsigned char *write_buffer;
};

static void wake_loop(void *context)
{
    tc_loop_t *loop = context;

    (void)apr_pollset_wakeup(loop->pollset);
}

static void task_list_init(task_list_t *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void task_list_add(task_list_t *list, tc_task_t *task)
{
    if (!task->queued) {
        task->queued = true;
        task->next = NULL;
        *list->end = task;
        list->end = &task->next;
    }
}

apr_status_t tc_loop_create(tc_loop_t **out, apr_pool_t *pool)
{
    tc_loop_t *loop = apr_pcalloc(pool, sizeof(*loop));
    apr_status_t rv = apr_pollset_create(&loop->pollset, READY_MAX, pool,
                                         APR_POLLSET_WAKEABLE | APR_POLLSET_NOCOPY);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    loop->pool = pool;
    loop->now_us = tc_clock_monotonic_us();
    loop->spare = apr_array_make(pool, 64, sizeof(apr_socket_t *));
    loop->read_buffer = apr_palloc(pool, TC_READ_BUFFER_BYTES);
    loop->write_buffer = apr_palloc(pool, TC_TLS_BATCH_BYTES);
    tc_mailbox_init(&loop->mailbox, wake_loop, loop);
    tc_timers_init(&loop->timers, loop->now_us);
    task_list_init(&loop->deferred);
    task_list_init(&loop->again);
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
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    loop->quit = true;
}

void tc_loop_defer(tc_loop_t *loop, tc_task_t *task)
{
    task_list_add(&loop->deferred, task);
}

void tc_loop_again(tc_loop_t *loop, tc_task_t *task)
{
    task_list_add(&loop->again, task);
}

/* ---- descriptors ---- */

static apr_status_t wrap_descriptor(tc_loop_t *loop, tc_io_t *io, int fd)
{
    apr_socket_t **spare = apr_array_pop(loop->spare);
    apr_os_sock_t os_socket = fd;
    apr_status_t rv;

    io->poll.desc.s = spare ? *spare : NULL;
    rv = apr_os_sock_put(&io->poll.desc.s, &os_socket, loop->pool);
    io->poll.p = loop->pool;
    io->poll.desc_type = APR_POLL_SOCKET;
    io->poll.reqevents = 0;
    io->poll.client_data = io;
    return rv;
}

/* apr_pollset cannot change what it watches for, only leave and enter. */
apr_status_t tc_loop_watch(tc_loop_t *loop, tc_io_t *io, int fd, apr_int16_t events)
{
    apr_status_t rv = APR_SUCCESS;

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (io->poll.desc.s == NULL) {
        rv = wrap_descriptor(loop, io, fd);
    }
    if (rv != APR_SUCCESS || io->poll.reqevents == events) {
        return rv;
    }
    if (io->poll.reqevents != 0) {
        (void)apr_pollset_remove(loop->pollset, &io->poll);
    }
    io->poll.reqevents = events;
    if (events == 0) {
        return APR_SUCCESS;
    }
    rv = apr_pollset_add(loop->pollset, &io->poll);
    if (rv != APR_SUCCESS) {
        io->poll.reqevents = 0;
    }
    return rv;
}

void tc_loop_unwatch(tc_loop_t *loop, tc_io_t *io)
{
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (io->poll.desc.s == NULL) {
        return;
    }
    if (io->poll.reqevents != 0) {
        (void)apr_pollset_remove(loop->pollset, &io->poll);
        io->poll.reqevents = 0;
    }
    APR_ARRAY_PUSH(loop->spare, apr_socket_t *) = io->poll.desc.s;
    io->poll.desc.s = NULL;
}

/* ---- iterations ---- */

static apr_interval_time_t time_to_wait(const tc_loop_t *loop)
{
    return loop->again.first != NULL ? 0 : tc_timers_next_us(&loop->timers, loop->now_us);
}

static void run_ready(const apr_pollfd_t *ready, apr_int32_t count)
{
    apr_int32_t i;

    for (i = 0; i < count; i++) {
        tc_io_t *io = ready[i].client_data;

        /* One that another's event has just unwatched is not told: its owner is on the way out. */
        if (io->poll.reqevents != 0) {
            io->on_ready(io, ready[i].rtnevents);
        }
    }
}

static void deliver_mail(tc_mail_t *mail, void *context)
{
    while (mail != NULL) {
        tc_mail_t *next = mail->next;

        mail->next = NULL;
        mail->deliver(mail, context);
        mail = next;
    }
}

/* Tasks may ask for tasks; those run too. */
static void run_tasks(task_list_t *list)
{
    while (list->first != NULL) {
        tc_task_t *task = list->first;

        list->first = task->next;
        if (list->first == NULL) {
            list->end = &list->first;
        }
        task->queued = false;
        task->run(task);
    }
}

static void run_again(tc_loop_t *loop)
{
    task_list_t now = loop->again;

    if (now.first == NULL) {
        return;
    }
    task_list_init(&loop->again);
    run_tasks(&now);
}

void tc_loop_run(tc_loop_t *loop, void *context)
{
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    while (!loop->quit) {
        const apr_pollfd_t *ready = NULL;
        apr_int32_t count = 0;
        apr_status_t rv = apr_pollset_poll(loop->pollset, time_to_wait(loop), &count, &ready);

        loop->now_us = tc_clock_monotonic_us();
        if (rv == APR_SUCCESS) {
            run_ready(ready, count);
        }
        else if (!APR_STATUS_IS_EINTR(rv) && !APR_STATUS_IS_TIMEUP(rv)) {
            tc_log(TC_LOG_ERR, rv, "TC0001: poll failed");
        }
        deliver_mail(tc_mailbox_take(&loop->mailbox), context);
        run_again(loop);
        tc_timers_run(&loop->timers, loop->now_us);
        run_tasks(&loop->deferred);
    }
}

void tc_loop_close(tc_loop_t *loop, void *context)
{
    deliver_mail(tc_mailbox_close(&loop->mailbox), context);
    run_tasks(&loop->deferred);
}
