/*
 * The real loop: descriptors, mail, timers, tasks and beats. First the loop runs on the test's thread, then on a thread
 * of its own, with socketpairs and threads that post. The test also runs under the thread sanitizer.
 */
#include "unit.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/thread.h"
#include "engine/loop.h"
#include "engine/outq.h"
#include "engine/transport.h"
#include "engine/worker_thread.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#define BEAT_US 1000

#define OWNER(member, type, field) ((type *)((char *)(member)-offsetof(type, field)))

/* ---- one thread: what runs when ---- */

/* A loop on the test's thread, and the words that its tasks, mails and timers have written. */
typedef struct {
    apr_pool_t *pool;
    tc_loop_t *loop;
    tc_buf_t words;
} bench_t;

static bench_t bench;

static void open_bench(void)
{
    memset(&bench, 0, sizeof(bench));
    tc_thread_set_role(TC_THREAD_LOOP);
    bench.pool = unit_pool();
    ck_assert_int_eq(tc_loop_create(&bench.loop, BEAT_US, bench.pool), APR_SUCCESS);
}

static void free_bench(void)
{
    tc_buf_free(&bench.words);
    tc_loop_close(bench.loop, NULL);
    apr_pool_destroy(bench.pool);
}

static void close_bench(const char *expected)
{
    unit_append_text(&bench.words, "%s", "");
    ck_assert_str_eq((char *)bench.words.data, expected);
    free_bench();
}

/*
 * What a scene says whose work fits into one slice. A slice ends by the clock, so a scene that another process has
 * interrupted for so long is played again.
 */
static void expect_of_scene(void (*play)(void), const char *expected)
{
    int64_t took_us;
    bool same;

    do {
        open_bench();
        took_us = -tc_clock_monotonic_us();
        play();
        took_us += tc_clock_monotonic_us();
        unit_append_text(&bench.words, "%s", "");
        same = strcmp((char *)bench.words.data, expected) == 0;
        ck_assert_msg(same || took_us >= TC_LOOP_SLICE_US, "%s", (char *)bench.words.data);
        free_bench();
    } while (!same);
}

static void say(const char *word)
{
    unit_append_text(&bench.words, bench.words.len ? " %s" : "%s", word);
}

/* A task, a mail, a timer or a descriptor that writes its word and then does one thing. */
typedef struct thing_t {
    tc_mail_t mail; /* must be the first member */
    tc_task_t task;
    tc_timer_t timer;
    tc_io_t io;
    const char *word;
    void (*act)(struct thing_t *thing);
    struct thing_t *other;
    int count;
    int64_t due_us;
} thing_t;

static void run_thing(thing_t *thing)
{
    thing->count++;
    say(thing->word);
    if (thing->act != NULL) {
        thing->act(thing);
    }
}

static void on_mail(tc_mail_t *mail, void *context)
{
    (void)context;
    run_thing((thing_t *)mail);
}

static void on_task(tc_task_t *task)
{
    run_thing(OWNER(task, thing_t, task));
}

static void on_timer(tc_timer_t *timer, int64_t now_us)
{
    ck_assert_int_ge(now_us, OWNER(timer, thing_t, timer)->due_us);
    run_thing(OWNER(timer, thing_t, timer));
}

static void on_io(tc_io_t *io, unsigned events)
{
    ck_assert_uint_ne(events, 0);
    run_thing(OWNER(io, thing_t, io));
}

static thing_t thing_of(const char *word, void (*act)(thing_t *thing), thing_t *other)
{
    thing_t thing = {.mail = {.deliver = on_mail}, .task = {.run = on_task},
                     .timer = {.fire = on_timer}, .io = {.fd = -1, .on_ready = on_io},
                     .word = word, .act = act, .other = other};

    return thing;
}

static void quit(thing_t *thing)
{
    (void)thing;
    tc_loop_quit(bench.loop);
}

static void defer_other(thing_t *thing)
{
    tc_loop_defer(bench.loop, &thing->other->task);
    tc_loop_defer(bench.loop, &thing->other->task);
}

static void again_other(thing_t *thing)
{
    tc_loop_again(bench.loop, &thing->other->task);
    tc_loop_again(bench.loop, &thing->other->task);
}

static void play_deferred(void)
{
    thing_t last = thing_of("next", quit, NULL);
    thing_t deferred2 = thing_of("deferred2", NULL, NULL);
    thing_t deferred = thing_of("deferred", defer_other, &deferred2);
    thing_t mail3 = thing_of("mail3", defer_other, &deferred);
    thing_t mail2 = thing_of("mail2", again_other, &last);
    thing_t mail = thing_of("mail1", defer_other, &deferred);

    ck_assert(tc_loop_post(bench.loop, &mail.mail));
    ck_assert(tc_loop_post(bench.loop, &mail2.mail));
    ck_assert(tc_loop_post(bench.loop, &mail3.mail));
    tc_loop_run(bench.loop, NULL);
}

START_TEST(deferred_tasks_run_at_the_end_and_once_and_others_in_the_next_iteration)
{
    expect_of_scene(play_deferred, "mail1 mail2 mail3 deferred deferred2 next");
}
END_TEST

static void again_itself_thrice(thing_t *thing)
{
    if (thing->count < 3) {
        tc_loop_again(bench.loop, &thing->task);
    }
    else {
        tc_loop_quit(bench.loop);
    }
}

static void play_again(void)
{
    thing_t again = thing_of("again", again_itself_thrice, NULL);
    thing_t mail = thing_of("mail", again_other, &again);
    thing_t deferred = thing_of("deferred", NULL, NULL);
    thing_t mail2 = thing_of("mail", defer_other, &deferred);

    tc_loop_post(bench.loop, &mail.mail);
    tc_loop_post(bench.loop, &mail2.mail);
    tc_loop_run(bench.loop, NULL);
}

START_TEST(a_task_that_asks_for_itself_again_does_not_keep_the_iteration)
{
    expect_of_scene(play_again, "mail mail deferred again again again");
}
END_TEST

START_TEST(mail_that_is_left_is_delivered_at_the_close_and_none_after)
{
    thing_t deferred = thing_of("deferred", NULL, NULL);
    thing_t mail = thing_of("left", defer_other, &deferred), late = thing_of("late", NULL, NULL);

    open_bench();
    tc_loop_post(bench.loop, &mail.mail);
    tc_loop_close(bench.loop, NULL);
    ck_assert(!tc_loop_post(bench.loop, &late.mail));
    close_bench("left deferred");
}
END_TEST

static void set_timer(thing_t *thing)
{
    thing->other->due_us = tc_loop_now_us(bench.loop) + 1500;
    tc_timer_set(tc_loop_timers(bench.loop), &thing->other->timer, thing->other->due_us);
}

START_TEST(a_timer_wakes_the_loop_and_never_early)
{
    thing_t second = thing_of("second", quit, NULL);
    thing_t first = thing_of("first", set_timer, &second);
    thing_t mail = thing_of("mail", set_timer, &first);

    open_bench();
    tc_loop_post(bench.loop, &mail.mail);
    tc_loop_run(bench.loop, NULL);
    close_bench("mail first second");
}
END_TEST

static void pace_other(thing_t *thing)
{
    thing->other->due_us = tc_clock_monotonic_us() + BEAT_US;
    tc_loop_pace(bench.loop, &thing->other->task);
    tc_loop_pace(bench.loop, &thing->other->task);
}

static void check_beat(thing_t *thing)
{
    ck_assert_int_ge(tc_clock_monotonic_us(), thing->due_us);
    if (thing->other != NULL) {
        pace_other(thing);
    }
    else {
        tc_loop_quit(bench.loop);
    }
}

START_TEST(paced_tasks_run_once_with_the_beat_and_never_before_it)
{
    thing_t third = thing_of("third", check_beat, NULL);
    thing_t second = thing_of("second", NULL, NULL);
    thing_t first = thing_of("first", check_beat, &third);
    thing_t mail = thing_of("mail", pace_other, &first), mail2 = thing_of("mail", pace_other, &second);

    open_bench();
    tc_loop_post(bench.loop, &mail.mail);
    tc_loop_post(bench.loop, &mail2.mail);
    tc_loop_run(bench.loop, NULL);
    close_bench("mail mail first second third");
}
END_TEST

static void make_pair(int *fds)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
}

static void watch_nothing(thing_t *thing)
{
    ck_assert_int_eq(tc_loop_watch(bench.loop, &thing->io, 0), APR_SUCCESS);
    tc_loop_again(bench.loop, &thing->other->task);
}

/* Work that takes long in all: many tasks, mails or newcomers, each of which takes a part of a slice. */
#define PIECES 40

static thing_t pieces[PIECES];
static int worked; /* so many pieces, up to now */

static void work(thing_t *piece)
{
    int64_t until_us = tc_clock_monotonic_us() + TC_LOOP_SLICE_US / 4;

    ck_assert_ptr_eq(piece, &pieces[worked]); /* in their order, each once */
    worked++;
    while (tc_clock_monotonic_us() < until_us) {
    }
    if (worked == PIECES) {
        tc_loop_quit(bench.loop);
    }
}

/* Notes after how many pieces it came, and has its own task do so, too. */
static void note_pieces(thing_t *thing)
{
    thing->due_us = worked;
    if (thing->other != NULL) {
        tc_loop_defer(bench.loop, &thing->other->task);
    }
}

typedef void put_off_fn(tc_loop_t *loop, tc_task_t *task);

static put_off_fn *put_off; /* how the pieces are put off */

static void put_off_pieces(thing_t *thing)
{
    int i;

    for (i = 0; i < PIECES; i++) {
        put_off(bench.loop, &pieces[i].task);
    }
    tc_loop_post(bench.loop, &thing->other->mail);
}

static void expect_slices(put_off_fn *way)
{
    thing_t answer = thing_of("", note_pieces, NULL), echo = thing_of("", note_pieces, &answer);
    thing_t begin = thing_of("", put_off_pieces, &echo);
    int i;

    put_off = way;
    open_bench();
    for (i = 0, worked = 0; i < PIECES; i++) {
        pieces[i] = thing_of("", work, NULL);
    }
    tc_loop_post(bench.loop, &begin.mail);
    tc_loop_run(bench.loop, NULL);
    ck_assert_int_eq(echo.count, 1);
    ck_assert_int_lt(echo.due_us, PIECES / 2);
    ck_assert_int_eq(answer.count, 1);
    ck_assert_int_lt(answer.due_us, echo.due_us + PIECES / 4);
    bench.words.len = 0;
    close_bench("");
}

START_TEST(work_of_many_pieces_is_done_in_slices_and_others_come_between)
{
    expect_slices(tc_loop_defer);
    expect_slices(tc_loop_later);
    expect_slices(tc_loop_again);
}
END_TEST

START_TEST(work_that_is_left_is_done_at_the_close)
{
    thing_t late = thing_of("late", NULL, NULL), last = thing_of("last", again_other, &late);
    thing_t mail = thing_of("mail", quit, NULL);

    open_bench();
    tc_loop_later(bench.loop, &late.task);
    tc_loop_post(bench.loop, &mail.mail);
    tc_loop_run(bench.loop, NULL);
    tc_loop_later(bench.loop, &last.task);
    tc_loop_close(bench.loop, NULL);
    ck_assert_int_eq(late.count, 1);
    ck_assert_int_eq(last.count, 1);
    close_bench("mail late last");
}
END_TEST

START_TEST(what_is_no_longer_watched_is_not_reported)
{
    thing_t rounds = thing_of("round", again_itself_thrice, NULL);
    thing_t io = thing_of("ready", watch_nothing, &rounds);
    int fds[2];

    open_bench();
    make_pair(fds);
    io.io.fd = fds[0];
    ck_assert_int_eq(tc_loop_watch(bench.loop, &io.io, TC_POLL_IN | TC_POLL_OUT), APR_SUCCESS);
    ck_assert_int_eq(tc_loop_watch(bench.loop, &io.io, TC_POLL_OUT), APR_SUCCESS);
    ck_assert_int_eq(tc_loop_watch(bench.loop, &io.io, TC_POLL_OUT), APR_SUCCESS);
    tc_loop_run(bench.loop, NULL);
    close_bench("ready round round round");
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void give_up_other(thing_t *thing)
{
    ck_assert_int_eq(tc_loop_watch(bench.loop, &thing->other->io, 0), APR_SUCCESS);
    tc_loop_quit(bench.loop);
}

START_TEST(one_that_is_given_up_by_another_in_the_same_iteration_is_not_told)
{
    thing_t one = thing_of("ready", give_up_other, NULL);
    thing_t two = thing_of("ready", give_up_other, &one);
    int fds[2];

    one.other = &two;
    open_bench();
    make_pair(fds);
    one.io.fd = fds[0];
    two.io.fd = fds[1];
    ck_assert_int_eq(tc_loop_watch(bench.loop, &one.io, TC_POLL_OUT), APR_SUCCESS);
    ck_assert_int_eq(tc_loop_watch(bench.loop, &two.io, TC_POLL_OUT), APR_SUCCESS);
    tc_loop_run(bench.loop, NULL);
    close_bench("ready");
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void expect_hangup(tc_io_t *io, unsigned events)
{
    ck_assert(events & TC_POLL_HANGUP);
    run_thing(OWNER(io, thing_t, io));
}

START_TEST(a_peer_that_has_gone_is_reported_to_who_waits_to_write)
{
    thing_t io = thing_of("gone", quit, NULL);
    int fds[2];

    open_bench();
    make_pair(fds);
    close(fds[1]);
    io.io.fd = fds[0];
    io.io.on_ready = expect_hangup;
    ck_assert_int_eq(tc_loop_watch(bench.loop, &io.io, TC_POLL_OUT), APR_SUCCESS);
    tc_loop_run(bench.loop, NULL);
    close_bench("gone");
    close(fds[0]);
}
END_TEST

START_TEST(a_descriptor_that_cannot_be_watched_is_an_error)
{
    thing_t io = thing_of("", NULL, NULL);

    open_bench();
    ck_assert_int_ne(tc_loop_watch(bench.loop, &io.io, TC_POLL_IN), APR_SUCCESS);
    ck_assert_uint_eq(io.io.events, 0);
    close_bench("");
}
END_TEST

/* ---- threads: an echo server on the loop, clients and posters beside it ---- */

enum { CLIENTS = 4, CLIENT_BYTES = 300000, POSTERS = 4, LETTERS = 20000 };

typedef struct {
    tc_worker_thread_t thread;
    tc_loop_t *loop;
    int next_of[POSTERS];      /* loop: the number of each poster's next letter */
    int left;                  /* loop: letters and connections that have not ended yet */
} server_t;

typedef struct {
    tc_io_t io;
    tc_task_t task;
    server_t *server;
    tc_transport_t transport;
    tc_outq_t queue;
    bool ended; /* the client has sent everything */
} connection_t;

typedef struct {
    tc_mail_t mail; /* must be the first member */
    connection_t *connection;
    int poster;
    int number;
} letter_t;

static void one_less(server_t *server)
{
    if (--server->left == 0) {
        tc_loop_quit(server->loop);
    }
}

static void end_connection(connection_t *connection)
{
    ck_assert_int_eq(tc_loop_watch(connection->server->loop, &connection->io, 0), APR_SUCCESS);
    tc_transport_close(&connection->transport);
    tc_outq_free(&connection->queue);
    one_less(connection->server);
    free(connection);
}

static void write_echo(tc_task_t *task)
{
    connection_t *self = OWNER(task, connection_t, task);
    unsigned char *scratch = tc_loop_write_buffer(self->server->loop);
    struct iovec iov[8];
    size_t len, tried;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && !tc_outq_is_empty(&self->queue)) {
        int count = tc_outq_peek(&self->queue, iov, 8);

        rv = tc_transport_write(&self->transport, iov, count, scratch, &len, &tried);
        if (rv == APR_SUCCESS) {
            tc_outq_consume(&self->queue, len, 0);
        }
    }
    ck_assert(rv == APR_SUCCESS || rv == APR_EAGAIN);
    if (self->ended && rv == APR_SUCCESS) {
        end_connection(self);
        return;
    }
    ck_assert_int_eq(tc_loop_watch(self->server->loop, &self->io,
                                   (self->ended ? 0u : TC_POLL_IN)
                                       | (rv == APR_EAGAIN ? TC_POLL_OUT : 0u)),
                     APR_SUCCESS);
}

static void on_echo_ready(tc_io_t *io, unsigned events)
{
    connection_t *self = OWNER(io, connection_t, io);
    unsigned char *buffer = tc_loop_read_buffer(self->server->loop);
    apr_status_t rv = APR_SUCCESS;
    size_t len;

    while ((events & TC_POLL_IN) && rv == APR_SUCCESS) {
        rv = tc_transport_read(&self->transport, buffer, TC_READ_BUFFER_BYTES, &len);
        if (rv == APR_SUCCESS) {
            tc_blob_t *blob = tc_blob_create(len);

            memcpy(blob->data, buffer, len);
            tc_outq_push_always(&self->queue, blob);
            tc_blob_unref(blob);
        }
    }
    ck_assert(rv == APR_SUCCESS || rv == APR_EAGAIN || rv == APR_EOF);
    self->ended = self->ended || rv == APR_EOF;
    tc_loop_defer(self->server->loop, &self->task);
}

/* A connection comes as mail, as it does from httpd's worker. */
static void adopt(tc_mail_t *mail, void *context)
{
    connection_t *connection = ((letter_t *)mail)->connection;

    ck_assert_ptr_eq(context, connection->server);
    ck_assert_int_eq(tc_thread_role(), TC_THREAD_LOOP);
    free(mail);
    ck_assert_int_eq(tc_loop_watch(connection->server->loop, &connection->io, TC_POLL_IN),
                     APR_SUCCESS);
}

static void read_letter(tc_mail_t *mail, void *context)
{
    letter_t *letter = (letter_t *)mail;
    server_t *server = context;

    ck_assert_int_eq(tc_thread_role(), TC_THREAD_LOOP);
    ck_assert_int_eq(letter->number, server->next_of[letter->poster]++);
    free(letter);
    one_less(server);
}

typedef struct {
    server_t *server;
    int number;
} helper_t;

static void *post_letters(void *data)
{
    const helper_t *self = data;
    int i;

    for (i = 0; i < LETTERS; i++) {
        letter_t *letter = calloc(1, sizeof(*letter));

        letter->mail.deliver = read_letter;
        letter->poster = self->number;
        letter->number = i;
        ck_assert(tc_loop_post(self->server->loop, &letter->mail));
    }
    return NULL;
}

static int hand_over_connection(server_t *server)
{
    connection_t *connection = calloc(1, sizeof(*connection));
    letter_t *letter = calloc(1, sizeof(*letter));
    int fds[2];

    make_pair(fds);
    connection->io = (tc_io_t){.fd = fds[0], .on_ready = on_echo_ready};
    connection->task.run = write_echo;
    connection->server = server;
    tc_transport_init(&connection->transport, fds[0], NULL);
    tc_outq_init(&connection->queue);
    letter->mail.deliver = adopt;
    letter->connection = connection;
    ck_assert(tc_loop_post(server->loop, &letter->mail));
    return fds[1];
}

/* A blocking client: writes pieces of any size, reads each piece back, and ends. */
static void *talk(void *data)
{
    const helper_t *self = data;
    unit_random_t random = unit_random_of((uint64_t)self->number);
    unsigned char out[5000], in[5000];
    int fd = hand_over_connection(self->server), done = 0;

    while (done < CLIENT_BYTES) {
        int len = 1 + (int)unit_random_below(&random, sizeof(out)), got = 0, i;

        for (i = 0; i < len; i++) {
            out[i] = (unsigned char)unit_random_next(&random);
        }
        ck_assert_int_eq(send(fd, out, (size_t)len, 0), len);
        while (got < len) {
            ssize_t part = recv(fd, in + got, (size_t)(len - got), 0);

            ck_assert_int_gt(part, 0);
            got += (int)part;
        }
        ck_assert_mem_eq(in, out, (size_t)len);
        done += len;
    }
    shutdown(fd, SHUT_WR);
    ck_assert_int_eq(recv(fd, in, sizeof(in), 0), 0);
    close(fd);
    return NULL;
}

static void serve(void *context)
{
    server_t *server = context;

    tc_thread_set_role(TC_THREAD_LOOP);
    tc_loop_run(server->loop, server);
    tc_loop_close(server->loop, server);
}

START_TEST(sockets_are_served_while_threads_post)
{
    apr_pool_t *pool = unit_pool();
    server_t *server = calloc(1, sizeof(*server));
    pthread_t threads[CLIENTS + POSTERS];
    helper_t helpers[CLIENTS + POSTERS];
    int i;

    server->left = CLIENTS + POSTERS * LETTERS;
    ck_assert_int_eq(tc_worker_thread_init(&server->thread), APR_SUCCESS);
    ck_assert_int_eq(tc_loop_create(&server->loop, BEAT_US,
                                    tc_worker_thread_pool(&server->thread)), APR_SUCCESS);
    ck_assert_int_eq(tc_worker_thread_start(&server->thread, serve, server, pool), APR_SUCCESS);
    for (i = 0; i < CLIENTS + POSTERS; i++) {
        helpers[i] = (helper_t){server, i % POSTERS};
        pthread_create(&threads[i], NULL, i < POSTERS ? post_letters : talk, &helpers[i]);
    }
    for (i = 0; i < CLIENTS + POSTERS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert(tc_worker_thread_join(&server->thread, INT64_MAX / 2));
    ck_assert_int_eq(server->left, 0);
    free(server);
    apr_pool_destroy(pool);
}
END_TEST

/* ---- worker threads ---- */

typedef struct {
    tc_worker_thread_t thread;
    int woken;
} sleeper_t;

static void sleep_until_stopped(void *context)
{
    sleeper_t *self = context;

    while (tc_worker_thread_wait(&self->thread)) {
        self->woken++;
    }
}

START_TEST(a_worker_thread_sleeps_until_it_is_woken_and_ends_when_it_is_told)
{
    apr_pool_t *pool = unit_pool();
    sleeper_t sleeper;
    int i;

    memset(&sleeper, 0, sizeof(sleeper));
    ck_assert_int_eq(tc_worker_thread_init(&sleeper.thread), APR_SUCCESS);
    for (i = 0; i < 5; i++) {
        tc_worker_thread_wake(&sleeper.thread); /* a wake-up before the start is not lost */
    }
    ck_assert_int_eq(tc_worker_thread_start(&sleeper.thread, sleep_until_stopped, &sleeper, pool),
                     APR_SUCCESS);
    ck_assert(!tc_worker_thread_join(&sleeper.thread, 1000));
    tc_worker_thread_ask_to_stop(&sleeper.thread);
    ck_assert(tc_worker_thread_join(&sleeper.thread, INT64_MAX / 2));
    ck_assert_int_le(sleeper.woken, 5);
    apr_pool_destroy(pool);
}
END_TEST

UNIT_MAIN("loop", deferred_tasks_run_at_the_end_and_once_and_others_in_the_next_iteration,
          a_task_that_asks_for_itself_again_does_not_keep_the_iteration,
          mail_that_is_left_is_delivered_at_the_close_and_none_after,
          a_timer_wakes_the_loop_and_never_early,
          paced_tasks_run_once_with_the_beat_and_never_before_it,
          what_is_no_longer_watched_is_not_reported, work_of_many_pieces_is_done_in_slices_and_others_come_between,
          work_that_is_left_is_done_at_the_close,
          one_that_is_given_up_by_another_in_the_same_iteration_is_not_told,
          a_peer_that_has_gone_is_reported_to_who_waits_to_write,
          a_descriptor_that_cannot_be_watched_is_an_error, sockets_are_served_while_threads_post,
          a_worker_thread_sleeps_until_it_is_woken_and_ends_when_it_is_told)
