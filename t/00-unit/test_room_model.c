/*
 * A room under everything at once, in an order that a seed decides: members come, go, speak, repeat and
 * edit, other children commit, events come twice, late, early or never, messages are deleted, the store
 * is slow, full, unavailable, or reads after it has written. The fake members check each step (promise
 * 3); at the end everybody who is still there has seen everything. UNIT_SEED=n runs that one seed, UNIT_SEEDS=n the first n.
 */
#include "fake_room.c"

enum { SEEDS = 100, STEPS = 400, MEMBERS = 6, WAYS = 64 };

typedef struct {
    fake_world_t *world;
    unit_random_t random;
    fake_member_t *members[MEMBERS]; /* NULL: nobody */
    int64_t left_at[MEMBERS];        /* seq of the last one that stood here, for its resume */
    int64_t on_the_way[WAYS];        /* events that the bus has not brought yet */
    int on_the_way_count;
    int client_ids;
    uint64_t seed;
} model_t;

static unsigned below(model_t *model, unsigned bound)
{
    return unit_random_below(&model->random, bound);
}

static const char *user_of(unsigned place)
{
    static const char *const users[] = {"ann", "ann", "bob", "bob", "carol", "dave"};

    return users[place];
}

static int64_t somewhere(model_t *model)
{
    return (int64_t)below(model, (unsigned)model->world->store.last_seq + 4);
}

static void come(model_t *model, unsigned place)
{
    int64_t after[] = {-1, model->left_at[place], somewhere(model), 0};

    model->members[place] = fake_join(model->world, user_of(place), after[below(model, 4)]);
    model->members[place]->quiet = true;
}

static void go(model_t *model, unsigned place)
{
    model->left_at[place] = model->members[place]->seen;
    fake_leave(model->world, model->members[place]);
    model->members[place] = NULL;
}

/* A session reads its client only once it has its history, and no more once it closes. */
static bool may_speak(const fake_member_t *member)
{
    return member->member.cursor >= 0 && !member->closed;
}

static void speak(model_t *model, fake_member_t *member)
{
    char client_id[16];
    int number = model->client_ids;

    if (below(model, 4) == 0 && number > 0) {
        number = (int)below(model, (unsigned)number); /* again, or another's */
    }
    else {
        model->client_ids++;
    }
    snprintf(client_id, sizeof(client_id), "c%d", number);
    fake_say(member, "said", below(model, 3) ? client_id : NULL);
}

static void edit(model_t *model, fake_member_t *member)
{
    int64_t seq = somewhere(model);

    if (fake_has(&model->world->store, seq)) {
        fake_say_edit(member, seq, "edited");
    }
}

static void send_on_its_way(model_t *model, int64_t seq)
{
    if (model->on_the_way_count < WAYS && below(model, 8) != 0) {
        model->on_the_way[model->on_the_way_count++] = seq;
    }
}

static void commit_elsewhere(model_t *model)
{
    tc_room_t *room = model->world->room;

    model->world->room = NULL;
    send_on_its_way(model, fake_elsewhere(model->world, "elsewhere"));
    model->world->room = room;
}

/* Mostly in order, sometimes any, sometimes one that came before. */
static void bring(model_t *model)
{
    int count = model->on_the_way_count, at = below(model, 3) ? 0 : (int)below(model, WAYS) % (count + 1);

    if (below(model, 10) == 0) {
        int64_t seq = somewhere(model);

        if (fake_has(&model->world->store, seq)) {
            fake_bring(model->world, seq);
        }
    }
    else if (at < count) {
        fake_bring(model->world, model->on_the_way[at]);
        memmove(model->on_the_way + at, model->on_the_way + at + 1,
                (size_t)(count - at - 1) * sizeof(model->on_the_way[0]));
        model->on_the_way_count--;
    }
}

static void delete_one(model_t *model)
{
    int64_t seq = somewhere(model);

    if (below(model, 4) == 0 && fake_has(&model->world->store, seq)) {
        fake_delete(&model->world->store, seq);
    }
}

static void trouble(model_t *model)
{
    fake_store_t *store = &model->world->store;

    store->fail_with = below(model, 3) ? TC_JOB_PENDING : TC_JOB_UNAVAILABLE;
    store->fail_after_commit = below(model, 2);
    store->max_queued = below(model, 4) ? 1000 : below(model, 4);
}

static void act_on_member(model_t *model, unsigned place)
{
    fake_member_t *member = model->members[place];
    unsigned what = below(model, 10);

    if (member == NULL) {
        come(model, place);
    }
    else if (what == 0 || (member->closed && what < 5)) {
        go(model, place);
    }
    else if (may_speak(member) && what < 8) {
        speak(model, member);
    }
    else if (may_speak(member)) {
        edit(model, member);
    }
}

static void step(model_t *model)
{
    fake_world_t *world = model->world;
    unsigned what = below(model, 40);

    if (what < 12) {
        act_on_member(model, below(model, MEMBERS));
    }
    else if (what < 17) {
        fake_work(&world->store);
    }
    else if (what < 20) {
        fake_work_batch(&world->store);
    }
    else if (what < 28) {
        fake_answer(world, &world->store);
    }
    else if (what < 32) {
        commit_elsewhere(model);
    }
    else if (what < 36 && world->room != NULL) {
        bring(model);
    }
    else if (what == 36) {
        delete_one(model);
    }
    else if (what == 37) {
        trouble(model);
    }
    else if (what == 38) {
        fake_tick(world);
    }
}

/* The store is well again, the bus brings one more event: then nothing may be missing. */
static void come_to_rest(model_t *model)
{
    fake_world_t *world = model->world;
    int place;

    world->store.fail_with = TC_JOB_PENDING;
    world->store.max_queued = 1000;
    fake_settle(world);
    fake_elsewhere(world, "the last");
    fake_settle(world);
    fake_tick(world);
    fake_settle(world);
    for (place = 0; place < MEMBERS; place++) {
        const fake_member_t *member = model->members[place];

        ck_assert_msg(member == NULL || member->closed || member->seen == world->store.last_seq,
                      "seed %llu: member %llu has seen %lld of %lld",
                      (unsigned long long)model->seed, (unsigned long long)member->member.id,
                      (long long)member->seen, (long long)world->store.last_seq);
    }
}

/* What a room is like: usual, short of memory, forgetful, or with next to no history. */
static void choose_site(model_t *model)
{
    tc_site_t *site = &model->world->store.site;
    static const size_t caches[] = {1 << 20, 1, 2000, 10000};

    site->room_cache_bytes = caches[below(model, 4)];
    site->history_msgs = (int)below(model, 4) * 3;
    site->resume_events = below(model, 2) ? 1000 : 5;
    site->room_linger_us = (int64_t)below(model, 3) * FAKE_SECOND;
}

static void run_seed(uint64_t seed)
{
    model_t model;
    int i;

    memset(&model, 0, sizeof(model));
    model.seed = seed;
    model.random = unit_random_of(seed);
    model.world = fake_open();
    choose_site(&model);
    for (i = 0; i < STEPS; i++) {
        step(&model);
    }
    come_to_rest(&model);
    fake_close(model.world);
}

START_TEST(every_member_sees_every_event_once_and_in_order_whatever_happens)
{
    const char *one = getenv("UNIT_SEED"), *many = getenv("UNIT_SEEDS");
    uint64_t seed, seeds = many ? strtoull(many, NULL, 10) : SEEDS;

    if (one != NULL) {
        run_seed(strtoull(one, NULL, 10));
        return;
    }
    for (seed = 1; seed <= seeds; seed++) {
        run_seed(seed);
    }
}
END_TEST

UNIT_MAIN("room_model", every_member_sees_every_event_once_and_in_order_whatever_happens)
