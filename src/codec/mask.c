/* Masks tokens in text. See mask.h. */
#include "codec/mask.h"

#include "base/hex.h"

#include <string.h>
#include <strings.h>

#define MASK "***"
#define MASK_LEN (sizeof(MASK) - 1)

#define GAP " \t" /* within a field */
#define BLANKS GAP "\r\n\v\f"
#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define TRAILING ")]}>'\",;:."        /* belongs to the sentence around a token, not to the token */
#define BEHIND_SCHEME GAP ",:=\"'"   /* between the scheme of an Authorization field and a token */
#define BEHIND_BEARER GAP ".,:=+\"'" /* between `bearer` and a token, elsewhere */
#define OBJECT_MIN_LEN 8             /* of base64url that is a JSON object with a member */

typedef enum { LOOK, SHORTEN, COVER } action_e;

typedef struct {
    char *text;
    size_t len;
    action_e action;
    bool escaped; /* the text is a line of an error log: \n, \", \\, \x1b */
    bool found;
    size_t written, kept; /* SHORTEN: text[0] to text[written - 1] is done, and text[kept] is the next to be kept */
    size_t no_object_before; /* up to here, no place begins a web token */
} masker_t;

static bool is_in(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static inline bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* ---- reading ---- */

/* The character of an escape in an error log, which begins at `at` with a backslash. */
static char read_escape(const masker_t *masker, size_t at, size_t *len)
{
    static const char escapes[] = "b\bn\nr\rt\tv\v";
    const char *known = at + 1 < masker->len ? strchr(escapes, masker->text[at + 1]) : NULL;

    *len = at + 1 < masker->len ? 2 : 1;
    if (known != NULL && (known - escapes) % 2 == 0 && *known != '\0') {
        return known[1];
    }
    return *len == 2 && masker->text[at + 1] == 'x' ? '\x01' : '\\'; /* which control character it is does not matter */
}

/*
 * The character at `at`, with percent-encoding removed as often as it was applied: "%2574" is "%74" is "t". `len` is
 * how long the character is in the text. A text in a text (a URL as a parameter) is read like that, too.
 */
static char read_char(const masker_t *masker, size_t at, size_t *len)
{
    char c = masker->text[at];

    if (masker->escaped && c == '\\') {
        return read_escape(masker, at, len);
    }
    *len = 1;
    while (c == '%' && at + *len + 1 < masker->len && tc_hex_value(masker->text[at + *len]) >= 0
           && tc_hex_value(masker->text[at + *len + 1]) >= 0) {
        c = (char)(tc_hex_value(masker->text[at + *len]) * 16 + tc_hex_value(masker->text[at + *len + 1]));
        *len += 2;
    }
    return c;
}

/* True if the text at `at` is `word`, in any case and encoded or not. `end` is then behind it. `word` is lower case. */
static bool reads(const masker_t *masker, size_t at, const char *word, size_t *end)
{
    size_t len = 0;

    for (; *word != '\0'; word++, at += len) {
        char c = '\0';

        if (at < masker->len) {
            c = read_char(masker, at, &len);
        }
        if (c != *word && (c < 'A' || c > 'Z' || (c | 0x20) != *word)) {
            return false;
        }
    }
    *end = at;
    return true;
}

/* Skips characters of the set, encoded or not. */
static size_t skip(const masker_t *masker, size_t at, const char *set)
{
    size_t len;

    while (at < masker->len && is_in(read_char(masker, at, &len), set)) {
        at += len;
    }
    return at;
}

/* True if a control character stands at `at` that an error log writes as an escape. */
static bool is_control(const masker_t *masker, size_t at)
{
    size_t len;

    return masker->escaped && masker->text[at] == '\\' && read_escape(masker, at, &len) != '\\';
}

/* Where a value ends that began at `at`: before one of `stops`, without what belongs to the text around it. */
static size_t end_of_value(const masker_t *masker, size_t at, const char *stops)
{
    size_t end = at;

    while (end < masker->len && !is_in(masker->text[end], stops) && !is_control(masker, end)) {
        end += masker->escaped && masker->text[end] == '\\' ? 2 : 1; /* only a backslash is left: two of them */
    }
    end = end < masker->len ? end : masker->len;
    while (end > at && is_in(masker->text[end - 1], TRAILING)) {
        end--;
    }
    return end;
}

/* ---- writing ---- */

/* True of no text, too. */
static bool is_masked(const masker_t *masker, size_t at, size_t end)
{
    while (at < end && masker->text[at] == '*') {
        at++;
    }
    return at == end;
}

/* SHORTEN: keeps the text before `until` as it is. Each character is moved once, however many masks stand before it. */
static void keep(masker_t *masker, size_t until)
{
    memmove(masker->text + masker->written, masker->text + masker->kept, until - masker->kept);
    masker->written += until - masker->kept;
    masker->kept = until;
}

/* Masks text[at] to text[end - 1]. Returns where reading goes on: no rule looks at what stands before that. */
static size_t mask(masker_t *masker, size_t at, size_t end)
{
    size_t stars = end - at < MASK_LEN ? end - at : MASK_LEN;

    if (is_masked(masker, at, end)) {
        return end;
    }
    masker->found = true;
    if (masker->action == COVER) {
        memset(masker->text + at, '*', end - at);
    }
    if (masker->action == SHORTEN) {
        keep(masker, at);
        memset(masker->text + masker->written, '*', stars);
        masker->written += stars;
        masker->kept = end;
    }
    return end;
}

/* SHORTEN: ends the text behind what is kept. It can be read from its beginning then. */
static void finish(masker_t *masker)
{
    if (masker->action == SHORTEN) {
        keep(masker, masker->len);
        masker->len = masker->written;
        masker->text[masker->len] = '\0';
        masker->written = masker->kept = 0;
    }
}

/* ---- the rules. Each looks at `at`, and returns where reading goes on; `at`: the rule does not apply. ---- */

/* `token` and `access_token`, at the beginning of a name. */
static size_t mask_parameter(masker_t *masker, size_t at)
{
    static const char *const names[] = {"token=", "access_token="};
    size_t i, value;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (reads(masker, at, names[i], &value)) {
            return mask(masker, value, end_of_value(masker, value, BLANKS "&"));
        }
    }
    return at;
}

/* The challenge of a response (RFC 6750, 3) has one of these behind "bearer". */
static bool is_challenge(const masker_t *masker, size_t at)
{
    size_t ignored;

    return reads(masker, at, "realm=", &ignored) || reads(masker, at, "error=", &ignored)
           || reads(masker, at, "scope=", &ignored);
}

/* In running text, the word behind "bearer" may be one of a sentence. */
static bool is_prose(const masker_t *masker, size_t at, size_t end)
{
    while (at < end && is_in(masker->text[at], LETTERS)) {
        at++;
    }
    return at == end;
}

static size_t mask_bearer(masker_t *masker, size_t at)
{
    size_t word, value, end;

    if (!reads(masker, at, "bearer", &word)) {
        return at;
    }
    value = skip(masker, word, BEHIND_BEARER);
    if (value == word) {
        return at;
    }
    if (is_challenge(masker, value)) {
        return word; /* before the end is looked for: other challenges may follow up to there */
    }
    end = end_of_value(masker, value, BLANKS ",&\"'");
    return is_prose(masker, value, end) ? word : mask(masker, value, end);
}

/* The beginning of a part of a token: the base64url of a JSON object. Returns the end of the part, or `at`. */
static size_t end_of_object(const masker_t *masker, size_t at)
{
    size_t end = at;

    if (at + 1 >= masker->len || masker->text[at] != 'e' || !is_in(masker->text[at + 1], "yw")) {
        return at;
    }
    while (end < masker->len && is_in(masker->text[end], BASE64URL)) {
        end++;
    }
    return end - at >= OBJECT_MIN_LEN ? end : at;
}

/*
 * Two objects with a dot between them, and what follows. If they do not begin here, they begin nowhere in the same run of
 * base64url: what stands behind the run is the same. A run is read once, however often "ey" stands in it.
 */
static size_t mask_web_token(masker_t *masker, size_t at)
{
    size_t head = at < masker->no_object_before ? at : end_of_object(masker, at), claims, end;

    if (head == at) {
        return at;
    }
    if (!reads(masker, head, ".", &claims) || (end = end_of_object(masker, claims)) == claims) {
        masker->no_object_before = head;
        return at;
    }
    while (end < masker->len && is_in(masker->text[end], BASE64URL ".%=")) {
        end++;
    }
    return mask(masker, at, end);
}

static bool is_one_of(const masker_t *masker, size_t at, size_t end, const char *const *names)
{
    size_t behind;

    for (; *names != NULL; names++) {
        if (reads(masker, at, *names, &behind) && behind == end) {
            return true;
        }
    }
    return false;
}

/* A word that is no known scheme may be the token itself, so it is masked with what follows. */
static size_t mask_credentials(masker_t *masker, size_t at, const char *stops)
{
    static const char *const others[] = {"basic", "digest", "negotiate", "ntlm", NULL};
    static const char *const schemes[] = {"bearer", "token", "jwt", "dpop", NULL};
    size_t word = skip(masker, at, GAP "\"'"), end = word, value;

    while (end < masker->len && is_in(masker->text[end], BASE64URL)) {
        end++;
    }
    if (is_one_of(masker, word, end, others)) {
        return end;
    }
    value = skip(masker, end, BEHIND_SCHEME);
    if (value == end || value == masker->len) {
        return mask(masker, word, end_of_value(masker, word, stops));
    }
    at = is_one_of(masker, word, end, schemes) ? value : word;
    return mask(masker, at, end_of_value(masker, value, stops));
}

/* A subprotocol that announces that the next one is a token. */
static bool announces(const masker_t *masker, size_t at, size_t end)
{
    static const char *const names[] = {"bearer", "token", "access_token", "jwt", "auth", "authorization", NULL};

    return is_one_of(masker, at, end, names);
}

/* Masks the token of "bearer.<token>" and its like. `end` is where the subprotocol ends. */
static size_t mask_protocol(masker_t *masker, size_t at, size_t end)
{
    static const char *const names[] = {"bearer", "token", "access_token", "jwt"};
    size_t from, i, word, value;

    for (from = at; from < end; from++) {
        for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            bool begins = from == at || !is_name_char(masker->text[from - 1]);

            if (!begins || !reads(masker, from, names[i], &word) || word >= end) {
                continue;
            }
            value = skip(masker, word, "-" BEHIND_BEARER);
            if (value > word && value < end) {
                return mask(masker, value, end);
            }
        }
    }
    return end;
}

static size_t mask_protocols(masker_t *masker, size_t at)
{
    bool announced = false;

    while ((at = skip(masker, at, GAP TRAILING)) < masker->len) {
        size_t end = end_of_value(masker, at, BLANKS ",\"'");
        bool next = announces(masker, at, end);

        if (end == at) {
            break; /* the line of the field ends */
        }
        at = announced ? mask(masker, at, end) : mask_protocol(masker, at, end);
        announced = next && !announced;
    }
    return at;
}

/* In running text: a field with its name, as httpd, mod_http2 and mod_dumpio trace it. */
static size_t mask_named_field(masker_t *masker, size_t at)
{
    size_t behind, value;

    if (reads(masker, at, "authorization", &behind)) {
        value = skip(masker, behind, "\"':=");
        return value > behind ? mask_credentials(masker, value, BLANKS ",") : at;
    }
    if (reads(masker, at, "sec-websocket-protocol", &behind)) {
        value = skip(masker, behind, "\"':=");
        return value > behind ? mask_protocols(masker, value) : at;
    }
    return at;
}

/* True if a rule may apply where these two characters stand. Every line of a log is read here, so this must be quick. */
static inline bool may_begin(char first, char second)
{
    if (second == '%') {
        return true;
    }
    switch (first | 0x20) {
    case 't':
        return (second | 0x20) == 'o';
    case 'a':
        return (second | 0x20) == 'c' || (second | 0x20) == 'u';
    case 'b':
    case 's':
        return (second | 0x20) == 'e';
    case 'e':
        return second == 'y' || second == 'w';
    default:
        return false;
    }
}

/* The rules that apply where the letter `c` stands. */
static size_t mask_here(masker_t *masker, size_t at, char c, bool begins)
{
    size_t next = at;

    switch (c | 0x20) {
    case 't':
        return begins ? mask_parameter(masker, at) : at;
    case 'a':
        next = begins ? mask_parameter(masker, at) : at;
        return next == at ? mask_named_field(masker, at) : next;
    case 's':
        return mask_named_field(masker, at);
    case 'b':
        return mask_bearer(masker, at);
    case 'e':
        return mask_web_token(masker, at);
    default:
        return at;
    }
}

static void mask_text(masker_t *masker, size_t at)
{
    bool begins = true; /* a name may begin here */

    while (at + 1 < masker->len) { /* no rule applies to a single character */
        size_t len = 1, next = at;
        char c = masker->text[at];

        if (c == '%' || c == '\\') {
            c = read_char(masker, at, &len);
            next = mask_here(masker, at, c, begins);
        }
        else if (may_begin(c, masker->text[at + 1])) {
            next = mask_here(masker, at, c, begins);
        }
        begins = next != at || !is_name_char(c);
        at = next != at ? next : at + len;
    }
}

/* ---- the interface ---- */

static bool run(tc_mask_kind_e kind, char *text, size_t len, action_e action)
{
    masker_t masker = {.text = text, .len = len, .action = action, .escaped = action == COVER};
    size_t at = 0;

    if (kind == TC_MASK_CREDENTIALS) {
        at = mask_credentials(&masker, 0, "");
    }
    if (kind == TC_MASK_PROTOCOLS) {
        (void)mask_protocols(&masker, 0);
        finish(&masker);
    }
    mask_text(&masker, at);
    finish(&masker);
    return masker.found;
}

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);

    return len >= end_len && strcasecmp(name + len - end_len, end) == 0;
}

tc_mask_kind_e tc_mask_kind_of(const char *name)
{
    if (ends_with(name, "authorization") || strcasecmp(name, "token") == 0 || strcasecmp(name, "access_token") == 0) {
        return TC_MASK_CREDENTIALS;
    }
    return ends_with(name, "sec-websocket-protocol") || ends_with(name, "sec_websocket_protocol")
               ? TC_MASK_PROTOCOLS : TC_MASK_TEXT;
}

bool tc_mask_finds(tc_mask_kind_e kind, const char *text)
{
    return text != NULL && run(kind, (char *)text, strlen(text), LOOK); /* which only reads */
}

void tc_mask_shorten(tc_mask_kind_e kind, char *text)
{
    (void)run(kind, text, strlen(text), SHORTEN);
}

void tc_mask_line(char *line, size_t len)
{
    (void)run(TC_MASK_TEXT, line, len, COVER);
}
