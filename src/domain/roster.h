/*
 * The users in a room, each with all of their connections there. They stand in the order in which the store was asked
 * for them last, so that an access check asks for the first ones and its answer is taken in without a search. A user
 * whose tokens name them in two ways has two seats: the site may refuse one claim and accept the other. Loop thread
 * only; time is passed in.
 */
#ifndef TC_DOMAIN_ROSTER_H
#define TC_DOMAIN_ROSTER_H

#include "domain/member.h"

/* A user in a room, under one claim. A seat without members stays as long as a job asks for its user. */
typedef struct tc_seat_t {
    struct tc_seat_t *prev, *next; /* NULL at the ends */
    struct tc_seat_t *next_alike;  /* the next seat in its bucket */
    tc_user_t *user;               /* a reference */
    tc_member_t *members;          /* the first one; the others follow in next_seated */
    int64_t asked_us;              /* when the store was asked for it last; monotonic; 0: since it came, it was not seen */
    unsigned jobs;                 /* jobs in flight that ask for it */
    unsigned hash;                 /* of the user's id and claim */
} tc_seat_t;

typedef struct {
    tc_seat_t *first, *last;
    tc_seat_t **buckets; /* NULL: a few seats need none */
    unsigned count, size; /* seats, buckets */
} tc_roster_t;

/* Frees all seats. Afterwards no member may be taken out. */
void tc_roster_free(tc_roster_t *roster);

/* Adds a member to its user's seat, at the end if the seat is new; takes it out. */
void tc_roster_add(tc_roster_t *roster, tc_member_t *member);
void tc_roster_remove(tc_roster_t *roster, tc_member_t *member);

/* Notes for the seats that came since the last call that they need not be asked for yet. */
void tc_roster_stamp(tc_roster_t *roster, int64_t now_us);

/* Moves a seat to the end, as asked for at `now_us`; moves it to the front, to be asked for next. */
void tc_roster_move_last(tc_roster_t *roster, tc_seat_t *seat, int64_t now_us);
void tc_roster_move_first(tc_roster_t *roster, tc_seat_t *seat);

/* Notes that a job of this seat has come back; frees the seat if nobody has it. */
void tc_roster_end_job(tc_roster_t *roster, tc_seat_t *seat);

#endif
