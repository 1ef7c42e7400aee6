/*
 * Composes message_history frames from events that are encoded already. Each event's object is copied, with the seq
 * under which this history shows it. Pure.
 */
#ifndef TC_DOMAIN_HISTORY_H
#define TC_DOMAIN_HISTORY_H

#include "domain/event.h"

typedef enum {
    TC_HISTORY_FRESH,         /* for a newcomer: no `recovered` */
    TC_HISTORY_NOT_RECOVERED, /* for a resume from too far back: `recovered` is false */
    TC_HISTORY_RECOVERED      /* for a resume: every event after the point asked for, `recovered` is true */
} tc_history_kind_e;

typedef struct {
    tc_buf_t buf;
    bool any; /* an object has been added */
} tc_history_t;

/* Begin a frame, or a bare JSON array of objects. End it with the matching function below. */
void tc_history_begin(tc_history_t *history);
void tc_history_begin_array(tc_history_t *history);

/* Adds the event's object with this seq. */
void tc_history_add(tc_history_t *history, const tc_event_t *event, int64_t seq);

/* Returns the finished frame. The caller owns the one reference. The composer is empty again. */
tc_blob_t *tc_history_end(tc_history_t *history, tc_history_kind_e kind, int64_t last_seq);

/* Returns the finished array. The caller owns the one reference. The composer is empty again. */
tc_blob_t *tc_history_end_array(tc_history_t *history);

/* The bytes that the event takes in a history. */
size_t tc_history_size_of(const tc_event_t *event);

/*
 * Composes the frame for a store's answer: for RECOVERED, all events of the list; otherwise its newest `max_messages`
 * messages, without edits, or fewer if they would have more than TC_HISTORY_BYTES. The caller owns the one reference.
 */
tc_blob_t *tc_history_of_list(const tc_event_t *events, unsigned max_messages,
                              tc_history_kind_e kind, int64_t last_seq);

#endif
