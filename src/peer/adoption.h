/*
 * A connection on its way to the loop that will hold it. httpd, or another child, has let go of the connection.
 */
#ifndef TC_PEER_ADOPTION_H
#define TC_PEER_ADOPTION_H

#include "base/mail.h"
#include "codec/deflate.h"
#include "domain/bus.h"
#include "domain/store.h"
#include "engine/loop.h"
#include "peer/parcel.h"
#include "peer/peers.h"
#include "shared/usage.h"
#include "token/lease.h"

#include <openssl/ssl.h>

struct tc_application_t;

/* What a client without WebSocket asks for: a long poll, or a stream of server-sent events. */
typedef struct {
    bool is_poll;         /* one answer when there is news; else server-sent events without an end */
    unsigned limit;       /* poll: greatest number of events in the answer */
    int64_t wait_us;      /* poll: after this time the answer is given without news */
    const char *url;      /* URL of the list, to which a parameter can be appended; in text[] */
    const char *fields;   /* poll: the header lines of the answer, with CRLF; in text[] */
    const char *error_fields; /* poll: the same for an answer that is an error */
    char text[];
} tc_stream_request_t;

/*
 * The adoption owns its descriptor, SSL, user, lease, claim and all malloc'ed fields; the other pointers are borrowed.
 * If `reject_code` is not 0, the client gets that close code; then there is no store and no bus, and there is a user only if
 * the connection comes from another child.
 */
typedef struct tc_adoption_t {
    tc_mail_t mail;
    uint64_t id;             /* of the connection; 0: it is given one in its new child */
    tc_task_t task;          /* loop; the mail has come, and the connection waits for its turn */
    tc_peers_t *peers;       /* loop; valid while `task` waits */
    int fd;                  /* non-blocking, close-on-exec */
    SSL *ssl;                /* one reference, with fd as its BIO; NULL: plain */
    bool bridged;            /* fd is a worker's end of a pair (httpd/bridge.h) */
    const tc_site_t *site;
    const void *log_server;  /* whose log has the lines about the connection; NULL: the site's */
    tc_store_t *store;
    tc_bus_t *bus;
    tc_user_t *user;
    tc_lease_t lease;
    tc_trip_t trip;
    tc_uuid_t room_id;
    int64_t after;           /* seq to resume after; -1: a newcomer */
    int32_t epoch;           /* to which that seq belongs; -1: the client does not say */
    char address[TC_USAGE_ADDRESS_CHARS]; /* the client's; "": not known */
    unsigned reject_code;
    const char *reject_reason; /* a literal */
    tc_stream_request_t *stream; /* malloc'ed; NULL: a WebSocket */
    tc_claim_t claim;
    tc_deflate_terms_t deflate; /* of a WebSocket */
    const struct tc_application_t *application; /* of a WebSocket (session.h); NULL: the chat */
    tc_parcel_t *parcel;     /* malloc'ed; of a connection that comes from another child; NULL: a new connection */
    size_t input_len;        /* what the client sent after its handshake */
    unsigned char *input;    /* malloc'ed; NULL: nothing */
} tc_adoption_t;

/* Frees an adoption after a peer has taken its contents over, with its parcel. Loop. */
void tc_adoption_free(tc_adoption_t *adoption);

/* Frees an adoption that no loop takes, closes its descriptor and gives its claim back to `peers`. Any thread. */
void tc_adoption_drop(tc_adoption_t *adoption, tc_peers_t *peers);

#endif
