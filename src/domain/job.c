/* Jobs for a store. See store.h. */
#include "base/alloc.h"
#include "domain/store.h"

#include <stdlib.h>

tc_job_t *tc_job_create(tc_job_kind_e kind, tc_store_t *store, const char *content,
                        size_t content_len, const char *client_id)
{
    size_t id_size = client_id ? strlen(client_id) + 1 : 0;
    tc_job_t *job = tc_alloc_zero(sizeof(*job) + content_len + 1 + id_size);

    job->kind = kind;
    job->store = store;
    if (content_len > 0) {
        memcpy(job->text, content, content_len);
    }
    job->content = job->text;
    job->content_len = content_len;
    if (client_id != NULL) {
        job->client_id = memcpy(job->text + content_len + 1, client_id, id_size);
    }
    return job;
}

int tc_head_compare(const void *a, const void *b)
{
    return memcmp(&((const tc_head_t *)a)->room_id, &((const tc_head_t *)b)->room_id,
                  sizeof(tc_uuid_t));
}

void tc_job_destroy(tc_job_t *job)
{
    int i;

    if (job->on_end != NULL) {
        job->on_end(job);
    }
    for (i = 0; i < job->user_count; i++) {
        tc_user_unref(job->users[i].user);
    }
    free(job->rooms);
    free(job->users);
    free(job->seats);
    tc_user_unref(job->user);
    tc_event_unref_list(job->events);
    tc_blob_unref(job->history[0]);
    tc_blob_unref(job->history[1]);
    free(job->heads);
    free(job);
}
