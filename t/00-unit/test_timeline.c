/*
 * The bytes of a timeline: what the child believes a room to hold is what it holds, whatever was loaded, appended and shed.
 */
#include "unit.h"

#include "domain/timeline.h"

#include <stdlib.h>

#define RECENT 50

static tc_event_t *make_event(int64_t seq, size_t len)
{
    tc_uuid_t id = {{0}};
    char text[TC_UUID_CHARS + 1];
    tc_buf_t object = TC_BUF_INIT;
    tc_event_t *event;

    memcpy(id.bytes, &seq, sizeof(seq));
    tc_uuid_format(&id, text);
    tc_buf_append_str(&object, "{\"id\":\"");
    tc_buf_append_str(&object, text);
    tc_buf_append_str(&object, "\",\"content\":\"");
    while (object.len < len) {
        tc_buf_append_str(&object, "a");
    }
    tc_buf_append_str(&object, "\",\"reply_to\":null");
    event = tc_event_wrap(TC_EVENT_MESSAGE, seq, &id, (const char *)object.data, object.len, NULL);
    tc_buf_free(&object);
    return event;
}

/* Events of a store's answer, as a list. */
static tc_event_t *make_events(int64_t first, int64_t last, size_t len)
{
    tc_event_t *list = NULL;

    for (; last >= first; last--) {
        tc_event_t *event = make_event(last, len);

        event->next = list;
        list = event;
    }
    return list;
}

static void unref_all(tc_event_t *list)
{
    while (list != NULL) {
        tc_event_t *next = list->next;

        tc_event_unref(list);
        list = next;
    }
}

static void append(tc_timeline_t *timeline, int64_t seq, size_t len)
{
    tc_event_t *event = make_event(seq, len);

    tc_timeline_append(timeline, event);
    tc_event_unref(event);
}

static void load(tc_timeline_t *timeline, int64_t last)
{
    tc_event_t *events = make_events(1, last, 1000);

    tc_timeline_init(timeline, RECENT, 1 << 20);
    timeline->epoch = 0;
    tc_timeline_load(timeline, events, last);
    unref_all(events);
}

/* Messages come while the store reads the room anew. */
START_TEST(a_reload_keeps_count_of_what_came_meanwhile)
{
    int came;

    for (came = 0; came < 4; came++) {
        tc_timeline_t timeline;
        tc_event_t *events = make_events(1, 2, 1000);
        size_t before;
        int i;

        load(&timeline, 2);
        for (i = 0; i < came; i++) {
            append(&timeline, 3 + i, 5000);
        }
        before = timeline.bytes;
        ck_assert(tc_timeline_reload(&timeline, events, 2));
        unref_all(events);
        ck_assert_uint_eq(timeline.bytes, before);
        ck_assert_int_eq(timeline.last_seq, 2 + came);
        ck_assert_ptr_nonnull(tc_timeline_get(&timeline, 2 + came));
        tc_timeline_shed(&timeline);
        ck_assert_uint_eq(timeline.bytes, 0);
        ck_assert_uint_eq(tc_timeline_weight(&timeline), 0);
        append(&timeline, 3 + came, 1000);
        ck_assert_uint_eq(timeline.log.count, 1);
        tc_timeline_free(&timeline);
        ck_assert_uint_eq(timeline.bytes, 0);
    }
}
END_TEST

START_TEST(a_reload_from_before_the_log_changes_nothing)
{
    tc_timeline_t timeline;
    tc_event_t *events = make_events(1, 3, 1000);
    size_t before;

    load(&timeline, 3);
    tc_timeline_skip(&timeline, 3);
    append(&timeline, 4, 1000);
    before = timeline.bytes;
    ck_assert(!tc_timeline_reload(&timeline, events, 2)); /* 3 is not in the log */
    ck_assert(!tc_timeline_reload(&timeline, events, 5)); /* the answer is newer */
    ck_assert_uint_eq(timeline.bytes, before);
    unref_all(events);
    tc_timeline_free(&timeline);
}
END_TEST

UNIT_MAIN("timeline", a_reload_keeps_count_of_what_came_meanwhile, a_reload_from_before_the_log_changes_nothing)
