/* What the connection log says of a connection. See record.h. */
#include "peer/record.h"

#include "base/clock.h"
#include "peer/parcel.h"

#include <stdlib.h>
#include <string.h>

tc_usage_t *tc_record_begin(const tc_adoption_t *adoption, int64_t now_us)
{
    const tc_parcel_head_t *head = adoption->parcel ? &adoption->parcel->head : NULL;
    tc_usage_t *usage;

    if (adoption->site->connection_log == 0) {
        return NULL;
    }
    usage = tc_usage_create(adoption->user ? adoption->trip.text : NULL);
    if (head != NULL && head->has_usage) {
        tc_usage_restore(usage, &head->usage);
        return usage;
    }
    usage->began_us = now_us;
    usage->bytes_in = adoption->input_len;
    memcpy(usage->address, adoption->address, sizeof(usage->address));
    return usage;
}

void tc_record_end(tc_usage_t *usage, const tc_usage_subject_t *subject, const tc_site_t *site, tc_peers_t *peers,
                   int64_t now_us)
{
    tc_buf_t line = TC_BUF_INIT;

    if (usage == NULL) {
        return;
    }
    tc_usage_encode(usage, subject, tc_clock_wall_us(), now_us, &line);
    peers->tell(peers, site, &line);
    tc_buf_free(&line);
    free(usage);
}
