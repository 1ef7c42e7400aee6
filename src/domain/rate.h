/*
 * Token buckets: so many tokens that come back in so much time, and what is left of them. A bucket is one
 * number, the moment at which it will be full again, so that an untouched one is zero (the virtual scheduling
 * form of the algorithm, ITU-T I.371). Pure; time is passed in.
 */
#ifndef TC_DOMAIN_RATE_H
#define TC_DOMAIN_RATE_H

#include <stdint.h>

/* What members do that is counted, each for itself. */
typedef enum { TC_ACTION_MESSAGE, TC_ACTION_EDIT, TC_ACTION_TYPING, TC_ACTIONS } tc_action_e;

typedef struct {
    unsigned tokens;   /* that a full bucket holds; 0: no limit */
    int64_t period_us; /* in which an empty one fills; > 0 */
} tc_rate_t;

typedef int64_t tc_bucket_t; /* monotonic; in the past: full */

/* 0 when there is a token, or how long it takes until there is one. */
int64_t tc_bucket_wait_us(tc_bucket_t bucket, const tc_rate_t *rate, int64_t now_us);

/* The bucket with a token less; there was one. */
tc_bucket_t tc_bucket_less(tc_bucket_t bucket, const tc_rate_t *rate, int64_t now_us);

/* The bucket with so many tokens less, whether it has them or not: it is never more than empty. */
tc_bucket_t tc_bucket_spend(tc_bucket_t bucket, const tc_rate_t *rate, unsigned count, int64_t now_us);

#endif
