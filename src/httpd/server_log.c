/* Where the lines of the folders below go. See server_log.h. */
#include "httpd/server_log.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/units.h"
#include "engine/mailbox.h"
#include "engine/worker_thread.h"

#include <http_log.h>
#include <http_main.h>
#include <stdlib.h>

APLOG_USE_MODULE(tripchat);

#define END_US TC_US_PER_S
#define MAX_BYTES (4 << 20) /* of lines that wait for a log: two lines for each of 10,000 connections that end at once */

typedef struct {
    tc_mail_t mail; /* stands first */
    int level;      /* httpd's */
    apr_status_t status;
    const server_rec *server;
    char text[];
} line_t;

static tc_mailbox_t mailbox;
static tc_worker_thread_t thread;
static atomic_bool runs;      /* set before the module's other threads start */
static atomic_size_t queued; /* bytes of the lines that wait */
static atomic_uint lost;     /* since the thread wrote last */

static void write_line(int level, apr_status_t status, const server_rec *server, const char *text)
{
    ap_log_error(APLOG_MARK, level, status, server, "%s", text);
}

static size_t size_of(const char *text)
{
    return sizeof(line_t) + strlen(text) + 1;
}

/* ---- the thread ---- */

static void write_all(tc_mail_t *lines)
{
    while (lines != NULL) {
        tc_mail_t *next = lines->next;
        line_t *line = (line_t *)lines;
        unsigned count;

        write_line(line->level, line->status, line->server, line->text);
        atomic_fetch_sub(&queued, size_of(line->text));
        count = atomic_exchange(&lost, 0);
        if (count > 0) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, line->server, "TC0102: %u lines of the chat were dropped: an ErrorLog "
                         "took none for a while; check the disk or the program that takes the log", count);
        }
        free(line);
        lines = next;
    }
}

static void thread_main(void *context)
{
    bool stopping;

    (void)context;
    do {
        stopping = !tc_worker_thread_wait(&thread);
        write_all(tc_mailbox_take(&mailbox));
    } while (!stopping);
    write_all(tc_mailbox_close(&mailbox));
}

static void wake(void *context)
{
    (void)context;
    tc_worker_thread_wake(&thread);
}

/* The pool is never destroyed once the thread runs, because it may still wait for a log when the child exits. */
void tc_server_log_start(void)
{
    apr_pool_t *pool = NULL;

    if (atomic_load(&runs) || apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS) {
        return;
    }
    tc_mailbox_init(&mailbox, wake, NULL);
    if (tc_worker_thread_init(&thread) == APR_SUCCESS
        && tc_worker_thread_start(&thread, thread_main, NULL, pool) == APR_SUCCESS) {
        atomic_store(&runs, true);
        return;
    }
    apr_pool_destroy(pool);
}

/* ---- any thread ---- */

/* False: there is no thread any more, so the line is the caller's. */
static bool leave_to_thread(int level, apr_status_t status, const server_rec *server, const char *text)
{
    size_t size = size_of(text);
    line_t *line;

    if (atomic_load(&queued) + size > MAX_BYTES) {
        atomic_fetch_add(&lost, 1);
        return true;
    }
    line = tc_alloc(size);
    line->mail.next = NULL;
    line->mail.deliver = NULL;
    line->level = level;
    line->status = status;
    line->server = server;
    memcpy(line->text, text, strlen(text) + 1);
    atomic_fetch_add(&queued, size);
    if (tc_mailbox_push(&mailbox, &line->mail)) {
        return true;
    }
    free(line);
    return false;
}

/* httpd's workers wait for a log as they do for its own lines. The module's threads must not wait. */
static bool must_not_wait(void)
{
    return tc_thread_role() != TC_THREAD_WORKER && atomic_load(&runs);
}

static void sink(tc_log_level_e level, apr_status_t status, const void *about, const char *client, const char *line)
{
    static const int levels[] = {APLOG_ERR, APLOG_WARNING, APLOG_INFO, APLOG_DEBUG, APLOG_TRACE2};
    const server_rec *server = about ? about : ap_server_conf;
    char text[TC_LOG_LINE_BYTES + 80];

    if (!APLOG_IS_LEVEL(server, levels[level])) {
        return;
    }
    /* As httpd writes it before lines of its own that are about a client. */
    snprintf(text, sizeof(text), "%s%s%s%s", *client ? "[client " : "", client, *client ? "] " : "", line);
    if (!must_not_wait() || !leave_to_thread(levels[level], status, server, text)) {
        write_line(levels[level], status, server, text);
    }
}

/* The highest level of any server, because a line of the loop may be about each of them. */
void tc_server_log_bind(server_rec *server)
{
    static const struct {
        int httpd;
        tc_log_level_e ours;
    } levels[] = {{APLOG_TRACE2, TC_LOG_TRACE}, {APLOG_DEBUG, TC_LOG_DEBUG}, {APLOG_INFO, TC_LOG_INFO},
                  {APLOG_WARNING, TC_LOG_WARNING}, {APLOG_ERR, TC_LOG_ERR}};
    int highest = APLOG_EMERG, i = 0;

    for (; server != NULL; server = server->next) {
        int level = ap_get_server_module_loglevel(server, APLOG_MODULE_INDEX);

        highest = level > highest ? level : highest;
    }
    while (levels[i].ours != TC_LOG_ERR && highest < levels[i].httpd) {
        i++;
    }
    tc_log_bind(sink, levels[i].ours);
}

void tc_server_log_end(void)
{
    if (atomic_load(&runs)) {
        tc_worker_thread_ask_to_stop(&thread);
        (void)tc_worker_thread_join(&thread, END_US);
    }
}
