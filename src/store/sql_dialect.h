/*
 * The chat's SQL, by database. All statements are in sql_dialect.c and nowhere else. Columns of messages come in the
 * order of tc_sql_message_column_e. Const; any thread.
 */
#ifndef TC_STORE_SQL_DIALECT_H
#define TC_STORE_SQL_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    TC_COL_SEQ,       /* of the event: the message's, or the edit's */
    TC_COL_KIND,      /* 0 message, 1 edit */
    TC_COL_ID,
    TC_COL_ROOM,
    TC_COL_SENDER,
    TC_COL_CONTENT,
    TC_COL_TYPE,
    TC_COL_EDITED,    /* 0 or 1 */
    TC_COL_CREATED,
    TC_COL_UPDATED,
    TC_COL_REPLY_ID,  /* NULL: no reply */
    TC_COL_REPLY_CONTENT,
    TC_COL_REPLY_SENDER,
    TC_COL_CLIENT_ID,
    TC_COL_HEAD,      /* only in `events`: the room's last seq */
    TC_COL_OUTCOME = TC_COL_HEAD, /* only in `store`: what became of the job */
    TC_COL_EPOCH,     /* only in these two: the room's */
    TC_COL_JOB        /* only in `store`: which job */
} tc_sql_message_column_e;

typedef struct {
    const char *driver;        /* apr_dbd's name */
    bool one_writer;           /* a second thread that writes would gain nothing */
    bool remote;               /* a server: each statement is a round trip, the connection may be lost */
    const char *const *setup;  /* run once for each connection; NULL-terminated */
    const char *as_stored;     /* texts come as they are stored; ends with the next of `setup`. NULL: they always do */
    const char *has_table;     /* name -> 1 or 0 */
    const char *encoding;      /* -> the encoding of the database's texts */
    const char *identity;      /* -> what tells the database apart from all others: a text, or the path of its file */
    const char *plain_identity; /* the same for a user who may not ask for everything */
    const char *trip_type;     /* -> the type of chat_rooms.trip_id */
    const char *room_create;   /* id, trip, created_at; does nothing when the trip has a room */
    const char *room_open;     /* id, trip -> id, trip of the trip's room, which is made if there is none; NULL: room_create */
    const char *room_find;     /* trip -> id, trip */
    const char *room_trip;     /* room -> trip */
    const char *message_trip;  /* message -> trip of its room */
    const char *head;          /* room -> last_seq, epoch */
    const char *before;        /* room, seq, limit -> messages before seq, newest first */
    /*
     * room, after, limit -> the room's last seq and epoch with each of its events, oldest first. `after` -1: the events among
     * the newest `limit` numbers. Events of messages that were deleted are left out. A room without such events has
     * one row, whose seq is NULL.
     */
    const char *events;
    /* jobs as JSON, patient, strict (see batch.h) -> their outcomes, in a transaction of its own; NULL: see below */
    const char *store;
    const char *renew;         /* ends a connection that cannot write; NULL: there is no such thing */
    const char *writable;      /* changes nothing, and fails where nothing can be written */
    /* Run for many rows (sql_table.h). */
    const char *heads;         /* room, last_seq, epoch -> the same, of rooms that have others */
    const char *mend;          /* room, epoch, seq, events as JSON -> see chat_mend(); NULL: see below */
    /* The statements of a batch, where `store` is NULL. */
    const char *begin;         /* begins a transaction that writes; also for room_create */
    const char *room_newest;   /* room -> room, seq and time of its newest event, epoch */
    const char *has_event;     /* room, seq, message -> a row */
    const char *begin_epoch;   /* last_seq, room; gives the room another epoch */
    const char *find_sent;     /* room, sender, client_id -> message's id */
    const char *find_message;  /* id, room -> message */
    const char *insert;        /* id, room, seq, sender, client_id, content, type, reply, is_edited, at, at */
    const char *insert_sent;   /* room, message, at, sender, client_id */
    const char *insert_person; /* id, email, username, full_name */
    const char *update;        /* content, at, id, room */
    const char *insert_edit;   /* room, message, seq, at */
    const char *advance;       /* last_seq, room */
} tc_sql_dialect_t;

/* The dialect for a driver's name; NULL when there is none. */
const tc_sql_dialect_t *tc_sql_dialect_find(const char *driver);

#endif
