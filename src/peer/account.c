/* What metrics and the connection log hear of a connection. See account.h. */
#include "peer/account.h"

#include "base/metrics.h"
#include "peer/record.h"

#include <unistd.h>

void tc_account_state(const tc_peer_t *peer, bool is_in)
{
    unsigned slot = peer->site->metrics_slot;
    unsigned state = peer->state == TC_PEER_OPEN ? TC_L_STATE_OPEN : TC_L_STATE_CLOSING;
    uint64_t by = is_in ? 1 : UINT64_MAX; /* which adds -1 */

    if (peer->state != TC_PEER_DEAD) {
        tc_metrics_add(slot, TC_CELL(CONNECTIONS, peer->counted_as, state), by);
        tc_metrics_add(slot, TC_M_TLS_CONNECTIONS, peer->transport.ssl ? by : 0);
    }
}

void tc_account_close(const tc_peer_t *peer, unsigned code, unsigned side)
{
    static const unsigned codes[] = {1000, 1001, 1002, 1003, 1005, 1006, 1007,
                                     1008, 1009, 1011, 1012, 1013, 4001, 4003};
    unsigned i = 0;

    while (i < TC_L_CODE_OTHER && codes[i] != code) {
        i++;
    }
    tc_metrics_add(peer->site->metrics_slot, TC_CELL(CLOSES, i, side), 1);
    tc_account_note_close(peer, code, side);
}

void tc_account_note_close(const tc_peer_t *peer, unsigned code, unsigned side)
{
    if (peer->usage != NULL && peer->usage->close_code == 0) {
        peer->usage->close_code = code;
        peer->usage->closed_by_client = side == TC_L_SIDE_CLIENT;
    }
}

void tc_account_end(tc_peer_t *peer)
{
    static const char *const kinds[] = {"websocket", "events", "poll"}; /* TC_L_TRANSPORT_… */
    tc_usage_subject_t subject = {
        .site = peer->site->name,
        .over = kinds[peer->counted_as],
        .user_id = peer->member.user ? peer->member.user->id : "",
        .child = (int)getpid(),
        .id = peer->member.id,
        .is_tls = peer->transport.ssl != NULL,
        .is_bridged = peer->bridged,
    };

    tc_record_end(peer->usage, &subject, peer->site, peer->peers, tc_peer_now_us(peer));
    peer->usage = NULL;
}

unsigned tc_account_transport(const tc_adoption_t *adoption)
{
    if (adoption->stream == NULL) {
        return TC_L_TRANSPORT_WEBSOCKET;
    }
    return adoption->stream->is_poll ? TC_L_TRANSPORT_POLL : TC_L_TRANSPORT_EVENTS;
}
