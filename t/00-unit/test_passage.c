/*
 * How connections move from process to process. The tests cover the passage, over a real fork, and parcels, also cut or
 * damaged. They also cover what children know of each other (handover).
 */
#include "unit.h"

#include "base/limits.h"
#include "engine/passage.h"
#include "peer/parcel.h"
#include "shared/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the passage ---- */

static void close_passage(const tc_passage_t *passage)
{
    close(passage->out);
    close(passage->in);
}

static tc_passage_t open_passage(void)
{
    tc_passage_t passage;

    ck_assert_int_eq(tc_passage_open(&passage), APR_SUCCESS);
    return passage;
}

/* The lowest free descriptor. If a descriptor is not closed, this number rises. */
static int free_descriptor(void)
{
    int fd = 0;

    while (fcntl(fd, F_GETFD) >= 0) {
        fd++;
    }
    return fd;
}

static void check_record(const tc_passage_t *passage, const unsigned char *sent, size_t len, int expected)
{
    tc_buf_t record = TC_BUF_INIT;
    char byte;
    int fd;

    ck_assert_int_eq(tc_passage_receive(passage, &record, &fd), APR_SUCCESS);
    ck_assert_uint_eq(record.len, len);
    ck_assert(memcmp(record.data, sent, len) == 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(read(fd, &byte, 1), 1);
    ck_assert_int_eq(byte, expected);
    tc_buf_free(&record);
    close(fd);
}

START_TEST(records_of_any_length_arrive_with_their_descriptors)
{
    static const size_t lens[] = {1, 100, TC_PASSAGE_INLINE_BYTES - 1, TC_PASSAGE_INLINE_BYTES,
                                  TC_PASSAGE_INLINE_BYTES + 1, 3 << 20};
    tc_passage_t passage = open_passage();
    unsigned char *bytes = malloc(3 << 20);
    int before = free_descriptor();
    size_t i;

    for (i = 0; i < 3 << 20; i++) {
        bytes[i] = (unsigned char)(i * 31 >> 3);
    }
    for (i = 0; i < UNIT_COUNT(lens); i++) {
        int ends[2];
        char name = (char)('a' + i);

        ck_assert_int_eq(pipe(ends), 0);
        ck_assert_int_eq(write(ends[1], &name, 1), 1);
        ck_assert_int_eq(tc_passage_send(&passage, bytes, lens[i], ends[0]), APR_SUCCESS);
        close(ends[0]);
        close(ends[1]);
    }
    for (i = 0; i < UNIT_COUNT(lens); i++) {
        check_record(&passage, bytes, lens[i], (char)('a' + i));
    }
    ck_assert_int_eq(free_descriptor(), before);
    free(bytes);
    close_passage(&passage);
}
END_TEST

START_TEST(an_empty_passage_says_so_and_a_record_too_long_is_refused)
{
    tc_passage_t passage = open_passage();
    tc_buf_t record = TC_BUF_INIT;
    int fd;

    ck_assert_int_eq(tc_passage_receive(&passage, &record, &fd), APR_EAGAIN);
    ck_assert_ptr_null(record.data);
    ck_assert_int_eq(tc_passage_send(&passage, "one", 3, passage.in), APR_SUCCESS);
    ck_assert_int_eq(tc_passage_send(&passage, "", (size_t)TC_PASSAGE_RECORD_BYTES + 1, 0), APR_ENOSPC);
    close_passage(&passage);
}
END_TEST

START_TEST(a_full_passage_says_so_and_loses_nothing)
{
    tc_passage_t passage = open_passage();
    unsigned char bytes[8000] = {0};
    unsigned sent = 0, got = 0;
    apr_status_t rv;
    int small = 32768, before = free_descriptor();

    (void)setsockopt(passage.out, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    while ((rv = tc_passage_send(&passage, bytes, sizeof(bytes), passage.in)) == APR_SUCCESS) {
        ck_assert_uint_lt(++sent, 100000);
    }
    ck_assert_int_eq(rv, APR_EAGAIN);
    for (;;) {
        tc_buf_t record = TC_BUF_INIT;
        int fd;

        if (tc_passage_receive(&passage, &record, &fd) != APR_SUCCESS) {
            break;
        }
        got++;
        ck_assert_uint_eq(record.len, sizeof(bytes));
        tc_buf_free(&record);
        close(fd);
    }
    ck_assert_uint_gt(sent, 0);
    ck_assert_uint_eq(got, sent);
    ck_assert_int_eq(free_descriptor(), before);
    close_passage(&passage);
}
END_TEST

START_TEST(what_a_process_sent_outlives_it)
{
    tc_passage_t passage = open_passage();
    int ends[2], status;
    pid_t pid;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    pid = fork();
    if (pid == 0) {
        apr_status_t rv = tc_passage_send(&passage, "hello", 5, ends[0]);

        _exit(rv == APR_SUCCESS && write(ends[1], "x", 1) == 1 ? 0 : 1);
    }
    close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    check_record(&passage, (const unsigned char *)"hello", 5, 'x');
    close(ends[1]);
    close_passage(&passage);
}
END_TEST

START_TEST(a_record_for_which_there_is_no_descriptor_left_is_lost_and_says_so)
{
    tc_passage_t passage = open_passage();
    tc_buf_t record = TC_BUF_INIT;
    int fds[64] = {0}, count = 0, fd;

    ck_assert_int_eq(tc_passage_send(&passage, "one", 3, passage.in), APR_SUCCESS);
    ck_assert_int_eq(tc_passage_send(&passage, "two", 3, passage.in), APR_SUCCESS);
    fd = free_descriptor();
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)fd + 8, (rlim_t)fd + 8}), 0);
    while (count < 64 && (fds[count] = dup(0)) >= 0) {
        count++;
    }
    ck_assert_int_eq(tc_passage_receive(&passage, &record, &fd), APR_EMFILE);
    ck_assert_ptr_null(record.data);
    close(fds[--count]);
    ck_assert_int_eq(tc_passage_receive(&passage, &record, &fd), APR_SUCCESS);
    ck_assert(record.len == 3 && memcmp(record.data, "two", 3) == 0);
    tc_buf_free(&record);
    while (count > 0) {
        close(fds[--count]);
    }
}
END_TEST

/* ---- parcels ---- */

static void make_parcel(tc_parcel_t *parcel)
{
    static const char *const texts[TC_PARCEL_PARTS] = {"site:80", "7", "ann@example.com", "{}", "",
                                                       "facts",   "queue", "", "message", "c"};
    int i;

    memset(parcel, 0, sizeof(*parcel));
    tc_parcel_begin(parcel);
    parcel->head.member.cursor = 42;
    parcel->head.prefix.closable = 1;
    for (i = 0; i < TC_PARCEL_PARTS; i++) {
        tc_parcel_add(parcel, (tc_parcel_part_e)i, texts[i], strlen(texts[i]));
    }
    tc_parcel_end(parcel);
}

/* Reads the first `len` bytes of a parcel, from memory of exactly that size. */
static bool reads(const tc_parcel_t *parcel, size_t len, tc_parcel_t *read)
{
    tc_buf_t bytes = TC_BUF_INIT;

    if (len > 0) {
        bytes.data = unit_copy(parcel->bytes.data, len);
        bytes.len = bytes.size = len;
    }
    return tc_parcel_read(read, &bytes);
}

START_TEST(a_parcel_reads_as_it_was_made)
{
    tc_parcel_t made, read;

    make_parcel(&made);
    ck_assert(reads(&made, made.bytes.len, &read));
    ck_assert_int_eq(read.head.member.cursor, 42);
    ck_assert_str_eq(tc_parcel_text(&read, TC_PARCEL_SITE), "site:80");
    ck_assert_str_eq(tc_parcel_text(&read, TC_PARCEL_CLAIM), "");
    ck_assert_str_eq(tc_parcel_text(&read, TC_PARCEL_CONTROL), "c");
    ck_assert_uint_eq(read.head.lens[TC_PARCEL_MESSAGE], 7);
    tc_parcel_free(&made);
    tc_parcel_free(&read);
}
END_TEST

START_TEST(a_parcel_that_was_cut_is_refused_wherever)
{
    tc_parcel_t made, read;
    size_t len;

    make_parcel(&made);
    for (len = 0; len < made.bytes.len; len++) {
        ck_assert(!reads(&made, len, &read));
        ck_assert_uint_eq(read.head.prefix.closable, len >= sizeof(tc_parcel_prefix_t));
        tc_parcel_free(&read);
    }
    tc_parcel_free(&made);
}
END_TEST

START_TEST(a_parcel_with_a_length_that_lies_is_refused)
{
    tc_parcel_t made, read;
    int i;

    make_parcel(&made);
    for (i = 0; i < TC_PARCEL_PARTS; i++) {
        uint32_t len = made.head.lens[i];
        static const uint32_t lies[] = {1, 0x7fffffff, 0xffffffff};
        size_t j;

        for (j = 0; j < UNIT_COUNT(lies); j++) {
            made.head.lens[i] = len + lies[j];
            tc_parcel_end(&made);
            ck_assert(!reads(&made, made.bytes.len, &read));
            tc_parcel_free(&read);
        }
        made.head.lens[i] = len;
    }
    tc_parcel_free(&made);
}
END_TEST

START_TEST(another_version_is_refused_but_for_its_prefix)
{
    tc_parcel_t made, read;

    make_parcel(&made);
    ((tc_parcel_prefix_t *)(void *)made.bytes.data)->version = TC_PARCEL_VERSION + 1;
    ck_assert(!reads(&made, made.bytes.len, &read));
    ck_assert_uint_eq(read.head.prefix.closable, 1);
    tc_parcel_free(&read);
    ((tc_parcel_prefix_t *)(void *)made.bytes.data)->version = TC_PARCEL_VERSION;
    ((tc_parcel_prefix_t *)(void *)made.bytes.data)->size--;
    ck_assert(!reads(&made, made.bytes.len, &read));
    tc_parcel_free(&read);
    made.bytes.data[0] ^= 1;
    ck_assert(!reads(&made, made.bytes.len, &read));
    ck_assert_uint_eq(read.head.prefix.closable, 0);
    tc_parcel_free(&read);
    tc_parcel_free(&made);
}
END_TEST

/* ---- handover ---- */

#define ROOM 10

static tc_handover_t make_handover(unsigned children)
{
    tc_handover_t handover = {{-1, -1}, NULL, 0, 0};

    tc_handover_plan(&handover, children, TC_PARCEL_VERSION);
    handover.board = mmap(NULL, tc_handover_size(&handover), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(handover.board != MAP_FAILED);
    return handover;
}

START_TEST(those_who_receive_are_found_and_share)
{
    tc_handover_t handover = make_handover(2);
    pid_t me = getpid(), parent = getppid();
    tc_handover_seat_t *old = tc_handover_sit(&handover, me, 0, ROOM);
    tc_handover_seat_t *first = tc_handover_sit(&handover, parent, 1, ROOM);
    tc_handover_seat_t *second = tc_handover_sit(&handover, parent, 1, ROOM);

    ck_assert_uint_eq(tc_handover_receivers(&handover, old, 9), 0);
    ck_assert_uint_eq(tc_handover_children(&handover, 1), 2);
    ck_assert_uint_eq(tc_handover_fewest(&handover, old), UINT_MAX);
    ck_assert(!tc_handover_has_leavers(&handover, 1));
    atomic_store(&old->held, 3);
    ck_assert(tc_handover_has_leavers(&handover, 1));
    ck_assert(tc_handover_has_leavers(&handover, 0)); /* the other child does not receive */
    atomic_store(&first->receives, true);
    atomic_store(&second->receives, true);
    atomic_store(&first->held, 7);
    atomic_store(&second->held, 5);
    ck_assert_uint_eq(tc_handover_receivers(&handover, old, 9), 2);
    ck_assert_uint_eq(tc_handover_receivers(&handover, old, 1), 1);
    ck_assert_uint_eq(tc_handover_receivers(&handover, first, 9), 1);
    ck_assert_uint_eq(tc_handover_followers(&handover, old, 9), 2);
    ck_assert_uint_eq(tc_handover_followers(&handover, old, 1), 1);
    ck_assert_uint_eq(tc_handover_followers(&handover, first, 9), 0); /* the other child is of the same generation */
    ck_assert_uint_eq(tc_handover_fewest(&handover, old), 5);
    ck_assert_uint_eq(tc_handover_fewest(&handover, second), 7);
    ck_assert(tc_handover_has_room(&handover, old));
    atomic_store(&first->held, ROOM);
    ck_assert(tc_handover_has_room(&handover, first));
    ck_assert(!tc_handover_has_room(&handover, second));
    atomic_store(&second->held, ROOM);
    ck_assert(!tc_handover_has_room(&handover, old));
    atomic_store(&second->version, TC_PARCEL_VERSION + 1);
    ck_assert_uint_eq(tc_handover_receivers(&handover, old, 9), 1);
    tc_handover_leave(first);
    ck_assert_uint_eq(tc_handover_receivers(&handover, old, 9), 0);
}
END_TEST

START_TEST(who_died_receives_nothing_and_its_seat_is_free)
{
    tc_handover_t handover = make_handover(1);
    tc_handover_seat_t *seat;
    unsigned i;
    pid_t pid;

    for (i = 0; i < handover.count; i++) {
        pid = fork();
        if (pid == 0) {
            seat = tc_handover_sit(&handover, getpid(), 0, ROOM);
            atomic_store(&seat->receives, true);
            atomic_store(&seat->held, 9);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    ck_assert_uint_eq(tc_handover_receivers(&handover, NULL, 9), 0);
    ck_assert(!tc_handover_has_leavers(&handover, 1));
    for (i = 0; i < handover.count; i++) {
        seat = tc_handover_sit(&handover, getpid(), 0, ROOM);
        ck_assert_ptr_nonnull(seat);
        ck_assert(!atomic_load(&seat->receives) && atomic_load(&seat->held) == 0);
    }
    ck_assert_ptr_null(tc_handover_sit(&handover, getpid(), 0, ROOM));
}
END_TEST

START_TEST(whose_number_another_process_has_got_is_there_until_it_is_said_to_be_gone)
{
    tc_handover_t handover = make_handover(1);
    tc_handover_seat_t *seat = tc_handover_sit(&handover, getppid(), 1, ROOM);

    atomic_store(&seat->receives, true);
    tc_handover_clear(&handover, getpid());
    ck_assert_uint_eq(tc_handover_receivers(&handover, NULL, 9), 1);
    tc_handover_clear(&handover, getppid());
    ck_assert_uint_eq(tc_handover_receivers(&handover, NULL, 9), 0);
}
END_TEST

UNIT_MAIN("passage", records_of_any_length_arrive_with_their_descriptors,
          an_empty_passage_says_so_and_a_record_too_long_is_refused,
          a_full_passage_says_so_and_loses_nothing, what_a_process_sent_outlives_it,
          a_record_for_which_there_is_no_descriptor_left_is_lost_and_says_so,
          a_parcel_reads_as_it_was_made, a_parcel_that_was_cut_is_refused_wherever,
          a_parcel_with_a_length_that_lies_is_refused,
          another_version_is_refused_but_for_its_prefix, those_who_receive_are_found_and_share,
          who_died_receives_nothing_and_its_seat_is_free,
          whose_number_another_process_has_got_is_there_until_it_is_said_to_be_gone)
