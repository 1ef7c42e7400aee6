/* What the connection log and the metrics say of a connection. See record.h. */
#include "peer/record.h"

#include "base/clock.h"
#include "base/metrics.h"
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

unsigned tc_record_transport(const tc_adoption_t *adoption)
{
    if (adoption->stream == NULL) {
        return TC_L_TRANSPORT_WEBSOCKET;
    }
    return adoption->stream->is_poll ? TC_L_TRANSPORT_POLL : TC_L_TRANSPORT_EVENTS;
}

void tc_record_state(const tc_site_t *site, unsigned transport, unsigned state, bool is_tls, bool is_in)
{
    uint64_t by = is_in ? 1 : UINT64_MAX; /* which adds -1 */

    tc_metrics_add(site->metrics_slot, TC_CELL(CONNECTIONS, transport, state), by);
    tc_metrics_add(site->metrics_slot, TC_M_TLS_CONNECTIONS, is_tls ? by : 0);
}

void tc_record_close(const tc_site_t *site, tc_usage_t *usage, unsigned code, unsigned side)
{
    static const unsigned codes[] = {1000, 1001, 1002, 1003, 1005, 1006, 1007,
                                     1008, 1009, 1011, 1012, 1013, 4001, 4003};
    unsigned i = 0;

    while (i < TC_L_CODE_OTHER && codes[i] != code) {
        i++;
    }
    tc_metrics_add(site->metrics_slot, TC_CELL(CLOSES, i, side), 1);
    tc_record_note_close(usage, code, side);
}

void tc_record_note_close(tc_usage_t *usage, unsigned code, unsigned side)
{
    if (usage != NULL && usage->close_code == 0) {
        usage->close_code = code;
        usage->closed_by_client = side == TC_L_SIDE_CLIENT;
    }
}
