/* The base layer: buffers, shared bytes, UUIDs, times, the log callback, thread roles. */
#include "unit.h"

#include "base/alloc.h"
#include "base/blob.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/uuid.h"

#include <apr_thread_proc.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

START_TEST(zeroed_memory_is_zero_and_nothing_is_never_null)
{
    unsigned char *bytes = tc_alloc_zero(100);
    size_t i;

    for (i = 0; i < 100; i++) {
        ck_assert_uint_eq(bytes[i], 0);
    }
    free(bytes);
    bytes = tc_alloc(0);
    bytes = tc_realloc(bytes, 0);
    ck_assert_ptr_nonnull(bytes);
    free(bytes);
}
END_TEST

START_TEST(a_buffer_keeps_what_was_appended_in_any_pieces)
{
    char expected[1000];
    size_t piece, i;

    for (i = 0; i < sizeof(expected); i++) {
        expected[i] = (char)(i * 7);
    }
    for (piece = 1; piece <= 300; piece++) {
        tc_buf_t buf = TC_BUF_INIT;

        for (i = 0; i < sizeof(expected); i += piece) {
            size_t left = sizeof(expected) - i;

            tc_buf_append(&buf, expected + i, left < piece ? left : piece);
        }
        ck_assert_uint_eq(buf.len, sizeof(expected));
        ck_assert_mem_eq(buf.data, expected, buf.len);
        tc_buf_free(&buf);
        ck_assert_ptr_null(buf.data);
        ck_assert_uint_eq(buf.len + buf.size, 0);
    }
}
END_TEST

START_TEST(nothing_can_be_appended_to_a_buffer_that_has_no_memory_yet)
{
    tc_buf_t buf = TC_BUF_INIT;

    tc_buf_append(&buf, "", 0);
    ck_assert_uint_eq(buf.len, 0);
    tc_buf_free(&buf);
}
END_TEST

START_TEST(integers_are_written_in_decimal)
{
    static const int64_t values[] = {0, 1, -1, 9, 10, -10, 1000000007, INT64_MAX, INT64_MIN};
    size_t i;

    for (i = 0; i < UNIT_COUNT(values); i++) {
        tc_buf_t buf = TC_BUF_INIT;
        char expected[32];

        snprintf(expected, sizeof(expected), "%lld", (long long)values[i]);
        tc_buf_append_int(&buf, values[i]);
        tc_buf_append(&buf, "", 1);
        ck_assert_str_eq((char *)buf.data, expected);
        tc_buf_free(&buf);
    }
}
END_TEST

START_TEST(literals_and_strings_are_appended_without_their_nul)
{
    tc_buf_t buf = TC_BUF_INIT;

    TC_BUF_LIT(&buf, "ab");
    tc_buf_append_str(&buf, "cd");
    ck_assert_uint_eq(buf.len, 4);
    ck_assert_mem_eq(buf.data, "abcd", 4);
    tc_buf_free(&buf);
}
END_TEST

START_TEST(shared_bytes_live_as_long_as_one_reference)
{
    tc_blob_t *blob = tc_blob_create(3);

    ck_assert_uint_eq(blob->len, 3);
    ck_assert_uint_eq(blob->size, 3);
    ck_assert_uint_eq(blob->refs, 1);
    ck_assert(!blob->droppable);
    memcpy(blob->data, "xyz", 3);
    ck_assert_ptr_eq(tc_blob_ref(blob), blob);
    tc_blob_unref(blob);
    ck_assert_mem_eq(blob->data, "xyz", 3);
    tc_blob_unref(blob);
    tc_blob_unref(NULL);
}
END_TEST

#define A_UUID "550e8400-e29b-41d4-a716-446655440000"

START_TEST(a_uuid_is_read_in_either_case_and_written_in_lower)
{
    char text[TC_UUID_CHARS + 1];
    tc_uuid_t lower, upper;

    ck_assert(tc_uuid_parse(A_UUID, TC_UUID_CHARS, &lower));
    ck_assert(tc_uuid_parse("550E8400-E29B-41D4-A716-446655440000", TC_UUID_CHARS, &upper));
    ck_assert(tc_uuid_equal(&lower, &upper));
    ck_assert_uint_eq(lower.bytes[0], 0x55);
    ck_assert_uint_eq(lower.bytes[15], 0x00);
    ck_assert_uint_eq(lower.bytes[4], 0xe2);
    tc_uuid_format(&upper, text);
    ck_assert_str_eq(text, A_UUID);
}
END_TEST

START_TEST(two_uuids_that_differ_in_one_bit_are_not_equal)
{
    tc_uuid_t one, other;
    int bit;

    ck_assert(tc_uuid_parse(A_UUID, TC_UUID_CHARS, &one));
    for (bit = 0; bit < 128; bit++) {
        other = one;
        other.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        ck_assert(!tc_uuid_equal(&one, &other));
    }
}
END_TEST

static bool is_uuid_char_at(int c, size_t at)
{
    bool hyphen = at == 8 || at == 13 || at == 18 || at == 23;

    return hyphen ? c == '-' : (c != '\0' && strchr("0123456789abcdefABCDEF", c) != NULL);
}

START_TEST(any_byte_that_does_not_belong_where_it_stands_makes_it_no_uuid)
{
    size_t at;
    int c;

    for (at = 0; at < TC_UUID_CHARS; at++) {
        for (c = 0; c < 256; c++) {
            unsigned char *text = unit_copy(A_UUID, TC_UUID_CHARS);
            tc_uuid_t uuid;

            text[at] = (unsigned char)c;
            ck_assert_msg(tc_uuid_parse((char *)text, TC_UUID_CHARS, &uuid)
                              == is_uuid_char_at(c, at),
                          "byte %d at %zu", c, at);
            free(text);
        }
    }
}
END_TEST

START_TEST(only_thirty_six_characters_are_a_uuid)
{
    size_t len;

    for (len = 0; len < 50; len++) {
        unsigned char *text = unit_copy(A_UUID A_UUID, len);
        tc_uuid_t uuid;

        ck_assert(tc_uuid_parse((char *)text, len, &uuid) == (len == TC_UUID_CHARS));
        free(text);
    }
}
END_TEST

START_TEST(made_uuids_are_version_7_carry_the_time_and_never_repeat)
{
    enum { MANY = 500 };
    static tc_uuid_t made[MANY];
    int64_t before_ms = tc_clock_wall_us() / TC_US_PER_MS, after_ms;
    int i, j;

    for (i = 0; i < MANY; i++) {
        tc_uuid_make_v7(&made[i]);
    }
    after_ms = tc_clock_wall_us() / TC_US_PER_MS;
    for (i = 0; i < MANY; i++) {
        int64_t ms = 0;

        for (j = 0; j < 6; j++) {
            ms = ms << 8 | made[i].bytes[j];
        }
        ck_assert_int_le(before_ms, ms);
        ck_assert_int_le(ms, after_ms);
        ck_assert_uint_eq(made[i].bytes[6] >> 4, 7);
        ck_assert_uint_eq(made[i].bytes[8] >> 6, 2);
        for (j = 0; j < i; j++) {
            ck_assert(!tc_uuid_equal(&made[i], &made[j]));
        }
    }
}
END_TEST

static void expect_rise(tc_uuid_t *last, int64_t wall_us)
{
    tc_uuid_t next;

    tc_uuid_make_v7_at(&next, wall_us);
    ck_assert_int_gt(memcmp(next.bytes, last->bytes, TC_UUID_BYTES), 0);
    ck_assert_uint_eq(next.bytes[6] >> 4, 7);
    ck_assert_uint_eq(next.bytes[8] >> 6, 2);
    *last = next;
}

START_TEST(made_uuids_rise_within_a_millisecond_and_when_the_clock_is_set_back)
{
    int64_t now_us = tc_clock_wall_us();
    tc_uuid_t last;
    int i;

    tc_uuid_make_v7(&last);
    for (i = 0; i < 200000; i++) { /* more than the counter of one millisecond holds */
        expect_rise(&last, now_us);
    }
    for (i = 0; i < 1000; i++) {
        expect_rise(&last, now_us - 3600 * TC_US_PER_S + i);
    }
    expect_rise(&last, now_us + 10 * TC_US_PER_S);
}
END_TEST

enum { UUID_THREADS = 4, UUIDS_A_THREAD = 20000 };

typedef struct {
    tc_uuid_t made[UUIDS_A_THREAD];
} uuid_maker_t;

static void *make_uuids(apr_thread_t *thread, void *data)
{
    uuid_maker_t *maker = data;
    int i;

    (void)thread;
    for (i = 0; i < UUIDS_A_THREAD; i++) {
        tc_uuid_make_v7(&maker->made[i]);
    }
    return NULL;
}

/* Compares the time and the counter: the bytes behind them are random. */
static int compare_ticks(const void *a, const void *b)
{
    const tc_uuid_t *left = a, *right = b;
    int order = memcmp(left->bytes, right->bytes, 8);

    return order ? order : (left->bytes[8] >> 2) - (right->bytes[8] >> 2);
}

START_TEST(uuids_that_threads_make_at_the_same_time_rise_too)
{
    uuid_maker_t *makers = calloc(UUID_THREADS, sizeof(*makers));
    apr_pool_t *pool = unit_pool();
    apr_thread_t *threads[UUID_THREADS];
    tc_uuid_t *all = makers[0].made;
    apr_status_t rv;
    int i, j;

    for (i = 0; i < UUID_THREADS; i++) {
        ck_assert_int_eq(apr_thread_create(&threads[i], NULL, make_uuids, &makers[i], pool), APR_SUCCESS);
    }
    for (i = 0; i < UUID_THREADS; i++) {
        apr_thread_join(&rv, threads[i]);
        for (j = 1; j < UUIDS_A_THREAD; j++) {
            ck_assert_int_lt(compare_ticks(&makers[i].made[j - 1], &makers[i].made[j]), 0);
        }
    }
    qsort(all, (size_t)UUID_THREADS * UUIDS_A_THREAD, sizeof(*all), compare_ticks);
    for (i = 1; i < UUID_THREADS * UUIDS_A_THREAD; i++) {
        ck_assert_int_lt(compare_ticks(&all[i - 1], &all[i]), 0); /* no tick was given twice */
    }
    apr_pool_destroy(pool);
    free(makers);
}
END_TEST

START_TEST(times_are_written_as_rfc_3339_in_utc)
{
    static const struct {
        int64_t us;
        const char *text;
    } times[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {INT64_C(1705314600123456), "2024-01-15T10:30:00.123456Z"},
        {INT64_C(951827696000007), "2000-02-29T12:34:56.000007Z"},
        {INT64_C(4102444799999999), "2099-12-31T23:59:59.999999Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(times); i++) {
        char text[TC_CLOCK_RFC3339_BYTES];

        tc_clock_rfc3339(times[i].us, text);
        ck_assert_str_eq(text, times[i].text);
    }
}
END_TEST

/* From 1600 to 2400, but for what the system's own has no number for. */
START_TEST(a_date_is_that_of_gmtime_on_every_day)
{
    int64_t day;

    for (day = -135140; day <= 157053; day++) {
        char text[TC_CLOCK_RFC3339_BYTES], expected[TC_CLOCK_RFC3339_BYTES];
        time_t seconds = (time_t)(day * 86400 + 86399);
        struct tm tm;

        if (seconds != day * 86400 + 86399) {
            continue;
        }
        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.999999Z", &tm);
        tc_clock_rfc3339((day * 86400 + 86400) * TC_US_PER_S - 1, text);
        ck_assert_str_eq(text, expected);
    }
}
END_TEST

START_TEST(the_monotonic_clock_never_goes_back)
{
    int64_t last = tc_clock_monotonic_us();
    int i;

    for (i = 0; i < 10000; i++) {
        int64_t now = tc_clock_monotonic_us();

        ck_assert_int_ge(now, last);
        last = now;
    }
}
END_TEST

static struct {
    int count;
    tc_log_level_e level;
    apr_status_t status;
    const void *server;
    char client[64];
    char line[2048];
} logged;

static void log_sink(tc_log_level_e level, apr_status_t status, const void *server, const char *client, const char *line)
{
    logged.server = server;
    snprintf(logged.client, sizeof(logged.client), "%s", client);
    logged.count++;
    logged.level = level;
    logged.status = status;
    snprintf(logged.line, sizeof(logged.line), "%s", line);
}

START_TEST(a_log_line_reaches_the_sink_with_its_level_and_status)
{
    memset(&logged, 0, sizeof(logged));
    tc_log_bind(log_sink, TC_LOG_INFO);
    tc_log(TC_LOG_WARNING, APR_EOF, "TC9999: %d of %s", 3, "them");
    tc_log(TC_LOG_DEBUG, 0, "TC9998: too low to be told");
    ck_assert_int_eq(logged.count, 1);
    ck_assert_int_eq(logged.level, TC_LOG_WARNING);
    ck_assert_int_eq(logged.status, APR_EOF);
    ck_assert_str_eq(logged.line, "TC9999: 3 of them");
    tc_log_bind(NULL, TC_LOG_TRACE);
    tc_log(TC_LOG_ERR, 0, "TC9997: nobody listens");
    ck_assert_int_eq(logged.count, 1);
}
END_TEST

START_TEST(a_log_line_goes_to_the_log_of_whom_it_is_about)
{
    static const int main_one, another;
    tc_log_subject_t *subject = tc_log_subject_create(&another, "192.0.2.7");
    tc_log_limit_t limit = TC_LOG_LIMIT(2);
    int i;

    memset(&logged, 0, sizeof(logged));
    tc_log_bind(log_sink, TC_LOG_INFO);
    tc_log_about(subject, NULL, TC_LOG_INFO, 0, "TC9996: %d", 1);
    ck_assert_ptr_eq(logged.server, &another);
    ck_assert_str_eq(logged.client, "192.0.2.7");
    ck_assert_str_eq(logged.line, "TC9996: 1");
    tc_log_about(NULL, NULL, TC_LOG_INFO, 0, "TC9996: 2");
    ck_assert_ptr_null(logged.server);
    ck_assert_str_eq(logged.client, "");
    tc_log_serve(&main_one);
    tc_log(TC_LOG_INFO, 0, "TC9996: 3");
    ck_assert_ptr_eq(logged.server, &main_one);
    tc_log_about(NULL, NULL, TC_LOG_INFO, 0, "TC9996: 4");
    ck_assert_ptr_eq(logged.server, &main_one);
    tc_log_serve(NULL);
    ck_assert_int_eq(logged.count, 4);
    for (i = 0; i < 5; i++) {
        tc_log_about(subject, &limit, TC_LOG_DEBUG, 0, "TC9996: not wanted, so it does not count");
    }
    for (i = 0; i < 5; i++) {
        tc_log_about(subject, &limit, TC_LOG_INFO, 0, "TC9996: often");
    }
    ck_assert_int_eq(logged.count, 6);
    atomic_fetch_sub(&limit.second_us, 2 * TC_US_PER_S);
    tc_log_about(subject, &limit, TC_LOG_INFO, 0, "TC9996: often");
    ck_assert_str_eq(logged.line, "TC9996: often (3 more since the last line)");
    tc_log_bind(NULL, TC_LOG_TRACE);
    free(subject);
}
END_TEST

START_TEST(a_log_line_of_any_length_ends_with_a_nul)
{
    char *much = malloc(5000);

    memset(much, 'x', 4999);
    much[4999] = '\0';
    memset(&logged, 0, sizeof(logged));
    tc_log_bind(log_sink, TC_LOG_TRACE);
    tc_log(TC_LOG_TRACE, 0, "%s", much);
    ck_assert_int_eq(logged.count, 1);
    ck_assert_uint_ge(strlen(logged.line), 1000);
    tc_log_bind(NULL, TC_LOG_TRACE);
    free(much);
}
END_TEST

START_TEST(what_comes_often_is_logged_so_many_times_a_second_and_counted)
{
    tc_log_limit_t limit = TC_LOG_LIMIT(2);
    char more[TC_LOG_MORE_CHARS];
    int i;

    ck_assert(tc_log_may(&limit, more));
    ck_assert_str_eq(more, "");
    atomic_store(&limit.second_us, tc_clock_monotonic_us() + 3600 * TC_US_PER_S); /* a second that does not end */
    ck_assert(tc_log_may(&limit, more));
    ck_assert_str_eq(more, "");
    for (i = 0; i < 1000; i++) {
        ck_assert(!tc_log_may(&limit, more));
    }
    atomic_store(&limit.second_us, tc_clock_monotonic_us() - TC_US_PER_S);
    ck_assert(tc_log_may(&limit, more));
    ck_assert_str_eq(more, " (1000 more since the last line)");
    ck_assert(tc_log_may(&limit, more));
    ck_assert_str_eq(more, "");
}
END_TEST

static void run_as_loop_without_being_it(void)
{
    tc_thread_assert(TC_THREAD_LOOP, "here");
}

static void run_as_loop_being_it(void)
{
    tc_thread_set_role(TC_THREAD_LOOP);
    tc_thread_assert(TC_THREAD_LOOP, "here");
}

START_TEST(the_wrong_thread_ends_the_process)
{
    ck_assert_int_eq(tc_thread_role(), TC_THREAD_WORKER);
    ck_assert_int_eq(unit_signal_of(run_as_loop_without_being_it), SIGABRT);
    ck_assert_int_eq(unit_signal_of(run_as_loop_being_it), 0);
}
END_TEST

UNIT_MAIN("base", zeroed_memory_is_zero_and_nothing_is_never_null,
          a_buffer_keeps_what_was_appended_in_any_pieces,
          nothing_can_be_appended_to_a_buffer_that_has_no_memory_yet,
          integers_are_written_in_decimal, literals_and_strings_are_appended_without_their_nul,
          shared_bytes_live_as_long_as_one_reference,
          a_uuid_is_read_in_either_case_and_written_in_lower,
          two_uuids_that_differ_in_one_bit_are_not_equal,
          any_byte_that_does_not_belong_where_it_stands_makes_it_no_uuid,
          only_thirty_six_characters_are_a_uuid,
          made_uuids_are_version_7_carry_the_time_and_never_repeat,
          made_uuids_rise_within_a_millisecond_and_when_the_clock_is_set_back,
          uuids_that_threads_make_at_the_same_time_rise_too,
          times_are_written_as_rfc_3339_in_utc, a_date_is_that_of_gmtime_on_every_day,
          the_monotonic_clock_never_goes_back,
          a_log_line_reaches_the_sink_with_its_level_and_status,
          a_log_line_goes_to_the_log_of_whom_it_is_about,
          a_log_line_of_any_length_ends_with_a_nul,
          what_comes_often_is_logged_so_many_times_a_second_and_counted, the_wrong_thread_ends_the_process)
