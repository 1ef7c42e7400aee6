/* What other modules may know of a request of the chat. See notes.h. */
#include "httpd/notes.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <stdbool.h>

/* A user may become a variable or a header field of other programs. */
static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if (apr_iscntrl(*text)) {
            return true;
        }
    }
    return false;
}

void tc_notes_set_user(request_rec *r, const char *claim)
{
    r->user = has_control(claim) ? ap_escape_logitem(r->pool, claim) : apr_pstrdup(r->pool, claim);
    r->ap_auth_type = apr_pstrdup(r->pool, TC_AUTH_TYPE);
    tc_notes_set(r, TC_NOTE_USER, claim);
}

void tc_notes_set(request_rec *r, const char *name, const char *value)
{
    apr_table_setn(r->notes, name, apr_pstrdup(r->pool, value));
}

void tc_notes_set_reason(request_rec *r, const char *code, const char *words)
{
    if (apr_table_get(r->notes, TC_NOTE_REASON) == NULL) {
        apr_table_setn(r->notes, TC_NOTE_REASON, apr_pstrcat(r->pool, code, words ? ": " : "", words ? words : "", NULL));
    }
}

void tc_notes_set_connection(request_rec *r, uint64_t id)
{
    apr_table_setn(r->notes, TC_NOTE_CONNECTION, apr_psprintf(r->pool, "%" APR_UINT64_T_FMT, (apr_uint64_t)id));
}
