/*
 * What a thread holds of the things that others wait for: connections to a database. A thread that reads from a client or
 * writes to one must hold none, because the client decides how long that takes. Test builds (-DTC_CHECK_THREADS) count
 * what each thread holds, and TC_ASSERT_NOTHING_HELD() aborts if the calling thread holds something. In other builds
 * the macros compile to nothing.
 */
#ifndef TC_BASE_HELD_H
#define TC_BASE_HELD_H

/* Count one thing more, or one less, for the calling thread. */
void tc_held_add(void);
void tc_held_drop(void);

/* If the calling thread holds something, writes that to stderr and aborts. */
void tc_held_assert_nothing(const char *function);

#ifdef TC_CHECK_THREADS
#define TC_HOLD() tc_held_add()
#define TC_LET_GO() tc_held_drop()
#define TC_ASSERT_NOTHING_HELD() tc_held_assert_nothing(__func__)
#else
#define TC_HOLD() ((void)0)
#define TC_LET_GO() ((void)0)
#define TC_ASSERT_NOTHING_HELD() ((void)0)
#endif

#endif
