/* GET of a room and of its messages. See rest_parts.h. */
#include "httpd/rest_parts.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/units.h"
#include "codec/json.h"
#include "codec/page.h"
#include "domain/history.h"
#include "httpd/admission.h"
#include "httpd/fields.h"
#include "httpd/query.h"
#include "httpd/runtime.h"
#include "httpd/takeover.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <openssl/evp.h>

#define ETAG_BYTES 12 /* of a SHA-256 */
#define LIMIT_DEFAULT 50
#define LIMIT_MAX 100

/* What a request wants to read. */
typedef struct {
    int64_t after, before; /* -1: not given */
    int64_t epoch;         /* to which `after` belongs; -1: not given */
    int64_t limit;
    int64_t wait_s;        /* -1: not given */
    bool is_stream;        /* as server-sent events */
} query_t;

/* ---- the query ---- */

/*
 * Fills in *query. Returns the name of a parameter that is wrong, or NULL. Of a stream only read_resume() reads more,
 * because EventSource gives up for good when it is refused.
 */
static const char *read_query(request_rec *r, query_t *query)
{
    static const char *const names[] = {"after", "before", "limit", "wait", "epoch"};
    int64_t *const numbers[] = {&query->after, &query->before, &query->limit, &query->wait_s,
                                &query->epoch};
    const char *accept = apr_table_get(r->headers_in, "Accept");
    size_t i;

    query->is_stream = accept != NULL && !r->header_only
                       && ap_strcasestr(accept, "text/event-stream") != NULL;
    if (query->is_stream) {
        return NULL;
    }
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!tc_query_number(r, names[i], numbers[i])) {
            return names[i];
        }
    }
    if (query->limit == -1) {
        query->limit = LIMIT_DEFAULT;
    }
    if (query->limit < 1 || query->limit > LIMIT_MAX) {
        return "limit";
    }
    if (query->before >= 0 && query->after >= 0) {
        return "before";
    }
    if (query->epoch > INT32_MAX) {
        return "epoch";
    }
    return query->wait_s >= 0 && query->after < 0 ? "wait" : NULL;
}

/* A Last-Event-ID is a seq and, behind a hyphen, its epoch; earlier versions sent the seq alone. */
static bool read_last_event_id(const char *id, query_t *query)
{
    size_t len, epoch_len = 0;

    len = strspn(id, "0123456789");
    if (id[len] == '-') {
        epoch_len = strspn(id + len + 1, "0123456789");
    }
    if (len < 1 || len > 15 || epoch_len > 10 || id[len + (epoch_len > 0 ? epoch_len + 1 : 0)] != '\0') {
        return false;
    }
    query->after = apr_atoi64(id);
    query->epoch = epoch_len > 0 ? apr_atoi64(id + len + 1) : -1;
    return query->epoch <= INT32_MAX;
}

/* Where a stream resumes: Last-Event-ID, which browsers send when they reconnect, counts before the page's `after`. */
static void read_resume(request_rec *r, query_t *query)
{
    const char *id = apr_table_get(r->headers_in, "Last-Event-ID");

    if (id == NULL || *id == '\0') {
        tc_query_resume(r, &query->after, &query->epoch);
    }
    else if (!read_last_event_id(id, query)) {
        tc_query_resume_from_nothing(r, "Last-Event-ID", id, &query->after, &query->epoch);
    }
}

/* ---- a page ---- */

/*
 * A link to another page is relative to the URL that the client asked for (RFC 3986, 5.2). Only the client knows it: a proxy
 * may have changed the host and the path.
 */
static const char *list_url(request_rec *r, const query_t *query)
{
    return apr_psprintf(r->pool, "?limit=%d&", (int)query->limit);
}

/*
 * A hash of the body. It also changes with what has no seq: a deleted message or user, a new name, an edit by SQL. NULL:
 * OpenSSL has no SHA-256, and then the answer goes without a tag.
 */
static const char *make_etag(apr_pool_t *pool, const tc_buf_t *body)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char text[2 * ETAG_BYTES + 1];

    if (EVP_Digest(body->data, body->len, hash, NULL, EVP_sha256(), NULL) != 1) {
        return NULL;
    }
    ap_bin2hex(hash, ETAG_BYTES, text);
    return apr_psprintf(pool, "W/\"%s\"", text);
}

static int reply_with_etag(tc_visit_t *visit, tc_buf_t *body)
{
    request_rec *r = visit->r;
    const char *etag = make_etag(r->pool, body);
    int rc;

    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (etag != NULL) {
        apr_table_setn(r->headers_out, "ETag", etag);
    }
    rc = ap_meets_conditions(r);
    if (rc == OK) {
        return tc_reply_json(r, HTTP_OK, body);
    }
    tc_buf_free(body);
    if (rc == HTTP_PRECONDITION_FAILED) {
        return tc_reply_error(r, TC_CHAT_PRECONDITION_FAILED, NULL);
    }
    r->status = rc; /* 304. httpd's own answer would pass fewer filters, and lack fields that the page's cache needs */
    return OK;
}

static tc_blob_t *encode_results(const tc_event_t *events)
{
    tc_history_t results;

    tc_history_begin_array(&results);
    for (; events != NULL; events = events->next) {
        tc_history_add(&results, events, events->seq);
    }
    return tc_history_end_array(&results);
}

/*
 * Finds the links to the pages before and after a page. `first` and `last` are the seqs of its ends, or those that an
 * empty page would have. A full page may be followed by another, unless it ends where the room ended before the page was
 * read: `head`.
 */
static void find_links(const query_t *query, int64_t first, int64_t last, bool full, int64_t head,
                       tc_page_t *page)
{
    if (query->after >= 0) {
        page->next_after = full && last != head ? last : TC_PAGE_NONE;
        page->previous_before = first > 1 ? first : TC_PAGE_NONE;
    }
    else {
        page->next_before = full && first > 1 ? first : TC_PAGE_NONE;
        page->previous_after = query->before >= 0 ? last : TC_PAGE_NONE;
    }
}

static void find_page(const query_t *query, const tc_visited_t *found, int64_t head, tc_page_t *page)
{
    const tc_event_t *last = found->events;

    if (found->event_count == 0) {
        int64_t at = query->after >= 0 ? query->after + 1 : query->before;

        at = at > page->last_seq ? page->last_seq + 1 : at > 1 ? at : 1;
        find_links(query, at, at - 1, false, head, page);
        return;
    }
    while (last->next != NULL) {
        last = last->next;
    }
    find_links(query, found->events->seq, last->seq, found->is_full, head, page);
}

static int reply_page(tc_visit_t *visit, const query_t *query, int64_t last_seq, const tc_visited_t *found)
{
    tc_page_t page = TC_PAGE_INIT;
    tc_buf_t body = TC_BUF_INIT;
    tc_blob_t *results = encode_results(found->events);

    page.url = list_url(visit->r, query);
    page.last_seq = last_seq;
    page.epoch = visit->epoch;
    find_page(query, found, visit->last_seq, &page);
    tc_page_encode(&body, &page, (const char *)results->data, results->len);
    tc_blob_unref(results);
    return reply_with_etag(visit, &body);
}

/* ---- a connection that is held ---- */

static tc_stream_request_t *make_request(request_rec *r, const tc_vhost_t *vhost,
                                         const query_t *query)
{
    const char *fields = "", *error_fields = "", *url = list_url(r, query);
    size_t fields_size, error_size, url_size = strlen(url) + 1;
    tc_stream_request_t *request;

    if (!query->is_stream) {
        fields = tc_fields_of_head(r, tc_fields_head(r, HTTP_OK, "application/json"));
        error_fields = tc_fields_of_head(r, tc_fields_head(r, HTTP_SERVICE_UNAVAILABLE, "application/json"));
    }
    fields_size = strlen(fields) + 1;
    error_size = strlen(error_fields) + 1;
    request = tc_alloc_zero(sizeof(*request) + url_size + fields_size + error_size);

    request->is_poll = !query->is_stream;
    request->limit = (unsigned)query->limit;
    request->wait_us = query->wait_s < vhost->max_wait_us / TC_US_PER_S ? query->wait_s * TC_US_PER_S
                                                                        : vhost->max_wait_us;
    request->url = memcpy(request->text, url, url_size);
    request->fields = memcpy(request->text + url_size, fields, fields_size);
    request->error_fields = memcpy(request->text + url_size + fields_size, error_fields, error_size);
    return request;
}

static tc_adoption_t *make_adoption(tc_visit_t *visit, const query_t *query, const tc_claim_t *claim)
{
    tc_adoption_t *adoption = tc_alloc_zero(sizeof(*adoption));

    adoption->fd = -1;
    tc_visit_hand_over(visit, adoption);
    adoption->after = query->after;
    adoption->epoch = (int32_t)query->epoch;
    adoption->claim = *claim;
    adoption->stream = make_request(visit->r, visit->vhost, query);
    return adoption;
}

/* Leaves the connection to the loop. The head of a stream's answer is sent here. */
static int hold_connection(tc_visit_t *visit, const query_t *query)
{
    request_rec *r = visit->r;
    tc_child_t *child = tc_runtime_start();
    tc_claim_t claim = {false, 0, 0};
    const char *head = NULL;
    int rc;

    if (child == NULL) {
        return tc_reply_error(r, TC_CHAT_UNAVAILABLE, NULL);
    }
    if (!tc_child_reserve(child, &claim)) {
        return tc_reply_error(r, TC_CHAT_OVERLOADED, NULL);
    }
    if (tc_admission_claim_address(r, visit->vhost, child, &claim) != TC_L_REASON_NONE
        || tc_admission_claim_user(r, visit->vhost, child, visit->user->id, &claim) != TC_L_REASON_NONE) {
        tc_child_release(child, &claim);
        return tc_reply_rate_limited(r, TC_RETRY_AFTER_S);
    }
    if (query->is_stream) {
        head = tc_fields_head(r, HTTP_OK, "text/event-stream");
    }
    rc = tc_takeover(r, child, make_adoption(visit, query, &claim), HTTP_OK, head);
    return rc == OK ? OK : tc_reply_error(r, rc == HTTP_FORBIDDEN ? TC_CHAT_FORBIDDEN : TC_CHAT_OVERLOADED, NULL);
}

/* ---- methods ---- */

static int reply_stream(tc_visit_t *visit, const tc_place_t *place, query_t *query)
{
    int wait_s = tc_admission_handshake_wait_s(visit->r, visit->vhost);
    tc_chat_error_e error;

    if (wait_s > 0) {
        return tc_reply_rate_limited(visit->r, wait_s);
    }
    error = tc_visit_place(visit, place);
    if (error != TC_CHAT_OK) {
        return tc_reply_error(visit->r, error, NULL);
    }
    read_resume(visit->r, query);
    return hold_connection(visit, query);
}

/* The page was read after the room's last_seq, and may go beyond it. */
static int64_t newest_seq(const tc_event_t *events, int64_t last_seq)
{
    for (; events != NULL; events = events->next) {
        last_seq = events->seq > last_seq ? events->seq : last_seq;
    }
    return last_seq;
}

static int reply_list(tc_visit_t *visit, const tc_place_t *place, query_t *query)
{
    tc_visitor_page_t page = {query->after, query->before, query->epoch, (int)query->limit};
    tc_visited_t found;
    tc_chat_error_e error = tc_visit_page(visit, place, &page, &found);
    int64_t last_seq;
    int rc;

    if (error != TC_CHAT_OK) {
        return tc_reply_error(visit->r, error, NULL);
    }
    if (found.is_fresh) {
        query->after = query->wait_s = -1; /* a fresh start */
    }
    last_seq = newest_seq(found.events, visit->last_seq);
    if (found.event_count == 0 && query->wait_s > 0 && query->after <= last_seq && !visit->r->header_only
        && tc_takeover_has_room(visit->r, &visit->vhost->site, visit->user->id)) {
        query->after = last_seq; /* events between the two were deleted */
        return hold_connection(visit, query);
    }
    rc = reply_page(visit, query, last_seq, &found);
    tc_event_unref_list(found.events);
    return rc;
}

/* What the user may not enter counts before what is wrong with the query. */
static int reply_wrong_query(tc_visit_t *visit, const tc_place_t *place, const char *wrong)
{
    tc_chat_error_e error = tc_visit_place(visit, place);

    return error == TC_CHAT_OK ? tc_reply_error(visit->r, TC_CHAT_INVALID_FIELD, wrong)
                               : tc_reply_error(visit->r, error, NULL);
}

int tc_rest_messages(tc_visit_t *visit, const tc_place_t *place)
{
    query_t query = {.after = -1, .before = -1, .epoch = -1, .limit = LIMIT_DEFAULT, .wait_s = -1};
    const char *wrong = read_query(visit->r, &query);

    if (wrong != NULL) {
        return reply_wrong_query(visit, place, wrong);
    }
    return query.is_stream ? reply_stream(visit, place, &query) : reply_list(visit, place, &query);
}

int tc_rest_room(tc_visit_t *visit, const tc_place_t *place)
{
    tc_chat_error_e error = tc_visit_place(visit, place);
    char room[TC_UUID_CHARS + 1];
    tc_buf_t body = TC_BUF_INIT;

    if (error != TC_CHAT_OK) {
        return tc_reply_error(visit->r, error, NULL);
    }
    tc_uuid_format(&visit->room_id, room);
    TC_BUF_LIT(&body, "{\"id\":");
    tc_json_append_str(&body, room);
    TC_BUF_LIT(&body, ",\"trip_id\":");
    tc_json_append_str(&body, visit->trip.text);
    TC_BUF_LIT(&body, ",\"last_seq\":");
    tc_buf_append_int(&body, visit->last_seq);
    TC_BUF_LIT(&body, ",\"epoch\":");
    tc_buf_append_int(&body, visit->epoch);
    TC_BUF_LIT(&body, "}");
    return reply_with_etag(visit, &body);
}
