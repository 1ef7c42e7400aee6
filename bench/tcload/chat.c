/* See chat.h. */
#include "tcload/chat.h"
#include "common/util.h"
#include "tcload/conn.h"
#include "tcload/json.h"
#include "tcload/traffic.h"

#include <stdio.h>
#include <string.h>

#define MAX_RETRY_S 5u
#define TAIL_BYTES  ((size_t)128)

/* The seq mostly stands where it stood in the frame before, so that place is looked at first. */
static const char *find_seq(bench_t *b, const char *p, size_t n, bool is_sender)
{
    static const char key[] = "\"seq\":";
    size_t *hint = &b->seq_hint[is_sender], key_len = sizeof(key) - 1;
    const char *v;

    if (*hint + key_len < n && memcmp(p + *hint - key_len, key, key_len) == 0)
        return p + *hint;
    v = json_value(p, n, key, key_len);
    if (v && (size_t)(v - p) >= key_len)
        *hint = (size_t)(v - p);
    return v;
}

/* The connection's own slot that a client_id names. NULL: the message is not ours, or not outstanding any more. */
static slot_t *find_slot(bench_t *b, conn_t *c, const char *v, const char *end)
{
    slot_t *slot = NULL;
    message_id_t id;

    if (!message_is_ours(&b->message, v, end))
        return NULL;
    if (message_read_id(v, &id) && id.conn == c->index)
        slot = sender_find(c->sender, id.slot, id.number);
    if (!slot)
        b->senders.n_stray++;
    return slot;
}

static void on_echo(bench_t *b, conn_t *c, const char *p, size_t n)
{
    sender_t *s = c->sender;
    slot_t *slot = find_slot(b, c, JSON_VALUE(p, n, "client_id"), p + n);

    if (!slot)
        return;
    sender_release(&b->senders, s, slot);
    s->n_acked++;
    b->counts.n_acked++;
    if (b->is_measuring && b->opt.mode == MODE_INGEST)
        hist_add(&b->latency, now_ns() - slot->sent_ns);
    if (b->opt.n_messages && s->n_acked >= b->opt.n_messages)
        sender_finish(&b->senders, s);
}

/* One delivery in --sample on average, at random intervals, so that no member and no room is preferred. */
static void sample_latency(bench_t *b, const char *p, size_t n)
{
    uint64_t sent_ns;

    if (b->sample_left-- > 0)
        return;
    b->sample_left = b->opt.sample > 1 ? next_random(&b->rng) % (2 * b->opt.sample - 1) : 0;
    if (message_read_stamp(JSON_VALUE(p, n, "content"), p + n, &sent_ns))
        hist_add(&b->latency, now_ns() - sent_ns);
}

static void on_event(bench_t *b, conn_t *c, const char *p, size_t n, bool is_edit)
{
    uint64_t seq;

    if (c->state != ST_LIVE) {
        if (c->state == ST_HISTORY)
            conn_fail(b, c, "event before the history");
        return;
    }
    if (!json_uint(find_seq(b, p, n, c->sender != NULL), p + n, &seq)) {
        conn_fail(b, c, "event without seq");
        return;
    }
    order_check(&b->order, &c->track, seq);
    b->last_delivery_ns = b->loop_ns;
    if (is_edit) {
        b->n_edits++;
        return;
    }
    b->counts.n_deliveries++;
    if (c->sender)
        on_echo(b, c, p, n);
    if (b->is_measuring && b->opt.mode == MODE_FANOUT)
        sample_latency(b, p, n);
}

static void on_history(bench_t *b, conn_t *c, const char *p, size_t n)
{
    size_t tail = n < TAIL_BYTES ? n : TAIL_BYTES;
    const char *v = JSON_VALUE(p + n - tail, tail, "last_seq"); /* most likely behind the list, which may be long */
    uint64_t last_seq;

    if (c->state != ST_HISTORY) {
        if (c->state == ST_LIVE)
            conn_fail(b, c, "a second history");
        return;
    }
    if (!v)
        v = JSON_VALUE(p, n, "last_seq");
    if (!json_uint(v, p + n, &last_seq)) {
        conn_fail(b, c, "history without last_seq");
        return;
    }
    c->state = ST_LIVE;
    b->n_handshaking--;
    b->n_live++;
    b->counts.n_connects++;
    order_begin(&b->order, &c->track, last_seq);
    if (b->is_measuring && (b->opt.mode == MODE_CONNECT || b->opt.mode == MODE_RECONNECT))
        hist_add(&b->latency, now_ns() - c->since_ns);
    if (b->opt.mode == MODE_CONNECT)
        conn_close(b, c);
}

static void read_code(const char *v, const char *end, char *code, size_t cap)
{
    const char *q = v && *v == '"' ? memchr(v + 1, '"', (size_t)(end - v - 1)) : NULL;

    if (q)
        snprintf(code, cap, "%.*s", (int)(q - v - 1), v + 1);
    else
        snprintf(code, cap, "no code");
}

/* Errors are counted by code. The message that the error names is no longer outstanding, and its sender waits. */
static void on_error(bench_t *b, conn_t *c, const char *p, size_t n)
{
    const char *end = p + n;
    uint64_t after_s = 0, wait_ns = PAUSE_NS;
    char code[48];
    slot_t *slot;

    read_code(JSON_VALUE(p, n, "code"), end, code, sizeof(code));
    reasons_add(&b->errors, code);
    if (!c->sender)
        return;
    slot = find_slot(b, c, JSON_VALUE(p, n, "client_id"), end);
    if (slot)
        sender_release(&b->senders, c->sender, slot);
    if (json_uint(JSON_VALUE(p, n, "retry_after"), end, &after_s) && after_s > 0)
        wait_ns = (after_s > MAX_RETRY_S ? MAX_RETRY_S : after_s) * NS_PER_S;
    traffic_pause(b, c, wait_ns);
}

void chat_on_text(bench_t *b, conn_t *c, const char *p, size_t n)
{
    const char *v = JSON_VALUE(p, n, "type"), *end = p + n;

    if (json_is(v, end, "chat_message"))
        on_event(b, c, p, n, false);
    else if (json_is(v, end, "message_history"))
        on_history(b, c, p, n);
    else if (json_is(v, end, "message_edited"))
        on_event(b, c, p, n, true);
    else if (json_is(v, end, "error"))
        on_error(b, c, p, n);
    else
        b->n_other++;
}
