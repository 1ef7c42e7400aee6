/* See order.h. */
#include "tcload/order.h"
#include "common/util.h"

#include <inttypes.h>

#define MAX_FAULT_LINES 10

void order_init(order_t *o, uint32_t n_rooms)
{
    o->room_max = zeroed(n_rooms, sizeof(*o->room_max));
}

static void fault_line(order_t *o, const track_t *t, const char *what, uint64_t seq)
{
    if (++o->n_fault_lines <= MAX_FAULT_LINES)
        note("%s: room %u member %u has seq %" PRIu64 " after %" PRIu64, what, t->room, t->member, seq, t->last_seq);
    else if (o->n_fault_lines == MAX_FAULT_LINES + 1)
        note("more such lines are left out");
}

static void gaps_add(order_t *o, track_t *t, uint64_t from, uint64_t to)
{
    if (t->n_gaps == t->cap_gaps) {
        t->cap_gaps = t->cap_gaps ? t->cap_gaps * 2 : 4;
        t->gaps = grow(t->gaps, t->cap_gaps, sizeof(*t->gaps));
    }
    t->gaps[t->n_gaps].from = from;
    t->gaps[t->n_gaps++].to = to;
    o->n_missing += to - from + 1;
}

/* True if seq was missing. It is not missing afterwards. */
static bool gaps_take(order_t *o, track_t *t, uint64_t seq)
{
    for (uint32_t i = 0; i < t->n_gaps; i++) {
        range_t *g = &t->gaps[i], all = *g;

        if (seq < all.from || seq > all.to)
            continue;
        o->n_missing -= all.to - all.from + 1;
        *g = t->gaps[--t->n_gaps];
        if (seq > all.from)
            gaps_add(o, t, all.from, seq - 1);
        if (seq < all.to)
            gaps_add(o, t, seq + 1, all.to);
        return true;
    }
    return false;
}

static void saw(order_t *o, const track_t *t, uint64_t seq)
{
    if (seq > o->room_max[t->room])
        o->room_max[t->room] = seq;
}

void order_begin(order_t *o, track_t *t, uint64_t last_seq)
{
    t->last_seq = last_seq;
    saw(o, t, last_seq);
}

void order_check(order_t *o, track_t *t, uint64_t seq)
{
    if (seq == t->last_seq + 1) {
        t->last_seq = seq;
    }
    else if (seq > t->last_seq) {
        fault_line(o, t, "gap", seq);
        gaps_add(o, t, t->last_seq + 1, seq - 1);
        t->last_seq = seq;
    }
    else if (gaps_take(o, t, seq)) {
        fault_line(o, t, "reordered", seq);
        o->n_reordered++;
    }
    else {
        fault_line(o, t, "duplicate", seq);
        o->n_duplicated++;
    }
    saw(o, t, seq);
}

bool order_is_behind(const order_t *o, const track_t *t)
{
    return t->last_seq < o->room_max[t->room];
}

void order_lose_missing(order_t *o)
{
    o->n_lost = o->n_missing;
}

void order_lose_behind(order_t *o, const track_t *t)
{
    if (!order_is_behind(o, t))
        return;
    o->n_lost += o->room_max[t->room] - t->last_seq;
    fault_line(o, t, "behind at the end", o->room_max[t->room]);
}
