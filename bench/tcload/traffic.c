/* See traffic.h. */
#include "tcload/traffic.h"
#include "common/util.h"
#include "common/ws.h"
#include "tcload/conn.h"

#define RATE_WINDOW 4096u       /* most messages that a paced sender has outstanding */

void traffic_init(bench_t *b)
{
    uint32_t n_slots = b->opt.rate > 0 ? RATE_WINDOW : b->opt.window;

    b->sender_conns = zeroed(b->n_conns, sizeof(conn_t *));
    if (!options_sends(&b->opt))
        return;
    /* conn_start() makes the first n_rooms connections member 0 of each room. */
    for (uint32_t i = 0; i < b->n_conns && (b->opt.all_senders || i < b->opt.n_rooms); i++) {
        b->sender_conns[b->senders.n] = &b->conns[i];
        b->conns[i].sender = sender_create(&b->senders, n_slots);
    }
}

static void send_message(bench_t *b, conn_t *c)
{
    uint32_t at = sender_take(&b->senders, c->sender);
    const slot_t *slot = &c->sender->slots[at];

    message_stamp(&b->message, slot->sent_ns, &(message_id_t){ c->index, at, slot->number });
    conn_append_frame(b, c, OP_TEXT, b->message.text, b->message.len);
    b->n_sent++;
}

static bool may_send(const bench_t *b, const conn_t *c)
{
    const sender_t *s = c->sender;

    return b->is_sending && c->state == ST_LIVE && s->n_free > 0 && !s->paused
        && (b->opt.n_messages == 0 || s->n_acked + sender_inflight(s) < b->opt.n_messages);
}

void traffic_fill(bench_t *b, conn_t *c)
{
    if (b->opt.rate > 0)
        return;
    while (may_send(b, c))
        send_message(b, c);
}

void traffic_start(bench_t *b)
{
    uint64_t start = now_ns();

    b->loop_ns = b->last_delivery_ns = start;
    b->is_sending = true;
    if (b->opt.rate > 0) {
        b->pace_step_ns = (uint64_t)(1e9 / (b->opt.rate * b->senders.n));
        b->pace_step_ns = b->pace_step_ns ? b->pace_step_ns : 1;
        b->pace_next_ns = start;
        return;
    }
    for (uint32_t i = 0; i < b->senders.n; i++) {
        traffic_fill(b, b->sender_conns[i]);
        conn_flush(b, b->sender_conns[i]);
    }
}

/* A message is due every pace_step_ns. The rooms take turns, so that they do not all send at once. */
void traffic_pace(bench_t *b)
{
    uint64_t now;

    if (!b->is_sending || b->opt.rate <= 0)
        return;
    now = now_ns();
    if (b->pace_next_ns + NS_PER_S < now) { /* a second behind: the machine, not the server, is too slow */
        uint64_t n = (now - b->pace_next_ns) / b->pace_step_ns;

        b->n_skipped += n;
        b->pace_next_ns += n * b->pace_step_ns;
    }
    for (; b->pace_next_ns <= now; b->pace_next_ns += b->pace_step_ns) {
        conn_t *c = b->sender_conns[b->pace_at];

        b->pace_at = (b->pace_at + 1) % b->senders.n;
        if (may_send(b, c)) {
            send_message(b, c);
            conn_flush(b, c);
        }
        else if (!c->sender->done) {
            b->n_skipped++;
        }
    }
}

void traffic_pause(bench_t *b, conn_t *c, uint64_t ns)
{
    if (c->sender->paused)
        return;
    c->sender->paused = true;
    conn_pause(b, c, ns);
}

void traffic_resume(bench_t *b, conn_t *c)
{
    c->sender->paused = false;
    traffic_fill(b, c);
    conn_flush(b, c);
}
