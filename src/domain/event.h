/*
 * An event of a room: a new message or an edit, with its seq and its bytes. Made by the db thread that
 * stored or read it, handed over whole; then the loop's alone. The bytes are encoded once: the frame
 * that all members get and, inside or behind it, the message object as a history shows it.
 */
#ifndef TC_DOMAIN_EVENT_H
#define TC_DOMAIN_EVENT_H

#include "base/blob.h"
#include "base/uuid.h"
#include "codec/chat.h"

typedef enum { TC_EVENT_MESSAGE, TC_EVENT_EDIT } tc_event_kind_e;

typedef struct tc_event_t {
    struct tc_event_t *next; /* in a job's result */
    struct tc_event_t *next_held; /* loop; among its room's early events */
    uint32_t refs;           /* owner's thread */
    uint32_t holds;          /* loop: references that its room's timeline has; see timeline.c */
    tc_event_kind_e kind;
    int64_t seq;
    tc_uuid_t message_id;
    tc_blob_t *wire;         /* the frame for everybody */
    tc_blob_t *own;          /* the copy for whom it answers, with its client_id; NULL: wire serves */
    size_t object_at;        /* the object without its seq: wire->data[object_at .. +object_len] */
    size_t object_len;
} tc_event_t;

/* Encodes an event. One reference, the caller's. */
tc_event_t *tc_event_create(tc_event_kind_e kind, int64_t seq, const tc_uuid_t *message_id,
                            const tc_chat_message_t *message);

/*
 * The same of a message object that is encoded already, without its seq; of `message` an edit needs
 * id, content and updated_at, a message nothing.
 */
tc_event_t *tc_event_wrap(tc_event_kind_e kind, int64_t seq, const tc_uuid_t *message_id,
                          const char *object, size_t object_len,
                          const tc_chat_message_t *message);

/* Adds the copy for whom it answers: the frame for everybody, and the client_id. */
void tc_event_set_own(tc_event_t *event, const char *client_id);

/* It was committed now, for the site with this slot (base/metrics.h): what it takes to the sockets is observed. */
void tc_event_launch(tc_event_t *event, unsigned slot, int64_t now_us);

/* Is this what the message reads, by the event's object? */
bool tc_event_has_content(const tc_event_t *event, const char *content);

static inline tc_event_t *tc_event_ref(tc_event_t *event)
{
    event->refs++;
    return event;
}
void tc_event_unref(tc_event_t *event);

/* Gives back each event of a list. */
void tc_event_unref_list(tc_event_t *events);

/* Bytes that the event keeps in memory. */
size_t tc_event_size(const tc_event_t *event);

#endif
