/*
 * What a parcel may say. Its sender is a child of this httpd, but perhaps one with another configuration, and what comes
 * from another process is not believed. Whatever passes can do no harm in the reader, the room and the logs. See parcel.h.
 */
#include "base/clock.h"
#include "base/units.h"
#include "codec/json_scan.h"
#include "peer/parcel.h"

#include <stddef.h>

#define SENDER_LEVELS 4 /* of the sender object, which has names alone */
#define SENDER_VALUES 64
#define CLOCK_SLACK_US TC_US_PER_S

/* A bool that is neither 0 nor 1 has no meaning in C, so it is looked at as a byte. */
static bool has_good_bools(const tc_parcel_head_t *head)
{
    static const size_t places[] = {
        offsetof(tc_parcel_head_t, is_stream), offsetof(tc_parcel_head_t, lease_warned),
        offsetof(tc_parcel_head_t, has_usage), offsetof(tc_parcel_head_t, usage.closed_by_client),
        offsetof(tc_parcel_head_t, member.lost), offsetof(tc_parcel_head_t, member.typing_shown),
        offsetof(tc_parcel_head_t, member.typing_wanted), offsetof(tc_parcel_head_t, deflate.client_keeps),
        offsetof(tc_parcel_head_t, reader.frame.fin), offsetof(tc_parcel_head_t, reader.frame.masked),
        offsetof(tc_parcel_head_t, reader.in_payload), offsetof(tc_parcel_head_t, reader.takes_deflated),
        offsetof(tc_parcel_head_t, reader.deflated), offsetof(tc_parcel_head_t, reader.drained),
    };
    const unsigned char *bytes = (const unsigned char *)head;
    size_t i;

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (bytes[places[i]] > 1) {
            return false;
        }
    }
    return true;
}

static bool is_text(const tc_parcel_t *parcel, tc_parcel_part_e part)
{
    return strlen(tc_parcel_text(parcel, part)) == parcel->head.lens[part];
}

static bool has_good_texts(const tc_parcel_t *parcel)
{
    const tc_parcel_head_t *head = &parcel->head;

    return is_text(parcel, TC_PARCEL_SITE) && is_text(parcel, TC_PARCEL_USER_ID) && is_text(parcel, TC_PARCEL_USER_EMAIL)
           && is_text(parcel, TC_PARCEL_CLAIM) && is_text(parcel, TC_PARCEL_CLIENT) && memchr(head->trip.text, '\0', sizeof(head->trip.text)) != NULL
           && (!head->has_usage || memchr(head->usage.address, '\0', sizeof(head->usage.address)) != NULL)
           && tc_json_scan(tc_parcel_text(parcel, TC_PARCEL_SENDER), head->lens[TC_PARCEL_SENDER], SENDER_LEVELS,
                           SENDER_VALUES) == TC_JSON_OK;
}

/* What was is over: deadlines count from these times. */
static bool has_good_times(const tc_parcel_head_t *head)
{
    int64_t latest_us = tc_clock_monotonic_us() + CLOCK_SLACK_US;

    return head->heard_us <= latest_us && head->wrote_us <= latest_us && head->pinged_us <= latest_us
           && head->begun_us <= latest_us && head->member.typing_sent_us <= latest_us;
}

/* A frame of which not all bytes have come. */
static bool is_good_frame(const tc_parcel_head_t *head)
{
    const tc_reader_t *reader = &head->reader;
    const tc_frame_header_t *frame = &reader->frame;
    bool is_control = tc_opcode_is_control(frame->opcode);

    if (reader->header_len != 0 || !frame->masked || reader->payload_done > frame->payload_len) {
        return false;
    }
    return is_control ? frame->opcode <= TC_OPCODE_PONG && frame->payload_len <= TC_CONTROL_MAX_BYTES
                            && head->lens[TC_PARCEL_CONTROL] == reader->payload_done
                      : frame->opcode <= TC_OPCODE_BINARY && reader->message_opcode != 0
                            && head->lens[TC_PARCEL_CONTROL] == 0
                            && head->lens[TC_PARCEL_MESSAGE] >= reader->payload_done;
}

static bool has_good_reader(const tc_parcel_head_t *head)
{
    const tc_reader_t *reader = &head->reader;
    unsigned bits = head->deflate.server_bits;

    if ((bits != 0 && (bits < 8 || bits > 15)) || head->deflate.client_keeps || reader->takes_deflated != (bits > 0)
        || (reader->deflated && !reader->takes_deflated)) {
        return false;
    }
    if (reader->message_opcode > TC_OPCODE_BINARY
        || (reader->message_opcode == 0 && head->lens[TC_PARCEL_MESSAGE] > 0)
        || (reader->header_len >= 2 && reader->header_len >= tc_frame_header_len(reader->header))) {
        return false;
    }
    return reader->in_payload ? is_good_frame(head) : head->lens[TC_PARCEL_CONTROL] == 0;
}

bool tc_parcel_is_sane(const tc_parcel_t *parcel)
{
    const tc_parcel_head_t *head = &parcel->head;

    return has_good_bools(head) && has_good_texts(parcel) && has_good_times(head) && has_good_reader(head)
           && head->member.cursor >= -1 && head->member.after >= -1 && head->member.epoch >= -1;
}

/* A text counts as the database has it, which may be another one than clients may send. */
bool tc_parcel_fits(const tc_parcel_t *parcel, const tc_site_t *site)
{
    const tc_trip_t *trip = &parcel->head.trip;
    tc_trip_t again;

    return site->rules.trip_form == TC_TRIP_TEXT
           || tc_trip_parse(trip->text, strlen(trip->text), site->rules.trip_form, &again);
}

bool tc_parcel_restore_reader(const tc_parcel_t *parcel, tc_reader_t *reader)
{
    tc_buf_append(&reader->message, parcel->parts[TC_PARCEL_MESSAGE], parcel->head.lens[TC_PARCEL_MESSAGE]);
    tc_buf_append(&reader->control, parcel->parts[TC_PARCEL_CONTROL], parcel->head.lens[TC_PARCEL_CONTROL]);
    return tc_reader_restore(reader, &parcel->head.reader);
}
