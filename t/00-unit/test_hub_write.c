/*
 * Writes that come in REST requests (tc_hub_write()), from users who are in no room. Each write gets one answer. The
 * members of the room get the event as any other, whatever the store and the bus do meanwhile.
 */
#include "fake_room.c"

#include "base/limits.h"

#define OTHER_ROOM "018d0000-0000-7000-8000-000000000002"

/* A user who writes once, and is told the result once. */
typedef struct {
    tc_member_t member; /* must be the first member */
    tc_buf_t told;      /* "stored(3:hi)", "again(3:hi)", "refused(overloaded)" */
    unsigned answers;
    unsigned settled;
} poster_t;

static void on_stored(tc_member_t *member, const tc_job_t *job)
{
    poster_t *self = (poster_t *)member;
    const tc_event_t *event = job->events;

    ck_assert_ptr_null(event->next);
    ck_assert_int_eq(job->status, TC_JOB_DONE);
    unit_append_text(&self->told, "%s(%lld:%s)", job->repeated ? "again" : "stored",
                     (long long)event->seq, job->content);
    self->answers++;
}

static void on_refused(tc_member_t *member, tc_chat_error_e error, int retry_after_s)
{
    poster_t *self = (poster_t *)member;

    (void)retry_after_s;
    unit_append_text(&self->told, "refused(%s)", tc_chat_error_code(error));
    self->answers++;
}

static void on_settled(tc_member_t *member)
{
    ((poster_t *)member)->settled++;
}

static const tc_sink_t poster_sink = {NULL, NULL, NULL, on_settled, NULL, NULL, on_stored, on_refused};

static poster_t *new_poster(const char *user)
{
    poster_t *self = calloc(1, sizeof(*self));

    self->member.sink = &poster_sink;
    self->member.user = tc_user_create(user, NULL, NULL, NULL);
    unit_append_text(&self->told, "%s", "");
    return self;
}

/* Checks that all jobs of the poster have come back, and that it was told once. */
static void expect_told(poster_t *self, const char *expected)
{
    ck_assert_str_eq((char *)self->told.data, expected);
    ck_assert_uint_eq(self->answers, 1);
    ck_assert_uint_eq(self->member.jobs, 0);
    tc_user_unref(self->member.user);
    tc_buf_free(&self->told);
    free(self);
}

static void expect_nothing_told(const poster_t *self)
{
    ck_assert_uint_eq(self->answers, 0);
}

static void write_in(fake_world_t *world, poster_t *self, const char *room_id,
                     const tc_chat_in_t *in)
{
    tc_trip_t trip = trip_of(FAKE_TRIP);
    tc_uuid_t room = uuid_of(room_id);

    tc_hub_write(world->hub, &self->member, &world->store.store, &world->bus.bus, &trip, &room, in,
                 world->now_us);
}

/* Writes a POST. `client_id` may be NULL. */
static poster_t *post(fake_world_t *world, const char *user, const char *content,
                      const char *client_id)
{
    poster_t *self = new_poster(user);
    tc_chat_in_t in = {
        .kind = TC_CHAT_IN_MESSAGE,
        .content = content,
        .content_len = strlen(content),
        .client_id = client_id,
        .message_type = "text",
    };

    write_in(world, self, FAKE_ROOM, &in);
    return self;
}

/* Writes an EDIT of the message with this seq. */
static poster_t *patch(fake_world_t *world, const char *user, int64_t seq, const char *content)
{
    fake_store_t *rows = world->store.rows_of;
    poster_t *self = new_poster(user);
    tc_chat_in_t in = {.kind = TC_CHAT_IN_EDIT, .content = content, .content_len = strlen(content)};

    in.message_id = rows->messages[rows->rows[seq - 1].message].id;
    write_in(world, self, FAKE_ROOM, &in);
    return self;
}

START_TEST(what_is_stored_is_answered_and_shown_to_the_room)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_settle_in(world, "ann"), *bob = fake_settle_in(world, "bob");
    poster_t *poster = post(world, "ann", "hi", "c1");

    ck_assert_uint_eq(poster->member.jobs, 1);
    expect_nothing_told(poster);
    fake_settle(world);
    ck_assert_uint_eq(poster->settled, 1);
    expect_told(poster, "stored(1:hi)");
    fake_expect(ann, "msg(1:hi)"); /* only the request gets the client_id */
    fake_expect(bob, "msg(1:hi)");
    poster = patch(world, "ann", 1, "ho");
    fake_settle(world);
    expect_told(poster, "stored(2:ho)");
    fake_expect(bob, "edit(2:ho)");
    fake_close(world);
}
END_TEST

START_TEST(a_poster_is_in_no_room)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_settle_in(world, "ann");
    poster_t *poster = post(world, "bob", "hi", NULL);

    ck_assert_uint_eq(fake_room(world)->count, 1);
    fake_type(ann, true); /* nobody else is in the room */
    fake_elsewhere(world, "m1");
    fake_settle(world);
    expect_told(poster, "stored(2:hi)");
    fake_expect(ann, "msg(1:m1) msg(2:hi)");
    fake_close(world);
}
END_TEST

START_TEST(where_nobody_is_it_is_stored_all_the_same)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    poster_t *posters[3];
    fake_member_t *ann;
    int i;

    for (i = 0; i < 3; i++) {
        posters[i] = post(world, "bob", "hi", NULL);
    }
    fake_expect_jobs(world, "POST POST POST"); /* without a LOAD of the room */
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 1);
    fake_settle(world);
    expect_told(posters[0], "stored(1:hi)");
    expect_told(posters[1], "stored(2:hi)");
    expect_told(posters[2], "stored(3:hi)");
    fake_expect_told(world, "msg(1) msg(2) msg(3)");
    ann = fake_join(world, "ann", -1);
    fake_settle(world);
    fake_expect(ann, "fresh(1:hi 2:hi 3:hi last 3)");
    fake_close(world);
}
END_TEST

START_TEST(a_room_that_was_opened_for_a_write_is_forgotten)
{
    fake_world_t *world = fake_open();
    poster_t *poster = post(world, "bob", "hi", NULL);

    world->now_us += 40 * FAKE_SECOND;
    fake_tick(world);
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 1); /* the room has a job in flight */
    fake_settle(world);
    expect_told(poster, "stored(1:hi)");
    fake_tick(world);
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 1);
    world->now_us += 40 * FAKE_SECOND;
    fake_tick(world);
    ck_assert_uint_eq(tc_hub_room_count(world->hub), 0);
    fake_close(world);
}
END_TEST

START_TEST(who_comes_while_it_is_under_way_sees_it_once)
{
    int order;

    for (order = 0; order < 2; order++) {
        fake_world_t *world = fake_open();
        fake_member_t *ann = order == 0 ? fake_join(world, "ann", -1) : NULL;
        poster_t *poster = post(world, "bob", "hi", NULL);

        if (ann == NULL) {
            ann = fake_join(world, "ann", -1);
        }
        fake_settle(world);
        expect_told(poster, "stored(1:hi)");
        fake_expect(ann, order == 0 ? "fresh(last 0) msg(1:hi)" : "fresh(1:hi last 1)");
        fake_close(world);
    }
}
END_TEST

START_TEST(what_the_store_refuses_is_refused)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_settle_in(world, "ann");
    poster_t *poster;

    fake_say(ann, "mine", NULL);
    fake_settle(world);
    fake_forget(ann);
    poster = patch(world, "bob", 1, "yours");
    fake_settle(world);
    expect_told(poster, "refused(not_sender)");
    fake_delete(&world->store, 1);
    poster = patch(world, "ann", 1, "gone");
    fake_settle(world);
    expect_told(poster, "refused(message_not_found)");
    fake_expect(ann, "");
    ck_assert_uint_eq(world->bus.published, 1);
    fake_close(world);
}
END_TEST

START_TEST(a_store_that_fails_or_is_full_refuses)
{
    static const struct {
        tc_job_status_e status;
        const char *told;
    } cases[] = {
        {TC_JOB_UNAVAILABLE, "refused(unavailable)"},
        {TC_JOB_GONE, "refused(unavailable)"}, /* the trip may have another room */
        {TC_JOB_REFUSED, "refused(forbidden)"},
    };
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_settle_in(world, "ann");
    poster_t *poster;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        world->store.fail_with = cases[i].status;
        world->store.fail_error = TC_CHAT_FORBIDDEN;
        poster = post(world, "bob", "hi", NULL);
        fake_settle(world);
        expect_told(poster, cases[i].told);
    }
    world->store.fail_with = TC_JOB_PENDING;
    world->store.max_queued = 0;
    expect_told(post(world, "bob", "hi", NULL), "refused(overloaded)");
    fake_expect(ann, "");
    fake_close(world);
}
END_TEST

START_TEST(a_room_made_anew_takes_writes_at_once_and_the_old_one_none)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_settle_in(world, "ann");
    poster_t *poster = new_poster("bob");
    const tc_chat_in_t in = {.kind = TC_CHAT_IN_MESSAGE, .content = "hi", .content_len = 2,
                             .message_type = "text"};

    write_in(world, poster, OTHER_ROOM, &in);
    fake_expect_jobs(world, "POST");
    fake_expect(ann, "CLOSE1012");
    fake_settle(world);
    expect_told(poster, "stored(1:hi)");
    poster = new_poster("bob");
    write_in(world, poster, FAKE_ROOM, &in);
    expect_told(poster, "refused(unavailable)");
    fake_expect_jobs(world, "");
    fake_close(world);
}
END_TEST

static void wait_out_the_store(fake_world_t *world)
{
    int i;

    for (i = 0; i <= TC_STORE_OVERDUE_S; i++) {
        fake_tick(world);
    }
}

START_TEST(who_was_told_that_it_takes_too_long_is_told_nothing_more)
{
    static const tc_job_status_e ends[] = {TC_JOB_PENDING, TC_JOB_UNAVAILABLE, TC_JOB_GONE};
    size_t i;

    for (i = 0; i < UNIT_COUNT(ends); i++) {
        fake_world_t *world = fake_open();
        fake_member_t *ann = fake_settle_in(world, "ann");
        poster_t *poster = post(world, "bob", "hi", "c1");

        wait_out_the_store(world);
        ck_assert_uint_eq(poster->answers, 1);
        ck_assert_uint_eq(poster->member.jobs, 1); /* the member stays until the job is back */
        wait_out_the_store(world);
        world->store.fail_with = ends[i];
        fake_settle(world);
        expect_told(poster, "refused(unavailable)");
        fake_expect(ann, ends[i] == TC_JOB_PENDING ? "msg(1:hi)" : "");
        ck_assert_uint_eq(world->bus.published, ends[i] == TC_JOB_PENDING);
        fake_close(world);
    }
}
END_TEST

START_TEST(what_comes_again_is_answered_with_what_is_stored_and_shown_to_nobody)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");
    poster_t *poster = post(world, "ann", "hi", "c1");

    fake_settle(world);
    expect_told(poster, "stored(1:hi)");
    poster = post(world, "ann", "hi", "c1");
    fake_settle(world);
    expect_told(poster, "again(1:hi)");
    fake_say(ann, "hi", "c1"); /* now over WebSocket */
    fake_settle(world);
    fake_expect(ann, "msg(1:hi) msg(1:hi own c1)");
    fake_expect_told(world, "msg(1)");
    fake_close(world);
}
END_TEST

START_TEST(a_bus_is_told_once_or_when_it_is_up_again)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");
    poster_t *poster = post(world, "bob", "hi", NULL);

    ck_assert(fake_work(&world->store)); /* committed, but the loop does not know yet */
    fake_expect_told(world, "");
    fake_bring(world, 1);                /* the bus is faster than the answer */
    fake_settle(world);
    expect_told(poster, "stored(1:hi)");
    fake_expect_told(world, "msg(1)");
    fake_expect(ann, "msg(1:hi)");
    fake_bus_becomes(world, TC_BUS_DOWN);
    poster = post(world, "bob", "ho", NULL);
    fake_settle(world);
    expect_told(poster, "stored(2:ho)");
    fake_expect_told(world, "");
    fake_bus_becomes(world, TC_BUS_UP);
    fake_expect_told(world, "head(2)");
    fake_settle(world);
    fake_expect(ann, "msg(2:ho)");
    fake_close(world);
}
END_TEST

/* A fetch brings the poster's own event before the poster's job is back. */
START_TEST(an_event_that_a_fetch_brings_first_is_answered_and_shown_once)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");
    poster_t *poster;
    tc_job_t *job;

    poster = post(world, "bob", "hi", "c1");
    ck_assert(fake_work(&world->store));
    job = fake_take(&world->store); /* the answer is under way */
    fake_hear_head(world, 1);
    fake_settle(world);
    fake_expect(ann, "msg(1:hi)");
    expect_nothing_told(poster);
    tc_hub_on_job(world->hub, job, world->now_us);
    expect_told(poster, "stored(1:hi)");
    fake_expect(ann, "");
    fake_close(world);
}
END_TEST

START_TEST(what_others_store_before_it_is_fetched_before_it_is_shown)
{
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    fake_member_t *ann = fake_settle_in(world, "ann");
    poster_t *poster;

    fake_lose(world, "m1");
    poster = post(world, "bob", "hi", NULL);
    fake_settle(world);
    expect_told(poster, "stored(2:hi)");
    fake_expect(ann, "msg(1:m1) msg(2:hi)");
    fake_close(world);
}
END_TEST

START_TEST(many_that_write_and_come_and_go_see_each_event_once)
{
    unit_random_t random = unit_random_of(11);
    fake_world_t *world = fake_open_bus(TC_BUS_UP);
    poster_t *posters[100];
    int count = 0, stored = 0, i;

    while (count < (int)UNIT_COUNT(posters)) {
        switch (unit_random_below(&random, 6)) {
        case 0:
        case 1:
            posters[count++] = post(world, "bob", "hi", NULL);
            break;
        case 2:
            (void)fake_join(world, "ann", -1);
            break;
        case 3:
            (void)fake_work(&world->store);
            break;
        case 4:
            (void)fake_answer(world, &world->store);
            break;
        default:
            fake_elsewhere(world, "m");
            break;
        }
    }
    fake_settle(world); /* the members check what they get */
    for (i = 0; i < count; i++) {
        stored += strncmp((char *)posters[i]->told.data, "stored(", 7) == 0;
        expect_told(posters[i], (char *)posters[i]->told.data);
    }
    ck_assert_int_eq(stored, count);
    fake_close(world);
}
END_TEST

UNIT_MAIN("hub_write", what_is_stored_is_answered_and_shown_to_the_room, a_poster_is_in_no_room,
          where_nobody_is_it_is_stored_all_the_same,
          a_room_that_was_opened_for_a_write_is_forgotten,
          who_comes_while_it_is_under_way_sees_it_once, what_the_store_refuses_is_refused,
          a_store_that_fails_or_is_full_refuses, a_room_made_anew_takes_writes_at_once_and_the_old_one_none,
          who_was_told_that_it_takes_too_long_is_told_nothing_more,
          what_comes_again_is_answered_with_what_is_stored_and_shown_to_nobody,
          a_bus_is_told_once_or_when_it_is_up_again,
          an_event_that_a_fetch_brings_first_is_answered_and_shown_once,
          what_others_store_before_it_is_fetched_before_it_is_shown,
          many_that_write_and_come_and_go_see_each_event_once)
