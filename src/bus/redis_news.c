/* News of the bus thread for the loop. See redis_news.h. */
#include "bus/redis_news.h"

#include "base/alloc.h"
#include "base/metrics.h"
#include "bus/redis_order.h"
#include "domain/typing.h"

#include <stdlib.h>

typedef enum { NEWS_JOINED, NEWS_EVENT, NEWS_HEAD, NEWS_TYPING, NEWS_STATE } news_e;

typedef struct {
    tc_mail_t mail; /* stands first */
    news_e what;
    tc_redis_door_t *door;
    tc_uuid_t room_id;
    int64_t seq;            /* HEAD */
    tc_event_t *event;      /* EVENT: the news' own reference */
    tc_blob_t *frame;       /* TYPING: the news' own reference */
    tc_bus_state_e state;   /* STATE */
    char user_id[];         /* TYPING */
} news_t;

static void discard(news_t *news)
{
    tc_event_unref(news->event);
    tc_blob_unref(news->frame);
    free(news);
}

/* Loop. */
static void deliver_news(tc_mail_t *mail, void *context)
{
    news_t *news = (news_t *)mail;
    tc_redis_exchange_t *exchange = news->door->exchange;
    const tc_site_t *site = news->door->site;

    (void)context;
    tc_redis_note_mail(&exchange->incoming, TC_L_WAY_IN, false);
    switch (news->what) {
    case NEWS_JOINED:
        tc_hub_on_bus_joined(exchange->hub, site, &news->room_id);
        break;
    case NEWS_EVENT:
        tc_hub_on_bus_event(exchange->hub, site, &news->room_id, news->event);
        break;
    case NEWS_HEAD:
        tc_hub_on_bus_head(exchange->hub, site, &news->room_id, news->seq);
        break;
    case NEWS_TYPING:
        tc_hub_on_bus_typing(exchange->hub, site, &news->room_id, news->user_id, news->frame);
        break;
    case NEWS_STATE:
        tc_hub_on_bus_state(exchange->hub, &news->door->bus, news->state,
                            tc_loop_now_us(exchange->loop));
        break;
    }
    discard(news);
}

static news_t *make(news_e what, tc_redis_door_t *door, const tc_uuid_t *room_id,
                         const char *user_id)
{
    size_t size = user_id ? strlen(user_id) + 1 : 0;
    news_t *news = tc_alloc_zero(sizeof(*news) + size);

    news->mail.deliver = deliver_news;
    news->what = what;
    news->door = door;
    if (room_id != NULL) {
        news->room_id = *room_id;
    }
    if (user_id != NULL) {
        memcpy(news->user_id, user_id, size);
    }
    return news;
}

static void post(news_t *news)
{
    tc_redis_exchange_t *exchange = news->door->exchange;

    tc_redis_note_mail(&exchange->incoming, TC_L_WAY_IN, true);
    if (!tc_loop_post(exchange->loop, &news->mail)) {
        tc_redis_note_mail(&exchange->incoming, TC_L_WAY_IN, false);
        discard(news);
    }
}

void tc_redis_news_joined(tc_redis_door_t *door, const tc_uuid_t *room_id)
{
    post(make(NEWS_JOINED, door, room_id, NULL));
}

void tc_redis_news_state(tc_redis_door_t *door, bool is_up)
{
    news_t *news = make(NEWS_STATE, door, NULL, NULL);

    news->state = is_up ? TC_BUS_UP : TC_BUS_DOWN;
    post(news);
}

static bool read_event(news_t *news, const tc_envelope_t *envelope)
{
    tc_event_kind_e kind =
        envelope->kind == TC_ENVELOPE_MESSAGE ? TC_EVENT_MESSAGE : TC_EVENT_EDIT;
    tc_envelope_event_t body;
    bool good = tc_envelope_decode_event(envelope, &news->room_id, &body);

    if (good) {
        news->event = tc_event_wrap(kind, envelope->seq, &body.message_id, body.object,
                                    body.object_len, &body.message);
    }
    tc_envelope_event_free(&body);
    return good;
}

/* Makes news of an envelope; NULL when the envelope is not valid for a room. */
static news_t *read_news(const tc_envelope_t *envelope, tc_redis_door_t *door,
                         const tc_uuid_t *room_id)
{
    tc_envelope_typing_t typing;
    news_t *news = NULL;

    switch (envelope->kind) {
    case TC_ENVELOPE_MESSAGE:
    case TC_ENVELOPE_EDIT:
        news = make(NEWS_EVENT, door, room_id, NULL);
        if (!read_event(news, envelope)) {
            discard(news);
            news = NULL;
        }
        break;
    case TC_ENVELOPE_HEAD:
        news = make(NEWS_HEAD, door, room_id, NULL);
        news->seq = envelope->seq;
        break;
    case TC_ENVELOPE_TYPING:
        if (tc_envelope_decode_typing(envelope, &typing)) {
            news = make(NEWS_TYPING, door, room_id, typing.user_id);
            news->frame = tc_typing_frame(typing.user_id, typing.user_email, typing.is_typing);
        }
        tc_envelope_typing_free(&typing);
        break;
    case TC_ENVELOPE_BEAT:
    case TC_ENVELOPE_SPENT:
        break;
    }
    return news;
}

bool tc_redis_news_envelope(tc_redis_door_t *door, const tc_uuid_t *room_id, const tc_envelope_t *envelope)
{
    news_t *news = read_news(envelope, door, room_id);

    if (news == NULL) {
        return false;
    }
    post(news);
    return true;
}
