/*
 * Thread roles: which thread may run a function. A role is set once, first thing in the thread.
 * In test builds (-DTC_CHECK_THREADS) TC_ASSERT_THREAD(role) aborts on the wrong one; in others it
 * compiles to nothing.
 */
#ifndef TC_BASE_THREAD_H
#define TC_BASE_THREAD_H

typedef enum {
    TC_THREAD_WORKER, /* httpd's, and whatever never said what it is */
    TC_THREAD_LOOP,
    TC_THREAD_DB,
    TC_THREAD_BUS
} tc_thread_role_e;

/* Declares the calling thread's role. */
void tc_thread_set_role(tc_thread_role_e role);
tc_thread_role_e tc_thread_role(void);

/* Aborts with both roles on stderr unless the calling thread has this one. */
void tc_thread_assert(tc_thread_role_e role, const char *function);

#ifdef TC_CHECK_THREADS
#define TC_ASSERT_THREAD(role) tc_thread_assert((role), __func__)
#else
#define TC_ASSERT_THREAD(role) ((void)0)
#endif

#endif
