/*
 * Members that resume from a seq. They are served from the timeline, from the store, or with a fresh history.
 */
#include "fake_room.c"

#include "base/limits.h"

START_TEST(a_resume_is_served_from_what_the_room_remembers)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    fake_ann_after(world, 5);
    bob = fake_join(world, "bob", 3);
    fake_expect(bob, "resumed(4:m4 5:m5 last 5)");
    fake_expect(fake_join(world, "carol", 5), "resumed(last 5)");
    fake_expect(fake_join(world, "carol", 0), "resumed(1:m1 2:m2 3:m3 4:m4 5:m5 last 5)");
    ck_assert_str_eq(fake_jobs(&world->store), "");
    fake_elsewhere(world, "m6");
    fake_expect(bob, "msg(6:m6)");
    fake_close(world);
}
END_TEST

START_TEST(a_resume_shows_edits_under_their_own_seq)
{
    fake_world_t *world = fake_open();

    fake_ann_after(world, 2);
    fake_edit(&world->store, 1, "new");
    fake_bring(world, 3);
    fake_expect(fake_join(world, "bob", 2), "resumed(3:new last 3)");
    fake_close(world);
}
END_TEST

START_TEST(a_resume_into_a_room_that_is_not_loaded_waits_for_it)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    fake_elsewhere(world, "m1");
    fake_elsewhere(world, "m2");
    bob = fake_join(world, "bob", 1);
    fake_settle(world);
    fake_expect(bob, "resumed(2:m2 last 2)");
    fake_close(world);
}
END_TEST

START_TEST(who_says_something_before_he_has_his_history_is_answered_behind_it)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    fake_ann_after(world, TC_ROOM_LOG_EVENTS + 20);
    bob = fake_join(world, "bob", 10);
    fake_say(bob, "mine", "c1");
    ck_assert_str_eq(fake_jobs(&world->store), "EVENTS>0 POST");
    fake_work_batch(&world->store); /* the fetch contains the message */
    fake_settle(world);
    ck_assert_ptr_nonnull(strstr(fake_transcript(bob), "last 277) msg(277:mine own c1)"));
    fake_close(world);
}
END_TEST

START_TEST(a_resume_from_before_the_log_is_fetched)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    fake_ann_after(world, TC_ROOM_LOG_EVENTS + 20);
    bob = fake_join(world, "bob", 10);
    fake_expect(bob, "");
    ck_assert_str_eq(fake_jobs(&world->store), "EVENTS>0"); /* from a little before the member's seq */
    fake_elsewhere(world, "live");
    fake_expect(bob, "");
    bob->quiet = true;
    fake_settle(world);
    ck_assert_int_eq(bob->seen, world->store.last_seq);
    ck_assert_uint_eq(bob->closed, 0);
    fake_close(world);
}
END_TEST

START_TEST(all_that_resume_from_before_the_log_cost_one_query)
{
    fake_world_t *world = fake_open();
    fake_member_t *members[20];
    int i;

    fake_ann_after(world, 3 * TC_ROOM_LOG_EVENTS)->quiet = true;
    for (i = 0; i < 20; i++) {
        members[i] = fake_join(world, "bob", TC_ROOM_LOG_EVENTS + 5 + i % 3);
        ck_assert_str_eq(fake_jobs(&world->store), "EVENTS>256");
    }
    ck_assert(fake_work(&world->store));
    fake_elsewhere(world, "live");
    fake_settle(world);
    for (i = 0; i < 20; i++) {
        ck_assert_int_eq(members[i]->seen, world->store.last_seq);
        ck_assert_uint_eq(members[i]->frames, 2); /* the history, and the event after it */
    }
    fake_close(world);
}
END_TEST

START_TEST(who_resumes_while_the_store_is_asked_is_served_by_that_answer_or_asks_once_more)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob, *same, *earlier;

    fake_ann_after(world, 3 * TC_ROOM_LOG_EVENTS)->quiet = true;
    bob = fake_join(world, "bob", TC_ROOM_LOG_EVENTS + 20);
    ck_assert(fake_work(&world->store));
    same = fake_join(world, "carol", TC_ROOM_LOG_EVENTS + 10);
    earlier = fake_join(world, "dave", 10);
    ck_assert_str_eq(fake_jobs(&world->store), "");
    ck_assert(fake_answer(world, &world->store));
    ck_assert_int_eq(bob->seen, world->store.last_seq);
    ck_assert_int_eq(same->seen, world->store.last_seq);
    ck_assert_int_eq(earlier->seen, -1);
    ck_assert_str_eq(fake_jobs(&world->store), "EVENTS>0");
    fake_settle(world);
    ck_assert_int_eq(earlier->seen, world->store.last_seq);
    fake_close(world);
}
END_TEST

START_TEST(who_leaves_while_it_resumes_leaves_the_others_their_answer)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob, *carol;

    fake_ann_after(world, 2 * TC_ROOM_LOG_EVENTS)->quiet = true;
    bob = fake_join(world, "bob", 10);
    carol = fake_join(world, "carol", 20);
    fake_leave(world, bob);
    fake_settle(world);
    fake_expect(bob, "");
    ck_assert_int_eq(carol->seen, world->store.last_seq);
    ck_assert_str_eq(fake_jobs(&world->store), "");
    fake_close(world);
}
END_TEST

START_TEST(a_resume_that_the_store_cannot_answer_is_turned_away)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob, *carol, *dave;

    fake_ann_after(world, 2 * TC_ROOM_LOG_EVENTS);
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    bob = fake_join(world, "bob", 10);
    fake_settle(world);
    world->store.fail_with = TC_JOB_GONE;
    carol = fake_join(world, "carol", 10);
    fake_settle(world);
    world->store.fail_with = TC_JOB_PENDING;
    world->store.max_queued = 0;
    dave = fake_join(world, "dave", 10);
    fake_expect(bob, "CLOSE1013");
    fake_expect(carol, "CLOSE4003");
    fake_expect(dave, "CLOSE1013");
    ck_assert_str_eq(fake_jobs(&world->store), "");
    fake_close(world);
}
END_TEST

START_TEST(a_resume_from_too_far_back_starts_anew)
{
    fake_world_t *world = fake_open();

    world->store.site.resume_events = 3;
    world->store.site.history_msgs = 2;
    fake_ann_after(world, 5);
    fake_expect(fake_join(world, "bob", 2), "resumed(3:m3 4:m4 5:m5 last 5)");
    fake_expect(fake_join(world, "bob", 1), "lost(4:m4 5:m5 last 5)");
    fake_expect(fake_join(world, "bob", 0), "lost(4:m4 5:m5 last 5)");
    fake_close(world);
}
END_TEST

START_TEST(a_resume_that_turns_out_too_far_back_starts_anew)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    world->store.site.resume_events = 2;
    world->store.site.room_cache_bytes = 2000; /* the log is short */
    fake_ann_after(world, 6);
    bob = fake_join(world, "bob", 4);
    fake_lose(world, "m7");
    fake_lose(world, "m8");
    fake_settle(world);
    ck_assert_msg(strncmp(fake_transcript(bob), "lost(", 5) == 0
                      || strncmp(fake_transcript(bob), "resumed(5:m5 6:m6 last 6)", 25) == 0,
                  "%s", fake_transcript(bob));
    fake_close(world);
}
END_TEST

START_TEST(a_resume_from_the_future_starts_anew)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    fake_ann_after(world, 2);
    bob = fake_join(world, "bob", 99);
    ck_assert_str_eq(fake_jobs(&world->store), "EVENTS>0");
    fake_settle(world);
    fake_expect(bob, "lost(1:m1 2:m2 last 2)");
    fake_elsewhere(world, "m3");
    fake_expect(bob, "msg(3:m3)");
    fake_close(world);
}
END_TEST

START_TEST(a_resume_from_where_another_child_is_already_is_good)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 2), *bob;

    fake_lose(world, "m3");
    fake_lose(world, "m4");
    fake_lose(world, "m5");
    bob = fake_join(world, "bob", 4);
    fake_settle(world);
    fake_expect(bob, "resumed(5:m5 last 5)");
    fake_elsewhere(world, "m6");
    fake_settle(world);
    fake_expect(bob, "msg(6:m6)");
    fake_expect(ann, "msg(3:m3) msg(4:m4) msg(5:m5) msg(6:m6)");
    fake_close(world);
}
END_TEST

START_TEST(what_a_resume_fetched_serves_the_whole_room)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 2), *bob;

    world->store.site.room_cache_bytes = 1;
    fake_lose(world, "m3");
    bob = fake_join(world, "bob", 2);
    fake_expect(bob, "resumed(last 2)"); /* the room knows no newer seq */
    fake_leave(world, bob);
    bob = fake_join(world, "bob", 3);
    fake_settle(world);
    fake_expect(bob, "resumed(last 3)");
    fake_elsewhere(world, "m4");
    fake_settle(world);
    fake_expect(ann, "msg(3:m3) msg(4:m4)");
    fake_expect(bob, "msg(4:m4)");
    fake_close(world);
}
END_TEST

UNIT_MAIN("room_resume", a_resume_is_served_from_what_the_room_remembers,
          a_resume_shows_edits_under_their_own_seq,
          a_resume_into_a_room_that_is_not_loaded_waits_for_it,
          who_says_something_before_he_has_his_history_is_answered_behind_it,
          a_resume_from_before_the_log_is_fetched,
          all_that_resume_from_before_the_log_cost_one_query,
          who_resumes_while_the_store_is_asked_is_served_by_that_answer_or_asks_once_more,
          who_leaves_while_it_resumes_leaves_the_others_their_answer,
          a_resume_that_the_store_cannot_answer_is_turned_away,
          a_resume_from_too_far_back_starts_anew, a_resume_that_turns_out_too_far_back_starts_anew,
          a_resume_from_the_future_starts_anew,
          a_resume_from_where_another_child_is_already_is_good,
          what_a_resume_fetched_serves_the_whole_room)
