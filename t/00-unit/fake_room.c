/* A chat without a network or a database. Included by the tests of the domain. See fake_room.h. */
#include "fake_room.h"

#include "fake_bus.c"

#include "base/limits.h"
#include "base/thread.h"
#include "codec/json.h"

/* ---- lists of jobs ---- */

static void list_init(fake_list_t *list)
{
    list->first = NULL;
    list->end = &list->first;
    list->count = 0;
}

static void list_add(fake_list_t *list, tc_job_t *job)
{
    job->mail.next = NULL;
    *list->end = &job->mail;
    list->end = &job->mail.next;
    list->count++;
}

static tc_job_t *list_take(fake_list_t *list)
{
    tc_mail_t *first = list->first;

    if (first != NULL) {
        list->first = first->next;
        list->count--;
        if (list->first == NULL) {
            list->end = &list->first;
        }
    }
    return (tc_job_t *)first;
}

/* ---- rows ---- */

static char *copy_text(const char *text)
{
    return text ? (char *)unit_copy(text, strlen(text) + 1) : NULL;
}

static int64_t add_row(fake_store_t *store, tc_event_kind_e kind, int message)
{
    store->last_seq++;
    store->rows = realloc(store->rows, (size_t)store->last_seq * sizeof(*store->rows));
    store->rows[store->last_seq - 1] = (fake_row_t){kind, message};
    return store->last_seq;
}

/* Remembers what the message reads from now on. */
static void note_text(fake_message_t *message, const char *content)
{
    if (message->text_count < FAKE_TEXTS) {
        message->texts[message->text_count++] = copy_text(content);
    }
}

static int64_t write_message(fake_store_t *store, const tc_uuid_t *id, tc_user_t *sender,
                             const char *content, const char *client_id)
{
    fake_message_t *message;

    store->messages = realloc(store->messages,
                              ((size_t)store->message_count + 1) * sizeof(*store->messages));
    message = &store->messages[store->message_count];
    memset(message, 0, sizeof(*message));
    message->id = *id;
    message->sender = tc_user_ref(sender);
    message->content = copy_text(content);
    message->client_id = copy_text(client_id);
    note_text(message, content);
    message->seq = add_row(store, TC_EVENT_MESSAGE, store->message_count++);
    return message->seq;
}

int64_t fake_write(fake_store_t *store, tc_user_t *sender, const char *content,
                   const char *client_id)
{
    tc_uuid_t id;

    tc_uuid_make_v7(&id);
    return write_message(store->rows_of, &id, sender, content, client_id);
}

static int64_t edit_message(fake_store_t *store, int number, const char *content)
{
    fake_message_t *message = &store->messages[number];

    free(message->content);
    message->content = copy_text(content);
    note_text(message, content);
    message->edited = true;
    return add_row(store, TC_EVENT_EDIT, number);
}

int64_t fake_edit(fake_store_t *store, int64_t message_seq, const char *content)
{
    store = store->rows_of;
    return edit_message(store, store->rows[message_seq - 1].message, content);
}

void fake_delete(fake_store_t *store, int64_t message_seq)
{
    store = store->rows_of;
    store->messages[store->rows[message_seq - 1].message].deleted = true;
}

bool fake_has(const fake_store_t *store, int64_t seq)
{
    store = store->rows_of;
    return seq >= 1 && seq <= store->last_seq
           && store->rows[seq - 1].message >= 0 && !store->messages[store->rows[seq - 1].message].deleted;
}

static void describe(const fake_message_t *message, char *id, tc_chat_message_t *out)
{
    memset(out, 0, sizeof(*out));
    tc_uuid_format(&message->id, id);
    out->id = id;
    out->room_id = FAKE_ROOM;
    out->sender_json = message->sender->sender_json;
    out->content = message->content;
    out->message_type = "text";
    out->is_edited = message->edited;
    out->created_at = out->updated_at = "2024-01-15T10:30:00.000000Z";
}

tc_event_t *fake_event(const fake_store_t *store, int64_t seq)
{
    const fake_store_t *from = store->rows_of;
    const fake_row_t *row = &from->rows[seq - 1];
    const fake_message_t *message = &from->messages[row->message];
    char id[TC_UUID_CHARS + 1];
    tc_chat_message_t shown;

    if (!fake_has(store, seq)) {
        return NULL;
    }
    describe(message, id, &shown);
    return tc_event_create(row->kind, seq, &message->id, &shown);
}

/* ---- work ---- */

static void finish_write(fake_store_t *store, tc_job_t *job, int64_t seq)
{
    const fake_message_t *message = &store->messages[store->rows[seq - 1].message];
    char id[TC_UUID_CHARS + 1];
    tc_chat_message_t shown;

    job->events = fake_event(store, seq);
    if (job->client_id != NULL) {
        describe(message, id, &shown);
        tc_event_set_own(job->events, job->client_id);
    }
    job->epoch = store->epoch;
    job->status = TC_JOB_DONE;
}

static void refuse(tc_job_t *job, tc_chat_error_e error)
{
    job->status = TC_JOB_REFUSED;
    job->error = error;
}

static fake_message_t *find_repeated(fake_store_t *store, const tc_job_t *job)
{
    int i;

    for (i = 0; i < store->message_count && job->client_id != NULL; i++) {
        fake_message_t *message = &store->messages[i];

        if (message->client_id != NULL && !message->deleted
            && strcmp(message->client_id, job->client_id) == 0
            && strcmp(message->sender->id, job->user->id) == 0) {
            return message;
        }
    }
    return NULL;
}

static fake_message_t *find_message(fake_store_t *store, const tc_uuid_t *id)
{
    int i;

    for (i = 0; i < store->message_count; i++) {
        if (tc_uuid_equal(&store->messages[i].id, id) && !store->messages[i].deleted) {
            return &store->messages[i];
        }
    }
    return NULL;
}

static void work_on_post(fake_store_t *store, tc_job_t *job)
{
    fake_message_t *repeated = find_repeated(store, job);

    if (repeated != NULL) {
        repeated->repeated = job->repeated = true;
        finish_write(store, job, repeated->seq);
    }
    else if (job->has_reply && find_message(store, &job->reply_to) == NULL) {
        refuse(job, TC_CHAT_REPLY_NOT_FOUND);
    }
    else {
        finish_write(store, job, write_message(store, &job->message_id, job->user, job->content,
                                               job->client_id));
    }
}

static void work_on_edit(fake_store_t *store, tc_job_t *job)
{
    fake_message_t *message = find_message(store, &job->message_id);

    if (message == NULL) {
        refuse(job, TC_CHAT_MESSAGE_NOT_FOUND);
    }
    else if (strcmp(message->sender->id, job->user->id) != 0) {
        refuse(job, TC_CHAT_NOT_SENDER);
    }
    else {
        finish_write(store, job, edit_message(store, (int)(message - store->messages), job->content));
    }
}

/* Reads the rows after `from`, at most `limit`. Returns their number. */
static int read_rows(const fake_store_t *store, tc_job_t *job, int64_t from, int limit)
{
    tc_event_t **end = &job->events;
    size_t bytes = 0;
    int64_t seq;
    int count = 0;

    ck_assert_uint_gt(job->max_bytes, 0);

    while (*end != NULL) {
        end = &(*end)->next;
    }
    for (seq = from + 1; seq <= store->last_seq && count < limit; seq++) {
        if (fake_has(store, seq)) {
            *end = fake_event(store, seq);
            ck_assert_ptr_nonnull(*end);
            bytes += tc_event_size(*end);
            if (job->kind == TC_JOB_EVENTS && count > 0 && bytes > job->max_bytes) {
                tc_event_unref(*end);
                *end = NULL;
                return limit; /* the answer is cut short */
            }
            end = &(*end)->next;
            count++;
        }
    }
    return count;
}

/* Puts older messages before the job's events: as many as the history lacks. */
static void read_older(const fake_store_t *store, tc_job_t *job, int64_t before, int missing)
{
    int64_t seq;

    for (seq = before; seq >= 1 && missing > 0; seq--) {
        if (fake_has(store, seq) && store->rows[seq - 1].kind == TC_EVENT_MESSAGE) {
            tc_event_t *event = fake_event(store, seq);

            event->next = job->events;
            job->events = event;
            missing--;
        }
    }
}

static void work_on_load(const fake_store_t *store, tc_job_t *job)
{
    int64_t from = store->last_seq > TC_ROOM_LOG_EVENTS ? store->last_seq - TC_ROOM_LOG_EVENTS : 0;
    const tc_event_t *event;
    int messages = 0;

    read_rows(store, job, from, TC_ROOM_LOG_EVENTS);
    for (event = job->events; event != NULL; event = event->next) {
        messages += event->kind == TC_EVENT_MESSAGE;
    }
    read_older(store, job, from, job->limit - messages);
    job->last_seq = store->last_seq;
    job->epoch = store->epoch;
    job->status = TC_JOB_DONE;
}

static void work_on_events(const fake_store_t *store, tc_job_t *job)
{
    job->complete = read_rows(store, job, job->after, job->limit) < job->limit;
    job->last_seq = store->last_seq;
    job->epoch = store->epoch;
    job->status = TC_JOB_DONE;
}

/* The rows are those of one room, so every room has the same last seq. */
static void work_on_heads(const fake_store_t *store, tc_job_t *job)
{
    int i;

    for (i = 0; i < job->head_count; i++) {
        ck_assert(i == 0 || tc_head_compare(&job->heads[i - 1], &job->heads[i]) < 0);
        job->heads[i].is_odd = store->last_seq < job->heads[i].last_seq || store->epoch != job->heads[i].epoch;
        job->heads[i].last_seq = store->last_seq;
    }
    job->status = TC_JOB_DONE;
}

static json_object *member_of(json_object *object, const char *name)
{
    json_object *value = NULL;

    json_object_object_get_ex(object, name, &value);
    return value;
}

static const char *text_of(json_object *object, const char *name)
{
    return json_object_get_string(member_of(object, name));
}

static int64_t int_of(json_object *object, const char *name)
{
    ck_assert_msg(json_object_is_type(member_of(object, name), json_type_int), "no number %s in %s",
                  name, json_object_to_json_string(object));
    return json_object_get_int64(member_of(object, name));
}

/* ---- a database that fails over to a standby that lacks its newest events ---- */

#define FAKE_EPOCH_ROWS 2000 /* numbers that a new epoch leaves out: more than a client may resume over */

static void add_hole(fake_store_t *store)
{
    store->last_seq++;
    store->rows = realloc(store->rows, (size_t)store->last_seq * sizeof(*store->rows));
    store->rows[store->last_seq - 1] = (fake_row_t){TC_EVENT_MESSAGE, -1};
}

void fake_fail_over(fake_store_t *store, int lost)
{
    store = store->rows_of;
    for (; lost > 0; lost--) {
        store->messages[store->rows[--store->last_seq].message].deleted = true;
    }
}

void fake_begin_epoch(fake_store_t *store)
{
    int64_t last_seq = store->last_seq + FAKE_EPOCH_ROWS;

    while (store->last_seq < last_seq) {
        add_hole(store);
    }
    store->epoch++;
}

static int find_lost(const fake_store_t *store, json_object *shown)
{
    const char *text = text_of(shown, "id");
    tc_uuid_t id;
    int i = 0;

    ck_assert(tc_uuid_parse(text, strlen(text), &id));
    while (i < store->message_count && !tc_uuid_equal(&store->messages[i].id, &id)) {
        i++;
    }
    ck_assert_int_lt(i, store->message_count);
    return i;
}

/* The rules of chat_mend(), for messages alone. */
static void work_on_mend(fake_store_t *store, tc_job_t *job)
{
    json_object *list = json_tokener_parse(job->content);
    int32_t believed = job->epoch;
    size_t i;

    ck_assert_ptr_nonnull(list);
    if (job->after > store->last_seq && store->epoch == believed) {
        fake_begin_epoch(store);
    }
    for (i = 0; i < json_object_array_length(list); i++) {
        json_object *event = json_object_array_get_idx(list, i);
        int number = find_lost(store, member_of(event, "message"));
        int64_t seq = int_of(event, "seq");

        if (seq <= store->last_seq && store->rows[seq - 1].message == number) {
            continue;
        }
        if (job->lost++ == 0 && store->epoch == believed) {
            fake_begin_epoch(store);
        }
        if (store->messages[number].deleted) {
            store->messages[number].deleted = false;
            store->messages[number].seq = add_row(store, TC_EVENT_MESSAGE, number);
            job->put_back++;
        }
    }
    json_object_put(list);
    job->epoch = store->epoch;
    job->last_seq = store->last_seq;
    job->status = TC_JOB_DONE;
}

static bool is_user(const char *id, const tc_user_t *user)
{
    return id != NULL && strcmp(id, user->id) == 0;
}

/* Refuses the user that the test has named, and no longer knows another one. */
static void work_on_access(const fake_store_t *store, tc_job_t *job)
{
    bool answers = true;
    int i, users = 0;

    for (i = 0; i < job->room_count; i++) {
        users += job->rooms[i].user_count;
        answers = answers && (store->mute_room == NULL || !tc_uuid_equal(store->mute_room, &job->rooms[i].room_id));
    }
    ck_assert_int_eq(users, job->user_count);
    for (i = 0; i < job->room_count; i++) {
        ck_assert(tc_uuid_equal(&job->rooms[i].room_id, &job->rooms[i].room->room_id));
        job->rooms[i].answered = answers;
        job->rooms[i].last_seq = store->room_is_gone ? -1 : store->last_seq;
    }
    for (i = 0; i < job->user_count; i++) {
        ck_assert(job->users[i].allowed && job->users[i].known);
        job->users[i].allowed = !is_user(store->stranger, job->users[i].user);
        job->users[i].known = store->unknown == NULL || strcmp(store->unknown, job->users[i].user->claim) != 0;
    }
    job->status = answers || job->room_count > 1 ? TC_JOB_DONE : TC_JOB_UNAVAILABLE;
}

static void work_on(fake_store_t *store, tc_job_t *job)
{
    store = store->rows_of;
    switch (job->kind) {
    case TC_JOB_POST:
        work_on_post(store, job);
        break;
    case TC_JOB_EDIT:
        work_on_edit(store, job);
        break;
    case TC_JOB_LOAD:
        work_on_load(store, job);
        break;
    case TC_JOB_EVENTS:
        work_on_events(store, job);
        break;
    case TC_JOB_PROBE:
        break;
    case TC_JOB_HEADS:
        work_on_heads(store, job);
        break;
    case TC_JOB_ACCESS:
        work_on_access(store, job);
        break;
    case TC_JOB_MEND:
        work_on_mend(store, job);
        break;
    }
}

static void work_or_fail(fake_store_t *store, tc_job_t *job)
{
    if (store->fail_with == TC_JOB_PENDING || store->fail_after_commit) {
        work_on(store, job);
    }
    if (store->fail_with != TC_JOB_PENDING) {
        tc_event_unref_list(job->events);
        job->events = NULL;
        job->status = store->fail_with;
        job->error = store->fail_error;
    }
}

bool fake_work(fake_store_t *store)
{
    tc_job_t *job = list_take(&store->queued);

    if (job == NULL) {
        return false;
    }
    work_or_fail(store, job);
    list_add(&store->worked, job);
    return true;
}

void fake_work_batch(fake_store_t *store)
{
    tc_mail_t *mail;
    int reads;

    for (reads = 0; reads < 2; reads++) {
        for (mail = store->queued.first; mail != NULL; mail = mail->next) {
            tc_job_t *job = (tc_job_t *)mail;
            bool is_read = job->kind != TC_JOB_POST && job->kind != TC_JOB_EDIT;

            if (is_read == (reads == 1)) {
                work_or_fail(store, job);
            }
        }
    }
    while (store->queued.first != NULL) {
        list_add(&store->worked, list_take(&store->queued));
    }
}

tc_job_t *fake_take(fake_store_t *store)
{
    return list_take(&store->worked);
}

const char *fake_jobs(const fake_store_t *store)
{
    static const char *const names[] = {"POST", "EDIT", "LOAD", "EVENTS", "HEADS", "ACCESS", "PROBE", "MEND"};
    static char text[512];
    const tc_mail_t *mail;
    size_t len = 0;

    text[0] = '\0';
    for (mail = store->queued.first; mail != NULL && len < sizeof(text) - 64; mail = mail->next) {
        const tc_job_t *job = (const tc_job_t *)mail;

        len += (size_t)sprintf(text + len, "%s%s", len ? " " : "", names[job->kind]);
        if (job->kind == TC_JOB_EVENTS) {
            len += (size_t)sprintf(text + len, ">%lld", (long long)job->after);
        }
        if (job->kind == TC_JOB_HEADS) {
            len += (size_t)sprintf(text + len, ":%d", job->head_count);
        }
        if (job->kind == TC_JOB_ACCESS) {
            len += (size_t)sprintf(text + len, ":%d", job->user_count);
        }
    }
    return text;
}

static apr_status_t submit(tc_store_t *base, tc_job_t *job)
{
    fake_store_t *store = (fake_store_t *)base;

    ck_assert_ptr_eq(job->store, base);
    ck_assert_int_eq(job->status, TC_JOB_PENDING);
    if (store->queued.count >= store->max_queued) {
        return APR_EAGAIN;
    }
    list_add(&store->queued, job);
    return APR_SUCCESS;
}

void fake_store_open(fake_store_t *store, tc_bus_t *bus)
{
    static const char *const types[] = {"text", "image", NULL};

    memset(store, 0, sizeof(*store));
    list_init(&store->queued);
    list_init(&store->worked);
    store->rows_of = store;
    store->bus = bus;
    store->max_queued = 1000;
    store->store.site = &store->site;
    store->store.submit = submit;
    store->site = (tc_site_t){
        .name = "fake",
        .index = 1,
        .rules = {.max_content_chars = 1000, .message_types = types},
        .history_msgs = 50,
        .resume_events = 1000,
        .room_cache_bytes = 1 << 20,
        .room_linger_us = 30 * FAKE_SECOND,
        .typing_interval_us = FAKE_SECOND,
        .typing_max_room = 200,
        .max_pending = 64,
    };
}

void fake_store_share(fake_store_t *store, fake_store_t *rows_of)
{
    store->site = rows_of->site;
    store->rows_of = rows_of;
}

void fake_store_close(fake_store_t *store)
{
    int i, text;

    ck_assert_uint_eq(store->queued.count + store->worked.count, 0);
    for (i = 0; i < store->message_count; i++) {
        tc_user_unref(store->messages[i].sender);
        free(store->messages[i].content);
        for (text = 0; text < store->messages[i].text_count; text++) {
            free(store->messages[i].texts[text]);
        }
        free(store->messages[i].client_id);
    }
    free(store->messages);
    free(store->rows);
}

/* ---- frames that a member gets ---- */

/* Begins a word of the transcript. The caller appends the word to the buffer that is returned. */
static tc_buf_t *word(fake_member_t *self)
{
    if (self->quiet) {
        self->transcript.len = 0;
    }
    if (self->transcript.len > 0) {
        tc_buf_append(&self->transcript, " ", 1);
    }
    return &self->transcript;
}

/* Checks that all events between `from` and `to` were deleted. */
static void check_nothing_between(const fake_member_t *self, int64_t from, int64_t to)
{
    int64_t seq;

    for (seq = from + 1; seq < to; seq++) {
        ck_assert_msg(!fake_has(self->store, seq), "member %s (%llu) was not shown %lld before %lld",
                      self->member.user->id, (unsigned long long)self->member.id, (long long)seq,
                      (long long)to);
    }
}

/*
 * Checks that the member gets each event once and in seq order. Three kinds of own messages may come out of order: a
 * repeated message, a message that the member sent before it had its history, and one that was deleted meanwhile.
 */
static void check_event(fake_member_t *self, int64_t seq, bool own)
{
    ck_assert_msg(seq >= 1 && seq <= self->store->last_seq, "no such event: %lld", (long long)seq);
    if (own && seq <= self->seen) {
        ck_assert_msg(self->store->rows[seq - 1].kind == TC_EVENT_MESSAGE, "member %s was shown its edit %lld late",
                      self->member.user->id, (long long)seq);
        ck_assert_msg(self->store->messages[self->store->rows[seq - 1].message].repeated || seq <= self->history_seq
                          || !fake_has(self->store, seq),
                      "member %s was shown %lld twice", self->member.user->id, (long long)seq);
        return;
    }
    ck_assert_msg(self->seen >= 0, "an event before the history");
    ck_assert_msg(seq > self->seen, "member %s (%llu) was shown %lld after %lld",
                  self->member.user->id, (unsigned long long)self->member.id, (long long)seq,
                  (long long)self->seen);
    check_nothing_between(self, self->seen, seq);
    self->seen = seq;
}

/* Notes which of the message's texts the member is shown. A fetch may show a later text than the next event does. */
static void note_shown(fake_member_t *self, int64_t seq, const char *content)
{
    int number = self->store->rows[seq - 1].message;
    const fake_message_t *message = &self->store->messages[number];
    int text = message->text_count;

    while (text > 0 && strcmp(message->texts[text - 1], content) != 0) {
        text--;
    }
    while (self->texts_size <= number) {
        self->texts = realloc(self->texts, (size_t)(self->texts_size + 64) * sizeof(*self->texts));
        memset(self->texts + self->texts_size, 0, 64 * sizeof(*self->texts));
        self->texts_size += 64;
    }
    self->texts[number].last = text;
    if (text > self->texts[number].newest) {
        self->texts[number].newest = text;
    }
}

void fake_check_texts(const fake_member_t *self)
{
    int i;

    for (i = 0; i < self->texts_size; i++) {
        ck_assert_msg(self->texts[i].last == self->texts[i].newest, "member %s (%llu) ends with text %d of message %d, not with %d",
                      self->member.user->id, (unsigned long long)self->member.id, self->texts[i].last, i,
                      self->texts[i].newest);
    }
}

static void on_event(fake_member_t *self, const char *kind, json_object *frame)
{
    json_object *message = member_of(frame, "message");
    const char *client_id = text_of(frame, "client_id");
    int64_t seq = int_of(message, "seq");

    unit_append_text(word(self), "%s(%lld:%s", kind, (long long)seq, text_of(message, "content"));
    if (client_id != NULL) {
        unit_append_text(&self->transcript, " own %s", client_id);
    }
    unit_append_text(&self->transcript, ")");
    check_event(self, seq, client_id != NULL);
    if (!self->store->messages[self->store->rows[seq - 1].message].repeated) {
        note_shown(self, seq, text_of(message, "content"));
    }
}

/* Checks a history: messages ascend, a resume leaves out nothing, a fresh start has no more than the site allows. */
static void check_history(fake_member_t *self, json_object *list, const char *kind,
                          int64_t last_seq)
{
    bool resumed = strcmp(kind, "resumed") == 0;
    int64_t at = resumed ? self->member.after : 0;
    size_t i;

    ck_assert_msg(self->seen < 0, "a second history");
    ck_assert_int_le(last_seq, self->store->last_seq);
    for (i = 0; i < json_object_array_length(list); i++) {
        int64_t seq = int_of(json_object_array_get_idx(list, i), "seq");

        ck_assert_int_gt(seq, at);
        ck_assert_int_le(seq, last_seq);
        if (resumed) {
            check_nothing_between(self, at, seq);
        }
        at = seq;
    }
    if (resumed) {
        check_nothing_between(self, at, last_seq + 1);
    }
    else {
        ck_assert_int_le((int)i, self->store->site.history_msgs);
    }
    ck_assert((strcmp(kind, "fresh") == 0) == (self->member.after < 0));
    self->seen = self->history_seq = last_seq;
}

static void on_history(fake_member_t *self, json_object *frame)
{
    json_object *list = member_of(frame, "messages"), *recovered = member_of(frame, "recovered");
    const char *kind = recovered == NULL                      ? "fresh"
                       : json_object_get_boolean(recovered) ? "resumed"
                                                            : "lost";
    int64_t last_seq = int_of(frame, "last_seq");
    size_t i;

    unit_append_text(word(self), "%s(", kind);
    for (i = 0; i < json_object_array_length(list); i++) {
        json_object *message = json_object_array_get_idx(list, i);

        unit_append_text(&self->transcript, "%lld:%s ", (long long)int_of(message, "seq"),
                         text_of(message, "content"));
    }
    unit_append_text(&self->transcript, "last %lld)", (long long)last_seq);
    check_history(self, list, kind, last_seq);
}

static void on_typing(fake_member_t *self, json_object *frame)
{
    unit_append_text(word(self), "typing(%s %s)", text_of(frame, "user_id"),
                     json_object_get_boolean(member_of(frame, "is_typing")) ? "on" : "off");
}

static void on_error(fake_member_t *self, json_object *frame)
{
    tc_buf_t *out = word(self);

    unit_append_text(out, "error(%s", text_of(frame, "code"));
    if (text_of(frame, "client_id") != NULL) {
        unit_append_text(out, " %s", text_of(frame, "client_id"));
    }
    if (text_of(frame, "field") != NULL) {
        unit_append_text(out, " %s", text_of(frame, "field"));
    }
    if (member_of(frame, "retry_after") != NULL) {
        unit_append_text(out, " %llds", (long long)int_of(frame, "retry_after"));
    }
    unit_append_text(out, ")");
}

static json_object *parse_frame(const tc_blob_t *blob)
{
    size_t header = blob->data[1] < 126 ? 2 : blob->data[1] == 126 ? 4 : 10;
    json_tokener *tokener = json_tokener_new();
    json_object *frame;

    ck_assert_uint_eq(blob->data[0], 0x81);
    frame = json_tokener_parse_ex(tokener, (const char *)blob->data + header,
                                  (int)(blob->len - header));
    ck_assert_msg(frame != NULL, "no JSON: %.*s", (int)(blob->len - header), blob->data + header);
    ck_assert_uint_eq(json_tokener_get_parse_end(tokener), blob->len - header);
    json_tokener_free(tokener);
    return frame;
}

static void sink_send(tc_member_t *member, tc_blob_t *blob, bool urgent)
{
    fake_member_t *self = (fake_member_t *)member;
    json_object *frame;
    const char *type;

    if (self->closed) {
        return;
    }
    frame = parse_frame(blob);
    type = text_of(frame, "type");
    self->frames++;
    self->urgent += urgent;
    ck_assert(blob->droppable == (strcmp(type, "typing") == 0));
    if (strcmp(type, "chat_message") == 0) {
        on_event(self, "msg", frame);
    }
    else if (strcmp(type, "message_edited") == 0) {
        on_event(self, "edit", frame);
    }
    else if (strcmp(type, "message_history") == 0) {
        on_history(self, frame);
    }
    else if (strcmp(type, "typing") == 0) {
        on_typing(self, frame);
    }
    else if (strcmp(type, "pong") == 0) {
        unit_append_text(word(self), "pong(%s)", text_of(frame, "client_id") ? text_of(frame, "client_id") : "-");
    }
    else {
        ck_assert_str_eq(type, "error");
        on_error(self, frame);
    }
    tc_json_free(frame);
}

static void sink_close(tc_member_t *member, unsigned code, const char *reason)
{
    fake_member_t *self = (fake_member_t *)member;

    ck_assert_ptr_nonnull(reason);
    if (!self->closed) {
        unit_append_text(word(self), "CLOSE%u", code);
        self->closed = code;
    }
}

static void sink_wake(tc_member_t *member, int64_t due_us)
{
    ((fake_member_t *)member)->woken_us = due_us;
}

static void sink_settled(tc_member_t *member)
{
    ((fake_member_t *)member)->settled++;
}

static void sink_authenticate(tc_member_t *member, const char *token, const char *client_id)
{
    fake_member_t *self = (fake_member_t *)member;

    unit_append_text(word(self), "authenticate(%s %s)", token, client_id ? client_id : "-");
}

static void sink_checked(tc_member_t *member, const char *client_id, tc_chat_error_e verdict)
{
    fake_member_t *self = (fake_member_t *)member;

    unit_append_text(word(self), "checked(%s %s)", client_id ? client_id : "-",
                     verdict == TC_CHAT_OK ? "ok" : tc_chat_error_code(verdict));
}

static const tc_sink_t sink = {sink_send,         sink_close,   sink_wake, sink_settled,
                               sink_authenticate, sink_checked, NULL,      NULL};

const char *fake_transcript(fake_member_t *member)
{
    unit_append_text(&member->transcript, "%s", "");
    return (const char *)member->transcript.data;
}

void fake_forget(fake_member_t *member)
{
    member->transcript.len = 0;
}

/* ---- the world ---- */

static tc_uuid_t uuid_of(const char *text)
{
    tc_uuid_t uuid;

    ck_assert(tc_uuid_parse(text, strlen(text), &uuid));
    return uuid;
}

static tc_trip_t trip_of(const char *text)
{
    tc_trip_t trip;

    ck_assert(tc_trip_parse(text, strlen(text), TC_TRIP_TEXT, &trip));
    return trip;
}

fake_world_t *fake_open_bus(tc_bus_state_e state)
{
    fake_world_t *world = calloc(1, sizeof(*world));

    tc_thread_set_role(TC_THREAD_LOOP);
    world->pool = unit_pool();
    world->hub = tc_hub_create(world->pool);
    world->now_us = 1000 * FAKE_SECOND;
    fake_bus_open(&world->bus, state);
    fake_store_open(&world->store, &world->bus.bus);
    return world;
}

fake_world_t *fake_open(void)
{
    return fake_open_bus(TC_BUS_ALONE);
}

fake_world_t *fake_open_sibling(fake_world_t *elder)
{
    fake_world_t *world = fake_open_bus(elder->bus.bus.state);

    fake_store_share(&world->store, &elder->store);
    world->now_us = elder->now_us;
    return world;
}

static fake_member_t *make_member(fake_world_t *world, fake_store_t *store, const char *user)
{
    fake_member_t *self = calloc(1, sizeof(*self));
    char email[100];

    snprintf(email, sizeof(email), "%s@example.com", user);
    self->member.sink = &sink;
    self->member.id = ++world->last_member_id;
    self->member.user = tc_user_create(user, email, user, NULL);
    self->world = world;
    self->store = store->rows_of;
    self->seen = -1;
    self->next = world->members;
    world->members = self;
    return self;
}

fake_member_t *fake_join_room(fake_world_t *world, fake_store_t *store, const char *user,
                              int64_t after, const char *trip_id, const char *room_id)
{
    fake_member_t *self = make_member(world, store, user);
    tc_trip_t trip = trip_of(trip_id);
    tc_uuid_t room = uuid_of(room_id);

    self->member.epoch = -1;
    tc_hub_join(world->hub, &self->member, &store->store, store->bus, &trip, &room, after);
    return self;
}

fake_member_t *fake_join(fake_world_t *world, const char *user, int64_t after)
{
    return fake_join_room(world, &world->store, user, after, FAKE_TRIP, FAKE_ROOM);
}

fake_member_t *fake_resume(fake_world_t *world, const char *user, int64_t after, int32_t epoch)
{
    fake_member_t *self = make_member(world, &world->store, user);
    tc_trip_t trip = trip_of(FAKE_TRIP);
    tc_uuid_t room = uuid_of(FAKE_ROOM);

    self->member.epoch = epoch;
    tc_hub_join(world->hub, &self->member, &world->store.store, world->store.bus, &trip, &room, after);
    return self;
}

fake_member_t *fake_settle_in_as(fake_world_t *world, const char *user, const char *claim)
{
    fake_member_t *self = make_member(world, &world->store, user);
    tc_user_t *known = self->member.user;
    tc_trip_t trip = trip_of(FAKE_TRIP);
    tc_uuid_t room = uuid_of(FAKE_ROOM);

    self->member.user = tc_user_claimed(known, claim);
    tc_user_unref(known);
    self->member.epoch = -1;
    tc_hub_join(world->hub, &self->member, &world->store.store, world->store.bus, &trip, &room, -1);
    fake_settle(world);
    fake_forget(self);
    return self;
}

fake_member_t *fake_rejoin(fake_world_t *world, const char *user, int64_t cursor)
{
    fake_member_t *self = make_member(world, &world->store, user);
    tc_trip_t trip = trip_of(FAKE_TRIP);
    tc_uuid_t room = uuid_of(FAKE_ROOM);

    self->seen = self->member.cursor = cursor;
    tc_hub_rejoin(world->hub, &self->member, &world->store.store, world->store.bus, &trip, &room);
    return self;
}

fake_member_t *fake_join_number(fake_world_t *world, const char *user, int number)
{
    char trip[TC_UUID_CHARS + 1], room[TC_UUID_CHARS + 1];

    snprintf(trip, sizeof(trip), "550e8400-e29b-41d4-a716-44665555%04d", number);
    snprintf(room, sizeof(room), "018d0000-0000-7000-8000-00000001%04d", number);
    return fake_join_room(world, &world->store, user, -1, trip, room);
}

void fake_leave(fake_world_t *world, fake_member_t *member)
{
    tc_hub_leave(world->hub, &member->member, world->now_us);
}

void fake_send(fake_member_t *member, const char *json)
{
    tc_hub_on_text(member->world->hub, &member->member, json, strlen(json),
                   member->world->now_us);
}

void fake_say(fake_member_t *member, const char *content, const char *client_id)
{
    char json[1000];

    snprintf(json, sizeof(json), "{\"type\":\"chat_message\",\"content\":\"%s\"%s%s%s}", content,
             client_id ? ",\"client_id\":\"" : "", client_id ? client_id : "",
             client_id ? "\"" : "");
    fake_send(member, json);
}

void fake_say_edit(fake_member_t *member, int64_t message_seq, const char *content)
{
    fake_say_edit_as(member, message_seq, content, NULL);
}

void fake_say_edit_as(fake_member_t *member, int64_t message_seq, const char *content, const char *client_id)
{
    const fake_store_t *store = member->store;
    char json[1000], id[TC_UUID_CHARS + 1];

    tc_uuid_format(&store->messages[store->rows[message_seq - 1].message].id, id);
    snprintf(json, sizeof(json),
             "{\"type\":\"edit_message\",\"message_id\":\"%s\",\"content\":\"%s\"%s%s%s}", id, content,
             client_id ? ",\"client_id\":\"" : "", client_id ? client_id : "", client_id ? "\"" : "");
    fake_send(member, json);
}

void fake_type(fake_member_t *member, bool is_typing)
{
    fake_send(member, is_typing ? "{\"type\":\"typing\",\"is_typing\":true}"
                                : "{\"type\":\"typing\",\"is_typing\":false}");
}

tc_room_t *fake_room(const fake_world_t *world)
{
    ck_assert_uint_gt(world->bus.room_count, 0);
    return (tc_room_t *)world->bus.rooms[world->bus.room_count - 1];
}

void fake_bring(fake_world_t *world, int64_t seq)
{
    tc_event_t *event = fake_event(&world->store, seq);
    tc_uuid_t room_id = uuid_of(FAKE_ROOM);

    if (event != NULL) {
        tc_hub_on_bus_event(world->hub, &world->store.site, &room_id, event);
        tc_event_unref(event);
    }
}

void fake_hear_head(fake_world_t *world, int64_t seq)
{
    tc_uuid_t room_id = uuid_of(FAKE_ROOM);

    tc_hub_on_bus_head(world->hub, &world->store.site, &room_id, seq);
}

void fake_bus_becomes(fake_world_t *world, tc_bus_state_e state)
{
    tc_hub_on_bus_state(world->hub, &world->bus.bus, state, world->now_us);
}

void fake_bus_joins(fake_world_t *world)
{
    tc_uuid_t room_id = uuid_of(FAKE_ROOM);

    tc_hub_on_bus_joined(world->hub, &world->store.site, &room_id);
}

int64_t fake_lose(fake_world_t *world, const char *content)
{
    tc_user_t *zoe = tc_user_create("zoe", NULL, NULL, NULL);
    int64_t seq = fake_write(&world->store, zoe, content, NULL);

    tc_user_unref(zoe);
    return seq;
}

int64_t fake_elsewhere(fake_world_t *world, const char *content)
{
    int64_t seq = fake_lose(world, content);

    fake_bring(world, seq);
    return seq;
}

fake_member_t *fake_settle_in(fake_world_t *world, const char *user)
{
    fake_member_t *member = fake_join(world, user, -1);

    fake_settle(world);
    fake_forget(member);
    return member;
}

fake_member_t *fake_ann_after(fake_world_t *world, int count)
{
    fake_member_t *ann;
    char content[16];
    int i;

    for (i = 1; i <= count; i++) {
        snprintf(content, sizeof(content), "m%d", i);
        fake_elsewhere(world, content);
    }
    ann = fake_join(world, "ann", -1);
    fake_settle(world);
    ck_assert_int_eq(ann->seen, count);
    fake_forget(ann);
    return ann;
}

bool fake_answer(fake_world_t *world, fake_store_t *store)
{
    tc_job_t *job = fake_take(store);

    if (job == NULL) {
        return false;
    }
    tc_hub_on_job(world->hub, job, world->now_us);
    return true;
}

bool fake_answer_read(fake_world_t *world, fake_store_t *store)
{
    fake_list_t others;
    tc_job_t *job, *read = NULL;

    list_init(&others);
    while ((job = list_take(&store->worked)) != NULL) {
        if (read == NULL && job->kind != TC_JOB_POST && job->kind != TC_JOB_EDIT) {
            read = job;
        }
        else {
            list_add(&others, job);
        }
    }
    while ((job = list_take(&others)) != NULL) {
        list_add(&store->worked, job);
    }
    if (read != NULL) {
        tc_hub_on_job(world->hub, read, world->now_us);
    }
    return read != NULL;
}

static void ignore_unserved(void *context)
{
    (void)context;
}

void fake_serve_in_portions(fake_world_t *world, unsigned portion)
{
    tc_hub_serve_in_portions(world->hub, portion, ignore_unserved, NULL);
}

void fake_settle(fake_world_t *world)
{
    int turns = 0;

    while (tc_hub_serve_on(world->hub) || fake_work(&world->store) || fake_answer(world, &world->store)) {
        ck_assert_msg(++turns < 10000, "the store is asked, or members are served, without end");
    }
}

void fake_tick(fake_world_t *world)
{
    world->now_us += FAKE_SECOND;
    tc_hub_tick(world->hub, world->now_us);
}

void fake_close(fake_world_t *world)
{
    fake_member_t *self, *next;

    for (self = world->members; self != NULL; self = self->next) {
        fake_leave(world, self);
    }
    fake_settle(world);
    tc_hub_destroy(world->hub);
    fake_bus_close(&world->bus);
    for (self = world->members; self != NULL; self = next) {
        next = self->next;
        ck_assert_uint_eq(self->member.jobs, 0);
        tc_user_unref(self->member.user);
        tc_buf_free(&self->transcript);
        free(self->texts);
        free(self);
    }
    fake_store_close(&world->store);
    apr_pool_destroy(world->pool);
    free(world);
}

/* ---- two sites ---- */

void fake_settle_sites(fake_sites_t *sites)
{
    do {
        fake_settle(sites->world);
    } while (fake_work(&sites->other->store) || fake_answer(sites->world, &sites->other->store));
}

void fake_seat_two(fake_sites_t *sites)
{
    sites->ann = fake_join(sites->world, "ann", -1);
    sites->bob = fake_join_room(sites->world, &sites->other->store, "bob", -1, FAKE_TRIP, FAKE_ROOM);
    fake_settle_sites(sites);
    fake_forget(sites->ann);
    fake_forget(sites->bob);
}

void fake_close_sites(fake_sites_t *sites)
{
    fake_settle_sites(sites);
    fake_close(sites->world);
    fake_close(sites->other);
}
