/*
 * The timeline is what a live room keeps in memory, within a number of bytes. For clients that resume, it has a log of
 * the newest events, without gaps up to last_seq. For newcomers, it has the newest messages as they read now. It also
 * keeps the frames composed of them: if a thousand clients come back at once, a frame is composed once. Pure data; loop
 * thread only.
 */
#ifndef TC_DOMAIN_TIMELINE_H
#define TC_DOMAIN_TIMELINE_H

#include "domain/history.h"

/* A message of the recent list: its own seq, and the event whose object shows its present text. */
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
    int32_t epoch;        /* in which last_seq was given; -1: not known yet */
    unsigned max_recent;  /* messages */
    size_t max_bytes;
    size_t bytes;         /* of all events in the timeline */
    tc_event_ring_t log;  /* without gaps; the newest event is last_seq */
    tc_recent_t *recent;  /* ascending by seq */
    unsigned recent_count;
    size_t recent_bytes;  /* that they take in a history; TC_HISTORY_BYTES at most, except for a single message */
    bool recent_valid;    /* false: the messages were too big to keep, ask the store */
    tc_blob_t *history[2]; /* frames: FRESH, NOT_RECOVERED; NULL until composed */
    tc_blob_t *resume;    /* frame: RECOVERED for resume_after; NULL until composed */
    int64_t resume_after;
    tc_blob_t *page;      /* a bare array for page_after and page_limit; NULL until composed */
    int64_t page_after;
    int64_t page_last;    /* seq of the page's newest event */
    unsigned page_limit;
} tc_timeline_t;

/* Makes an empty timeline for at most `max_recent` messages and `max_bytes` bytes. */
void tc_timeline_init(tc_timeline_t *timeline, unsigned max_recent, size_t max_bytes);
void tc_timeline_free(tc_timeline_t *timeline);

/*
 * Fills an empty timeline from a store's answer: events in ascending order, among them the newest messages. Takes
 * references of its own, as the functions below do.
 */
void tc_timeline_load(tc_timeline_t *timeline, tc_event_t *events, int64_t last_seq);

/*
 * Replaces the timeline's events up to `last_seq` by those of a newer answer of the store; later events stay. Returns
 * false and changes nothing if there would be a gap between the two, or if the store is ahead of the timeline.
 */
bool tc_timeline_reload(tc_timeline_t *timeline, tc_event_t *events, int64_t last_seq);

/* Notes that the numbers, which stay right, go on in another epoch. */
void tc_timeline_set_epoch(tc_timeline_t *timeline, int32_t epoch);

/* Adds the event with seq last_seq + 1. */
void tc_timeline_append(tc_timeline_t *timeline, tc_event_t *event);

/* Sets last_seq to a greater value, over events that the store no longer has. The log is empty afterwards. */
void tc_timeline_skip(tc_timeline_t *timeline, int64_t last_seq);

/* What the timeline keeps in memory, in bytes. _shed() drops all of it, so that the store has to be asked again. */
size_t tc_timeline_weight(const tc_timeline_t *timeline);
void tc_timeline_shed(tc_timeline_t *timeline);

/*
 * _history() returns the frame of `kind` (not RECOVERED) with the newest messages. NULL: ask the store. _resume()
 * returns the events after `after` as one frame. NULL: the log does not reach back that far, or the events have more
 * than TC_RESUME_BYTES. The timeline owns the frames. _is_too_big() is true in the second case, and if already the
 * events that the log holds have more.
 */
tc_blob_t *tc_timeline_history(tc_timeline_t *timeline, tc_history_kind_e kind);
tc_blob_t *tc_timeline_resume(tc_timeline_t *timeline, int64_t after);
bool tc_timeline_is_too_big(const tc_timeline_t *timeline, int64_t after);

/*
 * Returns at most `limit` events after `after`, and TC_RESUME_BYTES but for a single event, as a JSON array, which the
 * timeline owns, and sets *last to the seq of the newest. NULL: the log does not reach back that far, or there are no such events.
 */
tc_blob_t *tc_timeline_page(tc_timeline_t *timeline, int64_t after, unsigned limit, int64_t *last);

/* Returns the event with this seq, without a reference. NULL: the log does not hold it. */
tc_event_t *tc_timeline_get(const tc_timeline_t *timeline, int64_t seq);

#endif
