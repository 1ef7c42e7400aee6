/* The lease of a connection. See lease.h. */
#include "token/lease.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/close.h"
#include "domain/room.h"
#include "domain/speak.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#define FOR_HISTORY_US (100 * TC_US_PER_MS) /* until the next look: a warning is not sent before the history */
#define FAR_S (INT64_C(10) * 365 * 86400)

int64_t tc_lease_expiry_us(int64_t expires_s)
{
    int64_t wall_us = tc_clock_wall_us();

    if (expires_s - wall_us / TC_US_PER_S > FAR_S) {
        return 0;
    }
    return tc_clock_monotonic_us() + expires_s * TC_US_PER_S - wall_us;
}

static void take_token(tc_lease_t *lease, const tc_jwt_identity_t *identity)
{
    free(lease->facts);
    lease->key = identity->key;
    lease->facts = tc_facts_copy(identity->facts, tc_facts_size(identity->facts));
    lease->expires_us = tc_lease_expiry_us(identity->expires_s);
    lease->warned = false;
}

void tc_lease_begin(tc_lease_t *lease, const tc_jwt_rules_t *rules, const tc_jwt_identity_t *identity)
{
    *lease = (tc_lease_t){.rules = rules};
    take_token(lease, identity);
}

void tc_lease_free(tc_lease_t *lease)
{
    free(lease->facts);
    lease->facts = NULL;
}

/* When the lease ends; INT64_MAX: never. */
static int64_t expire_at_us(const tc_lease_t *lease)
{
    return lease->expires_us ? lease->expires_us : INT64_MAX;
}

static int64_t warn_at_us(const tc_lease_t *lease, int64_t warning_us)
{
    return lease->expires_us == 0 || lease->warned || warning_us == 0 ? INT64_MAX : lease->expires_us - warning_us;
}

int64_t tc_lease_deadline_us(const tc_lease_t *lease, const tc_member_t *member, int64_t warning_us,
                             int64_t now_us)
{
    int64_t end_us = expire_at_us(lease), warn_us = warn_at_us(lease, warning_us);

    if (warn_us <= now_us && member->cursor < 0) {
        warn_us = now_us + FOR_HISTORY_US;
    }
    return warn_us < end_us ? warn_us : end_us;
}

/* Whole seconds, rounded up: a user who has some time left is not told 0. */
static int64_t seconds_left(const tc_lease_t *lease, int64_t now_us)
{
    if (lease->expires_us == 0) {
        return FAR_S;
    }
    return (lease->expires_us - now_us + TC_US_PER_S - 1) / TC_US_PER_S;
}

void tc_lease_check(tc_lease_t *lease, tc_member_t *member, int64_t warning_us, int64_t now_us)
{
    tc_buf_t buf = TC_BUF_INIT;

    if (now_us >= expire_at_us(lease)) {
        member->sink->close(member, TC_CLOSE_UNAUTHORIZED, "token expired");
        return;
    }
    if (now_us < warn_at_us(lease, warning_us) || member->cursor < 0) {
        return;
    }
    lease->warned = true;
    tc_chat_encode_expiring(&buf, seconds_left(lease, now_us));
    tc_speak_text(member, &buf, true);
}

/* Where tokens name the trips, a newer token may have lost the trip of this connection. */
static bool has_lost_trip(const tc_lease_t *lease, const tc_member_t *member, const tc_jwt_identity_t *identity)
{
    return lease->rules->names != NULL && member->room != NULL
           && !tc_claims_have_trip(&identity->claimed, &member->room->trip_key.trip);
}

/* Renews the lease. NULL, or why the token is refused; then *error says it to the client. */
static const char *renew(tc_lease_t *lease, const tc_member_t *member, const char *token, size_t len,
                         tc_chat_error_e *error, apr_pool_t *scratch)
{
    tc_jwt_identity_t identity;
    const char *why = tc_jwt_verify(token, len, lease->rules, tc_clock_wall_us() / TC_US_PER_S,
                                    &identity, scratch);

    *error = TC_CHAT_UNAUTHORIZED;
    if (why == NULL && strcmp(identity.user_id, member->user->claim) != 0) {
        why = "it belongs to another user";
    }
    if (why == NULL && has_lost_trip(lease, member, &identity)) {
        *error = TC_CHAT_FORBIDDEN;
        why = apr_psprintf(scratch, "the claim %s no longer has the trip of the connection", lease->rules->names->trips);
    }
    if (why == NULL) {
        take_token(lease, &identity);
    }
    return why;
}

bool tc_lease_renew(tc_lease_t *lease, tc_member_t *member, const char *token, size_t len,
                    const char *client_id, apr_pool_t *scratch)
{
    tc_chat_error_e error;
    const char *why = renew(lease, member, token, len, &error, scratch);

    if (why != NULL) {
        TC_LOG_ABOUT(member->subject, TC_LOG_INFO, 0, "TC0027: connection %llu: a new token is refused: %s",
                     (unsigned long long)member->id, why);
        tc_speak_error(member, error, client_id, NULL, 0);
        if (error == TC_CHAT_FORBIDDEN) {
            member->sink->close(member, TC_CLOSE_FORBIDDEN, "Forbidden");
        }
    }
    apr_pool_clear(scratch);
    return why == NULL;
}

unsigned tc_lease_resume(tc_lease_t *lease, const tc_jwt_mark_t *mark, const char **why)
{
    *why = "it is not known what its token says";
    switch (lease->facts ? tc_jwt_still(lease->rules, mark, lease->facts, &lease->key, why) : TC_JWT_ENDS) {
    case TC_JWT_STAYS:
        break;
    case TC_JWT_COMES_BACK:
        return TC_CLOSE_RESTART;
    case TC_JWT_ENDS:
    default:
        return TC_CLOSE_UNAUTHORIZED;
    }
    if (lease->expires_us != 0) {
        lease->expires_us += (lease->rules->leeway_s - mark->leeway_s) * TC_US_PER_S;
    }
    return 0;
}

void tc_lease_confirm(const tc_lease_t *lease, tc_member_t *member, const char *client_id, int64_t now_us)
{
    tc_buf_t buf = TC_BUF_INIT;

    tc_chat_encode_authenticated(&buf, seconds_left(lease, now_us), client_id);
    tc_speak_text(member, &buf, false);
}
