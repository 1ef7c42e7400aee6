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

    ck_assert_int_eq(tc_passage_receive(passage, &record, &fd, NULL, NULL), APR_SUCCESS);
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

    ck_assert_int_eq(tc_passage_receive(&passage, &record, &fd, NULL, NULL), APR_EAGAIN);
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

        if (tc_passage_receive(&passage, &record, &fd, NULL, NULL) != APR_SUCCESS) {
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
    ck_assert_int_eq(tc_passage_receive(&passage, &record, &fd, NULL, NULL), APR_EMFILE);
    ck_assert_ptr_null(record.data);
    close(fds[--count]);
    ck_assert_int_eq(tc_passage_receive(&passage, &record, &fd, NULL, NULL), APR_SUCCESS);
    ck_assert(record.len == 3 && memcmp(record.data, "two", 3) == 0);
    tc_buf_free(&record);
    while (count > 0) {
        close(fds[--count]);
    }
}
END_TEST

/* ---- who sent it ---- */

typedef struct {
    tc_system_sender_t sender;
    unsigned asked;
    bool answer;
} doorkeeper_t;

static bool look(void *context, const tc_system_sender_t *sender)
{
    doorkeeper_t *keeper = context;

    keeper->sender = *sender;
    keeper->asked++;
    return keeper->answer;
}

/* Has a process of its own send a record with the writing end of a pipe. Returns its pid; the caller has the other end. */
static pid_t send_from_elsewhere(const tc_passage_t *passage, size_t len, int *reading_end)
{
    static const unsigned char record[TC_PASSAGE_INLINE_BYTES + 1];
    int ends[2], status;
    pid_t pid;

    ck_assert_int_eq(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        _exit(tc_passage_send(passage, record, len, ends[1]) == APR_SUCCESS ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    close(ends[1]);
    *reading_end = ends[0];
    return pid;
}

/* Systems that do not tell who has sent something ask nobody whether to trust them. */
#define IS_SENDER_KNOWN (tc_system_sender_space() > 0)

START_TEST(the_receiver_is_told_which_process_sent_a_record)
{
    tc_passage_t passage = open_passage();
    doorkeeper_t keeper = {.answer = true};
    tc_buf_t record = TC_BUF_INIT;
    int reading_end, fd;
    pid_t pid = send_from_elsewhere(&passage, 1, &reading_end);

    ck_assert_int_eq(tc_passage_receive(&passage, &record, &fd, look, &keeper), APR_SUCCESS);
    ck_assert_uint_eq(keeper.asked, IS_SENDER_KNOWN);
    if (IS_SENDER_KNOWN) {
        ck_assert_int_eq(keeper.sender.pid, pid);
        ck_assert_uint_eq(keeper.sender.uid, geteuid());
    }
    tc_buf_free(&record);
    close(fd);
    close(reading_end);
    close_passage(&passage);
}
END_TEST

/* A short record lies in the message, a long one in a file: neither is looked at. */
START_TEST(what_somebody_sends_who_is_not_trusted_is_closed)
{
    static const size_t lens[] = {1, TC_PASSAGE_INLINE_BYTES + 1};
    tc_passage_t passage = open_passage();
    doorkeeper_t keeper = {.answer = false};
    size_t i;

    for (i = 0; i < UNIT_COUNT(lens) && IS_SENDER_KNOWN; i++) {
        tc_buf_t record = TC_BUF_INIT;
        int before = free_descriptor(), reading_end, fd = -1;
        char byte;

        (void)send_from_elsewhere(&passage, lens[i], &reading_end);
        ck_assert_int_eq(tc_passage_receive(&passage, &record, &fd, look, &keeper), APR_EACCES);
        ck_assert_ptr_null(record.data);
        ck_assert_int_eq(fd, -1);
        ck_assert_msg(read(reading_end, &byte, 1) == 0, "the other end is open");
        close(reading_end);
        ck_assert_int_eq(free_descriptor(), before);
        ck_assert_int_eq(tc_passage_receive(&passage, &record, &fd, look, &keeper), APR_EAGAIN);
    }
    close_passage(&passage);
}
END_TEST

START_TEST(a_message_with_descriptors_too_many_or_none_is_no_record)
{
    tc_passage_t passage = open_passage();
    int count;

    for (count = 0; count <= 8; count++) {
        int before = free_descriptor(), i, fds[8], fd;
        union {
            struct cmsghdr header;
            char bytes[CMSG_SPACE(sizeof(fds))];
        } control = {.bytes = {0}};
        struct iovec iov = {(void *)"x", 1};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
        tc_buf_t record = TC_BUF_INIT;

        for (i = 0; i < 8; i++) {
            fds[i] = passage.out;
        }
        if (count > 0) {
            message.msg_control = control.bytes;
            message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
            control.header = (struct cmsghdr){CMSG_LEN((size_t)count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
            memcpy(CMSG_DATA(&control.header), fds, (size_t)count * sizeof(int));
        }
        ck_assert_int_eq(sendmsg(passage.out, &message, 0), 1);
        if (count == 1) {
            ck_assert_int_eq(tc_passage_receive(&passage, &record, &fd, NULL, NULL), APR_SUCCESS);
            tc_buf_free(&record);
            close(fd);
        }
        else { /* with two, the second is no file */
            ck_assert_int_ne(tc_passage_receive(&passage, &record, &fd, NULL, NULL), APR_SUCCESS);
        }
        ck_assert_int_eq(free_descriptor(), before);
    }
    close_passage(&passage);
}
END_TEST


/* ---- parcels ---- */

/* `control`: what the reader has of a control frame. */
static void make_parcel_with(tc_parcel_t *parcel, const char *control)
{
    static const char *const texts[TC_PARCEL_PARTS] = {"site:80", "7", "ann@example.com", "{}", "", "facts",
                                                       "queue",   "",  "message",         "c",  "192.0.2.1"};
    int i;

    memset(parcel, 0, sizeof(*parcel));
    tc_parcel_begin(parcel);
    parcel->head.member.cursor = 42;
    parcel->head.prefix.closable = 1;
    strcpy(parcel->head.trip.text, "550e8400-e29b-41d4-a716-446655440000");
    parcel->head.reader.message_opcode = TC_OPCODE_TEXT;
    parcel->head.reader.in_payload = true; /* of a ping between two fragments */
    parcel->head.reader.payload_done = 1;
    parcel->head.reader.frame = (tc_frame_header_t){.payload_len = 5, .opcode = TC_OPCODE_PING, .fin = true, .masked = true};
    for (i = 0; i < TC_PARCEL_PARTS; i++) {
        const char *text = i == TC_PARCEL_CONTROL ? control : texts[i];

        tc_parcel_add(parcel, (tc_parcel_part_e)i, text, strlen(text));
    }
    tc_parcel_end(parcel);
}

static void make_parcel(tc_parcel_t *parcel)
{
    make_parcel_with(parcel, "c");
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

/* ---- hostile parcels ---- */

/* Makes a parcel whose head has other bytes at a place. Is it read? */
static bool reads_with(size_t place, const void *bytes, size_t len)
{
    tc_parcel_t made, read;
    bool good;

    make_parcel(&made);
    memcpy(made.bytes.data + place, bytes, len);
    good = reads(&made, made.bytes.len, &read);
    tc_parcel_free(&made);
    tc_parcel_free(&read);
    return good;
}

#define READS_WITH(field, type, ...)                                                               \
    reads_with(offsetof(tc_parcel_head_t, field), &(type){__VA_ARGS__}, sizeof(type))

START_TEST(a_parcel_whose_reader_could_never_be_is_refused)
{
    ck_assert(READS_WITH(reader.payload_done, uint64_t, 1));
    ck_assert(!READS_WITH(reader.payload_done, uint64_t, 0));     /* the control part has a byte */
    ck_assert(!READS_WITH(reader.payload_done, uint64_t, 6));     /* more than the frame has */
    ck_assert(!READS_WITH(reader.payload_done, uint64_t, UINT64_MAX));
    ck_assert(!READS_WITH(reader.frame.payload_len, uint64_t, 126));
    ck_assert(!READS_WITH(reader.frame.payload_len, uint64_t, 0));
    ck_assert(!READS_WITH(reader.frame.opcode, uint8_t, TC_OPCODE_TEXT)); /* then there is no control part */
    ck_assert(!READS_WITH(reader.frame.opcode, uint8_t, 11));
    ck_assert(!READS_WITH(reader.frame.masked, uint8_t, 0));
    ck_assert(!READS_WITH(reader.frame.masked, uint8_t, 2));
    ck_assert(!READS_WITH(reader.in_payload, uint8_t, 0));
    ck_assert(!READS_WITH(reader.header_len, uint8_t, 1));
    ck_assert(!READS_WITH(reader.message_opcode, uint8_t, 0));    /* but there is a message */
    ck_assert(!READS_WITH(reader.message_opcode, uint8_t, 8));
    ck_assert(!READS_WITH(reader.takes_deflated, uint8_t, 1));    /* nothing was negotiated */
    ck_assert(!READS_WITH(reader.deflated, uint8_t, 1));
    ck_assert(!READS_WITH(deflate.server_bits, uint8_t, 16));
    ck_assert(!READS_WITH(deflate.server_bits, uint8_t, 255));
    ck_assert(!READS_WITH(deflate.client_keeps, uint8_t, 1));     /* such a connection does not move */
}
END_TEST

START_TEST(a_parcel_whose_times_texts_or_numbers_could_never_be_is_refused)
{
    char endless[TC_TRIP_MAX_BYTES + 1];

    memset(endless, 'x', sizeof(endless));
    ck_assert(!READS_WITH(heard_us, int64_t, INT64_MAX));
    ck_assert(!READS_WITH(wrote_us, int64_t, INT64_MAX));
    ck_assert(!READS_WITH(pinged_us, int64_t, INT64_MAX));
    ck_assert(!READS_WITH(begun_us, int64_t, INT64_MAX));
    ck_assert(!READS_WITH(member.typing_sent_us, int64_t, INT64_MAX));
    ck_assert(!READS_WITH(member.cursor, int64_t, -2));
    ck_assert(!READS_WITH(member.after, int64_t, INT64_MIN));
    ck_assert(!READS_WITH(member.epoch, int32_t, -2));
    ck_assert(!READS_WITH(is_stream, uint8_t, 3));
    ck_assert(!READS_WITH(member.typing_wanted, uint8_t, 255));
    ck_assert(!reads_with(offsetof(tc_parcel_head_t, trip.text), endless, sizeof(endless)));
}
END_TEST

static bool reads_with_part(tc_parcel_part_e part, const char *text, size_t len)
{
    static const char *const texts[TC_PARCEL_PARTS] = {"site:80", "7", "ann@example.com", "{}", "", "facts", "queue", "", "", "", "192.0.2.1"};
    tc_parcel_t made, read;
    bool good;
    int i;

    memset(&made, 0, sizeof(made));
    tc_parcel_begin(&made);
    for (i = 0; i < TC_PARCEL_PARTS; i++) {
        tc_parcel_add(&made, (tc_parcel_part_e)i, i == (int)part ? text : texts[i], i == (int)part ? len : strlen(texts[i]));
    }
    tc_parcel_end(&made);
    good = reads(&made, made.bytes.len, &read);
    tc_parcel_free(&made);
    tc_parcel_free(&read);
    return good;
}

/* The sender object goes into frames as it is. */
START_TEST(a_parcel_with_a_text_that_ends_early_or_a_sender_that_is_no_object_is_refused)
{
    static const char *const senders[] = {"", "[]", "{", "{}x", "{\"id\":\"\xff\"}", "{\"id\":1,\"id\":2}", "{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}"};
    size_t i;

    ck_assert(reads_with_part(TC_PARCEL_SENDER, "{\"id\":\"7\"}", 10));
    ck_assert(!reads_with_part(TC_PARCEL_USER_ID, "7\0008", 3));
    ck_assert(!reads_with_part(TC_PARCEL_SITE, "\0", 1));
    ck_assert(!reads_with_part(TC_PARCEL_CLAIM, "a\0b", 3));
    ck_assert(!reads_with_part(TC_PARCEL_CLIENT, "\0", 1));
    ck_assert(!reads_with_part(TC_PARCEL_MESSAGE, "m", 1)); /* of no message */
    ck_assert(!reads_with_part(TC_PARCEL_CONTROL, "c", 1)); /* of no frame */
    for (i = 0; i < UNIT_COUNT(senders); i++) {
        ck_assert_msg(!reads_with_part(TC_PARCEL_SENDER, senders[i], strlen(senders[i])), "%s", senders[i]);
    }
}
END_TEST

/* Restores the reader of a parcel under a limit, and gives it a stream of bytes as a client may send them. */
static bool run_reader(const tc_parcel_t *parcel, const tc_site_t *site, unit_random_t *random)
{
    tc_reader_t reader;
    tc_read_item_t item;
    int turn;

    tc_reader_init(&reader, site->max_message_bytes);
    if (!tc_parcel_restore_reader(parcel, &reader)) {
        tc_reader_free(&reader);
        return false;
    }
    for (turn = 0; turn < 40; turn++) {
        unsigned char bytes[64], *pos = bytes;
        tc_read_e got = TC_READ_MESSAGE;
        size_t i;

        for (i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (unsigned char)unit_random_next(random);
        }
        while (got == TC_READ_MESSAGE || got == TC_READ_CONTROL) {
            got = tc_reader_next(&reader, &pos, bytes + sizeof(bytes), &item);
            ck_assert_uint_le(reader.message.len, site->max_message_bytes);
            ck_assert_uint_le(reader.control.len, TC_CONTROL_MAX_BYTES);
        }
        if (got == TC_READ_FAIL) {
            break;
        }
    }
    tc_reader_free(&reader);
    return true;
}

START_TEST(no_parcel_makes_a_reader_exceed_its_bounds_whatever_was_changed_in_it)
{
    static const tc_site_t site = {.max_message_bytes = 500};
    unit_random_t random = unit_random_of(15);
    int i, taken = 0;

    for (i = 0; i < 20000; i++) {
        size_t at = offsetof(tc_parcel_head_t, deflate), size = offsetof(tc_parcel_head_t, lens) - at;
        tc_parcel_t made, read;
        int changes = 1 + (int)unit_random_below(&random, 3);

        make_parcel(&made);
        while (changes-- > 0) {
            made.bytes.data[at + unit_random_below(&random, (unsigned)size)] = (unsigned char)unit_random_next(&random);
        }
        if (reads(&made, made.bytes.len, &read) && run_reader(&read, &site, &random)) {
            taken++;
        }
        tc_parcel_free(&made);
        tc_parcel_free(&read);
    }
    ck_assert_int_gt(taken, 100);
}
END_TEST

/* The message of seven bytes goes on with a frame of `payload_len`, of which `done` bytes are there. */
static bool fits(uint64_t payload_len, uint64_t done, size_t max_message_bytes)
{
    tc_parcel_t made, read;
    tc_reader_t reader;
    bool good;

    make_parcel_with(&made, "");
    made.head.reader.frame.opcode = TC_OPCODE_CONTINUATION;
    made.head.reader.frame.payload_len = payload_len;
    made.head.reader.payload_done = done;
    tc_parcel_end(&made);
    ck_assert(reads(&made, made.bytes.len, &read));
    tc_reader_init(&reader, max_message_bytes);
    good = tc_parcel_restore_reader(&read, &reader);
    tc_reader_free(&reader);
    tc_parcel_free(&made);
    tc_parcel_free(&read);
    return good;
}

START_TEST(an_unfinished_message_must_fit_into_the_limit_that_counts_now)
{
    ck_assert(fits(5, 2, 10));
    ck_assert(!fits(5, 2, 9)); /* three bytes are missing */
    ck_assert(fits(5, 5, 7));
    ck_assert(!fits(5, 5, 6));
    ck_assert(!fits(UINT64_MAX, 1, 16 << 20));
}
END_TEST

START_TEST(an_id_must_have_the_form_that_the_site_has_now)
{
    tc_site_t site = {.max_message_bytes = 7};
    tc_parcel_t made;

    make_parcel(&made);
    ck_assert(tc_parcel_fits(&made, &site));
    site.rules.trip_form = TC_TRIP_INTEGER;
    ck_assert(!tc_parcel_fits(&made, &site));
    site.rules.trip_form = TC_TRIP_TEXT;
    ck_assert(tc_parcel_fits(&made, &site));
    tc_parcel_free(&made);
}
END_TEST

/* The limit was lowered while a message was under way: every further fragment is too much. */
START_TEST(a_reader_with_more_than_its_limit_takes_no_further_fragment)
{
    tc_reader_t reader;
    tc_read_item_t item;
    tc_buf_t frame = TC_BUF_INIT;
    unsigned char *pos;

    tc_reader_init(&reader, 4);
    reader.message_opcode = TC_OPCODE_BINARY;
    tc_buf_append(&reader.message, "12345678", 8);
    unit_append_frame(&frame, 0x00, "x", 1);
    pos = frame.data;
    ck_assert_int_eq(tc_reader_next(&reader, &pos, frame.data + frame.len, &item), TC_READ_FAIL);
    ck_assert_uint_eq(item.close_code, 1009);
    tc_buf_free(&frame);
    tc_reader_free(&reader);
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
    tc_handover_leave(&handover, first);
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

/* Children of the board are known while they are there, and for a while after: what they sent may still wait. */
START_TEST(children_are_known_and_stay_known_for_a_while)
{
    tc_handover_t handover = make_handover(2);
    tc_handover_seat_t *seat = tc_handover_sit(&handover, getpid(), 1, 10);
    pid_t pid = fork();

    if (pid == 0) {
        _exit(0);
    }
    ck_assert_ptr_nonnull(seat);
    ck_assert(tc_handover_knows(&handover, getpid()));
    ck_assert(!tc_handover_knows(&handover, getppid()));
    ck_assert(!tc_handover_knows(&handover, 0));
    ck_assert(!tc_handover_knows(&handover, pid));
    ck_assert_ptr_nonnull(tc_handover_sit(&handover, pid, 1, 10));
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    tc_handover_clear(&handover, pid);
    ck_assert_msg(tc_handover_knows(&handover, pid), "it has gone just now");
    tc_handover_leave(&handover, seat);
    ck_assert(tc_handover_knows(&handover, getpid()));
    tc_handover_clear(&handover, getppid());
    ck_assert_msg(!tc_handover_knows(&handover, getppid()), "it never had a seat");
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
          whose_number_another_process_has_got_is_there_until_it_is_said_to_be_gone,
          the_receiver_is_told_which_process_sent_a_record, what_somebody_sends_who_is_not_trusted_is_closed,
          a_message_with_descriptors_too_many_or_none_is_no_record, children_are_known_and_stay_known_for_a_while,
          a_parcel_whose_reader_could_never_be_is_refused,
          a_parcel_whose_times_texts_or_numbers_could_never_be_is_refused,
          a_parcel_with_a_text_that_ends_early_or_a_sender_that_is_no_object_is_refused,
          no_parcel_makes_a_reader_exceed_its_bounds_whatever_was_changed_in_it,
          an_unfinished_message_must_fit_into_the_limit_that_counts_now,
          an_id_must_have_the_form_that_the_site_has_now,
          a_reader_with_more_than_its_limit_takes_no_further_fragment)
