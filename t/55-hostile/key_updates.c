/*
 * A WebSocket client over TLS 1.3 that asks for new keys again and again (RFC 8446, 4.6.3) and never reads. The server
 * must answer each request. The client prints "full" when its socket takes no more bytes, and stays connected until
 * its standard input ends. It is written in C because Perl's binding to OpenSSL cannot ask for new keys.
 *
 *   key_updates PORT PATH
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FULL_MS 500 /* no byte was taken for so long */

static int fail(const char *what)
{
    fprintf(stderr, "key_updates: %s\n", what);
    return 1;
}

static int connect_to(const char *port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? fd : -1;
}

static int upgrade(SSL *ssl, const char *path)
{
    char text[8192];
    int len = snprintf(text, sizeof(text),
                       "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Key: YSB0ZXN0cyAxNiBieXRlcw==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                       path);

    return SSL_write(ssl, text, len) == len && SSL_read(ssl, text, sizeof(text)) > 12
           && text[9] == '1' && text[10] == '0' && text[11] == '1';
}

/* Sends requests until the socket takes nothing for FULL_MS. */
static void flood(SSL *ssl, int fd)
{
    struct pollfd out = {.fd = fd, .events = POLLOUT};

    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    do {
        if (SSL_get_key_update_type(ssl) == SSL_KEY_UPDATE_NONE) {
            (void)SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
        }
        (void)SSL_do_handshake(ssl);
    } while (poll(&out, 1, FULL_MS) == 1);
}

int main(int argc, char **argv)
{
    SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
    int fd = argc == 3 ? connect_to(argv[1]) : -1;

    if (fd < 0 || !SSL_set_min_proto_version(ssl, TLS1_3_VERSION) || !SSL_set_fd(ssl, fd)) {
        return fail("no connection");
    }
    if (SSL_connect(ssl) != 1 || !upgrade(ssl, argv[2])) {
        return fail("no WebSocket");
    }
    flood(ssl, fd);
    printf("full\n");
    fflush(stdout);
    (void)getchar();
    return 0;
}
