/*
 * The interface to a store, whatever its database is. The loop submits jobs; finished jobs come back to the loop. The
 * store gives each event its seq in the transaction that stores the event, and keeps the order of a room's jobs.
 * Implemented by src/store/dbd.c.
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
    TC_JOB_POST,   /* store a message; result: its event, or the event stored before under the same client_id */
    TC_JOB_EDIT,   /* replace a message's content; result: the event of the edit */
    TC_JOB_LOAD,   /* read the newest messages and events of a room, as many as fit; result: events, last_seq */
    TC_JOB_EVENTS, /* read the events with seq > after, at most `limit`, as many as fit; result: events, last_seq */
    TC_JOB_HEADS,  /* find the rooms whose last seq or epoch is not what `heads` says; result: heads */
    TC_JOB_ACCESS, /* find out which users of some rooms may still enter the trips; result: rooms, users */
    TC_JOB_PROBE,  /* find out whether the database answers; belongs to no room */
    TC_JOB_MEND    /* compare the room with its log, and put back what is missing there; see domain/mend.h */
} tc_job_kind_e;

typedef enum {
    TC_JOB_PENDING,
    TC_JOB_DONE,
    TC_JOB_REFUSED,     /* nothing was stored; tc_job_t.error says why; TC_CHAT_FORBIDDEN: the sender is gone */
    TC_JOB_UNAVAILABLE, /* the database did not answer; a POST with a client_id may be repeated */
    TC_JOB_GONE,        /* the room no longer exists; its trip may have another one */
    TC_JOB_BUSY         /* db; somebody else has locked what busy_key says; the store tries again, the loop never sees it */
} tc_job_status_e;

/* What a job with the status BUSY waits for. Later jobs of the same room that need the same wait behind that job. */
typedef enum {
    TC_BUSY_ROOM,   /* the room: all its writes wait */
    TC_BUSY_SENDER, /* the sender's row */
    TC_BUSY_TARGET  /* the message that is edited or replied to */
} tc_busy_key_e;

/* The last seq of a room. */
typedef struct {
    tc_uuid_t room_id;
    int64_t last_seq;
    int32_t epoch;
    bool is_odd;               /* result: the log has lost events, or has another epoch */
} tc_head_t;

/* For whom an EVENTS job reads. */
typedef enum {
    TC_FETCH_ROOM,     /* the room lacks events */
    TC_FETCH_RESUMERS, /* all members that resume from further back than the room's log */
    TC_FETCH_LAGGERS   /* all members that have their history and fell behind the room's log */
} tc_fetch_e;

/* A user, and whether the store lets them in. */
typedef struct {
    tc_user_t *user;
    bool allowed;
    bool known; /* the site still has the user */
} tc_access_t;

struct tc_room_t;
struct tc_seat_t;
struct tc_member_t;

/* A room that an ACCESS job asks for. Its users stand in the job's list, behind those of the rooms before it. */
typedef struct {
    struct tc_room_t *room; /* loop; the store does not look inside */
    tc_uuid_t room_id;
    tc_trip_t trip;
    int user_count;
    bool answered;          /* result; false: nothing is known about the room and its users */
    int64_t last_seq;       /* result; -1: the room no longer exists */
    int64_t known_seq;      /* loop; the log had this seq when the job was made */
} tc_access_room_t;

typedef struct tc_job_t {
    tc_mail_t mail;             /* must be the first member */
    tc_job_kind_e kind;
    struct tc_store_t *store;
    struct tc_room_t *room;     /* loop; the store does not look inside; NULL for HEADS, PROBE, and ACCESS of many rooms */
    struct tc_member_t *member; /* loop; NULL: the job is the room's own */
    tc_uuid_t room_id;          /* of an ACCESS job: of its first room */
    /* POST and EDIT */
    tc_user_t *user;            /* the sender; a reference */
    const char *content;        /* in text[] */
    size_t content_len;
    const char *client_id;      /* in text[], or NULL */
    const char *message_type;   /* belongs to the site's rules */
    bool has_reply;
    tc_uuid_t reply_to;
    tc_uuid_t message_id;       /* EDIT: the message to edit; POST: the id of the new message */
    int64_t known_seq;          /* the room has had an event with this seq; a log that lacks it begins another epoch */
    struct tc_job_t *next_write; /* loop; in the room's list of writes in flight */
    bool claimed;               /* loop; POST: a fetch has brought the job's event */
    bool told;                  /* loop; the sender got `unavailable`, because the store takes too long */
    int64_t seen_us;            /* loop; when the hub's tick first saw the job in flight; 0: not yet */
    tc_busy_key_e busy_key;     /* db; with the status BUSY */
    bool was_busy;              /* db; an earlier try met a lock of somebody else */
    bool in_doubt;              /* db; an earlier try, whose connection was lost, may have stored the job */
    int64_t queued_us;          /* the store's: when the job was submitted; monotonic */
    /* LOAD and EVENTS */
    int64_t after;              /* also of an EDIT and a MEND: the log had this seq when the job was made */
    int limit;
    size_t max_bytes;           /* tc_event_size() of all events in the answer; a single event may have more */
    tc_fetch_e fetch;           /* loop; EVENTS */
    /* HEADS, question and result; ascending by room_id */
    tc_head_t *heads;           /* owned by the job */
    int head_count;
    /* ACCESS, question and result */
    tc_access_room_t *rooms;    /* owned by the job; each room stands there once */
    int room_count;
    tc_access_t *users;         /* owned by the job, with a reference to each user */
    struct tc_seat_t **seats;   /* loop; the rooms' seats of these users; the array is owned by the job */
    int user_count;
    /* PROBE */
    void (*on_end)(struct tc_job_t *job); /* called when the job is destroyed, whatever its result; may be NULL */
    void *asker;                /* for on_end() */
    /* result */
    tc_job_status_e status;
    tc_chat_error_e error;
    bool repeated;              /* POST: the message was stored before, under the same client_id */
    tc_event_t *events;         /* ascending by seq; the job owns a reference to each */
    int64_t last_seq;           /* of the room; at least the seq of the newest event in the list */
    int32_t epoch;              /* of the room; not with HEADS, ACCESS and PROBE; MEND: first, the epoch that it had */
    int lost, put_back;         /* MEND: events that the log had lost; how many of them it has again */
    bool complete;              /* EVENTS: the list holds every event between `after` and last_seq that still exists */
    tc_blob_t *history[2];      /* loop; LOAD: the list as a frame, composed when first needed; references */
    char text[];
} tc_job_t;

typedef struct tc_store_t {
    const tc_site_t *site;
    _Atomic uint64_t database;  /* which database it is: equal for stores of one database; 0: not known yet. Any thread */
    unsigned connects;          /* loop; connections that were made: another one may lead to another database */
    /*
     * Takes over a job, which comes back through tc_hub_on_job(). APR_EAGAIN: the queue is full, and the job stays the
     * caller's. Loop thread only.
     */
    apr_status_t (*submit)(struct tc_store_t *store, tc_job_t *job);
} tc_store_t;

/* Makes a job with copies of `content` and `client_id`; both may be NULL. tc_job_destroy() frees it. */
tc_job_t *tc_job_create(tc_job_kind_e kind, tc_store_t *store, const char *content,
                        size_t content_len, const char *client_id);

/* Compares two heads by room_id, for qsort() and bsearch(). */
int tc_head_compare(const void *a, const void *b);

/* Calls the job's on_end(), then frees the job and everything it owns. */
void tc_job_destroy(tc_job_t *job);

#endif
