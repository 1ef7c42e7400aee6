/*
 * What a failed statement failed of. PostgreSQL says it with an SQLSTATE (PostgreSQL's manual, appendix A), which
 * tc_sql_want_states() puts into the error's text; without it, and with SQLite, the English words count. Pure.
 */
#ifndef TC_STORE_SQL_FAULT_H
#define TC_STORE_SQL_FAULT_H

#include <stdbool.h>

typedef enum {
    TC_SQL_FAULT_NONE,
    TC_SQL_FAULT_OTHER,     /* anything that may pass: a connection, a lock, a full disk, a read-only server */
    TC_SQL_FAULT_VALUE,     /* an argument does not fit the type of its column, or (SQLite) a constraint */
    TC_SQL_FAULT_PARENT,    /* a foreign key has no row */
    TC_SQL_FAULT_RIGHT,     /* the role has not the right */
    TC_SQL_FAULT_STATEMENT  /* the statement does not fit the schema, or is no SQL */
} tc_sql_fault_e;

/* What the database's text for an error says. */
tc_sql_fault_e tc_sql_fault(const char *why);

/* The SQLSTATE in a text like "ERROR:  22P02: …", five characters in `state`; "": it has none. */
void tc_sql_fault_state(const char *why, char state[6]);

/* True if the class of an SQLSTATE says that what should be stored cannot be stored, now or later. */
bool tc_sql_fault_is_own(const char *state);

/* True if the database's text for an error says that the server takes no writes at all: it is read-only or full, say. */
bool tc_sql_fault_stops_writes(const char *why);

#endif
