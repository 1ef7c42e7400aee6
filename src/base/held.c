/* What a thread holds while others wait for it. See held.h. */
#include "base/held.h"

#include <stdio.h>
#include <stdlib.h>

static _Thread_local unsigned held;

void tc_held_add(void)
{
    held++;
}

void tc_held_drop(void)
{
    held--;
}

void tc_held_assert_nothing(const char *function)
{
    if (held > 0) {
        fprintf(stderr, "tripchat: %s() waits for a client, but its thread holds %u connections to a database\n", function,
                held);
        abort();
    }
}
