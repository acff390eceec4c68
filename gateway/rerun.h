/* SPDX-License-Identifier: Apache-2.0
 *
 * What GET /v1/replay asks for: rows of the journal decided again, by other policies too. The
 * gateway is handed the function that does it, since that stands above (study/redecide.h).
 */
#ifndef MOA_GATEWAY_RERUN_H
#define MOA_GATEWAY_RERUN_H

#include <stddef.h>
#include <stdint.h>

struct config;

struct rerun_question {
    const struct config *config; /* the journal, the prices, what policies begin with */
    const char *policies;        /* "cloud;paper:tau_text=0.4": those that are asked too */
    int64_t since_ms;
    int64_t after, before; /* sequences, neither of them in; 0: no bound */
    size_t limit;          /* the newest, at most this many */
};

/** Called on any thread. Returns 200 and JSON to be freed with free(); or 400 (a policy cannot be
 * asked so) or 503, with `why` (of `n` bytes) filled. */
typedef int rerun_function(const struct rerun_question *question, char **ret_json, size_t *ret_n,
                           char *why, size_t n);

#endif
