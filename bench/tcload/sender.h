/*
 * A connection that sends: a slot for each message that it may have outstanding, until the message's own copy or an
 * error comes back. What all senders have outstanding is counted together.
 */
#ifndef BENCH_TCLOAD_SENDER_H
#define BENCH_TCLOAD_SENDER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t sent_ns;
    uint32_t number;            /* of the message that has the slot, or had it last */
    bool busy;
} slot_t;

typedef struct {
    slot_t *slots;
    uint32_t *free_slots;
    uint32_t n_free, n_slots, next_number;
    uint64_t n_acked;
    bool paused;                /* the server refused a message lately: traffic_resume() ends the pause */
    bool done;                  /* has sent all that it had to send, or its connection failed */
} sender_t;

/* All senders. */
typedef struct {
    uint32_t n, n_done;
    uint64_t n_inflight;        /* messages without an answer so far */
    uint64_t n_unanswered;      /* messages that nothing can answer any more */
    uint64_t n_stray;           /* own copies of messages that were not outstanding */
} senders_t;

/* A sender with at most n_slots messages outstanding. */
sender_t *sender_create(senders_t *all, uint32_t n_slots);

uint32_t sender_inflight(const sender_t *s);

/* Takes a free slot, of which there must be one, for a message that is sent now. Returns the slot's index. */
uint32_t sender_take(senders_t *all, sender_t *s);

/* The slot in which the message of that number is outstanding, or NULL. */
slot_t *sender_find(sender_t *s, uint32_t slot, uint32_t number);

/* The message of this slot was answered. */
void sender_release(senders_t *all, sender_t *s, slot_t *slot);

/* The sender will send nothing more. */
void sender_finish(senders_t *all, sender_t *s);

/* The sender's connection is gone: nothing will answer what is outstanding. */
void sender_abandon(senders_t *all, sender_t *s);

#endif
