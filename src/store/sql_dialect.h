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
    TC_COL_CLIENT_ID
} tc_sql_message_column_e;

typedef struct {
    const char *driver;        /* apr_dbd's name */
    bool one_writer;           /* a second thread that writes would gain nothing */
    bool remote;               /* a server: each statement is a round trip, the connection may be lost */
    const char *begin;         /* begins a transaction that writes */
    int64_t lock_timeout_us;   /* a lock wait that takes that long fails; 0: lock waits are not recognized */
    const char *const *setup;  /* run once for each connection; NULL-terminated */
    const char *room_create;   /* id, trip, created_at; does nothing when the trip has a room */
    const char *room_find;     /* trip -> id, trip */
    const char *room_trip;     /* room -> trip */
    const char *message_trip;  /* message -> trip of its room */
    const char *head;          /* room -> last_seq */
    const char *before;        /* room, seq, limit -> messages before seq, newest first */
    const char *events;        /* room, after, room, after, limit -> events, oldest first */
    /*
     * The statements below are run for many rows (sql_table.h): row by row or, if the database is remote, once with all
     * rows as JSON [{"column": "text", …}, …] in the only argument. The columns are named as in the tables.
     */
    const char *lock_rooms;    /* room -> room, last_seq */
    const char *lock_free_rooms; /* the same without rooms that somebody else has locked; NULL: not supported */
    const char *find_sent;     /* sender, room, client_id -> messages */
    const char *find_messages; /* id -> messages */
    const char *insert;        /* id, room, seq, sender, client_id, content, type, reply, at, at */
    const char *update;        /* content, at, id */
    const char *insert_edits;  /* room, seq, message, at */
    const char *advance;       /* last_seq, room */
    const char *heads;         /* room, last_seq -> room, last_seq of rooms that have a newer one */
} tc_sql_dialect_t;

/* The dialect for a driver's name; NULL when there is none. */
const tc_sql_dialect_t *tc_sql_dialect_find(const char *driver);

#endif
