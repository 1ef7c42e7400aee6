/*
 * What clients make this process hold, in bytes: frames that wait in queues or are kept for newcomers, and what has come
 * of unfinished messages. A frame counts once, however many queues it waits in. Any thread.
 */
#ifndef TC_BASE_WEIGHT_H
#define TC_BASE_WEIGHT_H

#include <stdbool.h>
#include <stddef.h>

void tc_weight_add(size_t bytes);
void tc_weight_sub(size_t bytes);
size_t tc_weight_get(void);

/* The most that this process should hold; 0: any number. Call this before any thread starts. */
void tc_weight_set_limit(size_t bytes);
size_t tc_weight_limit(void);

/* True if it holds more. Then whoever has a choice makes nothing large, and the loop sheds (peer/shed.h). */
bool tc_weight_is_over(void);

#endif
