/*
 * How often somebody may do what: by the connection, and by the user over all of his connections. The loop's;
 * time is passed in.
 */
#ifndef TC_DOMAIN_LIMITS_H
#define TC_DOMAIN_LIMITS_H

#include "domain/member.h"
#include "domain/site.h"

/*
 * What users do over all their connections to this httpd, which may have other children. Implemented by
 * src/shared/meter.c. Loop.
 */
typedef struct tc_meter_t {
    /* 0 when there is a token, or how long it takes until there is one. */
    int64_t (*wait_us)(struct tc_meter_t *meter, const tc_site_t *site, tc_action_e action,
                       const char *user_id, int64_t now_us);
    void (*take)(struct tc_meter_t *meter, const tc_site_t *site, tc_action_e action,
                 const char *user_id, int64_t now_us);
    /* So many tokens were had elsewhere; any thread. */
    void (*spend)(struct tc_meter_t *meter, const tc_site_t *site, tc_action_e action,
                  const char *user_id, unsigned count, int64_t now_us);
} tc_meter_t;

/*
 * Takes a token for an action, of the member and of its user. 0, or how long there is none: then nothing was
 * taken. `meter` may be NULL: only the member counts.
 */
int64_t tc_limits_take(tc_member_t *member, const tc_site_t *site, tc_meter_t *meter,
                       tc_action_e action, int64_t now_us);

/* Notes that the member was refused; false when that was once too often. */
bool tc_limits_forgive(tc_member_t *member, const tc_site_t *site, int64_t now_us);

#endif
