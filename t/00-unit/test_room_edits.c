/*
 * Writes in flight while fetches bring their events: a fetch may be faster than the answer, and shows each event with
 * the message as it reads by then. The sender gets each event once and in order, the confirmation in the event's place,
 * and no text that is older than one it was shown.
 */
#include "fake_room.c"

#include "base/limits.h"

/* Makes a room with ann in it, who has said "0A" as event 1. */
static fake_member_t *open_with_message(fake_world_t *world)
{
    fake_member_t *ann = fake_ann_after(world, 0);

    fake_say(ann, "0A", NULL);
    fake_settle(world);
    fake_forget(ann);
    return ann;
}

static bool owes(const fake_member_t *member)
{
    return tc_room_owes(member->member.room, &member->member);
}

START_TEST(two_edits_that_a_fetch_brings_first_keep_their_order_and_their_client_ids)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = open_with_message(world), *bob = fake_settle_in(world, "bob");

    fake_lose(world, "m2");
    fake_elsewhere(world, "m3"); /* the fetch is submitted first and answered first */
    fake_say_edit_as(ann, 1, "0B", "A");
    fake_say_edit_as(ann, 1, "0C", "B");
    fake_expect_jobs(world, "EVENTS>1 EDIT EDIT");
    fake_work_batch(&world->store);
    ck_assert(fake_answer(world, &world->store));
    fake_expect(bob, "msg(2:m2) msg(3:m3) edit(4:0C) edit(5:0C)");
    fake_expect(ann, "msg(2:m2) msg(3:m3)");
    fake_settle(world);
    fake_expect(ann, "edit(4:0C own A) edit(5:0C own B)");
    ck_assert(!owes(ann));
    fake_close(world);
}
END_TEST

START_TEST(the_answer_of_the_first_edit_gets_its_place_before_the_second_is_back)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = open_with_message(world);

    fake_say_edit_as(ann, 1, "0B", "A");
    fake_say_edit_as(ann, 1, "0C", "B");
    while (fake_work(&world->store)) {
    }
    fake_hear_head(world, 3);
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer_read(world, &world->store));
    fake_expect(ann, "");
    ck_assert(fake_answer(world, &world->store));
    fake_expect(ann, "edit(2:0C own A)");
    ck_assert(fake_answer(world, &world->store));
    fake_expect(ann, "edit(3:0C own B)");
    fake_close(world);
}
END_TEST

/* ann's other device is at another child. Its edit stands between her own two. */
START_TEST(an_edit_of_another_device_is_not_taken_for_ones_own)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = open_with_message(world), *bob = fake_settle_in(world, "bob");

    fake_say_edit_as(ann, 1, "0B", "A");
    ck_assert(fake_work(&world->store));
    fake_edit(&world->store, 1, "elsewhere");
    fake_say_edit_as(ann, 1, "0C", "B");
    fake_hear_head(world, 3);
    fake_expect_jobs(world, "EDIT EVENTS>1");
    ck_assert(fake_work(&world->store));
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer_read(world, &world->store));
    fake_expect(bob, "edit(2:0C) edit(3:0C) edit(4:0C)");
    fake_expect(ann, "");
    fake_settle(world);
    fake_expect(ann, "edit(2:0C own A) edit(3:0C) edit(4:0C own B)");
    ck_assert(!owes(ann));
    fake_close(world);
}
END_TEST

/* Only an event that the edit can be waits for the edit. */
START_TEST(an_edit_from_the_bus_and_one_of_another_message_wait_for_nothing)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_say(ann, "0A", NULL);
    fake_say(ann, "1A", NULL);
    fake_settle(world);
    fake_forget(ann);
    fake_say_edit_as(ann, 1, "0B", "A");
    fake_edit(&world->store, 1, "elsewhere");
    fake_bring(world, 3);
    fake_expect(ann, "edit(3:elsewhere)");
    fake_edit(&world->store, 2, "1B");
    fake_hear_head(world, 4);
    ck_assert(fake_work(&world->store)); /* the edit is stored as 5, behind what the fetch is about */
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer_read(world, &world->store));
    fake_expect(ann, "edit(4:1B)");
    fake_settle(world);
    fake_expect(ann, "edit(5:0B own A)");
    fake_close(world);
}
END_TEST

START_TEST(an_edit_whose_answer_takes_too_long_holds_nothing_back)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = open_with_message(world);
    int i;

    fake_say_edit_as(ann, 1, "0B", "A");
    ck_assert(fake_work(&world->store)); /* committed, but the answer does not come */
    fake_hear_head(world, 2);
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer_read(world, &world->store));
    fake_expect(ann, "");
    for (i = 0; i <= TC_STORE_OVERDUE_S; i++) {
        fake_tick(world);
    }
    fake_expect(ann, "error(unavailable A 2s) edit(2:0B)");
    fake_settle(world);
    fake_expect(ann, ""); /* never behind the event's place */
    ck_assert(!owes(ann));
    fake_close(world);
}
END_TEST

START_TEST(an_edit_that_is_not_stored_lets_the_others_go_on)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = open_with_message(world);

    fake_edit(&world->store, 1, "elsewhere");
    fake_hear_head(world, 2);
    ck_assert(fake_work(&world->store));
    fake_say_edit_as(ann, 1, "0B", "A");
    ck_assert(fake_answer_read(world, &world->store));
    fake_expect(ann, "");
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    fake_settle(world);
    fake_expect(ann, "error(unavailable A 2s) edit(2:elsewhere)");
    fake_close(world);
}
END_TEST

START_TEST(an_edit_of_a_message_that_was_deleted_is_answered_and_shows_nothing_late)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = open_with_message(world);

    fake_say_edit_as(ann, 1, "0B", "A");
    ck_assert(fake_work(&world->store));
    fake_lose(world, "m3");
    fake_delete(&world->store, 1);
    fake_hear_head(world, 3);
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer_read(world, &world->store));
    fake_expect(ann, "msg(3:m3)");
    fake_settle(world);
    fake_expect(ann, "error(message_not_found A)");
    ck_assert(!owes(ann));
    fake_close(world);
}
END_TEST

/* ---- confirmations ---- */

START_TEST(a_message_that_is_repeated_in_flight_is_answered_twice_and_leaves_nothing_behind)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 0);

    fake_lose(world, "m1");      /* the room lacks an event, so that both answers wait for it */
    fake_say(ann, "hi", "c0");
    fake_say(ann, "hi", "c0");
    world->store.messages[0].repeated = false;
    fake_expect_jobs(world, "POST POST");
    ck_assert(fake_work(&world->store));
    ck_assert(fake_work(&world->store));
    fake_settle(world);
    fake_expect(ann, "msg(1:m1) msg(2:hi own c0) msg(2:hi own c0)");
    ck_assert_msg(!owes(ann), "a confirmation was left behind");
    fake_close(world);
}
END_TEST

/* The database stands, both tries are told `unavailable` or wait, and both come back when it goes on. */
START_TEST(two_tries_that_come_back_at_a_thaw_are_answered_once_each)
{
    int fetched;

    for (fetched = 0; fetched < 2; fetched++) {
        fake_world_t *world = fake_open();
        fake_member_t *ann = fake_ann_after(world, 0);
        int i;

        fake_lose(world, "m1");
        fake_say(ann, "hi", "c0");
        for (i = 0; i <= TC_STORE_OVERDUE_S; i++) {
            fake_tick(world);
        }
        fake_expect(ann, "error(unavailable c0 2s)");
        fake_say(ann, "hi", "c0");
        ck_assert(fake_work(&world->store));
        ck_assert(fake_work(&world->store));
        if (fetched) {
            fake_hear_head(world, 2);
            ck_assert(fake_work(&world->store));
            ck_assert(fake_answer_read(world, &world->store));
            fake_expect(ann, "msg(1:m1) msg(2:hi own c0)"); /* the answer of the first try: it was told already */
            fake_settle(world);
            fake_expect(ann, "msg(2:hi own c0)");
        }
        else {
            fake_settle(world);
            fake_expect(ann, "msg(1:m1) msg(2:hi own c0)");
        }
        ck_assert(!owes(ann));
        fake_close(world);
    }
}
END_TEST

/* ann fell behind the room's log. Her message is deleted before she is shown it. */
START_TEST(a_confirmation_of_a_deleted_message_is_not_left_behind)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann;

    world->store.site.room_cache_bytes = 1;
    fake_leave(world, fake_ann_after(world, 3));
    world->store.max_queued = 0; /* what she lacks cannot be fetched now */
    ann = fake_rejoin(world, "ann", 1);
    world->store.max_queued = 10;
    fake_say(ann, "hi", "c0");
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer(world, &world->store));
    ck_assert(owes(ann));
    fake_elsewhere(world, "m5");
    fake_delete(&world->store, 4);
    fake_tick(world);
    fake_expect_jobs(world, "EVENTS>1");
    fake_settle(world);
    fake_expect(ann, "msg(2:m2) msg(3:m3) msg(4:hi own c0) msg(5:m5)"); /* the answer to what she sent */
    ck_assert_msg(!owes(ann), "a confirmation was left behind");
    fake_close(world);
}
END_TEST

/* ---- jobs that take too long ---- */

START_TEST(a_client_that_was_told_is_read_again_and_makes_no_more_jobs)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 0);
    unsigned settled;
    int i;

    world->store.site.max_pending = 4;
    for (i = 0; i < 4; i++) {
        fake_say(ann, "hi", NULL);
    }
    ck_assert_uint_eq(ann->member.jobs - ann->member.told, 4);
    settled = ann->settled;
    for (i = 0; i <= TC_STORE_OVERDUE_S; i++) {
        fake_tick(world);
    }
    ck_assert_uint_eq(ann->member.jobs, 4);
    ck_assert_uint_eq(ann->member.told, 4);
    ck_assert_uint_gt(ann->settled, settled); /* so that its socket is watched again */
    ck_assert(!owes(ann));                    /* and it may move to another child */
    fake_forget(ann);
    for (i = 0; i < 1000; i++) {
        fake_say(ann, "more", NULL);
    }
    ck_assert_uint_eq(ann->member.jobs, 4);
    fake_forget(ann);
    fake_send(ann, "{\"type\":\"ping\"}");
    fake_say(ann, "more", "c1");
    fake_expect(ann, "pong(-) error(unavailable c1 2s)");
    fake_settle(world);
    ck_assert_uint_eq(ann->member.told, 0);
    fake_expect(ann, "msg(1:hi) msg(2:hi) msg(3:hi) msg(4:hi)");
    fake_say(ann, "again", "c1");
    fake_settle(world);
    fake_expect(ann, "msg(5:again own c1)");
    fake_close(world);
}
END_TEST

/* ---- members that fell behind ---- */

START_TEST(all_that_moved_here_and_stand_before_the_log_cost_one_query_a_piece)
{
    enum { MEMBERS = 50 };
    fake_world_t *world = fake_open();
    fake_member_t *members[MEMBERS];
    int i;

    world->store.site.room_cache_bytes = 1;
    fake_ann_after(world, 10);
    for (i = 0; i < MEMBERS; i++) {
        members[i] = fake_rejoin(world, "bob", 2 + i % 3);
    }
    fake_expect_jobs(world, "EVENTS>2");
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer(world, &world->store));
    for (i = 0; i < MEMBERS; i++) {
        ck_assert_int_eq(members[i]->seen, 10);
        ck_assert_uint_eq(members[i]->member.jobs, 0);
    }
    fake_expect_jobs(world, "");
    members[0] = fake_rejoin(world, "bob", 5);
    members[1] = fake_rejoin(world, "bob", 3); /* stands before what is asked for */
    members[2] = fake_rejoin(world, "bob", 4);
    fake_expect_jobs(world, "EVENTS>5");
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer(world, &world->store));
    fake_expect_jobs(world, "EVENTS>3");
    fake_settle(world);
    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(members[i]->seen, 10);
    }
    fake_close(world);
}
END_TEST

UNIT_MAIN("room_edits", two_edits_that_a_fetch_brings_first_keep_their_order_and_their_client_ids,
          the_answer_of_the_first_edit_gets_its_place_before_the_second_is_back,
          an_edit_of_another_device_is_not_taken_for_ones_own,
          an_edit_from_the_bus_and_one_of_another_message_wait_for_nothing,
          an_edit_whose_answer_takes_too_long_holds_nothing_back,
          an_edit_that_is_not_stored_lets_the_others_go_on,
          an_edit_of_a_message_that_was_deleted_is_answered_and_shows_nothing_late,
          a_message_that_is_repeated_in_flight_is_answered_twice_and_leaves_nothing_behind,
          two_tries_that_come_back_at_a_thaw_are_answered_once_each,
          a_confirmation_of_a_deleted_message_is_not_left_behind,
          a_client_that_was_told_is_read_again_and_makes_no_more_jobs,
          all_that_moved_here_and_stand_before_the_log_cost_one_query_a_piece)
