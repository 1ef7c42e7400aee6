/* The hub: how rooms are found by site and trip, how long an empty room is kept, and what the bus is told. */
#include "fake_room.c"

#include "base/limits.h"

#define OTHER_TRIP "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
#define OTHER_ROOM "018d0000-0000-7000-8000-000000000002"

static void work_and_answer(fake_world_t *world, fake_store_t *store)
{
    while (fake_work(store) || fake_answer(world, store)) {
    }
}

START_TEST(members_of_a_trip_share_a_room_and_those_of_another_have_another)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1), *bob = fake_join(world, "bob", -1), *carol;

    carol = fake_join_room(world, &world->store, "carol", -1, OTHER_TRIP, OTHER_ROOM);
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 2);
    ck_assert_ptr_eq(ann->member.room, bob->member.room);
    ck_assert_ptr_ne(ann->member.room, carol->member.room);
    fake_settle(world);
    fake_type(ann, true);
    fake_expect(bob, "fresh(last 0) typing(ann on)");
    fake_expect(carol, "fresh(last 0)");
    fake_close(world);
}
END_TEST

/* A reload may change how ids of trips are written. Two live rooms with one id would hide each other from the bus. */
START_TEST(a_room_is_one_under_each_spelling_of_its_trip)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1), *bob;

    bob = fake_join_room(world, &world->store, "bob", -1, "0042", FAKE_ROOM);
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 1);
    ck_assert_ptr_eq(ann->member.room, bob->member.room);
    fake_settle(world);
    fake_close(world);
}
END_TEST

START_TEST(a_trip_of_the_same_id_on_another_site_is_another_room)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1), *bob;
    fake_store_t other;

    fake_store_open(&other, &world->bus.bus);
    other.site.index = 2;
    bob = fake_join_room(world, &other, "bob", -1, FAKE_TRIP, FAKE_ROOM);
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 2);
    fake_settle(world);
    work_and_answer(world, &other);
    fake_say(ann, "hi", NULL);
    fake_type(ann, true);
    fake_settle(world);
    fake_expect(ann, "fresh(last 0) msg(1:hi)");
    fake_expect(bob, "fresh(last 0)");
    fake_close(world);
    fake_store_close(&other);
}
END_TEST

START_TEST(an_empty_room_is_kept_for_a_while)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1);
    int i;

    world->store.site.room_linger_us = 3 * FAKE_SECOND;
    fake_settle(world);
    fake_elsewhere(world, "m1");
    fake_leave(world, ann);
    fake_tick(world);
    fake_tick(world);
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 1);
    fake_expect(fake_join(world, "bob", -1), "fresh(1:m1 last 1)"); /* without a query */
    for (i = 0; i < 5; i++) {
        fake_tick(world);
    }
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 1);
    fake_leave(world, world->members);
    for (i = 0; i < 3; i++) {
        ck_assert_uint_eq(tc_hub_room_count(world->hub), 1);
        fake_tick(world);
    }
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 0);
    ck_assert_uint_eq(world->bus.closed, 1);
    ann = fake_join(world, "ann", -1);
    fake_settle(world);
    fake_expect(ann, "fresh(1:m1 last 1)");
    fake_close(world);
}
END_TEST

START_TEST(a_room_with_jobs_in_flight_is_not_forgotten)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1);
    int i;

    fake_settle(world);
    fake_say(ann, "hi", NULL);
    fake_leave(world, ann);
    for (i = 0; i < 100; i++) {
        fake_tick(world);
    }
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 1);
    fake_settle(world);
    fake_tick(world);
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 1); /* its time begins with the answer */
    for (i = 0; i < 30; i++) {
        fake_tick(world);
    }
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 0);
    fake_close(world);
}
END_TEST

START_TEST(one_room_of_many_goes_without_the_others)
{
    fake_world_t *world = fake_open();
    fake_member_t *members[9];
    int i;

    for (i = 0; i < 9; i++) {
        members[i] = fake_join_number(world, "ann", i);
    }
    fake_settle(world);
    for (i = 0; i < 9; i++) {
        if (i % 3 != 1) {
            fake_leave(world, members[i]);
        }
    }
    world->now_us += 40 * FAKE_SECOND;
    fake_tick(world);
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 3);
    ck_assert_uint_eq(world->bus.closed, 6);
    fake_close(world);
}
END_TEST

/* An administrator deletes the row of a room. The next handshake makes another. */
START_TEST(a_room_made_anew_takes_the_place_of_the_old_one_at_once)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_settle_in(world, "ann"), *bob, *late;
    int i;

    fake_say(ann, "to the old one", NULL); /* a job keeps the old room alive */
    bob = fake_join_room(world, &world->store, "bob", -1, FAKE_TRIP, OTHER_ROOM);
    fake_expect(ann, "CLOSE1012");
    ck_assert_ptr_nonnull(bob->member.room);
    ck_assert_ptr_ne(bob->member.room, ann->member.room);
    fake_leave(world, ann);
    fake_settle(world);
    fake_expect(bob, "fresh(1:to the old one last 1)"); /* the fake store has one list of rows for all rooms */
    late = fake_join(world, "carol", -1);               /* a handshake that found the old room */
    fake_expect(late, "CLOSE1012");
    late = fake_rejoin(world, "dave", 0);               /* moved here from a child that has the old room */
    fake_expect(late, "CLOSE1012");
    fake_say(bob, "hi", NULL);
    fake_settle(world);
    fake_expect(bob, "msg(2:hi)");
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 2);
    for (i = 0; i < 50; i++) {
        fake_tick(world);
    }
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 1);
    fake_expect(fake_join_room(world, &world->store, "eve", -1, FAKE_TRIP, OTHER_ROOM),
                "fresh(1:to the old one 2:hi last 2)");
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_is_gone_already_replaces_nothing)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob = fake_join_room(world, &world->store, "bob", -1, FAKE_TRIP, OTHER_ROOM), *moved;

    fake_settle(world);
    moved = fake_rejoin(world, "ann", 0); /* another child still has the old room, which this one never had */
    fake_expect(moved, "CLOSE1012");
    fake_expect(bob, "fresh(last 0)");
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 1);
    fake_close(world);
}
END_TEST

START_TEST(the_bus_is_told_of_what_this_child_stored_and_of_nothing_else)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1);

    fake_settle(world);
    ck_assert_uint_eq(world->bus.opened, 1);
    fake_elsewhere(world, "m1");
    ck_assert_uint_eq(world->bus.published, 0);
    fake_say(ann, "hi", "c1");
    ck_assert_uint_eq(world->bus.published, 0);
    fake_settle(world);
    ck_assert_uint_eq(world->bus.published, 1);
    ck_assert_int_eq(world->bus.published_seq, 2);
    fake_say(ann, "hi", "c1");
    fake_settle(world);
    ck_assert_uint_eq(world->bus.published, 1);
    fake_say_edit(ann, 2, "ho");
    fake_settle(world);
    ck_assert_uint_eq(world->bus.published, 2);
    ck_assert_int_eq(world->bus.published_seq, 3);
    fake_close(world);
}
END_TEST

START_TEST(a_job_carries_what_the_store_needs)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1);
    tc_job_t *job;

    fake_settle(world);
    fake_send(ann, "{\"type\":\"chat_message\",\"content\":\"h\\u00e9\",\"client_id\":\"c1\","
                   "\"message_type\":\"image\",\"reply_to\":\"" FAKE_TRIP "\"}");
    job = (tc_job_t *)world->store.queued.first;
    ck_assert_int_eq(job->kind, TC_JOB_POST);
    ck_assert_str_eq(job->content, "h\xc3\xa9");
    ck_assert_str_eq(job->client_id, "c1");
    ck_assert_str_eq(job->message_type, "image");
    ck_assert(job->has_reply);
    ck_assert_ptr_eq(job->user, ann->member.user);
    ck_assert_ptr_eq(job->member, &ann->member);
    ck_assert(tc_uuid_equal(&job->room_id, &fake_room(world)->room_id));
    ck_assert_ptr_eq(job->room, fake_room(world));
    fake_close(world);
}
END_TEST

START_TEST(every_job_that_comes_back_is_settled)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1);
    int i;

    fake_settle(world);
    ck_assert_uint_eq(ann->settled, 0); /* the load was the room's own job */
    for (i = 0; i < 5; i++) {
        fake_say(ann, "hi", NULL);
    }
    ck_assert_uint_eq(ann->member.jobs, 5);
    for (i = 1; i <= 5; i++) {
        ck_assert(fake_work(&world->store));
        ck_assert(fake_answer(world, &world->store));
        ck_assert_uint_eq(ann->settled, (unsigned)i);
        ck_assert_uint_eq(ann->member.jobs, (unsigned)(5 - i));
    }
    fake_close(world);
}
END_TEST

/* On a local bus, a new child does not hear of events that the ending child still stores. */
START_TEST(a_hub_that_is_told_to_watch_asks_for_news_with_every_tick)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann;

    tc_hub_watch_until(world->hub, world->now_us + 5 * FAKE_SECOND);
    ann = fake_join(world, "ann", -1);
    fake_settle(world);
    fake_lose(world, "m1");
    fake_expect(ann, "fresh(last 0)");
    fake_tick(world);
    fake_settle(world);
    fake_expect(ann, "msg(1:m1)");
    world->now_us += 10 * FAKE_SECOND;
    fake_tick(world);
    ck_assert_str_eq(fake_jobs(&world->store), "");
    fake_close(world);
}
END_TEST

/* ---- a store that does not answer ---- */

static void wait_out_the_store(fake_world_t *world)
{
    int i;

    for (i = 0; i <= TC_STORE_OVERDUE_S; i++) {
        fake_tick(world);
    }
}

START_TEST(who_says_something_that_the_store_does_not_take_is_told_so_once)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);

    fake_say(ann, "hi", "c1");
    fake_tick(world);
    fake_tick(world);
    fake_expect(ann, "");
    wait_out_the_store(world);
    fake_expect(ann, "error(unavailable c1 2s)");
    wait_out_the_store(world);
    fake_expect(ann, "");
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    fake_settle(world);
    fake_expect(ann, "");
    ck_assert_uint_eq(ann->member.jobs, 0);
    fake_close(world);
}
END_TEST

START_TEST(what_is_stored_late_is_shown_late)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob = fake_join(world, "bob", 1);

    fake_forget(bob);
    fake_say(ann, "hi", "c1");
    wait_out_the_store(world);
    fake_settle(world);
    fake_expect(ann, "error(unavailable c1 2s) msg(2:hi own c1)");
    fake_expect(bob, "msg(2:hi)");
    ck_assert_uint_eq(world->bus.published, 1);
    fake_close(world);
}
END_TEST

START_TEST(who_waits_too_long_for_a_history_is_turned_away_and_who_comes_later_is_not)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1), *bob = fake_join(world, "bob", 0), *carol;

    fake_tick(world);
    fake_expect(ann, "");
    wait_out_the_store(world);
    fake_expect(ann, "CLOSE1013");
    fake_expect(bob, "CLOSE1013");
    fake_leave(world, ann);
    fake_leave(world, bob);
    carol = fake_join(world, "carol", -1);
    fake_settle(world);
    fake_expect(carol, "fresh(last 0)");
    wait_out_the_store(world);
    fake_expect(carol, "");
    fake_close(world);
}
END_TEST

START_TEST(who_waits_too_long_for_a_resume_is_turned_away)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob = fake_join(world, "bob", 99);

    wait_out_the_store(world);
    fake_expect(bob, "CLOSE1013");
    fake_expect(ann, "");
    fake_leave(world, bob);
    fake_settle(world);
    fake_elsewhere(world, "m2");
    fake_expect(ann, "msg(2:m2)");
    fake_close(world);
}
END_TEST

UNIT_MAIN("hub", members_of_a_trip_share_a_room_and_those_of_another_have_another,
          a_room_is_one_under_each_spelling_of_its_trip, a_trip_of_the_same_id_on_another_site_is_another_room,
          an_empty_room_is_kept_for_a_while, a_room_with_jobs_in_flight_is_not_forgotten,
          one_room_of_many_goes_without_the_others,
          a_room_made_anew_takes_the_place_of_the_old_one_at_once, a_room_that_is_gone_already_replaces_nothing,
          the_bus_is_told_of_what_this_child_stored_and_of_nothing_else,
          a_job_carries_what_the_store_needs,
          every_job_that_comes_back_is_settled,
          a_hub_that_is_told_to_watch_asks_for_news_with_every_tick,
          who_says_something_that_the_store_does_not_take_is_told_so_once,
          what_is_stored_late_is_shown_late,
          who_waits_too_long_for_a_history_is_turned_away_and_who_comes_later_is_not,
          who_waits_too_long_for_a_resume_is_turned_away)
