/*
 * The hub asks the store for news that the bus may have lost. It asks with every tick while the bus is down, and less
 * often while the bus is up. It also asks a moment after a gap that does not close by itself.
 */
#include "fake_room.c"

#include "base/limits.h"

START_TEST(while_the_bus_is_up_the_store_is_asked_every_three_seconds)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");
    int i;

    fake_bus_becomes(world, TC_BUS_UP);
    fake_settle(world);
    for (i = 1; i <= 12; i++) {
        fake_tick(world);
        fake_expect_jobs(world, i % 3 == 0 ? "HEADS:1" : "");
        fake_settle(world);
    }
    fake_lose(world, "m1");
    for (i = 1; i <= 3; i++) {
        fake_expect(ann, "");
        fake_tick(world);
        fake_settle(world);
    }
    fake_expect(ann, "msg(1:m1)");
    fake_close(world);
}
END_TEST

START_TEST(a_child_that_is_alone_asks_for_nothing)
{
    fake_world_t *world = fake_open();
    int i;

    fake_settle_in(world, "ann");
    for (i = 0; i < 10; i++) {
        fake_tick(world);
        fake_expect_jobs(world, "");
    }
    fake_close(world);
}
END_TEST

START_TEST(one_check_is_in_flight_and_no_more)
{
    fake_world_t *world = fake_open_bus(TC_BUS_DOWN);
    int i;

    fake_settle_in(world, "ann");
    for (i = 0; i < 5; i++) {
        fake_tick(world);
        fake_bus_becomes(world, TC_BUS_DOWN);
        fake_bus_becomes(world, TC_BUS_UP);
        fake_expect_jobs(world, "HEADS:1");
    }
    fake_bus_becomes(world, TC_BUS_DOWN);
    ck_assert(fake_work(&world->store)); /* finished, but not answered yet */
    fake_tick(world);
    fake_expect_jobs(world, "");
    ck_assert(fake_answer(world, &world->store));
    fake_tick(world);
    fake_expect_jobs(world, "HEADS:1");
    fake_close(world);
}
END_TEST

START_TEST(a_check_that_fails_is_made_again)
{
    fake_world_t *world = fake_open_bus(TC_BUS_DOWN);
    fake_member_t *ann = fake_settle_in(world, "ann");
    int i;

    fake_lose(world, "m1");
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    for (i = 0; i < 3; i++) {
        fake_tick(world);
        fake_expect_jobs(world, "HEADS:1");
        fake_settle(world);
    }
    fake_expect(ann, "");
    world->store.fail_with = TC_JOB_PENDING;
    world->store.max_queued = 0;
    fake_tick(world);
    world->store.max_queued = 10;
    fake_tick(world);
    fake_expect_jobs(world, "HEADS:1");
    fake_settle(world);
    fake_expect(ann, "msg(1:m1)");
    fake_close(world);
}
END_TEST

START_TEST(a_check_that_fails_while_the_bus_is_up_is_made_again)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");
    int i;

    fake_lose(world, "m1");
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    fake_tick(world);
    fake_expect_jobs(world, "HEADS:1");
    fake_settle(world);
    world->store.fail_with = TC_JOB_PENDING;
    for (i = 0; i < 3; i++) {
        fake_expect(ann, "");
        fake_tick(world);
        fake_settle(world);
    }
    fake_expect(ann, "msg(1:m1)");
    fake_close(world);
}
END_TEST

/* The check finds news, but the fetch fails: the room remembers that events are missing. */
START_TEST(news_that_cannot_be_fetched_now_are_fetched_with_the_next_tick)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_lose(world, "m1");
    fake_tick(world);
    ck_assert(fake_work(&world->store));
    world->store.max_queued = 0;
    ck_assert(fake_answer(world, &world->store));
    fake_expect_jobs(world, "");
    world->store.max_queued = 10;
    fake_tick(world);
    fake_expect_jobs(world, "EVENTS>0");
    fake_settle(world);
    fake_expect(ann, "msg(1:m1)");
    fake_close(world);
}
END_TEST

START_TEST(rooms_that_are_loading_are_not_checked_and_rooms_that_stand_empty_are)
{
    fake_world_t *world = fake_open_bus(TC_BUS_DOWN);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_join_number(world, "bob", 1);
    fake_tick(world);
    fake_expect_jobs(world, "LOAD HEADS:1");
    fake_leave(world, ann);
    fake_settle(world);
    fake_lose(world, "m1");
    fake_tick(world);
    fake_expect_jobs(world, "HEADS:2");
    fake_settle(world);
    fake_expect(fake_join(world, "carol", -1), "fresh(1:m1 last 1)");
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_is_forgotten_while_it_is_checked_is_not_missed)
{
    fake_world_t *world = fake_open_bus(TC_BUS_DOWN);

    fake_leave(world, fake_settle_in(world, "ann"));
    fake_lose(world, "m1");
    fake_tick(world);
    fake_expect_jobs(world, "HEADS:1");
    world->now_us += world->store.site.room_linger_us;
    fake_tick(world);
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 0);
    fake_settle(world);
    fake_tick(world);
    fake_expect_jobs(world, "");
    fake_close(world);
}
END_TEST

/* More rooms than fit into one job. */
START_TEST(more_rooms_than_one_job_holds_are_checked_in_several)
{
    enum { ROOMS = TC_STORE_HEADS + 6 };
    fake_world_t *world = fake_open_bus(TC_BUS_DOWN);
    static fake_member_t *members[ROOMS];
    char expected[64];
    int i;

    for (i = 0; i < ROOMS; i++) {
        members[i] = fake_join_number(world, "ann", i);
        fake_settle(world);
        fake_forget(members[i]);
    }
    fake_lose(world, "m1");
    fake_tick(world);
    snprintf(expected, sizeof(expected), "HEADS:%d HEADS:6", TC_STORE_HEADS);
    fake_expect_jobs(world, expected);
    ck_assert(fake_work(&world->store));
    ck_assert(fake_work(&world->store));
    world->store.max_queued = 10000;
    ck_assert(fake_answer(world, &world->store)); /* one of two answers is not enough */
    fake_settle(world);
    fake_tick(world);
    fake_expect_jobs(world, expected);
    for (i = 0; i < ROOMS; i++) {
        fake_expect(members[i], "msg(1:m1)");
    }
    fake_close(world);
}
END_TEST

START_TEST(a_check_of_several_jobs_is_in_flight_until_the_last_is_back)
{
    enum { ROOMS = TC_STORE_HEADS + 1 };
    fake_world_t *world = fake_open_bus(TC_BUS_DOWN);
    int i;

    for (i = 0; i < ROOMS; i++) {
        fake_join_number(world, "ann", i);
        fake_settle(world);
    }
    fake_tick(world);
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer(world, &world->store));
    fake_tick(world);
    fake_expect_jobs(world, "HEADS:1");
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer(world, &world->store));
    fake_expect_jobs(world, "");
    fake_tick(world);
    ck_assert_uint_eq(world->store.queued.count, 2);
    fake_close(world);
}
END_TEST

/* ---- gaps that close by themselves ---- */

static void count_gap(void *context)
{
    (*(int *)context)++;
}

START_TEST(a_gap_that_closes_by_itself_costs_no_query)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");
    int gaps = 0;

    tc_hub_watch_gaps(world->hub, count_gap, &gaps);
    fake_elsewhere(world, "m1");
    ck_assert_int_eq(gaps, 0);
    fake_lose(world, "m2");
    fake_elsewhere(world, "m3");
    ck_assert_int_gt(gaps, 0);
    fake_expect_jobs(world, "");
    fake_bring(world, 2);
    fake_expect(ann, "msg(1:m1) msg(2:m2) msg(3:m3)");
    tc_hub_fill_gaps(world->hub);
    fake_expect_jobs(world, "");
    gaps = 0;
    fake_elsewhere(world, "m4");
    ck_assert_int_eq(gaps, 0);
    fake_close(world);
}
END_TEST

START_TEST(a_gap_that_does_not_close_is_fetched_a_moment_later)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");
    int gaps = 0;

    tc_hub_watch_gaps(world->hub, count_gap, &gaps);
    fake_hear_head(world, fake_lose(world, "m1"));
    ck_assert_int_eq(gaps, 1);
    fake_expect_jobs(world, "");
    tc_hub_fill_gaps(world->hub);
    tc_hub_fill_gaps(world->hub);
    fake_expect_jobs(world, "EVENTS>0");
    fake_settle(world);
    fake_expect(ann, "msg(1:m1)");
    fake_close(world);
}
END_TEST

/* The rooms are told nothing by the hub, so only a walk over all of them would find what they lack. */
START_TEST(gaps_are_filled_without_a_look_at_rooms_that_lack_nothing)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    int gaps = 0, i;

    for (i = 0; i < 100; i++) {
        fake_join_number(world, "ann", i);
    }
    fake_settle(world);
    tc_hub_watch_gaps(world->hub, count_gap, &gaps);
    fake_lose(world, "m1");
    for (i = 0; i < 100; i++) {
        tc_room_t *room = (tc_room_t *)world->bus.rooms[i];

        room->heard_seq = 1;
        room->probe = true;
    }
    tc_hub_on_bus_head(world->hub, &world->store.site, &world->bus.rooms[42]->room_id, 1);
    tc_hub_fill_gaps(world->hub);
    fake_expect_jobs(world, "EVENTS>0 HEADS:1");
    fake_settle(world);
    fake_tick(world); /* the tick looks at all of them */
    fake_settle(world);
    for (i = 0; i < 100; i++) {
        ck_assert_int_eq(((const tc_room_t *)world->bus.rooms[i])->timeline.last_seq, 1);
    }
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_is_to_be_probed_during_a_check_is_probed_after_it)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    int gaps = 0;

    fake_join_number(world, "ann", 1);
    fake_join_number(world, "ann", 2);
    fake_settle(world);
    tc_hub_watch_gaps(world->hub, count_gap, &gaps);
    tc_hub_on_bus_joined(world->hub, &world->store.site, &world->bus.rooms[0]->room_id);
    tc_hub_fill_gaps(world->hub);
    tc_hub_on_bus_joined(world->hub, &world->store.site, &world->bus.rooms[1]->room_id);
    tc_hub_fill_gaps(world->hub);
    fake_expect_jobs(world, "HEADS:1");
    gaps = 0;
    fake_settle(world);
    ck_assert_int_eq(gaps, 1);
    tc_hub_fill_gaps(world->hub);
    fake_expect_jobs(world, "HEADS:1");
    fake_settle(world);
    fake_close(world);
}
END_TEST

START_TEST(rooms_that_the_bus_takes_up_together_are_probed_together_and_no_others)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    int gaps = 0, i;

    for (i = 0; i < 5; i++) {
        fake_join_number(world, "ann", i);
    }
    fake_settle(world);
    tc_hub_watch_gaps(world->hub, count_gap, &gaps);
    for (i = 0; i < 3; i++) {
        tc_hub_on_bus_joined(world->hub, &world->store.site, &world->bus.rooms[i]->room_id);
    }
    ck_assert_int_eq(gaps, 3);
    fake_expect_jobs(world, "");
    tc_hub_fill_gaps(world->hub);
    fake_expect_jobs(world, "HEADS:3");
    fake_settle(world);
    tc_hub_fill_gaps(world->hub);
    fake_expect_jobs(world, "");
    fake_close(world);
}
END_TEST

START_TEST(a_probe_that_the_store_does_not_take_is_made_up_for_by_the_next_check)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");
    int i;

    fake_lose(world, "m1");
    world->store.max_queued = 0;
    fake_bus_joins(world);
    world->store.max_queued = 10;
    for (i = 0; i < 3; i++) {
        fake_tick(world);
        fake_settle(world);
    }
    fake_expect(ann, "msg(1:m1)");
    fake_close(world);
}
END_TEST

UNIT_MAIN("hub_news", while_the_bus_is_up_the_store_is_asked_every_three_seconds,
          a_child_that_is_alone_asks_for_nothing, one_check_is_in_flight_and_no_more,
          a_check_that_fails_is_made_again, a_check_that_fails_while_the_bus_is_up_is_made_again,
          news_that_cannot_be_fetched_now_are_fetched_with_the_next_tick,
          rooms_that_are_loading_are_not_checked_and_rooms_that_stand_empty_are,
          a_room_that_is_forgotten_while_it_is_checked_is_not_missed,
          more_rooms_than_one_job_holds_are_checked_in_several,
          a_check_of_several_jobs_is_in_flight_until_the_last_is_back,
          a_gap_that_closes_by_itself_costs_no_query,
          a_gap_that_does_not_close_is_fetched_a_moment_later,
          gaps_are_filled_without_a_look_at_rooms_that_lack_nothing,
          a_room_that_is_to_be_probed_during_a_check_is_probed_after_it,
          rooms_that_the_bus_takes_up_together_are_probed_together_and_no_others,
          a_probe_that_the_store_does_not_take_is_made_up_for_by_the_next_check)
