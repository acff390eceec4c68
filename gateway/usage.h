/* SPDX-License-Identifier: Apache-2.0
 *
 * The tokens that engines report in the `usage` object of an answer, and the times in `timings`.
 * Pure.
 */
#ifndef MOA_GATEWAY_USAGE_H
#define MOA_GATEWAY_USAGE_H

#include <stdbool.h>

#include <moaoff/base.h>

#define USAGE_UNKNOWN (-1)

struct yyjson_val;

struct usage {
    int64_t prompt_tokens, completion_tokens; /* or USAGE_UNKNOWN */
    double prompt_ms, completion_ms; /* what they took, as llama-server tells; 0: it was not told */
};

/** Reads the usage of a chat completion. False, and unknown, if it has none. */
bool usage_of_completion(struct moa_bytes completion, struct usage *ret_usage);

/** The same of the `usage` object itself, or of what stands in its place. */
bool usage_of_object(struct yyjson_val *object, struct usage *ret_usage);

/** Reads the times of a chat completion, or of one event of a stream, into `usage`, if it has any.
 */
void usage_read_times(struct yyjson_val *root, struct usage *usage);

/** Adds the tokens that are known. */
void usage_add(struct usage *sum, const struct usage *usage);

#endif
