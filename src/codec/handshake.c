/* Checks the fields of an opening handshake. RFC 6455, 4.2.1 and 4.2.2. See handshake.h. */
#include "codec/handshake.h"

#include "codec/tchar.h"

#include <apr_base64.h>
#include <apr_sha1.h>
#include <string.h>
#include <strings.h>

#define KEY_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */
#define KEY_CHARS 24
#define BEARER_PREFIX "bearer."
#define NAME_CHARS 64 /* the name of a subprotocol has no more; a token has more */

static bool is_token_char(char c)
{
    return c != '\0' && strchr(TC_TCHARS, c) != NULL;
}

/*
 * Steps through a comma-separated list of tokens (RFC 9110, 5.6.1). Returns false at the end of the list, or where no
 * token stands; then *broken is set. A protocol (RFC 9110, 7.8) may have a version behind a slash.
 */
static bool next_token(const char **at, const char **token, size_t *len, bool *broken)
{
    const char *p = *at;

    while (*p == ' ' || *p == '\t' || *p == ',') {
        p++;
    }
    *token = p;
    while (is_token_char(*p) || (*p == '/' && p > *token && is_token_char(p[1]))) {
        p++;
    }
    *len = (size_t)(p - *token);
    while (*p == ' ' || *p == '\t') {
        p++;
    }
    *at = p;
    if (*p != '\0' && *p != ',') {
        *broken = true;
        return false;
    }
    return *len > 0;
}

/* True if the list is well formed and one of its tokens is `wanted`, in upper or lower case. */
static bool list_has(const char *list, const char *wanted)
{
    const char *token;
    size_t len;
    bool broken = false, found = false;

    if (list == NULL) {
        return false;
    }
    while (next_token(&list, &token, &len, &broken)) {
        found = found || (len == strlen(wanted) && strncasecmp(token, wanted, len) == 0);
    }
    return found && !broken;
}

/* A key is 16 bytes in base64 (RFC 6455, 4.1): 22 digits and "==". Only two bits of the last digit are used. */
static bool is_key(const char *key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t i;

    if (key == NULL || strlen(key) != KEY_CHARS || strcmp(key + 22, "==") != 0) {
        return false;
    }
    for (i = 0; i < 22; i++) {
        if (strchr(digits, key[i]) == NULL) {
            return false;
        }
    }
    return strchr("AQgw", key[21]) != NULL;
}

static void make_accept(const char *key, char *accept)
{
    unsigned char digest[APR_SHA1_DIGESTSIZE];
    apr_sha1_ctx_t sha1;

    apr_sha1_init(&sha1);
    apr_sha1_update(&sha1, key, KEY_CHARS);
    apr_sha1_update(&sha1, KEY_GUID, sizeof(KEY_GUID) - 1);
    apr_sha1_final(digest, &sha1);
    apr_base64_encode_binary(accept, digest, sizeof(digest));
}

static bool may_be_secret(const char *token, size_t len)
{
    return len > NAME_CHARS || (len >= sizeof(BEARER_PREFIX) - 1 && memcmp(token, BEARER_PREFIX, sizeof(BEARER_PREFIX) - 1) == 0);
}

/* Remembers an offer that could be answered with. */
static void note_other(tc_handshake_out_t *out, const char *token, size_t len)
{
    if (out->other == NULL || (may_be_secret(out->other, out->other_len) && !may_be_secret(token, len))) {
        out->other = token;
        out->other_len = len;
    }
}

/* Looks for the chat's subprotocol and for a token. Returns false if the field is not a list of tokens. */
static bool read_protocols(const char *list, tc_handshake_out_t *out)
{
    const size_t prefix = sizeof(BEARER_PREFIX) - 1;
    const char *token;
    size_t len;
    bool broken = false;

    while (list != NULL && next_token(&list, &token, &len, &broken)) {
        if (len == strlen(TC_HANDSHAKE_SUBPROTOCOL)
            && memcmp(token, TC_HANDSHAKE_SUBPROTOCOL, len) == 0) {
            out->subprotocol = true;
        }
        else if (len > prefix && memcmp(token, BEARER_PREFIX, prefix) == 0) {
            out->bearer = token + prefix;
            out->bearer_len = len - prefix;
        }
        note_other(out, token, len);
    }
    if (out->subprotocol) {
        out->other = NULL;
        out->other_len = 0;
    }
    return !broken;
}

static void refuse(tc_handshake_out_t *out, int status, const char *why)
{
    out->status = status;
    out->why = why;
}

void tc_handshake_check(const tc_handshake_in_t *in, tc_handshake_out_t *out)
{
    memset(out, 0, sizeof(*out));
    if (strcmp(in->method, "GET") != 0) {
        refuse(out, 405, "A WebSocket handshake is a GET.");
    }
    else if (!in->http_1_1) {
        refuse(out, 400, "A WebSocket handshake needs HTTP/1.1.");
    }
    else if (in->upgrade == NULL) {
        refuse(out, 426, "This is a WebSocket endpoint: connect with ws:// or wss://.");
    }
    else if (!list_has(in->upgrade, "websocket")) {
        refuse(out, 400, "The Upgrade field does not say websocket.");
    }
    else if (!list_has(in->connection, "upgrade")) {
        refuse(out, 400, "The Connection field does not say Upgrade.");
    }
    else if (in->version == NULL || strcmp(in->version, "13") != 0) {
        refuse(out, 426, "Sec-WebSocket-Version must be 13.");
    }
    else if (!is_key(in->key)) {
        refuse(out, 400, "Sec-WebSocket-Key is not the base64 of 16 bytes.");
    }
    else if (!read_protocols(in->protocols, out)) {
        refuse(out, 400, "Sec-WebSocket-Protocol is not a list of tokens.");
    }
    else {
        out->status = 101;
        make_accept(in->key, out->accept);
    }
}
