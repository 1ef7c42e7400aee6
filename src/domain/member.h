/*
 * A connection as its room knows it: who, how far it has come, and the sink through which the domain
 * speaks to it. Embedded in the session; the loop's alone.
 */
#ifndef TC_DOMAIN_MEMBER_H
#define TC_DOMAIN_MEMBER_H

#include "base/blob.h"
#include "codec/chat.h"
#include "domain/rate.h"
#include "domain/user.h"

#include <stdbool.h>
#include <stdint.h>

struct tc_job_t;
struct tc_room_t;
struct tc_member_t;

/* How the domain speaks to a connection. None of these frees the member. */
typedef struct {
    /*
     * Queues a frame; takes a reference of its own. `urgent`: the client waits for it; others may leave
     * a little later together with what follows. What does not fit is the sink's affair.
     */
    void (*send)(struct tc_member_t *member, tc_blob_t *frame, bool urgent);
    /* Ends the connection with a close code and a literal. The member leaves its room later. */
    void (*close)(struct tc_member_t *member, unsigned code, const char *reason);
    /* Asks for tc_typing_on_timer() at `due_us` (monotonic). */
    void (*wake)(struct tc_member_t *member, int64_t due_us);
    /* A job of the member's has come back; `jobs` says how many are left. */
    void (*settled)(struct tc_member_t *member);
    /* Shows another token than it came with; `client_id` may be NULL. NULL for those who cannot. */
    void (*authenticate)(struct tc_member_t *member, const char *token, const char *client_id);
    /*
     * What became of a write, for one that sends no more than that (tc_hub_write()) and is in no room's
     * list: stored, as the job says, or not. NULL for others, who are sent frames.
     */
    void (*stored)(struct tc_member_t *member, const struct tc_job_t *job);
    void (*refused)(struct tc_member_t *member, tc_chat_error_e error, int retry_after_s);
} tc_sink_t;

typedef struct tc_member_t {
    const tc_sink_t *sink;
    uint64_t id;            /* unique in the child, never 0 */
    tc_user_t *user;
    struct tc_room_t *room; /* NULL when it is in none */
    unsigned index;         /* in the room's list */
    unsigned jobs;          /* in flight; the member stays in memory until they are back */
    int64_t cursor;         /* seq of the newest event handed to it; -1 before its history */
    int64_t after;          /* resume from here; -1: a newcomer */
    bool waiting;           /* for the room to be loaded, or the store to come back */
    bool resuming;          /* waits for what the room asks the store for */
    bool lost;              /* the store cannot resume from after: a fresh start */
    bool typing_shown;      /* what the room was told last */
    bool typing_wanted;     /* what it is to be told, if typing_due_us is set */
    int64_t typing_sent_us; /* when it was told; 0 never */
    int64_t typing_due_us;  /* 0: nothing waits */
    tc_bucket_t buckets[TC_ACTIONS];
    tc_bucket_t refusals;
} tc_member_t;

#endif
