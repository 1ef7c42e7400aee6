/* The mailbox: order, lists pushed in one step, closing, and many threads that push while one takes. */
#include "unit.h"

#include "engine/mailbox.h"

#include <pthread.h>
#include <semaphore.h>

typedef struct {
    tc_mail_t mail; /* must be the first member */
    int pusher;
    int number;
} letter_t;

static void count_wake(void *context)
{
    ++*(int *)context;
}

static letter_t *write_letter(int pusher, int number)
{
    letter_t *letter = calloc(1, sizeof(*letter));

    letter->pusher = pusher;
    letter->number = number;
    return letter;
}

/* Checks that a list is exactly the numbers from..to-1 of one pusher, and frees it. */
static void expect_numbers(tc_mail_t *mail, int from, int to)
{
    while (mail != NULL) {
        tc_mail_t *next = mail->next;

        ck_assert_int_eq(((letter_t *)mail)->number, from++);
        free(mail);
        mail = next;
    }
    ck_assert_int_eq(from, to);
}

START_TEST(mail_comes_out_in_the_order_it_went_in)
{
    tc_mailbox_t box;
    int wakes = 0, i;

    tc_mailbox_init(&box, count_wake, &wakes);
    ck_assert_ptr_null(tc_mailbox_take(&box));
    for (i = 0; i < 5; i++) {
        ck_assert(tc_mailbox_push(&box, &write_letter(0, i)->mail));
    }
    expect_numbers(tc_mailbox_take(&box), 0, 5);
    ck_assert_ptr_null(tc_mailbox_take(&box));
}
END_TEST

START_TEST(only_the_push_into_an_empty_box_wakes)
{
    tc_mailbox_t box;
    int wakes = 0, i;

    tc_mailbox_init(&box, count_wake, &wakes);
    for (i = 0; i < 3; i++) {
        ck_assert(tc_mailbox_push(&box, &write_letter(0, i)->mail));
        ck_assert_int_eq(wakes, 1);
    }
    expect_numbers(tc_mailbox_take(&box), 0, 3);
    ck_assert(tc_mailbox_push(&box, &write_letter(0, 0)->mail));
    ck_assert_int_eq(wakes, 2);
    expect_numbers(tc_mailbox_take(&box), 0, 1);
}
END_TEST

/* Makes the letters from..to-1, linked oldest first. */
static tc_mail_t *write_list(int from, int to)
{
    tc_mail_t *first = NULL, **end = &first;

    for (; from < to; from++) {
        *end = &write_letter(0, from)->mail;
        end = &(*end)->next;
    }
    return first;
}

START_TEST(a_list_goes_in_as_a_whole_and_keeps_its_order)
{
    tc_mailbox_t box;
    int wakes = 0;

    tc_mailbox_init(&box, count_wake, &wakes);
    ck_assert(tc_mailbox_push(&box, write_list(0, 4)));
    ck_assert(tc_mailbox_push(&box, write_list(4, 5)));
    ck_assert(tc_mailbox_push(&box, write_list(5, 9)));
    ck_assert_int_eq(wakes, 1);
    expect_numbers(tc_mailbox_take(&box), 0, 9);
}
END_TEST

START_TEST(a_closed_box_gives_what_was_left_and_takes_nothing_more)
{
    tc_mailbox_t box;
    tc_mail_t *list = write_list(3, 6);
    int wakes = 0;

    tc_mailbox_init(&box, count_wake, &wakes);
    ck_assert(tc_mailbox_push(&box, write_list(0, 3)));
    expect_numbers(tc_mailbox_close(&box), 0, 3);
    ck_assert(!tc_mailbox_push(&box, list));
    ck_assert_int_eq(wakes, 1);
    ck_assert_ptr_null(tc_mailbox_close(&box));
    ck_assert(!tc_mailbox_push(&box, list));
    expect_numbers(list, 3, 6); /* the list stays the caller's, in its old order */
}
END_TEST

START_TEST(a_box_stays_closed_when_somebody_looks_into_it)
{
    tc_mailbox_t box;
    tc_mail_t *list = write_list(0, 1);
    int wakes = 0;

    tc_mailbox_init(&box, count_wake, &wakes);
    ck_assert_ptr_null(tc_mailbox_close(&box));
    ck_assert_ptr_null(tc_mailbox_take(&box));
    ck_assert(!tc_mailbox_push(&box, list));
    expect_numbers(list, 0, 1);
}
END_TEST

enum { PUSHERS = 6, EACH = 20000 /* must be a multiple of 1 + LIST */, LIST = 3 };

typedef struct {
    tc_mailbox_t box;
    sem_t woken;
    pthread_t threads[PUSHERS];
} office_t;

typedef struct {
    office_t *office;
    int pusher;
    int refused; /* letters that the box refused: once one is, so are all that follow */
} pusher_t;

static void wake_taker(void *context)
{
    sem_post(&((office_t *)context)->woken);
}

/* Pushes single letters and short lists in turn. */
static void *push_many(void *data)
{
    pusher_t *self = data;
    int number = 0;

    while (number < EACH) {
        int count = number % 2 ? LIST : 1, i;
        letter_t *letters[LIST];

        for (i = 0; i < count; i++) {
            letters[i] = write_letter(self->pusher, number + i);
        }
        for (i = 1; i < count; i++) {
            letters[i - 1]->mail.next = &letters[i]->mail;
        }
        if (!tc_mailbox_push(&self->office->box, &letters[0]->mail)) {
            for (i = 0; i < count; i++) {
                free(letters[i]);
            }
            self->refused += count;
        }
        number += count;
    }
    return NULL;
}

/* Checks that the letters of each pusher come in order and without a gap. Returns their number. */
static int read_mail(tc_mail_t *mail, int *next_of)
{
    int count = 0;

    while (mail != NULL) {
        letter_t *letter = (letter_t *)mail;

        mail = mail->next;
        ck_assert_int_eq(letter->number, next_of[letter->pusher]++);
        free(letter);
        count++;
    }
    return count;
}

static void start_pushers(office_t *office, pusher_t *pushers)
{
    int i;

    sem_init(&office->woken, 0, 0);
    tc_mailbox_init(&office->box, wake_taker, office);
    for (i = 0; i < PUSHERS; i++) {
        pushers[i] = (pusher_t){office, i, 0};
        ck_assert_int_eq(pthread_create(&office->threads[i], NULL, push_many, &pushers[i]), 0);
    }
}

START_TEST(many_pushers_lose_nothing_and_each_keeps_its_order)
{
    int next_of[PUSHERS] = {0}, count = 0, refused = 0, i;
    pusher_t pushers[PUSHERS];
    static office_t office;

    start_pushers(&office, pushers);
    while (count < PUSHERS * EACH) {
        sem_wait(&office.woken); /* if a wake-up were lost, this would wait for ever */
        count += read_mail(tc_mailbox_take(&office.box), next_of);
    }
    for (i = 0; i < PUSHERS; i++) {
        pthread_join(office.threads[i], NULL);
        refused += pushers[i].refused;
    }
    ck_assert_int_eq(refused, 0);
    ck_assert_ptr_null(tc_mailbox_close(&office.box));
}
END_TEST

START_TEST(what_is_pushed_around_the_close_is_either_taken_or_refused)
{
    int next_of[PUSHERS] = {0}, count = 0, refused = 0, i;
    pusher_t pushers[PUSHERS];
    static office_t office;

    start_pushers(&office, pushers);
    while (count < EACH) {
        sem_wait(&office.woken);
        count += read_mail(tc_mailbox_take(&office.box), next_of);
    }
    count += read_mail(tc_mailbox_close(&office.box), next_of);
    for (i = 0; i < PUSHERS; i++) {
        pthread_join(office.threads[i], NULL);
        refused += pushers[i].refused;
    }
    ck_assert_int_eq(count + refused, PUSHERS * EACH);
}
END_TEST

UNIT_MAIN("mailbox", mail_comes_out_in_the_order_it_went_in, only_the_push_into_an_empty_box_wakes,
          a_list_goes_in_as_a_whole_and_keeps_its_order,
          a_closed_box_gives_what_was_left_and_takes_nothing_more,
          a_box_stays_closed_when_somebody_looks_into_it,
          many_pushers_lose_nothing_and_each_keeps_its_order,
          what_is_pushed_around_the_close_is_either_taken_or_refused)
