/*
 * Rate limits: how often a connection, and a user over all of their connections, may do something. Loop thread only;
 * time is passed in.
 */
#ifndef TC_DOMAIN_LIMITS_H
#define TC_DOMAIN_LIMITS_H

#include "domain/member.h"
#include "domain/site.h"

/*
 * Counts what users do over all their connections to this httpd, in all its children. A user is one of a database: sites
 * on one database count together. Implemented by src/shared/meter.c. Loop thread only, except spend(). Times are
 * monotonic.
 */
typedef struct tc_meter_t {
    /* Returns 0 if the user's bucket has a token, otherwise the time until it has one. */
    int64_t (*wait_us)(struct tc_meter_t *meter, const tc_site_t *site, tc_action_e action,
                       const char *user_id, int64_t now_us);
    /* Takes a token out of the user's bucket. */
    void (*take)(struct tc_meter_t *meter, const tc_site_t *site, tc_action_e action,
                 const char *user_id, int64_t now_us);
    /* Takes `count` tokens that a user of this database has spent at other servers. The site's rate counts. Any thread. */
    void (*spend)(struct tc_meter_t *meter, const tc_site_t *site, uint64_t database, tc_action_e action,
                  const char *user_id, unsigned count, int64_t now_us);
} tc_meter_t;

/*
 * Takes a token for an action from the member's bucket and from its user's bucket, and returns 0. If one of them is
 * empty, takes nothing and returns the microseconds to wait. If `meter` is NULL, only the member's bucket counts.
 */
int64_t tc_limits_take(tc_member_t *member, const tc_site_t *site, tc_meter_t *meter,
                       tc_action_e action, int64_t now_us);

/* Notes that an action of the member was refused. Returns false if that happened too often: close the connection. */
bool tc_limits_forgive(tc_member_t *member, const tc_site_t *site, int64_t now_us);

#endif
