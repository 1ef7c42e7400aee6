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

#define TALLY_KEYS 4096 /* users and addresses of a child */
#define RETAINED "mod_tripchat admission 2" /* raise the number when the shared memory or its keys change */

static tc_shared_meter_t meter; /* const after post_config, except the memory that it points to */
static tc_tally_t tally;        /* the same */

/* The counts outlive a reload. So does the secret for their keys, which lies at the memory's end. */
int tc_admission_make(server_rec *server)
{
    unsigned char *memory, *secret;
    apr_status_t rv = APR_SUCCESS;
    bool fresh;

    tc_tally_plan(&tally, tc_reload_children(), TALLY_KEYS);
    memory = tc_reload_memory(server, RETAINED,
                              tc_meter_size() + tc_tally_size(&tally) + APR_SIPHASH_KSIZE, NULL,
                              &fresh);
    if (memory == NULL) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    tally.memory = memory + tc_meter_size();
    secret = tally.memory + tc_tally_size(&tally);
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

void tc_admission_config(tc_child_config_t *config)
{
    config->meter = &meter;
    config->tally = &tally;
}

void tc_admission_clear(pid_t pid)
{
    tc_tally_clear(&tally, pid);
}

/* A client that has one IPv6 address has 2^64 of them (RFC 6177), so its /64 network is counted. */
static const char *name_of_address(request_rec *r)
{
    const apr_sockaddr_t *address = r->useragent_addr;

#if APR_HAVE_IPV6
    if (address->family == APR_INET6 && !IN6_IS_ADDR_V4MAPPED(&address->sa.sin6.sin6_addr)) {
        const unsigned char *bytes = address->sa.sin6.sin6_addr.s6_addr;

        return apr_psprintf(r->pool, "%02x%02x:%02x%02x:%02x%02x:%02x%02x::/64", bytes[0], bytes[1], bytes[2],
                            bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]);
    }
#endif
    (void)address;
    return r->useragent_ip;
}

int tc_admission_wait_s(request_rec *r, const tc_vhost_t *vhost)
{
    uint64_t key = tc_meter_key(&meter, &vhost->site, TC_KEY_HANDSHAKE, name_of_address(r));
    int64_t wait_us = tc_meter_take(&meter, &vhost->handshake_rate, key, tc_clock_monotonic_us());

    if (wait_us > 0) {
        TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, r, "TC0066: refused: too many handshakes from this address "
                     "(TripChatHandshakeRate); behind a proxy, configure mod_remoteip");
        tc_metrics_add(vhost->site.metrics_slot, TC_M_RATE_REFUSALS + TC_L_ACTION_HANDSHAKE, 1);
    }
    return (int)((wait_us + TC_US_PER_S - 1) / TC_US_PER_S);
}

static bool claim_one(const tc_vhost_t *vhost, tc_child_t *child, int kind, const char *name,
                      unsigned max, uint64_t *key)
{
    return max == 0
           || tc_child_count(child, tc_meter_key(&meter, &vhost->site, kind, name), max, key);
}

unsigned tc_admission_claim(request_rec *r, const tc_vhost_t *vhost, tc_child_t *child,
                            const char *user_id, tc_claim_t *claim)
{
    const char *whose = NULL;
    unsigned reason = TC_L_REASON_NONE;

    if (!claim_one(vhost, child, TC_KEY_ADDRESS, name_of_address(r), vhost->address_connections,
                   &claim->address_key)) {
        whose = "address";
        reason = TC_L_REASON_ADDRESS_CONNECTIONS;
    }
    else if (!claim_one(vhost, child, TC_KEY_USER, user_id, vhost->user_connections, &claim->user_key)) {
        whose = "user";
        reason = TC_L_REASON_USER_CONNECTIONS;
    }
    if (whose != NULL) {
        TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, r, "TC0067: refused: too many connections of this %s "
                     "(TripChatAddressConnections, TripChatUserConnections)", whose);
    }
    return reason;
}
