/* Token buckets. See rate.h. */
#include "domain/rate.h"

#include "base/units.h"

#define AHEAD_US TC_US_PER_S

/*
 * The time at which the bucket would be full again if it had one token less. Buckets outlive a reload, which may change
 * their rate. An empty bucket of a day's rate would be empty for a day, so at a quicker rate it has one token left. Clocks
 * of other threads may be a little ahead.
 */
static int64_t full_then_us(tc_bucket_t bucket, const tc_rate_t *rate, int64_t now_us)
{
    int64_t a_token_us = rate->period_us / rate->tokens;

    if (a_token_us == 0) {
        a_token_us = 1;
    }
    if (bucket > now_us + rate->period_us + AHEAD_US) {
        bucket = now_us + rate->period_us - a_token_us;
    }
    return (bucket > now_us ? bucket : now_us) + a_token_us;
}

int64_t tc_bucket_wait_us(tc_bucket_t bucket, const tc_rate_t *rate, int64_t now_us)
{
    int64_t missing_us;

    if (rate->tokens == 0) {
        return 0;
    }
    missing_us = full_then_us(bucket, rate, now_us) - now_us - rate->period_us;
    return missing_us > 0 ? missing_us : 0;
}

tc_bucket_t tc_bucket_less(tc_bucket_t bucket, const tc_rate_t *rate, int64_t now_us)
{
    return rate->tokens == 0 ? bucket : full_then_us(bucket, rate, now_us);
}

tc_bucket_t tc_bucket_spend(tc_bucket_t bucket, const tc_rate_t *rate, unsigned count, int64_t now_us)
{
    int64_t empty_us = now_us + rate->period_us;

    for (; rate->tokens > 0 && count > 0 && bucket < empty_us; count--) {
        bucket = full_then_us(bucket, rate, now_us);
    }
    return rate->tokens > 0 && bucket > empty_us ? empty_us : bucket;
}
