/*
 * What the domain asks of a store, whatever database it is: jobs go in from the loop, come back to the
 * loop when they are done. The store assigns seq in the transaction that stores (promise 3) and keeps
 * the order of a room's jobs. Implemented by src/store/dbd.c.
 */
#ifndef TC_DOMAIN_STORE_H
#define TC_DOMAIN_STORE_H

#include "base/mail.h"
#include "codec/chat.h"
#include "domain/event.h"
#include "domain/site.h"
#include "domain/user.h"

#include <apr_errno.h>

typedef enum {
    TC_JOB_POST,   /* store a message; result: its event, or the stored one of the same client_id */
    TC_JOB_EDIT,   /* replace a message's content; result: the edit's event */
    TC_JOB_LOAD,   /* the newest messages and events of a room; result: a list, last_seq */
    TC_JOB_EVENTS, /* events with seq > after, at most limit; result: a list, last_seq */
    TC_JOB_HEADS,  /* which of many rooms have come further than heads says; result: heads */
    TC_JOB_ACCESS, /* which users may still enter a room's trip; result: users, last_seq */
    TC_JOB_PROBE   /* does the database answer?; no room's */
} tc_job_kind_e;

typedef enum {
    TC_JOB_PENDING,
    TC_JOB_DONE,
    TC_JOB_REFUSED,     /* tc_job_t.error says why; nothing was stored */
    TC_JOB_UNAVAILABLE, /* the database did not answer; a POST with a client_id may be repeated */
    TC_JOB_GONE         /* the room is no more */
} tc_job_status_e;

/* How far a room has come. */
typedef struct {
    tc_uuid_t room_id;
    int64_t last_seq;
} tc_head_t;

/* A user, and whether the store lets him in. */
typedef struct {
    tc_user_t *user;
    bool allowed;
} tc_access_t;

struct tc_room_t;
struct tc_member_t;

typedef struct tc_job_t {
    tc_mail_t mail;             /* stands first */
    tc_job_kind_e kind;
    struct tc_store_t *store;
    struct tc_room_t *room;     /* loop; the store does not look inside; NULL for HEADS */
    struct tc_member_t *member; /* loop; NULL for a job of the room's own */
    tc_uuid_t room_id;
    /* POST and EDIT */
    tc_user_t *user;            /* a reference of the job's own */
    const char *content;        /* in text[] */
    const char *client_id;      /* in text[], or NULL */
    const char *message_type;   /* the site's */
    bool has_reply;
    tc_uuid_t reply_to;
    tc_uuid_t message_id;       /* EDIT: which; POST: the new one's */
    struct tc_job_t *next_write; /* loop; the room's list of writes in flight */
    bool claimed;               /* loop; a fetch has brought its event */
    bool told;                  /* loop; its sender was told that it takes too long */
    int64_t seen_us;            /* loop; when the hub's tick found it under way first; 0: not yet */
    /* LOAD and EVENTS */
    int64_t after;
    int limit;
    bool for_resumers;          /* loop; EVENTS: on behalf of all members that resume */
    /* HEADS, and its result: by room_id, ascending */
    tc_head_t *heads;           /* the job's own */
    int head_count;
    /* ACCESS, and its result: by the users' ids, ascending */
    tc_uuid_t trip_id;
    tc_access_t *users;         /* the job's own, with references of its own */
    int user_count;
    /* PROBE */
    void (*on_end)(struct tc_job_t *job); /* it is destroyed now, whatever came of it; NULL: nobody wants to know */
    void *asker;                /* on_end's */
    /* result */
    tc_job_status_e status;
    tc_chat_error_e error;
    bool repeated;              /* POST: it had been stored before under its client_id */
    tc_event_t *events;         /* ascending by seq; the job's references */
    int64_t last_seq;           /* of the room, at least that of the newest event in the list */
    bool complete;              /* EVENTS: the list holds all that is left between after and last_seq */
    tc_blob_t *history[2];      /* loop: LOAD, the list as a frame, composed when first needed */
    char text[];
} tc_job_t;

typedef struct tc_store_t {
    const tc_site_t *site;
    /*
     * Takes a job over; it comes back through tc_hub_on_job(). APR_EAGAIN: the queue is full, the job
     * stays the caller's. Loop.
     */
    apr_status_t (*submit)(struct tc_store_t *store, tc_job_t *job);
} tc_store_t;

/* A job with room for a content and a client_id (NULL allowed), which it copies. */
tc_job_t *tc_job_create(tc_job_kind_e kind, tc_store_t *store, const char *content,
                        size_t content_len, const char *client_id);

/* Orders heads by room_id, for qsort() and bsearch(). */
int tc_head_compare(const void *a, const void *b);

/* Gives back the job with what it owns. */
void tc_job_destroy(tc_job_t *job);

#endif
