/*
 * An event of a room: a new message or an edit, with its seq and its bytes. The thread that stored, read or received
 * the event makes it and hands it over to the loop; then only the loop thread uses it. The bytes are encoded once: the
 * frame that all members get and, inside or behind it, the message object as a history shows it.
 */
#ifndef TC_DOMAIN_EVENT_H
#define TC_DOMAIN_EVENT_H

#include "base/blob.h"
#include "base/uuid.h"
#include "codec/chat.h"

typedef enum { TC_EVENT_MESSAGE, TC_EVENT_EDIT } tc_event_kind_e;

typedef struct tc_event_t {
    struct tc_event_t *next; /* the next event in a job's result */
    struct tc_event_t *next_held; /* loop; the next early event of its room */
    uint32_t refs;           /* owner's thread */
    uint32_t holds;          /* loop: places of its room's timeline in which it stands; see timeline.c */
    bool attributed;         /* loop: it came over the bus or as the answer to a write, so its writer is known */
    tc_event_kind_e kind;
    int64_t seq;
    tc_uuid_t message_id;
    tc_blob_t *wire;         /* a reference: the frame for everybody */
    tc_blob_t *own;          /* a reference: the sender's copy, with its client_id; NULL: `wire` serves */
    size_t object_at;        /* the object without its seq begins at wire->data[object_at] */
    size_t object_len;
} tc_event_t;

/* Encodes an event. The caller owns the one reference. Any thread. */
tc_event_t *tc_event_create(tc_event_kind_e kind, int64_t seq, const tc_uuid_t *message_id,
                            const tc_chat_message_t *message);

/*
 * Makes an event from a message object that is encoded already, without its seq. For an edit, `message` needs id,
 * content and updated_at; otherwise `message` is not used. The caller owns the one reference. Any thread.
 */
tc_event_t *tc_event_wrap(tc_event_kind_e kind, int64_t seq, const tc_uuid_t *message_id,
                          const char *object, size_t object_len,
                          const tc_chat_message_t *message);

/* Makes another event of the same bytes, for another room. The caller owns the one reference. Loop. */
tc_event_t *tc_event_copy(const tc_event_t *event);

/* Makes the frame for everybody with a client_id in it. The caller owns the one reference. */
tc_blob_t *tc_event_frame_for(const tc_event_t *event, const char *client_id);

/* Adds the sender's copy: the frame for everybody, with the client_id in it. Call this once at most. */
void tc_event_set_own(tc_event_t *event, const char *client_id);

/*
 * Notes that the event was committed at `now_us` (monotonic). The time until it is in the sockets is then measured and
 * counted in `slot`, the site's (base/metrics.h, base/flight.h). Any thread.
 */
void tc_event_launch(tc_event_t *event, unsigned slot, int64_t now_us);

static inline tc_event_t *tc_event_ref(tc_event_t *event)
{
    event->refs++;
    return event;
}

/* Gives one reference back; the last one frees the event. NULL is allowed. */
void tc_event_unref(tc_event_t *event);

/* Gives back one reference to each event of a list. */
void tc_event_unref_list(tc_event_t *events);

/* The bytes that the event takes in memory. */
size_t tc_event_size(const tc_event_t *event);

#endif
