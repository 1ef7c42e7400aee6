/* The command line. */
#ifndef BENCH_TCLOAD_OPTIONS_H
#define BENCH_TCLOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mode { MODE_IDLE, MODE_FANOUT, MODE_INGEST, MODE_CONNECT, MODE_RECONNECT };
enum token_in { TOKEN_SUBPROTOCOL, TOKEN_QUERY, TOKEN_HEADER };

/* What --help says of each; defaults that depend on the mode are filled in. */
typedef struct {
    enum mode mode;
    enum token_in token_in;
    const char *url;
    const char *tokens_file;
    const char *trip_format;
    const char *pids, *database_pids;           /* NULL: no figures of the server */
    uint32_t n_conns, n_warm, n_rooms, n_members, first_room, n_handshakes, n_sources, window, sample;
    uint64_t n_messages;        /* a sender; 0: --seconds */
    size_t payload_bytes;
    double seconds, warmup_s, settle_s, hold_s, timeout_s, rate;
    unsigned nap_us;
    bool all_senders, json, force_tls;
} options_t;

/* Reads the command line. Ends the program when it is wrong, and after --help. The strings are argv's. */
void options_read(options_t *o, int argc, char **argv);

/* "idle", "fanout" and so on. */
const char *options_mode_name(const options_t *o);

/* Whether the mode sends messages: fanout and ingest. */
bool options_sends(const options_t *o);

#endif
