/*
 * A connection's state as bytes, for another child of the same httpd on the same machine. A parcel holds the user, the
 * position in the room, the part of a message that has come and the bytes that have not left. Numbers have the layout
 * of this build, so a parcel names its version and size. Times are of the monotonic clock, which all processes share.
 * Pure data, any thread: child/departure.c makes parcels, child/arrival.c makes connections from them.
 */
#ifndef TC_PEER_PARCEL_H
#define TC_PEER_PARCEL_H

#include "base/buf.h"
#include "base/uuid.h"
#include "codec/deflate.h"
#include "codec/reader.h"
#include "domain/member.h"
#include "domain/site.h"
#include "shared/usage.h"
#include "token/rules.h"

#include <stdbool.h>
#include <sys/types.h>

/* Raise the version whenever the types below change, in layout or in meaning. A test builds a module with another. */
#ifndef TC_PARCEL_VERSION
#define TC_PARCEL_VERSION 6
#endif

/* The first bytes of every version's parcel, so that a child can refuse a parcel of another version. */
typedef struct {
    char magic[8];
    uint32_t version;
    uint32_t size;     /* of the fixed part */
    uint32_t closable; /* not 0: a WebSocket between two frames, which may be sent a Close */
} tc_parcel_prefix_t;

/* The parts of variable length, in their order. */
typedef enum {
    TC_PARCEL_SITE, /* its name */
    TC_PARCEL_USER_ID,
    TC_PARCEL_USER_EMAIL,
    TC_PARCEL_SENDER,  /* the sender object */
    TC_PARCEL_CLAIM,   /* the user as the token names them; empty if that is the user's id */
    TC_PARCEL_FACTS,   /* of the token (token/facts.h) */
    TC_PARCEL_QUEUE,   /* bytes that wait to be sent */
    TC_PARCEL_INPUT,   /* bytes that were received, but not looked at */
    TC_PARCEL_MESSAGE, /* the reader's fragments of an unfinished message */
    TC_PARCEL_CONTROL, /* the reader's bytes of an unfinished control frame */
    TC_PARCEL_CLIENT,  /* the client's address */
    TC_PARCEL_PARTS
} tc_parcel_part_e;

/* The fixed part. Pointers in it are meaningless in another process. */
typedef struct {
    tc_parcel_prefix_t prefix;
    bool is_stream; /* of events; else a WebSocket */
    pid_t pid;      /* of the child that sends the parcel */
    tc_trip_t trip;
    tc_uuid_t room_id;
    tc_member_t member;
    int64_t lease_expires_us;
    bool lease_warned;
    tc_jwt_mark_t lease_mark;
    uint64_t address_key; /* of its claim (peers.h) */
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

/* A parcel, and where its parts lie in its bytes. */
typedef struct tc_parcel_t {
    tc_parcel_head_t head;
    tc_buf_t bytes;                          /* head and parts; owned */
    const unsigned char *parts[TC_PARCEL_PARTS]; /* in bytes; each part has a NUL behind it */
} tc_parcel_t;

/* Begins a zeroed parcel: leaves room for the head in its buffer. */
void tc_parcel_begin(tc_parcel_t *parcel);

/* Appends a copy of the next part. The caller adds every part once, in the order of the enum. */
void tc_parcel_add(tc_parcel_t *parcel, tc_parcel_part_e part, const void *data, size_t len);

/* Copies the head to the front of `bytes`, which then can be sent. */
void tc_parcel_end(tc_parcel_t *parcel);

/*
 * Reads a parcel from `bytes`, takes their memory over and leaves `bytes` empty. False: another version of the module
 * made the bytes, or they are no parcel, or not a sane one. Then only head.prefix is meaningful, and zeroed if the bytes
 * are no parcel. The caller frees the parcel in every case.
 */
bool tc_parcel_read(tc_parcel_t *parcel, tc_buf_t *bytes);

/* True if what the parcel says can do no harm, whoever made it; tc_parcel_read() asks. In parcel_check.c, as the next two. */
bool tc_parcel_is_sane(const tc_parcel_t *parcel);

/* True if the trip's id has the form that ids of the site's trips have now. */
bool tc_parcel_fits(const tc_parcel_t *parcel, const tc_site_t *site);

/* Gives an empty reader the state of the parcel's. False: see tc_reader_restore(). tc_reader_free() frees it. */
bool tc_parcel_restore_reader(const tc_parcel_t *parcel, tc_reader_t *reader);

/* Frees the bytes of a parcel, but not the struct. */
void tc_parcel_free(tc_parcel_t *parcel);

/* Sets what a member goes on with here: its place in the room, its rates, and what it has shown of typing. */
void tc_parcel_restore_member(const tc_parcel_t *parcel, tc_member_t *member);

/* The bytes that wait to be sent, as one frame, with a reference that is the caller's; NULL: there are none. */
tc_blob_t *tc_parcel_queue(const tc_parcel_t *parcel);

/* A part as a NUL-terminated text, which is the parcel's. */
static inline const char *tc_parcel_text(const tc_parcel_t *parcel, tc_parcel_part_e part)
{
    return (const char *)parcel->parts[part];
}

#endif
