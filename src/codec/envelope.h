/*
 * The envelopes that children send to each other over a bus: a line and, for some kinds, a JSON object behind it.
 *
 *   tc1 message <child> <seq> LF <message object, as in a history>
 *   tc1 edit <child> <seq> LF <message object as it reads now>
 *   tc1 head <child> <seq> LF
 *   tc1 typing <child> 0 LF {"user_id":…,"user_email":…,"is_typing":…}
 *   tc1 beat <child> <count> LF
 *   tc1 spent <child> <count> LF {"server":"<16 hex digits>","database":"<16 hex digits>","spent":[["<user>",<action>,<count>],…]}
 *
 * <child> is the UUID of the child that sent the envelope. In those of a room it is a UUID of version 8 (RFC 9562, 5.8), if
 * the child knows its database: the first ten bytes are of the child's UUID, the other six of the database's number
 * (tc_store_t). So whoever has a copy of the database, with rooms of the same ids, knows that the envelope is not theirs.
 * Versions of the module that do not know this read the line as ever. An attacker who can write to the bus can write
 * anything, so an envelope is checked as if a client had sent it. Pure.
 */
#ifndef TC_CODEC_ENVELOPE_H
#define TC_CODEC_ENVELOPE_H

#include "codec/chat.h"

typedef enum {
    TC_ENVELOPE_MESSAGE,
    TC_ENVELOPE_EDIT,
    TC_ENVELOPE_HEAD,
    TC_ENVELOPE_TYPING,
    TC_ENVELOPE_BEAT,
    TC_ENVELOPE_SPENT
} tc_envelope_kind_e;

typedef struct {
    tc_envelope_kind_e kind;
    tc_uuid_t child;
    int64_t seq;             /* or the count of a BEAT or a SPENT */
    const char *body;        /* what stands behind the line; points into the bytes that were decoded */
    size_t body_len;
} tc_envelope_t;

/* The body of a MESSAGE or an EDIT. The strings of `message` belong to `doc`. */
typedef struct {
    const char *object;      /* the message object without its seq; points into the bytes that were decoded */
    size_t object_len;
    tc_uuid_t message_id;
    tc_chat_message_t message; /* only id, content and updated_at are set */
    json_object *doc;
} tc_envelope_event_t;

/* The body of a TYPING. */
typedef struct {
    const char *user_id;
    const char *user_email;  /* NULL: none */
    bool is_typing;
    json_object *doc;
} tc_envelope_typing_t;

/* The body of a SPENT, and how far its list was read. */
typedef struct {
    uint64_t server;         /* the httpd that the child belongs to */
    uint64_t database;       /* whose users they are; 0: an older version does not say */
    json_object *list;
    size_t next;
    json_object *doc;
} tc_envelope_spent_t;

/* Returns what stands for `child` in an envelope of a room in this database; 0: it is not known. */
tc_uuid_t tc_envelope_sender(const tc_uuid_t *child, uint64_t database);

/* True if this child has sent the envelope. */
bool tc_envelope_is_from(const tc_envelope_t *envelope, const tc_uuid_t *child);

/* False if the envelope is of a room in another database than this one. True if either is not known. */
bool tc_envelope_may_be_of(const tc_envelope_t *envelope, uint64_t database);

/* Appends the line of an envelope. For HEAD and BEAT, that is all. */
void tc_envelope_encode(tc_buf_t *buf, tc_envelope_kind_e kind, const tc_uuid_t *child, int64_t seq);

/* Appends a MESSAGE or an EDIT. `object` is the message object without its seq. */
void tc_envelope_encode_event(tc_buf_t *buf, tc_envelope_kind_e kind, const tc_uuid_t *child,
                              int64_t seq, const void *object, size_t object_len);

/* Appends a TYPING. `user_email` may be NULL. */
void tc_envelope_encode_typing(tc_buf_t *buf, const tc_uuid_t *child, const char *user_id,
                               const char *user_email, bool is_typing);

/* Append a SPENT piece by piece: its beginning, an entry for each user and action, its end. */
void tc_envelope_begin_spent(tc_buf_t *buf, const tc_uuid_t *child, int64_t count, uint64_t server,
                             uint64_t database);
void tc_envelope_add_spent(tc_buf_t *buf, const char *user_id, int action, unsigned count);
void tc_envelope_end_spent(tc_buf_t *buf);

/* Reads the line. Returns false if it is none of the above. Does not look at the body. */
bool tc_envelope_decode(const char *data, size_t len, tc_envelope_t *out);

/*
 * Read a body. Return false if the body does not fit the envelope's kind, or is an event of another room than
 * `room_id`. The caller always calls the matching free function, also after false.
 */
bool tc_envelope_decode_event(const tc_envelope_t *envelope, const tc_uuid_t *room_id,
                              tc_envelope_event_t *out);
void tc_envelope_event_free(tc_envelope_event_t *event);
bool tc_envelope_decode_typing(const tc_envelope_t *envelope, tc_envelope_typing_t *out);
void tc_envelope_typing_free(tc_envelope_typing_t *typing);

/*
 * _decode_spent() reads the body of a SPENT in the same way. _next_spent() then returns the entries one by one, and
 * false at the end. It skips malformed entries; no number is negative. *user_id belongs to `spent`.
 */
bool tc_envelope_decode_spent(const tc_envelope_t *envelope, tc_envelope_spent_t *out);
bool tc_envelope_next_spent(tc_envelope_spent_t *spent, const char **user_id, int *action, int *count);
void tc_envelope_spent_free(tc_envelope_spent_t *spent);

#endif
