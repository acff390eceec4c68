/* SPDX-License-Identifier: Apache-2.0
 *
 * The tokens that engines report in the `usage` object of an answer, and the times in `timings`.
 * Pure.
 */
#ifndef MOA_GATEWAY_USAGE_H
#define MOA_GATEWAY_USAGE_H

#include <stdbool.h>

#include <stdint.h>

#define USAGE_UNKNOWN (-1)

struct yyjson_val;

struct usage {
    int64_t prompt_tokens, completion_tokens; /* or USAGE_UNKNOWN */
    double prompt_ms, completion_ms; /* what they took, as llama-server tells; 0: it was not told */
};

#define USAGE_NONE ((struct usage){USAGE_UNKNOWN, USAGE_UNKNOWN, 0, 0})

/** Reads usage and times of a chat completion, of which NULL is none. */
void usage_read(struct yyjson_val *completion, struct usage *ret_usage);

/** Reads the `usage` object itself, or what stands in its place. False, and unknown, if it says
 * nothing. */
bool usage_of_object(struct yyjson_val *object, struct usage *ret_usage);

/** The same of Messages and of Responses, which name them otherwise. */
bool usage_of_dialect(struct yyjson_val *object, struct usage *ret_usage);

/** Reads the times of a chat completion, or of one event of a stream, into `usage`, if it has any.
 */
void usage_read_times(struct yyjson_val *root, struct usage *usage);

/** Adds the tokens that are known. */
void usage_add(struct usage *sum, const struct usage *usage);

#endif
