/* Negotiates permessage-deflate. RFC 7692, 5 and 7.1; RFC 6455, 9.1. See deflate.h. */
#include "codec/deflate.h"

#include "codec/tchar.h"

#include <stdio.h>
#include <strings.h>

#define NAME "permessage-deflate"
#define BITS_LEAST 8
#define BITS_MOST 15

/* A name or a value in the field: where it begins, and its length. */
typedef struct {
    const char *text;
    size_t len;
} word_t;

/* The parameters of an offer. */
typedef struct {
    bool is_good;      /* the offer is permessage-deflate, and every parameter is known and stands once */
    bool server_no_context, client_no_context, has_client_bits;
    unsigned server_bits; /* 0: the offer does not say */
} offer_t;

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t");
}

static const char *read_word(const char *at, word_t *word)
{
    word->text = at;
    word->len = strspn(at, TC_TCHARS);
    return skip_space(at + word->len);
}

static bool is(const word_t *word, const char *name)
{
    return word->len == strlen(name) && strncasecmp(word->text, name, word->len) == 0;
}

/* A value may stand in quotes; between them, too, it must be a token (RFC 6455, 9.1). */
static const char *read_value(const char *at, word_t *value)
{
    bool quoted = *at == '"';

    at = read_word(at + quoted, value);
    if (quoted) {
        at = *at == '"' && at == value->text + value->len ? skip_space(at + 1) : NULL;
    }
    return value->len > 0 ? at : NULL;
}

/* Reads a number from 8 to 15 without a leading zero (RFC 7692, 7.1.2.1). Returns 0 for anything else. */
static unsigned read_bits(const word_t *value)
{
    unsigned bits = 0;
    size_t i;

    for (i = 0; i < value->len && i < 2 && value->text[i] >= '0' && value->text[i] <= '9'; i++) {
        bits = bits * 10 + (unsigned)(value->text[i] - '0');
    }
    return i == value->len && value->text[0] != '0' && bits >= BITS_LEAST && bits <= BITS_MOST ? bits : 0;
}

static bool set_flag(bool *flag, const word_t *value)
{
    bool good = !*flag && value->len == 0;

    *flag = true;
    return good;
}

/* Adds a parameter to the offer. Returns false if it is unknown, has a bad value, or stands there twice. */
static bool take_parameter(offer_t *offer, const word_t *name, const word_t *value)
{
    if (is(name, "server_no_context_takeover")) {
        return set_flag(&offer->server_no_context, value);
    }
    if (is(name, "client_no_context_takeover")) {
        return set_flag(&offer->client_no_context, value);
    }
    if (is(name, "client_max_window_bits")) {
        bool good = !offer->has_client_bits && (value->len == 0 || read_bits(value) > 0);

        offer->has_client_bits = true;
        return good;
    }
    if (is(name, "server_max_window_bits")) {
        bool good = offer->server_bits == 0 && read_bits(value) > 0;

        offer->server_bits = read_bits(value);
        return good;
    }
    return false;
}

/* Reads one offer, up to its comma or the end of the field. Returns NULL if the field is malformed. */
static const char *read_offer(const char *at, offer_t *offer)
{
    word_t name, value;

    at = read_word(skip_space(at), &name);
    memset(offer, 0, sizeof(*offer));
    offer->is_good = is(&name, NAME);
    while (at != NULL && *at == ';') {
        at = read_word(skip_space(at + 1), &name);
        value = (word_t){"", 0};
        if (*at == '=') {
            at = read_value(skip_space(at + 1), &value);
        }
        offer->is_good = at != NULL && name.len > 0 && take_parameter(offer, &name, &value) && offer->is_good;
    }
    return at != NULL && (*at == ',' || *at == '\0') ? at : NULL;
}

void tc_deflate_negotiate(const char *offers, bool keeps, tc_deflate_terms_t *terms,
                          char answer[TC_DEFLATE_ANSWER_BYTES])
{
    offer_t offer = {.is_good = false};
    char bits[48] = "";

    *terms = (tc_deflate_terms_t){0, false};
    *answer = '\0';
    while (offers != NULL && !offer.is_good && (offers = read_offer(offers, &offer)) != NULL) {
        if (*offers == '\0') {
            break;
        }
        offers++;
    }
    if (offers == NULL || !offer.is_good) {
        return;
    }
    terms->server_bits = (uint8_t)(offer.server_bits ? offer.server_bits : BITS_MOST);
    terms->client_keeps = keeps && !offer.client_no_context;
    if (offer.server_bits > 0) {
        snprintf(bits, sizeof(bits), "; server_max_window_bits=%u", offer.server_bits);
    }
    snprintf(answer, TC_DEFLATE_ANSWER_BYTES, NAME "; server_no_context_takeover%s%s",
             terms->client_keeps ? "" : "; client_no_context_takeover", bits);
}
