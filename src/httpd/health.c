/* `SetHandler tripchat-health`. See health.h. */
#include "httpd/health.h"

#include "base/held.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/units.h"
#include "engine/system.h"
#include "httpd/handlers.h"
#include "httpd/monitor.h"
#include "httpd/often.h"
#include "httpd/runtime.h"
#include "store/check.h"
#include "store/probe.h"

#include <apr_strings.h>
#include <dirent.h>
#include <http_log.h>
#include <http_protocol.h>
#include <sys/resource.h>

APLOG_USE_MODULE(tripchat);

#define DATABASE_US (2 * TC_US_PER_S)
#define REDIS_US (2 * TC_US_PER_S) /* for a first heartbeat */
#define LOOK_AGAIN_US (20 * TC_US_PER_MS)
#define RESERVE_DESCRIPTORS 16

/* How many are in use, and how many there may be. Both are 0 if they are not known. */
typedef struct {
    apr_uint64_t used, limit;
} amount_t;

typedef struct {
    const char *database;
    const char *refused; /* a JSON array */
    const char *redis; /* NULL: the site has none */
    amount_t descriptors;
    amount_t connections; /* of all children */
} health_t;

/* ---- looking ---- */

/* What the database has refused, as a JSON array; "[]": nothing. */
static const char *look_at_checks(request_rec *r, tc_vhost_t *vhost)
{
    const char *list = "[", *name;
    int what;

    for (what = 0; what < TC_CHECK_COUNT; what++) {
        name = tc_check_wrong(&vhost->store, (tc_check_e)what);
        if (name != NULL) {
            list = apr_pstrcat(r->pool, list, list[1] ? ",\"" : "\"", name, "\"", NULL);
        }
    }
    return apr_pstrcat(r->pool, list, "]", NULL);
}

static const char *look_at_database(tc_child_t *child, tc_vhost_t *vhost)
{
    switch (tc_probe_store(child->peers.loop, &vhost->store, DATABASE_US)) {
    case TC_PROBE_OK:
        return "ok";
    case TC_PROBE_UNWRITABLE:
        return "unwritable";
    case TC_PROBE_SILENT:
        return "silent";
    case TC_PROBE_BUSY:
        return "busy";
    case TC_PROBE_DOWN:
        break;
    }
    return "down";
}

/* The state of this child's link to Redis, as its heartbeat has found it. */
static const char *state_of_redis(const tc_vhost_t *vhost)
{
    unsigned slot = vhost->site.metrics_slot;

    if (tc_metrics_get(slot, TC_M_REDIS_LINKS + TC_L_LINK_DOWN) > 0) {
        return "down";
    }
    return tc_metrics_get(slot, TC_M_REDIS_LINKS + TC_L_LINK_UP) > 0 ? "ok" : "starting";
}

static const char *look_at_redis(const tc_vhost_t *vhost)
{
    const char *state = state_of_redis(vhost);
    int64_t waited_us;

    for (waited_us = 0; waited_us < REDIS_US && strcmp(state, "starting") == 0; waited_us += LOOK_AGAIN_US) {
        apr_sleep(LOOK_AGAIN_US);
        state = state_of_redis(vhost);
    }
    return state;
}

static amount_t look_at_descriptors(void)
{
    amount_t amount = {0, 0};
    struct rlimit limit;
    DIR *dir = opendir(TC_SYSTEM_FD_DIR);

    if (dir == NULL) {
        return amount;
    }
    while (readdir(dir) != NULL) { /* NOLINT(concurrency-mt-unsafe): the directory is ours alone */
        amount.used++;
    }
    closedir(dir);
    amount.used -= amount.used > 3 ? 3 : amount.used; /* ".", ".." and the directory itself */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        amount.limit = limit.rlim_cur;
    }
    return amount;
}

static amount_t look_at_connections(void)
{
    uint64_t sums[TC_METRICS_CELLS];
    amount_t amount = {0, 0};
    unsigned slot, cell;

    for (slot = 1; slot < TC_METRICS_SLOTS; slot++) {
        tc_monitor_sum(slot, sums);
        for (cell = TC_M_CONNECTIONS; cell <= TC_M_CONNECTIONS_LAST; cell++) {
            amount.used += sums[cell];
        }
    }
    tc_monitor_sum(TC_METRICS_CHILD, sums);
    amount.limit = sums[TC_M_MAX_CONNECTIONS];
    return amount;
}

/* ---- saying ---- */

static bool is_short(const amount_t *amount, apr_uint64_t reserve)
{
    return amount->limit > 0 && amount->used + reserve >= amount->limit;
}

/* Whether the child can serve the chat. Redis is not asked: without it the database serves everybody, and all servers lack it. */
static bool is_well(const health_t *health)
{
    return strcmp(health->database, "ok") == 0 && strcmp(health->refused, "[]") == 0
           && !is_short(&health->descriptors, RESERVE_DESCRIPTORS) && !is_short(&health->connections, 0);
}

static const char *say_amount(request_rec *r, const char *name, const amount_t *amount)
{
    return apr_psprintf(r->pool, ",\"%s\":{\"used\":%" APR_UINT64_T_FMT ",\"limit\":%" APR_UINT64_T_FMT "}", name,
                        amount->used, amount->limit);
}

/* `status` is "unavailable" if the child cannot serve the chat. */
static int say(request_rec *r, const char *status, const char *rest)
{
    const char *body = apr_pstrcat(r->pool, "{\"status\":\"", status, "\"", rest, "}\n", NULL);

    TC_ASSERT_NOTHING_HELD();
    if (strcmp(status, "unavailable") == 0) {
        r->status = HTTP_SERVICE_UNAVAILABLE;
        apr_table_setn(r->headers_out, "Retry-After", apr_itoa(r->pool, TC_RETRY_AFTER_S));
    }
    ap_set_content_length(r, (apr_off_t)strlen(body));
    if (!r->header_only) {
        ap_rputs(body, r);
    }
    return OK;
}

static int report(request_rec *r, tc_vhost_t *vhost, tc_child_t *child)
{
    health_t health = {
        .database = look_at_database(child, vhost),
        .refused = look_at_checks(r, vhost),
        .redis = vhost->bus == &vhost->door.bus ? look_at_redis(vhost) : NULL,
        .descriptors = look_at_descriptors(),
        .connections = look_at_connections(),
    };
    const char *refused = strcmp(health.refused, "[]") != 0 ? apr_pstrcat(r->pool, ",\"refused\":", health.refused, NULL)
                                                            : "";
    const char *redis = health.redis ? apr_pstrcat(r->pool, ",\"redis\":\"", health.redis, "\"", NULL) : "";

    return say(r, !is_well(&health) ? "unavailable"
                  : health.redis == NULL || strcmp(health.redis, "ok") == 0 ? "ok" : "degraded",
               apr_pstrcat(r->pool, ",\"database\":\"", health.database, "\"", refused, redis,
                           say_amount(r, "descriptors", &health.descriptors),
                           say_amount(r, "connections", &health.connections), NULL));
}

int tc_health_handler(request_rec *r)
{
    tc_vhost_t *vhost = tc_config_of(r->server)->vhost;
    tc_child_t *child;
    int rc;

    if (!tc_handler_is(r, TC_HANDLER_HEALTH)) {
        return DECLINED;
    }
    if (vhost == NULL) {
        TC_LOG_OFTEN(1, APLOG_ERR, 0, r, "TC0093: SetHandler tripchat-health in a virtual host without a chat; "
                     "write TripChatJWTSecretFile, TripChatJWTKey or TripChatJWTKeySet there");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    rc = tc_monitor_begin(r, "application/json");
    if (rc != OK) {
        return rc;
    }
    child = tc_runtime_start();
    return child ? report(r, vhost, child) : say(r, "unavailable", "");
}
