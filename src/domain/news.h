/*
 * Finds out what the rooms of a child lack: asks the store how far the rooms have come (HEADS jobs), fetches the events
 * that are missing, and does what the state of a bus asks for. Loop thread only; time is passed in.
 */
#ifndef TC_DOMAIN_NEWS_H
#define TC_DOMAIN_NEWS_H

#include "domain/rooms.h"

/* Asks the store for the events that rooms lack, and how far the rooms have come that may lack some. */
void tc_news_fill_gaps(tc_rooms_t *rooms);

/*
 * If it is time, asks each site's store which of its rooms have news. `is_watching`: also where the bus says that there
 * is no other child.
 */
void tc_news_tick(tc_rooms_t *rooms, bool is_watching, int64_t now_us);

/* Notes that a HEADS job has come back. The caller looks at its result. */
void tc_news_end_check(tc_rooms_t *rooms, const tc_job_t *job);

/* Sets the state of a bus and does what it asks for; see tc_hub_on_bus_state(). */
void tc_news_on_bus_state(tc_rooms_t *rooms, tc_bus_t *bus, tc_bus_state_e state, int64_t now_us);

#endif
