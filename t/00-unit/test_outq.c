/* The send queue: order, bounds, droppable frames, frames that have begun to leave, and memory. */
#include "unit.h"

#include "base/limits.h"
#include "base/units.h"
#include "engine/outq.h"

#define ANY_MSGS 1000
#define ANY_BYTES 100000

/* Makes a frame of `len` bytes, all of them `byte`. The caller owns the one reference. */
static tc_blob_t *frame_of(char byte, size_t len, bool droppable)
{
    tc_blob_t *frame = tc_blob_create(len);

    memset(frame->data, byte, len);
    frame->droppable = droppable;
    return frame;
}

/* Pushes a frame and gives the caller's reference back. */
static apr_status_t push(tc_outq_t *queue, char byte, size_t len, bool droppable, unsigned max_msgs,
                         size_t max_bytes)
{
    tc_blob_t *frame = frame_of(byte, len, droppable);
    apr_status_t rv = tc_outq_push(queue, frame, max_msgs, max_bytes);

    tc_blob_unref(frame);
    return rv;
}

/* The bytes that the queue would write, as a string. Checks that their number is right. */
static const char *content(const tc_outq_t *queue)
{
    static char text[2048];
    struct iovec iov[1024];
    int count = tc_outq_peek(queue, iov, UNIT_COUNT(iov)), i;
    size_t len = 0;

    for (i = 0; i < count; i++) {
        ck_assert_uint_gt(iov[i].iov_len, 0);
        memcpy(text + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    ck_assert_uint_eq(len, queue->bytes - queue->head_sent);
    text[len] = '\0';
    return text;
}

START_TEST(frames_leave_in_order_in_pieces_of_any_size)
{
    size_t piece;

    for (piece = 1; piece <= 15; piece++) {
        const char *expected = "abbcccddddeeeee";
        tc_outq_t queue;
        size_t i;

        tc_outq_init(&queue);
        for (i = 0; i < 5; i++) {
            ck_assert_int_eq(push(&queue, (char)('a' + i), i + 1, false, ANY_MSGS, ANY_BYTES), 0);
        }
        while (!tc_outq_is_empty(&queue)) {
            size_t left = strlen(expected), len = piece < left ? piece : left;

            ck_assert_str_eq(content(&queue), expected);
            tc_outq_consume(&queue, len, 0);
            expected += len;
        }
        ck_assert_uint_eq(strlen(expected), 0);
        ck_assert_uint_eq(queue.bytes + queue.head_sent, 0);
        tc_outq_free(&queue);
    }
}
END_TEST

START_TEST(a_peek_gives_no_more_pieces_than_asked_for)
{
    struct iovec iov[3];
    tc_outq_t queue;
    int i;

    tc_outq_init(&queue);
    ck_assert_int_eq(tc_outq_peek(&queue, iov, 3), 0);
    for (i = 0; i < 10; i++) {
        push(&queue, 'a', 2, false, ANY_MSGS, ANY_BYTES);
    }
    ck_assert_int_eq(tc_outq_peek(&queue, iov, 3), 3);
    ck_assert_int_eq(tc_outq_peek(&queue, iov, 0), 0);
    tc_outq_free(&queue);
}
END_TEST

START_TEST(a_frame_in_many_queues_is_one)
{
    tc_blob_t *frame = frame_of('x', 3, false);
    tc_outq_t queues[20];
    size_t i;

    for (i = 0; i < UNIT_COUNT(queues); i++) {
        tc_outq_init(&queues[i]);
        ck_assert_int_eq(tc_outq_push(&queues[i], frame, 1, 3), APR_SUCCESS);
    }
    ck_assert_uint_eq(frame->refs, 1 + UNIT_COUNT(queues));
    for (i = 0; i < UNIT_COUNT(queues); i++) {
        if (i % 2) {
            tc_outq_consume(&queues[i], 3, 0);
        }
        tc_outq_free(&queues[i]);
    }
    ck_assert_uint_eq(frame->refs, 1);
    tc_blob_unref(frame);
}
END_TEST

/* The bytes of the first frame do not count, because that frame is already leaving. */
START_TEST(a_queue_takes_so_many_frames_and_so_many_bytes)
{
    tc_outq_t queue;

    tc_outq_init(&queue);
    ck_assert_int_eq(push(&queue, 'a', 4, false, 3, 10), APR_SUCCESS);
    ck_assert_int_eq(push(&queue, 'b', 6, false, 3, 10), APR_SUCCESS);
    ck_assert_int_eq(push(&queue, 'c', 5, false, 3, 10), APR_ENOSPC);
    ck_assert_str_eq(content(&queue), "aaaabbbbbb");
    tc_outq_consume(&queue, 4, 0);
    ck_assert_int_eq(push(&queue, 'c', 1, false, 3, 10), APR_SUCCESS);
    ck_assert_int_eq(push(&queue, 'd', 1, false, 3, 10), APR_SUCCESS);
    ck_assert_int_eq(push(&queue, 'e', 1, false, 3, 10), APR_ENOSPC);
    ck_assert_str_eq(content(&queue), "bbbbbbcd");
    tc_outq_free(&queue);
}
END_TEST

START_TEST(a_single_frame_always_fits_and_so_does_a_close)
{
    tc_blob_t *close = frame_of('!', 1, false);
    tc_outq_t queue;

    tc_outq_init(&queue);
    ck_assert_int_eq(push(&queue, 'a', 100, false, 1, 10), APR_SUCCESS);
    ck_assert_int_eq(push(&queue, 'b', 1, false, 1, 10), APR_ENOSPC);
    tc_outq_push_always(&queue, close);
    ck_assert_uint_eq(queue.count, 2);
    ck_assert_uint_eq(queue.bytes, 101);
    tc_blob_unref(close);
    tc_outq_free(&queue);
}
END_TEST

START_TEST(under_pressure_droppable_frames_go_first)
{
    tc_outq_t queue;

    tc_outq_init(&queue);
    push(&queue, 'a', 1, false, 4, ANY_BYTES);
    push(&queue, 't', 1, true, 4, ANY_BYTES);
    push(&queue, 'b', 1, false, 4, ANY_BYTES);
    push(&queue, 'u', 1, true, 4, ANY_BYTES);
    ck_assert_int_eq(push(&queue, 'v', 1, true, 4, ANY_BYTES), APR_SUCCESS);
    ck_assert_str_eq(content(&queue), "atbu"); /* the frame was dropped, without an error */
    ck_assert_int_eq(push(&queue, 'c', 1, false, 4, ANY_BYTES), APR_SUCCESS);
    ck_assert_str_eq(content(&queue), "abc");
    ck_assert_int_eq(push(&queue, 'd', 1, false, 4, ANY_BYTES), APR_SUCCESS);
    ck_assert_int_eq(push(&queue, 'e', 1, false, 4, ANY_BYTES), APR_ENOSPC);
    ck_assert_str_eq(content(&queue), "abcd");
    tc_outq_free(&queue);
}
END_TEST

START_TEST(bytes_press_as_numbers_do)
{
    tc_outq_t queue;

    tc_outq_init(&queue);
    push(&queue, 't', 5, true, ANY_MSGS, 10);
    push(&queue, 'a', 5, false, ANY_MSGS, 10);
    ck_assert_int_eq(push(&queue, 'u', 6, true, ANY_MSGS, 10), APR_SUCCESS);
    ck_assert_str_eq(content(&queue), "tttttaaaaa");
    ck_assert_int_eq(push(&queue, 'b', 6, false, ANY_MSGS, 10), APR_SUCCESS);
    ck_assert_str_eq(content(&queue), "aaaaabbbbbb");
    tc_outq_free(&queue);
}
END_TEST

START_TEST(a_frame_that_has_begun_to_leave_is_not_dropped)
{
    tc_outq_t queue;

    tc_outq_init(&queue);
    push(&queue, 't', 3, true, 2, ANY_BYTES);
    push(&queue, 'u', 3, true, 2, ANY_BYTES);
    tc_outq_consume(&queue, 1, 0);
    ck_assert_int_eq(push(&queue, 'a', 1, false, 2, ANY_BYTES), APR_SUCCESS);
    ck_assert_str_eq(content(&queue), "tta");
    ck_assert_int_eq(push(&queue, 'b', 1, false, 2, ANY_BYTES), APR_ENOSPC);
    tc_outq_drop_unsent(&queue);
    ck_assert_str_eq(content(&queue), "tt");
    tc_outq_free(&queue);
}
END_TEST

START_TEST(frames_that_a_tls_write_was_tried_with_stay)
{
    static const struct {
        size_t sent, tried;
        const char *left;
    } cases[] = {
        {0, 1, "tt"}, {0, 2, "tt"}, {0, 3, "ttuu"}, {0, 4, "ttuu"}, {0, 6, "ttuuvv"},
        {1, 1, "t"},  {1, 2, "tuu"}, {1, 5, "tuuvv"}, {0, 0, ""},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        tc_outq_t queue;

        tc_outq_init(&queue);
        push(&queue, 't', 2, true, 3, ANY_BYTES);
        push(&queue, 'u', 2, true, 3, ANY_BYTES);
        push(&queue, 'v', 2, true, 3, ANY_BYTES);
        tc_outq_consume(&queue, cases[i].sent, 0);
        tc_outq_pin(&queue, cases[i].tried);
        tc_outq_drop_unsent(&queue);
        ck_assert_str_eq(content(&queue), cases[i].left);
        tc_outq_consume(&queue, strlen(cases[i].left), 0);
        ck_assert(tc_outq_is_empty(&queue));
        push(&queue, 'w', 2, true, 3, ANY_BYTES);
        tc_outq_drop_unsent(&queue);
        ck_assert(tc_outq_is_empty(&queue));
        tc_outq_free(&queue);
    }
}
END_TEST

START_TEST(dropping_what_is_unsent_empties_a_queue_that_has_not_begun)
{
    tc_outq_t queue;

    tc_outq_init(&queue);
    tc_outq_drop_unsent(&queue);
    push(&queue, 'a', 1, false, ANY_MSGS, ANY_BYTES);
    push(&queue, 'b', 1, true, ANY_MSGS, ANY_BYTES);
    tc_outq_drop_unsent(&queue);
    ck_assert(tc_outq_is_empty(&queue));
    ck_assert_uint_eq(queue.bytes, 0);
    tc_outq_free(&queue);
}
END_TEST

START_TEST(an_empty_queue_owns_no_memory)
{
    tc_outq_t queue;
    int i;

    tc_outq_init(&queue);
    for (i = 0; i < 100; i++) {
        push(&queue, 'a', 1, false, ANY_MSGS, ANY_BYTES);
    }
    ck_assert_ptr_ne(queue.slots, queue.few);
    tc_outq_consume(&queue, 100, 0);
    ck_assert_ptr_eq(queue.slots, queue.few);
    tc_outq_free(&queue);
}
END_TEST

/* Compares random pushes, partial writes and drops with a plain string. */
START_TEST(random_traffic_leaves_as_a_plain_string_says)
{
    unit_random_t random = unit_random_of(3);
    char expected[4096] = "";
    tc_outq_t queue;
    int step;

    tc_outq_init(&queue);
    for (step = 0; step < 20000; step++) {
        size_t len = strlen(expected), n = 1 + unit_random_below(&random, 6);
        char byte = (char)('a' + step % 26);

        if (unit_random_below(&random, 2) && len < 1000) {
            ck_assert_int_eq(push(&queue, byte, n, false, ANY_MSGS, ANY_BYTES), APR_SUCCESS);
            memset(expected + len, byte, n);
            expected[len + n] = '\0';
        }
        else if (len > 0) {
            n = 1 + unit_random_below(&random, (unsigned)(len < 12 ? len : 12));
            tc_outq_consume(&queue, n, 0);
            memmove(expected, expected + n, len - n + 1);
        }
        ck_assert_uint_eq(queue.bytes - queue.head_sent, strlen(expected));
        ck_assert(strncmp(content(&queue), expected, strlen(content(&queue))) == 0);
    }
    tc_outq_free(&queue);
}
END_TEST

/* A history may be long. What is longer counts. */
START_TEST(a_first_frame_counts_beyond_the_bytes_of_a_history)
{
    tc_outq_t queue;

    tc_outq_init(&queue);
    push(&queue, 'h', TC_HISTORY_BYTES, false, ANY_MSGS, 10);
    ck_assert_int_eq(push(&queue, 'a', 10, false, ANY_MSGS, 10), APR_SUCCESS);
    ck_assert_int_eq(push(&queue, 'b', 1, false, ANY_MSGS, 10), APR_ENOSPC);
    tc_outq_free(&queue);
    push(&queue, 'h', TC_HISTORY_BYTES + 8, false, ANY_MSGS, 10);
    ck_assert_int_eq(push(&queue, 'a', 2, false, ANY_MSGS, 10), APR_SUCCESS);
    ck_assert_int_eq(push(&queue, 'b', 1, false, ANY_MSGS, 10), APR_ENOSPC);
    tc_outq_free(&queue);
}
END_TEST

#define GRACE (30 * TC_US_PER_S)
#define PATIENCE (10 * TC_US_PER_S)

static bool note_stuck(tc_outq_t *queue, int64_t now_us, size_t unsent)
{
    return tc_outq_note_stuck(queue, now_us, GRACE, unsent);
}

START_TEST(a_frame_that_is_stuck_has_a_deadline_and_the_next_one_has_its_own)
{
    const int64_t endless = INT64_MAX / 2;
    tc_outq_t queue;

    tc_outq_init(&queue);
    ck_assert(!note_stuck(&queue, 5, 0)); /* an empty queue */
    push(&queue, 'a', 2 * TC_SLOWEST_BYTES_S, false, ANY_MSGS, ANY_BYTES);
    push(&queue, 'b', TC_SLOWEST_BYTES_S, false, ANY_MSGS, ANY_BYTES);
    ck_assert_int_eq(tc_outq_deadline_us(&queue, endless), INT64_MAX);
    ck_assert(note_stuck(&queue, 1000, TC_SLOWEST_BYTES_S)); /* what stands before it in the socket counts */
    tc_outq_consume(&queue, 100, 2000); /* a byte now and then puts nothing off */
    ck_assert(!note_stuck(&queue, 3000, 0));
    ck_assert_int_eq(tc_outq_deadline_us(&queue, endless), 1000 + GRACE + 3 * TC_US_PER_S);
    ck_assert(!tc_outq_is_too_slow(&queue, 1000 + GRACE + 3 * TC_US_PER_S - 1, endless, 0));
    ck_assert(tc_outq_is_too_slow(&queue, 1000 + GRACE + 3 * TC_US_PER_S, endless, 0));
    tc_outq_consume(&queue, 2 * TC_SLOWEST_BYTES_S, 4000); /* the first frame, and 100 bytes of the second */
    ck_assert_int_eq(tc_outq_deadline_us(&queue, endless), INT64_MAX);
    ck_assert(!tc_outq_is_too_slow(&queue, INT64_MAX, PATIENCE, 0));
    ck_assert(note_stuck(&queue, 5000, 100));
    ck_assert_int_eq(tc_outq_deadline_us(&queue, endless), 5000 + GRACE + TC_US_PER_S);
    tc_outq_consume(&queue, TC_SLOWEST_BYTES_S - 100, 6000);
    ck_assert_int_eq(tc_outq_deadline_us(&queue, endless), INT64_MAX);
    tc_outq_free(&queue);
}
END_TEST

START_TEST(a_frame_of_which_nothing_moves_is_too_slow_and_one_that_moves_is_not)
{
    int64_t now_us = TC_US_PER_S;
    size_t unsent = 50000;
    tc_outq_t queue;

    tc_outq_init(&queue);
    push(&queue, 'a', 100 * TC_SLOWEST_BYTES_S, false, ANY_MSGS, SIZE_MAX);
    note_stuck(&queue, now_us, unsent);
    ck_assert_int_eq(tc_outq_deadline_us(&queue, PATIENCE), now_us + PATIENCE);
    ck_assert(!tc_outq_is_too_slow(&queue, now_us + PATIENCE - 1, PATIENCE, unsent));
    ck_assert(tc_outq_is_too_slow(&queue, now_us + PATIENCE, PATIENCE, unsent));
    for (; unsent > 49995; unsent--) { /* the socket takes nothing yet, but its bytes leave */
        now_us += PATIENCE;
        ck_assert(!tc_outq_is_too_slow(&queue, now_us, PATIENCE, unsent - 1));
        ck_assert_int_eq(tc_outq_deadline_us(&queue, PATIENCE), now_us + PATIENCE);
    }
    tc_outq_consume(&queue, 1000, now_us + 5);
    note_stuck(&queue, now_us + 5, 50100);
    ck_assert_int_eq(tc_outq_deadline_us(&queue, PATIENCE), now_us + 5 + PATIENCE);
    note_stuck(&queue, now_us + 6, 50200); /* a try that moved nothing is no sign of life */
    ck_assert(tc_outq_is_too_slow(&queue, now_us + 5 + PATIENCE, PATIENCE, 50100));
    tc_outq_free(&queue);
}
END_TEST

UNIT_MAIN("outq", frames_leave_in_order_in_pieces_of_any_size,
          a_peek_gives_no_more_pieces_than_asked_for, a_frame_in_many_queues_is_one,
          a_queue_takes_so_many_frames_and_so_many_bytes,
          a_single_frame_always_fits_and_so_does_a_close,
          under_pressure_droppable_frames_go_first, bytes_press_as_numbers_do,
          a_frame_that_has_begun_to_leave_is_not_dropped,
          frames_that_a_tls_write_was_tried_with_stay,
          dropping_what_is_unsent_empties_a_queue_that_has_not_begun,
          an_empty_queue_owns_no_memory, random_traffic_leaves_as_a_plain_string_says,
          a_first_frame_counts_beyond_the_bytes_of_a_history,
          a_frame_that_is_stuck_has_a_deadline_and_the_next_one_has_its_own,
          a_frame_of_which_nothing_moves_is_too_slow_and_one_that_moves_is_not)
