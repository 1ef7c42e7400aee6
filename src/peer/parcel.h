/*
 * A connection's state as bytes, for another child of the same httpd on the same machine: who it is, where in its
 * room it stands, what of a message has come and what has not left. Numbers are as this build has them, so a parcel
 * says which build made it; times are of the monotonic clock, which all processes share. Pure data: what makes it and
 * what lives on from it is departure.c and arrival.c.
 */
#ifndef TC_PEER_PARCEL_H
#define TC_PEER_PARCEL_H

#include "base/buf.h"
#include "base/uuid.h"
#include "codec/deflate.h"
#include "codec/reader.h"
#include "domain/member.h"
#include "shared/usage.h"

#include <stdbool.h>
#include <sys/types.h>

/* Raise it whenever what follows changes, in layout or in meaning. A test builds a module of another. */
#ifndef TC_PARCEL_VERSION
#define TC_PARCEL_VERSION 1
#endif

/* What every version begins with, so that any can refuse any other. */
typedef struct {
    char magic[8];
    uint32_t version;
    uint32_t size;     /* of the fixed part */
    uint32_t closable; /* not 0: a WebSocket that may be sent a Close right now */
} tc_parcel_prefix_t;

/* What is of no fixed length. */
typedef enum {
    TC_PARCEL_SITE, /* its name */
    TC_PARCEL_USER_ID,
    TC_PARCEL_USER_EMAIL,
    TC_PARCEL_SENDER,  /* the sender object */
    TC_PARCEL_SUBJECT, /* the user as the token names him; empty where that is his id */
    TC_PARCEL_QUEUE,   /* bytes that have not left */
    TC_PARCEL_INPUT,   /* bytes that have come and were not looked at */
    TC_PARCEL_MESSAGE, /* fragments that the reader has */
    TC_PARCEL_CONTROL, /* of a control frame */
    TC_PARCEL_PARTS
} tc_parcel_part_e;

/* The fixed part. Pointers in it mean nothing. */
typedef struct {
    tc_parcel_prefix_t prefix;
    bool is_stream; /* of events; else a WebSocket */
    pid_t pid;      /* of the child it comes from */
    uint32_t site_index;
    tc_uuid_t trip_id;
    tc_uuid_t room_id;
    tc_member_t member;
    int64_t lease_expires_us;
    bool lease_warned;
    uint64_t address_key; /* counted as */
    uint64_t user_key;
    int64_t heard_us;
    int64_t wrote_us;
    bool has_usage;
    tc_usage_t usage;
    /* of a WebSocket */
    int64_t pinged_us;
    int64_t begun_us;
    tc_deflate_terms_t deflate;
    tc_reader_t reader;
    uint32_t lens[TC_PARCEL_PARTS];
} tc_parcel_head_t;

/* A parcel and where its parts lie in it. */
typedef struct tc_parcel_t {
    tc_parcel_head_t head;
    tc_buf_t bytes;                          /* all of it, owned */
    const unsigned char *parts[TC_PARCEL_PARTS]; /* in bytes; text ends with a NUL behind its length */
} tc_parcel_t;

/* Begins one in an empty buffer of a zeroed parcel, by leaving room for the head. */
void tc_parcel_begin(tc_parcel_t *parcel);

/* Appends the next part, in their order, each once. */
void tc_parcel_add(tc_parcel_t *parcel, tc_parcel_part_e part, const void *data, size_t len);

/* Puts the head in its place: `bytes` can be sent. */
void tc_parcel_end(tc_parcel_t *parcel);

/*
 * Reads one out of `bytes`, which it owns from now on. False when another version or no build of ours made it; then
 * its prefix is all that counts, zeroed where there is none.
 */
bool tc_parcel_read(tc_parcel_t *parcel, tc_buf_t *bytes);

void tc_parcel_free(tc_parcel_t *parcel);

static inline const char *tc_parcel_text(const tc_parcel_t *parcel, tc_parcel_part_e part)
{
    return (const char *)parcel->parts[part];
}

#endif
