/* See message.h. */
#include "tcload/message.h"
#include "common/util.h"

#include <string.h>

/* The content: STAMP, the send time in ns as 16 hex digits, padding. */
#define STAMP           "tcl "
#define STAMP_BYTES     (sizeof(STAMP) - 1)
#define STAMP_DIGITS    ((size_t)16)

/* The client_id: tc<run 8>-<connection 6>-<slot 4>-<number 8>, all in hex digits. */
#define CLIENT_ID_BYTES 31
#define RUN_BYTES       11      /* the part that is the same for the whole run */
#define CONN_AT         11
#define SLOT_AT         18
#define NUMBER_AT       23

static void put_hex(char *at, uint64_t value, size_t digits)
{
    while (digits > 0) {
        at[--digits] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

/* Reads exactly `digits` lower-case hex digits; false when there is anything else. */
static bool get_hex(const char *at, size_t digits, uint64_t *value)
{
    uint64_t v = 0;

    for (size_t i = 0; i < digits; i++) {
        unsigned char ch = (unsigned char)at[i];

        if (ch >= '0' && ch <= '9')
            v = v << 4 | (uint64_t)(ch - '0');
        else if (ch >= 'a' && ch <= 'f')
            v = v << 4 | (uint64_t)(ch - 'a' + 10);
        else
            return false;
    }
    *value = v;
    return true;
}

size_t message_content_bytes(size_t payload_bytes)
{
    return payload_bytes < STAMP_BYTES + STAMP_DIGITS ? STAMP_BYTES + STAMP_DIGITS : payload_bytes;
}

void message_init(message_t *m, uint32_t run_id, size_t payload_bytes)
{
    static const char head[] = "{\"type\":\"chat_message\",\"content\":\"" STAMP;
    static const char middle[] = "\",\"message_type\":\"text\",\"client_id\":\"";
    size_t pad = message_content_bytes(payload_bytes) - STAMP_BYTES - STAMP_DIGITS;
    char *p = m->text = zeroed(sizeof(head) + sizeof(middle) + pad + STAMP_DIGITS + CLIENT_ID_BYTES + 8, 1);

    p = mempcpy(p, head, sizeof(head) - 1);
    m->stamp_at = (size_t)(p - m->text);
    p += STAMP_DIGITS;
    for (size_t i = 0; i < pad; i++)
        *p++ = i % 8 == 0 ? ' ' : (char)('a' + i % 8);
    if (pad && p[-1] == ' ')
        p[-1] = 'z';
    p = mempcpy(p, middle, sizeof(middle) - 1);
    m->id_at = (size_t)(p - m->text);
    put_hex(mempcpy(p, "tc", 2), run_id, 8);
    p[CONN_AT - 1] = p[SLOT_AT - 1] = p[NUMBER_AT - 1] = '-';
    p = mempcpy(p + CLIENT_ID_BYTES, "\"}", 2);
    m->len = (size_t)(p - m->text);
}

void message_stamp(message_t *m, uint64_t sent_ns, const message_id_t *id)
{
    char *at = m->text + m->id_at;

    put_hex(m->text + m->stamp_at, sent_ns, STAMP_DIGITS);
    put_hex(at + CONN_AT, id->conn, 6);
    put_hex(at + SLOT_AT, id->slot, 4);
    put_hex(at + NUMBER_AT, id->number, 8);
}

bool message_read_stamp(const char *v, const char *end, uint64_t *sent_ns)
{
    return v && (size_t)(end - v) > 1 + STAMP_BYTES + STAMP_DIGITS && memcmp(v + 1, STAMP, STAMP_BYTES) == 0
        && get_hex(v + 1 + STAMP_BYTES, STAMP_DIGITS, sent_ns);
}

bool message_is_ours(const message_t *m, const char *v, const char *end)
{
    return v && end - v >= CLIENT_ID_BYTES + 2 && v[0] == '"' && memcmp(v + 1, m->text + m->id_at, RUN_BYTES) == 0;
}

bool message_read_id(const char *v, message_id_t *id)
{
    uint64_t conn, slot, number;

    if (!get_hex(v + 1 + CONN_AT, 6, &conn) || !get_hex(v + 1 + SLOT_AT, 4, &slot)
        || !get_hex(v + 1 + NUMBER_AT, 8, &number))
        return false;
    *id = (message_id_t){ (uint32_t)conn, (uint32_t)slot, (uint32_t)number };
    return true;
}
