/*
 * What other modules may know of a request of the chat: r->user and r->ap_auth_type, and notes for logs, as in
 * `CustomLog … "%u %{tripchat-trip}n"`. Worker.
 */
#ifndef TC_HTTPD_NOTES_H
#define TC_HTTPD_NOTES_H

#include <httpd.h>
#include <stdint.h>

#define TC_NOTE_USER "tripchat-user"             /* the id in the database; until that is known, the claim of the token */
#define TC_NOTE_TRIP "tripchat-trip"             /* the trip's id */
#define TC_NOTE_REASON "tripchat-reason"         /* why the request was refused: "code" or "code: words" */
#define TC_NOTE_CONNECTION "tripchat-connection" /* the number of a connection that the loop holds */

#define TC_AUTH_TYPE "TripChat" /* as in AuthType; what r->ap_auth_type says of a token's user */
#define TC_REQUIRE_MEMBER "tripchat-member" /* as in Require */

/* The user whom a verified token names. If it has control characters, r->user has it escaped as in logs. */
void tc_notes_set_user(request_rec *r, const char *claim);

/* Sets a note to a copy of `value`. */
void tc_notes_set(request_rec *r, const char *name, const char *value);

/* Sets the reason; `words` may be NULL. Only the first reason of a request counts. */
void tc_notes_set_reason(request_rec *r, const char *code, const char *words);

/* Sets the number of the connection, which the error log and the connection log have, too. */
void tc_notes_set_connection(request_rec *r, uint64_t id);

#endif
