/* The users in a room. See roster.h. */
#include "domain/roster.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define FEW_SEATS 8 /* up to so many, a walk is as good as buckets */

static unsigned hash_user(const tc_user_t *user)
{
    uint64_t hash = tc_hash_text(tc_hash_text(TC_HASH_BASIS, user->id), user->claim);

    return (unsigned)(hash ^ hash >> 32);
}

static void put_into_bucket(tc_roster_t *roster, tc_seat_t *seat)
{
    tc_seat_t **bucket = &roster->buckets[seat->hash % roster->size];

    seat->next_alike = *bucket;
    *bucket = seat;
}

static void take_from_bucket(tc_roster_t *roster, tc_seat_t *seat)
{
    tc_seat_t **at = &roster->buckets[seat->hash % roster->size];

    while (*at != seat) {
        at = &(*at)->next_alike;
    }
    *at = seat->next_alike;
}

static void grow(tc_roster_t *roster)
{
    tc_seat_t *seat;

    free(roster->buckets);
    roster->size = roster->count * 2;
    roster->buckets = tc_alloc_zero(roster->size * sizeof(tc_seat_t *));
    for (seat = roster->first; seat != NULL; seat = seat->next) {
        put_into_bucket(roster, seat);
    }
}

static bool is_same(const tc_user_t *a, const tc_user_t *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->claim, b->claim) == 0;
}

static tc_seat_t *find(const tc_roster_t *roster, const tc_user_t *user, unsigned hash)
{
    tc_seat_t *seat = roster->buckets ? roster->buckets[hash % roster->size] : roster->first;

    while (seat != NULL && (seat->hash != hash || !is_same(seat->user, user))) {
        seat = roster->buckets ? seat->next_alike : seat->next;
    }
    return seat;
}

static void link_last(tc_roster_t *roster, tc_seat_t *seat)
{
    seat->prev = roster->last;
    seat->next = NULL;
    *(roster->last ? &roster->last->next : &roster->first) = seat;
    roster->last = seat;
}

static void unlink_seat(tc_roster_t *roster, tc_seat_t *seat)
{
    *(seat->prev ? &seat->prev->next : &roster->first) = seat->next;
    *(seat->next ? &seat->next->prev : &roster->last) = seat->prev;
}

static tc_seat_t *open_seat(tc_roster_t *roster, tc_user_t *user, unsigned hash)
{
    tc_seat_t *seat = tc_alloc_zero(sizeof(*seat));

    seat->user = tc_user_ref(user);
    seat->hash = hash;
    link_last(roster, seat);
    roster->count++;
    if (roster->count > FEW_SEATS && roster->count > roster->size) {
        grow(roster);
    }
    else if (roster->buckets != NULL) {
        put_into_bucket(roster, seat);
    }
    return seat;
}

static void free_seat(tc_seat_t *seat)
{
    tc_user_unref(seat->user);
    free(seat);
}

static void close_if_free(tc_roster_t *roster, tc_seat_t *seat)
{
    if (seat->members != NULL || seat->jobs > 0) {
        return;
    }
    unlink_seat(roster, seat);
    if (roster->buckets != NULL) {
        take_from_bucket(roster, seat);
    }
    roster->count--;
    free_seat(seat);
}

void tc_roster_free(tc_roster_t *roster)
{
    tc_seat_t *seat, *next;

    for (seat = roster->first; seat != NULL; seat = next) {
        next = seat->next;
        free_seat(seat);
    }
    free(roster->buckets);
    memset(roster, 0, sizeof(*roster));
}

void tc_roster_add(tc_roster_t *roster, tc_member_t *member)
{
    unsigned hash = hash_user(member->user);
    tc_seat_t *seat = find(roster, member->user, hash);

    if (seat == NULL) {
        seat = open_seat(roster, member->user, hash);
    }
    member->seat = seat;
    member->next_seated = seat->members;
    member->seated_link = &seat->members;
    if (member->next_seated != NULL) {
        member->next_seated->seated_link = &member->next_seated;
    }
    seat->members = member;
}

void tc_roster_remove(tc_roster_t *roster, tc_member_t *member)
{
    *member->seated_link = member->next_seated;
    if (member->next_seated != NULL) {
        member->next_seated->seated_link = member->seated_link;
    }
    close_if_free(roster, member->seat);
    member->seat = NULL;
}

/* New seats are at the end. */
void tc_roster_stamp(tc_roster_t *roster, int64_t now_us)
{
    tc_seat_t *seat;

    for (seat = roster->last; seat != NULL && seat->asked_us == 0; seat = seat->prev) {
        seat->asked_us = now_us;
    }
}

void tc_roster_move_last(tc_roster_t *roster, tc_seat_t *seat, int64_t now_us)
{
    seat->asked_us = now_us;
    unlink_seat(roster, seat);
    link_last(roster, seat);
}

void tc_roster_move_first(tc_roster_t *roster, tc_seat_t *seat)
{
    unlink_seat(roster, seat);
    seat->asked_us = INT64_MIN;
    seat->prev = NULL;
    seat->next = roster->first;
    *(roster->first ? &roster->first->prev : &roster->last) = seat;
    roster->first = seat;
}

void tc_roster_end_job(tc_roster_t *roster, tc_seat_t *seat)
{
    seat->jobs--;
    close_if_free(roster, seat);
}
