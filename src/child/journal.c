/* The log of connections that have ended. See journal.h. */
#include "child/journal.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mail.h"
#include "engine/mailbox.h"
#include "engine/worker_thread.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct tc_journal_t {
    tc_mailbox_t mailbox;
    tc_worker_thread_t thread;
    atomic_uint queued; /* lines */
};

typedef struct {
    tc_mail_t mail; /* stands first */
    int fd;
    size_t len;
    char text[];
} line_t;

/* One write() a line, so that lines of several children do not mix. What a full pipe does not take follows later. */
static apr_status_t write_line(const line_t *line)
{
    size_t done = 0;

    while (done < line->len) {
        ssize_t written = write(line->fd, line->text + done, line->len - done);

        if (written >= 0) {
            done += (size_t)written;
        }
        else if (errno != EINTR) {
            return apr_get_os_error();
        }
    }
    return APR_SUCCESS;
}

static void write_all(tc_journal_t *journal, tc_mail_t *lines)
{
    static tc_log_limit_t limit = TC_LOG_LIMIT(1);
    char more[TC_LOG_MORE_CHARS];

    while (lines != NULL) {
        tc_mail_t *next = lines->next;
        apr_status_t rv = write_line((line_t *)lines);

        if (rv != APR_SUCCESS && tc_log_may(&limit, more)) {
            tc_log(TC_LOG_ERR, rv, "TC0038: cannot write to a connection log, so a line is lost; check the disk or the "
                   "program that takes the log%s", more);
        }
        atomic_fetch_sub(&journal->queued, 1);
        free(lines);
        lines = next;
    }
}

static void wake(void *context)
{
    tc_worker_thread_wake(&((tc_journal_t *)context)->thread);
}

static void journal_main(void *context)
{
    tc_journal_t *journal = context;
    bool stopping;

    do {
        stopping = !tc_worker_thread_wait(&journal->thread);
        write_all(journal, tc_mailbox_take(&journal->mailbox));
    } while (!stopping);
    write_all(journal, tc_mailbox_close(&journal->mailbox));
}

apr_status_t tc_journal_start(tc_journal_t **out, apr_pool_t *pool)
{
    tc_journal_t *journal = apr_pcalloc(pool, sizeof(*journal));
    apr_status_t rv = tc_worker_thread_init(&journal->thread);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    tc_mailbox_init(&journal->mailbox, wake, journal);
    rv = tc_worker_thread_start(&journal->thread, journal_main, journal, pool);
    if (rv == APR_SUCCESS) {
        *out = journal;
    }
    return rv;
}

void tc_journal_write(tc_journal_t *journal, int fd, const tc_buf_t *text)
{
    static tc_log_limit_t limit = TC_LOG_LIMIT(1);
    char more[TC_LOG_MORE_CHARS];
    line_t *line;

    if (atomic_load(&journal->queued) >= TC_JOURNAL_LINES) {
        if (tc_log_may(&limit, more)) {
            tc_log(TC_LOG_WARNING, 0, "TC0039: a line of the connection log is dropped: the disk or the program that "
                   "takes the log is too slow%s", more);
        }
        return;
    }
    line = tc_alloc(sizeof(*line) + text->len);
    line->mail.next = NULL;
    line->mail.deliver = NULL;
    line->fd = fd;
    line->len = text->len;
    memcpy(line->text, text->data, text->len);
    atomic_fetch_add(&journal->queued, 1);
    if (!tc_mailbox_push(&journal->mailbox, &line->mail)) {
        free(line);
    }
}

bool tc_journal_stop(tc_journal_t *journal, int64_t timeout_us)
{
    tc_worker_thread_ask_to_stop(&journal->thread);
    return tc_worker_thread_join(&journal->thread, timeout_us);
}
