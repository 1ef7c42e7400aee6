/* Writes the line of the connection log. See usage.h. */
#include "shared/usage.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "codec/close.h"

#include <stdio.h>
#include <string.h>

tc_usage_t *tc_usage_create(const char *trip)
{
    size_t size = trip ? strlen(trip) + 1 : 0;
    tc_usage_t *usage = tc_alloc_zero(sizeof(*usage) + size);

    if (trip != NULL) {
        usage->trip = memcpy(usage + 1, trip, size);
    }
    return usage;
}

void tc_usage_restore(tc_usage_t *usage, const tc_usage_t *was)
{
    const char *trip = usage->trip;

    *usage = *was;
    usage->trip = trip;
}

/* Writes bytes that are not visible ASCII, or that have a meaning in the line, as %XX (RFC 3986, 2.1). */
static void append_word(tc_buf_t *line, const char *word)
{
    const char *at;
    char escaped[4];

    for (at = word; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;

        if (byte > ' ' && byte < 0x7f && byte != '"' && byte != '%' && byte != '=') {
            tc_buf_append(line, at, 1);
        }
        else {
            snprintf(escaped, sizeof(escaped), "%%%02X", byte);
            tc_buf_append_str(line, escaped);
        }
    }
    if (word[0] == '\0') {
        TC_BUF_LIT(line, "-");
    }
}

static void append_field(tc_buf_t *line, const char *name, const char *word)
{
    tc_buf_append_str(line, name);
    append_word(line, word);
}

static void append_number(tc_buf_t *line, const char *name, uint64_t number)
{
    tc_buf_append_str(line, name);
    tc_buf_append_int(line, (int64_t)number);
}

void tc_usage_encode(const tc_usage_t *usage, const tc_usage_subject_t *subject, int64_t wall_us, int64_t now_us,
                     tc_buf_t *line)
{
    char time[TC_CLOCK_RFC3339_BYTES], seconds[32];

    tc_clock_rfc3339(wall_us, time);
    tc_buf_append_str(line, time);
    append_field(line, " site=", subject->site);
    append_number(line, " child=", (uint64_t)subject->child);
    append_number(line, " connection=", subject->id);
    append_field(line, " address=", usage->address);
    append_field(line, " user=", subject->user_id);
    append_field(line, " trip=", usage->trip ? usage->trip : "");
    append_field(line, " over=", subject->over);
    append_field(line, " tls=", subject->is_tls ? "yes" : "no");
    append_field(line, " relayed=", subject->is_bridged ? "yes" : "no");
    snprintf(seconds, sizeof(seconds), "%.3f", (double)(now_us - usage->began_us) / (double)TC_US_PER_S);
    append_field(line, " seconds=", seconds);
    append_number(line, " messages_in=", usage->messages_in);
    append_number(line, " messages_out=", usage->messages_out);
    append_number(line, " bytes_in=", usage->bytes_in);
    append_number(line, " bytes_out=", usage->bytes_out);
    append_number(line, " close=", usage->close_code ? usage->close_code : TC_CLOSE_ABNORMAL);
    append_field(line, " by=", usage->close_code == 0 || usage->closed_by_client ? "client" : "server");
    TC_BUF_LIT(line, "\n");
}
