/*
 * How the connections of a child that ends leave it while httpd goes on. A connection that can move goes to another
 * child as soon as one receives it. The others are closed with 1012, spread over the drain time. Until then all
 * connections are served as before. Every function runs on the loop.
 */
#ifndef TC_CHILD_DEPARTURE_H
#define TC_CHILD_DEPARTURE_H

#include "engine/loop.h"
#include "shared/handover.h"

struct tc_child_t;

/* What the glue knows of httpd's plans. */
typedef struct {
    bool server_ends;   /* no child will follow */
    bool has_successor; /* since this child began, httpd has read a configuration with mod_tripchat in it again */
    bool is_reload;     /* the children that follow are of another generation */
    bool crowded;       /* no new child can start before this one exits */
} tc_outlook_t;

typedef struct {
    tc_timer_t timer;
    tc_task_t more;
    int64_t began_us; /* 0: the child goes on */
    int64_t found_us; /* since when another child receives; 0: none does */
    int64_t crowded_us; /* since when no slot is free for another child; 0: a slot is free */
} tc_departure_t;

/* Begins the departure. A second call does nothing. */
void tc_departure_begin(struct tc_child_t *child);

/*
 * Ends the departure when the loop stops, also where none has begun. If the server ends and no other child receives,
 * the connections that still wait in the passage are closed.
 */
void tc_departure_end(struct tc_child_t *child);

#endif
