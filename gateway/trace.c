/* SPDX-License-Identifier: Apache-2.0
 *
 * Request ids and trace context; see trace.h.
 */
#include "trace.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#define PARENT_LENGTH 55

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

/* 2 * n digits and a NUL. */
static void random_digits(char *ret_digits, size_t n)
{
    unsigned char bytes[24] = {1}; /* not all 0 even if there is no randomness */
    ssize_t ignored = getrandom(bytes, n, GRND_NONBLOCK);
    (void)ignored;
    for (size_t i = 0; i < n; i++)
        snprintf(ret_digits + 2 * i, 3, "%02x", bytes[i]);
}

void trace_begin(const char *id, const char *traceparent, const char *tracestate,
                 struct trace *ret_trace)
{
    struct trace *t = ret_trace;
    *t = (struct trace){0};
    if (id && id_valid(id))
        snprintf(t->id, sizeof(t->id), "%s", id);
    else
        random_digits(t->id, 12);
    if (traceparent && parent_valid(traceparent)) {
        snprintf(t->parent, sizeof(t->parent), "%s", traceparent);
        if (tracestate && strlen(tracestate) <= TRACE_STATE_BYTES)
            snprintf(t->state, sizeof(t->state), "%s", tracestate);
        return;
    }
    char digits[49];
    random_digits(digits, 24);
    snprintf(t->parent, sizeof(t->parent), "00-%.32s-%.16s-00", digits, digits + 32);
}

void trace_id(const struct trace *trace, char ret_id[33])
{
    snprintf(ret_id, 33, "%.32s", trace->parent + 3);
}
