/*
 * How the connections of a child that ends leave it, while httpd goes on: what can be moved to another child is, as
 * soon as one takes it; the others are closed with 1012, spread over the time that there is. Until then all of them
 * are served as ever. The loop's.
 */
#ifndef TC_CHILD_DEPARTURE_H
#define TC_CHILD_DEPARTURE_H

#include "engine/loop.h"
#include "shared/handover.h"

struct tc_child_t;

/* What the glue knows of httpd's plans. */
typedef struct {
    bool server_ends;   /* no child will follow */
    bool has_successor; /* httpd has read its configuration anew, with us in it, since this child began */
    bool is_reload;     /* the children that follow are of another generation */
    bool crowded;       /* no child can follow before this one has gone */
} tc_outlook_t;

typedef struct {
    tc_timer_t timer;
    tc_task_t more;
    int64_t began_us; /* 0: the child goes on */
    int64_t found_us; /* since when somebody is there to move to; 0: nobody is */
    int64_t crowded_us; /* since when no slot was free for another child; 0: one is */
} tc_departure_t;

/* Begins it. Again is nothing. */
void tc_departure_begin(struct tc_child_t *child);

/* Ends it, and sees to what others have left behind: the loop stops. */
void tc_departure_end(struct tc_child_t *child);

#endif
