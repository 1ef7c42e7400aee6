/* Token buckets. See rate.h. */
#include "domain/rate.h"

/* The time at which the bucket would be full again if it had one token less. */
static int64_t full_then_us(tc_bucket_t bucket, const tc_rate_t *rate, int64_t now_us)
{
    int64_t a_token_us = rate->period_us / rate->tokens;

    return (bucket > now_us ? bucket : now_us) + (a_token_us > 0 ? a_token_us : 1);
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
