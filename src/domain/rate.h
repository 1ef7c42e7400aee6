/*
 * Token buckets for rate limits. A bucket is one number: the moment at which it will be full again. So an unused bucket
 * is zero. This is the virtual scheduling form of the algorithm (ITU-T I.371). Pure; time is passed in.
 */
#ifndef TC_DOMAIN_RATE_H
#define TC_DOMAIN_RATE_H

#include <stdint.h>

/* The actions of members that have a rate limit, each with a bucket of its own. */
typedef enum { TC_ACTION_MESSAGE, TC_ACTION_EDIT, TC_ACTION_TYPING, TC_ACTIONS } tc_action_e;

typedef struct {
    unsigned tokens;   /* tokens of a full bucket; 0: no limit */
    int64_t period_us; /* the time in which an empty bucket fills; > 0 */
} tc_rate_t;

typedef int64_t tc_bucket_t; /* monotonic microseconds; a time in the past: the bucket is full */

/* Returns 0 if the bucket has a token, otherwise the microseconds until it has one. */
int64_t tc_bucket_wait_us(tc_bucket_t bucket, const tc_rate_t *rate, int64_t now_us);

/* Returns the bucket with one token less. It must have a token. */
tc_bucket_t tc_bucket_less(tc_bucket_t bucket, const tc_rate_t *rate, int64_t now_us);

/* Returns the bucket with `count` tokens less. If it has fewer tokens, it is empty afterwards. */
tc_bucket_t tc_bucket_spend(tc_bucket_t bucket, const tc_rate_t *rate, unsigned count, int64_t now_us);

#endif
