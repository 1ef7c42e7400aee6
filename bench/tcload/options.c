/* See options.h. */
#include "tcload/options.h"
#include "common/util.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CONNS        0xffffffu  /* a client_id has six hex digits for the connection */
#define CONNS_PER_SOURCE 20000u     /* an address has some 28,000 ports to connect from */

static const char *const mode_names[] = { "idle", "fanout", "ingest", "connect", "reconnect" };

static void usage(FILE *to)
{
    fputs(
"usage: tcload MODE [options]\n"
"\n"
"  idle     -c N [--rooms R] [--warm N] [--settle S] [--hold S]\n"
"           opens N connections, prints the server's private memory per connection (needs -P)\n"
"  fanout   --rooms R --members M --window W (or --rate X) --messages K (or --seconds S)\n"
"           one sender a room; every member checks seq; deliveries/s, latency, CPU per delivery\n"
"  ingest   --rooms R --members M --senders all|one --window W --seconds S (or --messages K)\n"
"           stored messages/s, latency of the own copy, errors by code\n"
"  connect  -c N --seconds S [--rooms R]\n"
"           connect, history, close, with N at once; connects/s\n"
"  reconnect -c N [--rooms R]\n"
"           N connect, leave, and all come back at once with ?after=; seconds until the last has its history\n"
"\n"
"  --url URL            ws:// or wss:// and a loopback address [ws://127.0.0.1:8080/ws/chat/]\n"
"  --tls                wss, whatever the URL says\n"
"  --tokens FILE        a token a line [run/tokens]; member i of room r takes line (r*members+i) mod lines\n"
"  --token-in WHERE     subprotocol, query or header [subprotocol]\n"
"  --trip-format F      a room's trip id [00000000-0000-4000-8000-%012d]\n"
"  --first-room N       number of the first room [0]\n"
"  -P, --pids WHAT      the server's processes: pid[,pid...] or pidfile:PATH (parent and its children)\n"
"  --database WHAT      the same of its database: figures of its CPU\n"
"  -c, --connections N  idle and reconnect [1000], connect [50]\n"
"  --rooms R            [1; ingest 10; idle and connect 100]\n"
"  --members M          a room [100; ingest 10; idle: from -c; connect 10]\n"
"  --senders all|one    ingest: who sends [all]\n"
"  --window W           messages a sender keeps outstanding, 1-65535 [1]\n"
"  --rate X             messages a second and sender, however many are outstanding (at most 4096)\n"
"  --messages K         messages a sender, all of them measured\n"
"  --seconds S          measured time [5]\n"
"  --warmup S           traffic before the measured time [1]\n"
"  --payload BYTES      length of the content [100; at least 20]\n"
"  --sample N           fanout: latency of one delivery in N [8]\n"
"  --warm N             idle: connections opened before the first weighing [10]\n"
"  --settle S           quiet time before weighing or sending [idle 2, else 0.2]\n"
"  --hold S             idle: keep them open for S seconds more [0]\n"
"  --handshakes N       at most so many under way at once [200; reconnect: all]\n"
"  --sources N          addresses 127.0.0.1.. to connect from [1 for each 20000 connections]\n"
"  --nap US             sleep so long between reads: less CPU here, coarser latency [0]\n"
"  --timeout S          longest time of each phase [60]\n"
"  --json               all figures as one JSON object, the last line of the output\n"
"\n"
"exit status: 0 nothing lost, duplicated or reordered and no connection failed; 1 otherwise; 2 usage\n", to);
}

static uint32_t opt_count(const char *name, const char *text, uint32_t min, uint32_t max)
{
    char *end;
    unsigned long long v = strtoull(text, &end, 10);

    if (!isdigit((unsigned char)*text) || *end || v < min || v > max)
        die("--%s takes a number from %u to %u, not \"%s\"", name, min, max, text);
    return (uint32_t)v;
}

static double opt_real(const char *name, const char *text, double min)
{
    char *end;
    double v = strtod(text, &end);

    if (end == text || *end || !(v >= min) || v > 1e7)
        die("--%s takes a number from %g, not \"%s\"", name, min, text);
    return v;
}

enum {
    O_URL = 256, O_TLS, O_TOKENS, O_TOKEN_IN, O_TRIP_FORMAT, O_FIRST_ROOM, O_ROOMS, O_MEMBERS, O_SENDERS, O_WINDOW,
    O_RATE, O_MESSAGES, O_SECONDS, O_WARMUP, O_PAYLOAD, O_SAMPLE, O_WARM, O_SETTLE, O_HOLD, O_HANDSHAKES, O_SOURCES,
    O_NAP, O_TIMEOUT, O_JSON, O_DATABASE
};

static const struct option long_options[] = {
    { "url", 1, NULL, O_URL }, { "tls", 0, NULL, O_TLS }, { "tokens", 1, NULL, O_TOKENS },
    { "token-in", 1, NULL, O_TOKEN_IN }, { "trip-format", 1, NULL, O_TRIP_FORMAT },
    { "first-room", 1, NULL, O_FIRST_ROOM }, { "rooms", 1, NULL, O_ROOMS }, { "members", 1, NULL, O_MEMBERS },
    { "senders", 1, NULL, O_SENDERS }, { "window", 1, NULL, O_WINDOW }, { "rate", 1, NULL, O_RATE },
    { "messages", 1, NULL, O_MESSAGES }, { "seconds", 1, NULL, O_SECONDS }, { "warmup", 1, NULL, O_WARMUP },
    { "payload", 1, NULL, O_PAYLOAD }, { "sample", 1, NULL, O_SAMPLE }, { "warm", 1, NULL, O_WARM },
    { "settle", 1, NULL, O_SETTLE }, { "hold", 1, NULL, O_HOLD }, { "handshakes", 1, NULL, O_HANDSHAKES },
    { "sources", 1, NULL, O_SOURCES }, { "nap", 1, NULL, O_NAP }, { "timeout", 1, NULL, O_TIMEOUT },
    { "json", 0, NULL, O_JSON }, { "database", 1, NULL, O_DATABASE }, { "connections", 1, NULL, 'c' }, { "pids", 1, NULL, 'P' },
    { "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 }
};

static enum token_in opt_token_in(const char *text)
{
    if (strcmp(text, "query") == 0)
        return TOKEN_QUERY;
    if (strcmp(text, "header") == 0)
        return TOKEN_HEADER;
    if (strcmp(text, "subprotocol") != 0)
        die("--token-in takes subprotocol, query or header, not \"%s\"", text);
    return TOKEN_SUBPROTOCOL;
}

static bool opt_all_senders(const char *text)
{
    if (strcmp(text, "all") != 0 && strcmp(text, "one") != 0)
        die("--senders takes all or one, not \"%s\"", text);
    return strcmp(text, "all") == 0;
}

/* Sets one option. */
static void options_set(options_t *o, int key, const char *v)
{
    switch (key) {
    case O_URL: o->url = v; break;
    case O_TLS: o->force_tls = true; break;
    case O_TOKENS: o->tokens_file = v; break;
    case O_TOKEN_IN: o->token_in = opt_token_in(v); break;
    case O_TRIP_FORMAT: o->trip_format = v; break;
    case O_FIRST_ROOM: o->first_room = opt_count("first-room", v, 0, 1000000); break;
    case O_ROOMS: o->n_rooms = opt_count("rooms", v, 1, 1000000); break;
    case O_MEMBERS: o->n_members = opt_count("members", v, 1, 1000000); break;
    case O_SENDERS: o->all_senders = opt_all_senders(v); break;
    case O_WINDOW: o->window = opt_count("window", v, 1, 65535); break;
    case O_RATE: o->rate = opt_real("rate", v, 0.001); break;
    case O_MESSAGES: o->n_messages = opt_count("messages", v, 1, 1000000000); break;
    case O_SECONDS: o->seconds = opt_real("seconds", v, 0.01); break;
    case O_WARMUP: o->warmup_s = opt_real("warmup", v, 0); break;
    case O_PAYLOAD: o->payload_bytes = opt_count("payload", v, 1, 1000000); break;
    case O_SAMPLE: o->sample = opt_count("sample", v, 1, 1000000); break;
    case O_WARM: o->n_warm = opt_count("warm", v, 0, 1000000); break;
    case O_SETTLE: o->settle_s = opt_real("settle", v, 0); break;
    case O_HOLD: o->hold_s = opt_real("hold", v, 0); break;
    case O_HANDSHAKES: o->n_handshakes = opt_count("handshakes", v, 1, 100000); break;
    case O_SOURCES: o->n_sources = opt_count("sources", v, 1, 250); break;
    case O_NAP: o->nap_us = opt_count("nap", v, 0, 999999); break;
    case O_TIMEOUT: o->timeout_s = opt_real("timeout", v, 0.1); break;
    case O_JSON: o->json = true; break;
    case O_DATABASE: o->database_pids = v; break;
    case 'c': o->n_conns = opt_count("connections", v, 1, MAX_CONNS); break;
    case 'P': o->pids = v; break;
    case 'h': usage(stdout); exit(0);
    default: exit(2);
    }
}

static enum mode opt_mode(const char *text)
{
    for (unsigned i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++) {
        if (strcmp(text, mode_names[i]) == 0)
            return (enum mode)i;
    }
    die("no mode \"%s\"; --help lists them", text);
}

const char *options_mode_name(const options_t *o)
{
    return mode_names[o->mode];
}

bool options_sends(const options_t *o)
{
    return o->mode == MODE_FANOUT || o->mode == MODE_INGEST;
}

/* Fills in the defaults that depend on the mode, and refuses options that exclude each other. */
static void options_complete(options_t *o, bool has_seconds)
{
    if (o->settle_s < 0)
        o->settle_s = o->mode == MODE_IDLE ? 2 : 0.2;
    if (!o->n_conns)
        o->n_conns = o->mode == MODE_CONNECT ? 50 : 1000;
    if (!o->n_rooms)
        o->n_rooms = o->mode == MODE_FANOUT || o->mode == MODE_RECONNECT ? 1 : o->mode == MODE_INGEST ? 10 : 100;
    if (!o->n_handshakes)
        o->n_handshakes = o->mode == MODE_RECONNECT ? o->n_conns : 200;
    if (o->mode == MODE_IDLE && o->n_rooms > o->n_conns)
        o->n_rooms = o->n_conns;
    if (o->mode == MODE_IDLE || o->mode == MODE_RECONNECT)
        o->n_members = (o->n_conns + o->n_rooms - 1) / o->n_rooms;
    if (!o->n_members)
        o->n_members = o->mode == MODE_FANOUT ? 100 : 10;
    if (options_sends(o) && (uint64_t)o->n_rooms * o->n_members > MAX_CONNS)
        die("too many connections: --rooms times --members is at most %u", MAX_CONNS);
    if (options_sends(o))
        o->n_conns = o->n_rooms * o->n_members;
    if (o->n_messages && (has_seconds || !options_sends(o)))
        die("--messages belongs to fanout and ingest, and not beside --seconds");
    if (o->rate > 0 && o->window)
        die("--rate and --window exclude each other");
    if (!o->window)
        o->window = 1;
    if (o->mode == MODE_FANOUT)
        o->all_senders = false;
    if (!o->n_sources)
        o->n_sources = 1 + (o->n_conns - 1) / CONNS_PER_SOURCE;
}

void options_read(options_t *o, int argc, char **argv)
{
    bool has_seconds = false;
    int key;

    *o = (options_t){
        .url = "ws://127.0.0.1:8080", .tokens_file = "run/tokens",
        .trip_format = "00000000-0000-4000-8000-%012d", .n_warm = 10, .sample = 8,
        .payload_bytes = 100, .seconds = 5, .warmup_s = 1, .settle_s = -1, .timeout_s = 60, .all_senders = true
    };
    while ((key = getopt_long(argc, argv, "c:P:h", long_options, NULL)) != -1) {
        has_seconds = has_seconds || key == O_SECONDS;
        options_set(o, key, optarg);
    }
    if (optind + 1 != argc) {
        usage(stderr);
        exit(2);
    }
    o->mode = opt_mode(argv[optind]);
    options_complete(o, has_seconds);
}
