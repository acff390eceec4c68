/* SPDX-License-Identifier: Apache-2.0
 *
 * The tokens that engines report: the `usage` object of a whole answer, or of the last events of a
 * streamed one. Pure.
 */
#ifndef MOA_GATEWAY_USAGE_H
#define MOA_GATEWAY_USAGE_H

#include <stdbool.h>

#include <moaoff/base.h>

#define USAGE_UNKNOWN (-1)
#define USAGE_TAIL_BYTES 2048

struct yyjson_val;

struct usage {
    int64_t prompt_tokens, completion_tokens; /* or USAGE_UNKNOWN */
};

/** The end of a stream, in which its usage stands if the engine reports one. */
struct usage_tail {
    char bytes[USAGE_TAIL_BYTES];
    size_t n;
};

/** Reads the usage of a chat completion. False, and unknown, if it has none. */
bool usage_of_completion(struct moa_bytes completion, struct usage *ret_usage);

/** The same of the `usage` object itself, or of what stands in its place. */
bool usage_of_object(struct yyjson_val *object, struct usage *ret_usage);

/** Takes in the next bytes of a stream. */
void usage_follow(struct usage_tail *tail, struct moa_bytes bytes);

/** As usage_of_completion(), of the stream that has been followed to its end. */
bool usage_of_stream(const struct usage_tail *tail, struct usage *ret_usage);

/** Adds what is known. */
void usage_add(struct usage *sum, const struct usage *usage);

#endif
