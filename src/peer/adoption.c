/* Connections on their way to a loop. See adoption.h. */
#include "peer/adoption.h"

#include "engine/transport.h"

#include <stdlib.h>

void tc_adoption_free(tc_adoption_t *adoption)
{
    if (adoption->parcel != NULL) {
        tc_parcel_free(adoption->parcel);
        free(adoption->parcel);
    }
    free(adoption);
}

void tc_adoption_drop(tc_adoption_t *adoption, tc_peers_t *peers)
{
    tc_transport_t transport;

    tc_transport_init(&transport, adoption->fd, adoption->ssl);
    tc_transport_close(&transport);
    peers->release(peers, &adoption->claim);
    tc_user_unref(adoption->user);
    tc_lease_free(&adoption->lease);
    free(adoption->input);
    free(adoption->stream);
    tc_adoption_free(adoption);
}
