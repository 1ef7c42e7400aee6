/*
 * The chat's SQL, by database. Every statement stands in sql_dialect.c and nowhere else. Columns of
 * messages come in the order of tc_sql_message_column_e.
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
    bool one_writer;           /* more than one thread that writes gains nothing */
    bool remote;               /* a server: each statement is a journey, the connection may be lost */
    const char *begin;         /* begins a transaction that writes */
    int64_t lock_timeout_us;   /* what waits for somebody else's lock that long fails; 0: not told apart */
    const char *const *setup;  /* run once a connection, NULL-terminated */
    const char *room_create;   /* id, trip, created_at; does nothing when the trip has one */
    const char *room_find;     /* trip -> id */
    const char *room_trip;     /* room -> trip */
    const char *message_trip;  /* message -> trip of its room */
    const char *head;          /* room -> last_seq */
    const char *before;        /* room, seq, limit -> messages before seq, newest first */
    const char *events;        /* room, after, room, after, limit -> events, oldest first */
    /*
     * These are run for many rows: one at a time, or all at once where the database is remote, as JSON
     * [{"column": "text", …}, …] in their only argument. Columns have the names of the tables'.
     */
    const char *lock_rooms;    /* room -> room, last_seq */
    const char *lock_free_rooms; /* the same, but for what somebody else has locked; NULL: not told apart */
    const char *find_sent;     /* sender, room, client_id -> messages */
    const char *find_messages; /* id -> messages */
    const char *insert;        /* id, room, seq, sender, client_id, content, type, reply, at, at */
    const char *update;        /* content, at, id */
    const char *insert_edits;  /* room, seq, message, at */
    const char *advance;       /* last_seq, room */
    const char *heads;         /* room, last_seq -> room, last_seq of those that have come further */
} tc_sql_dialect_t;

/* The dialect for a driver's name; NULL when there is none. */
const tc_sql_dialect_t *tc_sql_dialect_find(const char *driver);

#endif
