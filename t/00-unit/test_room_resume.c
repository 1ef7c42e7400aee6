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
    fake_expect(carol, "CLOSE1012");
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

/* ---- bytes ---- */

enum { BIG_CHARS = 40000 };

/* Writes messages of 240 KB of JSON each: a character below U+0020 takes six bytes. */
static void write_big(fake_world_t *world, int count)
{
    static char content[BIG_CHARS + 1];
    tc_user_t *zoe = tc_user_create("zoe", NULL, NULL, NULL);
    int i;

    memset(content, 1, BIG_CHARS);
    for (i = 0; i < count; i++) {
        fake_bring(world, fake_write(&world->store, zoe, content, NULL));
    }
    tc_user_unref(zoe);
}

/* Checks that the member got one history of its kind, and returns the number of the events in it. */
static int shown(fake_member_t *member, const char *kind)
{
    const char *at = fake_transcript(member);
    int count = 0;

    ck_assert_msg(strncmp(at, kind, strlen(kind)) == 0, "not %s: %.20s", kind, at);
    while ((at = strchr(at, ':')) != NULL) {
        at++;
        count++;
    }
    fake_forget(member);
    return count;
}

START_TEST(a_history_of_huge_messages_has_fewer_of_them)
{
    static const size_t caches[] = {1 << 20, 64 << 20, 0};
    size_t i;

    for (i = 0; i < UNIT_COUNT(caches); i++) {
        fake_world_t *world = fake_open();
        fake_member_t *ann;
        int live, loaded;

        world->store.site.room_cache_bytes = caches[i];
        fake_settle_in(world, "zoe")->quiet = true;
        write_big(world, 30);
        ann = fake_join(world, "ann", -1);
        fake_settle(world);
        live = shown(ann, "fresh(");
        fake_leave(world, ann);
        fake_leave(world, world->members->next);
        world->now_us += 60 * FAKE_SECOND;
        fake_tick(world);
        ck_assert_uint_eq(tc_hub_room_count(world->hub), 0);
        ann = fake_join(world, "ann", -1);
        fake_settle(world);
        loaded = shown(ann, "fresh(");
        ck_assert_int_eq(live, TC_HISTORY_BYTES / (6 * BIG_CHARS));
        ck_assert_int_eq(loaded, live);
        fake_close(world);
    }
}
END_TEST

START_TEST(a_resume_of_too_many_bytes_starts_anew_whatever_the_limits)
{
    static const size_t caches[] = {1 << 20, 64 << 20, 0};
    size_t i;

    for (i = 0; i < UNIT_COUNT(caches); i++) {
        fake_world_t *world = fake_open();
        fake_member_t *ann, *bob;

        world->store.site.room_cache_bytes = caches[i];
        world->store.site.resume_events = 100000;
        fake_settle_in(world, "zoe")->quiet = true;
        write_big(world, 30);
        ann = fake_join(world, "ann", 1);
        bob = fake_join(world, "bob", 27);
        fake_settle(world);
        ck_assert_int_eq(shown(ann, "lost("), TC_HISTORY_BYTES / (6 * BIG_CHARS));
        ck_assert_int_eq(shown(bob, "resumed("), 3);
        fake_close(world);
    }
}
END_TEST

/* Many small events before them must not make a resume too long, only because one query serves all. */
START_TEST(who_lacks_little_is_served_though_the_answer_for_all_was_cut_short)
{
    fake_world_t *world = fake_open();
    fake_member_t *members[4];
    int i;

    world->store.site.room_cache_bytes = 0;
    fake_settle_in(world, "zoe")->quiet = true;
    write_big(world, 20);
    for (i = 0; i < 4; i++) {
        members[i] = fake_join(world, "ann", 19 - 4 * i);
    }
    fake_settle(world);
    ck_assert_int_eq(shown(members[0], "resumed("), 1);
    for (i = 1; i < 4; i++) {
        ck_assert_int_eq(shown(members[i], "lost("), TC_HISTORY_BYTES / (6 * BIG_CHARS));
    }
    fake_close(world);
}
END_TEST

/* A message alone may have more than a history, with the slackest configuration. It is shown all the same. */
START_TEST(the_newest_message_is_shown_whatever_its_size)
{
    fake_world_t *world = fake_open();
    tc_user_t *zoe = tc_user_create("zoe", NULL, NULL, NULL);
    char *content = calloc(1, (TC_STORE_READ_BYTES > TC_HISTORY_BYTES ? TC_STORE_READ_BYTES : TC_HISTORY_BYTES) + 1);
    fake_member_t *ann = fake_ann_after(world, 2);
    int i;

    memset(content, 'x', (TC_STORE_READ_BYTES > TC_HISTORY_BYTES ? TC_STORE_READ_BYTES : TC_HISTORY_BYTES));
    for (i = 0; i < 2; i++) {
        fake_lose(world, "small");
        fake_bring(world, fake_write(&world->store, zoe, content, NULL));
        fake_settle(world);
    }
    ck_assert_int_eq(ann->seen, 6);
    fake_join(world, "bob", -1);
    fake_settle(world);
    ck_assert_int_eq(shown(world->members, "fresh("), 1);
    fake_join(world, "bob", 3);
    fake_settle(world);
    ck_assert_int_eq(shown(world->members, "lost("), 1);
    fake_close(world);
    tc_user_unref(zoe);
    free(content);
}
END_TEST

START_TEST(a_gap_of_huge_messages_is_fetched_in_pieces)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_settle_in(world, "ann"), *bob;
    tc_user_t *zoe = tc_user_create("zoe", NULL, NULL, NULL);
    char *content = calloc(1, TC_STORE_READ_BYTES / 4 + 1);
    int i, turns = 0;

    ann->quiet = true;
    memset(content, 'x', TC_STORE_READ_BYTES / 4);
    for (i = 0; i < 20; i++) {
        fake_write(&world->store, zoe, content, NULL);
    }
    fake_hear_head(world, 20);
    for (; fake_work(&world->store); turns++) {
        ck_assert(fake_answer(world, &world->store));
    }
    ck_assert_int_ge(turns, 5);
    ck_assert_int_eq(ann->seen, 20);
    bob = fake_rejoin(world, "bob", 2); /* moved here, from before the log */
    bob->quiet = true;
    for (turns = 0; fake_work(&world->store); turns++) {
        ck_assert(fake_answer(world, &world->store));
    }
    ck_assert_int_ge(turns, 4);
    ck_assert_int_eq(bob->seen, 20);
    fake_close(world);
    tc_user_unref(zoe);
    free(content);
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
          what_a_resume_fetched_serves_the_whole_room,
          a_history_of_huge_messages_has_fewer_of_them, a_resume_of_too_many_bytes_starts_anew_whatever_the_limits,
          who_lacks_little_is_served_though_the_answer_for_all_was_cut_short,
          the_newest_message_is_shown_whatever_its_size, a_gap_of_huge_messages_is_fetched_in_pieces)
