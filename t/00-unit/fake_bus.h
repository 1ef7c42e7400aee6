/*
 * A bus that records what a child publishes, as the envelopes that would go to the other children. It checks what the
 * domain promises to a bus. Each room is opened and closed once. Nothing is published for a room that is not open, and
 * nothing while the bus is down. fake_room.c includes fake_bus.c.
 *
 * The record, words with a space between them:
 *   msg(1) edit(2)     events, with their seq
 *   head(3)            the last seq of a room
 *   typing(ann on)     typing(ann off)
 */
#ifndef FAKE_BUS_H
#define FAKE_BUS_H

#include "unit.h"

#include "codec/envelope.h"
#include "domain/hub.h"

typedef struct {
    tc_uuid_t room_id;
    tc_buf_t envelope;
} fake_letter_t;

typedef struct {
    tc_bus_t bus; /* must be the first member */
    tc_uuid_t child;
    const tc_room_t **rooms; /* the rooms that are open, in the order of their opening */
    unsigned room_count;
    unsigned opened, closed, published;
    int64_t published_seq;
    unsigned spent[TC_ACTIONS];
    fake_letter_t *letters;
    int letter_count;
    int shown; /* letters that fake_told() has returned */
    tc_buf_t told;
} fake_bus_t;

void fake_bus_open(fake_bus_t *bus, tc_bus_state_e state);
void fake_bus_close(fake_bus_t *bus);

/* The record since the last call. */
const char *fake_told(fake_bus_t *bus);

/* Delivers a letter of another child to this one, byte for byte. */
void fake_carry(const fake_letter_t *letter, tc_hub_t *hub, const tc_site_t *site);

#endif
