/*
 * The reader, which makes messages and control frames of bytes. RFC 6455, 5.2 to 5.6 and 8.1. A vector is a stream of
 * client frames and the transcript of what the reader makes of it: "text(hi) ping() FAIL1002". Every vector is fed
 * whole, one byte at a time, and cut at every place, with each piece in memory of its own size. The transcripts must
 * be the same.
 */
#include "unit.h"

#include "codec/reader.h"

#define LIMIT 64            /* max_message_bytes of most vectors */
#define THREE_PIECES_MAX 40 /* longer streams are cut in two, not in three */

/* A frame of a vector. `first` is FIN, RSV and opcode; RAW: the bytes are sent as they are. */
typedef struct {
    int first;
    const char *bytes;
    size_t len;
} piece_t;

#define FRAME(first, literal) {(first), (literal), sizeof(literal) - 1}
#define RAW(literal) {-1, (literal), sizeof(literal) - 1}

typedef struct {
    const char *name;
    const char *transcript;
    piece_t pieces[8];
} vector_t;

static tc_buf_t stream_of(const vector_t *vector)
{
    tc_buf_t stream = TC_BUF_INIT;
    size_t i;

    for (i = 0; i < UNIT_COUNT(vector->pieces) && vector->pieces[i].bytes != NULL; i++) {
        const piece_t *piece = &vector->pieces[i];

        if (piece->first < 0) {
            tc_buf_append(&stream, piece->bytes, piece->len);
        }
        else {
            unit_append_frame(&stream, (unsigned)piece->first, piece->bytes, piece->len);
        }
    }
    return stream;
}

static const char *name_of(unsigned opcode)
{
    static const char *const names[16] = {[1] = "text", [2] = "binary", [8] = "close",
                                          [9] = "ping", [10] = "pong"};

    return names[opcode] ? names[opcode] : "?";
}

/* Writes printable characters as they are, and others in hexadecimal. */
static void write_byte(tc_buf_t *transcript, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    char hex[] = {'<', digits[byte >> 4], digits[byte & 15], '>'};

    if (byte > ' ' && byte < 0x7f) {
        tc_buf_append(transcript, &byte, 1);
    }
    else {
        tc_buf_append(transcript, hex, sizeof(hex));
    }
}

static void write_item(tc_buf_t *transcript, tc_read_e got, const tc_read_item_t *item)
{
    size_t i;

    if (got == TC_READ_FAIL) {
        ck_assert_ptr_nonnull(item->why);
        ck_assert_uint_le(strlen(item->why), 123);
        unit_append_text(transcript, "FAIL%u ", item->close_code);
        return;
    }
    ck_assert((got == TC_READ_CONTROL) == (item->opcode >= 8));
    unit_append_text(transcript, "%s(", name_of(item->opcode));
    for (i = 0; i < item->len; i++) {
        write_byte(transcript, item->data[i]);
    }
    unit_append_text(transcript, ") ");
}

/* Feeds one piece. Returns false if the connection has failed. */
static bool feed(tc_reader_t *reader, const unsigned char *data, size_t len, tc_buf_t *transcript)
{
    unsigned char *piece = unit_copy(data, len), *pos = piece;
    tc_read_item_t item;
    tc_read_e got;

    do {
        memset(&item, 0xee, sizeof(item));
        got = tc_reader_next(reader, &pos, piece + len, &item);
        if (got != TC_READ_MORE) {
            write_item(transcript, got, &item);
        }
    } while (got == TC_READ_MESSAGE || got == TC_READ_CONTROL);
    ck_assert(got == TC_READ_FAIL || pos == piece + len);
    free(piece);
    return got != TC_READ_FAIL;
}

/* The transcript of a stream that comes in three pieces, which may be empty. */
static tc_buf_t read_in_pieces(const tc_buf_t *stream, size_t one, size_t two, size_t limit)
{
    static const unsigned char nothing[1];
    const unsigned char *data = stream->data ? stream->data : nothing;
    tc_buf_t transcript = TC_BUF_INIT;
    tc_reader_t reader;

    unit_append_text(&transcript, "%s", "");
    tc_reader_init(&reader, limit);
    if (feed(&reader, data, one, &transcript) && feed(&reader, data + one, two - one, &transcript)
        && feed(&reader, data + two, stream->len - two, &transcript)
        && !tc_reader_is_idle(&reader)) {
        unit_append_text(&transcript, "...");
    }
    tc_reader_free(&reader);
    return transcript;
}

static tc_buf_t read_byte_by_byte(const tc_buf_t *stream, size_t limit)
{
    tc_buf_t transcript = TC_BUF_INIT;
    tc_reader_t reader;
    bool open = true;
    size_t i;

    unit_append_text(&transcript, "%s", "");
    tc_reader_init(&reader, limit);
    for (i = 0; i < stream->len && open; i++) {
        open = feed(&reader, stream->data + i, 1, &transcript);
    }
    if (open && !tc_reader_is_idle(&reader)) {
        unit_append_text(&transcript, "...");
    }
    tc_reader_free(&reader);
    return transcript;
}

static void expect(const char *name, const char *how, tc_buf_t transcript, const char *expected)
{
    const char *got = (const char *)transcript.data;
    size_t len = transcript.len;

    if (len > 0 && got[len - 1] == ' ') {
        len--;
    }
    ck_assert_msg(len == strlen(expected) && memcmp(got, expected, len) == 0,
                  "%s, %s: got \"%.*s\" instead of \"%s\"", name, how, (int)len, got, expected);
    tc_buf_free(&transcript);
}

static void check_stream(const char *name, const tc_buf_t *stream, size_t limit,
                         const char *expected)
{
    size_t one, two, len = stream->len;
    char how[64];

    expect(name, "whole", read_in_pieces(stream, len, len, limit), expected);
    expect(name, "byte by byte", read_byte_by_byte(stream, limit), expected);
    for (one = 0; one <= len; one++) {
        for (two = len <= THREE_PIECES_MAX ? one : len; two <= len; two++) {
            snprintf(how, sizeof(how), "cut at %zu and %zu", one, two);
            expect(name, how, read_in_pieces(stream, one, two, limit), expected);
        }
    }
}

static void check_vectors(const vector_t *vectors, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        tc_buf_t stream = stream_of(&vectors[i]);

        check_stream(vectors[i].name, &stream, LIMIT, vectors[i].transcript);
        tc_buf_free(&stream);
    }
}

#define FIVE "12345"
#define TEN "1234567890"
#define SIXTY "123456789012345678901234567890123456789012345678901234567890"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

START_TEST(messages_and_control_frames_come_as_they_were_sent)
{
    static const vector_t vectors[] = {
        {"nothing", "", {RAW("")}},
        {"a text", "text(hello)", {FRAME(0x81, "hello")}},
        {"an empty text", "text()", {FRAME(0x81, "")}},
        {"a binary", "binary(<00><ff>)", {FRAME(0x82, "\x00\xff")}},
        {"an empty binary", "binary()", {FRAME(0x82, "")}},
        {"an empty ping", "ping()", {FRAME(0x89, "")}},
        {"a ping", "ping(abc)", {FRAME(0x89, "abc")}},
        {"a pong", "pong(<00><01>)", {FRAME(0x8a, "\x00\x01")}},
        {"an empty close", "close()", {FRAME(0x88, "")}},
        {"a close", "close(<03><e8>bye)", {FRAME(0x88, "\x03\xe8" "bye")}},
        {"a ping may hold any bytes", "ping(<ff><c0>)", {FRAME(0x89, "\xff\xc0")}},
        {"several", "text(a) ping() binary(b) text() pong(c)",
         {FRAME(0x81, "a"), FRAME(0x89, ""), FRAME(0x82, "b"), FRAME(0x81, ""), FRAME(0x8a, "c")}},
        {"empty ones in a row", "text() text() ping() ping()",
         {FRAME(0x81, ""), FRAME(0x81, ""), FRAME(0x89, ""), FRAME(0x89, "")}},
        {"a key of zeros", "text(ab)", {RAW("\x81\x82\x00\x00\x00\x00" "ab")}},
    };

    check_vectors(vectors, UNIT_COUNT(vectors));
}
END_TEST

START_TEST(fragments_are_put_together_and_control_frames_pass_between_them)
{
    static const vector_t vectors[] = {
        {"two", "text(hello)", {FRAME(0x01, "hel"), FRAME(0x80, "lo")}},
        {"three", "text(hello)", {FRAME(0x01, "h"), FRAME(0x00, "ell"), FRAME(0x80, "o")}},
        {"empty ones", "text()", {FRAME(0x01, ""), FRAME(0x00, ""), FRAME(0x80, "")}},
        {"an empty first", "text(x)", {FRAME(0x01, ""), FRAME(0x80, "x")}},
        {"an empty last", "text(x)", {FRAME(0x01, "x"), FRAME(0x80, "")}},
        {"a ping between", "ping(p) text(hello)",
         {FRAME(0x01, "hel"), FRAME(0x89, "p"), FRAME(0x80, "lo")}},
        {"several between", "ping() pong(q) close(<03><e8>) text(ab)",
         {FRAME(0x01, "a"), FRAME(0x89, ""), FRAME(0x8a, "q"), FRAME(0x88, "\x03\xe8"),
          FRAME(0x80, "b")}},
        {"a ping before each", "ping(1) ping(2) text(ab)",
         {FRAME(0x89, "1"), FRAME(0x01, "a"), FRAME(0x89, "2"), FRAME(0x80, "b")}},
        {"binary", "ping() binary(<ff><fe>)",
         {FRAME(0x02, "\xff"), FRAME(0x89, ""), FRAME(0x80, "\xfe")}},
        {"one after the other", "text(ab) text(cd)",
         {FRAME(0x01, "a"), FRAME(0x80, "b"), FRAME(0x01, "c"), FRAME(0x80, "d")}},
        {"whole after parts", "text(ab) text(c)",
         {FRAME(0x01, "a"), FRAME(0x80, "b"), FRAME(0x81, "c")}},
        {"one unfinished", "...", {FRAME(0x01, "a")}},
        {"one unfinished after a ping", "ping() ...", {FRAME(0x01, "a"), FRAME(0x89, "")}},
        {"one unfinished and empty", "...", {FRAME(0x01, "")}},
    };

    check_vectors(vectors, UNIT_COUNT(vectors));
}
END_TEST

START_TEST(what_breaks_the_fragmentation_rules_fails)
{
    static const vector_t vectors[] = {
        {"a continuation of nothing", "FAIL1002", {FRAME(0x80, "x")}},
        {"an empty continuation of nothing", "FAIL1002", {FRAME(0x80, "")}},
        {"an unfinished continuation of nothing", "FAIL1002", {FRAME(0x00, "x")}},
        {"a continuation after a message", "text(a) FAIL1002", {FRAME(0x81, "a"), FRAME(0x80, "b")}},
        {"a continuation after parts", "text(ab) FAIL1002",
         {FRAME(0x01, "a"), FRAME(0x80, "b"), FRAME(0x00, "c")}},
        {"a text inside a text", "FAIL1002", {FRAME(0x01, "a"), FRAME(0x81, "b")}},
        {"a text inside an empty one", "FAIL1002", {FRAME(0x01, ""), FRAME(0x81, "")}},
        {"a binary inside a text", "FAIL1002", {FRAME(0x01, "a"), FRAME(0x82, "b")}},
        {"a beginning inside a beginning", "FAIL1002", {FRAME(0x02, "a"), FRAME(0x02, "b")}},
        {"an unfinished ping", "FAIL1002", {FRAME(0x09, "a"), FRAME(0x80, "b")}},
        {"an unfinished pong", "FAIL1002", {FRAME(0x0a, "")}},
        {"an unfinished close", "FAIL1002", {FRAME(0x08, "\x03\xe8")}},
        {"an unfinished ping between", "FAIL1002", {FRAME(0x01, "a"), FRAME(0x09, "")}},
    };

    check_vectors(vectors, UNIT_COUNT(vectors));
}
END_TEST

START_TEST(what_breaks_the_header_rules_fails)
{
    static const vector_t vectors[] = {
        {"no mask", "FAIL1002", {RAW("\x81\x05hello")}},
        {"no mask and empty", "FAIL1002", {RAW("\x81\x00")}},
        {"a ping without mask", "FAIL1002", {RAW("\x89\x00")}},
        {"no mask after a message", "text(a) FAIL1002", {FRAME(0x81, "a"), RAW("\x81\x01" "b")}},
        {"no mask and long", "FAIL1002", {RAW("\x81\x7e\x00\x7e" "b")}},
        {"125 in two bytes", "FAIL1002", {RAW("\x81\xfe\x00\x7d\x01\x02\x03\x04")}},
        {"nothing in two bytes", "FAIL1002", {RAW("\x81\xfe\x00\x00\x01\x02\x03\x04")}},
        {"a ping's length in two bytes", "FAIL1002", {RAW("\x89\xfe\x00\x01\x01\x02\x03\x04")}},
        {"65535 in eight bytes", "FAIL1002",
         {RAW("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04")}},
        {"one in eight bytes", "FAIL1002",
         {RAW("\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01\x01\x02\x03\x04")}},
        {"the top bit of a length", "FAIL1002",
         {RAW("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04")}},
        {"all bits of a length", "FAIL1002",
         {RAW("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04")}},
        {"a ping of 126 bytes", "FAIL1002", {RAW("\x89\xfe\x00\x7e\x01\x02\x03\x04")}},
        {"a close of 126 bytes", "FAIL1002", {RAW("\x88\xfe\x00\x7e\x01\x02\x03\x04")}},
        {"a pong of 64 KB", "FAIL1002",
         {RAW("\x8a\xff\x00\x00\x00\x00\x00\x01\x00\x00\x01\x02\x03\x04")}},
        {"nothing counts after a failure", "text(a) FAIL1002",
         {FRAME(0x81, "a"), FRAME(0x83, ""), FRAME(0x81, "b")}},
    };

    check_vectors(vectors, UNIT_COUNT(vectors));
}
END_TEST

/* The result that RFC 6455, 5.2 and 5.4, demands for each first byte. `begun`: a message is in progress. */
static const char *verdict_on(unsigned first, bool begun)
{
    static char text[32];
    bool fin = first >= 0x80, control = first % 16 >= 8;

    snprintf(text, sizeof(text), "%s(x)", name_of(first % 16));
    if (first & 0x70 || (first % 16 > 2 && first % 16 < 8) || first % 16 > 10 || (control && !fin)) {
        return "FAIL1002";
    }
    if (control) {
        return begun ? strcat(text, " ...") : text;
    }
    if (begun != (first % 16 == 0)) {
        return "FAIL1002";
    }
    return !fin ? "..." : begun ? "text(ax)" : text;
}

START_TEST(every_first_byte_is_judged_with_a_message_begun_and_without)
{
    unsigned first;
    int begun;

    for (first = 0; first < 256; first++) {
        for (begun = 0; begun < 2; begun++) {
            tc_buf_t stream = TC_BUF_INIT;
            char name[32];

            snprintf(name, sizeof(name), "first byte %02x, %d", first, begun);
            if (begun) {
                unit_append_frame(&stream, 0x01, "a", 1);
            }
            unit_append_frame(&stream, first, "x", 1);
            check_stream(name, &stream, LIMIT, verdict_on(first, begun));
            tc_buf_free(&stream);
        }
    }
}
END_TEST

START_TEST(a_control_frame_may_have_125_bytes)
{
    tc_buf_t stream = TC_BUF_INIT;

    unit_append_frame(&stream, 0x89, HUNDRED TEN TEN FIVE, 125);
    check_stream("a ping of 125 bytes", &stream, 0, "ping(" HUNDRED TEN TEN FIVE ")");
    tc_buf_free(&stream);
}
END_TEST

START_TEST(each_form_of_the_length_is_read)
{
    static const size_t lengths[] = {125, 126, 127, 128, 65535, 65536, 70000};
    size_t i, cut;

    for (i = 0; i < UNIT_COUNT(lengths); i++) {
        unsigned char *payload = malloc(lengths[i]);
        tc_buf_t stream = TC_BUF_INIT, whole, pieces;

        memset(payload, 'x', lengths[i]);
        unit_append_frame(&stream, 0x81, payload, lengths[i]);
        whole = read_in_pieces(&stream, stream.len, stream.len, lengths[i]);
        ck_assert_uint_eq(whole.len, lengths[i] + strlen("text() "));
        for (cut = 0; cut < 24; cut++) {
            pieces = read_in_pieces(&stream, cut, stream.len - cut, lengths[i]);
            ck_assert_uint_eq(pieces.len, whole.len);
            ck_assert_mem_eq(pieces.data, whole.data, whole.len);
            tc_buf_free(&pieces);
        }
        tc_buf_free(&whole);
        tc_buf_free(&stream);
        free(payload);
    }
}
END_TEST

START_TEST(a_message_may_be_as_long_as_the_limit_and_no_longer)
{
    static const vector_t vectors[] = {
        {"exactly", "text(" SIXTY "1234)", {FRAME(0x81, SIXTY "1234")}},
        {"one over", "FAIL1009", {FRAME(0x81, SIXTY "12345")}},
        {"one over and binary", "FAIL1009", {FRAME(0x82, SIXTY "12345")}},
        {"exactly, in parts", "text(" SIXTY "1234)",
         {FRAME(0x01, SIXTY), FRAME(0x00, "123"), FRAME(0x80, "4")}},
        {"exactly and an empty part", "text(" SIXTY "1234)",
         {FRAME(0x01, SIXTY), FRAME(0x00, "1234"), FRAME(0x80, "")}},
        {"one over, in parts", "FAIL1009",
         {FRAME(0x01, SIXTY), FRAME(0x00, "123"), FRAME(0x80, "45")}},
        {"control frames do not count", "ping(" SIXTY ") text(" SIXTY "1234)",
         {FRAME(0x01, SIXTY), FRAME(0x89, SIXTY), FRAME(0x80, "1234")}},
        {"each message anew", "text(" SIXTY ") text(" SIXTY ")",
         {FRAME(0x81, SIXTY), FRAME(0x01, SIXTY), FRAME(0x80, "")}},
        {"over after one", "text(a) FAIL1009", {FRAME(0x81, "a"), FRAME(0x81, SIXTY FIVE)}},
        {"claimed only", "FAIL1009", {RAW("\x81\xc1\x01\x02\x03\x04")}},
        {"claimed, two bytes", "FAIL1009", {RAW("\x81\xfe\xff\xff\x01\x02\x03\x04")}},
        {"claimed, eight bytes", "FAIL1009",
         {RAW("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04")}},
        {"claimed by a later part", "FAIL1009",
         {FRAME(0x01, "a"), RAW("\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04")}},
        {"the rule about order goes first", "FAIL1002",
         {RAW("\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04")}},
    };

    check_vectors(vectors, UNIT_COUNT(vectors));
}
END_TEST

/* Greek text, then a character of four bytes. Pieces may end anywhere inside a character. */
static const char mixed[] = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf0\x9f\x98\x80!";

static bool is_boundary(size_t at)
{
    return ((unsigned char)mixed[at] & 0xc0) != 0x80;
}

START_TEST(a_character_may_be_spread_over_fragments_and_control_frames)
{
    tc_buf_t plain = TC_BUF_INIT, expected;
    size_t one, two, len = strlen(mixed);

    unit_append_frame(&plain, 0x81, mixed, len);
    expected = read_in_pieces(&plain, plain.len, plain.len, LIMIT);
    expected.data[expected.len - 1] = '\0';
    for (one = 0; one <= len; one++) {
        for (two = one; two <= len; two++) {
            tc_buf_t stream = TC_BUF_INIT;
            char transcript[256];

            unit_append_frame(&stream, 0x01, mixed, one);
            unit_append_frame(&stream, 0x8a, "\xff", 1);
            unit_append_frame(&stream, 0x00, mixed + one, two - one);
            unit_append_frame(&stream, 0x80, mixed + two, len - two);
            snprintf(transcript, sizeof(transcript), "pong(<ff>) %s", (char *)expected.data);
            check_stream("spread", &stream, LIMIT, transcript);
            tc_buf_free(&stream);
        }
    }
    tc_buf_free(&expected);
    tc_buf_free(&plain);
}
END_TEST

START_TEST(a_text_that_ends_inside_a_character_fails_and_a_binary_does_not)
{
    size_t cut, len = strlen(mixed);

    for (cut = 0; cut <= len; cut++) {
        int binary, parts;

        for (binary = 0; binary < 2; binary++) {
            for (parts = 0; parts < 2; parts++) {
                tc_buf_t stream = TC_BUF_INIT, got;
                bool failed;

                unit_append_frame(&stream, (unsigned)(parts ? 1 + binary : 0x81 + binary), mixed, cut);
                if (parts) {
                    unit_append_frame(&stream, 0x80, "", 0);
                }
                got = read_in_pieces(&stream, stream.len, stream.len, LIMIT);
                failed = memcmp(got.data, "FAIL1007", 8) == 0;
                ck_assert_msg(failed == (!binary && !is_boundary(cut)), "cut at %zu", cut);
                got.data[got.len - 1] = '\0';
                check_stream("truncated", &stream, LIMIT, (char *)got.data);
                tc_buf_free(&got);
                tc_buf_free(&stream);
            }
        }
    }
}
END_TEST

START_TEST(bytes_that_are_no_utf8_fail_a_text)
{
    static const vector_t vectors[] = {
        {"a lone continuation", "FAIL1007", {FRAME(0x81, "a\x80")}},
        {"an overlong slash", "FAIL1007", {FRAME(0x81, "\xc0\xaf")}},
        {"an overlong nul", "FAIL1007", {FRAME(0x81, "\xe0\x80\x80")}},
        {"a surrogate", "FAIL1007", {FRAME(0x81, "\xed\xa0\x80")}},
        {"beyond the last", "FAIL1007", {FRAME(0x81, "\xf4\x90\x80\x80")}},
        {"ff", "FAIL1007", {FRAME(0x81, "\xff")}},
        {"the same in parts", "FAIL1007", {FRAME(0x01, "\xed"), FRAME(0x80, "\xa0\x80")}},
        {"after a ping", "ping() FAIL1007", {FRAME(0x01, "\xce"), FRAME(0x89, ""), FRAME(0x80, "x")}},
        {"a second text", "text(<ce><ba>) FAIL1007", {FRAME(0x81, "\xce\xba"), FRAME(0x81, "\xba")}},
        {"a binary", "binary(<ff><c0>)", {FRAME(0x82, "\xff\xc0")}},
        {"a binary in parts, then a text", "binary(<ce>) text(x)",
         {FRAME(0x02, "\xce"), FRAME(0x80, ""), FRAME(0x81, "x")}},
        {"the last character there is", "text(<f4><8f><bf><bf>)", {FRAME(0x81, "\xf4\x8f\xbf\xbf")}},
        {"a nul", "text(<00>)", {FRAME(0x81, "\x00")}},
    };

    check_vectors(vectors, UNIT_COUNT(vectors));
}
END_TEST

/* The connection fails at the first byte that cannot be right, before the frame is complete. */
START_TEST(bad_text_fails_at_its_first_bad_byte)
{
    static const unsigned char text[] = "ok\xce\xba\xf4\x90 and a tail that never comes";
    const size_t header = 6, bad = 5;
    int first;

    for (first = 0x01; first <= 0x81; first += 0x80) {
        tc_buf_t stream = TC_BUF_INIT, transcript = TC_BUF_INIT;
        tc_reader_t reader;
        size_t i;

        unit_append_frame(&stream, (unsigned)first, text, sizeof(text));
        tc_reader_init(&reader, LIMIT);
        for (i = 0; i < header + bad; i++) {
            ck_assert(feed(&reader, stream.data + i, 1, &transcript));
        }
        ck_assert(!feed(&reader, stream.data + i, 1, &transcript));
        tc_reader_free(&reader);
        tc_buf_free(&transcript);
        tc_buf_free(&stream);
    }
}
END_TEST

/* No item waits for a byte of the next frame. */
START_TEST(each_item_comes_with_the_last_byte_of_its_frame)
{
    static const vector_t vector = {
        "", "", {FRAME(0x81, ""), FRAME(0x89, ""), FRAME(0x81, "abc"), FRAME(0x01, "x"),
                 FRAME(0x89, "p"), FRAME(0x80, ""), FRAME(0x88, "\x03\xe8")}};
    static const size_t ends[] = {6, 12, 21, 35, 41, 49};
    tc_buf_t stream = stream_of(&vector);
    tc_reader_t reader;
    size_t i, items = 0;

    tc_reader_init(&reader, LIMIT);
    for (i = 0; i < stream.len; i++) {
        tc_buf_t transcript = TC_BUF_INIT;

        ck_assert(feed(&reader, stream.data + i, 1, &transcript));
        if (transcript.len > 0) {
            ck_assert_uint_lt(items, UNIT_COUNT(ends));
            ck_assert_uint_eq(i + 1, ends[items++]);
        }
        tc_buf_free(&transcript);
    }
    ck_assert_uint_eq(items, UNIT_COUNT(ends));
    tc_reader_free(&reader);
    tc_buf_free(&stream);
}
END_TEST

START_TEST(memory_grows_with_what_came_not_with_what_was_claimed)
{
    static const unsigned char claim[] = "\x81\xff\x00\x00\x00\x00\x00\x10\x00\x00\x01\x02\x03\x04";
    const size_t limit = 0x100000;
    tc_buf_t transcript = TC_BUF_INIT;
    unsigned char byte = 'a' ^ 1;
    tc_reader_t reader;
    size_t came;

    tc_reader_init(&reader, limit);
    ck_assert(feed(&reader, claim, sizeof(claim) - 1, &transcript));
    ck_assert_uint_le(reader.message.size, 512);
    for (came = 1; came <= 4096; came++) {
        ck_assert(feed(&reader, &byte, 1, &transcript));
        ck_assert_uint_eq(reader.message.len, came);
        ck_assert_uint_le(reader.message.size, came < 256 ? 512 : 2 * came);
        byte = 'a' ^ (unsigned char)(came % 4 + 1);
    }
    ck_assert_uint_eq(transcript.len, 0);
    tc_reader_free(&reader);
    ck_assert_ptr_null(reader.message.data);
}
END_TEST

START_TEST(a_claim_over_the_limit_costs_no_memory)
{
    static const unsigned char claim[] = "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04";
    tc_buf_t transcript = TC_BUF_INIT;
    tc_reader_t reader;

    tc_reader_init(&reader, 1 << 20);
    ck_assert(!feed(&reader, claim, sizeof(claim) - 1, &transcript));
    ck_assert_uint_eq(reader.message.size, 0);
    ck_assert_uint_eq(reader.control.size, 0);
    tc_reader_free(&reader);
    tc_buf_free(&transcript);
}
END_TEST

START_TEST(between_messages_a_reader_is_idle_and_holds_nothing)
{
    tc_buf_t stream = TC_BUF_INIT, transcript = TC_BUF_INIT;
    tc_reader_t reader;
    size_t i;

    unit_append_frame(&stream, 0x01, "some", 4);
    unit_append_frame(&stream, 0x89, "ping", 4);
    unit_append_frame(&stream, 0x80, "thing", 5);
    tc_reader_init(&reader, LIMIT);
    ck_assert(tc_reader_is_idle(&reader));
    for (i = 0; i < stream.len; i++) {
        ck_assert(tc_reader_is_idle(&reader) == (i == 0));
        ck_assert(feed(&reader, stream.data + i, 1, &transcript));
    }
    ck_assert(tc_reader_is_idle(&reader));
    ck_assert_ptr_null(reader.message.data);
    ck_assert_ptr_null(reader.control.data);
    tc_reader_free(&reader);
    tc_buf_free(&transcript);
    tc_buf_free(&stream);
}
END_TEST

/* Compares a random stream of frames, cut at random, with the same stream in one piece. */
START_TEST(random_streams_read_the_same_however_they_are_cut)
{
    static const unsigned char firsts[] = {0x81, 0x82, 0x01, 0x02, 0x00, 0x80,
                                           0x88, 0x89, 0x8a, 0x81, 0x83};
    unit_random_t random = unit_random_of(1);
    int round;

    for (round = 0; round < 3000; round++) {
        tc_buf_t stream = TC_BUF_INIT, transcript = TC_BUF_INIT, whole;
        unsigned frames = 1 + unit_random_below(&random, 8);
        tc_reader_t reader;
        bool open = true;
        size_t at = 0;

        while (frames-- > 0) {
            unsigned first = firsts[unit_random_below(&random, sizeof(firsts))];

            unit_append_frame(&stream, first, mixed, unit_random_below(&random, sizeof(mixed)));
        }
        whole = read_in_pieces(&stream, stream.len, stream.len, LIMIT);
        tc_reader_init(&reader, LIMIT);
        unit_append_text(&transcript, "%s", "");
        while (at < stream.len && open) {
            size_t len = 1 + unit_random_below(&random, 9);

            len = len < stream.len - at ? len : stream.len - at;
            open = feed(&reader, stream.data + at, len, &transcript);
            at += len;
        }
        if (open && !tc_reader_is_idle(&reader)) {
            unit_append_text(&transcript, "...");
        }
        ck_assert_msg(strcmp((char *)whole.data, (char *)transcript.data) == 0,
                      "round %d: \"%s\" whole, \"%s\" in pieces", round, whole.data,
                      transcript.data);
        tc_reader_free(&reader);
        tc_buf_free(&whole);
        tc_buf_free(&transcript);
        tc_buf_free(&stream);
    }
}
END_TEST

/* Moves a reader that has read `len` bytes of the stream to one with another limit, and reads on there. */
static const char *moved(const tc_buf_t *stream, size_t len, size_t limit)
{
    static tc_buf_t transcript;
    tc_reader_t was, reader;

    transcript.len = 0;
    tc_reader_init(&was, LIMIT);
    tc_reader_init(&reader, limit);
    unit_append_text(&transcript, "%s", "");
    (void)feed(&was, stream->data, len, &transcript);
    tc_buf_append(&reader.message, was.message.data, was.drained ? 0 : was.message.len);
    tc_buf_append(&reader.control, was.control.data, was.control.len);
    if (!tc_reader_restore(&reader, &was)) {
        unit_append_text(&transcript, "refused");
    }
    else if (!feed(&reader, stream->data + len, stream->len - len, &transcript)) {
        unit_append_text(&transcript, "!");
    }
    ck_assert_uint_le(reader.message.len, LIMIT);
    tc_reader_free(&was);
    tc_reader_free(&reader);
    return (const char *)transcript.data;
}

/* Of ten bytes in two fragments, with a ping between them. */
START_TEST(a_reader_goes_on_for_another_and_never_beyond_its_own_limit)
{
    tc_buf_t stream = TC_BUF_INIT, whole;
    size_t len, limit, first_frame;

    unit_append_frame(&stream, 0x01, "abcdefgh", 8);
    first_frame = stream.len;
    unit_append_frame(&stream, 0x89, "p", 1);
    unit_append_frame(&stream, 0x80, "ij", 2);
    whole = read_in_pieces(&stream, stream.len, stream.len, LIMIT);
    for (len = 0; len < stream.len; len++) {
        ck_assert_str_eq(moved(&stream, len, 10), (char *)whole.data);
        for (limit = 0; limit < 10; limit++) {
            const char *seen = moved(&stream, len, limit);
            bool begun = len >= 6; /* its first header was read, so its eight bytes are on their way */

            ck_assert_msg(strstr(seen, "abcdefghij") == NULL, "%zu bytes, a limit of %zu: %s", len, limit, seen);
            ck_assert_msg(!begun || limit >= 8 || strstr(seen, "refused") != NULL, "%zu bytes, a limit of %zu: %s", len,
                          limit, seen);
        }
    }
    ck_assert_uint_lt(first_frame, stream.len);
    tc_buf_free(&whole);
    tc_buf_free(&stream);
}
END_TEST

START_TEST(control_frames_and_empty_fragments_are_counted)
{
    static const struct {
        unsigned first;
        size_t len;
        unsigned counts;
    } frames[] = {{0x01, 0, 1}, {0x89, 5, 1}, {0x00, 0, 1}, {0x00, 1, 0}, {0x8a, 0, 1}, {0x80, 0, 0}, {0x81, 1, 0}, {0x82, 0, 0}};
    tc_buf_t stream = TC_BUF_INIT, transcript = TC_BUF_INIT;
    unsigned counted = 0;
    tc_reader_t reader;
    size_t i;

    tc_reader_init(&reader, LIMIT);
    for (i = 0; i < UNIT_COUNT(frames); i++) {
        stream.len = 0;
        unit_append_frame(&stream, frames[i].first, "xxxxx", frames[i].len);
        ck_assert(feed(&reader, stream.data, stream.len, &transcript));
        counted += frames[i].counts;
        ck_assert_uint_eq(reader.empty_frames, counted);
    }
    tc_reader_free(&reader);
    tc_buf_free(&stream);
    tc_buf_free(&transcript);
}
END_TEST

UNIT_MAIN("reader", messages_and_control_frames_come_as_they_were_sent,
          fragments_are_put_together_and_control_frames_pass_between_them,
          what_breaks_the_fragmentation_rules_fails, what_breaks_the_header_rules_fails,
          every_first_byte_is_judged_with_a_message_begun_and_without,
          a_control_frame_may_have_125_bytes, each_form_of_the_length_is_read,
          a_message_may_be_as_long_as_the_limit_and_no_longer,
          a_character_may_be_spread_over_fragments_and_control_frames,
          a_text_that_ends_inside_a_character_fails_and_a_binary_does_not,
          bytes_that_are_no_utf8_fail_a_text, bad_text_fails_at_its_first_bad_byte,
          each_item_comes_with_the_last_byte_of_its_frame,
          memory_grows_with_what_came_not_with_what_was_claimed,
          a_claim_over_the_limit_costs_no_memory,
          between_messages_a_reader_is_idle_and_holds_nothing,
          random_streams_read_the_same_however_they_are_cut,
          a_reader_goes_on_for_another_and_never_beyond_its_own_limit,
          control_frames_and_empty_fragments_are_counted)
