/*
 * What a live room remembers, within a number of bytes: a log of its newest events, gap-free up to
 * last_seq, for those who resume; the newest messages as they read now, for newcomers; and the frames
 * composed of them, so that a thousand clients that come back at once cost one composition. Pure data;
 * the loop's.
 */
#ifndef TC_DOMAIN_TIMELINE_H
#define TC_DOMAIN_TIMELINE_H

#include "domain/history.h"

/* A message of the recent list: its own seq, and the event whose object is its present text. */
typedef struct {
    int64_t seq;
    tc_event_t *event;
} tc_recent_t;

/* A ring that grows to its limit. */
typedef struct {
    tc_event_t **slots;
    unsigned first, count, size;
} tc_event_ring_t;

typedef struct {
    int64_t last_seq;
    unsigned max_recent;  /* messages */
    size_t max_bytes;
    size_t bytes;         /* of all events held here */
    tc_event_ring_t log;  /* contiguous, its newest is last_seq */
    tc_recent_t *recent;  /* ascending by seq */
    unsigned recent_count;
    bool recent_valid;    /* false: too big to keep, ask the store */
    tc_blob_t *history[2]; /* FRESH, NOT_RECOVERED; NULL until composed */
    tc_blob_t *resume;    /* RECOVERED for resume_after; NULL until composed */
    int64_t resume_after;
    tc_blob_t *page;      /* an array, no frame, for page_after and page_limit; NULL until composed */
    int64_t page_after;
    int64_t page_last;    /* the seq of its newest event */
    unsigned page_limit;
} tc_timeline_t;

void tc_timeline_init(tc_timeline_t *timeline, unsigned max_recent, size_t max_bytes);
void tc_timeline_free(tc_timeline_t *timeline);

/*
 * Fills an empty timeline from a store's answer: ascending events that hold at least the newest
 * messages. Takes references of its own.
 */
void tc_timeline_load(tc_timeline_t *timeline, tc_event_t *events, int64_t last_seq);

/*
 * Replaces what was read before by what the store has now, which has come as far as `last_seq`; later events
 * stay. False, with nothing changed, where the two do not meet.
 */
bool tc_timeline_reload(tc_timeline_t *timeline, tc_event_t *events, int64_t last_seq);

/* Adds the event with seq last_seq + 1. Takes a reference of its own. */
void tc_timeline_append(tc_timeline_t *timeline, tc_event_t *event);

/* Moves last_seq on over events that the store no longer has; the log starts anew behind them. */
void tc_timeline_skip(tc_timeline_t *timeline, int64_t last_seq);

/* The newcomers' frame of `kind` (not RECOVERED), owned here; NULL when the store must be asked. */
tc_blob_t *tc_timeline_history(tc_timeline_t *timeline, tc_history_kind_e kind);

/* Events after `after` as one frame, owned here; NULL when the log does not reach back that far. */
tc_blob_t *tc_timeline_resume(tc_timeline_t *timeline, int64_t after);

/*
 * At most `limit` events after `after` as a JSON array, owned here, with the seq of the newest in *last;
 * NULL when the log does not reach back that far, or when there are none.
 */
tc_blob_t *tc_timeline_page(tc_timeline_t *timeline, int64_t after, unsigned limit, int64_t *last);

/* The event with this seq, or NULL when the log does not hold it. */
tc_event_t *tc_timeline_get(const tc_timeline_t *timeline, int64_t seq);

#endif
