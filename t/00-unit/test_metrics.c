/*
 * The counts of children (base/metrics, shared/board), and the page that is made of them. Children are real processes,
 * and some of them are killed.
 */
#include "unit.h"

#include "base/flight.h"
#include "codec/chat.h"
#include "domain/event.h"
#include "domain/rate.h"
#include "domain/store.h"
#include "shared/exposition.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEATS 4

static tc_board_t *make_board(void)
{
    void *memory = mmap(NULL, tc_board_size(SEATS), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert(memory != MAP_FAILED);
    return tc_board_make(memory, SEATS);
}

static void free_board(tc_board_t *board)
{
    tc_metrics_bind(NULL);
    munmap(board, tc_board_size(SEATS));
}

static uint64_t sum_of(const tc_board_t *board, unsigned slot, unsigned cell)
{
    uint64_t sums[TC_METRICS_CELLS];

    tc_board_sum(board, slot, sums);
    return sums[cell];
}

/* Starts a child that takes a seat, runs `body` to count in it, and waits to be killed. */
static pid_t start_child(tc_board_t *board, void (*body)(unsigned slot), unsigned slot)
{
    int ready[2];
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        tc_metrics_seat_t *seat = tc_board_sit(board, getpid());

        if (seat != NULL) {
            tc_metrics_bind(seat);
            body(slot);
            (void)!write(ready[1], "", 1);
        }
        pause();
        _exit(0);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void kill_child(pid_t pid)
{
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void hold_and_count(unsigned slot)
{
    tc_metrics_add(slot, TC_M_DELIVERIES, 5);
    tc_metrics_add(slot, TC_CELL(CONNECTIONS, TC_L_TRANSPORT_EVENTS, TC_L_STATE_OPEN), 3);
    tc_metrics_sub(slot, TC_CELL(CONNECTIONS, TC_L_TRANSPORT_EVENTS, TC_L_STATE_OPEN), 1);
    tc_metrics_set(slot, TC_M_REDIS_BEAT, 700);
    tc_metrics_observe_us(slot, TC_M_DELIVERY_TIME, 800);
}

#define HELD TC_CELL(CONNECTIONS, TC_L_TRANSPORT_EVENTS, TC_L_STATE_OPEN)

/* ---- counting ---- */

START_TEST(without_a_seat_counts_go_nowhere_and_do_no_harm)
{
    tc_board_t *board = make_board();

    hold_and_count(TC_METRICS_CHILD);
    ck_assert_uint_eq(sum_of(board, TC_METRICS_CHILD, TC_M_DELIVERIES), 0);
    free_board(board);
}
END_TEST

START_TEST(children_count_together_and_the_greatest_gauge_counts)
{
    tc_board_t *board = make_board();
    unsigned slot = tc_board_slot(board, "a:80");
    pid_t pid = start_child(board, hold_and_count, slot);

    tc_metrics_bind(tc_board_sit(board, getpid()));
    tc_metrics_add(slot, TC_M_DELIVERIES, 2);
    tc_metrics_add(slot, HELD, 7);
    tc_metrics_set(slot, TC_M_REDIS_BEAT, 300);
    ck_assert_uint_eq(sum_of(board, slot, TC_M_DELIVERIES), 7);
    ck_assert_uint_eq(sum_of(board, slot, HELD), 9);
    ck_assert_uint_eq(sum_of(board, slot, TC_M_REDIS_BEAT), 700);
    ck_assert_uint_eq(tc_metrics_get(slot, TC_M_DELIVERIES), 2);
    ck_assert_uint_eq(sum_of(board, TC_METRICS_CHILD, TC_M_DELIVERIES), 0);
    kill_child(pid);
    free_board(board);
}
END_TEST

START_TEST(of_a_child_that_is_killed_counters_stay_and_gauges_go)
{
    tc_board_t *board = make_board();
    unsigned slot = tc_board_slot(board, "a:80");

    kill_child(start_child(board, hold_and_count, slot));
    ck_assert_uint_eq(sum_of(board, slot, TC_M_DELIVERIES), 5);
    ck_assert_uint_eq(sum_of(board, slot, TC_M_DELIVERY_TIME + 1), 1);
    ck_assert_uint_eq(sum_of(board, slot, TC_M_DELIVERY_TIME + TC_HISTOGRAM_CELLS - 1), 800);
    ck_assert_uint_eq(sum_of(board, slot, HELD), 0);
    ck_assert_uint_eq(sum_of(board, slot, TC_M_REDIS_BEAT), 0);
    free_board(board);
}
END_TEST

/* One after the other, more children run than there are seats. */
START_TEST(whoever_takes_a_seat_adds_to_its_counters_and_finds_its_gauges_zero)
{
    tc_board_t *board = make_board();
    unsigned slot = tc_board_slot(board, "a:80"), i;

    for (i = 1; i <= 2 * SEATS; i++) {
        pid_t pid = start_child(board, hold_and_count, slot);

        ck_assert_uint_eq(sum_of(board, slot, TC_M_DELIVERIES), 5 * i);
        ck_assert_uint_eq(sum_of(board, slot, HELD), 2);
        kill_child(pid);
    }
    free_board(board);
}
END_TEST

START_TEST(a_seat_that_is_given_back_counts_no_more_and_is_free)
{
    tc_board_t *board = make_board();
    unsigned i;

    for (i = 0; i < SEATS; i++) {
        ck_assert_ptr_nonnull(tc_board_sit(board, getpid()));
    }
    ck_assert_ptr_null(tc_board_sit(board, getpid()));
    tc_board_leave(board, getpid());
    tc_metrics_bind(tc_board_sit(board, getpid()));
    hold_and_count(TC_METRICS_CHILD);
    ck_assert_uint_eq(sum_of(board, TC_METRICS_CHILD, HELD), 2);
    tc_board_leave(board, getpid());
    ck_assert_uint_eq(sum_of(board, TC_METRICS_CHILD, HELD), 0);
    ck_assert_uint_eq(sum_of(board, TC_METRICS_CHILD, TC_M_DELIVERIES), 5);
    free_board(board);
}
END_TEST

START_TEST(a_site_keeps_its_slot_and_those_that_are_too_many_share_one)
{
    tc_board_t *board = make_board();
    char name[20];
    unsigned i;

    ck_assert_ptr_null(tc_board_site(board, 1));
    for (i = 1; i < TC_METRICS_OTHER; i++) {
        snprintf(name, sizeof(name), "site:%u", i);
        ck_assert_uint_eq(tc_board_slot(board, name), i);
        ck_assert_str_eq(tc_board_site(board, i), name);
    }
    ck_assert_ptr_null(tc_board_site(board, TC_METRICS_OTHER));
    ck_assert_uint_eq(tc_board_slot(board, "one more"), TC_METRICS_OTHER);
    ck_assert_uint_eq(tc_board_slot(board, "and more"), TC_METRICS_OTHER);
    ck_assert_str_eq(tc_board_site(board, TC_METRICS_OTHER), "other");
    ck_assert_uint_eq(tc_board_slot(board, "site:7"), 7);
    ck_assert_ptr_null(tc_board_site(board, TC_METRICS_CHILD));
    free_board(board);
}
END_TEST

/* The number of the board's pages that are in memory. */
static size_t pages_of(const tc_board_t *board)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), all = (tc_board_size(SEATS) + page - 1) / page, i, count = 0;
    unsigned char *there = malloc(all);

    ck_assert_int_eq(mincore((void *)board, tc_board_size(SEATS), there), 0);
    for (i = 0; i < all; i++) {
        count += there[i] & 1;
    }
    free(there);
    return count;
}

START_TEST(what_nobody_counted_in_takes_no_memory_when_it_is_read)
{
    tc_board_t *board = make_board();
    tc_buf_t page = TC_BUF_INIT;
    size_t before;
    unsigned i;

    for (i = 1; i < TC_METRICS_SLOTS; i++) {
        tc_board_slot(board, i % 2 ? "one" : "two");
    }
    tc_metrics_bind(tc_board_sit(board, getpid()));
    tc_metrics_add(2, TC_M_DELIVERIES, 1);
    before = pages_of(board);
    tc_exposition_write(&page, board, "1");
    ck_assert_uint_eq(pages_of(board), before);
    ck_assert_uint_lt(before, tc_board_size(SEATS) / (size_t)sysconf(_SC_PAGESIZE) / SEATS);
    tc_buf_free(&page);
    free_board(board);
}
END_TEST

START_TEST(a_board_fits_who_counts_the_same_and_has_as_many_children)
{
    tc_board_t *board = make_board();

    ck_assert(tc_board_fits(board, SEATS));
    ck_assert(!tc_board_fits(board, SEATS + 1));
    *(uint64_t *)(void *)board += 1; /* as if laid out for another table */
    ck_assert(!tc_board_fits(board, SEATS));
    free_board(board);
}
END_TEST

/* ---- histograms ---- */

START_TEST(a_value_falls_into_the_bucket_whose_bound_it_does_not_exceed)
{
    const uint64_t *bounds = tc_metrics_bounds(TC_METRIC_TIMES);
    tc_board_t *board = make_board();
    unsigned i;

    tc_metrics_bind(tc_board_sit(board, getpid()));
    for (i = 0; i < TC_HISTOGRAM_BOUNDS; i++) {
        tc_metrics_observe_us(1, TC_M_DELIVERY_TIME, (int64_t)bounds[i]);
        tc_metrics_observe_us(1, TC_M_DELIVERY_TIME, (int64_t)bounds[i] + 1);
    }
    tc_metrics_observe_us(1, TC_M_DELIVERY_TIME, -5);
    ck_assert_uint_eq(sum_of(board, 1, TC_M_DELIVERY_TIME), 2);
    for (i = 1; i < TC_HISTOGRAM_BOUNDS; i++) {
        ck_assert_uint_eq(sum_of(board, 1, TC_M_DELIVERY_TIME + i), 2);
        ck_assert_uint_gt(bounds[i], bounds[i - 1]);
    }
    ck_assert_uint_eq(sum_of(board, 1, TC_M_DELIVERY_TIME + i), 1);
    free_board(board);
}
END_TEST

/* ---- the table ---- */

static const char *const *values_of(unsigned cell)
{
    unsigned count, i;
    const tc_metric_t *metrics = tc_metrics_table(&count);

    for (i = 0; metrics[i].first != cell || metrics[i].width == 0; i++) {
        ck_assert_uint_lt(i, count);
    }
    return metrics[i].labels[0]->values;
}

START_TEST(labels_are_in_the_order_of_what_they_name)
{
    int error;

    for (error = 1; error <= TC_CHAT_UNSUPPORTED_MEDIA_TYPE; error++) {
        ck_assert_str_eq(values_of(TC_M_ERRORS_SENT)[error - 1], tc_chat_error_code((tc_chat_error_e)error));
    }
    ck_assert_int_eq(TC_L_ERROR_COUNT, TC_CHAT_UNSUPPORTED_MEDIA_TYPE);
    ck_assert_str_eq(values_of(TC_M_MESSAGES_RECEIVED)[TC_CHAT_IN_MESSAGE], "chat_message");
    ck_assert_str_eq(values_of(TC_M_MESSAGES_RECEIVED)[TC_CHAT_IN_EDIT], "edit_message");
    ck_assert_str_eq(values_of(TC_M_MESSAGES_RECEIVED)[TC_CHAT_IN_TYPING], "typing");
    ck_assert_str_eq(values_of(TC_M_MESSAGES_RECEIVED)[TC_CHAT_IN_AUTHENTICATE], "authenticate");
    ck_assert_str_eq(values_of(TC_M_MESSAGES_RECEIVED)[TC_CHAT_IN_PING], "ping");
    ck_assert_str_eq(values_of(TC_M_DATABASE_TIME)[TC_JOB_LOAD - TC_JOB_EDIT], "load");
    ck_assert_str_eq(values_of(TC_M_DATABASE_TIME)[TC_JOB_ACCESS - TC_JOB_EDIT], "access");
    ck_assert_int_eq(TC_JOB_PROBE - TC_JOB_EDIT, TC_L_OPERATION_CONNECT); /* a probe has no label of its own */
    ck_assert_str_eq(values_of(TC_M_RATE_REFUSALS)[TC_ACTION_MESSAGE], "message");
    ck_assert_str_eq(values_of(TC_M_RATE_REFUSALS)[TC_ACTION_EDIT], "edit");
    ck_assert_str_eq(values_of(TC_M_RATE_REFUSALS)[TC_ACTION_TYPING], "typing");
    ck_assert_int_eq(TC_L_ACTION_HANDSHAKE, TC_ACTIONS);
    ck_assert_str_eq(values_of(TC_M_EVENTS_STORED)[TC_EVENT_MESSAGE], "message");
    ck_assert_str_eq(values_of(TC_M_EVENTS_STORED)[TC_EVENT_EDIT], "edit");
}
END_TEST

START_TEST(no_two_series_have_a_cell_in_common)
{
    unsigned count, i, next = 0;
    const tc_metric_t *metrics = tc_metrics_table(&count);

    for (i = 0; i < count; i++) {
        ck_assert_uint_eq(metrics[i].first, next);
        next += metrics[i].labels[0]->count * metrics[i].labels[1]->count * metrics[i].width;
        ck_assert(metrics[i].width <= 1 || metrics[i].labels[1]->count == 1);
    }
    ck_assert_uint_eq(next, TC_METRICS_CELLS);
}
END_TEST

/* ---- the page ---- */

static char *page_of(const tc_board_t *board)
{
    tc_buf_t buf = TC_BUF_INIT;

    tc_exposition_write(&buf, board, "1.2 \"x\"");
    tc_buf_append(&buf, "", 1);
    return (char *)buf.data;
}

static void has_line(const char *page, const char *line)
{
    size_t len = strlen(line);
    const char *at = page;

    while ((at = strstr(at, line)) != NULL && (at[len] != '\n' || (at > page && at[-1] != '\n'))) {
        at++;
    }
    ck_assert_msg(at != NULL, "no line %s in\n%s", line, page);
}

/* ---- flights ---- */

static uint64_t observed(const tc_board_t *board)
{
    uint64_t sums[TC_METRICS_CELLS], count = 0;
    unsigned i;

    tc_board_sum(board, 1, sums);
    for (i = 0; i <= TC_HISTOGRAM_BOUNDS; i++) {
        count += sums[TC_M_DELIVERY_TIME + i];
    }
    return count;
}

START_TEST(a_flight_is_observed_once_when_the_last_has_landed)
{
    tc_board_t *board = make_board();
    tc_flight_t *flight = tc_flight_create(1, 1000);

    tc_metrics_bind(tc_board_sit(board, getpid()));
    tc_flight_board(tc_flight_ref(flight));
    tc_flight_board(flight);
    tc_flight_board(flight);
    tc_flight_land(flight, 3000);
    tc_flight_land(flight, 5000);
    ck_assert_uint_eq(observed(board), 0);
    tc_flight_cancel(flight); /* a slow client: all others have the event */
    ck_assert_uint_eq(observed(board), 1);
    ck_assert_uint_eq(sum_of(board, 1, TC_M_DELIVERY_TIME + TC_HISTOGRAM_CELLS - 1), 4000);
    tc_flight_board(flight); /* a client that comes later */
    tc_flight_land(flight, 9000);
    ck_assert_uint_eq(observed(board), 1);
    tc_flight_unref(flight);
    tc_flight_unref(flight);
    free_board(board);
}
END_TEST

START_TEST(a_flight_that_reaches_nobody_is_not_observed)
{
    tc_board_t *board = make_board();
    tc_flight_t *flight = tc_flight_create(1, 1000);

    tc_metrics_bind(tc_board_sit(board, getpid()));
    tc_flight_board(flight);
    tc_flight_cancel(flight);
    tc_flight_board(NULL);
    tc_flight_land(tc_flight_ref(NULL), 5);
    tc_flight_unref(NULL);
    ck_assert_uint_eq(observed(board), 0);
    tc_flight_unref(flight);
    free_board(board);
}
END_TEST

START_TEST(the_page_says_what_was_counted)
{
    tc_board_t *board = make_board();
    unsigned slot = tc_board_slot(board, "a\\\"b\n:80");
    char *page;

    tc_metrics_bind(tc_board_sit(board, getpid()));
    hold_and_count(slot);
    tc_metrics_add(slot, TC_CELL(CLOSES, TC_L_CODE_4001, TC_L_SIDE_SERVER), 9);
    tc_metrics_observe_size(slot, TC_M_DATABASE_WRITES, 300);
    tc_metrics_observe_us(slot, TC_CELL(DATABASE_TIME, TC_L_OPERATION_HEADS, 0), 1500000);
    page = page_of(board);
    has_line(page, "tripchat_build_info{version=\"1.2 \\\"x\\\"\"} 1");
    has_line(page, "# TYPE tripchat_deliveries_total counter");
    has_line(page, "tripchat_deliveries_total{site=\"a\\\\\\\"b\\n:80\"} 5");
    has_line(page, "tripchat_connections{site=\"a\\\\\\\"b\\n:80\",transport=\"events\",state=\"open\"} 2");
    has_line(page, "tripchat_connections{site=\"a\\\\\\\"b\\n:80\",transport=\"poll\",state=\"open\"} 0");
    has_line(page, "tripchat_closes_total{site=\"a\\\\\\\"b\\n:80\",code=\"4001\",side=\"server\"} 9");
    has_line(page, "tripchat_redis_heartbeat_seconds{site=\"a\\\\\\\"b\\n:80\"} 0.0007");
    has_line(page, "tripchat_delivery_seconds_bucket{site=\"a\\\\\\\"b\\n:80\",le=\"0.0005\"} 0");
    has_line(page, "tripchat_delivery_seconds_bucket{site=\"a\\\\\\\"b\\n:80\",le=\"0.001\"} 1");
    has_line(page, "tripchat_delivery_seconds_bucket{site=\"a\\\\\\\"b\\n:80\",le=\"10\"} 1");
    has_line(page, "tripchat_delivery_seconds_sum{site=\"a\\\\\\\"b\\n:80\"} 0.0008");
    has_line(page, "tripchat_delivery_seconds_count{site=\"a\\\\\\\"b\\n:80\"} 1");
    has_line(page, "tripchat_database_batch_writes_bucket{site=\"a\\\\\\\"b\\n:80\",le=\"256\"} 0");
    has_line(page, "tripchat_database_batch_writes_bucket{site=\"a\\\\\\\"b\\n:80\",le=\"+Inf\"} 1");
    has_line(page, "tripchat_database_seconds_sum{site=\"a\\\\\\\"b\\n:80\",operation=\"heads\"} 1.5");
    has_line(page, "tripchat_bus_mail{direction=\"out\"} 0");
    ck_assert_ptr_null(strstr(page, "code=\"4003\""));
    ck_assert_ptr_null(strstr(page, "tripchat_redis_used_memory_bytes"));
    free(page);
    free_board(board);
}
END_TEST

UNIT_MAIN("metrics", without_a_seat_counts_go_nowhere_and_do_no_harm,
          children_count_together_and_the_greatest_gauge_counts, of_a_child_that_is_killed_counters_stay_and_gauges_go,
          whoever_takes_a_seat_adds_to_its_counters_and_finds_its_gauges_zero,
          a_seat_that_is_given_back_counts_no_more_and_is_free,
          a_site_keeps_its_slot_and_those_that_are_too_many_share_one,
          what_nobody_counted_in_takes_no_memory_when_it_is_read, a_board_fits_who_counts_the_same_and_has_as_many_children,
          a_value_falls_into_the_bucket_whose_bound_it_does_not_exceed, labels_are_in_the_order_of_what_they_name,
          no_two_series_have_a_cell_in_common, a_flight_is_observed_once_when_the_last_has_landed,
          a_flight_that_reaches_nobody_is_not_observed, the_page_says_what_was_counted)
