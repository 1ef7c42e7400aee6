/*
 * The hub and its bus: what the hub publishes and when, and what it does with the envelopes of other children. The bus
 * may lose an envelope, bring it twice, lie, or be down. Children that share rows are siblings (fake_room.h).
 */
#include "fake_room.c"

/* Two children on one store. Ann is in the first child, bob in the second. */
typedef struct {
    fake_world_t *here, *there;
    fake_member_t *ann, *bob;
} pair_t;

static pair_t open_pair(tc_bus_state_e state)
{
    pair_t pair;

    pair.here = fake_open_bus(state);
    pair.there = fake_open_sibling(pair.here);
    pair.ann = fake_settle_in(pair.here, "ann");
    pair.bob = fake_settle_in(pair.there, "bob");
    return pair;
}

static void close_pair(pair_t *pair)
{
    fake_close(pair->there);
    fake_close(pair->here);
}

/* Delivers letter `number` of one child to another. */
static void carry(const fake_world_t *from, int number, fake_world_t *to)
{
    ck_assert_int_lt(number, from->bus.letter_count);
    fake_carry(&from->bus.letters[number], to->hub, &to->store.site);
}

/* A member sends `count` messages, and each is stored, delivered and published. */
static void say_some(fake_world_t *world, fake_member_t *member, int count)
{
    char content[16];

    while (count-- > 0) {
        snprintf(content, sizeof(content), "m%d", (int)world->store.rows_of->last_seq + 1);
        fake_say(member, content, NULL);
        fake_settle(world);
    }
    fake_forget(member);
}

/* ---- publishing ---- */

START_TEST(an_event_is_published_after_its_commit_and_not_before)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_say(ann, "hi", "c1");
    fake_expect_told(world, "");
    ck_assert(fake_work(&world->store)); /* committed, but the loop does not know yet */
    fake_expect_told(world, "");
    ck_assert(fake_answer(world, &world->store));
    fake_expect_told(world, "msg(1)");
    fake_say_edit(ann, 1, "ho");
    fake_expect_told(world, "");
    fake_settle(world);
    fake_expect_told(world, "edit(2)");
    fake_close(world);
}
END_TEST

START_TEST(a_repeated_message_is_not_published_again)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann"), *bob = fake_settle_in(world, "bob");

    fake_say(ann, "hi", "c1");
    fake_say(ann, "hi", "c1");
    fake_settle(world);
    fake_expect_told(world, "msg(1)");
    fake_say(ann, "hi", "c1");
    fake_settle(world);
    fake_expect_told(world, "");
    fake_expect(ann, "msg(1:hi own c1) msg(1:hi own c1) msg(1:hi own c1)");
    fake_expect(bob, "msg(1:hi)");
    fake_close(world);
}
END_TEST

START_TEST(what_was_not_stored_is_not_published)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_send(ann, "{\"type\":\"edit_message\",\"content\":\"a\",\"message_id\":\"" FAKE_TRIP "\"}");
    fake_settle(world);
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    fake_say(ann, "hi", "c1");
    fake_settle(world);
    world->store.fail_with = TC_JOB_PENDING;
    world->store.max_queued = 0;
    fake_say(ann, "hi", "c2");
    fake_expect_told(world, "");
    fake_expect(ann, "error(message_not_found) error(unavailable c1 2s) error(overloaded c2 2s)");
    fake_close(world);
}
END_TEST

START_TEST(what_the_bus_or_the_store_brought_is_not_published)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_elsewhere(world, "m1");
    fake_hear_head(world, fake_lose(world, "m2"));
    fake_settle(world);
    fake_expect(ann, "msg(1:m1) msg(2:m2)");
    fake_bus_becomes(world, TC_BUS_DOWN);
    fake_bus_becomes(world, TC_BUS_UP);
    fake_expect_told(world, "");
    fake_close(world);
}
END_TEST

START_TEST(what_is_stored_for_somebody_who_has_left_is_published)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_say(ann, "hi", "c1");
    fake_leave(world, ann);
    fake_settle(world);
    fake_expect_told(world, "msg(1)");
    fake_close(world);
}
END_TEST

START_TEST(a_room_is_opened_once_and_closed_once)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *members[20];
    int i, turn;

    world->store.site.room_linger_us = 0;
    for (turn = 1; turn <= 2; turn++) {
        for (i = 0; i < 20; i++) { /* four rooms with five members; the fake bus checks which rooms are open */
            members[i] = fake_join_number(world, "ann", i % 4);
        }
        ck_assert_uint_eq(world->bus.opened, (unsigned)turn * 4);
        ck_assert_uint_eq(world->bus.closed, (unsigned)(turn - 1) * 4);
        fake_settle(world);
        for (i = 0; i < 20; i++) {
            fake_leave(world, members[i]);
            ck_assert_uint_eq(world->bus.closed, (unsigned)(turn - 1) * 4);
        }
        fake_tick(world);
        fake_settle(world);
        fake_tick(world);
        ck_assert_uint_eq(world->bus.closed, (unsigned)turn * 4);
        ck_assert_uint_eq(tc_hub_room_count(world->hub), 0);
    }
    fake_close(world);
}
END_TEST

/* ---- receiving ---- */

START_TEST(what_one_child_stores_the_members_of_another_are_shown)
{
    pair_t pair = open_pair(TC_BUS_UP);

    fake_say(pair.ann, "h\\u00e9 \\\"x\\\"", "c1");
    fake_settle(pair.here);
    carry(pair.here, 0, pair.there);
    fake_expect(pair.ann, "msg(1:h\xc3\xa9 \"x\" own c1)");
    fake_expect(pair.bob, "msg(1:h\xc3\xa9 \"x\")");
    fake_say_edit(pair.ann, 1, "ho");
    fake_settle(pair.here);
    carry(pair.here, 1, pair.there);
    fake_expect(pair.bob, "edit(2:ho)");
    fake_expect(fake_join(pair.there, "carol", -1), "fresh(1:ho last 2)");
    fake_expect(fake_join(pair.there, "carol", 1), "resumed(2:ho last 2)");
    fake_expect_jobs(pair.there, ""); /* without a query */
    fake_expect_told(pair.there, "");
    close_pair(&pair);
}
END_TEST

START_TEST(an_early_event_is_held_until_the_gap_is_fetched)
{
    pair_t pair = open_pair(TC_BUS_UP);

    say_some(pair.here, pair.ann, 4);
    carry(pair.here, 0, pair.there);
    carry(pair.here, 3, pair.there);
    carry(pair.here, 2, pair.there);
    fake_expect(pair.bob, "msg(1:m1)");
    fake_expect_jobs(pair.there, "EVENTS>1");
    fake_settle(pair.there);
    fake_expect(pair.bob, "msg(2:m2) msg(3:m3) msg(4:m4)");
    ck_assert_ptr_null(fake_room(pair.there)->held);
    close_pair(&pair);
}
END_TEST

START_TEST(an_event_that_the_bus_brings_often_is_shown_once)
{
    pair_t pair = open_pair(TC_BUS_UP);
    int i;

    say_some(pair.here, pair.ann, 3);
    carry(pair.here, 2, pair.there);
    for (i = 0; i < 3; i++) {
        carry(pair.here, 2, pair.there);
        carry(pair.here, 0, pair.there);
    }
    carry(pair.here, 1, pair.there);
    carry(pair.here, 1, pair.there);
    fake_expect(pair.bob, "msg(1:m1) msg(2:m2) msg(3:m3)");
    ck_assert_uint_eq(fake_room(pair.there)->held_count, 0);
    fake_settle(pair.there);
    fake_expect(pair.bob, "");
    close_pair(&pair);
}
END_TEST

START_TEST(an_event_that_comes_from_the_store_and_over_the_bus_is_shown_once)
{
    pair_t pair = open_pair(TC_BUS_UP);

    fake_say(pair.ann, "m1", "c1");
    fake_settle(pair.here);
    carry(pair.here, 0, pair.here);
    fake_expect(pair.ann, "msg(1:m1 own c1)");
    fake_hear_head(pair.there, 1);
    fake_settle(pair.there);
    carry(pair.here, 0, pair.there);
    fake_expect(pair.bob, "msg(1:m1)");
    fake_say(pair.ann, "m2", NULL);
    fake_settle(pair.here);
    fake_hear_head(pair.there, 2);
    ck_assert(fake_work(&pair.there->store));
    carry(pair.here, 1, pair.there); /* while the fetch is under way */
    fake_settle(pair.there);
    fake_expect(pair.bob, "msg(2:m2)");
    close_pair(&pair);
}
END_TEST

START_TEST(events_that_come_while_the_room_loads_follow_its_history)
{
    pair_t pair = open_pair(TC_BUS_UP);
    fake_world_t *third = fake_open_sibling(pair.here);
    fake_member_t *carol;

    say_some(pair.here, pair.ann, 1);
    carol = fake_join(third, "carol", -1);
    ck_assert(fake_work(&third->store));
    say_some(pair.here, pair.ann, 2);
    carry(pair.here, 0, third);
    carry(pair.here, 2, third);
    carry(pair.here, 1, third);
    fake_expect(carol, "");
    ck_assert(fake_answer(third, &third->store));
    fake_expect(carol, "fresh(1:m1 last 1) msg(2:m2) msg(3:m3)");
    fake_expect_jobs(third, "");
    fake_close(third);
    close_pair(&pair);
}
END_TEST

START_TEST(how_far_a_room_has_come_makes_it_fetch_what_it_lacks)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_lose(world, "m1");
    fake_lose(world, "m2");
    fake_hear_head(world, 0);
    fake_expect_jobs(world, "");
    fake_hear_head(world, 2);
    fake_hear_head(world, 1);
    fake_hear_head(world, 2);
    fake_expect_jobs(world, "EVENTS>0");
    fake_settle(world);
    fake_expect(ann, "msg(1:m1) msg(2:m2)");
    fake_hear_head(world, 2);
    fake_hear_head(world, 1);
    fake_expect_jobs(world, "");
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_loads_fetches_only_what_its_history_lacks)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann;

    fake_lose(world, "m1");
    ann = fake_join(world, "ann", -1);
    fake_hear_head(world, 1);
    fake_expect_jobs(world, "LOAD");
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer(world, &world->store));
    fake_expect_jobs(world, "");
    fake_leave(world, ann);
    world->now_us += world->store.site.room_linger_us;
    fake_tick(world);
    ann = fake_join(world, "ann", -1);
    ck_assert(fake_work(&world->store));
    fake_hear_head(world, fake_lose(world, "m2"));
    ck_assert(fake_answer(world, &world->store));
    fake_expect_jobs(world, "EVENTS>1");
    fake_settle(world);
    fake_expect(ann, "fresh(1:m1 last 1) msg(2:m2)");
    fake_close(world);
}
END_TEST

/* An attacker may write anything to the bus. A site on another copy of the rows may be ahead of this child's rows. */
START_TEST(a_room_that_is_said_to_have_come_further_than_it_has_is_not_asked_for_without_end)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_elsewhere(world, "m1");
    fake_hear_head(world, 1000);
    fake_settle(world); /* aborts if there is no end */
    fake_elsewhere(world, "m2");
    fake_settle(world);
    fake_expect(ann, "msg(1:m1) msg(2:m2)");
    fake_lose(world, "m3");
    fake_hear_head(world, 3); /* a true seq counts after the false one */
    fake_settle(world);
    fake_expect(ann, "msg(3:m3)");
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_the_bus_has_taken_up_is_probed)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_lose(world, "m1"); /* between the load and the subscription */
    fake_bus_joins(world);
    fake_expect_jobs(world, "HEADS:1");
    fake_settle(world);
    fake_expect(ann, "msg(1:m1)");
    fake_bus_joins(world);
    ck_assert(fake_work(&world->store)); /* the store has read and found nothing */
    fake_lose(world, "m2");
    fake_bus_joins(world);
    fake_settle(world);
    fake_expect(ann, "msg(2:m2)");
    fake_settle(world);
    fake_expect_jobs(world, "");
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_the_bus_takes_up_before_it_is_loaded_is_probed_after)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_join(world, "ann", -1);

    ck_assert(fake_work(&world->store)); /* the store has read nothing yet */
    fake_lose(world, "m1");
    fake_bus_joins(world);
    fake_expect_jobs(world, "");
    ck_assert(fake_answer(world, &world->store));
    fake_expect_jobs(world, "HEADS:1");
    fake_settle(world);
    fake_expect(ann, "fresh(last 0) msg(1:m1)");
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_loads_while_the_bus_comes_up_is_probed_after)
{
    fake_world_t *world = fake_open_bus(TC_BUS_DOWN);
    fake_member_t *ann = fake_join(world, "ann", -1);

    ck_assert(fake_work(&world->store)); /* the store has read nothing yet */
    fake_lose(world, "m1");
    fake_bus_becomes(world, TC_BUS_UP);
    ck_assert(fake_answer(world, &world->store));
    fake_settle(world);
    fake_expect(ann, "fresh(last 0) msg(1:m1)");
    fake_close(world);
}
END_TEST

START_TEST(what_the_bus_brings_for_a_room_that_is_not_there_is_ignored)
{
    pair_t pair = open_pair(TC_BUS_UP);
    fake_world_t *third = fake_open_sibling(pair.here);

    say_some(pair.here, pair.ann, 1);
    fake_type(pair.ann, true);
    fake_expect_told(pair.here, "msg(1) typing(ann on)");
    carry(pair.here, 0, third);
    carry(pair.here, 1, third);
    fake_hear_head(third, 1);
    fake_bus_joins(third);
    fake_bus_becomes(third, TC_BUS_DOWN);
    fake_bus_becomes(third, TC_BUS_UP);
    fake_expect_jobs(third, "");
    ck_assert_uint_eq(tc_hub_room_count(third->hub), 0);
    fake_leave(pair.there, pair.bob);
    pair.there->now_us += pair.there->store.site.room_linger_us;
    fake_tick(pair.there);
    ck_assert_uint_eq(tc_hub_room_count(pair.there->hub), 0);
    carry(pair.here, 0, pair.there);
    fake_bus_joins(pair.there);
    fake_expect_jobs(pair.there, "");
    fake_close(third);
    close_pair(&pair);
}
END_TEST

/* A client sends a message, loses its connection, connects to another child and sends the message again. */
START_TEST(a_repeated_message_that_is_held_back_comes_to_its_sender_with_its_client_id)
{
    pair_t pair = open_pair(TC_BUS_UP);
    fake_member_t *ann;

    fake_lose(pair.here, "m1");
    fake_hear_head(pair.here, 1);
    fake_settle(pair.here);
    fake_say(pair.ann, "hi", "c1");
    fake_settle(pair.here);
    ann = fake_join(pair.there, "ann", 0);
    fake_forget(ann);
    pair.there->store.max_queued = 0; /* the gap cannot be fetched now */
    carry(pair.here, 0, pair.there);
    pair.there->store.max_queued = 10;
    fake_say(ann, "hi", "c1");
    fake_settle(pair.there);
    fake_tick(pair.there);
    fake_settle(pair.there);
    fake_expect(pair.bob, "msg(1:m1) msg(2:hi)");
    fake_expect(ann, "msg(1:m1) msg(2:hi own c1)");
    close_pair(&pair);
}
END_TEST

/* Two children edit the same message. The edit of the second child is no answer to the edit of the first. */
START_TEST(an_edit_from_elsewhere_does_not_answer_an_edit_that_fails_here)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");
    char json[200], id[TC_UUID_CHARS + 1];

    say_some(world, ann, 1);
    fake_edit(&world->store, 1, "theirs");
    fake_hear_head(world, 2);
    tc_uuid_format(&world->store.messages[0].id, id);
    snprintf(json, sizeof(json), "{\"type\":\"edit_message\",\"message_id\":\"%s\","
                                 "\"content\":\"mine\",\"client_id\":\"e1\"}", id);
    fake_send(ann, json);
    fake_expect_jobs(world, "EVENTS>1 EDIT");
    ck_assert(fake_work(&world->store));
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    fake_settle(world);
    fake_expect(ann, "error(unavailable e1 2s) edit(2:theirs)"); /* until then it may have been her own */
    fake_close(world);
}
END_TEST

/* ---- a bus that is down ---- */

START_TEST(a_bus_that_is_down_is_told_nothing_and_the_members_here_are_shown_all_the_same)
{
    fake_world_t *world = fake_open_bus(TC_BUS_DOWN);
    fake_member_t *ann = fake_settle_in(world, "ann"), *bob = fake_settle_in(world, "bob");

    fake_say(ann, "hi", NULL);
    fake_settle(world);
    fake_say_edit(ann, 1, "ho");
    fake_settle(world);
    fake_expect(bob, "msg(1:hi) edit(2:ho)");
    fake_expect_told(world, "");
    ck_assert(fake_room(world)->untold);
    fake_close(world);
}
END_TEST

START_TEST(a_bus_that_comes_up_is_told_how_far_its_untold_rooms_have_come)
{
    fake_world_t *world = fake_open_bus(TC_BUS_DOWN);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_join_number(world, "bob", 1); /* nobody writes in this room */
    fake_settle(world);
    fake_say(ann, "m1", NULL);
    fake_say(ann, "m2", NULL);
    fake_settle(world);
    fake_bus_becomes(world, TC_BUS_UP);
    fake_expect_told(world, "head(2)");
    fake_bus_becomes(world, TC_BUS_UP);
    fake_settle(world);
    fake_expect_told(world, "");
    fake_say(ann, "m3", NULL);
    fake_settle(world);
    fake_expect_told(world, "msg(3)");
    fake_close(world);
}
END_TEST

START_TEST(a_bus_that_comes_up_is_told_of_rooms_whose_events_it_may_have_lost)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_join_number(world, "bob", 1);
    fake_settle(world);
    fake_say(ann, "m1", NULL);
    fake_settle(world);
    fake_expect_told(world, "msg(1)");
    fake_bus_becomes(world, TC_BUS_DOWN);
    fake_bus_becomes(world, TC_BUS_DOWN);
    fake_expect_told(world, "");
    fake_elsewhere(world, "m2");
    fake_bus_becomes(world, TC_BUS_UP);
    fake_expect_told(world, "head(2)");
    fake_bus_becomes(world, TC_BUS_DOWN); /* nothing was written since */
    fake_bus_becomes(world, TC_BUS_UP);
    fake_expect_told(world, "");
    fake_close(world);
}
END_TEST

START_TEST(what_was_said_while_the_bus_was_down_reaches_the_others_when_it_is_up)
{
    pair_t pair = open_pair(TC_BUS_UP);

    fake_bus_becomes(pair.here, TC_BUS_DOWN); /* the other child's bus stays up */
    fake_settle(pair.here);
    say_some(pair.here, pair.ann, 3);
    fake_bus_becomes(pair.here, TC_BUS_UP);
    carry(pair.here, 0, pair.there);
    fake_settle(pair.there);
    fake_expect(pair.bob, "msg(1:m1) msg(2:m2) msg(3:m3)");
    close_pair(&pair);
}
END_TEST

START_TEST(while_the_bus_is_down_every_tick_asks_the_store_for_news)
{
    fake_world_t *world = fake_open_bus(TC_BUS_DOWN);
    fake_member_t *ann = fake_settle_in(world, "ann");
    char expected[32];
    int i;

    for (i = 1; i <= 5; i++) {
        snprintf(expected, sizeof(expected), "msg(%d:m)", i);
        fake_lose(world, "m");
        fake_tick(world);
        fake_expect_jobs(world, "HEADS:1");
        fake_settle(world);
        fake_expect(ann, expected);
    }
    fake_close(world);
}
END_TEST

START_TEST(a_bus_that_changes_its_state_or_says_it_again_makes_the_hub_look)
{
    static const tc_bus_state_e states[] = {TC_BUS_DOWN, TC_BUS_UP, TC_BUS_UP, TC_BUS_DOWN,
                                            TC_BUS_DOWN, TC_BUS_UP};
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");
    size_t i;

    for (i = 0; i < UNIT_COUNT(states); i++) {
        fake_lose(world, "m");
        fake_bus_becomes(world, states[i]);
        ck_assert_int_eq(world->bus.bus.state, states[i]);
        fake_expect_jobs(world, "HEADS:1");
        fake_settle(world);
        ck_assert_int_eq(ann->seen, (int64_t)i + 1);
    }
    fake_close(world);
}
END_TEST

/* ---- typing ---- */

START_TEST(who_types_is_told_to_a_bus_that_is_up_and_to_no_other)
{
    static const tc_bus_state_e states[] = {TC_BUS_ALONE, TC_BUS_DOWN, TC_BUS_UP};
    size_t i;

    for (i = 0; i < UNIT_COUNT(states); i++) {
        fake_world_t *world = fake_open_bus(states[i]);
        fake_member_t *ann = fake_settle_in(world, "ann"), *bob = fake_settle_in(world, "bob");

        fake_type(ann, true);
        world->now_us += FAKE_SECOND;
        fake_type(ann, false);
        fake_expect(bob, "typing(ann on) typing(ann off)");
        fake_expect_told(world, states[i] == TC_BUS_UP ? "typing(ann on) typing(ann off)" : "");
        fake_bus_becomes(world, TC_BUS_UP); /* typing is not published later */
        fake_expect_told(world, "");
        fake_close(world);
    }
}
END_TEST

START_TEST(who_types_is_shown_to_the_members_of_other_children_but_to_no_tab_of_its_own)
{
    pair_t pair = open_pair(TC_BUS_UP);
    fake_member_t *tab = fake_settle_in(pair.there, "ann"), *early = fake_join(pair.there, "carol", 99);

    fake_type(pair.ann, true);
    carry(pair.here, 0, pair.there);
    fake_expect(pair.bob, "typing(ann on)");
    fake_expect(tab, "");
    fake_expect(early, ""); /* without a history, no typing */
    fake_expect(pair.ann, "");
    ck_assert_uint_eq(pair.bob->urgent, 1); /* the history */
    fake_expect_told(pair.there, "");
    close_pair(&pair);
}
END_TEST

START_TEST(a_repetition_within_the_second_is_not_told_to_the_bus)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann"), *tab = fake_settle_in(world, "ann");

    fake_type(ann, true);
    fake_type(ann, true);
    fake_type(tab, true);
    fake_expect_told(world, "typing(ann on)");
    fake_close(world);
}
END_TEST

START_TEST(who_types_elsewhere_is_not_shown_in_a_room_that_is_too_big_for_it)
{
    pair_t pair = open_pair(TC_BUS_UP);
    fake_member_t *carol = fake_settle_in(pair.there, "carol");

    fake_type(pair.ann, true);
    pair.there->store.site.typing_max_room = 2;
    carry(pair.here, 0, pair.there);
    fake_expect(pair.bob, "typing(ann on)");
    pair.there->store.site.typing_max_room = 1;
    carry(pair.here, 0, pair.there);
    pair.there->store.site.typing_max_room = 0;
    carry(pair.here, 0, pair.there);
    fake_expect(pair.bob, "");
    fake_expect(carol, "typing(ann on)");
    close_pair(&pair);
}
END_TEST

START_TEST(a_room_that_is_too_big_for_typing_tells_the_bus_nothing)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_settle_in(world, "bob");
    world->store.site.typing_max_room = 1;
    fake_type(ann, true);
    fake_expect_told(world, "");
    fake_close(world);
}
END_TEST

/* ---- sites ---- */

static fake_sites_t open_sites(void)
{
    fake_sites_t sites;

    sites.world = fake_open_bus(TC_BUS_UP);
    sites.other = fake_open_bus(TC_BUS_UP);
    sites.other->store.site.index = 2;
    fake_seat_two(&sites);
    return sites;
}

START_TEST(what_the_bus_brings_for_one_site_does_not_reach_a_room_of_the_same_id_on_another)
{
    fake_sites_t sites = open_sites();
    tc_uuid_t room_id = uuid_of(FAKE_ROOM);
    tc_blob_t *frame = tc_typing_frame("zoe", NULL, true);

    fake_elsewhere(sites.world, "m1");
    tc_hub_on_bus_typing(sites.world->hub, &sites.world->store.site, &room_id, "zoe", frame);
    fake_expect(sites.ann, "msg(1:m1) typing(zoe on)");
    fake_hear_head(sites.world, fake_lose(sites.world, "m2"));
    fake_expect_jobs(sites.other, "");
    fake_bus_joins(sites.world);
    fake_settle_sites(&sites);
    fake_expect(sites.ann, "msg(2:m2)");
    fake_expect(sites.bob, "");
    tc_hub_on_bus_typing(sites.world->hub, &sites.other->store.site, &room_id, "zoe", frame);
    fake_expect(sites.ann, "");
    fake_expect(sites.bob, "typing(zoe on)");
    tc_blob_unref(frame);
    fake_close_sites(&sites);
}
END_TEST

START_TEST(each_site_tells_its_own_bus)
{
    fake_sites_t sites = open_sites();

    fake_say(sites.bob, "hi", NULL);
    fake_type(sites.ann, true);
    fake_settle_sites(&sites);
    fake_expect_told(sites.world, "typing(ann on)");
    fake_expect_told(sites.other, "msg(1)");
    fake_expect(sites.ann, "");
    fake_expect(sites.bob, "msg(1:hi)");
    fake_close_sites(&sites);
}
END_TEST

START_TEST(a_bus_that_goes_and_comes_concerns_its_own_site_alone)
{
    fake_sites_t sites = open_sites();

    fake_say(sites.ann, "hi", NULL);
    fake_say(sites.bob, "ho", NULL);
    fake_settle_sites(&sites);
    fake_expect_told(sites.world, "msg(1)");
    fake_expect_told(sites.other, "msg(1)");
    fake_bus_becomes(sites.world, TC_BUS_DOWN);
    fake_expect_jobs(sites.world, "HEADS:1");
    fake_expect_jobs(sites.other, "");
    ck_assert_int_eq(sites.other->bus.bus.state, TC_BUS_UP);
    fake_say(sites.bob, "ho", NULL);
    fake_settle_sites(&sites);
    fake_expect_told(sites.other, "msg(2)");
    fake_bus_becomes(sites.world, TC_BUS_UP);
    fake_expect_told(sites.world, "head(1)");
    fake_expect_told(sites.other, "");
    fake_close_sites(&sites);
}
END_TEST

START_TEST(each_sites_store_is_asked_for_its_own_rooms)
{
    fake_sites_t sites = open_sites();

    fake_lose(sites.other, "m1");
    fake_tick(sites.world);
    fake_expect_jobs(sites.world, "HEADS:1");
    fake_expect_jobs(sites.other, "HEADS:1");
    fake_settle_sites(&sites);
    fake_expect(sites.ann, "");
    fake_expect(sites.bob, "msg(1:m1)");
    fake_close_sites(&sites);
}
END_TEST

UNIT_MAIN("hub_bus", an_event_is_published_after_its_commit_and_not_before,
          a_repeated_message_is_not_published_again, what_was_not_stored_is_not_published,
          what_the_bus_or_the_store_brought_is_not_published,
          what_is_stored_for_somebody_who_has_left_is_published,
          a_room_is_opened_once_and_closed_once,
          what_one_child_stores_the_members_of_another_are_shown,
          an_early_event_is_held_until_the_gap_is_fetched,
          an_event_that_the_bus_brings_often_is_shown_once,
          an_event_that_comes_from_the_store_and_over_the_bus_is_shown_once,
          events_that_come_while_the_room_loads_follow_its_history,
          how_far_a_room_has_come_makes_it_fetch_what_it_lacks,
          a_room_that_loads_fetches_only_what_its_history_lacks,
          a_room_that_is_said_to_have_come_further_than_it_has_is_not_asked_for_without_end,
          a_room_that_the_bus_has_taken_up_is_probed,
          a_room_that_the_bus_takes_up_before_it_is_loaded_is_probed_after,
          a_room_that_loads_while_the_bus_comes_up_is_probed_after,
          what_the_bus_brings_for_a_room_that_is_not_there_is_ignored,
          a_repeated_message_that_is_held_back_comes_to_its_sender_with_its_client_id,
          an_edit_from_elsewhere_does_not_answer_an_edit_that_fails_here,
          a_bus_that_is_down_is_told_nothing_and_the_members_here_are_shown_all_the_same,
          a_bus_that_comes_up_is_told_how_far_its_untold_rooms_have_come,
          a_bus_that_comes_up_is_told_of_rooms_whose_events_it_may_have_lost,
          what_was_said_while_the_bus_was_down_reaches_the_others_when_it_is_up,
          while_the_bus_is_down_every_tick_asks_the_store_for_news,
          a_bus_that_changes_its_state_or_says_it_again_makes_the_hub_look,
          who_types_is_told_to_a_bus_that_is_up_and_to_no_other,
          who_types_is_shown_to_the_members_of_other_children_but_to_no_tab_of_its_own,
          a_repetition_within_the_second_is_not_told_to_the_bus,
          who_types_elsewhere_is_not_shown_in_a_room_that_is_too_big_for_it,
          a_room_that_is_too_big_for_typing_tells_the_bus_nothing,
          what_the_bus_brings_for_one_site_does_not_reach_a_room_of_the_same_id_on_another,
          each_site_tells_its_own_bus, a_bus_that_goes_and_comes_concerns_its_own_site_alone,
          each_sites_store_is_asked_for_its_own_rooms)
