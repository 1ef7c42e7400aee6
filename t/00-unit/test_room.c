/*
 * A room: histories, live events, gaps, deletions, and a store that is slow, full or down. The fake members check the
 * order of events themselves (fake_room.h). The tests here check what the members get.
 */
#include "fake_room.c"

#include "base/limits.h"

START_TEST(a_newcomer_gets_the_history_and_then_what_happens)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1), *bob;

    fake_expect(ann, "");
    ck_assert_str_eq(fake_jobs(&world->store), "LOAD");
    fake_settle(world);
    fake_expect(ann, "fresh(last 0)");
    fake_elsewhere(world, "a");
    fake_elsewhere(world, "b");
    fake_expect(ann, "msg(1:a) msg(2:b)");
    bob = fake_join(world, "bob", -1);
    ck_assert_str_eq(fake_jobs(&world->store), "");
    fake_expect(bob, "fresh(1:a 2:b last 2)");
    fake_elsewhere(world, "c");
    fake_expect(ann, "msg(3:c)");
    fake_expect(bob, "msg(3:c)");
    fake_close(world);
}
END_TEST

START_TEST(many_that_come_at_once_cost_one_query)
{
    fake_world_t *world = fake_open();
    fake_member_t *members[300];
    size_t i;

    for (i = 0; i < UNIT_COUNT(members); i++) {
        members[i] = fake_join(world, "ann", i % 3 ? -1 : 0);
    }
    ck_assert_str_eq(fake_jobs(&world->store), "LOAD");
    fake_settle(world);
    for (i = 0; i < UNIT_COUNT(members); i++) {
        fake_expect(members[i], i % 3 ? "fresh(last 0)" : "resumed(last 0)");
    }
    fake_close(world);
}
END_TEST

START_TEST(an_event_that_comes_twice_is_shown_once)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 2);

    fake_bring(world, 1);
    fake_bring(world, 2);
    fake_elsewhere(world, "c");
    fake_bring(world, 3);
    fake_expect(ann, "msg(3:c)");
    ck_assert_ptr_null(fake_room(world)->held);
    fake_close(world);
}
END_TEST

START_TEST(an_early_event_waits_for_the_one_before_it)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);

    fake_lose(world, "m2");
    fake_lose(world, "m3");
    fake_elsewhere(world, "m4");
    fake_expect(ann, "");
    ck_assert_str_eq(fake_jobs(&world->store), "EVENTS>1");
    fake_bring(world, 3);
    fake_bring(world, 4);
    fake_expect(ann, "");
    fake_bring(world, 2);
    fake_expect(ann, "msg(2:m2) msg(3:m3) msg(4:m4)");
    fake_settle(world); /* the store's late answer changes nothing */
    fake_expect(ann, "");
    fake_close(world);
}
END_TEST

START_TEST(a_lost_event_is_fetched)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);

    fake_lose(world, "m2");
    fake_elsewhere(world, "m3");
    fake_elsewhere(world, "m4");
    ck_assert_str_eq(fake_jobs(&world->store), "EVENTS>1");
    fake_settle(world);
    fake_expect(ann, "msg(2:m2) msg(3:m3) msg(4:m4)");
    ck_assert_ptr_null(fake_room(world)->held);
    fake_close(world);
}
END_TEST

START_TEST(a_gap_is_fetched_in_as_many_pieces_as_it_takes)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);
    int i;

    ann->quiet = true;
    for (i = 0; i < 2 * TC_ROOM_LOG_EVENTS + 10; i++) {
        fake_lose(world, "x");
    }
    fake_elsewhere(world, "last");
    fake_settle(world);
    ck_assert_int_eq(ann->seen, world->store.last_seq);
    fake_close(world);
}
END_TEST

START_TEST(more_early_events_than_can_be_held_are_fetched)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);
    int i;

    ann->quiet = true;
    fake_lose(world, "lost");
    for (i = 0; i < TC_ROOM_HELD_EVENTS + 2 * TC_ROOM_LOG_EVENTS; i++) {
        fake_elsewhere(world, "x");
    }
    ck_assert_uint_le(fake_room(world)->held_count, TC_ROOM_HELD_EVENTS);
    fake_settle(world);
    fake_tick(world);
    fake_settle(world);
    ck_assert_int_eq(ann->seen, world->store.last_seq);
    fake_close(world);
}
END_TEST

START_TEST(more_events_than_can_be_held_before_the_room_is_loaded_are_fetched)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1);
    int i;

    ann->quiet = true;
    ck_assert(fake_work(&world->store)); /* the store has read nothing yet */
    for (i = 0; i < TC_ROOM_HELD_EVENTS + 10; i++) {
        fake_elsewhere(world, "x");
    }
    fake_settle(world);
    fake_tick(world);
    fake_settle(world);
    ck_assert_int_eq(ann->seen, world->store.last_seq);
    fake_close(world);
}
END_TEST

/* ---- loading ---- */

START_TEST(events_that_come_while_the_room_loads_follow_the_history)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann;

    fake_elsewhere(world, "m1");
    ann = fake_join(world, "ann", -1);
    fake_elsewhere(world, "m2");
    ck_assert(fake_work(&world->store)); /* the store reads events 1 and 2 */
    fake_elsewhere(world, "m3");
    fake_elsewhere(world, "m4");
    fake_expect(ann, "");
    ck_assert(fake_answer(world, &world->store));
    fake_expect(ann, "fresh(1:m1 2:m2 last 2) msg(3:m3) msg(4:m4)");
    ck_assert_str_eq(fake_jobs(&world->store), "");
    fake_close(world);
}
END_TEST

START_TEST(a_gap_among_events_that_came_while_the_room_loaded_is_fetched)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1);

    ck_assert(fake_work(&world->store));
    fake_lose(world, "m1");
    fake_elsewhere(world, "m2");
    ck_assert(fake_answer(world, &world->store));
    fake_expect(ann, "fresh(last 0)");
    ck_assert_str_eq(fake_jobs(&world->store), "EVENTS>0");
    fake_settle(world);
    fake_expect(ann, "msg(1:m1) msg(2:m2)");
    fake_close(world);
}
END_TEST

START_TEST(what_a_member_says_before_its_history_comes_after_it)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann;

    fake_elsewhere(world, "m1");
    ann = fake_join(world, "ann", -1);
    fake_say(ann, "hi", "c1");
    ck_assert_str_eq(fake_jobs(&world->store), "LOAD POST");
    fake_settle(world);
    fake_expect(ann, "fresh(1:m1 last 1) msg(2:hi own c1)");
    fake_close(world);
}
END_TEST

START_TEST(the_history_holds_so_many_messages)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann;

    world->store.site.history_msgs = 3;
    ann = fake_ann_after(world, 5);
    fake_expect(fake_join(world, "bob", -1), "fresh(3:m3 4:m4 5:m5 last 5)");
    fake_elsewhere(world, "m6");
    fake_expect(fake_join(world, "bob", -1), "fresh(4:m4 5:m5 6:m6 last 6)");
    fake_expect(ann, "msg(6:m6)");
    fake_close(world);
}
END_TEST

START_TEST(a_site_may_want_no_history)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann;

    world->store.site.history_msgs = 0;
    ann = fake_ann_after(world, 2);
    fake_expect(fake_join(world, "bob", -1), "fresh(last 2)");
    fake_elsewhere(world, "m3");
    fake_expect(ann, "msg(3:m3)");
    fake_expect(fake_join(world, "bob", 2), "resumed(3:m3 last 3)");
    fake_close(world);
}
END_TEST

START_TEST(the_history_reaches_back_behind_many_edits)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann;
    int i;

    fake_elsewhere(world, "m1");
    fake_elsewhere(world, "m2");
    for (i = 0; i < TC_ROOM_LOG_EVENTS + 5; i++) {
        fake_edit(&world->store, 2, "edited");
    }
    ann = fake_join(world, "ann", -1);
    fake_settle(world);
    fake_expect(ann, "fresh(1:m1 2:edited last 263)");
    fake_close(world);
}
END_TEST

START_TEST(an_edit_replaces_the_text_in_the_history_where_the_message_stands)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 3);

    fake_edit(&world->store, 2, "new");
    fake_bring(world, 4);
    fake_expect(ann, "edit(4:new)");
    fake_expect(fake_join(world, "bob", -1), "fresh(1:m1 2:new 3:m3 last 4)");
    fake_edit(&world->store, 2, "newer");
    fake_bring(world, 5);
    fake_expect(fake_join(world, "bob", -1), "fresh(1:m1 2:newer 3:m3 last 5)");
    fake_expect(fake_join(world, "bob", 3), "resumed(4:new 5:newer last 5)");
    fake_close(world);
}
END_TEST

START_TEST(an_edit_of_a_message_out_of_the_history_is_shown_to_those_who_are_there)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann;

    world->store.site.history_msgs = 1;
    ann = fake_ann_after(world, 3);
    fake_edit(&world->store, 1, "new");
    fake_bring(world, 4);
    fake_expect(ann, "edit(4:new)");
    fake_expect(fake_join(world, "bob", -1), "fresh(3:m3 last 4)");
    fake_close(world);
}
END_TEST

/* ---- a room too big for its cache ---- */

START_TEST(a_room_too_big_for_its_cache_asks_the_store_for_each_wave)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann, *bob, *carol, *dave;

    world->store.site.room_cache_bytes = 1;
    ann = fake_ann_after(world, 3);
    bob = fake_join(world, "bob", -1);
    carol = fake_join(world, "carol", -1);
    ck_assert_str_eq(fake_jobs(&world->store), "LOAD");
    fake_settle(world);
    fake_expect(bob, "fresh(1:m1 2:m2 3:m3 last 3)");
    fake_expect(carol, "fresh(1:m1 2:m2 3:m3 last 3)");
    dave = fake_join(world, "dave", 1);
    ck_assert_str_eq(fake_jobs(&world->store), "EVENTS>0");
    fake_settle(world);
    fake_expect(dave, "resumed(2:m2 3:m3 last 3)");
    fake_elsewhere(world, "m4");
    fake_expect(ann, "msg(4:m4)");
    fake_expect(dave, "msg(4:m4)");
    fake_close(world);
}
END_TEST

START_TEST(a_resume_from_the_future_into_a_room_too_big_for_its_cache_starts_anew)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    world->store.site.room_cache_bytes = 1;
    fake_ann_after(world, 2);
    bob = fake_join(world, "bob", 99);
    fake_settle(world);
    fake_expect(bob, "lost(1:m1 2:m2 last 2)");
    fake_elsewhere(world, "m3");
    fake_expect(bob, "msg(3:m3)");
    fake_close(world);
}
END_TEST

START_TEST(events_that_come_while_a_big_room_answers_follow)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob, *carol;

    world->store.site.room_cache_bytes = 1;
    fake_ann_after(world, 2);
    bob = fake_join(world, "bob", -1);
    carol = fake_join(world, "carol", 1);
    while (fake_work(&world->store)) {
    }
    fake_elsewhere(world, "m3");
    fake_elsewhere(world, "m4");
    fake_settle(world);
    fake_expect(bob, "fresh(1:m1 2:m2 last 2) msg(3:m3) msg(4:m4)");
    fake_expect(carol, "resumed(2:m2 last 2) msg(3:m3) msg(4:m4)");
    fake_close(world);
}
END_TEST

START_TEST(a_big_room_never_holds_more_than_its_cache)
{
    fake_world_t *world = fake_open();
    int i;

    world->store.site.room_cache_bytes = 5000;
    fake_ann_after(world, 1)->quiet = true;
    for (i = 0; i < 600; i++) {
        fake_elsewhere(world, "some content of some length");
        ck_assert_uint_le(fake_room(world)->timeline.bytes, 5000);
    }
    fake_close(world);
}
END_TEST

/* ---- deleted events ---- */

START_TEST(nobody_waits_for_a_deleted_event)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);

    fake_delete(&world->store, fake_lose(world, "m2"));
    fake_elsewhere(world, "m3");
    fake_expect(ann, "");
    fake_settle(world);
    fake_expect(ann, "msg(3:m3)");
    fake_elsewhere(world, "m4");
    fake_expect(ann, "msg(4:m4)");
    fake_close(world);
}
END_TEST

START_TEST(events_deleted_at_the_end_are_passed_over)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);
    int64_t early;

    fake_lose(world, "m2");
    fake_delete(&world->store, fake_lose(world, "m3"));
    early = fake_lose(world, "m4");
    fake_bring(world, early);
    fake_delete(&world->store, early); /* held in this room, deleted in the store */
    fake_delete(&world->store, fake_lose(world, "m5"));
    fake_settle(world);
    fake_elsewhere(world, "m6");
    fake_settle(world);
    ck_assert_int_eq(ann->seen, 6);
    fake_close(world);
}
END_TEST

START_TEST(a_loaded_room_may_have_holes)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann, *bob;

    fake_delete(&world->store, fake_elsewhere(world, "m1"));
    fake_elsewhere(world, "m2");
    fake_delete(&world->store, fake_elsewhere(world, "m3"));
    fake_elsewhere(world, "m4");
    fake_delete(&world->store, fake_elsewhere(world, "m5"));
    ann = fake_join(world, "ann", -1);
    bob = fake_join(world, "bob", 1);
    fake_settle(world);
    fake_expect(ann, "fresh(2:m2 4:m4 last 5)");
    fake_expect(bob, "resumed(2:m2 4:m4 last 5)");
    fake_elsewhere(world, "m6");
    fake_expect(ann, "msg(6:m6)");
    fake_expect(bob, "msg(6:m6)");
    fake_close(world);
}
END_TEST

START_TEST(a_member_behind_a_hole_is_brought_over_it)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;

    world->store.site.room_cache_bytes = 1;
    fake_ann_after(world, 2);
    bob = fake_join(world, "bob", -1);
    ck_assert(fake_work(&world->store)); /* bob's history ends with 2 */
    fake_delete(&world->store, fake_elsewhere(world, "m3"));
    fake_elsewhere(world, "m4");
    fake_settle(world);
    fake_expect(bob, "fresh(1:m1 2:m2 last 2) msg(4:m4)");
    fake_close(world);
}
END_TEST

START_TEST(a_member_behind_a_hole_at_the_end_is_brought_over_it)
{
    fake_world_t *world = fake_open();
    fake_member_t *bob;
    int64_t last;

    world->store.site.room_cache_bytes = 1;
    fake_ann_after(world, 2);
    bob = fake_join(world, "bob", -1);
    ck_assert(fake_work(&world->store)); /* bob's history ends with 2 */
    fake_elsewhere(world, "m3");
    last = fake_elsewhere(world, "m4");
    fake_delete(&world->store, last);
    fake_settle(world);
    fake_expect(bob, "fresh(1:m1 2:m2 last 2) msg(3:m3)");
    fake_elsewhere(world, "m5");
    fake_expect(bob, "msg(5:m5)");
    fake_close(world);
}
END_TEST

START_TEST(a_member_ahead_of_its_room_is_brought_over_a_hole)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob;

    fake_lose(world, "m2");
    fake_lose(world, "m3");
    bob = fake_join(world, "bob", 2);
    fake_settle(world);
    fake_expect(bob, "resumed(3:m3 last 3)");
    fake_delete(&world->store, fake_lose(world, "m4"));
    fake_elsewhere(world, "m5");
    fake_settle(world);
    fake_expect(ann, "msg(2:m2) msg(3:m3) msg(5:m5)");
    fake_expect(bob, "msg(5:m5)");
    fake_close(world);
}
END_TEST

START_TEST(a_member_ahead_of_its_room_that_stands_in_a_hole_is_brought_over_it)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob;

    fake_lose(world, "m2");
    fake_delete(&world->store, fake_lose(world, "m3"));
    bob = fake_join(world, "bob", 2);
    fake_settle(world);
    fake_expect(bob, "resumed(last 3)");
    fake_delete(&world->store, fake_lose(world, "m4"));
    fake_elsewhere(world, "m5");
    fake_settle(world);
    fake_expect(ann, "msg(2:m2) msg(5:m5)");
    fake_expect(bob, "msg(5:m5)");
    fake_close(world);
}
END_TEST

/* ---- messages of members ---- */

START_TEST(the_sender_gets_its_copy_with_its_client_id_and_others_without)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);
    fake_member_t *tab = fake_join(world, "ann", 1), *bob = fake_join(world, "bob", 1);

    fake_forget(tab);
    fake_forget(bob);
    fake_say(ann, "hi", "c1");
    fake_expect(ann, ""); /* not stored yet, so not shown */
    fake_settle(world);
    fake_expect(ann, "msg(2:hi own c1)");
    fake_expect(tab, "msg(2:hi)");
    fake_expect(bob, "msg(2:hi)");
    fake_say(bob, "ho", NULL);
    fake_settle(world);
    fake_expect(bob, "msg(3:ho)");
    fake_expect(ann, "msg(3:ho)");
    fake_expect(fake_join(world, "bob", 1), "resumed(2:hi 3:ho last 3)");
    fake_close(world);
}
END_TEST

START_TEST(a_repeated_message_goes_to_its_sender_alone)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 0), *bob = fake_join(world, "bob", -1);

    fake_forget(bob);
    fake_say(ann, "hi", "c1");
    fake_settle(world);
    fake_expect(ann, "msg(1:hi own c1)");
    fake_expect(bob, "msg(1:hi)");
    fake_say(ann, "hi", "c1");
    fake_say(bob, "mine", "c1"); /* the same client_id of another sender is another message */
    fake_settle(world);
    fake_expect(ann, "msg(1:hi own c1) msg(2:mine)");
    fake_expect(bob, "msg(2:mine own c1)");
    ck_assert_uint_eq(world->bus.published, 2);
    fake_close(world);
}
END_TEST

START_TEST(a_repeated_message_that_the_room_has_not_seen_goes_to_all)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob = fake_join(world, "bob", 1);

    fake_forget(bob);
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    world->store.fail_after_commit = true;
    fake_say(ann, "hi", "c1");
    fake_settle(world);
    fake_expect(ann, "error(unavailable c1 2s)");
    world->store.fail_with = TC_JOB_PENDING;
    fake_say(ann, "hi", "c1");
    fake_settle(world);
    fake_expect(ann, "msg(2:hi own c1)");
    fake_expect(bob, "msg(2:hi)");
    ck_assert_int_eq(world->store.last_seq, 2);
    fake_close(world);
}
END_TEST

START_TEST(an_edit_goes_to_all)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 0), *bob = fake_join(world, "bob", -1);

    fake_say(ann, "hi", NULL);
    fake_settle(world);
    fake_forget(ann);
    fake_forget(bob);
    fake_say_edit(ann, 1, "ho");
    fake_say_edit(bob, 1, "stolen");
    fake_settle(world);
    fake_expect(ann, "edit(2:ho)");
    fake_expect(bob, "edit(2:ho) error(not_sender)");
    fake_close(world);
}
END_TEST

START_TEST(an_own_event_that_is_early_waits_like_any_other)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob = fake_join(world, "bob", 1);
    int64_t late;

    fake_forget(bob);
    fake_lose(world, "m2");
    fake_say(ann, "hi", "c1");
    ck_assert(fake_work(&world->store)); /* stored as 3, not answered yet */
    late = fake_lose(world, "m4");
    fake_bring(world, late);
    ck_assert(fake_answer(world, &world->store)); /* event 3 is put before event 4 */
    fake_expect(ann, "");
    fake_settle(world);
    fake_expect(ann, "msg(2:m2) msg(3:hi own c1) msg(4:m4)");
    fake_expect(bob, "msg(2:m2) msg(3:hi) msg(4:m4)");
    fake_close(world);
}
END_TEST

START_TEST(an_own_event_is_held_even_when_the_room_holds_no_more)
{
    static const size_t caches[] = {1, 1 << 20};
    size_t i;

    for (i = 0; i < UNIT_COUNT(caches); i++) {
        fake_world_t *world = fake_open();
        fake_member_t *ann = fake_ann_after(world, 1);
        int64_t last;

        world->store.site.room_cache_bytes = caches[i];
        world->store.max_queued = 0; /* the gap cannot be fetched now */
        fake_lose(world, "m2");
        for (last = 2; last < TC_ROOM_HELD_EVENTS + 10; last++) {
            fake_elsewhere(world, "x");
        }
        world->store.max_queued = 10;
        fake_say(ann, "hi", "c1");
        fake_settle(world);
        fake_tick(world);
        fake_settle(world);
        ck_assert_ptr_nonnull(strstr(fake_transcript(ann), ":hi own c1)"));
        fake_close(world);
    }
}
END_TEST

/* A client sends a message and loses its connection while a gap delays the message. Then it reconnects and repeats. */
START_TEST(a_repeated_message_that_is_held_back_goes_to_the_connection_that_repeats_it)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *again;

    fake_say(ann, "hi", "c1");
    world->store.max_queued = 0; /* the gap cannot be fetched now */
    fake_lose(world, "m2");
    fake_elsewhere(world, "m3");
    fake_settle(world);
    fake_leave(world, ann);
    again = fake_join(world, "ann", 1);
    world->store.max_queued = 10;
    fake_say(again, "hi", "c1");
    fake_settle(world);
    fake_tick(world);
    fake_settle(world);
    fake_expect(again, "resumed(last 1) msg(2:m2) msg(3:m3) msg(4:hi own c1)");
    fake_close(world);
}
END_TEST

/* The store may do a later write before an earlier read. Then the fetch brings the message first. */
START_TEST(an_own_message_that_a_fetch_brings_first_is_shown_once_and_with_its_client_id)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob = fake_join(world, "bob", 1);

    fake_forget(bob);
    fake_lose(world, "m2");
    fake_elsewhere(world, "m3");
    fake_say(ann, "hi", "c1");
    fake_say(ann, "ho", NULL);
    ck_assert_str_eq(fake_jobs(&world->store), "EVENTS>1 POST POST");
    fake_work_batch(&world->store);
    ck_assert(fake_answer(world, &world->store));
    fake_expect(ann, "msg(2:m2) msg(3:m3) msg(4:hi own c1) msg(5:ho)");
    fake_expect(bob, "msg(2:m2) msg(3:m3) msg(4:hi) msg(5:ho)");
    fake_settle(world);
    fake_expect(ann, "");
    fake_expect(bob, "");
    ck_assert_uint_eq(world->bus.published, 2);
    fake_close(world);
}
END_TEST

START_TEST(own_edits_that_a_fetch_brings_first_are_shown_once_and_with_their_client_ids)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 0);
    char json[200], id[TC_UUID_CHARS + 1];
    int i;

    fake_say(ann, "hi", NULL);
    fake_settle(world);
    fake_forget(ann);
    fake_lose(world, "m2");
    fake_elsewhere(world, "m3");
    tc_uuid_format(&world->store.messages[0].id, id);
    for (i = 1; i <= 2; i++) {
        snprintf(json, sizeof(json), "{\"type\":\"edit_message\",\"message_id\":\"%s\","
                                     "\"content\":\"ho\",\"client_id\":\"e%d\"}", id, i);
        fake_send(ann, json);
    }
    fake_work_batch(&world->store);
    fake_settle(world);
    fake_expect(ann, "msg(2:m2) msg(3:m3) edit(4:ho own e1) edit(5:ho own e2)");
    fake_close(world);
}
END_TEST

START_TEST(who_waits_for_an_answer_waits_urgently)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 0), *bob = fake_join(world, "bob", -1);

    ck_assert_uint_eq(ann->urgent, 1); /* the history */
    fake_say(ann, "hi", "c1");
    fake_say(ann, "ho", NULL);
    fake_send(ann, "{}");
    fake_settle(world);
    ck_assert_uint_eq(ann->urgent, 4);
    ck_assert_uint_eq(bob->urgent, 1);
    ck_assert_uint_eq(bob->frames, 3);
    fake_close(world);
}
END_TEST

START_TEST(a_refused_message_is_answered_to_its_sender_alone)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob = fake_join(world, "bob", 1);

    fake_forget(bob);
    fake_send(ann, "{\"type\":\"chat_message\",\"content\":\"a\",\"client_id\":\"c1\","
                   "\"reply_to\":\"" FAKE_TRIP "\"}");
    fake_send(ann, "{\"type\":\"edit_message\",\"content\":\"a\",\"message_id\":\"" FAKE_TRIP "\"}");
    fake_settle(world);
    fake_expect(ann, "error(reply_not_found c1) error(message_not_found)");
    fake_expect(bob, "");
    fake_close(world);
}
END_TEST

START_TEST(what_cannot_be_read_is_answered_at_once)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);

    fake_send(ann, "{");
    fake_send(ann, "{\"type\":\"chat_message\",\"client_id\":\"c1\"}");
    fake_send(ann, "{\"type\":\"x\"}");
    fake_expect(ann, "error(invalid_json) error(invalid_field c1 content) error(unknown_type)");
    ck_assert_str_eq(fake_jobs(&world->store), "");
    ck_assert_uint_eq(ann->member.jobs, 0);
    fake_close(world);
}
END_TEST

/* ---- a store in trouble ---- */

START_TEST(a_full_queue_is_told_to_who_speaks)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);

    world->store.max_queued = 1;
    fake_say(ann, "one", "c1");
    fake_say(ann, "two", "c2");
    fake_expect(ann, "error(overloaded c2 2s)");
    ck_assert_uint_eq(ann->member.jobs, 1);
    fake_settle(world);
    fake_expect(ann, "msg(2:one own c1)");
    ck_assert_uint_eq(ann->settled, 1);
    fake_close(world);
}
END_TEST

START_TEST(a_full_queue_turns_newcomers_away)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann, *bob;

    world->store.max_queued = 0;
    ann = fake_join(world, "ann", -1);
    fake_expect(ann, "CLOSE1013");
    world->store.max_queued = 10;
    bob = fake_join(world, "bob", -1); /* the room still works */
    fake_settle(world);
    fake_expect(bob, "fresh(last 0)");
    fake_close(world);
}
END_TEST

START_TEST(a_full_queue_turns_a_resume_away_that_needs_the_store)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 2);

    world->store.max_queued = 0;
    fake_expect(fake_join(world, "bob", 99), "CLOSE1013");
    fake_expect(fake_join(world, "bob", 1), "resumed(2:m2 last 2)");
    fake_elsewhere(world, "m3");
    fake_expect(ann, "msg(3:m3)");
    fake_close(world);
}
END_TEST

START_TEST(a_gap_that_cannot_be_fetched_now_is_fetched_later)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);

    world->store.max_queued = 0;
    fake_lose(world, "m2");
    fake_elsewhere(world, "m3");
    fake_tick(world);
    world->store.max_queued = 10;
    fake_expect(ann, "");
    fake_tick(world);
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    fake_settle(world);
    world->store.fail_with = TC_JOB_PENDING;
    fake_expect(ann, "");
    fake_tick(world);
    fake_settle(world);
    fake_expect(ann, "msg(2:m2) msg(3:m3)");
    fake_close(world);
}
END_TEST

START_TEST(an_unavailable_store_is_told_to_who_speaks_and_turns_others_away)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob, *carol;

    world->store.fail_with = TC_JOB_UNAVAILABLE;
    fake_say(ann, "hi", "c1");
    fake_say_edit(ann, 1, "x");
    bob = fake_join(world, "bob", 50);
    fake_settle(world);
    fake_expect(ann, "error(unavailable c1 2s) error(unavailable 2s)");
    fake_expect(bob, "CLOSE1013");
    fake_close(world);
    world = fake_open();
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    carol = fake_join(world, "carol", -1);
    bob = fake_join(world, "bob", 0);
    fake_settle(world);
    fake_expect(carol, "CLOSE1013");
    fake_expect(bob, "CLOSE1013");
    world->store.fail_with = TC_JOB_PENDING;
    carol = fake_join(world, "carol", -1);
    fake_settle(world);
    fake_expect(carol, "fresh(last 0)");
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_is_gone_closes_its_members)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob;

    world->store.fail_with = TC_JOB_GONE;
    fake_say(ann, "hi", "c1");
    fake_settle(world);
    fake_expect(ann, "CLOSE1012");
    fake_close(world);
    world = fake_open();
    world->store.fail_with = TC_JOB_GONE;
    bob = fake_join(world, "bob", -1);
    fake_settle(world);
    fake_expect(bob, "CLOSE1012");
    fake_close(world);
}
END_TEST

START_TEST(a_sender_who_is_gone_is_shown_out)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1);

    world->store.fail_with = TC_JOB_REFUSED;
    world->store.fail_error = TC_CHAT_FORBIDDEN;
    fake_say(ann, "hi", "c1");
    fake_settle(world);
    fake_expect(ann, "CLOSE4003");
    fake_close(world);
}
END_TEST

START_TEST(answers_for_who_has_left_go_nowhere)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob = fake_join(world, "bob", 99), *carol;

    fake_say(ann, "hi", "c1");
    fake_leave(world, ann);
    fake_leave(world, bob);
    carol = fake_join(world, "carol", 1);
    fake_settle(world);
    fake_expect(ann, "");
    fake_expect(bob, "");
    fake_expect(carol, "resumed(last 1) msg(2:hi)");
    ck_assert_uint_eq(ann->settled, 1);
    ck_assert_uint_eq(bob->settled, 0); /* the job was the room's own */
    fake_close(world);
}
END_TEST

START_TEST(a_refusal_for_who_has_left_goes_nowhere)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_ann_after(world, 1), *bob = fake_join(world, "bob", 1);

    fake_forget(bob);
    fake_say(ann, "hi", "c1");
    fake_leave(world, ann);
    world->store.fail_with = TC_JOB_GONE;
    fake_settle(world);
    fake_expect(ann, "");
    fake_expect(bob, "");
    fake_close(world);
}
END_TEST

UNIT_MAIN("room", a_newcomer_gets_the_history_and_then_what_happens,
          many_that_come_at_once_cost_one_query, an_event_that_comes_twice_is_shown_once,
          an_early_event_waits_for_the_one_before_it, a_lost_event_is_fetched,
          a_gap_is_fetched_in_as_many_pieces_as_it_takes,
          more_early_events_than_can_be_held_are_fetched,
          more_events_than_can_be_held_before_the_room_is_loaded_are_fetched,
          events_that_come_while_the_room_loads_follow_the_history,
          a_gap_among_events_that_came_while_the_room_loaded_is_fetched,
          what_a_member_says_before_its_history_comes_after_it, the_history_holds_so_many_messages,
          a_site_may_want_no_history, the_history_reaches_back_behind_many_edits,
          an_edit_replaces_the_text_in_the_history_where_the_message_stands,
          an_edit_of_a_message_out_of_the_history_is_shown_to_those_who_are_there,
          a_room_too_big_for_its_cache_asks_the_store_for_each_wave,
          a_resume_from_the_future_into_a_room_too_big_for_its_cache_starts_anew,
          events_that_come_while_a_big_room_answers_follow,
          a_big_room_never_holds_more_than_its_cache, nobody_waits_for_a_deleted_event,
          events_deleted_at_the_end_are_passed_over, a_loaded_room_may_have_holes,
          a_member_behind_a_hole_is_brought_over_it,
          a_member_behind_a_hole_at_the_end_is_brought_over_it,
          a_member_ahead_of_its_room_is_brought_over_a_hole,
          a_member_ahead_of_its_room_that_stands_in_a_hole_is_brought_over_it,
          the_sender_gets_its_copy_with_its_client_id_and_others_without,
          a_repeated_message_goes_to_its_sender_alone,
          a_repeated_message_that_the_room_has_not_seen_goes_to_all, an_edit_goes_to_all,
          an_own_event_that_is_early_waits_like_any_other,
          an_own_event_is_held_even_when_the_room_holds_no_more,
          a_repeated_message_that_is_held_back_goes_to_the_connection_that_repeats_it,
          an_own_message_that_a_fetch_brings_first_is_shown_once_and_with_its_client_id,
          own_edits_that_a_fetch_brings_first_are_shown_once_and_with_their_client_ids,
          who_waits_for_an_answer_waits_urgently, a_refused_message_is_answered_to_its_sender_alone,
          what_cannot_be_read_is_answered_at_once, a_full_queue_is_told_to_who_speaks,
          a_full_queue_turns_newcomers_away, a_full_queue_turns_a_resume_away_that_needs_the_store,
          a_gap_that_cannot_be_fetched_now_is_fetched_later,
          an_unavailable_store_is_told_to_who_speaks_and_turns_others_away,
          a_room_that_is_gone_closes_its_members, a_sender_who_is_gone_is_shown_out, answers_for_who_has_left_go_nowhere,
          a_refusal_for_who_has_left_goes_nowhere)
