/*
 * The counts that the children of an httpd share: connections (tally) and rates (meter), in shared memory. Where it
 * matters, children are real processes.
 */
#include "unit.h"

#include "shared/meter.h"
#include "shared/tally.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND INT64_C(1000000)
#define NOW (1000 * SECOND)
#define KEY UINT64_C(0x123456789abcdef0)

static void *shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert(memory != MAP_FAILED);
    return memory;
}

static void make_tally(tc_tally_t *tally, unsigned children, unsigned keys)
{
    tc_tally_plan(tally, children, keys);
    tally->memory = shared_memory(tc_tally_size(tally));
}

static void free_tally(tc_tally_t *tally)
{
    munmap(tally->memory, tc_tally_size(tally));
}

/* Runs `body` in a process of its own, and waits until the process ends. */
static void in_process(void (*body)(const tc_tally_t *tally), const tc_tally_t *tally)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        body(tally);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

START_TEST(a_key_is_counted_up_to_its_limit_and_back)
{
    tc_tally_t tally;
    tc_tally_seat_t seat;
    bool counted;
    int i;

    make_tally(&tally, 1, 100);
    ck_assert(tc_tally_sit(&tally, getpid(), &seat));
    for (i = 1; i <= 3; i++) {
        ck_assert(tc_tally_add(&seat, KEY, 3, &counted) && counted);
        ck_assert_uint_eq(tc_tally_sum(&tally, KEY), (unsigned)i);
    }
    ck_assert(!tc_tally_add(&seat, KEY, 3, &counted) && !counted);
    ck_assert(tc_tally_add(&seat, KEY + (UINT64_C(1) << 40), 3, &counted) && counted); /* same group, another key */
    ck_assert_uint_eq(tc_tally_sum(&tally, KEY), 3);
    tc_tally_remove(&seat, KEY);
    ck_assert(tc_tally_add(&seat, KEY, 3, &counted) && counted);
    for (i = 0; i < 5; i++) {
        tc_tally_remove(&seat, KEY); /* removed more often than added */
    }
    ck_assert_uint_eq(tc_tally_sum(&tally, KEY), 0);
    free_tally(&tally);
}
END_TEST

/* Whoever finds no place would have no limit. */
START_TEST(of_as_many_keys_as_were_planned_nearly_all_are_counted)
{
    enum { KEYS = 20000 };
    unit_random_t random = unit_random_of(1);
    unsigned lost = 0, i;
    tc_tally_t tally;
    tc_tally_seat_t seat;
    bool counted;

    make_tally(&tally, 1, KEYS);
    ck_assert(tc_tally_sit(&tally, getpid(), &seat));
    for (i = 0; i < KEYS; i++) {
        ck_assert(tc_tally_add(&seat, unit_random_next(&random), 1, &counted));
        lost += !counted;
    }
    ck_assert_uint_lt(lost, KEYS / 1000);
    free_tally(&tally);
}
END_TEST

START_TEST(children_count_together)
{
    tc_tally_t tally;
    tc_tally_seat_t one, other;
    bool counted;

    make_tally(&tally, 2, 100);
    ck_assert(tc_tally_sit(&tally, getpid(), &one));
    ck_assert(tc_tally_sit(&tally, getpid(), &other));
    ck_assert_uint_ne(one.seat, other.seat);
    ck_assert(tc_tally_add(&one, KEY, 2, &counted) && tc_tally_add(&other, KEY, 2, &counted));
    ck_assert(!tc_tally_add(&one, KEY, 2, &counted) && !tc_tally_add(&other, KEY, 2, &counted));
    tc_tally_leave(&other);
    ck_assert_uint_eq(tc_tally_sum(&tally, KEY), 1);
    tc_tally_clear(&tally, getppid());
    ck_assert_uint_eq(tc_tally_sum(&tally, KEY), 1);
    tc_tally_clear(&tally, getpid());
    ck_assert_uint_eq(tc_tally_sum(&tally, KEY), 0);
    free_tally(&tally);
}
END_TEST

static void die_with_connections(const tc_tally_t *tally)
{
    tc_tally_seat_t seat;
    bool counted;

    if (!tc_tally_sit(tally, getpid(), &seat) || !tc_tally_add(&seat, KEY, 10, &counted)) {
        _exit(1);
    }
}

START_TEST(what_a_child_held_that_died_goes_when_its_seat_is_taken)
{
    tc_tally_t tally;
    tc_tally_seat_t seat;

    make_tally(&tally, 1, 100);
    in_process(die_with_connections, &tally);
    ck_assert_uint_eq(tc_tally_sum(&tally, KEY), 1);
    ck_assert(tc_tally_sit(&tally, getpid(), &seat));
    ck_assert_uint_eq(seat.seat, 0);
    ck_assert_uint_eq(tc_tally_sum(&tally, KEY), 0);
    free_tally(&tally);
}
END_TEST

START_TEST(there_are_seats_for_two_generations_and_then_no_more)
{
    tc_tally_t tally;
    tc_tally_seat_t seat;
    unsigned seats = 0;

    make_tally(&tally, 4, 100);
    while (tc_tally_sit(&tally, getpid(), &seat)) {
        seats++;
    }
    ck_assert_uint_ge(seats, 8);
    tc_tally_leave(&seat);
    ck_assert(tc_tally_sit(&tally, getpid(), &seat));
    free_tally(&tally);
}
END_TEST

START_TEST(a_key_that_finds_no_place_is_let_through_and_not_counted)
{
    tc_tally_t tally;
    tc_tally_seat_t seat;
    bool counted = true;
    uint64_t i;

    make_tally(&tally, 1, 1); /* a table of one group */
    ck_assert(tc_tally_sit(&tally, getpid(), &seat));
    for (i = 1; i <= 8; i++) {
        ck_assert(tc_tally_add(&seat, i << 40, 1, &counted) && counted);
    }
    ck_assert(tc_tally_add(&seat, i << 40, 1, &counted) && !counted);
    tc_tally_remove(&seat, i << 40);
    ck_assert_uint_eq(tc_tally_sum(&tally, UINT64_C(1) << 40), 1);
    free_tally(&tally);
}
END_TEST

/* ---- rates ---- */

static const _Atomic uint64_t database = 7;

static const tc_site_t site = {
    .name = "site",
    .database = &database,
    .user_rates = {{3, SECOND}, {2, SECOND}, {0, 1}},
};

static void make_meter(tc_shared_meter_t *meter)
{
    tc_meter_init(meter, shared_memory(tc_meter_size()), (const unsigned char *)"sixteen bytes!!!");
}

static void free_meter(tc_shared_meter_t *meter)
{
    munmap(meter->memory, tc_meter_size());
}

START_TEST(a_bucket_is_everybodys_who_has_the_key)
{
    static const tc_rate_t rate = {5, SECOND};
    tc_shared_meter_t meter, other;
    int i;

    make_meter(&meter);
    other = meter;
    for (i = 0; i < 5; i++) {
        ck_assert_int_eq(tc_meter_take(i % 2 ? &meter : &other, &rate, KEY, NOW), 0);
    }
    ck_assert_int_eq(tc_meter_take(&meter, &rate, KEY, NOW), SECOND / 5);
    ck_assert_int_eq(tc_meter_take(&other, &rate, KEY, NOW), SECOND / 5);
    ck_assert_int_eq(tc_meter_take(&other, &rate, KEY + 1, NOW), 0);
    ck_assert_int_eq(tc_meter_take(&other, &rate, KEY, NOW + SECOND / 5), 0);
    free_meter(&meter);
}
END_TEST

static void *nothing(void *none)
{
    return none;
}

/* Under qemu, a process without a second thread has no atomic operations that other processes can rely on. */
static void take_all(tc_shared_meter_t *meter, const tc_rate_t *rate, atomic_int *taken)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, nothing, NULL) == 0) {
        pthread_join(thread, NULL);
    }
    while (tc_meter_take(meter, rate, KEY, NOW) == 0) {
        atomic_fetch_add(taken, 1);
    }
}

START_TEST(many_children_take_no_more_than_there_is)
{
    static const tc_rate_t rate = {1000, 3600 * SECOND};
    tc_shared_meter_t meter;
    atomic_int *taken = shared_memory(sizeof(*taken));
    int i;

    make_meter(&meter);
    for (i = 0; i < 4; i++) {
        if (fork() == 0) {
            take_all(&meter, &rate, taken);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
    ck_assert_int_eq(atomic_load(taken), 1000);
    munmap(taken, sizeof(*taken));
    free_meter(&meter);
}
END_TEST

START_TEST(keys_of_sites_kinds_and_names_differ)
{
    static const tc_site_t second = {.name = "second"}, moved = {.name = "site", .index = 5};
    tc_shared_meter_t meter;
    char name[1000];
    uint64_t keys[8];
    size_t i, j, count = 0;

    make_meter(&meter);
    memset(name, 'x', sizeof(name));
    name[999] = '\0';
    keys[count++] = tc_meter_key(&meter, &site, 0, "ann");
    keys[count++] = tc_meter_key(&meter, &second, 0, "ann");
    keys[count++] = tc_meter_key(&meter, &site, 1, "ann");
    keys[count++] = tc_meter_key(&meter, &site, 0, "bob");
    keys[count++] = tc_meter_key(&meter, &site, 0, "");
    keys[count++] = tc_meter_key(&meter, &site, 0, name);
    name[998] = 'y';
    keys[count++] = tc_meter_key(&meter, &site, 0, name);
    keys[count++] = tc_meter_key(&meter, &second, 0, name);
    for (i = 0; i < count; i++) {
        for (j = 0; j < i; j++) {
            ck_assert_msg(keys[i] != keys[j], "%zu and %zu", i, j);
        }
    }
    ck_assert_uint_eq(keys[0], tc_meter_key(&meter, &site, 0, "ann"));
    ck_assert_uint_eq(keys[0], tc_meter_key(&meter, &moved, 0, "ann"));
    free_meter(&meter);
}
END_TEST

static void takes(tc_shared_meter_t *meter, const tc_rate_t *rate, uint64_t key, int64_t now_us, int tokens)
{
    while (tokens-- > 0) {
        ck_assert_int_eq(tc_meter_take(meter, rate, key << 40, now_us), 0);
    }
}

static void takes_no_more(tc_shared_meter_t *meter, const tc_rate_t *rate, uint64_t key, int64_t now_us)
{
    ck_assert_int_gt(tc_meter_take(meter, rate, key << 40, now_us), 0);
}

/* All keys have the same eight places. */
START_TEST(places_of_full_buckets_are_used_again)
{
    static const tc_rate_t rate = {1, SECOND};
    tc_shared_meter_t meter;
    uint64_t i;

    make_meter(&meter);
    for (i = 1; i <= 8; i++) {
        takes(&meter, &rate, i, NOW, 1);
        takes_no_more(&meter, &rate, i, NOW);
    }
    for (i = 9; i <= 16; i++) {
        takes(&meter, &rate, i, NOW + SECOND, 1);
    }
    for (i = 9; i <= 16; i++) {
        takes_no_more(&meter, &rate, i, NOW + SECOND);
    }
    free_meter(&meter);
}
END_TEST

START_TEST(of_too_many_keys_those_that_spend_most_stay_limited)
{
    static const tc_rate_t rate = {4, SECOND};
    tc_shared_meter_t meter;
    uint64_t i;

    make_meter(&meter);
    for (i = 1; i <= 8; i++) {
        takes(&meter, &rate, i, NOW, i < 8 ? 4 : 1);
    }
    for (i = 100; i < 200; i++) { /* each takes the place of the one before */
        takes(&meter, &rate, i, NOW, 1);
    }
    takes(&meter, &rate, i - 1, NOW, 3);
    takes_no_more(&meter, &rate, i - 1, NOW);
    for (i = 1; i < 8; i++) {
        takes_no_more(&meter, &rate, i, NOW);
    }
    free_meter(&meter);
}
END_TEST

START_TEST(the_domain_takes_waits_and_is_told_of_others)
{
    static const _Atomic uint64_t another = 8;
    static const tc_site_t copy = {.name = "copy", .database = &database, .user_rates = {{3, SECOND}}};
    static const tc_site_t stranger = {.name = "site", .database = &another, .user_rates = {{3, SECOND}}};
    tc_shared_meter_t shared;
    tc_meter_t *meter = &shared.meter;
    int i;

    make_meter(&shared);
    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(meter->wait_us(meter, &site, TC_ACTION_MESSAGE, "ann", NOW), 0);
        meter->take(meter, &site, TC_ACTION_MESSAGE, "ann", NOW);
    }
    ck_assert_int_gt(meter->wait_us(meter, &site, TC_ACTION_MESSAGE, "ann", NOW), 0);
    ck_assert_int_eq(meter->wait_us(meter, &site, TC_ACTION_EDIT, "ann", NOW), 0);
    ck_assert_int_eq(meter->wait_us(meter, &site, TC_ACTION_MESSAGE, "bob", NOW), 0);
    meter->spend(meter, &site, 7, TC_ACTION_MESSAGE, "bob", 2, NOW);
    ck_assert_int_eq(meter->wait_us(meter, &site, TC_ACTION_MESSAGE, "bob", NOW), 0);
    meter->spend(meter, &site, 7, TC_ACTION_MESSAGE, "bob", 1000000000, NOW);
    ck_assert_int_gt(meter->wait_us(meter, &site, TC_ACTION_MESSAGE, "bob", NOW), 0);
    ck_assert_int_gt(meter->wait_us(meter, &copy, TC_ACTION_MESSAGE, "bob", NOW), 0);
    ck_assert_int_eq(meter->wait_us(meter, &stranger, TC_ACTION_MESSAGE, "bob", NOW), 0);
    ck_assert_int_eq(meter->wait_us(meter, &site, TC_ACTION_MESSAGE, "bob", NOW + SECOND / 3 + 1), 0);
    free_meter(&shared);
}
END_TEST

UNIT_MAIN("shared", a_key_is_counted_up_to_its_limit_and_back,
          of_as_many_keys_as_were_planned_nearly_all_are_counted, children_count_together,
          what_a_child_held_that_died_goes_when_its_seat_is_taken,
          there_are_seats_for_two_generations_and_then_no_more,
          a_key_that_finds_no_place_is_let_through_and_not_counted, a_bucket_is_everybodys_who_has_the_key,
          many_children_take_no_more_than_there_is, keys_of_sites_kinds_and_names_differ,
          places_of_full_buckets_are_used_again,
          of_too_many_keys_those_that_spend_most_stay_limited, the_domain_takes_waits_and_is_told_of_others)
