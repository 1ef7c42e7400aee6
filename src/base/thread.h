/*
 * Thread roles: which thread may run a function. Each thread sets its role once, as the first thing it does. In test
 * builds (-DTC_CHECK_THREADS), TC_ASSERT_THREAD(role) aborts in a thread of another role. In other builds, the macro
 * compiles to nothing.
 */
#ifndef TC_BASE_THREAD_H
#define TC_BASE_THREAD_H

typedef enum {
    TC_THREAD_WORKER, /* httpd's threads, and every thread that never set a role */
    TC_THREAD_LOOP,
    TC_THREAD_DB,
    TC_THREAD_BUS
} tc_thread_role_e;

/* Set and get the calling thread's role. */
void tc_thread_set_role(tc_thread_role_e role);
tc_thread_role_e tc_thread_role(void);

/* If the calling thread has another role, writes both roles to stderr and aborts. */
void tc_thread_assert(tc_thread_role_e role, const char *function);

#ifdef TC_CHECK_THREADS
#define TC_ASSERT_THREAD(role) tc_thread_assert((role), __func__)
#else
#define TC_ASSERT_THREAD(role) ((void)0)
#endif

#endif
