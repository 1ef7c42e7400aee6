/* A database that fails over to a standby that lacks its newest events. Included by fake_room.c. */

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
