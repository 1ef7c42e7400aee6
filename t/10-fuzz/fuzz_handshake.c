/*
 * codec/handshake: a client that is let in sent a GET, version 13 and a key of 24 characters, and gets the accept
 * value that OpenSSL computes. The same client is also let in with words in another case, and with more words in
 * their lists. A client that is refused is told why. A token that was found is a word within the protocols.
 * RFC 6455, 4.2.
 *
 * Input: lines of a request; the first word is the method, then "Field: value".
 */
#include "fuzz.h"

#include "codec/handshake.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <strings.h>

#define KEY_CHARS 24

const char fuzz_name[] = "handshake";

/* Reads a field of a handshake into the request, and ignores other fields. The last field of a name counts. */
static void read_field(char *line, tc_handshake_in_t *in)
{
    static const char *const names[] = {"Upgrade", "Connection", "Sec-WebSocket-Version",
                                        "Sec-WebSocket-Key", "Sec-WebSocket-Protocol"};
    const char **const values[] = {&in->upgrade, &in->connection, &in->version, &in->key,
                                   &in->protocols};
    char *value = strstr(line, ": ");
    size_t i;

    if (value == NULL) {
        return;
    }
    *value = '\0';
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(line, names[i]) == 0) {
            *values[i] = value + 2;
        }
    }
}

/* Splits the text in place. */
static void read_request(char *text, tc_handshake_in_t *in)
{
    char *line = strsep(&text, "\n");

    memset(in, 0, sizeof(*in));
    in->http_1_1 = strstr(line, "HTTP/1.0") == NULL;
    in->method = strsep(&line, " ");
    while (text != NULL) {
        read_field(strsep(&text, "\n"), in);
    }
}

static void check_accept(const char *key, const char *accept)
{
    char text[64];
    unsigned char digest[SHA_DIGEST_LENGTH], expected[TC_HANDSHAKE_ACCEPT_CHARS + 1];

    snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    SHA1((unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock(expected, digest, sizeof(digest));
    FUZZ_REQUIRE(strcmp(accept, (char *)expected) == 0);
}

static void check_protocols(const char *protocols, const tc_handshake_out_t *out)
{
    FUZZ_REQUIRE(!out->subprotocol
                 || (protocols != NULL && strstr(protocols, TC_HANDSHAKE_SUBPROTOCOL) != NULL));
    FUZZ_REQUIRE((out->other != NULL) == (out->other_len > 0) && (out->other == NULL || !out->subprotocol));
    FUZZ_REQUIRE(out->other == NULL || strcspn(out->other, ", \t") == out->other_len);
    if (out->bearer != NULL) {
        const char *from = out->bearer - strlen("bearer.");

        FUZZ_REQUIRE(from >= protocols && strncmp(from, "bearer.", strlen("bearer.")) == 0);
        FUZZ_REQUIRE(out->bearer_len > 0 && strcspn(out->bearer, ", \t") == out->bearer_len);
    }
}

static char *with_more(const char *list)
{
    tc_buf_t buf = TC_BUF_INIT;
    size_t i;

    TC_BUF_LIT(&buf, "first, ");
    tc_buf_append_str(&buf, list);
    for (i = 0; i < buf.len; i++) {
        buf.data[i] = (unsigned char)toupper(buf.data[i]);
    }
    tc_buf_append(&buf, "\t,,last", sizeof("\t,,last"));
    return (char *)buf.data;
}

/* Upgrade and Connection are lists of words, in upper or lower case: RFC 9110, 7.8. */
static void check_with_more(const tc_handshake_in_t *in)
{
    tc_handshake_in_t more = *in;
    tc_handshake_out_t out;
    char *upgrade = with_more(in->upgrade), *connection = with_more(in->connection);

    more.upgrade = upgrade;
    more.connection = connection;
    tc_handshake_check(&more, &out);
    FUZZ_REQUIRE(out.status == 101);
    free(upgrade);
    free(connection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    tc_handshake_in_t in;
    tc_handshake_out_t out;

    read_request(text, &in);
    tc_handshake_check(&in, &out);
    if (out.status == 101) {
        FUZZ_REQUIRE(out.why == NULL && in.http_1_1 && strcmp(in.method, "GET") == 0);
        FUZZ_REQUIRE(in.version != NULL && in.key != NULL);
        FUZZ_REQUIRE(strcmp(in.version, "13") == 0 && strlen(in.key) == KEY_CHARS);
        check_accept(in.key, out.accept);
        check_protocols(in.protocols, &out);
        check_with_more(&in);
    }
    else {
        FUZZ_REQUIRE(out.status == 400 || out.status == 405 || out.status == 426);
        FUZZ_REQUIRE(out.why != NULL && *out.why != '\0');
    }
    free(text);
    return 0;
}
