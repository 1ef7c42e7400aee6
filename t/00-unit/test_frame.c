/* Decoding and encoding frame headers, masking, and whole server frames. RFC 6455, 5.2 and 5.3. */
#include "unit.h"

#include "codec/frame.h"
#include "codec/wire.h"

static const uint64_t lengths[] = {0,     1,     125,   126,        127,
                                   65535, 65536, 65537, 0xffffffff, UINT64_C(0x7fffffffffffffff)};

START_TEST(a_server_header_has_the_shortest_length_and_no_mask)
{
    static const struct {
        uint64_t len;
        const char *bytes;
        size_t count;
    } headers[] = {
        {0, "\x81\x00", 2},
        {125, "\x81\x7d", 2},
        {126, "\x81\x7e\x00\x7e", 4},
        {65535, "\x81\x7e\xff\xff", 4},
        {65536, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10},
        {UINT64_C(0x0123456789abcdef), "\x81\x7f\x01\x23\x45\x67\x89\xab\xcd\xef", 10},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(headers); i++) {
        unsigned char *out = malloc(headers[i].count);

        ck_assert_uint_eq(tc_frame_encode_header(TC_OPCODE_TEXT, headers[i].len, out),
                          headers[i].count);
        ck_assert_mem_eq(out, headers[i].bytes, headers[i].count);
        free(out);
    }
}
END_TEST

START_TEST(what_is_encoded_is_decoded_the_same)
{
    static const tc_opcode_e opcodes[] = {TC_OPCODE_TEXT, TC_OPCODE_CLOSE, TC_OPCODE_PONG};
    size_t i, j;

    for (i = 0; i < UNIT_COUNT(lengths); i++) {
        for (j = 0; j < UNIT_COUNT(opcodes); j++) {
            unsigned char out[TC_FRAME_HEADER_MAX_BYTES];
            size_t len = tc_frame_encode_header(opcodes[j], lengths[i], out);
            unsigned char *exact = unit_copy(out, len);
            tc_frame_header_t header;

            ck_assert_uint_eq(tc_frame_header_len(exact), len);
            ck_assert(tc_frame_decode_header(exact, &header));
            ck_assert_uint_eq(header.opcode, opcodes[j]);
            ck_assert_uint_eq(header.payload_len, lengths[i]);
            ck_assert(header.fin && !header.masked && header.rsv == 0);
            free(exact);
        }
    }
}
END_TEST

START_TEST(every_bit_of_the_first_byte_is_told)
{
    unsigned first;

    for (first = 0; first < 256; first++) {
        unsigned char bytes[] = {(unsigned char)first, 0x80 | 5, 1, 2, 3, 4};
        tc_frame_header_t header;

        ck_assert_uint_eq(tc_frame_header_len(bytes), sizeof(bytes));
        ck_assert(tc_frame_decode_header(bytes, &header));
        ck_assert(header.fin == (first >= 0x80));
        ck_assert_uint_eq(header.rsv, first / 16 % 8);
        ck_assert_uint_eq(header.opcode, first % 16);
        ck_assert(header.masked);
        ck_assert_uint_eq(header.payload_len, 5);
        ck_assert_mem_eq(header.mask, "\x01\x02\x03\x04", 4);
        ck_assert(tc_opcode_is_control(header.opcode) == (first % 16 >= 8));
    }
}
END_TEST

START_TEST(the_second_byte_says_how_long_the_header_is)
{
    unsigned second;

    for (second = 0; second < 256; second++) {
        unsigned char head[] = {0x81, (unsigned char)second};
        unsigned len7 = second % 128;
        size_t expected = 2 + (len7 == 126 ? 2u : len7 == 127 ? 8u : 0u) + (second >= 128 ? 4u : 0u);

        ck_assert_uint_eq(tc_frame_header_len(head), expected);
    }
}
END_TEST

START_TEST(a_length_that_is_not_in_its_shortest_form_is_refused)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool good;
    } headers[] = {
        {"\x81\x7e\x00\x00", 4, false},
        {"\x81\x7e\x00\x7d", 4, false},
        {"\x81\x7e\x00\x7e", 4, true},
        {"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x00", 10, false},
        {"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x7d", 10, false},
        {"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x7e", 10, false},
        {"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 10, false},
        {"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10, true},
        {"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, true},
        {"\x81\x7f\x80\x00\x00\x00\x00\x01\x00\x00", 10, false},
        {"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, false},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(headers); i++) {
        unsigned char *exact = unit_copy(headers[i].bytes, headers[i].len);
        tc_frame_header_t header;

        ck_assert_msg(tc_frame_decode_header(exact, &header) == headers[i].good, "header %zu", i);
        free(exact);
    }
}
END_TEST

static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

START_TEST(masking_is_exclusive_or_with_the_key_from_any_offset_and_alignment)
{
    unsigned char bytes[80];
    size_t len, start, i;
    uint64_t offset;

    for (offset = 0; offset < 9; offset++) {
        for (start = 0; start < 8; start++) {
            for (len = 0; len + start < sizeof(bytes); len++) {
                for (i = 0; i < sizeof(bytes); i++) {
                    bytes[i] = (unsigned char)(i * 31);
                }
                tc_frame_mask(bytes + start, len, mask, offset);
                for (i = 0; i < sizeof(bytes); i++) {
                    unsigned char expected = (unsigned char)(i * 31);

                    if (i >= start && i < start + len) {
                        expected ^= mask[(offset + i - start) % 4];
                    }
                    if (bytes[i] != expected) {
                        ck_abort_msg("byte %zu of %zu..%zu", i, start, start + len);
                    }
                }
            }
        }
    }
}
END_TEST

START_TEST(a_payload_masked_in_pieces_is_masked_as_in_one)
{
    static const char text[] = "a payload long enough for words and a rest";
    const size_t len = sizeof(text);
    size_t one, two;

    for (one = 0; one <= len; one++) {
        for (two = one; two <= len; two++) {
            unsigned char *whole = unit_copy(text, len), *pieces = unit_copy(text, len);

            tc_frame_mask(whole, len, mask, 0);
            tc_frame_mask(pieces, one, mask, 0);
            tc_frame_mask(pieces + one, two - one, mask, one);
            tc_frame_mask(pieces + two, len - two, mask, two);
            ck_assert_mem_eq(whole, pieces, len);
            free(whole);
            free(pieces);
        }
    }
}
END_TEST

START_TEST(the_offset_counts_beyond_thirty_two_bits)
{
    unsigned char bytes[] = {0, 0};

    tc_frame_mask(bytes, 2, mask, UINT64_C(0x100000003));
    ck_assert_uint_eq(bytes[0], mask[3]);
    ck_assert_uint_eq(bytes[1], mask[0]);
}
END_TEST

START_TEST(a_server_frame_is_header_payload_and_room_that_is_not_sent)
{
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536};
    size_t i;

    for (i = 0; i < UNIT_COUNT(sizes); i++) {
        unsigned char *payload = malloc(sizes[i] + 1);
        size_t header = tc_wire_header_len(sizes[i]);
        tc_frame_header_t decoded;
        tc_blob_t *frame;

        memset(payload, 'p', sizes[i]);
        frame = tc_wire_frame(TC_OPCODE_TEXT, sizes[i] ? payload : NULL, sizes[i], 7);
        ck_assert_uint_eq(frame->len, header + sizes[i]);
        ck_assert_uint_eq(frame->size, frame->len + 7);
        ck_assert(!frame->droppable && frame->refs == 1);
        ck_assert(tc_frame_decode_header(frame->data, &decoded));
        ck_assert_uint_eq(decoded.payload_len, sizes[i]);
        ck_assert_uint_eq(tc_frame_header_len(frame->data), header);
        ck_assert_mem_eq(frame->data + header, payload, sizes[i]);
        memset(frame->data + frame->len, 0, 7);
        tc_blob_unref(frame);
        free(payload);
    }
}
END_TEST

UNIT_MAIN("frame", a_server_header_has_the_shortest_length_and_no_mask,
          what_is_encoded_is_decoded_the_same, every_bit_of_the_first_byte_is_told,
          the_second_byte_says_how_long_the_header_is,
          a_length_that_is_not_in_its_shortest_form_is_refused,
          masking_is_exclusive_or_with_the_key_from_any_offset_and_alignment,
          a_payload_masked_in_pieces_is_masked_as_in_one,
          the_offset_counts_beyond_thirty_two_bits,
          a_server_frame_is_header_payload_and_room_that_is_not_sent)
