/*
 * What it costs to mask tokens. See mask.h. A client sends hundreds of KB in the fields of one request, so the cost must
 * grow with the length of a text, and not with its square.
 */
#include "unit.h"

#include "base/hex.h"

#include <string.h>

static size_t steps;

static int counted_hex_value(char c)
{
    steps++;
    return tc_hex_value(c);
}

/* Counts each character that is compared, decoded or moved. The functions have other names than those that are linked. */
#define strchr(text, c) (steps++, strchr(text, c))
#define memmove(to, from, len) (steps += (len), memmove(to, from, len))
#define tc_hex_value counted_hex_value
#define tc_mask_kind_of counted_kind_of
#define tc_mask_finds counted_finds
#define tc_mask_shorten counted_shorten
#define tc_mask_line counted_line
#include "codec/mask.c" /* with these */
#undef strchr
#undef memmove
#undef tc_hex_value

#define LONG_CHARS 4000
#define STEPS_A_CHAR 50 /* at most */

/* Counts for all kinds and actions. The text has room for LONG_CHARS and a NUL. */
static void check_cost(const char *text)
{
    size_t len = strlen(text);
    int kind;

    for (kind = TC_MASK_TEXT; kind <= TC_MASK_PROTOCOLS; kind++) {
        char *copy = (char *)unit_copy(text, len + 1);

        steps = 0;
        (void)tc_mask_finds((tc_mask_kind_e)kind, copy);
        ck_assert_msg(steps <= STEPS_A_CHAR * len, "%zu steps to look at %zu of %.80s", steps, len, text);
        steps = 0;
        tc_mask_shorten((tc_mask_kind_e)kind, copy);
        ck_assert_msg(steps <= STEPS_A_CHAR * len, "%zu steps to shorten %zu of %.80s", steps, len, text);
        free(copy);
    }
}

static void check_cost_of_line(const char *text)
{
    size_t len = strlen(text);
    char *copy = (char *)unit_copy(text, len);

    steps = 0;
    tc_mask_line(copy, len);
    ck_assert_msg(steps <= STEPS_A_CHAR * len, "%zu steps to cover %zu of %.80s", steps, len, text);
    free(copy);
}

/* Writes the piece again and again, up to `len` characters. */
static void repeat(char *text, const char *piece, size_t len)
{
    size_t at = strlen(text);

    for (; at + strlen(piece) <= len; at += strlen(piece)) {
        memcpy(text + at, piece, strlen(piece) + 1);
    }
}

START_TEST(the_cost_grows_with_the_length_alone)
{
    static const char *const pieces[] = {"ey", "eyAAAAAA", "eyAAAAAA.", "eyAAAAAA.ey.", "bearer", "bearer.", "bearer realm=",
                                         "bearer=error=", "token=SECR&", "token=&", "token=;", "Bearer S,", "authorization:",
                                         "authorization: basic ", "authorization: , ", "sec-websocket-protocol: ",
                                         "sec-websocket-protocol: bearer-,", "bearer-, ", "jwt%2E", "token%25", "25", "%25",
                                         "t%25", "%2E", "a%", "\\", "\\n", ".", ",", "*", "eyAAAAAA.eyAAAAAA.A "};
    unit_random_t random = unit_random_of(11);
    char text[LONG_CHARS + 1];
    size_t i;

    for (i = 0; i < UNIT_COUNT(pieces) + 300; i++) {
        char piece[256] = "";
        size_t more = i < UNIT_COUNT(pieces) ? 0 : unit_random_below(&random, 4);

        strcpy(text, i < UNIT_COUNT(pieces) ? "" : pieces[unit_random_below(&random, UNIT_COUNT(pieces))]);
        strcat(piece, i < UNIT_COUNT(pieces) ? pieces[i] : pieces[unit_random_below(&random, UNIT_COUNT(pieces))]);
        while (more-- > 0) {
            strcat(piece, pieces[unit_random_below(&random, UNIT_COUNT(pieces))]);
        }
        repeat(text, piece, LONG_CHARS);
        check_cost(text);
        check_cost_of_line(text);
    }
}
END_TEST

/* The rule for a web token as it is meant: each place is tried on its own. Returns where a token ends; `at`: none begins. */
static size_t end_of_web_token(const char *text, size_t at)
{
    size_t head = strspn(text + at, BASE64URL), claims = 0;
    bool dotted = text[at + head] == '.';

    if (dotted) {
        claims = strspn(text + at + head + 1, BASE64URL);
    }
    if (strncmp(text + at, "ey", 2) != 0 || head < OBJECT_MIN_LEN || claims < OBJECT_MIN_LEN
        || strncmp(text + at + head + 1, "ey", 2) != 0) {
        return at;
    }
    return at + strspn(text + at, BASE64URL ".%=");
}

START_TEST(each_web_token_is_found_among_parts_of_some)
{
    static const char *const pieces[] = {"ey", "ey", "e", "A", "AAAAAA", "eyAAAAAA", ".", ".", " ", "=", "-"};
    unit_random_t random = unit_random_of(13);
    size_t found = 0;
    int i;

    for (i = 0; i < 50000; i++) {
        char text[128] = "", wanted[128], *copy;
        unsigned left = unit_random_below(&random, 14);
        size_t at, end, len = 0;

        while (left-- > 0) {
            strcat(text, pieces[unit_random_below(&random, UNIT_COUNT(pieces))]);
        }
        for (at = 0; text[at] != '\0'; at = end) {
            end = end_of_web_token(text, at);
            if (end > at) {
                memcpy(wanted + len, MASK, MASK_LEN);
                len += MASK_LEN;
                found++;
            }
            else {
                wanted[len++] = text[end++];
            }
        }
        wanted[len] = '\0';
        copy = (char *)unit_copy(text, strlen(text) + 1);
        tc_mask_shorten(TC_MASK_TEXT, copy);
        ck_assert_msg(strcmp(copy, wanted) == 0, "%s became %s, not %s", text, copy, wanted);
        free(copy);
    }
    ck_assert_uint_gt(found, 1000);
}
END_TEST

UNIT_MAIN("The cost of masks", the_cost_grows_with_the_length_alone, each_web_token_is_found_among_parts_of_some)
