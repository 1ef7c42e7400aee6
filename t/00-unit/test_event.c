/*
 * Events, history frames and the timeline of a live room. Bytes are encoded once, the log has no gaps, and the newest
 * messages are kept as they read now, within a number of bytes.
 */
#include "unit.h"

#include "base/limits.h"
#include "codec/json.h"
#include "codec/wire.h"
#include "domain/timeline.h"

#define LARGE (1 << 20)

/* Makes event `seq` of message number `number`. Each version of a message has another content. */
static tc_event_t *event_of(tc_event_kind_e kind, int64_t seq, unsigned char number,
                            const char *content)
{
    tc_uuid_t uuid = {{number}};
    char id[TC_UUID_CHARS + 1];
    tc_chat_message_t message = {
        .id = id,
        .room_id = "r",
        .sender_json = "{}",
        .content = content,
        .message_type = "text",
        .is_edited = kind == TC_EVENT_EDIT,
        .created_at = "T1",
        .updated_at = "T2",
    };

    tc_uuid_format(&uuid, id);
    return tc_event_create(kind, seq, &uuid, &message);
}

static tc_event_t *message_of(int64_t seq, const char *content)
{
    return event_of(TC_EVENT_MESSAGE, seq, (unsigned char)seq, content);
}

static json_object *parse_frame(const tc_blob_t *blob)
{
    size_t header = tc_frame_header_len(blob->data);
    json_tokener *tokener = json_tokener_new();
    tc_frame_header_t frame;
    json_object *object;

    ck_assert(tc_frame_decode_header(blob->data, &frame));
    ck_assert_uint_eq(frame.payload_len, blob->len - header);
    ck_assert(frame.opcode == TC_OPCODE_TEXT && frame.fin && !frame.masked);
    object = json_tokener_parse_ex(tokener, (const char *)blob->data + header,
                                   (int)(blob->len - header));
    ck_assert_ptr_nonnull(object);
    ck_assert_uint_eq(json_tokener_get_parse_end(tokener), blob->len - header);
    json_tokener_free(tokener);
    return object;
}

static json_object *get(json_object *object, const char *name)
{
    json_object *value = NULL;

    json_object_object_get_ex(object, name, &value);
    return value;
}

/* Reads a history as "1:a 2:b |2", followed by "+" or "-" for `recovered`, or by nothing if that is absent. */
static const char *read_history(const tc_blob_t *blob)
{
    static char text[20000];
    json_object *frame = parse_frame(blob), *list = get(frame, "messages");
    json_object *recovered = get(frame, "recovered");
    size_t i, len = 0;

    ck_assert_str_eq(json_object_get_string(get(frame, "type")), "message_history");
    for (i = 0; i < json_object_array_length(list); i++) {
        json_object *message = json_object_array_get_idx(list, i);

        len += (size_t)snprintf(text + len, sizeof(text) - len, "%d:%s ",
                                json_object_get_int(get(message, "seq")),
                                json_object_get_string(get(message, "content")));
    }
    snprintf(text + len, sizeof(text) - len, "|%d%s", json_object_get_int(get(frame, "last_seq")),
             recovered == NULL ? "" : json_object_get_boolean(recovered) ? "+" : "-");
    tc_json_free(frame);
    return text;
}

/* ---- events ---- */

START_TEST(a_message_is_encoded_once_with_its_object_inside)
{
    tc_event_t *event = message_of(7, "hi");
    json_object *frame = parse_frame(event->wire), *message = get(frame, "message");

    ck_assert_str_eq(json_object_get_string(get(frame, "type")), "chat_message");
    ck_assert_int_eq(json_object_get_int(get(message, "seq")), 7);
    ck_assert_str_eq(json_object_get_string(get(message, "content")), "hi");
    ck_assert_ptr_null(event->own);
    ck_assert_uint_le(event->object_at + event->object_len, event->wire->len);
    ck_assert_int_eq(event->wire->data[event->object_at], '{');
    ck_assert_mem_eq(event->wire->data + event->object_at + event->object_len, ",\"seq\":7}", 9);
    tc_json_free(frame);
    tc_event_unref(event);
}
END_TEST

START_TEST(an_edit_carries_the_whole_object_behind_its_frame)
{
    tc_event_t *event = event_of(TC_EVENT_EDIT, 8, 1, "ho");
    json_object *frame = parse_frame(event->wire);

    ck_assert_str_eq(json_object_get_string(get(frame, "type")), "message_edited");
    ck_assert_ptr_null(get(get(frame, "message"), "sender"));
    ck_assert_uint_eq(event->object_at, event->wire->len);
    ck_assert_uint_eq(event->object_at + event->object_len, event->wire->size);
    tc_json_free(frame);
    tc_event_unref(event);
}
END_TEST

START_TEST(the_own_copy_is_the_same_with_a_client_id)
{
    static const tc_event_kind_e kinds[] = {TC_EVENT_MESSAGE, TC_EVENT_EDIT};
    size_t i;

    for (i = 0; i < UNIT_COUNT(kinds); i++) {
        tc_event_t *event = event_of(kinds[i], 3, 1, "hi");
        size_t size = tc_event_size(event);
        json_object *wire, *own;

        tc_event_set_own(event, "c1");
        ck_assert_uint_gt(tc_event_size(event), size + event->own->len);
        wire = parse_frame(event->wire);
        own = parse_frame(event->own);
        ck_assert_ptr_null(get(wire, "client_id"));
        ck_assert_str_eq(json_object_get_string(get(own, "client_id")), "c1");
        ck_assert(json_object_equal(get(wire, "message"), get(own, "message")));
        tc_json_free(wire);
        tc_json_free(own);
        tc_event_unref(event);
    }
}
END_TEST

START_TEST(a_frame_of_any_length_has_its_object_where_the_event_says)
{
    static const size_t lengths[] = {1, 20, 100, 126, 1000, 65000, 66000, 100000};
    size_t i;

    for (i = 0; i < UNIT_COUNT(lengths); i++) {
        char *content = calloc(1, lengths[i] + 1);
        tc_event_t *event;
        tc_blob_t *frame;

        memset(content, 'x', lengths[i]);
        event = message_of(1, content);
        ck_assert_mem_eq(event->wire->data + event->object_at, "{\"id\":", 6);
        frame = tc_history_of_list(event, 1, TC_HISTORY_FRESH, 1, 7);
        tc_json_free(parse_frame(frame));
        tc_blob_unref(frame);
        tc_event_unref(event);
        free(content);
    }
}
END_TEST

/* Wraps an object that is encoded already, as it comes over a bus, with only the fields that are needed. */
static tc_event_t *wrap(const tc_event_t *event, const char *content)
{
    unsigned char *object = unit_copy(event->wire->data + event->object_at, event->object_len);
    char id[TC_UUID_CHARS + 1];
    tc_chat_message_t message = {.id = id, .content = content, .updated_at = "T2"};
    tc_event_t *wrapped;

    tc_uuid_format(&event->message_id, id);
    if (event->kind == TC_EVENT_MESSAGE) {
        memset(&message, 0, sizeof(message));
    }
    wrapped = tc_event_wrap(event->kind, event->seq, &event->message_id, (char *)object,
                            event->object_len, &message);
    free(object); /* the event has a copy */
    return wrapped;
}

static void expect_same(const tc_event_t *event, const tc_event_t *wrapped)
{
    ck_assert_uint_eq(wrapped->refs, 1);
    ck_assert_int_eq(wrapped->kind, event->kind);
    ck_assert_int_eq(wrapped->seq, event->seq);
    ck_assert(tc_uuid_equal(&wrapped->message_id, &event->message_id));
    ck_assert_ptr_null(wrapped->own);
    ck_assert_uint_eq(wrapped->object_at, event->object_at);
    ck_assert_uint_eq(wrapped->object_len, event->object_len);
    ck_assert_uint_eq(wrapped->wire->len, event->wire->len);
    ck_assert_uint_eq(wrapped->wire->size, event->wire->size);
    ck_assert_mem_eq(wrapped->wire->data, event->wire->data, event->wire->size);
    ck_assert_uint_eq(tc_event_size(wrapped), tc_event_size(event));
}

START_TEST(an_object_that_is_encoded_already_gives_the_same_bytes)
{
    static const size_t lengths[] = {0, 1, 100, 126, 1000, 65000, 66000};
    static const int64_t seqs[] = {1, 9, 10, 1234567890123};
    size_t i;

    for (i = 0; i < 2 * UNIT_COUNT(lengths) * UNIT_COUNT(seqs); i++) {
        tc_event_kind_e kind = i % 2 ? TC_EVENT_EDIT : TC_EVENT_MESSAGE;
        size_t len = lengths[i / 2 % UNIT_COUNT(lengths)];
        char *content = calloc(1, len + 1);
        tc_event_t *event, *wrapped;

        memset(content, '"', len);
        event = event_of(kind, seqs[i / 2 / UNIT_COUNT(lengths)], 1, content);
        wrapped = wrap(event, content);
        expect_same(event, wrapped);
        tc_event_unref(event);
        tc_event_unref(wrapped);
        free(content);
    }
}
END_TEST

/* Checks the sender's copy byte by byte: the payload for everybody, with the client_id at its end. */
static void expect_own(const tc_event_t *event, const char *end)
{
    size_t wire_head = tc_frame_header_len(event->wire->data);
    size_t own_head = tc_frame_header_len(event->own->data);
    size_t kept = event->wire->len - wire_head - 1;

    tc_json_free(parse_frame(event->own));
    ck_assert_uint_eq(event->own->len - own_head, kept + strlen(end));
    ck_assert_mem_eq(event->own->data + own_head, event->wire->data + wire_head, kept);
    ck_assert_mem_eq(event->own->data + own_head + kept, end, strlen(end));
}

START_TEST(the_own_copy_adds_the_client_id_and_leaves_the_others_copy_alone)
{
    static const size_t lengths[] = {0, 1, 100, 1000, 65000, 65250, 65300, 65350, 66000};
    size_t i;

    for (i = 0; i < 2 * UNIT_COUNT(lengths); i++) {
        tc_event_kind_e kind = i % 2 ? TC_EVENT_EDIT : TC_EVENT_MESSAGE;
        char *content = calloc(1, lengths[i / 2] + 1);
        tc_event_t *event, *wrapped;

        memset(content, 'x', lengths[i / 2]);
        event = event_of(kind, 3, 1, content);
        wrapped = wrap(event, content);
        tc_event_set_own(wrapped, "a \"b\" \xc3\xa9");
        expect_own(wrapped, ",\"client_id\":\"a \\\"b\\\" \xc3\xa9\"}");
        ck_assert_mem_eq(wrapped->wire->data, event->wire->data, event->wire->size);
        ck_assert_uint_eq(wrapped->object_at, event->object_at);
        tc_event_unref(event);
        tc_event_unref(wrapped);
        free(content);
    }
}
END_TEST

/* ---- histories ---- */

/* 1:a 2:b 3:edit of 1 4:d */
static tc_event_t *make_list(void)
{
    tc_event_t *list = message_of(1, "a");

    list->next = message_of(2, "b");
    list->next->next = event_of(TC_EVENT_EDIT, 3, 1, "A");
    list->next->next->next = message_of(4, "d");
    return list;
}

static void expect_of_list(const tc_event_t *list, unsigned max, tc_history_kind_e kind,
                           const char *expected)
{
    tc_blob_t *frame = tc_history_of_list(list, max, kind, 9, 7);

    ck_assert_str_eq(read_history(frame), expected);
    tc_blob_unref(frame);
}

START_TEST(a_history_of_a_list_has_the_newest_messages_or_all_events)
{
    tc_event_t *list = make_list();

    expect_of_list(list, 10, TC_HISTORY_FRESH, "1:a 2:b 4:d |9");
    expect_of_list(list, 3, TC_HISTORY_FRESH, "1:a 2:b 4:d |9");
    expect_of_list(list, 2, TC_HISTORY_NOT_RECOVERED, "2:b 4:d |9-");
    expect_of_list(list, 1, TC_HISTORY_FRESH, "4:d |9");
    expect_of_list(list, 0, TC_HISTORY_FRESH, "|9");
    expect_of_list(list, 0, TC_HISTORY_RECOVERED, "1:a 2:b 3:A 4:d |9+");
    expect_of_list(NULL, 5, TC_HISTORY_RECOVERED, "|9+");
    tc_event_unref_list(list);
}
END_TEST

/* ---- timelines ---- */

static void append(tc_timeline_t *timeline, tc_event_t *event)
{
    tc_timeline_append(timeline, event);
    tc_event_unref(event);
}

static const char *fresh(tc_timeline_t *timeline)
{
    return read_history(tc_timeline_history(timeline, TC_HISTORY_FRESH));
}

START_TEST(a_timeline_is_loaded_and_goes_on)
{
    tc_event_t *list = make_list();
    tc_timeline_t timeline;

    tc_timeline_init(&timeline, 2, LARGE);
    tc_timeline_load(&timeline, list, 4);
    tc_event_unref_list(list);
    ck_assert_int_eq(timeline.last_seq, 4);
    ck_assert_str_eq(fresh(&timeline), "2:b 4:d |4");
    append(&timeline, message_of(5, "e"));
    ck_assert_str_eq(fresh(&timeline), "4:d 5:e |5");
    ck_assert_str_eq(read_history(tc_timeline_resume(&timeline, 0)),
                     "1:a 2:b 3:A 4:d 5:e |5+");
    ck_assert_str_eq(read_history(tc_timeline_history(&timeline, TC_HISTORY_NOT_RECOVERED)),
                     "4:d 5:e |5-");
    tc_timeline_free(&timeline);
}
END_TEST

START_TEST(an_edit_changes_the_text_and_not_the_place)
{
    tc_timeline_t timeline;

    tc_timeline_init(&timeline, 10, LARGE);
    tc_timeline_load(&timeline, NULL, 0);
    append(&timeline, message_of(1, "a"));
    append(&timeline, message_of(2, "b"));
    append(&timeline, event_of(TC_EVENT_EDIT, 3, 1, "A"));
    ck_assert_str_eq(fresh(&timeline), "1:A 2:b |3");
    append(&timeline, event_of(TC_EVENT_EDIT, 4, 1, "AA"));
    append(&timeline, event_of(TC_EVENT_EDIT, 5, 99, "unknown"));
    ck_assert_str_eq(fresh(&timeline), "1:AA 2:b |5");
    ck_assert_str_eq(read_history(tc_timeline_resume(&timeline, 2)), "3:A 4:AA 5:unknown |5+");
    tc_timeline_free(&timeline);
}
END_TEST

START_TEST(frames_are_composed_once_and_anew_after_an_event)
{
    tc_timeline_t timeline;
    tc_blob_t *first, *resumed;

    tc_timeline_init(&timeline, 10, LARGE);
    tc_timeline_load(&timeline, NULL, 0);
    append(&timeline, message_of(1, "a"));
    first = tc_timeline_history(&timeline, TC_HISTORY_FRESH);
    ck_assert_ptr_eq(tc_timeline_history(&timeline, TC_HISTORY_FRESH), first);
    ck_assert_ptr_ne(tc_timeline_history(&timeline, TC_HISTORY_NOT_RECOVERED), first);
    resumed = tc_timeline_resume(&timeline, 0);
    ck_assert_ptr_eq(tc_timeline_resume(&timeline, 0), resumed);
    ck_assert_str_eq(read_history(tc_timeline_resume(&timeline, 1)), "|1+");
    ck_assert_str_eq(read_history(tc_timeline_resume(&timeline, 0)), "1:a |1+");
    tc_blob_ref(first);
    append(&timeline, message_of(2, "b"));
    ck_assert_str_eq(fresh(&timeline), "1:a 2:b |2");
    ck_assert_str_eq(read_history(first), "1:a |1"); /* may still be in a send queue */
    ck_assert_str_eq(read_history(tc_timeline_resume(&timeline, 0)), "1:a 2:b |2+");
    tc_blob_unref(first);
    tc_timeline_free(&timeline);
}
END_TEST

START_TEST(the_log_gives_each_of_its_events_and_no_other)
{
    tc_timeline_t timeline;
    int64_t seq;

    tc_timeline_init(&timeline, 0, LARGE);
    tc_timeline_load(&timeline, NULL, 100);
    ck_assert_ptr_null(tc_timeline_get(&timeline, 100));
    for (seq = 101; seq <= 100 + 3 * TC_ROOM_LOG_EVENTS; seq++) {
        append(&timeline, event_of(TC_EVENT_MESSAGE, seq, 1, "x"));
        ck_assert_uint_le(timeline.log.count, TC_ROOM_LOG_EVENTS);
    }
    for (seq = -1; seq < 110 + 3 * TC_ROOM_LOG_EVENTS; seq++) {
        const tc_event_t *event = tc_timeline_get(&timeline, seq);

        if (seq > timeline.last_seq - TC_ROOM_LOG_EVENTS && seq <= timeline.last_seq) {
            ck_assert_ptr_nonnull(event);
            ck_assert_int_eq(event->seq, seq);
        }
        else {
            ck_assert_ptr_null(event);
        }
    }
    ck_assert_ptr_null(tc_timeline_resume(&timeline, timeline.last_seq - TC_ROOM_LOG_EVENTS - 1));
    ck_assert_ptr_nonnull(tc_timeline_resume(&timeline, timeline.last_seq - TC_ROOM_LOG_EVENTS));
    ck_assert_ptr_nonnull(tc_timeline_resume(&timeline, timeline.last_seq));
    ck_assert_ptr_null(tc_timeline_resume(&timeline, timeline.last_seq + 1));
    tc_timeline_free(&timeline);
}
END_TEST

START_TEST(a_loaded_list_with_holes_gives_a_log_without)
{
    static const int64_t seqs[] = {1, 2, 5, 6};
    int64_t last;

    for (last = 6; last <= 7; last++) {
        tc_event_t *list = NULL, **end = &list;
        tc_timeline_t timeline;
        size_t i;

        for (i = 0; i < UNIT_COUNT(seqs); i++) {
            *end = message_of(seqs[i], "x");
            end = &(*end)->next;
        }
        tc_timeline_init(&timeline, 10, LARGE);
        tc_timeline_load(&timeline, list, last);
        tc_event_unref_list(list);
        ck_assert_uint_eq(timeline.log.count, last == 6 ? 2 : 0);
        ck_assert_ptr_null(tc_timeline_resume(&timeline, 1));
        ck_assert((tc_timeline_resume(&timeline, 4) != NULL) == (last == 6));
        append(&timeline, message_of(last + 1, "y"));
        ck_assert_ptr_nonnull(tc_timeline_get(&timeline, last + 1));
        ck_assert_ptr_nonnull(tc_timeline_resume(&timeline, last));
        tc_timeline_free(&timeline);
    }
}
END_TEST

START_TEST(what_is_skipped_is_no_longer_in_the_log)
{
    tc_timeline_t timeline;

    tc_timeline_init(&timeline, 10, LARGE);
    tc_timeline_load(&timeline, NULL, 0);
    append(&timeline, message_of(1, "a"));
    ck_assert_str_eq(fresh(&timeline), "1:a |1");
    tc_timeline_skip(&timeline, 3);
    ck_assert_str_eq(fresh(&timeline), "1:a |3");
    ck_assert_ptr_null(tc_timeline_resume(&timeline, 0));
    ck_assert_ptr_null(tc_timeline_get(&timeline, 3));
    append(&timeline, message_of(4, "d"));
    ck_assert_str_eq(read_history(tc_timeline_resume(&timeline, 3)), "4:d |4+");
    tc_timeline_free(&timeline);
}
END_TEST

static size_t bytes_held(const tc_timeline_t *timeline)
{
    size_t bytes = 0;
    unsigned i, j;

    for (i = 0; i < timeline->log.count; i++) {
        bytes += tc_event_size(tc_timeline_get(timeline, timeline->last_seq - i));
    }
    for (i = 0; i < timeline->recent_count; i++) {
        const tc_event_t *event = timeline->recent[i].event;
        bool counted = tc_timeline_get(timeline, event->seq) == event;

        for (j = 0; j < i; j++) {
            counted = counted || timeline->recent[j].event == event;
        }
        bytes += counted ? 0 : tc_event_size(event);
    }
    return bytes;
}

START_TEST(bytes_are_counted_once_and_kept_within_bounds)
{
    static const size_t limits[] = {0, 1, 500, 1000, 3000, 10000, LARGE};
    unit_random_t random = unit_random_of(5);
    size_t i;

    for (i = 0; i < UNIT_COUNT(limits); i++) {
        tc_timeline_t timeline;
        int64_t seq;

        tc_timeline_init(&timeline, 5, limits[i]);
        tc_timeline_load(&timeline, NULL, 0);
        for (seq = 1; seq < 400; seq++) {
            unsigned char number = (unsigned char)unit_random_below(&random, 20);
            bool edit = unit_random_below(&random, 2);

            append(&timeline, event_of(edit ? TC_EVENT_EDIT : TC_EVENT_MESSAGE, seq, number,
                                       "some text"));
            ck_assert_uint_le(timeline.bytes, limits[i]);
            ck_assert_uint_eq(timeline.bytes, bytes_held(&timeline));
        }
        ck_assert(limits[i] < 10000 || timeline.recent_valid);
        tc_timeline_free(&timeline);
        ck_assert_uint_eq(timeline.bytes, 0);
    }
}
END_TEST

START_TEST(the_log_goes_before_the_newest_messages)
{
    tc_timeline_t timeline;
    int64_t seq;

    tc_timeline_init(&timeline, 2, 2500);
    tc_timeline_load(&timeline, NULL, 0);
    for (seq = 1; seq <= 20; seq++) {
        append(&timeline, message_of(seq, "x"));
    }
    ck_assert_str_eq(fresh(&timeline), "19:x 20:x |20");
    ck_assert_ptr_null(tc_timeline_resume(&timeline, 0));
    tc_timeline_free(&timeline);
}
END_TEST

START_TEST(a_timeline_too_small_for_its_messages_says_so)
{
    tc_timeline_t timeline;

    tc_timeline_init(&timeline, 2, 10);
    tc_timeline_load(&timeline, NULL, 0);
    ck_assert_str_eq(fresh(&timeline), "|0");
    append(&timeline, message_of(1, "x"));
    ck_assert_ptr_null(tc_timeline_history(&timeline, TC_HISTORY_FRESH));
    ck_assert_ptr_null(tc_timeline_resume(&timeline, 0));
    ck_assert_str_eq(read_history(tc_timeline_resume(&timeline, 1)), "|1+");
    tc_timeline_free(&timeline);
}
END_TEST

/* ---- pages ---- */

/* Reads an array as "1:a 2:b". */
static const char *read_array(const tc_blob_t *blob)
{
    static char text[20000];
    json_tokener *tokener = json_tokener_new();
    json_object *list = json_tokener_parse_ex(tokener, (const char *)blob->data, (int)blob->len);
    size_t i, len = 0;

    ck_assert(json_object_is_type(list, json_type_array));
    ck_assert_uint_eq(json_tokener_get_parse_end(tokener), blob->len);
    ck_assert_uint_eq(blob->len, blob->size);
    text[0] = '\0';
    for (i = 0; i < json_object_array_length(list); i++) {
        json_object *message = json_object_array_get_idx(list, i);

        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d:%s", i > 0 ? " " : "",
                                json_object_get_int(get(message, "seq")),
                                json_object_get_string(get(message, "content")));
    }
    tc_json_free(list);
    json_tokener_free(tokener);
    return text;
}

START_TEST(an_array_has_the_whole_object_of_each_event)
{
    tc_event_t *list = make_list();
    const tc_event_t *event;
    tc_history_t history;
    tc_blob_t *array;

    tc_history_begin_array(&history);
    array = tc_history_end_array(&history);
    ck_assert_str_eq(read_array(array), "");
    tc_blob_unref(array);
    tc_history_begin_array(&history);
    for (event = list; event != NULL; event = event->next) {
        tc_history_add(&history, event, event->seq);
    }
    array = tc_history_end_array(&history);
    ck_assert_str_eq(read_array(array), "1:a 2:b 3:A 4:d");
    tc_blob_unref(array);
    tc_event_unref_list(list);
}
END_TEST

static const char *page_of(tc_timeline_t *timeline, int64_t after, unsigned limit, int64_t *last)
{
    tc_blob_t *page = tc_timeline_page(timeline, after, limit, last);

    return page ? read_array(page) : NULL;
}

START_TEST(a_page_has_what_comes_after_up_to_its_limit)
{
    tc_event_t *list = make_list();
    tc_timeline_t timeline;
    int64_t last = -1;

    tc_timeline_init(&timeline, 2, LARGE);
    tc_timeline_load(&timeline, list, 4);
    tc_event_unref_list(list);
    ck_assert_str_eq(page_of(&timeline, 0, 10, &last), "1:a 2:b 3:A 4:d");
    ck_assert_int_eq(last, 4);
    ck_assert_str_eq(page_of(&timeline, 0, 3, &last), "1:a 2:b 3:A");
    ck_assert_int_eq(last, 3);
    ck_assert_str_eq(page_of(&timeline, 2, 1, &last), "3:A");
    ck_assert_int_eq(last, 3);
    ck_assert_str_eq(page_of(&timeline, 2, 2, &last), "3:A 4:d");
    ck_assert_int_eq(last, 4);
    append(&timeline, message_of(5, "e"));
    ck_assert_str_eq(page_of(&timeline, 2, 2, &last), "3:A 4:d");
    ck_assert_str_eq(page_of(&timeline, 2, 3, &last), "3:A 4:d 5:e");
    ck_assert_int_eq(last, 5);
    tc_timeline_free(&timeline);
}
END_TEST

START_TEST(a_page_that_the_log_does_not_hold_is_none)
{
    tc_timeline_t timeline;
    int64_t last = 77;

    tc_timeline_init(&timeline, 10, LARGE);
    tc_timeline_load(&timeline, NULL, 3);
    ck_assert_ptr_null(tc_timeline_page(&timeline, 3, 10, &last)); /* the log is empty */
    append(&timeline, message_of(4, "d"));
    ck_assert_ptr_null(tc_timeline_page(&timeline, 2, 10, &last)); /* before the log begins */
    ck_assert_ptr_null(tc_timeline_page(&timeline, 4, 10, &last)); /* no event follows */
    ck_assert_ptr_null(tc_timeline_page(&timeline, 9, 10, &last)); /* in the future */
    ck_assert_int_eq(last, 77);
    ck_assert_str_eq(page_of(&timeline, 3, 10, &last), "4:d");
    tc_timeline_skip(&timeline, 6);
    ck_assert_ptr_null(tc_timeline_page(&timeline, 3, 10, &last));
    tc_timeline_free(&timeline);
}
END_TEST

START_TEST(a_page_is_composed_once_and_anew_after_an_event)
{
    tc_timeline_t timeline;
    tc_blob_t *first;
    int64_t last;

    tc_timeline_init(&timeline, 10, LARGE);
    tc_timeline_load(&timeline, NULL, 0);
    append(&timeline, message_of(1, "a"));
    append(&timeline, message_of(2, "b"));
    first = tc_blob_ref(tc_timeline_page(&timeline, 0, 10, &last));
    last = -1;
    ck_assert_ptr_eq(tc_timeline_page(&timeline, 0, 10, &last), first);
    ck_assert_int_eq(last, 2);
    ck_assert_str_eq(page_of(&timeline, 0, 1, &last), "1:a"); /* another limit is another page */
    ck_assert_int_eq(last, 1);
    ck_assert_str_eq(page_of(&timeline, 1, 1, &last), "2:b");
    ck_assert_str_eq(page_of(&timeline, 0, 10, &last), "1:a 2:b");
    append(&timeline, event_of(TC_EVENT_EDIT, 3, 1, "A"));
    ck_assert_str_eq(page_of(&timeline, 0, 10, &last), "1:a 2:b 3:A");
    ck_assert_str_eq(read_array(first), "1:a 2:b"); /* may still be in an answer */
    tc_blob_unref(first);
    tc_timeline_free(&timeline);
}
END_TEST

UNIT_MAIN("event", a_message_is_encoded_once_with_its_object_inside,
          an_edit_carries_the_whole_object_behind_its_frame,
          the_own_copy_is_the_same_with_a_client_id,
          a_frame_of_any_length_has_its_object_where_the_event_says,
          an_object_that_is_encoded_already_gives_the_same_bytes,
          the_own_copy_adds_the_client_id_and_leaves_the_others_copy_alone,
          a_history_of_a_list_has_the_newest_messages_or_all_events,
          a_timeline_is_loaded_and_goes_on, an_edit_changes_the_text_and_not_the_place,
          frames_are_composed_once_and_anew_after_an_event,
          the_log_gives_each_of_its_events_and_no_other,
          a_loaded_list_with_holes_gives_a_log_without, what_is_skipped_is_no_longer_in_the_log,
          bytes_are_counted_once_and_kept_within_bounds, the_log_goes_before_the_newest_messages,
          a_timeline_too_small_for_its_messages_says_so,
          an_array_has_the_whole_object_of_each_event,
          a_page_has_what_comes_after_up_to_its_limit,
          a_page_that_the_log_does_not_hold_is_none,
          a_page_is_composed_once_and_anew_after_an_event)
