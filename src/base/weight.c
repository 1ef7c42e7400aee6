/* What clients make this process hold. See weight.h. */
#include "base/weight.h"

#include <stdatomic.h>

static atomic_size_t weight;
static size_t limit; /* const after start-up */

void tc_weight_add(size_t bytes)
{
    atomic_fetch_add_explicit(&weight, bytes, memory_order_relaxed);
}

void tc_weight_sub(size_t bytes)
{
    atomic_fetch_sub_explicit(&weight, bytes, memory_order_relaxed);
}

size_t tc_weight_get(void)
{
    return atomic_load_explicit(&weight, memory_order_relaxed);
}

void tc_weight_set_limit(size_t bytes)
{
    limit = bytes;
}

size_t tc_weight_limit(void)
{
    return limit;
}

bool tc_weight_is_over(void)
{
    return limit > 0 && tc_weight_get() > limit;
}
