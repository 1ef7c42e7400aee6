/* Rate limits. See limits.h. */
#include "domain/limits.h"

int64_t tc_limits_take(tc_member_t *member, const tc_site_t *site, tc_meter_t *meter,
                       tc_action_e action, int64_t now_us)
{
    const tc_rate_t *rate = &site->rates[action];
    int64_t wait_us = tc_bucket_wait_us(member->buckets[action], rate, now_us);
    bool metered = meter != NULL && site->user_rates[action].tokens > 0;

    if (metered) {
        int64_t user_wait_us = meter->wait_us(meter, site, action, member->user->id, now_us);

        wait_us = user_wait_us > wait_us ? user_wait_us : wait_us;
    }
    if (wait_us > 0) {
        return wait_us;
    }
    member->buckets[action] = tc_bucket_less(member->buckets[action], rate, now_us);
    if (metered) {
        meter->take(meter, site, action, member->user->id, now_us);
    }
    return 0;
}

bool tc_limits_forgive(tc_member_t *member, const tc_site_t *site, int64_t now_us)
{
    if (tc_bucket_wait_us(member->refusals, &site->refusal_rate, now_us) > 0) {
        return false;
    }
    member->refusals = tc_bucket_less(member->refusals, &site->refusal_rate, now_us);
    return true;
}
