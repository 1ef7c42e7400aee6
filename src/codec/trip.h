/*
 * The ids of trips. A trip is the site's own, so its id has the form of the site's keys: TripChatTripKey. Rooms and
 * messages have UUIDs whatever the form is. Each trip has one canonical text, which is the key of its room in memory
 * and what clients are shown. Pure; any thread.
 */
#ifndef TC_CODEC_TRIP_H
#define TC_CODEC_TRIP_H

#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>

#define TC_TRIP_MAX_BYTES 128

/* The words of TripChatTripKey, in their order. */
typedef enum {
    TC_TRIP_UUID,     /* canonical: lower case with hyphens; the database gets the same */
    TC_TRIP_UUID_HEX, /* the same, but the database gets 32 digits without hyphens */
    TC_TRIP_INTEGER,  /* canonical: decimal, no sign, no leading zeros */
    TC_TRIP_TEXT      /* canonical: the text itself */
} tc_trip_form_e;

/* A trip's id in canonical form; "": none. Holds no pointer, so it may be copied to another thread or process. */
typedef struct {
    char text[TC_TRIP_MAX_BYTES + 1];
} tc_trip_t;

/*
 * Reads the id of a trip that a client has sent, percent-decoded. False: the text has another form. uuid and uuid-hex
 * take a UUID with or without hyphens, in upper or lower case. integer takes 1 to 19 digits, up to 9223372036854775807.
 * text takes 1 to 128 bytes: letters, digits, the characters -._~:@+,= and whatever is not ASCII, but not . or .. alone.
 */
bool tc_trip_parse(const char *text, size_t len, tc_trip_form_e form, tc_trip_t *out);

/*
 * Reads the id as a column of the database shows it. The database decides which ids are equal, so its text counts: a
 * column may ignore case, for example. Blanks at the end are the padding of a char(n). False: the text is NULL, too
 * long, or not UTF-8.
 */
bool tc_trip_from_sql(const char *text, tc_trip_form_e form, tc_trip_t *out);

/* Returns the id as the database gets it: in `trip`, or in `space` of TC_TRIP_MAX_BYTES + 1 bytes. */
const char *tc_trip_to_sql(const tc_trip_t *trip, tc_trip_form_e form, char *space);

/* What a client says must be, for messages: "a UUID", and so on. Static. */
const char *tc_trip_form_words(tc_trip_form_e form);

/* What a client calls a room: the room's id, or its trip's. A text may have the form of both. */
typedef struct {
    bool may_be_room;
    bool may_be_trip;
    tc_uuid_t room_id;
    tc_trip_t trip;
} tc_place_t;

/* Fills in *out. False: the text has neither form. */
bool tc_place_parse(const char *text, size_t len, tc_trip_form_e form, tc_place_t *out);

#endif
