/*
 * Rooms that are served in portions: no member is left out and each sees every event in order, whoever comes, goes and
 * speaks meanwhile.
 */
#include "fake_room.c"

#include "base/limits.h"

enum { MEMBERS = 5, PORTION = 2 };

typedef struct {
    fake_world_t *world;
    fake_member_t *members[MEMBERS]; /* in the order in which they came; the last has the first turn */
} room_t;

/* Members who have joined and were sent nothing since. */
static room_t settle_in(void)
{
    room_t room = {fake_open(), {NULL}};
    int i;

    fake_serve_in_portions(room.world, PORTION);
    for (i = 0; i < MEMBERS; i++) {
        room.members[i] = fake_settle_in(room.world, "ann");
    }
    return room;
}

static void expect_all(const room_t *room, const char *expected)
{
    int i;

    for (i = 0; i < MEMBERS; i++) {
        fake_expect(room->members[i], expected);
    }
}

/* Each of the members has seen every event. */
static void expect_seen(const fake_world_t *world, fake_member_t *const *members, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        ck_assert_int_eq(members[i]->seen, world->store.last_seq);
    }
}

START_TEST(a_message_reaches_a_portion_of_the_members_at_once_and_the_others_in_turn)
{
    room_t room = settle_in();

    fake_elsewhere(room.world, "m1");
    fake_expect(room.members[0], "");
    fake_expect(room.members[2], "");
    fake_expect(room.members[3], "msg(1:m1)");
    fake_expect(room.members[4], "msg(1:m1)");
    ck_assert(tc_hub_serve_on(room.world->hub));
    fake_expect(room.members[2], "msg(1:m1)"); /* an event handed over counts as a member does */
    ck_assert(tc_hub_serve_on(room.world->hub));
    fake_expect(room.members[1], "msg(1:m1)");
    ck_assert(!tc_hub_serve_on(room.world->hub));
    fake_expect(room.members[0], "msg(1:m1)");
    fake_expect(room.members[4], "");
    fake_close(room.world);
}
END_TEST

START_TEST(messages_that_come_meanwhile_wait_for_the_next_turn_and_stop_nobody)
{
    room_t room = settle_in();

    fake_elsewhere(room.world, "m1");
    fake_elsewhere(room.world, "m2");
    fake_expect(room.members[4], "msg(1:m1)");
    ck_assert(tc_hub_serve_on(room.world->hub));
    fake_expect(room.members[2], "msg(1:m1) msg(2:m2)");
    fake_elsewhere(room.world, "m3");
    fake_settle(room.world);
    fake_expect(room.members[0], "msg(1:m1) msg(2:m2) msg(3:m3)");
    fake_expect(room.members[2], "msg(3:m3)");
    fake_expect(room.members[4], "msg(2:m2) msg(3:m3)");
    fake_close(room.world);
}
END_TEST

START_TEST(who_speaks_is_answered_before_the_turn_comes)
{
    room_t room = settle_in();

    fake_elsewhere(room.world, "m1");
    fake_say(room.members[0], "mine", "c1");
    fake_work(&room.world->store);
    fake_answer(room.world, &room.world->store);
    fake_expect(room.members[0], "msg(1:m1) msg(2:mine own c1)");
    fake_settle(room.world);
    fake_expect(room.members[1], "msg(1:m1) msg(2:mine)");
    fake_close(room.world);
}
END_TEST

/* The last member in the list takes the place of one that leaves. */
START_TEST(a_member_that_leaves_takes_nobody_s_turn)
{
    int leaver;

    for (leaver = 0; leaver < MEMBERS; leaver++) {
        room_t room = settle_in();
        int i;

        fake_elsewhere(room.world, "m1");
        ck_assert(tc_hub_serve_on(room.world->hub));
        fake_leave(room.world, room.members[leaver]);
        fake_settle(room.world);
        for (i = 0; i < MEMBERS; i++) {
            if (i != leaver) {
                fake_expect(room.members[i], "msg(1:m1)");
            }
        }
        fake_close(room.world);
    }
}
END_TEST

START_TEST(of_a_room_that_most_leave_the_others_have_their_turn)
{
    room_t room = settle_in();

    fake_elsewhere(room.world, "m1");
    fake_leave(room.world, room.members[4]);
    fake_leave(room.world, room.members[3]);
    fake_leave(room.world, room.members[2]);
    fake_settle(room.world);
    fake_expect(room.members[2], "");
    fake_expect(room.members[0], "msg(1:m1)");
    fake_expect(room.members[1], "msg(1:m1)");
    fake_close(room.world);
}
END_TEST

START_TEST(a_room_that_all_leave_meanwhile_is_forgotten)
{
    room_t room = settle_in();
    int i;

    fake_elsewhere(room.world, "m1");
    for (i = 0; i < MEMBERS; i++) {
        fake_leave(room.world, room.members[i]);
    }
    for (i = 0; i < 100; i++) {
        fake_tick(room.world);
    }
    ck_assert_uint_eq(tc_hub_room_count(room.world->hub), 0);
    ck_assert(!tc_hub_serve_on(room.world->hub));
    fake_close(room.world);
}
END_TEST

START_TEST(rooms_have_their_turns_by_turns)
{
    room_t room = settle_in();
    fake_member_t *others[MEMBERS];
    fake_store_t other;
    int i;

    fake_store_open(&other, &room.world->bus.bus);
    other.site.index = 2;
    for (i = 0; i < MEMBERS; i++) {
        others[i] = fake_join_room(room.world, &other, "bob", -1, FAKE_TRIP, FAKE_ROOM);
    }
    while (fake_work(&other) || fake_answer(room.world, &other)) {
    }
    fake_settle(room.world);
    fake_forget(others[2]);
    fake_elsewhere(room.world, "m1");
    fake_say(others[0], "hi", NULL);
    fake_work(&other);
    fake_answer(room.world, &other);
    fake_expect(others[2], "");
    ck_assert(tc_hub_serve_on(room.world->hub));
    fake_expect(room.members[2], "msg(1:m1)");
    fake_expect(others[2], "");
    ck_assert(tc_hub_serve_on(room.world->hub));
    fake_expect(room.members[1], "");
    fake_expect(others[2], "msg(1:hi)");
    fake_close(room.world);
    fake_store_close(&other);
}
END_TEST

/* Has newcomers come, or clients who resume, before anything is answered. */
static room_t join_together(fake_world_t *world, int64_t after)
{
    room_t room = {world, {NULL}};
    int i;

    for (i = 0; i < MEMBERS; i++) {
        room.members[i] = fake_join(world, "bob", after);
    }
    return room;
}

START_TEST(newcomers_who_wait_for_the_room_are_served_in_portions)
{
    fake_world_t *world = fake_open();
    room_t room;

    fake_serve_in_portions(world, PORTION);
    room = join_together(world, -1);
    fake_work(&world->store);
    fake_answer(world, &world->store);
    fake_expect(room.members[4], "fresh(last 0)");
    fake_expect(room.members[2], "");
    fake_settle(world);
    fake_expect(room.members[0], "fresh(last 0)");
    fake_expect(room.members[2], "fresh(last 0)");
    fake_close(world);
}
END_TEST

/* The timeline has no room for a history, so that each portion needs an answer of the store. */
START_TEST(so_are_those_of_a_room_that_is_too_big_to_remember)
{
    fake_world_t *world = fake_open();
    room_t room;

    world->store.site.room_cache_bytes = 1;
    fake_serve_in_portions(world, PORTION);
    fake_elsewhere(world, "m1");
    room = join_together(world, -1);
    fake_work(&world->store);
    fake_answer(world, &world->store);
    fake_expect(room.members[2], "");
    fake_settle(world);
    expect_all(&room, "fresh(1:m1 last 1)");
    fake_close(world);
}
END_TEST

START_TEST(clients_who_resume_from_before_the_log_are_served_in_portions)
{
    fake_world_t *world = fake_open();
    room_t room;
    int i;

    fake_serve_in_portions(world, PORTION);
    fake_ann_after(world, TC_ROOM_LOG_EVENTS + 20);
    room = join_together(world, 10);
    for (i = 0; i < MEMBERS; i++) {
        room.members[i]->quiet = true;
    }
    fake_work(&world->store);
    fake_answer(world, &world->store);
    ck_assert_int_eq(room.members[1]->seen, world->store.last_seq);
    ck_assert_int_eq(room.members[2]->seen, -1);
    fake_settle(world);
    expect_seen(world, room.members, MEMBERS);
    fake_close(world);
}
END_TEST

/* Nobody has a turn until the log has lost what the members lack. */
START_TEST(members_that_fell_behind_the_log_catch_up_in_portions)
{
    room_t room = settle_in();
    int i;

    for (i = 0; i < TC_ROOM_LOG_EVENTS + 20; i++) {
        fake_elsewhere(room.world, "m");
    }
    for (i = 0; i < MEMBERS; i++) {
        room.members[i]->quiet = true;
    }
    fake_settle(room.world);
    expect_seen(room.world, room.members, MEMBERS);
    fake_close(room.world);
}
END_TEST

/*
 * An event is lost on the bus, and many that follow wait for it. Then all come at once, and all members but a portion are
 * behind the log by more than one answer of the store.
 */
START_TEST(members_that_fell_far_behind_the_log_catch_up_whoever_stands_first)
{
    fake_world_t *world = fake_open();
    fake_member_t *members[40];
    size_t i;

    fake_serve_in_portions(world, 16);
    for (i = 0; i < UNIT_COUNT(members); i++) {
        members[i] = fake_settle_in(world, "ann");
        members[i]->quiet = true;
    }
    fake_lose(world, "m");
    for (i = 0; i < 600; i++) {
        fake_elsewhere(world, "m");
    }
    fake_settle(world);
    expect_seen(world, members, UNIT_COUNT(members));
    fake_close(world);
}
END_TEST

/* The answer is cut short, and those whom it does not reach stand before the one for whom it was asked. */
START_TEST(a_cut_answer_serves_whom_it_reaches_wherever_they_stand)
{
    fake_world_t *world = fake_open();
    tc_user_t *zoe = tc_user_create("zoe", NULL, NULL, NULL);
    fake_member_t *members[MEMBERS];
    char content[6001];
    int i;

    memset(content, 'x', sizeof(content) - 1);
    content[sizeof(content) - 1] = '\0';
    fake_serve_in_portions(world, PORTION);
    for (i = 0; i < 1000; i++) {
        fake_write(&world->store, zoe, content, NULL);
    }
    fake_join(world, "ann", -1)->quiet = true;
    fake_settle(world);
    for (i = 0; i < MEMBERS; i++) {
        members[i] = fake_join(world, "bob", i < MEMBERS - 1 ? 820 : 100);
        members[i]->quiet = true;
    }
    fake_settle(world);
    expect_seen(world, members, MEMBERS);
    tc_user_unref(zoe);
    fake_close(world);
}
END_TEST

/* A newcomer has the room loaded once more, in vain, while members from another child wait for their turn. */
START_TEST(members_from_another_child_wait_for_no_load_of_others)
{
    fake_world_t *world = fake_open();
    room_t room = {world, {NULL}};
    int i;

    world->store.site.room_cache_bytes = 1;
    fake_serve_in_portions(world, PORTION);
    for (i = 0; i < 3; i++) {
        fake_elsewhere(world, "m");
    }
    for (i = 0; i < MEMBERS; i++) {
        room.members[i] = fake_rejoin(world, "ann", 1);
    }
    fake_work(&world->store);
    fake_answer(world, &world->store);
    (void)fake_join(world, "bob", -1);
    while (tc_hub_serve_on(world->hub)) {
    }
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    while (fake_work(&world->store)) {
    }
    while (fake_answer(world, &world->store)) {
    }
    world->store.fail_with = TC_JOB_PENDING;
    for (i = 0; i < 3; i++) {
        fake_tick(world);
        fake_settle(world);
    }
    expect_all(&room, "msg(2:m) msg(3:m)");
    fake_close(world);
}
END_TEST

UNIT_MAIN("room_portions", a_message_reaches_a_portion_of_the_members_at_once_and_the_others_in_turn,
          messages_that_come_meanwhile_wait_for_the_next_turn_and_stop_nobody, who_speaks_is_answered_before_the_turn_comes,
          a_member_that_leaves_takes_nobody_s_turn, of_a_room_that_most_leave_the_others_have_their_turn,
          a_room_that_all_leave_meanwhile_is_forgotten,
          rooms_have_their_turns_by_turns, newcomers_who_wait_for_the_room_are_served_in_portions,
          so_are_those_of_a_room_that_is_too_big_to_remember,
          clients_who_resume_from_before_the_log_are_served_in_portions,
          members_that_fell_behind_the_log_catch_up_in_portions,
          members_that_fell_far_behind_the_log_catch_up_whoever_stands_first,
          a_cut_answer_serves_whom_it_reaches_wherever_they_stand, members_from_another_child_wait_for_no_load_of_others)
