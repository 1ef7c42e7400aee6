/*
 * Composes message_history frames of events that are encoded already: their objects are copied, each
 * with the seq that this history shows it under. Pure.
 */
#ifndef TC_DOMAIN_HISTORY_H
#define TC_DOMAIN_HISTORY_H

#include "domain/event.h"

typedef enum {
    TC_HISTORY_FRESH,         /* a newcomer: no `recovered` */
    TC_HISTORY_NOT_RECOVERED, /* a resume from too far back: recovered false */
    TC_HISTORY_RECOVERED      /* every event after the point asked for: recovered true */
} tc_history_kind_e;

typedef struct {
    tc_buf_t buf;
    bool any;
} tc_history_t;

void tc_history_begin(tc_history_t *history);
void tc_history_begin_array(tc_history_t *history);
void tc_history_add(tc_history_t *history, const tc_event_t *event, int64_t seq);

/* The finished frame, one reference, the caller's. The composer is empty again. */
tc_blob_t *tc_history_end(tc_history_t *history, tc_history_kind_e kind, int64_t last_seq);

/* The events' objects as a JSON array, one reference, the caller's. The composer is empty again. */
tc_blob_t *tc_history_end_array(tc_history_t *history);

/*
 * The frame of a store's answer: the newest `max_messages` messages of `events` for newcomers, all of
 * them for RECOVERED. One reference, the caller's.
 */
tc_blob_t *tc_history_of_list(const tc_event_t *events, unsigned max_messages,
                              tc_history_kind_e kind, int64_t last_seq);

#endif
