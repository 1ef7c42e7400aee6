/*
 * What must hold of each client's message that was decoded, whether it came over a socket or over HTTP: the limits
 * that docs/protocol.md tells clients. fuzz_chat and fuzz_rest use these checks.
 */
#ifndef CHAT_CHECKS_H
#define CHAT_CHECKS_H

#include "codec/chat.h"

/* The rules of a site that allows little, so that the fuzzer reaches the limits. */
extern const tc_chat_rules_t fuzz_rules;

/* Ends the process unless `in`, which was decoded with the result `error`, is within the limits: see fuzz.h. */
void fuzz_check_chat(tc_chat_error_e error, const tc_chat_in_t *in);

/* Appends the parts of a message: `,"content":…` and so on, as a client would write them. */
void fuzz_append_fields(tc_buf_t *buf, const tc_chat_in_t *in);

/* Ends the process unless both messages say the same. */
void fuzz_require_same_chat(const tc_chat_in_t *a, const tc_chat_in_t *b);

/* Appends `,"key":"<uuid>"`. */
void fuzz_append_uuid(tc_buf_t *buf, const char *key, const tc_uuid_t *uuid);

#endif
