/*
 * Continuous authorization in the hub. The store is asked for each room which users may still be there. Users whom it
 * refuses are disconnected. For newcomers, the timeline of a room is no older than that check.
 */
#include "fake_room.c"

#include "base/limits.h"
#include "domain/access.h"

#define RECHECK_S 10

static fake_world_t *open_checked(void)
{
    fake_world_t *world = fake_open();

    world->store.site.recheck_us = RECHECK_S * FAKE_SECOND;
    return world;
}

/* Lets seconds pass until the store is asked who may be there. Returns their number. */
static int tick_until_asked(fake_world_t *world)
{
    int seconds;

    for (seconds = 1; seconds <= 2 * RECHECK_S; seconds++) {
        fake_tick(world);
        if (strstr(fake_jobs(&world->store), "ACCESS") != NULL) {
            return seconds;
        }
        fake_settle(world);
    }
    return INT_MAX;
}

START_TEST(a_room_is_asked_for_often_enough)
{
    fake_world_t *world = open_checked();
    int i;

    fake_settle_in(world, "ann");
    for (i = 0; i < 5; i++) {
        ck_assert_int_lt(tick_until_asked(world), RECHECK_S);
        fake_expect_jobs(world, "ACCESS:1");
        fake_settle(world);
    }
    fake_close(world);
}
END_TEST

START_TEST(one_question_asks_for_every_user_once)
{
    fake_world_t *world = open_checked();
    static const char *const users[] = {"carol", "ann", "bob", "ann", "carol", "ann"};
    size_t i;

    for (i = 0; i < UNIT_COUNT(users); i++) {
        fake_settle_in(world, users[i]);
    }
    ck_assert_int_lt(tick_until_asked(world), RECHECK_S);
    fake_expect_jobs(world, "ACCESS:3");
    fake_close(world);
}
END_TEST

/* Counts what the hub compares, in place of the C library's. */
static unsigned long compared;

int strcmp(const char *a, const char *b)
{
    compared++;
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* Fills a room with users, each with one connection. */
static void fill(fake_world_t *world, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        char name[20];

        snprintf(name, sizeof(name), "user%05d", i);
        fake_join(world, name, -1)->quiet = true;
    }
    fake_settle(world);
}

static fake_member_t *member_of_user(const fake_world_t *world, const char *user)
{
    fake_member_t *member = world->members;

    while (strcmp(member->member.user->id, user) != 0) {
        member = member->next;
    }
    return member;
}

START_TEST(a_big_room_is_asked_for_in_parts)
{
    fake_world_t *world = open_checked();

    fill(world, TC_STORE_ACCESS_USERS + 1);
    world->store.stranger = "user00001";
    world->store.unknown = "user04096";
    tick_until_asked(world);
    fake_expect_jobs(world, "ACCESS:2049");
    fake_settle(world);
    ck_assert_uint_eq(member_of_user(world, "user00001")->closed, 4003);
    tick_until_asked(world);
    fake_expect_jobs(world, "ACCESS:2049");
    fake_settle(world);
    ck_assert_uint_eq(member_of_user(world, "user04096")->closed, 4001);
    fake_close(world);
}
END_TEST

enum { MANY = 50000, MANY_RECHECK_S = 30 };

/* Lets a second pass. Checks that the hub asks for a part at most, and compares nothing. Returns the users asked for. */
static int tick_and_answer(fake_world_t *world)
{
    int asked = 0;

    compared = 0;
    fake_tick(world);
    ck_assert_uint_eq(compared, 0);
    if (strncmp(fake_jobs(&world->store), "ACCESS:", 7) == 0) {
        asked = (int)strtol(fake_jobs(&world->store) + 7, NULL, 10);
    }
    ck_assert_int_le(asked, TC_STORE_ACCESS_USERS);
    if (asked > 0) {
        ck_assert_uint_eq(world->store.queued.count, 1);
        ck_assert(fake_work(&world->store));
        compared = 0;
        ck_assert(fake_answer(world, &world->store));
        ck_assert_uint_eq(compared, 0);
    }
    return asked;
}

START_TEST(a_check_of_fifty_thousand_members_is_one_pass_in_parts_over_the_period)
{
    fake_world_t *world = fake_open();
    int second, asked = 0, parts = 0;

    world->store.site.recheck_us = MANY_RECHECK_S * FAKE_SECOND;
    world->store.site.history_msgs = 0;
    fill(world, MANY);
    world->store.stranger = "user31234";
    for (second = 0; second < 2 * MANY_RECHECK_S && asked < MANY; second++) {
        int some = tick_and_answer(world);

        asked += some;
        parts += some > 0;
    }
    ck_assert_int_lt(asked, MANY + parts); /* nobody was asked for twice, but for what rounding up brings */
    ck_assert_int_eq(parts, (MANY + TC_STORE_ACCESS_USERS - 1) / TC_STORE_ACCESS_USERS);
    ck_assert_uint_eq(member_of_user(world, "user31234")->closed, 4003);
    world->store.stranger = "user00042"; /* removed now: within recheck_us they are out */
    for (second = 0; second < MANY_RECHECK_S; second++) {
        (void)tick_and_answer(world);
    }
    ck_assert_uint_eq(member_of_user(world, "user00042")->closed, 4003);
    fake_close(world);
}
END_TEST

/* ---- many rooms ---- */

enum { ROOMS = 20000 };

/* Adds users, each with one connection in a room of their own. The rooms' last bytes are `first`, `first` + step, … */
static void fill_rooms(fake_world_t *world, int count, unsigned first, unsigned step)
{
    char name[20], trip[TC_UUID_CHARS + 1], room[TC_UUID_CHARS + 1];
    int i;

    for (i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "single%05d", i);
        snprintf(trip, sizeof(trip), "550e8400-e29b-41d4-a716-44665577%04x", (unsigned)i);
        snprintf(room, sizeof(room), "018d0000-0000-7000-8000-0001%04x%04x", (unsigned)i,
                 (first + (unsigned)i * step) & 0xff);
        fake_join_room(world, &world->store, name, -1, trip, room)->quiet = true;
        if (i % 500 == 0) {
            fake_settle(world);
        }
    }
    fake_settle(world);
}

/* Lets a second pass, and answers what was asked. Returns the number of jobs; *users: of how many users. */
static int tick_and_count(fake_world_t *world, int *users)
{
    const tc_mail_t *mail;
    int jobs = 0;

    *users = 0;
    fake_tick(world);
    for (mail = world->store.queued.first; mail != NULL; mail = mail->next, jobs++) {
        const tc_job_t *job = (const tc_job_t *)mail;

        ck_assert_int_eq(job->kind, TC_JOB_ACCESS);
        ck_assert_int_le(job->room_count, TC_STORE_ACCESS_ROOMS);
        ck_assert_int_le(job->user_count, TC_STORE_ACCESS_USERS);
        *users += job->user_count;
    }
    fake_settle(world);
    return jobs;
}

START_TEST(twenty_thousand_rooms_take_two_questions_a_second)
{
    fake_world_t *world = fake_open();
    int second, users, asked = 0, jobs = 0;

    world->store.site.recheck_us = MANY_RECHECK_S * FAKE_SECOND;
    fill_rooms(world, ROOMS, 0, 1);
    for (second = 0; second < MANY_RECHECK_S - 1; second++) {
        int some = tick_and_count(world, &users);

        ck_assert_int_le(some, 2); /* the rooms are spread over the period */
        jobs += some;
        asked += users;
    }
    ck_assert_int_ge(asked, ROOMS);
    ck_assert_int_lt(asked, ROOMS + ROOMS / 20);
    ck_assert_int_le(jobs, 2 * MANY_RECHECK_S);
    world->store.stranger = "single12345";
    world->store.unknown = "single00007";
    for (second = 0; second < MANY_RECHECK_S; second++) {
        (void)tick_and_count(world, &users);
    }
    ck_assert_uint_eq(member_of_user(world, "single12345")->closed, 4003);
    ck_assert_uint_eq(member_of_user(world, "single00007")->closed, 4001);
    ck_assert_uint_eq(member_of_user(world, "single12346")->closed, 0);
    fake_close(world);
}
END_TEST

START_TEST(a_big_room_and_small_ones_share_no_job_that_is_too_big)
{
    fake_world_t *world = open_checked();

    fill(world, TC_STORE_ACCESS_USERS - 10);
    fill_rooms(world, TC_STORE_ACCESS_ROOMS + 20, 1, 0); /* the last byte of all rooms is 1, so all are due together */
    tick_until_asked(world);
    fake_expect_jobs(world, "ACCESS:512 ACCESS:20 ACCESS:4086");
    fake_settle(world);
    fake_close(world);
}
END_TEST

START_TEST(a_room_for_which_the_query_fails_holds_up_no_other_room)
{
    fake_world_t *world = open_checked();
    const tc_uuid_t *mute;
    int second, users;

    fill_rooms(world, 100, 1, 0);
    mute = &member_of_user(world, "single00050")->member.room->room_id;
    world->store.mute_room = mute;
    world->store.stranger = "single00051";
    tick_until_asked(world);
    fake_expect_jobs(world, "ACCESS:100");
    fake_settle(world);
    for (second = 0; second < 7; second++) {
        (void)tick_and_count(world, &users);
    }
    ck_assert_uint_eq(member_of_user(world, "single00051")->closed, 4003);
    ck_assert_uint_eq(member_of_user(world, "single00050")->closed, 0);
    world->store.mute_room = NULL;
    world->store.stranger = "single00050";
    for (second = 0; second < 4; second++) {
        (void)tick_and_count(world, &users);
    }
    ck_assert_uint_eq(member_of_user(world, "single00050")->closed, 4003);
    fake_close(world);
}
END_TEST

START_TEST(a_store_that_is_away_does_not_part_the_rooms)
{
    fake_world_t *world = open_checked();
    int second, users;

    fill_rooms(world, 100, 1, 0);
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    for (second = 0; second < 2 * RECHECK_S; second++) {
        ck_assert_int_le(tick_and_count(world, &users), 1);
    }
    fake_close(world);
}
END_TEST

START_TEST(whoever_comes_and_goes_between_question_and_answer_is_taken_for_nobody_else)
{
    fake_world_t *world = open_checked();
    fake_member_t *ann = fake_settle_in(world, "ann"), *bob = fake_settle_in(world, "bob"), *again;

    world->store.stranger = "ann";
    tick_until_asked(world);
    fake_leave(world, ann);
    fake_leave(world, bob);
    again = fake_join(world, "ann", -1);
    fake_settle(world);
    ck_assert_uint_eq(again->closed, 4003);
    fake_leave(world, again);
    again = fake_settle_in(world, "bob");
    tick_until_asked(world);
    fake_expect_jobs(world, "ACCESS:1");
    fake_settle(world);
    fake_expect(again, "");
    fake_close(world);
}
END_TEST

START_TEST(a_part_without_an_answer_is_asked_for_again_before_the_others)
{
    fake_world_t *world = fake_open();
    int second;

    world->store.site.recheck_us = MANY_RECHECK_S * FAKE_SECOND;
    fill(world, 2 * TC_STORE_ACCESS_USERS);
    world->store.stranger = "user00000";
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    while (tick_and_answer(world) == 0) {
    }
    world->store.fail_with = TC_JOB_PENDING;
    for (second = 0; second < 4; second++) {
        (void)tick_and_answer(world);
    }
    ck_assert_uint_eq(member_of_user(world, "user00000")->closed, 4003);
    fake_close(world);
}
END_TEST

START_TEST(who_may_no_longer_enter_is_shown_out_of_all_his_connections)
{
    fake_world_t *world = open_checked();
    fake_member_t *ann = fake_settle_in(world, "ann"), *again = fake_settle_in(world, "ann");
    fake_member_t *bob = fake_settle_in(world, "bob");

    world->store.stranger = "ann";
    tick_until_asked(world);
    fake_settle(world);
    fake_expect(ann, "CLOSE4003");
    fake_expect(again, "CLOSE4003");
    fake_expect(bob, "");
    fake_say(bob, "Where are they?", NULL);
    fake_settle(world);
    fake_expect(bob, "msg(1:Where are they?)");
    fake_close(world);
}
END_TEST

START_TEST(who_is_gone_from_the_site_is_shown_out_like_a_newcomer_without_a_user)
{
    fake_world_t *world = open_checked();
    fake_member_t *ann = fake_settle_in(world, "ann"), *bob = fake_settle_in(world, "bob");

    world->store.unknown = "ann";
    world->store.stranger = "ann";
    tick_until_asked(world);
    fake_settle(world);
    fake_expect(ann, "CLOSE4001");
    fake_expect(bob, "");
    fake_close(world);
}
END_TEST

/* The site may refuse one name of a user and accept another, whichever of them came first. */
START_TEST(a_user_under_two_claims_is_asked_for_under_each)
{
    static const char *const claims[] = {"ann@old.example", "ann"};
    size_t gone;

    for (gone = 0; gone < UNIT_COUNT(claims); gone++) {
        fake_world_t *world = open_checked();
        fake_member_t *old[2] = {fake_settle_in_as(world, "ann", claims[0]), NULL}, *own[2];

        own[0] = fake_settle_in(world, "ann");
        own[1] = fake_settle_in(world, "ann");
        old[1] = fake_settle_in_as(world, "ann", claims[0]);
        world->store.unknown = claims[gone];
        tick_until_asked(world);
        fake_expect_jobs(world, "ACCESS:2");
        fake_settle(world);
        fake_expect(old[0], gone == 0 ? "CLOSE4001" : "");
        fake_expect(old[1], gone == 0 ? "CLOSE4001" : "");
        fake_expect(own[0], gone == 0 ? "" : "CLOSE4001");
        fake_expect(own[1], gone == 0 ? "" : "CLOSE4001");
        fake_leave(world, gone == 0 ? old[0] : own[0]);
        fake_leave(world, gone == 0 ? old[1] : own[1]);
        world->store.unknown = NULL;
        tick_until_asked(world);
        fake_expect_jobs(world, "ACCESS:1");
        fake_close(world);
    }
}
END_TEST

START_TEST(with_a_new_token_the_site_is_asked_for_its_user)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_settle_in(world, "ann"), *bob = fake_settle_in(world, "bob");

    world->store.unknown = "ann";
    ck_assert(tc_access_ask_about(&ann->member, "a1"));
    ck_assert(tc_access_ask_about(&bob->member, NULL));
    fake_expect_jobs(world, "ACCESS:1 ACCESS:1");
    fake_settle(world);
    fake_expect(ann, "checked(a1 unauthorized)");
    fake_expect(bob, "checked(- ok)");
    world->store.stranger = "bob";
    ck_assert(tc_access_ask_about(&bob->member, "b2"));
    fake_settle(world);
    fake_expect(bob, "checked(b2 forbidden)");
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    ck_assert(tc_access_ask_about(&ann->member, "a2"));
    fake_settle(world);
    fake_expect(ann, "checked(a2 ok)"); /* nobody has said that she is gone */
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_is_gone_holds_nobody)
{
    fake_world_t *world = open_checked();
    fake_member_t *ann = fake_settle_in(world, "ann"), *bob = fake_settle_in(world, "bob");

    world->store.stranger = "ann";
    world->store.room_is_gone = true;
    tick_until_asked(world);
    fake_settle(world);
    fake_expect(ann, "CLOSE4003");
    fake_expect(bob, "CLOSE1012"); /* the trip may have another room */
    fake_close(world);
}
END_TEST

START_TEST(a_store_that_does_not_answer_shows_nobody_out_and_is_asked_again)
{
    fake_world_t *world = open_checked();
    fake_member_t *ann = fake_settle_in(world, "ann");
    int i;

    world->store.stranger = "ann";
    world->store.fail_with = TC_JOB_UNAVAILABLE;
    for (i = 0; i < 3; i++) {
        ck_assert_int_le(tick_until_asked(world), i == 0 ? RECHECK_S : 4);
        fake_settle(world);
        fake_expect(ann, "");
    }
    world->store.fail_with = TC_JOB_PENDING;
    ck_assert_int_le(tick_until_asked(world), 4);
    fake_settle(world);
    fake_expect(ann, "CLOSE4003");
    fake_close(world);
}
END_TEST

START_TEST(a_queue_that_is_full_is_tried_with_the_next_tick)
{
    fake_world_t *world = open_checked();
    unsigned max = world->store.max_queued;
    int i;

    fake_settle_in(world, "ann");
    world->store.max_queued = 0;
    for (i = 0; i < RECHECK_S; i++) {
        fake_tick(world);
    }
    world->store.max_queued = max;
    fake_tick(world);
    fake_tick(world);
    fake_expect_jobs(world, "ACCESS:1");
    fake_close(world);
}
END_TEST

START_TEST(no_second_question_while_one_is_under_way)
{
    fake_world_t *world = open_checked();
    int i;

    fake_settle_in(world, "ann");
    tick_until_asked(world);
    for (i = 0; i < 3 * RECHECK_S; i++) {
        fake_tick(world);
        fake_expect_jobs(world, "ACCESS:1");
    }
    fake_close(world);
}
END_TEST

START_TEST(without_a_recheck_nobody_is_asked_for)
{
    fake_world_t *world = fake_open();

    fake_settle_in(world, "ann");
    ck_assert_int_eq(tick_until_asked(world), INT_MAX);
    fake_close(world);
}
END_TEST

/* A lone child finds the events of other programs by these checks, so there it asks for news instead. */
START_TEST(where_the_token_says_who_is_on_a_trip_the_store_is_asked_for_news_alone)
{
    fake_world_t *world = open_checked();
    fake_member_t *ann;
    int seconds, asked = 0;

    world->store.site.by_token = true;
    ann = fake_ann_after(world, 1);
    world->store.unknown = world->store.stranger = "ann";
    ck_assert(!tc_access_ask_about(&ann->member, "a1"));
    fake_expect_jobs(world, "");
    for (seconds = 0; seconds < 5 * RECHECK_S; seconds++) {
        fake_tick(world);
        ck_assert_ptr_null(strstr(fake_jobs(&world->store), "ACCESS"));
        asked += strstr(fake_jobs(&world->store), "HEADS") != NULL;
        fake_settle(world);
    }
    ck_assert_int_ge(asked, 4);
    ck_assert_int_le(asked, 6);
    fake_expect(ann, "");
    fake_lose(world, "m2");
    for (seconds = 0; seconds <= RECHECK_S; seconds++) {
        fake_tick(world);
        fake_settle(world);
    }
    fake_expect(ann, "msg(2:m2)");
    fake_delete(&world->store, 1);
    for (seconds = 0; seconds <= RECHECK_S; seconds++) {
        fake_tick(world);
        fake_settle(world);
    }
    ann = fake_join(world, "ann", -1);
    fake_settle(world);
    fake_expect(ann, "fresh(2:m2 last 2)");
    fake_close(world);
}
END_TEST

START_TEST(who_comes_after_a_check_does_not_see_what_was_deleted_before)
{
    fake_world_t *world = open_checked();
    fake_member_t *ann = fake_ann_after(world, 3), *bob;

    fake_settle_in(world, "bob"); /* before any check, from the timeline, without a query */
    fake_delete(&world->store, 2);
    tick_until_asked(world);
    fake_settle(world);
    bob = fake_join(world, "bob", -1);
    fake_expect_jobs(world, "LOAD");
    fake_settle(world);
    fake_expect(bob, "fresh(1:m1 3:m3 last 3)");
    bob = fake_join(world, "bob", 1);
    fake_expect_jobs(world, "EVENTS>0"); /* the log has a gap now */
    fake_settle(world);
    fake_expect(bob, "resumed(3:m3 last 3)");
    bob = fake_join(world, "bob", -1);
    fake_expect_jobs(world, ""); /* no further query until the next check */
    fake_expect(bob, "fresh(1:m1 3:m3 last 3)");
    fake_expect(ann, "");
    fake_close(world);
}
END_TEST

/* The answer of a LOAD may be older than the events that came live meanwhile. */
START_TEST(what_comes_while_the_memory_is_renewed_is_neither_lost_nor_doubled)
{
    fake_world_t *world = open_checked();
    fake_member_t *ann = fake_ann_after(world, 2), *bob, *carol;

    tick_until_asked(world);
    fake_settle(world);
    bob = fake_join(world, "bob", -1);
    ck_assert(fake_work(&world->store)); /* the LOAD reads now */
    fake_say(ann, "m3", NULL);
    ck_assert(fake_work(&world->store));
    carol = fake_join(world, "carol", 1);
    fake_settle(world);
    fake_expect(ann, "msg(3:m3)");
    fake_expect(bob, "fresh(1:m1 2:m2 last 2) msg(3:m3)");
    fake_expect(carol, "resumed(2:m2 last 2) msg(3:m3)");
    bob = fake_join(world, "bob", -1);
    fake_expect(bob, "fresh(1:m1 2:m2 3:m3 last 3)");
    fake_close(world);
}
END_TEST

/* The answer of a LOAD may be newer than the room, if another child writes. */
START_TEST(an_answer_ahead_of_the_room_serves_who_waits_for_it)
{
    fake_world_t *world = open_checked();
    fake_member_t *ann = fake_ann_after(world, 2), *bob;

    tick_until_asked(world);
    fake_settle(world);
    fake_lose(world, "m3");
    bob = fake_join(world, "bob", -1);
    ck_assert(fake_work(&world->store));
    ck_assert(fake_answer(world, &world->store));
    fake_expect(bob, "fresh(1:m1 2:m2 3:m3 last 3)");
    fake_settle(world);
    fake_expect(ann, "msg(3:m3)");
    fake_expect(bob, "");
    fake_elsewhere(world, "m4");
    fake_expect(bob, "msg(4:m4)");
    fake_expect(ann, "msg(4:m4)");
    fake_close(world);
}
END_TEST

START_TEST(an_empty_room_is_forgotten_before_its_memory_is_older_than_a_check)
{
    fake_world_t *world = open_checked();
    fake_member_t *ann = fake_settle_in(world, "ann");
    int i;

    world->store.site.room_linger_us = 3600 * FAKE_SECOND;
    fake_leave(world, ann);
    for (i = 0; i < RECHECK_S; i++) {
        fake_tick(world);
    }
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 0);
    fake_close(world);
}
END_TEST

START_TEST(a_ping_is_answered_and_a_token_handed_on)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_settle_in(world, "ann");

    fake_send(ann, "{\"type\":\"ping\"}");
    fake_send(ann, "{\"type\":\"ping\",\"client_id\":\"p1\"}");
    fake_send(ann, "{\"type\":\"authenticate\",\"token\":\"a.b.c\",\"client_id\":\"t1\"}");
    fake_send(ann, "{\"type\":\"authenticate\",\"token\":\"\"}");
    fake_send(ann, "{\"type\":\"authenticate\"}");
    fake_send(ann, "{\"type\":\"authenticate\",\"token\":5,\"client_id\":\"t2\"}");
    fake_send(ann, "{\"type\":\"authenticate\",\"token\":\"a\\u0000\"}");
    fake_expect(ann, "pong(-) pong(p1) authenticate(a.b.c t1) authenticate( -) error(invalid_field token)"
                     " error(invalid_field t2 token) error(invalid_field token)");
    fake_close(world);
}
END_TEST

UNIT_MAIN("hub_access", a_room_is_asked_for_often_enough, one_question_asks_for_every_user_once,
          a_big_room_is_asked_for_in_parts,
          a_check_of_fifty_thousand_members_is_one_pass_in_parts_over_the_period,
          twenty_thousand_rooms_take_two_questions_a_second,
          a_big_room_and_small_ones_share_no_job_that_is_too_big,
          a_room_for_which_the_query_fails_holds_up_no_other_room, a_store_that_is_away_does_not_part_the_rooms,
          whoever_comes_and_goes_between_question_and_answer_is_taken_for_nobody_else,
          a_part_without_an_answer_is_asked_for_again_before_the_others,
          who_may_no_longer_enter_is_shown_out_of_all_his_connections,
          who_is_gone_from_the_site_is_shown_out_like_a_newcomer_without_a_user,
          a_user_under_two_claims_is_asked_for_under_each,
          with_a_new_token_the_site_is_asked_for_its_user, a_room_that_is_gone_holds_nobody,
          a_store_that_does_not_answer_shows_nobody_out_and_is_asked_again,
          a_queue_that_is_full_is_tried_with_the_next_tick, no_second_question_while_one_is_under_way,
          without_a_recheck_nobody_is_asked_for,
          where_the_token_says_who_is_on_a_trip_the_store_is_asked_for_news_alone,
          who_comes_after_a_check_does_not_see_what_was_deleted_before,
          what_comes_while_the_memory_is_renewed_is_neither_lost_nor_doubled,
          an_answer_ahead_of_the_room_serves_who_waits_for_it,
          an_empty_room_is_forgotten_before_its_memory_is_older_than_a_check,
          a_ping_is_answered_and_a_token_handed_on)
