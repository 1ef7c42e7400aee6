/*
 * codec/origin: a list allows an origin exactly when the origin is of the host itself, or when one entry allows it.
 * Order and case do not matter. An origin that is allowed has a scheme and no path. Its host is the entry's host, or
 * below the entry's host if the entry has a star. An entry that is an origin allows itself. An entry with a star
 * allows what is below it.
 *
 * Input: lines: the origin, the host that the request names (empty: none), and the entries of the list.
 */
#include "fuzz.h"

#include "codec/origin.h"

#include <ctype.h>
#include <strings.h>

#define ENTRIES_MAX 8

const char fuzz_name[] = "origin";

typedef struct {
    const char *origin;
    const char *host;                  /* NULL: the request names none */
    const char *list[ENTRIES_MAX + 1]; /* the entries that the configuration accepts, then NULL */
    size_t count;
} input_t;

static void read_input(char *text, input_t *in)
{
    const char *entry;

    memset(in, 0, sizeof(*in));
    in->origin = strsep(&text, "\n");
    in->host = strsep(&text, "\n");
    if (in->host != NULL && *in->host == '\0') {
        in->host = NULL;
    }
    while (text != NULL && in->count < ENTRIES_MAX) {
        entry = strsep(&text, "\n");
        if (tc_origin_check_pattern(entry) == NULL) {
            in->list[in->count++] = entry;
        }
    }
}

static bool one_allows(const char *origin, const char *entry)
{
    const char *const list[] = {entry, NULL};

    return tc_origin_is_allowed(origin, NULL, list);
}

/* The host, behind the scheme if there is one. *len is its length without the port. The text is well formed. */
static const char *host_of(const char *place, size_t *len)
{
    const char *behind = strstr(place, "://"), *host = behind ? behind + 3 : place;
    const char *close = *host == '[' ? strchr(host, ']') : NULL;
    const char *colon = strchr(close ? close : host, ':');

    *len = colon ? (size_t)(colon - host) : strlen(host);
    return host;
}

static void check_entry(const char *origin, const char *entry)
{
    size_t len, wanted_len;
    const char *host = host_of(origin, &len), *wanted = host_of(entry, &wanted_len);

    if (strcmp(entry, "*") == 0) {
        FUZZ_REQUIRE(one_allows(origin, entry));
        return;
    }
    if (!one_allows(origin, entry)) {
        return;
    }
    FUZZ_REQUIRE(strstr(origin, "://") > origin && strpbrk(host, "/?#@ \t") == NULL);
    if (*wanted == '*') {
        wanted++;
        wanted_len--;
        FUZZ_REQUIRE(len > wanted_len);
        host += len - wanted_len;
        len = wanted_len;
    }
    FUZZ_REQUIRE(len == wanted_len && strncasecmp(host, wanted, len) == 0);
}

/* Makes an origin that the entry must allow: with a scheme, and with a host's first label instead of the star. */
static void check_itself(const char *entry)
{
    const char *star = strchr(entry, '*'), *rest = star ? star + 1 : entry;
    tc_buf_t origin = TC_BUF_INIT;

    if (strcmp(entry, "*") == 0) {
        return;
    }
    if (strstr(entry, "://") == NULL) {
        TC_BUF_LIT(&origin, "https://");
    }
    if (star != NULL) {
        tc_buf_append(&origin, entry, (size_t)(star - entry));
        TC_BUF_LIT(&origin, "www");
    }
    tc_buf_append(&origin, rest, strlen(rest) + 1);
    FUZZ_REQUIRE(one_allows((char *)origin.data, entry));
    tc_buf_free(&origin);
}

static void upcase(char *text)
{
    for (; *text != '\0'; text++) {
        *text = (char)toupper((unsigned char)*text);
    }
}

static void check_list(const input_t *in)
{
    bool allowed = tc_origin_is_allowed(in->origin, in->host, in->list);
    bool expected = tc_origin_is_allowed(in->origin, in->host, NULL);
    const char *turned[ENTRIES_MAX + 1] = {NULL};
    char *upper = fuzz_string(in->origin, strlen(in->origin));
    size_t i;

    for (i = 0; i < in->count; i++) {
        check_entry(in->origin, in->list[i]);
        check_itself(in->list[i]);
        expected = one_allows(in->origin, in->list[i]) || expected;
        turned[i] = in->list[in->count - 1 - i];
    }
    upcase(upper);
    FUZZ_REQUIRE(allowed == expected);
    FUZZ_REQUIRE(tc_origin_is_allowed(upper, in->host, turned) == allowed);
    free(upper);
}

/* An origin that is allowed without a list has the host of the request. The ports may differ. */
static void check_host(const input_t *in)
{
    size_t len, asked_len;
    const char *host = host_of(in->origin, &len), *asked;

    if (in->host != NULL && tc_origin_is_allowed(in->origin, in->host, NULL)) {
        asked = host_of(in->host, &asked_len);
        FUZZ_REQUIRE(len == asked_len && strncasecmp(host, asked, len) == 0);
    }
    FUZZ_REQUIRE(!tc_origin_is_allowed(in->origin, NULL, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    input_t in;

    read_input(text, &in);
    check_list(&in);
    check_host(&in);
    free(text);
    return 0;
}
