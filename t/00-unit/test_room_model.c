/*
 * A room under everything at once, in an order that a seed decides. Members come, go, write, repeat and edit. Other
 * children commit. Events come twice, late, early or never, and messages are deleted. The store is slow, full, down, or
 * reads after it has written. A child drops the caches of its rooms, and serves their members in portions. One test has a
 * child that is alone. The other has several children on the same rows, and their bus goes down and up. The fake members check each step (fake_room.h). At the end, every member that is still
 * there has seen every event, and has an answer to each of its messages. UNIT_SEED=n runs one seed, UNIT_SEEDS=n the
 * first n seeds.
 */
#include "fake_room.c"

enum { SEEDS = 50, STEPS = 400, MEMBERS = 6, WAYS = 64, CHILDREN = 3, CLIENT_IDS = 1000 };

/* An envelope that the bus has not brought yet: a child's letter, or an event of a child outside the model. */
typedef struct {
    int to;
    int from; /* -1: a child outside the model */
    int64_t number;
} way_t;

typedef struct {
    fake_world_t *children[CHILDREN];
    int count;
    unit_random_t random;
    fake_member_t *members[MEMBERS]; /* NULL: the place is free; place modulo children is the child */
    int64_t left_at[MEMBERS];        /* seq at which the last member of this place left, for a resume */
    bool said[MEMBERS][CLIENT_IDS];  /* this member used the client_id, and no other member of its user did later */
    way_t on_the_way[WAYS];
    int on_the_way_count;
    int sent[CHILDREN]; /* letters of the child that are lost or on their way */
    int client_ids;
    int edits;          /* each edit has a text of its own */
    int edits_of_place[MEMBERS][CLIENT_IDS]; /* edits with a client_id that this member sent and waits for */
    uint64_t seed;
} model_t;

static unsigned below(model_t *model, unsigned bound)
{
    return unit_random_below(&model->random, bound);
}

static fake_world_t *child_of(const model_t *model, unsigned place)
{
    return model->children[place % (unsigned)model->count];
}

static fake_world_t *any_child(model_t *model)
{
    return child_of(model, model->count > 1 ? below(model, CHILDREN) : 0);
}

/* The store whose rows all children use. */
static fake_store_t *rows_of(const model_t *model)
{
    return &model->children[0]->store;
}

static const char *user_of(unsigned place)
{
    static const char *const users[] = {"ann", "ann", "bob", "bob", "carol", "dave"};

    return users[place];
}

static int64_t somewhere(model_t *model)
{
    return (int64_t)below(model, (unsigned)rows_of(model)->last_seq + 4);
}

static void come(model_t *model, unsigned place)
{
    int64_t after[] = {-1, model->left_at[place], somewhere(model), 0};

    model->members[place] = fake_join(child_of(model, place), user_of(place),
                                      after[below(model, 4)]);
    memset(model->said[place], 0, sizeof(model->said[place]));
    memset(model->edits_of_place[place], 0, sizeof(model->edits_of_place[place]));
}

static void go(model_t *model, unsigned place)
{
    model->left_at[place] = model->members[place]->seen;
    fake_leave(child_of(model, place), model->members[place]);
    model->members[place] = NULL;
}

/* A session reads from its client only after the history was sent, and no longer when the session closes. */
static bool may_speak(const fake_member_t *member)
{
    return member->member.cursor >= 0 && !member->closed;
}

/* The member that used a client_id last is the one that waits for the answer. */
static void note_said(model_t *model, unsigned place, int number)
{
    unsigned other;

    for (other = 0; other < MEMBERS; other++) {
        if (strcmp(user_of(other), user_of(place)) == 0) {
            model->said[other][number] = other == place;
        }
    }
}

static void speak(model_t *model, unsigned place)
{
    char client_id[16];
    int number = model->client_ids;

    if (below(model, 4) == 0 && number > 0) {
        number = (int)below(model, (unsigned)number); /* the member's own again, or another member's */
    }
    else {
        model->client_ids++;
    }
    snprintf(client_id, sizeof(client_id), "c%d", number);
    if (below(model, 3) != 0) {
        note_said(model, place, number);
        fake_say(model->members[place], "said", client_id);
    }
    else {
        fake_say(model->members[place], "said", NULL);
    }
}

static void edit(model_t *model, unsigned place)
{
    int64_t seq = somewhere(model);
    char text[16];

    if (fake_has(rows_of(model), seq) && model->edits < CLIENT_IDS) {
        snprintf(text, sizeof(text), "e%d", model->edits);
        fake_say_edit_as(model->members[place], seq, text, text);
        model->edits_of_place[place][model->edits++] = 1;
    }
}

static void send_on_its_way(model_t *model, int to, int from, int64_t number)
{
    if (model->on_the_way_count < WAYS && below(model, 8) != 0) {
        model->on_the_way[model->on_the_way_count++] = (way_t){to, from, number};
    }
}

static void commit_elsewhere(model_t *model)
{
    int64_t seq = fake_lose(model->children[0], "elsewhere");
    int to;

    for (to = 0; to < model->count; to++) {
        send_on_its_way(model, to, -1, seq);
    }
}

/* Sends the letters of each child to the other children, some of them twice. */
static void send_letters(model_t *model)
{
    int from, to;

    for (from = 0; from < model->count; from++) {
        int number = model->sent[from];

        if (number == model->children[from]->bus.letter_count) {
            continue;
        }
        model->sent[from]++;
        for (to = 0; to < model->count; to++) {
            if (to != from && model->children[to]->bus.bus.state == TC_BUS_UP) {
                send_on_its_way(model, to, from, number);
                if (below(model, 8) == 0) {
                    send_on_its_way(model, to, from, number);
                }
            }
        }
    }
}

static void deliver_way(model_t *model, const way_t *way)
{
    fake_world_t *to = model->children[way->to];

    if (way->from < 0) {
        fake_bring(to, way->number);
    }
    else {
        fake_carry(&model->children[way->from]->bus.letters[way->number], to->hub,
                   &to->store.site);
    }
}

/* The bus never brings a child its own event before the store's answer does. */
static void bring_again(model_t *model)
{
    fake_world_t *child = any_child(model);
    const fake_store_t *rows = rows_of(model);
    int64_t seq = somewhere(model);

    if (fake_has(rows, seq)
        && (seq <= child->bus.published_seq
            || strcmp(rows->messages[rows->rows[seq - 1].message].sender->id, "zoe") == 0)) {
        fake_bring(child, seq);
    }
}

/* Brings a letter: mostly the next one, sometimes any, sometimes one that was brought before. */
static void bring(model_t *model)
{
    int count = model->on_the_way_count, at = below(model, 3) ? 0 : (int)below(model, WAYS) % (count + 1);

    if (below(model, 10) == 0) {
        bring_again(model);
    }
    else if (at < count) {
        deliver_way(model, &model->on_the_way[at]);
        memmove(model->on_the_way + at, model->on_the_way + at + 1,
                (size_t)(count - at - 1) * sizeof(model->on_the_way[0]));
        model->on_the_way_count--;
    }
}

/* A child loses its bus, or gets it back and then subscribes to its room. A child that is alone has no bus. */
static void turn_bus(model_t *model)
{
    fake_world_t *child = any_child(model);

    if (model->count == 1) {
        return;
    }
    if (below(model, 3) == 0) {
        fake_bus_becomes(child, TC_BUS_DOWN);
        return;
    }
    fake_bus_becomes(child, TC_BUS_UP);
    fake_bus_joins(child);
}

static void delete_one(model_t *model)
{
    int64_t seq = somewhere(model);

    if (below(model, 4) == 0 && fake_has(rows_of(model), seq)) {
        fake_delete(rows_of(model), seq);
    }
}

static void trouble(model_t *model)
{
    fake_store_t *store = &any_child(model)->store;

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
        speak(model, place);
    }
    else if (may_speak(member)) {
        edit(model, place);
        if (below(model, 3) == 0) {
            edit(model, place);
        }
    }
}

static void step(model_t *model)
{
    fake_world_t *child = any_child(model);
    unsigned what = below(model, 46);

    if (what < 12) {
        act_on_member(model, below(model, MEMBERS));
    }
    else if (what < 17) {
        fake_work(&child->store);
    }
    else if (what < 20) {
        fake_work_batch(&child->store);
    }
    else if (what < 28) {
        fake_answer(child, &child->store);
    }
    else if (what < 32) {
        commit_elsewhere(model);
    }
    else if (what < 36) {
        bring(model);
    }
    else if (what == 36) {
        delete_one(model);
    }
    else if (what == 37) {
        trouble(model);
    }
    else if (what == 38) {
        fake_tick(child);
    }
    else if (what == 39) {
        turn_bus(model);
    }
    else if (what == 40) {
        (void)tc_hub_shed(child->hub, below(model, 2) ? 1000 : SIZE_MAX);
    }
    else if (what < 44) {
        (void)tc_hub_serve_on(child->hub);
    }
    else {
        fake_answer_read(child, &child->store); /* reads and writes run on threads of their own */
    }
    send_letters(model);
}

/* A message that was deleted before the sender got it needs no answer. */
static bool was_deleted(const model_t *model, const fake_member_t *member, const char *client_id)
{
    const fake_store_t *rows = rows_of(model);
    int i;

    for (i = 0; i < rows->message_count; i++) {
        const fake_message_t *message = &rows->messages[i];

        if (message->deleted && message->client_id != NULL
            && strcmp(message->client_id, client_id) == 0
            && strcmp(message->sender->id, member->member.user->id) == 0) {
            return true;
        }
    }
    return false;
}

/* Checks that each message came back to its sender with its client_id, or that the sender got an error. */
static void check_answers(model_t *model, int place)
{
    static const char *const answers[][2] = {
        {" own ", ")"}, {"error(overloaded ", " 2s)"}, {"error(unavailable ", " 2s)"}};
    fake_member_t *member = model->members[place];
    const char *transcript = fake_transcript(member);
    char client_id[16], answer[64];
    int number;
    size_t i;

    for (number = 0; number < model->client_ids; number++) {
        bool found = !model->said[place][number];

        snprintf(client_id, sizeof(client_id), "c%d", number);
        for (i = 0; i < UNIT_COUNT(answers) && !found; i++) {
            snprintf(answer, sizeof(answer), "%s%s%s", answers[i][0], client_id, answers[i][1]);
            found = strstr(transcript, answer) != NULL;
        }
        ck_assert_msg(found || was_deleted(model, member, client_id),
                      "seed %llu, %d children: no answer to %s for member %llu: %s",
                      (unsigned long long)model->seed, model->count, client_id,
                      (unsigned long long)member->member.id, transcript);
    }
}

static int count_of(const char *transcript, const char *what)
{
    int count = 0;

    while ((transcript = strstr(transcript, what)) != NULL) {
        transcript += strlen(what);
        count++;
    }
    return count;
}

/*
 * Checks that each edit was answered once: with the sender's copy, or with an error. A sender that was told that the
 * store takes too long may get its copy later.
 */
static void check_edits(model_t *model, int place)
{
    fake_member_t *member = model->members[place];
    const char *transcript = fake_transcript(member);
    int number, own, told, refused;

    for (number = 0; number < model->edits; number++) {
        char text[64];

        if (!model->edits_of_place[place][number]) {
            continue;
        }
        snprintf(text, sizeof(text), " own e%d)", number);
        own = count_of(transcript, text);
        snprintf(text, sizeof(text), "(unavailable e%d 2s)", number);
        told = count_of(transcript, text);
        snprintf(text, sizeof(text), "(overloaded e%d 2s)", number);
        refused = count_of(transcript, text);
        snprintf(text, sizeof(text), " e%d)", number);
        refused += count_of(transcript, text) - own;
        ck_assert_msg(own <= 1 && told <= 1 && refused <= 1 && own + told + refused >= 1 && (own || told) + refused == 1,
                      "seed %llu, %d children: edit e%d has answers %d own, %d unavailable, %d refused for member %llu: %s",
                      (unsigned long long)model->seed, model->count, number, own, told, refused,
                      (unsigned long long)member->member.id, transcript);
    }
}

static void check_members(model_t *model)
{
    int64_t newest = rows_of(model)->last_seq;
    int place;

    while (newest > 0 && !fake_has(rows_of(model), newest)) {
        newest--;
    }
    for (place = 0; place < MEMBERS; place++) {
        fake_member_t *member = model->members[place];

        if (member == NULL || member->closed) {
            continue;
        }
        ck_assert_msg(member->seen >= newest, "seed %llu, %d children: member %llu has seen %lld of %lld",
                      (unsigned long long)model->seed, model->count,
                      (unsigned long long)member->member.id, (long long)member->seen,
                      (long long)newest);
        check_answers(model, place);
        check_edits(model, place);
        fake_check_texts(member);
        ck_assert_msg(!tc_room_owes(member->member.room, &member->member),
                      "seed %llu, %d children: a confirmation of member %llu was left behind",
                      (unsigned long long)model->seed, model->count, (unsigned long long)member->member.id);
    }
}

/*
 * The stores work again. A child that is alone gets one more event. With a bus, nothing more is brought, and three
 * seconds pass. Then no event may be missing.
 */
static void come_to_rest(model_t *model)
{
    int i, tick;

    for (i = 0; i < model->count; i++) {
        fake_world_t *child = model->children[i];

        child->store.fail_with = TC_JOB_PENDING;
        child->store.max_queued = 1000;
        fake_settle(child);
    }
    if (model->count == 1) {
        fake_elsewhere(model->children[0], "the last");
    }
    for (i = 0; i < model->count; i++) {
        fake_settle(model->children[i]);
        for (tick = 0; tick < 3; tick++) {
            fake_tick(model->children[i]);
            fake_settle(model->children[i]);
        }
    }
    check_members(model);
}

/* Chooses the limits of a room: the usual ones, little memory, a short resume, or nearly no history. */
static void choose_site(model_t *model)
{
    tc_site_t *site = &model->children[0]->store.site;
    static const size_t caches[] = {1 << 20, 1, 2000, 10000};

    site->room_cache_bytes = caches[below(model, 4)];
    site->history_msgs = (int)below(model, 4) * 3;
    site->resume_events = below(model, 2) ? 1000 : 5;
    site->room_linger_us = (int64_t)below(model, 3) * FAKE_SECOND;
}

static void run_seed(uint64_t seed, int count)
{
    static const unsigned portions[] = {UINT_MAX, 1, 2};
    static model_t model;
    int i;

    memset(&model, 0, sizeof(model));
    model.seed = seed;
    model.count = count;
    model.random = unit_random_of(seed);
    model.children[0] = fake_open_bus(count > 1 ? TC_BUS_DOWN : TC_BUS_ALONE);
    choose_site(&model);
    for (i = 1; i < count; i++) {
        model.children[i] = fake_open_sibling(model.children[0]);
    }
    for (i = 0; i < count; i++) {
        fake_serve_in_portions(model.children[i], portions[below(&model, 3)]);
    }
    for (i = 0; i < STEPS * count; i++) {
        step(&model);
    }
    come_to_rest(&model);
    for (i = count; i-- > 0;) {
        fake_close(model.children[i]);
    }
}

static void run_seeds(int count)
{
    const char *one = getenv("UNIT_SEED"), *many = getenv("UNIT_SEEDS");
    uint64_t seed, seeds = many ? strtoull(many, NULL, 10) : SEEDS;

    if (one != NULL) {
        run_seed(strtoull(one, NULL, 10), count);
        return;
    }
    for (seed = 1; seed <= seeds; seed++) {
        run_seed(seed, count);
    }
}

START_TEST(every_member_sees_every_event_once_and_in_order_whatever_happens)
{
    run_seeds(1);
}
END_TEST

START_TEST(so_does_every_member_of_every_child_whatever_happens_to_the_bus)
{
    run_seeds(CHILDREN);
}
END_TEST

UNIT_MAIN("room_model", every_member_sees_every_event_once_and_in_order_whatever_happens,
          so_does_every_member_of_every_child_whatever_happens_to_the_bus)
