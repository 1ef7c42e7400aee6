/* Limits by address and by user. See admission.h. */
#include "httpd/admission.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "httpd/often.h"
#include "httpd/reload.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(tripchat);

#define TALLY_KEYS_LEAST 4096u             /* users and addresses of a child */
#define TALLY_KEYS_MOST 131072u            /* the same: 4 MB */
#define TALLY_KEYS_OF_ALL ((64u << 20) / 32u) /* of all children together: 64 MB */
#define METER_RETAINED "mod_tripchat meter 3" /* raise the numbers when the shared memory or its keys change */
#define TALLY_RETAINED "mod_tripchat tally 3"

static tc_shared_meter_t meter; /* const after post_config, except the memory that it points to */
static tc_tally_t tally;        /* the same */

/* Each connection has a user and an address. Under prefork there are many children, each of which has few connections. */
static unsigned keys_of_child(unsigned connections)
{
    unsigned fair = TALLY_KEYS_OF_ALL / (2 * tc_reload_children() + 2);
    unsigned most = fair < TALLY_KEYS_MOST ? fair : TALLY_KEYS_MOST;
    unsigned keys = connections < most / 2 ? 2 * connections : most;

    return keys > TALLY_KEYS_LEAST ? keys : TALLY_KEYS_LEAST;
}

/* The rates outlive a reload. So does the secret for all keys, which lies at the memory's end. */
static int make_meter(server_rec *server)
{
    unsigned char *secret;
    apr_status_t rv = APR_SUCCESS;
    bool fresh;
    void *memory = tc_reload_memory(server, METER_RETAINED, tc_meter_size() + APR_SIPHASH_KSIZE, NULL, &fresh);

    if (memory == NULL) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    secret = (unsigned char *)memory + tc_meter_size();
    if (fresh) {
        rv = apr_generate_random_bytes(secret, APR_SIPHASH_KSIZE);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, server, "TC0037: the operating system gives no random bytes; check "
                     "that httpd can read /dev/urandom");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    tc_meter_init(&meter, memory, secret);
    return OK;
}

/* The counts of connections outlive a reload that leaves their number as it was. */
int tc_admission_make(server_rec *server, unsigned connections)
{
    bool fresh;

    tc_tally_plan(&tally, tc_reload_children(), keys_of_child(connections));
    tally.memory = tc_reload_memory(server, TALLY_RETAINED, tc_tally_size(&tally), NULL, &fresh);
    return tally.memory != NULL ? make_meter(server) : HTTP_INTERNAL_SERVER_ERROR;
}

void tc_admission_config(tc_child_config_t *config)
{
    config->meter = &meter;
    config->tally = &tally;
}

void tc_admission_clear(pid_t pid)
{
    tc_tally_clear(&tally, pid);
}

/* ---- rates ---- */

/*
 * A client that has one IPv6 address has a network of 2^64 of them, and a customer of a provider may have 2^16 such
 * networks (RFC 6177). So the networks around an address are limited as well, the wider ones more generously.
 */
typedef struct {
    unsigned bits;
    unsigned times; /* how many times the rate of an address it has */
} network_t;

static const network_t networks[] = {{64, 1}, {56, 4}, {48, 16}};
#define NETWORKS (sizeof(networks) / sizeof(networks[0]))

/* The bytes of an IPv6 address; NULL: it is one of IPv4. */
static const unsigned char *bytes_of_ipv6(const request_rec *r)
{
#if APR_HAVE_IPV6
    const apr_sockaddr_t *address = r->useragent_addr;

    if (address->family == APR_INET6 && !IN6_IS_ADDR_V4MAPPED(&address->sa.sin6.sin6_addr)) {
        return address->sa.sin6.sin6_addr.s6_addr;
    }
#endif
    (void)r;
    return NULL;
}

/* What is counted as one address: an IPv4 address, or a network of IPv6 of the width `network`. */
static const char *name_of_address(request_rec *r, const network_t *network)
{
    const unsigned char *bytes = bytes_of_ipv6(r);
    char text[2 * sizeof(struct in6_addr) + 1];

    if (bytes == NULL) {
        return r->useragent_ip;
    }
    ap_bin2hex(bytes, network->bits / 8, text);
    return apr_psprintf(r->pool, "%s/%u", text, network->bits);
}

static int whole_seconds(int64_t us)
{
    return (int)((us + TC_US_PER_S - 1) / TC_US_PER_S);
}

/* Takes a token from the address, and from the networks around it. Returns the microseconds to wait; 0: it had one. */
static int64_t take_of_address(request_rec *r, const tc_vhost_t *vhost, int kind, const tc_rate_t *rate)
{
    size_t count = bytes_of_ipv6(r) != NULL ? NETWORKS : 1, i;
    int64_t wait_us = 0;

    for (i = 0; i < count && wait_us == 0; i++) {
        tc_rate_t wider = {rate->tokens * networks[i].times, rate->period_us};
        uint64_t key = tc_meter_key(&meter, &vhost->site, kind, name_of_address(r, &networks[i]));

        wait_us = tc_meter_take(&meter, &wider, key, tc_clock_monotonic_us());
    }
    return wait_us;
}

static void count_refusal(const tc_vhost_t *vhost, unsigned action)
{
    tc_metrics_add(vhost->site.metrics_slot, TC_M_RATE_REFUSALS + action, 1);
}

/*
 * What a client sends counts once, though several places ask (AuthType TripChat, then the chat's handler), and though httpd
 * makes further requests of it. So the answer is a note of the client's own request.
 */
static const char *const counted_notes[] = {
    [TC_KEY_HANDSHAKE] = "tripchat-handshake-counted",
    [TC_KEY_REQUEST] = "tripchat-request-counted",
    [TC_KEY_USER_REQUEST] = "tripchat-user-counted",
};

static apr_table_t *notes_of_client(request_rec *r)
{
    while (r->prev != NULL || r->main != NULL) {
        r = r->prev ? r->prev : r->main;
    }
    return r->notes;
}

/* The seconds of the first answer, as a text; NULL: there is none yet. */
static const char *counted(request_rec *r, int kind)
{
    return apr_table_get(notes_of_client(r), counted_notes[kind]);
}

static int note_counted(request_rec *r, int kind, int wait_s)
{
    apr_table_set(notes_of_client(r), counted_notes[kind], apr_itoa(r->pool, wait_s));
    return wait_s;
}

/* Seconds until the address may make another of these; 0: it has made one now. `directive`: which bounds them. */
static int ask_address(request_rec *r, const tc_vhost_t *vhost, int kind, const tc_rate_t *rate, unsigned action,
                       const char *what, const char *directive)
{
    const char *before = counted(r, kind);
    int64_t wait_us;

    if (before != NULL) {
        return (int)strtol(before, NULL, 10);
    }
    wait_us = take_of_address(r, vhost, kind, rate);
    if (wait_us > 0) {
        TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, r, "TC0066: refused: too many %s from this address (%s); behind a proxy, "
                     "configure mod_remoteip", what, directive);
        count_refusal(vhost, action);
    }
    return note_counted(r, kind, whole_seconds(wait_us));
}

int tc_admission_handshake_wait_s(request_rec *r, const tc_vhost_t *vhost)
{
    return ask_address(r, vhost, TC_KEY_HANDSHAKE, &vhost->handshake_rate, TC_L_ACTION_HANDSHAKE, "handshakes",
                       "TripChatHandshakeRate");
}

bool tc_admission_may_tell(request_rec *r, const tc_vhost_t *vhost)
{
    return vhost->address_connections > 0 && take_of_address(r, vhost, TC_KEY_TOLD, &vhost->handshake_rate) == 0;
}

int tc_admission_request_wait_s(request_rec *r, const tc_vhost_t *vhost)
{
    return ask_address(r, vhost, TC_KEY_REQUEST, &vhost->request_rate, TC_L_ACTION_REQUEST, "requests", "TripChatRequestRate");
}

int tc_admission_user_wait_s(request_rec *r, const tc_vhost_t *vhost, const char *claim)
{
    const char *before = counted(r, TC_KEY_USER_REQUEST);
    uint64_t key = tc_meter_key(&meter, &vhost->site, TC_KEY_USER_REQUEST, claim);
    int64_t wait_us;

    if (before != NULL) {
        return (int)strtol(before, NULL, 10);
    }
    wait_us = tc_meter_take(&meter, &vhost->user_request_rate, key, tc_clock_monotonic_us());
    if (wait_us > 0) {
        TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, r, "TC0066: refused: too many requests of this user "
                     "(TripChatUserRequestRate)");
        count_refusal(vhost, TC_L_ACTION_REQUEST);
    }
    return note_counted(r, TC_KEY_USER_REQUEST, whole_seconds(wait_us));
}

/* ---- what was refused a moment ago ---- */

void tc_admission_note_refusal(const tc_vhost_t *vhost, tc_action_e action, const char *claim, int retry_after_s)
{
    tc_rate_t rate = {1, retry_after_s * TC_US_PER_S}; /* a token that comes back when the client may try again */

    (void)tc_meter_take(&meter, &rate, tc_meter_key(&meter, &vhost->site, TC_KEY_REFUSED + (int)action, claim),
                        tc_clock_monotonic_us());
}

int tc_admission_refused_s(const tc_vhost_t *vhost, tc_action_e action, const char *claim)
{
    /* No refusal lasts longer. A bucket that is empty for longer is of the rate before a reload (domain/rate.c). */
    tc_rate_t rate = {1, vhost->site.user_rates[action].period_us + TC_US_PER_S};
    int64_t wait_us = tc_meter_wait_us(&meter, &rate,
                                       tc_meter_key(&meter, &vhost->site, TC_KEY_REFUSED + (int)action, claim),
                                       tc_clock_monotonic_us());

    if (wait_us > 0) {
        count_refusal(vhost, (unsigned)action);
    }
    return whole_seconds(wait_us);
}

/* ---- connections ---- */

static bool claim_one(const tc_vhost_t *vhost, tc_child_t *child, int kind, const char *name,
                      unsigned max, uint64_t *key)
{
    return max == 0
           || tc_child_count(child, tc_meter_key(&meter, &vhost->site, kind, name), max, key);
}

unsigned tc_admission_claim_address(request_rec *r, const tc_vhost_t *vhost, tc_child_t *child, tc_claim_t *claim)
{
    if (claim_one(vhost, child, TC_KEY_ADDRESS, name_of_address(r, &networks[0]), vhost->address_connections,
                  &claim->address_key)) {
        return TC_L_REASON_NONE;
    }
    TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, r, "TC0067: refused: too many connections of this address "
                 "(TripChatAddressConnections); behind a proxy, configure mod_remoteip");
    return TC_L_REASON_ADDRESS_CONNECTIONS;
}

unsigned tc_admission_claim_user(request_rec *r, const tc_vhost_t *vhost, tc_child_t *child, const char *user_id,
                                 tc_claim_t *claim)
{
    if (claim_one(vhost, child, TC_KEY_USER, user_id, vhost->user_connections, &claim->user_key)) {
        return TC_L_REASON_NONE;
    }
    TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, r, "TC0067: refused: too many connections of this user "
                 "(TripChatUserConnections)");
    return TC_L_REASON_USER_CONNECTIONS;
}
