/*
 * Twins: rooms of two sites that are one room of one database. Their members hear each other at once, though each site
 * has a store and a bus of its own, and whatever the bus does. Rooms of the same id in two databases stay strangers.
 */
#include "fake_room.c"

static fake_sites_t open_sites(tc_bus_state_e state, uint64_t database, uint64_t other_database)
{
    fake_sites_t sites;

    sites.world = fake_open_bus(state);
    sites.other = fake_open_sibling(sites.world);
    sites.other->store.site.index = 2;
    atomic_store(&sites.world->store.store.database, database);
    atomic_store(&sites.other->store.store.database, other_database);
    fake_seat_two(&sites);
    return sites;
}

static void hear_each_other(tc_bus_state_e state)
{
    fake_sites_t sites = open_sites(state, 7, 7);

    fake_say(sites.ann, "hi", NULL);
    fake_settle(sites.world);
    fake_expect(sites.ann, "msg(1:hi)");
    fake_expect(sites.bob, "msg(1:hi)");
    fake_say(sites.bob, "ho", NULL);
    fake_settle_sites(&sites);
    fake_expect(sites.ann, "msg(2:ho)");
    fake_expect(sites.bob, "msg(2:ho)");
    fake_say_edit(sites.ann, 1, "hi!");
    fake_settle(sites.world);
    fake_expect(sites.ann, "edit(3:hi!)");
    fake_expect(sites.bob, "edit(3:hi!)");
    fake_type(sites.ann, true);
    fake_expect(sites.bob, "typing(ann on)");
    fake_expect(sites.ann, "");
    fake_close_sites(&sites);
}

START_TEST(members_of_two_sites_on_one_database_hear_each_other_at_once_whatever_the_bus_does)
{
    hear_each_other(TC_BUS_ALONE);
    hear_each_other(TC_BUS_UP);
    hear_each_other(TC_BUS_DOWN);
}
END_TEST

START_TEST(only_the_site_of_the_writer_tells_its_bus)
{
    fake_sites_t sites = open_sites(TC_BUS_UP, 7, 7);

    fake_say(sites.ann, "hi", NULL);
    fake_type(sites.ann, true);
    fake_settle_sites(&sites);
    fake_expect_told(sites.world, "typing(ann on) msg(1)");
    fake_expect_told(sites.other, "");
    fake_close_sites(&sites);
}
END_TEST

START_TEST(rooms_of_one_id_in_two_databases_or_in_unknown_ones_hear_nothing)
{
    static const uint64_t databases[][2] = {{7, 8}, {0, 0}, {7, 0}, {0, 7}};
    size_t i;

    for (i = 0; i < UNIT_COUNT(databases); i++) {
        fake_sites_t sites = open_sites(TC_BUS_ALONE, databases[i][0], databases[i][1]);

        fake_say(sites.ann, "hi", NULL);
        fake_type(sites.ann, true);
        fake_settle_sites(&sites);
        fake_expect(sites.ann, "msg(1:hi)");
        fake_expect(sites.bob, "");
        fake_close_sites(&sites);
    }
}
END_TEST

/* The other site has forgotten its room, and loads it anew. */
static void forget_room(fake_sites_t *sites, fake_member_t *member)
{
    fake_leave(sites->world, member);
    sites->world->now_us += 3600 * FAKE_SECOND;
    fake_tick(sites->world);
    fake_settle_sites(sites);
}

START_TEST(a_message_that_comes_while_the_other_site_loads_its_room_follows_the_history)
{
    fake_sites_t sites = open_sites(TC_BUS_ALONE, 7, 7);
    fake_member_t *zoe;

    forget_room(&sites, sites.bob);
    ck_assert_uint_eq(tc_hub_room_count(sites.world->hub), 1);
    zoe = fake_join_room(sites.world, &sites.other->store, "zoe", -1, FAKE_TRIP, FAKE_ROOM);
    ck_assert(fake_work(&sites.other->store)); /* read, and not yet answered */
    fake_say(sites.ann, "hi", NULL);
    fake_settle(sites.world);
    fake_settle_sites(&sites);
    fake_expect(zoe, "fresh(last 0) msg(1:hi)");
    fake_say(zoe, "ho", NULL);
    fake_settle_sites(&sites);
    fake_expect(sites.ann, "msg(1:hi) msg(2:ho)");
    fake_close_sites(&sites);
}
END_TEST

/* The circle has each room once, whichever of them goes first. */
static void let_one_go(int which)
{
    fake_sites_t sites = open_sites(TC_BUS_ALONE, 7, 7);
    fake_world_t *third = fake_open_sibling(sites.world);
    fake_member_t *members[3] = {sites.ann, sites.bob};
    const char *stays = which == 0 ? "bob" : "ann", *hears = which == 2 ? "bob" : "zoe";
    char typing[32];
    int i;

    third->store.site.index = 3;
    atomic_store(&third->store.store.database, 7);
    members[2] = fake_join_room(sites.world, &third->store, "zoe", -1, FAKE_TRIP, FAKE_ROOM);
    while (fake_work(&third->store) || fake_answer(sites.world, &third->store)) {
    }
    fake_forget(members[2]);
    fake_say(sites.bob, "hi", NULL);
    fake_settle_sites(&sites);
    for (i = 0; i < 3; i++) {
        fake_expect(members[i], "msg(1:hi)");
    }
    forget_room(&sites, members[which]);
    ck_assert_uint_eq(tc_hub_room_count(sites.world->hub), 2);
    fake_type(members[which == 0 ? 1 : 0], true);
    snprintf(typing, sizeof(typing), "typing(%s on)", stays);
    fake_expect(members[strcmp(hears, "bob") == 0 ? 1 : 2], typing);
    while (fake_work(&third->store) || fake_answer(sites.world, &third->store)) {
    }
    fake_close_sites(&sites);
    fake_close(third);
}

START_TEST(of_three_fake_sites_those_that_are_left_hear_each_other)
{
    let_one_go(0);
    let_one_go(1);
    let_one_go(2);
}
END_TEST

UNIT_MAIN("hub_twins", members_of_two_sites_on_one_database_hear_each_other_at_once_whatever_the_bus_does,
          only_the_site_of_the_writer_tells_its_bus, rooms_of_one_id_in_two_databases_or_in_unknown_ones_hear_nothing,
          a_message_that_comes_while_the_other_site_loads_its_room_follows_the_history,
          of_three_fake_sites_those_that_are_left_hear_each_other)
