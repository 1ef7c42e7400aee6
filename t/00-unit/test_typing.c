/* Typing indicators: the first is sent at once, a change after a second, a repetition never. */
#include "fake_room.c"

typedef struct {
    fake_world_t *world;
    fake_member_t *ann, *tab, *bob; /* ann has two connections */
} trio_t;

static trio_t open_trio(void)
{
    trio_t trio;

    trio.world = fake_open();
    trio.ann = fake_join(trio.world, "ann", -1);
    trio.tab = fake_join(trio.world, "ann", -1);
    trio.bob = fake_join(trio.world, "bob", -1);
    fake_settle(trio.world);
    fake_forget(trio.ann);
    fake_forget(trio.tab);
    fake_forget(trio.bob);
    return trio;
}

/* Lets the time come that a member asked for with wake(). */
static void wake(fake_member_t *member)
{
    member->world->now_us = member->woken_us;
    tc_typing_on_timer(&member->member, member->woken_us);
}

START_TEST(the_first_goes_out_at_once_to_all_but_the_same_user)
{
    trio_t trio = open_trio();

    fake_type(trio.ann, true);
    fake_expect(trio.bob, "typing(ann on)");
    fake_expect(trio.ann, "");
    fake_expect(trio.tab, "");
    fake_type(trio.bob, true);
    fake_expect(trio.ann, "typing(bob on)");
    fake_expect(trio.tab, "typing(bob on)");
    fake_expect(trio.bob, "");
    fake_close(trio.world);
}
END_TEST

START_TEST(a_repetition_within_the_second_is_dropped)
{
    trio_t trio = open_trio();
    int i;

    fake_type(trio.ann, true);
    for (i = 0; i < 5; i++) {
        trio.world->now_us += FAKE_SECOND / 10;
        fake_type(trio.ann, true);
    }
    ck_assert_int_eq(trio.ann->woken_us, 0);
    fake_expect(trio.bob, "typing(ann on)");
    trio.world->now_us += FAKE_SECOND;
    fake_type(trio.ann, true);
    fake_expect(trio.bob, "typing(ann on)");
    fake_close(trio.world);
}
END_TEST

START_TEST(a_change_within_the_second_waits_for_its_end)
{
    trio_t trio = open_trio();
    int64_t start_us = trio.world->now_us;

    fake_type(trio.ann, true);
    trio.world->now_us += FAKE_SECOND / 10;
    fake_type(trio.ann, false);
    fake_expect(trio.bob, "typing(ann on)");
    ck_assert_int_eq(trio.ann->woken_us, start_us + FAKE_SECOND);
    tc_typing_on_timer(&trio.ann->member, start_us + FAKE_SECOND - 1);
    fake_expect(trio.bob, "");
    wake(trio.ann);
    fake_expect(trio.bob, "typing(ann off)");
    tc_typing_on_timer(&trio.ann->member, start_us + 5 * FAKE_SECOND);
    fake_expect(trio.bob, "");
    fake_close(trio.world);
}
END_TEST

START_TEST(a_change_that_is_taken_back_in_time_is_not_told)
{
    trio_t trio = open_trio();

    fake_type(trio.ann, true);
    trio.world->now_us += FAKE_SECOND / 10;
    fake_type(trio.ann, false);
    fake_type(trio.ann, true);
    wake(trio.ann);
    fake_expect(trio.bob, "typing(ann on)");
    fake_close(trio.world);
}
END_TEST

START_TEST(the_limit_counts_from_what_was_told_last)
{
    trio_t trio = open_trio();
    int64_t told_us;

    fake_type(trio.ann, true);
    fake_type(trio.ann, false);
    wake(trio.ann);
    told_us = trio.world->now_us;
    trio.world->now_us += FAKE_SECOND / 2;
    fake_type(trio.ann, true);
    fake_expect(trio.bob, "typing(ann on) typing(ann off)");
    ck_assert_int_eq(trio.ann->woken_us, told_us + FAKE_SECOND);
    wake(trio.ann);
    fake_expect(trio.bob, "typing(ann on)");
    fake_close(trio.world);
}
END_TEST

START_TEST(the_limit_is_the_users_not_the_tabs)
{
    trio_t trio = open_trio();
    int64_t start_us = trio.world->now_us;

    fake_type(trio.ann, true);
    trio.world->now_us += FAKE_SECOND / 10;
    fake_type(trio.tab, true);
    fake_expect(trio.bob, "typing(ann on)");
    fake_type(trio.tab, false);
    fake_expect(trio.bob, "");
    ck_assert_int_eq(trio.tab->woken_us, start_us + FAKE_SECOND);
    wake(trio.tab);
    fake_expect(trio.bob, "typing(ann off)");
    fake_type(trio.ann, false);
    fake_expect(trio.bob, "");
    fake_close(trio.world);
}
END_TEST

START_TEST(both_tabs_that_wait_tell_one_change)
{
    trio_t trio = open_trio();

    fake_type(trio.ann, true);
    fake_type(trio.ann, false);
    fake_type(trio.tab, false);
    wake(trio.ann);
    wake(trio.tab);
    fake_expect(trio.bob, "typing(ann on) typing(ann off)");
    fake_close(trio.world);
}
END_TEST

START_TEST(users_have_limits_of_their_own)
{
    trio_t trio = open_trio();
    fake_member_t *carol = fake_join(trio.world, "carol", 0);

    fake_forget(carol);
    fake_type(trio.ann, true);
    fake_type(trio.bob, true);
    fake_expect(carol, "typing(ann on) typing(bob on)");
    fake_close(trio.world);
}
END_TEST

START_TEST(without_an_interval_everything_is_told)
{
    trio_t trio = open_trio();

    trio.world->store.site.typing_interval_us = 0;
    fake_type(trio.ann, true);
    fake_type(trio.ann, true);
    fake_type(trio.ann, false);
    fake_expect(trio.bob, "typing(ann on) typing(ann on) typing(ann off)");
    ck_assert_int_eq(trio.ann->woken_us, 0);
    fake_close(trio.world);
}
END_TEST

START_TEST(typing_is_off_above_a_number_of_members)
{
    trio_t trio = open_trio();
    fake_member_t *carol;

    trio.world->store.site.typing_max_room = 3;
    fake_type(trio.ann, true);
    fake_expect(trio.bob, "typing(ann on)");
    fake_type(trio.ann, false);
    carol = fake_join(trio.world, "carol", 0);
    wake(trio.ann);
    fake_type(trio.bob, true);
    fake_expect(trio.bob, "");
    fake_expect(trio.ann, "");
    fake_leave(trio.world, carol);
    fake_type(trio.bob, true);
    fake_expect(trio.ann, "typing(bob on)");
    trio.world->store.site.typing_max_room = 0;
    trio.world->now_us += 5 * FAKE_SECOND;
    fake_type(trio.bob, true);
    fake_expect(trio.ann, "");
    fake_close(trio.world);
}
END_TEST

START_TEST(who_has_left_is_not_told_for)
{
    trio_t trio = open_trio();

    fake_type(trio.ann, true);
    fake_type(trio.ann, false);
    fake_leave(trio.world, trio.ann);
    wake(trio.ann);
    fake_expect(trio.bob, "typing(ann on)");
    fake_close(trio.world);
}
END_TEST

START_TEST(who_has_no_history_yet_is_told_nothing)
{
    fake_world_t *world = fake_open();
    fake_member_t *ann = fake_join(world, "ann", -1), *bob;

    fake_settle(world);
    world->store.site.room_cache_bytes = 0;
    bob = fake_join(world, "bob", 99);
    fake_type(ann, true);
    fake_expect(bob, "");
    fake_settle(world);
    fake_expect(bob, "lost(last 0)");
    fake_close(world);
}
END_TEST

START_TEST(typing_is_stored_nowhere_and_has_no_seq)
{
    trio_t trio = open_trio();

    fake_type(trio.ann, true);
    ck_assert_str_eq(fake_jobs(&trio.world->store), "");
    ck_assert_uint_eq(trio.world->bus.published, 0);
    fake_expect(fake_join(trio.world, "carol", 0), "resumed(last 0)");
    ck_assert_uint_eq(trio.bob->urgent, 1); /* the history */
    fake_close(trio.world);
}
END_TEST

UNIT_MAIN("typing", the_first_goes_out_at_once_to_all_but_the_same_user,
          a_repetition_within_the_second_is_dropped, a_change_within_the_second_waits_for_its_end,
          a_change_that_is_taken_back_in_time_is_not_told,
          the_limit_counts_from_what_was_told_last, the_limit_is_the_users_not_the_tabs,
          both_tabs_that_wait_tell_one_change, users_have_limits_of_their_own,
          without_an_interval_everything_is_told, typing_is_off_above_a_number_of_members,
          who_has_left_is_not_told_for, who_has_no_history_yet_is_told_nothing,
          typing_is_stored_nowhere_and_has_no_seq)
