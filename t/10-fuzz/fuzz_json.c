/*
 * codec/json against a grammar of this file, which is written from RFC 8259. Both accept the same texts, whatever
 * json-c accepts. Both find the same texts too deep, or no object, or with a key twice. A string in UTF-8 that is
 * written is read back unchanged.
 *
 * Input: a JSON text.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "codec/json.h"
#include "codec/utf8.h"

#include <errno.h>
#include <math.h>

#define KEYS_MAX 64 /* when there are more, double keys are not compared */

const char fuzz_name[] = "json";

/* Where the grammar is in the text, and what it has found so far. When `failed` is set, the rest means nothing. */
typedef struct {
    const char *at, *end;
    bool failed;
    bool unsure;       /* a number is near the greatest double */
    bool nul_key;      /* a key contains U+0000 */
    int deepest;       /* the most levels of values */
    int outer_count;   /* keys of the outer object */
    int key_count;     /* of all objects */
    int object_count;
    bool escaped_keys; /* a key has escapes, so that its bytes cannot be compared */
    const char *keys[KEYS_MAX];
    size_t key_lens[KEYS_MAX];
    int objects[KEYS_MAX]; /* the number of the object that has the key */
} grammar_t;

static bool next_is(grammar_t *g, char c)
{
    return g->at < g->end && *g->at == c;
}

static bool accept(grammar_t *g, char c)
{
    bool there = next_is(g, c);

    g->at += there;
    return there;
}

static void expect(grammar_t *g, char c)
{
    g->failed = !accept(g, c) || g->failed;
}

static void skip_space(grammar_t *g)
{
    while (accept(g, ' ') || accept(g, '\t') || accept(g, '\n') || accept(g, '\r')) {
    }
}

static bool accept_digit(grammar_t *g)
{
    bool there = g->at < g->end && *g->at >= '0' && *g->at <= '9';

    g->at += there;
    return there;
}

static void expect_digits(grammar_t *g)
{
    g->failed = !accept_digit(g) || g->failed;
    while (accept_digit(g)) {
    }
}

/* The C library says whether a number is out of range. Near the greatest double, the scanner may say either. */
static void check_range(grammar_t *g, const char *from, bool whole)
{
    char *text = strndup(from, (size_t)(g->at - from));
    double number;

    FUZZ_REQUIRE(text != NULL);
    errno = 0;
    number = whole ? 0 : fabs(strtod(text, NULL));
    if (whole) {
        (void)strtoll(text, NULL, 10);
    }
    g->failed = (whole && errno == ERANGE) || number > 1.7971e308 || g->failed;
    g->unsure = number > 1.7969e308 || g->unsure;
    free(text);
}

/* RFC 8259, 6. */
static void number(grammar_t *g)
{
    const char *from = g->at;
    bool whole;

    (void)accept(g, '-');
    if (!accept(g, '0')) {
        expect_digits(g);
    }
    whole = !next_is(g, '.') && !next_is(g, 'e') && !next_is(g, 'E');
    if (accept(g, '.')) {
        expect_digits(g);
    }
    if (accept(g, 'e') || accept(g, 'E')) {
        (void)(accept(g, '+') || accept(g, '-'));
        expect_digits(g);
    }
    if (!g->failed) {
        check_range(g, from, whole);
    }
}

/* What follows a backslash. Returns the number of a \uXXXX, and 1 for other escapes. */
static unsigned escape(grammar_t *g)
{
    char hex[5] = "";
    size_t i;

    if (!accept(g, 'u')) {
        g->failed = g->at == g->end || *g->at == '\0' || !strchr("\"\\/bfnrt", *g->at) || g->failed;
        g->at += g->at < g->end;
        return 1;
    }
    for (i = 0; i < 4 && g->at < g->end; i++) {
        hex[i] = *g->at++;
    }
    g->failed = strspn(hex, "0123456789abcdefABCDEF") != 4 || g->failed;
    return (unsigned)strtoul(hex, NULL, 16);
}

/* RFC 8259, 7. *plain is set for a string without escapes, *nul for a string with an escaped U+0000. */
static void string(grammar_t *g, bool *plain, bool *nul)
{
    *plain = true;
    *nul = false;
    expect(g, '"');
    while (!g->failed && !accept(g, '"')) {
        g->failed = g->at == g->end || (unsigned char)*g->at < 0x20;
        if (!g->failed && *g->at++ == '\\') {
            unsigned unit = escape(g);

            *plain = false;
            *nul = unit == 0 || *nul;
            if (unit >= 0xd800 && unit < 0xe000) {
                unsigned second = unit < 0xdc00 && accept(g, '\\') ? escape(g) : 1;

                g->failed = second < 0xdc00 || second > 0xdfff || g->failed;
            }
        }
    }
}

static void word(grammar_t *g, const char *expected)
{
    while (*expected != '\0') {
        expect(g, *expected++);
    }
}

static void value(grammar_t *g, int level);

static void key(grammar_t *g, int level, int object)
{
    const char *from = g->at;
    bool plain, nul;

    string(g, &plain, &nul);
    g->nul_key = g->nul_key || nul;
    g->escaped_keys = g->escaped_keys || !plain;
    if (g->key_count < KEYS_MAX) {
        g->keys[g->key_count] = from;
        g->key_lens[g->key_count] = (size_t)(g->at - from);
        g->objects[g->key_count] = object;
    }
    g->key_count++;
    g->outer_count += level == 1;
    skip_space(g);
    expect(g, ':');
}

/* RFC 8259, 4 and 5. Objects and arrays differ in the keys alone. */
static void container(grammar_t *g, int level, char close, bool with_keys)
{
    int object = g->object_count++;

    skip_space(g);
    if (accept(g, close)) {
        return;
    }
    do {
        skip_space(g);
        if (with_keys) {
            key(g, level, object);
        }
        value(g, level + 1);
    } while (!g->failed && accept(g, ','));
    expect(g, close);
}

static void value(grammar_t *g, int level)
{
    bool plain, nul;

    if (level > g->deepest) {
        g->deepest = level;
    }
    skip_space(g);
    if (g->failed) {
        return;
    }
    if (accept(g, '{')) {
        container(g, level, '}', true);
    }
    else if (accept(g, '[')) {
        container(g, level, ']', false);
    }
    else if (next_is(g, '"')) {
        string(g, &plain, &nul);
    }
    else if (next_is(g, 't') || next_is(g, 'f') || next_is(g, 'n')) {
        word(g, next_is(g, 't') ? "true" : next_is(g, 'f') ? "false" : "null");
    }
    else {
        number(g);
    }
    skip_space(g);
}

static bool has_key_twice(const grammar_t *g)
{
    int i, j;

    for (i = 0; i < g->key_count; i++) {
        for (j = 0; j < i; j++) {
            if (g->objects[i] == g->objects[j] && g->key_lens[i] == g->key_lens[j]
                && memcmp(g->keys[i], g->keys[j], g->key_lens[i]) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void check_parse(const char *text, size_t len)
{
    grammar_t g = {.at = text, .end = text + len};
    json_object *object = NULL;
    tc_json_status_e status = tc_json_parse_object(text, len, TC_JSON_MAX_DEPTH, len, &object);
    bool is_object;

    FUZZ_REQUIRE((object != NULL) == (status == TC_JSON_OK));
    skip_space(&g);
    is_object = next_is(&g, '{');
    value(&g, 1);
    if (g.unsure) {
        FUZZ_REQUIRE(status != TC_JSON_TOO_MANY);
    }
    else if (g.failed || g.at != g.end || g.nul_key || !tc_utf8_is_valid(text, len)) {
        /* A text may be both. Either status is right. */
        FUZZ_REQUIRE(status == TC_JSON_BROKEN || status == TC_JSON_TOO_DEEP);
    }
    else if (g.deepest > TC_JSON_MAX_DEPTH) {
        FUZZ_REQUIRE(status == TC_JSON_TOO_DEEP);
    }
    else if (!is_object) {
        FUZZ_REQUIRE(status == TC_JSON_NOT_OBJECT);
    }
    else if (g.escaped_keys || g.key_count > KEYS_MAX) {
        FUZZ_REQUIRE(status == TC_JSON_OK || status == TC_JSON_DOUBLED);
    }
    else {
        FUZZ_REQUIRE(status == (has_key_twice(&g) ? TC_JSON_DOUBLED : TC_JSON_OK));
    }
    FUZZ_REQUIRE(object == NULL || json_object_object_length(object) == g.outer_count);
    tc_json_free(object);
}

static void check_string(const char *text, size_t len)
{
    tc_buf_t buf = TC_BUF_INIT;
    json_object *object = NULL;
    const char *got;
    size_t got_len;
    bool present;

    TC_BUF_LIT(&buf, "{\"s\":");
    tc_json_append_string(&buf, text, len);
    TC_BUF_LIT(&buf, "}");
    if (!tc_utf8_is_valid(text, len)) {
        FUZZ_REQUIRE(tc_json_parse_object((char *)buf.data, buf.len, 2, 3, &object) == TC_JSON_BROKEN);
        tc_buf_free(&buf);
        return;
    }
    FUZZ_REQUIRE(tc_json_parse_object((char *)buf.data, buf.len, 2, 3, &object) == TC_JSON_OK);
    got = tc_json_get_string(object, "s", &got_len, &present);
    FUZZ_REQUIRE(got != NULL && got_len == len && memcmp(got, text, len) == 0);
    tc_json_free(object);
    tc_buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_parse((const char *)data, size);
    check_string((const char *)data, size);
    return 0;
}
