/* One question of a worker to the database. See visitor.h. */
#include "store/visitor.h"

#include "store/jobs.h"

#define NEWEST INT64_MAX

static tc_visitor_e open_room(tc_dbd_t *store, tc_sql_t *sql, bool wants_head, tc_site_visit_t *site, apr_pool_t *pool)
{
    apr_status_t rv = tc_dbd_open_room(store, sql, &site->trip, &site->room_id, pool);

    if (rv == APR_NOTFOUND) {
        return TC_VISITOR_NO_TRIP;
    }
    if (rv == APR_SUCCESS && wants_head) {
        rv = tc_dbd_find_head(store, sql, &site->room_id, &site->last_seq, &site->epoch, pool);
    }
    return rv == APR_SUCCESS ? TC_VISITOR_OK : TC_VISITOR_NO_ANSWER;
}

static tc_visitor_e judge_claimed(const tc_visitor_t *visitor, const tc_site_visit_t *site)
{
    if (!site->has_trip) {
        return TC_VISITOR_NO_PLACE;
    }
    return visitor->target->by == TC_BY_TRIP || tc_claims_have_trip(visitor->claimed, &site->trip)
               ? TC_VISITOR_OK
               : TC_VISITOR_NOT_CLAIMED;
}

static tc_visitor_e judge(const tc_site_visit_t *site)
{
    if (site->user == NULL) {
        return TC_VISITOR_NO_USER;
    }
    if (!site->has_trip) {
        return TC_VISITOR_NO_PLACE;
    }
    return site->allowed ? TC_VISITOR_OK : TC_VISITOR_NOT_ALLOWED;
}

/* Finds what the visitor asked for, and decides whether they may enter. */
static tc_visitor_e find_place(tc_dbd_t *store, tc_sql_t *sql, const tc_visitor_t *visitor, tc_site_visit_t *site,
                               apr_pool_t *pool)
{
    const tc_site_target_t *target = visitor->target;
    tc_visitor_e answer;
    apr_status_t rv;

    rv = visitor->claimed ? tc_site_visit_room(store, sql, target, site, pool)
                          : tc_site_visit(store, sql, target, visitor->claim, site, pool);
    if (rv != APR_SUCCESS) {
        return TC_VISITOR_NO_ANSWER;
    }
    answer = visitor->claimed ? judge_claimed(visitor, site) : judge(site);
    return answer == TC_VISITOR_OK && !site->has_room && !target->needs_no_room
               ? open_room(store, sql, target->wants_head, site, pool) : answer;
}

static tc_visitor_e find_user(tc_dbd_t *store, tc_sql_t *sql, const char *claim, tc_user_t **user, apr_pool_t *pool)
{
    if (tc_site_find_user(store, sql, claim, user, pool) != APR_SUCCESS) {
        return TC_VISITOR_NO_ANSWER;
    }
    return *user ? TC_VISITOR_OK : TC_VISITOR_NO_USER;
}

static tc_visitor_e read_page(tc_dbd_t *store, tc_sql_t *sql, const tc_visitor_page_t *page, tc_visited_t *out,
                              apr_pool_t *pool)
{
    bool forward;
    int64_t from;
    tc_work_t work = {store, *sql, tc_people_borrow(store), NULL, pool, false};
    apr_status_t rv;

    out->is_fresh = page->after >= 0 && page->epoch >= 0 && page->epoch != out->site.epoch;
    forward = page->after >= 0 && !out->is_fresh;
    from = forward ? page->after : page->before >= 0 ? page->before : NEWEST;
    rv = tc_store_read_page(&work, &out->site.room_id, from, forward, page->limit, &out->events,
                            &out->event_count, &out->is_full);
    *sql = work.sql;
    tc_people_return(store, work.people);
    return rv == APR_SUCCESS ? TC_VISITOR_OK : TC_VISITOR_NO_ANSWER;
}

static tc_visitor_e ask(tc_dbd_t *store, tc_sql_t *sql, const tc_visitor_t *visitor, tc_visited_t *out, apr_pool_t *pool)
{
    tc_visitor_e answer;

    if (!tc_dbd_open(store, sql, pool)) {
        return TC_VISITOR_NO_ANSWER;
    }
    answer = visitor->target ? find_place(store, sql, visitor, &out->site, pool)
                             : find_user(store, sql, visitor->claim, &out->site.user, pool);
    if (answer == TC_VISITOR_OK && visitor->page != NULL) {
        answer = read_page(store, sql, visitor->page, out, pool);
    }
    return answer;
}

tc_visitor_e tc_visitor_ask(tc_dbd_t *store, const tc_visitor_t *visitor, tc_visited_t *out, apr_pool_t *pool)
{
    tc_sql_t sql = {.handle = NULL};
    tc_visitor_e answer;

    memset(out, 0, sizeof(*out));
    if (!tc_dbd_enter(store, visitor->many)) {
        return TC_VISITOR_NO_ANSWER;
    }
    answer = ask(store, &sql, visitor, out, pool);
    out->fault = sql.fault;
    tc_dbd_close(store, &sql);
    tc_dbd_leave(store);
    return answer;
}
