/* SPDX-License-Identifier: Apache-2.0
 *
 * Request ids and trace context; see trace.h.
 */
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#define PARENT_LENGTH 55
#define ID_RANDOM 12     /* random bytes of an id that is made */
#define PARENT_RANDOM 24 /* and of a traceparent */
#define POOL_REQUESTS 7  /* getrandom() gives 256 bytes whole, and more perhaps in part */

enum { RANDOM_BYTES = ID_RANDOM + PARENT_RANDOM };

static bool id_valid(const char *id)
{
    size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:");
    return n > 0 && n <= TRACE_ID_BYTES && id[n] == '\0';
}

/* `n` hexadecimal digits at `at`, not all of them 0. */
static bool digits_valid(const char *at, size_t n)
{
    return strspn(at, "0123456789abcdef") >= n && strspn(at, "0") < n;
}

/* Version 00; a later version may be longer, and is begun anew. */
static bool parent_valid(const char *parent)
{
    return strlen(parent) == PARENT_LENGTH && strncmp(parent, "00-", 3) == 0 &&
           digits_valid(parent + 3, 32) && parent[35] == '-' && digits_valid(parent + 36, 16) &&
           parent[52] == '-' && strspn(parent + 53, "0123456789abcdef") == 2;
}

/* Printable ASCII, as the standard has it: nothing that another header parser could stumble over.
 */
static bool state_valid(const char *state)
{
    size_t n = 0;
    while (state[n] >= 0x20 && state[n] <= 0x7e)
        n++;
    return state[n] == '\0' && n <= TRACE_STATE_BYTES;
}

/* Two digits for each of `n` bytes, and a NUL. */
static void print_digits(const unsigned char *bytes, size_t n, char *ret_digits)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        ret_digits[2 * i] = digits[bytes[i] >> 4];
        ret_digits[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_digits[2 * n] = '\0';
}

/* Fresh random bytes; all 1 if there is no randomness, as an id of 0 is none. */
static const unsigned char *take_random(void)
{
    static unsigned char pool[POOL_REQUESTS][RANDOM_BYTES];
    static size_t n_left;
    if (n_left == 0) {
        memset(pool, 1, sizeof(pool));
        ssize_t ignored = getrandom(pool, sizeof(pool), GRND_NONBLOCK);
        (void)ignored;
        n_left = POOL_REQUESTS;
    }
    return pool[--n_left];
}

/* The request's own span. There is room above it to count on. */
static uint64_t span_of(const unsigned char random[8])
{
    uint64_t span = 0;
    for (size_t i = 0; i < 8; i++)
        span = span << 8 | random[i];
    return span >> 1 | 1;
}

/* By the last 56 bits of the trace's id, so that whoever goes by the same bits agrees. */
static bool is_drawn(const unsigned char id[16], double ratio)
{
    uint64_t bits = 0;
    for (size_t i = 9; i < 16; i++)
        bits = bits << 8 | id[i];
    return (double)bits < ratio * (double)(UINT64_C(1) << 56);
}

/* 00-<32 digits>-<16 digits>-01 */
static void begin_parent(const unsigned char *random, double ratio, struct trace *t)
{
    t->is_ours = true;
    t->is_sampled = is_drawn(random, ratio);
    memcpy(t->parent, "00-", 3);
    print_digits(random, 16, t->parent + 3);
    t->parent[35] = '-';
    trace_span_id(t->span, t->parent + 36);
    memcpy(t->parent + 52, t->is_sampled ? "-01" : "-00", 4);
}

static void keep_parent(const char *traceparent, const char *tracestate, double ratio,
                        struct trace *t)
{
    snprintf(t->parent, sizeof(t->parent), "%s", traceparent);
    t->is_sampled = ratio >= 0 && strtoul(t->parent + 53, NULL, 16) & 1;
    if (tracestate && state_valid(tracestate))
        snprintf(t->state, sizeof(t->state), "%s", tracestate);
}

void trace_begin(const char *id, const char *traceparent, const char *tracestate, double ratio,
                 struct trace *ret_trace)
{
    struct trace *t = ret_trace;
    const unsigned char *random = take_random();
    t->parent[0] = t->state[0] = '\0';
    t->is_ours = t->is_sampled = false;
    t->span = span_of(random + ID_RANDOM + 16);
    if (id && id_valid(id))
        snprintf(t->id, sizeof(t->id), "%s", id);
    else
        print_digits(random, ID_RANDOM, t->id);
    if (traceparent && parent_valid(traceparent))
        keep_parent(traceparent, tracestate, ratio, t);
    else if (ratio >= 0)
        begin_parent(random + ID_RANDOM, ratio, t);
}

void trace_id(const struct trace *trace, char ret_id[33])
{
    snprintf(ret_id, 33, "%.32s", trace->parent[0] ? trace->parent + 3 : "");
}

void trace_span_id(uint64_t span, char ret_id[17])
{
    unsigned char bytes[8];
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(span >> (56 - 8 * i));
    print_digits(bytes, 8, ret_id);
}

void trace_parent(const struct trace *trace, uint64_t span, char ret_parent[TRACE_PARENT_BYTES])
{
    memcpy(ret_parent, trace->parent, TRACE_PARENT_BYTES);
    if (!trace->is_sampled)
        return;
    trace_span_id(span, ret_parent + 36);
    ret_parent[52] = '-';
}
