/* See sender.h. */
#include "tcload/sender.h"
#include "common/util.h"

sender_t *sender_create(senders_t *all, uint32_t n_slots)
{
    sender_t *s = zeroed(1, sizeof(*s));

    s->slots = zeroed(n_slots, sizeof(*s->slots));
    s->free_slots = zeroed(n_slots, sizeof(*s->free_slots));
    s->n_slots = s->n_free = n_slots;
    for (uint32_t i = 0; i < n_slots; i++)
        s->free_slots[i] = n_slots - 1 - i;
    all->n++;
    return s;
}

uint32_t sender_inflight(const sender_t *s)
{
    return s->n_slots - s->n_free;
}

uint32_t sender_take(senders_t *all, sender_t *s)
{
    uint32_t at = s->free_slots[--s->n_free];
    slot_t *slot = &s->slots[at];

    slot->busy = true;
    slot->number = s->next_number++;
    slot->sent_ns = now_ns();
    all->n_inflight++;
    return at;
}

slot_t *sender_find(sender_t *s, uint32_t slot, uint32_t number)
{
    if (slot >= s->n_slots || !s->slots[slot].busy || s->slots[slot].number != number)
        return NULL;
    return &s->slots[slot];
}

void sender_release(senders_t *all, sender_t *s, slot_t *slot)
{
    slot->busy = false;
    s->free_slots[s->n_free++] = (uint32_t)(slot - s->slots);
    all->n_inflight--;
}

void sender_finish(senders_t *all, sender_t *s)
{
    if (!s->done) {
        s->done = true;
        all->n_done++;
    }
}

/* The slots stay busy. Nothing reads them any more, because a connection that failed gets no frames. */
void sender_abandon(senders_t *all, sender_t *s)
{
    all->n_inflight -= sender_inflight(s);
    all->n_unanswered += sender_inflight(s);
    sender_finish(all, s);
}
