/*
 * Members that move here from another child. They have their history, go on from their cursor, and get each event once,
 * whatever this child knows of the room.
 */
#include "fake_room.c"

#include "base/limits.h"

START_TEST(who_comes_into_a_room_that_is_loaded_gets_what_follows_alone)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob, *carol;

    fake_ann_after(world, 5);
    bob = fake_rejoin(world, "bob", 3);
    fake_expect(bob, "msg(4:m4) msg(5:m5)");
    carol = fake_rejoin(world, "carol", 5);
    fake_expect(carol, "");
    fake_elsewhere(world, "m6");
    fake_expect(bob, "msg(6:m6)");
    fake_expect(carol, "msg(6:m6)");
    fake_close(world);
}
END_TEST

START_TEST(who_comes_into_a_room_that_is_not_loaded_waits_for_it)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob, *carol;

    fake_elsewhere(world, "m1");
    fake_elsewhere(world, "m2");
    bob = fake_rejoin(world, "bob", 1);
    carol = fake_rejoin(world, "carol", 2);
    fake_expect(bob, "");
    fake_expect_jobs(world, "LOAD");
    fake_settle(world);
    fake_expect(bob, "msg(2:m2)");
    fake_expect(carol, "");
    fake_elsewhere(world, "m3");
    fake_expect(bob, "msg(3:m3)");
    fake_expect(carol, "msg(3:m3)");
    fake_close(world);
}
END_TEST

START_TEST(who_stood_before_what_the_room_remembers_gets_it_from_the_store)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    fake_ann_after(world, TC_ROOM_LOG_EVENTS + 20);
    bob = fake_rejoin(world, "bob", 10);
    bob->quiet = true;
    fake_settle(world);
    ck_assert_int_eq(bob->seen, TC_ROOM_LOG_EVENTS + 20);
    ck_assert_uint_eq(bob->closed, 0);
    fake_close(world);
}
END_TEST

START_TEST(who_stood_before_what_the_room_remembers_waits_while_the_store_is_away)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, TC_ROOM_LOG_EVENTS + 20), *bob, *carol;

    world->store.fail_with = TC_JOB_UNAVAILABLE;
    bob = fake_rejoin(world, "bob", 10);
    fake_settle(world);
    world->store.max_queued = 0;
    carol = fake_rejoin(world, "carol", 15);
    bob->quiet = carol->quiet = true;
    fake_tick(world);
    ck_assert_uint_eq(bob->closed + carol->closed, 0);
    ck_assert_int_eq(bob->seen, 10);
    world->store.max_queued = 1000;
    world->store.fail_with = TC_JOB_PENDING;
    fake_tick(world);
    fake_settle(world);
    fake_elsewhere(world, "after that");
    ck_assert_int_eq(bob->seen, TC_ROOM_LOG_EVENTS + 21);
    ck_assert_int_eq(carol->seen, TC_ROOM_LOG_EVENTS + 21);
    fake_expect(ann, "msg(277:after that)");
    fake_close(world);
}
END_TEST

START_TEST(who_stood_before_what_the_room_remembers_of_a_trip_that_is_gone_goes)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    fake_ann_after(world, TC_ROOM_LOG_EVENTS + 20);
    world->store.fail_with = TC_JOB_GONE;
    bob = fake_rejoin(world, "bob", 10);
    fake_settle(world);
    fake_expect(bob, "CLOSE1012");
    fake_close(world);
}
END_TEST

START_TEST(who_is_ahead_of_the_room_is_shown_nothing_twice)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 2), *bob;

    fake_lose(world, "m3");
    fake_lose(world, "m4");
    bob = fake_rejoin(world, "bob", 4);
    fake_settle(world); /* bob's cursor tells the room that events are missing */
    fake_expect(ann, "msg(3:m3) msg(4:m4)");
    fake_expect(bob, "");
    fake_elsewhere(world, "m5");
    fake_expect(ann, "msg(5:m5)");
    fake_expect(bob, "msg(5:m5)");
    fake_close(world);
}
END_TEST

START_TEST(who_comes_while_the_store_is_away_stays_and_gets_all_when_it_is_back)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;
    int i;

    fake_elsewhere(world, "m1");
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    bob = fake_rejoin(world, "bob", 0);
    fake_settle(world);
    for (i = 0; i < 2 * TC_STORE_OVERDUE_S; i++) {
        fake_tick(world);
        fake_settle(world);
    }
    ck_assert_uint_eq(bob->closed, 0);
    fake_expect(bob, "");
    world->store.fail_with = TC_JOB_PENDING;
    fake_tick(world);
    fake_settle(world);
    fake_expect(bob, "msg(1:m1)");
    fake_close(world);
}
END_TEST

START_TEST(who_comes_into_a_store_that_is_full_is_asked_for_with_the_next_tick)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    fake_elsewhere(world, "m1");
    world->store.max_queued = 0;
    bob = fake_rejoin(world, "bob", 0);
    fake_expect_jobs(world, "");
    ck_assert_uint_eq(bob->closed, 0);
    world->store.max_queued = 1000;
    fake_tick(world);
    fake_settle(world);
    fake_expect(bob, "msg(1:m1)");
    fake_close(world);
}
END_TEST

START_TEST(who_says_something_before_the_room_is_loaded_gets_his_own_copy)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    fake_elsewhere(world, "m1");
    bob = fake_rejoin(world, "bob", 1);
    fake_say(bob, "mine", "c1");
    fake_settle(world);
    fake_expect(bob, "msg(2:mine own c1)");
    fake_close(world);
}
END_TEST

START_TEST(who_is_heard_by_the_store_before_the_room_is_loaded_gets_his_own_copy_once)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    fake_elsewhere(world, "m1");
    bob = fake_rejoin(world, "bob", 1);
    fake_say(bob, "mine", "c1");
    fake_expect_jobs(world, "LOAD POST");
    fake_work_batch(&world->store); /* the LOAD contains the message */
    ck_assert(fake_answer(world, &world->store));
    fake_expect(bob, "msg(2:mine own c1)");
    fake_settle(world);
    fake_expect(bob, "");
    fake_close(world);
}
END_TEST

START_TEST(who_comes_into_a_trip_that_is_gone_goes)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    world->store.fail_with = TC_JOB_GONE;
    bob = fake_rejoin(world, "bob", 1);
    fake_settle(world);
    fake_expect(bob, "CLOSE1012");
    fake_close(world);
}
END_TEST

START_TEST(a_room_owes_what_a_member_was_not_told_yet)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);

    ck_assert(!tc_room_owes(ann->member.room, &ann->member));
    fake_say(ann, "mine", "c1");
    ck_assert(tc_room_owes(ann->member.room, &ann->member));
    fake_settle(world);
    fake_expect(ann, "msg(2:mine own c1)");
    ck_assert(!tc_room_owes(ann->member.room, &ann->member));
    fake_close(world);
}
END_TEST

UNIT_MAIN("room_rejoin", who_comes_into_a_room_that_is_loaded_gets_what_follows_alone,
          who_comes_into_a_room_that_is_not_loaded_waits_for_it,
          who_stood_before_what_the_room_remembers_gets_it_from_the_store,
          who_stood_before_what_the_room_remembers_waits_while_the_store_is_away,
          who_stood_before_what_the_room_remembers_of_a_trip_that_is_gone_goes,
          who_is_ahead_of_the_room_is_shown_nothing_twice,
          who_comes_while_the_store_is_away_stays_and_gets_all_when_it_is_back,
          who_comes_into_a_store_that_is_full_is_asked_for_with_the_next_tick,
          who_says_something_before_the_room_is_loaded_gets_his_own_copy,
          who_is_heard_by_the_store_before_the_room_is_loaded_gets_his_own_copy_once,
          who_comes_into_a_trip_that_is_gone_goes, a_room_owes_what_a_member_was_not_told_yet)
