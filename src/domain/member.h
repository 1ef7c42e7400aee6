/*
 * A member is a connection as its room knows it: its user, its cursor, and the sink through which the domain sends to
 * the connection. Embedded in the connection's own structure. Loop thread only.
 */
#ifndef TC_DOMAIN_MEMBER_H
#define TC_DOMAIN_MEMBER_H

#include "base/blob.h"
#include "base/log.h"
#include "codec/chat.h"
#include "domain/rate.h"
#include "domain/user.h"

#include <stdbool.h>
#include <stdint.h>

struct tc_job_t;
struct tc_room_t;
struct tc_member_t;
struct tc_seat_t;

/* How the domain speaks to a connection. No function frees the member. Loop thread only. */
typedef struct {
    /*
     * Queues a frame and takes a reference of its own. `urgent`: a client waits for the frame. Other frames may leave
     * a little later, together with those that follow. The sink decides what happens if the send queue overflows.
     */
    void (*send)(struct tc_member_t *member, tc_blob_t *frame, bool urgent);
    /* Ends the connection with a close code and a reason, which is a literal. The member leaves its room later. */
    void (*close)(struct tc_member_t *member, unsigned code, const char *reason);
    /* Asks for a call of tc_typing_on_timer() at `due_us` (monotonic). */
    void (*wake)(struct tc_member_t *member, int64_t due_us);
    /* Says that a job of the member has come back, or that its sender was told. See member->jobs and member->told. */
    void (*settled)(struct tc_member_t *member);
    /* The client sent a new token. `client_id` may be NULL. NULL: this kind of connection cannot send one. */
    void (*authenticate)(struct tc_member_t *member, const char *token, const char *client_id);
    /*
     * The answer to tc_access_ask_about(): TC_CHAT_OK, TC_CHAT_UNAUTHORIZED if the site does not have the user any more, or
     * TC_CHAT_FORBIDDEN if the user is not on the trip any more. Set where `authenticate` is.
     */
    void (*checked)(struct tc_member_t *member, const char *client_id, tc_chat_error_e verdict);
    /*
     * The result of tc_hub_write(), for a member that is in no room's list: stored, with the finished job, or refused.
     * Such a member has only these two and settled(). Both are NULL for other members, which get frames instead.
     */
    void (*stored)(struct tc_member_t *member, const struct tc_job_t *job);
    void (*refused)(struct tc_member_t *member, tc_chat_error_e error, int retry_after_s);
} tc_sink_t;

/* Of a client that wants to resume from something that is no seq: it gets a fresh start, like one that is too far back. */
#define TC_AFTER_NOTHING INT64_MAX

typedef struct tc_member_t {
    const tc_sink_t *sink;
    uint64_t id;            /* unique in the child, never 0 */
    tc_user_t *user;
    tc_log_subject_t *subject; /* for lines about the connection; malloc'ed; NULL: a request */
    struct tc_room_t *room; /* NULL: in no room */
    struct tc_seat_t *seat; /* of its user and their claim in the room's roster; NULL: access is not checked */
    struct tc_member_t *next_seated;  /* the next member of this seat */
    struct tc_member_t **seated_link; /* the pointer that points to this member */
    unsigned jobs;          /* jobs in flight; the member stays in memory until they are back */
    unsigned told;          /* of these jobs: those whose sender got `unavailable`, because the store takes too long */
    int64_t cursor;         /* seq of the newest event handed to the member; -1: it has no history yet */
    int64_t after;          /* the seq to resume from; -1: a newcomer; TC_AFTER_NOTHING */
    unsigned index;         /* place in the room's list */
    int32_t epoch;          /* of the room when the member got its history; before that, the one it came with; -1: none */
    bool waiting;           /* waits until the room is loaded, or the store answers again */
    bool resuming;          /* waits for the EVENTS job of all members that resume */
    bool lagging;           /* has its history, and waits for the EVENTS job of all members that fell behind the log */
    bool lost;              /* the store cannot resume from `after`: the member gets a fresh history */
    bool typing_shown;      /* the state that the room was told last */
    bool typing_wanted;     /* the state to tell at typing_due_us */
    int64_t typing_sent_us; /* when the room was told last; 0: never */
    int64_t typing_due_us;  /* when to tell the room; 0: nothing to tell */
    tc_bucket_t buckets[TC_ACTIONS]; /* the connection's rates */
    tc_bucket_t refusals;   /* refused actions; if this bucket is empty, the connection is closed */
    int64_t rest_until_us;  /* its connection is not read until then, because a long message was refused; 0: it is read */
} tc_member_t;

#endif
