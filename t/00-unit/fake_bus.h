/*
 * A bus that writes down what a child tells it, as the envelopes that would go to the others, and checks
 * what the domain promises a bus: each room opened and closed once, nothing said of any other, nothing
 * said while it is down. Brought by fake_room.c.
 *
 * What it was told, words with a space between:
 *   msg(1) edit(2)     events, with their seq
 *   head(3)            how far a room has come
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
    tc_bus_t bus; /* stands first */
    tc_uuid_t child;
    const tc_room_t **rooms; /* opened and not closed yet, in their order */
    unsigned room_count;
    unsigned opened, closed, published;
    int64_t published_seq;
    unsigned spent[TC_ACTIONS];
    fake_letter_t *letters;
    int letter_count;
    int shown; /* letters that fake_told() is done with */
    tc_buf_t told;
} fake_bus_t;

void fake_bus_open(fake_bus_t *bus, tc_bus_state_e state);
void fake_bus_close(fake_bus_t *bus);

/* What the bus was told since the last time. */
const char *fake_told(fake_bus_t *bus);

/* A letter of some child's comes to this one, byte for byte. */
void fake_carry(const fake_letter_t *letter, tc_hub_t *hub, const tc_site_t *site);

#endif
