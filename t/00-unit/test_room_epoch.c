/*
 * The database loses events that members have seen. No client is told that it has everything when it lacks something,
 * no number means two events, and what a child still has in memory is put back.
 */
#include "fake_room.c"

#include "base/limits.h"
#include "codec/close.h"

/* ---- joining ---- */

START_TEST(who_names_the_rooms_epoch_resumes)
{
    fake_world_t *world = fake_open();

    world->store.epoch = 5;
    fake_ann_after(world, 3);
    fake_expect(fake_resume(world, "bob", 2, 5), "resumed(3:m3 last 3)");
    fake_close(world);
}
END_TEST

START_TEST(who_names_another_epoch_starts_afresh)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob, *carol;

    world->store.epoch = 5;
    bob = fake_resume(world, "bob", 0, 4);
    fake_settle(world);
    fake_expect(bob, "lost(last 0)");
    fake_elsewhere(world, "m1");
    fake_expect(bob, "msg(1:m1)");
    carol = fake_resume(world, "carol", 1, 6);
    fake_expect(carol, "lost(1:m1 last 1)");
    fake_expect_jobs(world, "HEADS:1");
    fake_settle(world);
    fake_expect(fake_resume(world, "dave", -1, -1), "fresh(1:m1 last 1)");
    fake_close(world);
}
END_TEST

START_TEST(a_client_of_today_starts_afresh_when_its_numbers_were_lost)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    fake_elsewhere(world, "m1");
    fake_elsewhere(world, "m2");
    fake_fail_over(&world->store, 1);
    fake_begin_epoch(&world->store);
    fake_elsewhere(world, "other");
    bob = fake_join(world, "bob", 2);
    fake_settle(world);
    ck_assert_ptr_nonnull(strstr(fake_transcript(bob), "lost(1:m1 "));
    fake_forget(bob);
    fake_close(world);
}
END_TEST

START_TEST(who_comes_from_another_child_with_another_epoch_is_closed)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    world->store.epoch = 5;
    fake_settle_in(world, "ann");
    fake_elsewhere(world, "m1");
    bob = fake_rejoin(world, "bob", 0);
    ck_assert_uint_eq(bob->closed, TC_CLOSE_RESTART);
    fake_expect(bob, "CLOSE1012");
    fake_close(world);
}
END_TEST

/* ---- noticing ---- */

/* Ann has seen two messages, of which the database has lost the second. */
static fake_member_t *ann_of_a_loss(fake_world_t *world)
{
    fake_member_t *ann = fake_ann_after(world, 2);

    fake_fail_over(&world->store, 1);
    return ann;
}

/* Ann was closed. Who comes back, with the old epoch or without one, gets all that there is as a fresh start. */
static void expect_mended(fake_world_t *world, const fake_member_t *ann, const char *expected)
{
    fake_member_t *back;

    ck_assert_uint_eq(ann->closed, TC_CLOSE_RESTART);
    back = fake_resume(world, "ann", 2, 0);
    fake_settle(world);
    fake_expect(back, expected);
    fake_expect(fake_join(world, "bob", 2), expected);
    fake_elsewhere(world, "after");
    ck_assert_uint_eq(back->closed, 0);
    ck_assert_ptr_nonnull(strstr(fake_transcript(back), ":after)"));
}

START_TEST(a_tick_after_a_new_connection_finds_the_loss)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = ann_of_a_loss(world);

    fake_tick(world);
    fake_expect_jobs(world, "");
    world->store.store.connects++;
    fake_tick(world);
    fake_expect_jobs(world, "HEADS:1");
    fake_settle(world);
    expect_mended(world, ann, "lost(1:m1 2002:m2 last 2002)");
    fake_close(world);
}
END_TEST

START_TEST(a_write_that_began_another_epoch_finds_the_loss)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = ann_of_a_loss(world);

    fake_begin_epoch(&world->store);
    fake_say(ann, "m3", "c-3");
    ck_assert_int_eq(((tc_job_t *)world->store.queued.first)->known_seq, 2);
    fake_settle(world);
    expect_mended(world, ann, "lost(1:m1 2002:m3 2003:m2 last 2003)");
    fake_close(world);
}
END_TEST

START_TEST(an_answer_of_another_epoch_is_not_taken_in)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = ann_of_a_loss(world);

    fake_begin_epoch(&world->store);
    fake_elsewhere(world, "m3");
    fake_expect(ann, "");
    fake_settle(world);
    expect_mended(world, ann, "lost(1:m1 2002:m3 2003:m2 last 2003)");
    fake_close(world);
}
END_TEST

START_TEST(an_event_with_a_number_of_another_event_finds_the_loss)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = ann_of_a_loss(world);

    fake_elsewhere(world, "a child that knew nothing of m2");
    fake_expect(ann, "");
    fake_tick(world);
    fake_settle(world);
    expect_mended(world, ann, "lost(1:m1 2:a child that knew nothing of m2 2003:m2 last 2003)");
    fake_close(world);
}
END_TEST

/* ---- mending ---- */

START_TEST(a_log_that_has_everything_disturbs_nobody)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 2);

    fake_begin_epoch(&world->store);
    fake_say(ann, "m3", "c-3");
    fake_settle(world);
    fake_expect(ann, "msg(2003:m3 own c-3)");
    ck_assert_int_eq(ann->member.epoch, 1);
    ck_assert_uint_eq(ann->closed, 0);
    fake_expect(fake_resume(world, "bob", 2003, 1), "resumed(last 2003)");
    fake_expect(fake_resume(world, "carol", 2, 0), "lost(1:m1 2:m2 2003:m3 last 2003)");
    fake_close(world);
}
END_TEST

START_TEST(a_store_that_does_not_answer_is_asked_again)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = ann_of_a_loss(world);

    world->store.store.connects++;
    fake_tick(world);
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer(world, &world->store));
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    fake_expect_jobs(world, "MEND");
    fake_settle(world);
    ck_assert_uint_eq(ann->closed, 0);
    world->store.fail_with = TC_JOB_PENDING;
    fake_tick(world);
    fake_settle(world);
    expect_mended(world, ann, "lost(1:m1 2002:m2 last 2002)");
    fake_close(world);
}
END_TEST

START_TEST(two_children_put_everything_back_once)
{
    fake_world_t *world = fake_open(), *other = fake_open_sibling(world);
    fake_member_t *ann = fake_ann_after(world, 2), *bob = fake_settle_in(other, "bob"), *back;

    fake_elsewhere(world, "m3"); /* the other child has not heard of it */
    fake_expect(ann, "msg(3:m3)");
    fake_fail_over(&world->store, 2);
    world->store.store.connects++;
    other->store.store.connects++;
    fake_tick(world);
    fake_tick(other);
    fake_settle(other);
    fake_settle(world);
    ck_assert_uint_eq(ann->closed, TC_CLOSE_RESTART);
    ck_assert_uint_eq(bob->closed, TC_CLOSE_RESTART);
    back = fake_join(world, "ann", -1);
    fake_settle(world);
    fake_expect(back, "fresh(1:m1 2002:m2 2003:m3 last 2003)");
    back = fake_join(other, "bob", -1);
    fake_settle(other);
    fake_expect(back, "fresh(1:m1 2002:m2 2003:m3 last 2003)");
    fake_close(other);
    fake_close(world);
}
END_TEST

START_TEST(newcomers_and_answers_in_flight_survive_the_mending)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = ann_of_a_loss(world), *bob;

    fake_room(world)->stale = true;
    bob = fake_join(world, "bob", -1);
    fake_say(ann, "m3", "c-3");
    fake_begin_epoch(&world->store);
    fake_settle(world);
    ck_assert_uint_eq(bob->closed, 0);
    ck_assert_ptr_nonnull(strstr(fake_transcript(bob), "fresh(1:m1 2002:m3 2003:m2 last 2003)"));
    ck_assert_uint_eq(ann->closed, TC_CLOSE_RESTART);
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_keeps_nothing_starts_over)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann, *back;

    world->store.site.room_cache_bytes = 0;
    ann = ann_of_a_loss(world);
    world->store.store.connects++;
    fake_tick(world);
    fake_settle(world);
    ck_assert_uint_eq(ann->closed, TC_CLOSE_RESTART);
    back = fake_resume(world, "ann", 2, 0);
    fake_settle(world);
    fake_expect(back, "lost(1:m1 last 2001)");
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_is_gone_for_a_moment_gets_its_events_back)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = ann_of_a_loss(world), *back;

    world->store.fail_with = TC_JOB_GONE;
    fake_room(world)->doubted = true;
    fake_tick(world);
    fake_settle(world);
    ck_assert_uint_eq(ann->closed, TC_CLOSE_RESTART);
    world->store.fail_with = TC_JOB_PENDING;
    fake_tick(world);
    fake_settle(world);
    back = fake_join(world, "ann", -1);
    fake_settle(world);
    fake_expect(back, "fresh(1:m1 2002:m2 last 2002)");
    fake_close(world);
}
END_TEST

UNIT_MAIN("room_epoch", who_names_the_rooms_epoch_resumes, who_names_another_epoch_starts_afresh,
          a_client_of_today_starts_afresh_when_its_numbers_were_lost,
          who_comes_from_another_child_with_another_epoch_is_closed, a_tick_after_a_new_connection_finds_the_loss,
          a_write_that_began_another_epoch_finds_the_loss, an_answer_of_another_epoch_is_not_taken_in,
          an_event_with_a_number_of_another_event_finds_the_loss, a_log_that_has_everything_disturbs_nobody,
          a_store_that_does_not_answer_is_asked_again, two_children_put_everything_back_once,
          newcomers_and_answers_in_flight_survive_the_mending, a_room_that_keeps_nothing_starts_over,
          a_room_that_is_gone_for_a_moment_gets_its_events_back)
