/* Thread roles. See thread.h. */
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>

static _Thread_local tc_thread_role_e own_role = TC_THREAD_WORKER;

void tc_thread_set_role(tc_thread_role_e role)
{
    own_role = role;
}

tc_thread_role_e tc_thread_role(void)
{
    return own_role;
}

void tc_thread_assert(tc_thread_role_e role, const char *function)
{
    if (own_role != role) {
        fprintf(stderr, "tripchat: %s() must run on a thread of role %d, but ran on one of role %d\n", function,
                (int)role, (int)own_role);
        abort();
    }
}
