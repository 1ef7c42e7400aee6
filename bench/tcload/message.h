/*
 * The chat message that every sender sends. The text is made once; only the send time in the content and the client_id
 * change, in place. The client_id tells the message's own copy from other runs and other messages.
 */
#ifndef BENCH_TCLOAD_MESSAGE_H
#define BENCH_TCLOAD_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char *text;
    size_t len;
    size_t stamp_at, id_at;     /* where send time and client_id stand in the text */
} message_t;

/* What a client_id says beside the run. */
typedef struct { uint32_t conn, slot, number; } message_id_t;

void message_init(message_t *m, uint32_t run_id, size_t payload_bytes);

/* The length of the content for a wanted length: the send time needs its place. */
size_t message_content_bytes(size_t payload_bytes);

/* Writes send time and client_id into the text. */
void message_stamp(message_t *m, uint64_t sent_ns, const message_id_t *id);

/* Reads the send time from the value of "content", which may be NULL; `end` is the text's end. */
bool message_read_stamp(const char *v, const char *end, uint64_t *sent_ns);

/* Whether the value of "client_id", which may be NULL, is of this run. */
bool message_is_ours(const message_t *m, const char *v, const char *end);

/* Reads a client_id of this run; false when it is malformed. */
bool message_read_id(const char *v, message_id_t *id);

#endif
