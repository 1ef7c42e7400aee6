/*
 * codec/reader, and codec/close with the Close frames that the reader finds. A stream gives the same items in one
 * piece, in pieces of any size, and byte by byte. Each item comes with the last byte of its frame, and all three ways
 * end in the same verdict. No item is longer than allowed, each text is UTF-8, and a reader between two messages
 * holds no memory. RFC 6455, 5.2 to 5.6.
 *
 * Input: a byte with the limit of a message; four bytes with the sizes of pieces, which take turns; the stream.
 */
#include "fuzz.h"

#include "codec/close.h"
#include "codec/reader.h"

#define PIECES 4
#define HEAD (1 + PIECES)
#define REASON_MAX_BYTES 123 /* RFC 6455, 5.5.1: 125 less the two bytes of the code */
#define BUF_FIRST_BYTES 256  /* the first size of a tc_buf_t */

const char fuzz_name[] = "reader";

/* How a stream was read: the transcript has the items, one after the other, and the verdict. */
typedef struct {
    tc_reader_t reader;
    size_t limit;      /* of a message, in bytes */
    size_t read_bytes; /* in the pieces before this one */
    tc_buf_t transcript;
} run_t;

static void note(run_t *run, const char *what, unsigned number, size_t at, const void *data,
                 size_t len)
{
    const size_t numbers[] = {number, at, len};

    tc_buf_append_str(&run->transcript, what);
    tc_buf_append(&run->transcript, numbers, sizeof(numbers));
    tc_buf_append(&run->transcript, data, len);
}

/* A Close payload is encoded again as it was read. A payload that breaks the rules has a close code to fail with. */
static void check_close(const tc_read_item_t *item)
{
    unsigned error = 0, again_error = 0, code = tc_close_decode(item->data, item->len, &error);
    unsigned char payload[TC_CONTROL_MAX_BYTES];
    size_t reason_len = item->len > 2 ? item->len - 2 : 0, len;
    char *reason;

    if (code == 0) {
        FUZZ_REQUIRE(error == TC_CLOSE_PROTOCOL || error == TC_CLOSE_BAD_DATA);
        return;
    }
    reason = fuzz_string(item->data + (item->len - reason_len), reason_len);
    len = tc_close_encode(code, reason, payload);
    FUZZ_REQUIRE(len <= item->len && (len == 0 || memcmp(payload, item->data, len) == 0));
    FUZZ_REQUIRE(tc_close_decode(payload, len, &again_error) == code && again_error == 0);
    free(reason);
}

static void check_item(const run_t *run, tc_read_e got, const tc_read_item_t *item)
{
    if (got == TC_READ_MESSAGE) {
        FUZZ_REQUIRE(item->opcode == TC_OPCODE_TEXT || item->opcode == TC_OPCODE_BINARY);
        FUZZ_REQUIRE(item->len <= run->limit);
        FUZZ_REQUIRE(item->opcode == TC_OPCODE_BINARY || fuzz_is_utf8(item->data, item->len));
        return;
    }
    FUZZ_REQUIRE(item->opcode >= TC_OPCODE_CLOSE && item->opcode <= TC_OPCODE_PONG);
    FUZZ_REQUIRE(item->len <= TC_CONTROL_MAX_BYTES);
    if (item->opcode == TC_OPCODE_CLOSE) {
        check_close(item);
    }
}

static void check_failure(const tc_read_item_t *item)
{
    FUZZ_REQUIRE(item->close_code == TC_CLOSE_PROTOCOL || item->close_code == TC_CLOSE_BAD_DATA
                 || item->close_code == TC_CLOSE_TOO_BIG);
    FUZZ_REQUIRE(item->why != NULL && strlen(item->why) <= REASON_MAX_BYTES);
}

/* Memory grows with what has come, and is freed with the message. */
static void check_memory(const run_t *run)
{
    const tc_reader_t *reader = &run->reader;

    FUZZ_REQUIRE(reader->message.len <= run->limit);
    FUZZ_REQUIRE(reader->message.size <= BUF_FIRST_BYTES || reader->message.size <= 2 * run->limit);
    FUZZ_REQUIRE(!tc_reader_is_idle(reader)
                 || (reader->message.data == NULL && reader->control.data == NULL));
}

/* Feeds one piece. False when the stream has failed. */
static bool feed(run_t *run, const uint8_t *data, size_t len)
{
    unsigned char *piece = fuzz_copy(data, len), *pos = piece, *end = piece + len;
    tc_read_item_t item;
    tc_read_e got;

    while ((got = tc_reader_next(&run->reader, &pos, end, &item)) == TC_READ_MESSAGE
           || got == TC_READ_CONTROL) {
        check_item(run, got, &item);
        note(run, "item", item.opcode, run->read_bytes + (size_t)(pos - piece), item.data, item.len);
    }
    if (got == TC_READ_FAIL) {
        check_failure(&item);
        note(run, "fail", item.close_code, 0, item.why, strlen(item.why));
    }
    else {
        FUZZ_REQUIRE(pos == end);
        check_memory(run);
    }
    free(piece);
    run->read_bytes += len;
    return got != TC_READ_FAIL;
}

/* Reads the stream in pieces of these sizes. The first piece is one byte longer, so that sizes of 0 end too. */
static tc_buf_t read_stream(const uint8_t *stream, size_t len, size_t limit,
                            const size_t sizes[PIECES])
{
    run_t run = {.limit = limit, .transcript = TC_BUF_INIT};
    size_t at = 0, i, here;
    bool open = true;

    tc_reader_init(&run.reader, limit);
    for (i = 0; open && at < len; i++) {
        here = sizes[i % PIECES] + (i % PIECES == 0);
        here = here < len - at ? here : len - at;
        open = feed(&run, stream + at, here);
        at += here;
    }
    if (open) {
        note(&run, "open", tc_reader_is_idle(&run.reader), 0, NULL, 0);
    }
    tc_reader_free(&run.reader);
    return run.transcript;
}

static void require_same(tc_buf_t *got, const tc_buf_t *expected)
{
    FUZZ_REQUIRE(got->len == expected->len && memcmp(got->data, expected->data, got->len) == 0);
    tc_buf_free(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t bytes[PIECES] = {0, 1, 1, 1};
    size_t whole_size[PIECES] = {size}, sizes[PIECES], i;
    tc_buf_t whole, pieces;

    if (size < HEAD) {
        return 0;
    }
    for (i = 0; i < PIECES; i++) {
        sizes[i] = data[1 + i];
    }
    whole = read_stream(data + HEAD, size - HEAD, data[0], whole_size);
    pieces = read_stream(data + HEAD, size - HEAD, data[0], sizes);
    require_same(&pieces, &whole);
    pieces = read_stream(data + HEAD, size - HEAD, data[0], bytes);
    require_same(&pieces, &whole);
    tc_buf_free(&whole);
    return 0;
}
