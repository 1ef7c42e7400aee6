/*
 * A connection that httpd, or another child, has let go of, on its way to the loop that will hold it.
 */
#ifndef TC_PEER_ADOPTION_H
#define TC_PEER_ADOPTION_H

#include "base/mail.h"
#include "codec/deflate.h"
#include "domain/bus.h"
#include "domain/store.h"
#include "peer/parcel.h"
#include "peer/peers.h"
#include "shared/usage.h"
#include "token/lease.h"

#include <openssl/ssl.h>

struct tc_application_t;

/* What a client without WebSocket wants of its connection. */
typedef struct {
    bool is_poll;         /* one answer when there is news; else server-sent events without an end */
    unsigned limit;       /* poll: events in the answer */
    int64_t wait_us;      /* poll: until it is given anyway */
    const char *headers;  /* poll: lines with CRLF that the answer shall have; in text[] */
    const char *url;      /* poll: of the list, ready for the next parameter; in text[] */
    char text[];
} tc_stream_request_t;

/*
 * Owns everything in it. `reject_code` not 0: the client is told so and closed; then there is no user and no store.
 */
typedef struct tc_adoption_t {
    tc_mail_t mail;
    int fd;                  /* non-blocking, close-on-exec */
    SSL *ssl;                /* one reference, with fd as its BIO; NULL: plain */
    bool bridged;            /* fd is a worker's end of a pair (httpd/bridge.h) */
    const tc_site_t *site;
    tc_store_t *store;
    tc_bus_t *bus;
    tc_user_t *user;
    tc_lease_t lease;
    tc_uuid_t trip_id;
    tc_uuid_t room_id;
    int64_t after;           /* -1: a newcomer */
    char address[TC_USAGE_ADDRESS_CHARS]; /* the client's; "": not known */
    unsigned reject_code;
    const char *reject_reason; /* a literal */
    tc_stream_request_t *stream; /* malloc'ed; NULL: a WebSocket */
    tc_claim_t claim;
    tc_deflate_terms_t deflate; /* of a WebSocket */
    const struct tc_application_t *application; /* of a WebSocket (session.h); NULL: the chat */
    tc_parcel_t *parcel;     /* malloc'ed; of one that comes from another child; NULL: a new one */
    size_t input_len;        /* what the client sent behind its handshake */
    unsigned char *input;    /* malloc'ed, NULL when there is none */
} tc_adoption_t;

/* Frees what an adoption still has when a peer has taken its contents over. Loop. */
void tc_adoption_free(tc_adoption_t *adoption);

/* Frees an adoption that no loop takes: closes its descriptor, counts it out. Any thread. */
void tc_adoption_drop(tc_adoption_t *adoption, tc_peers_t *peers);

#endif
