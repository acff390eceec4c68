/* SPDX-License-Identifier: Apache-2.0
 *
 * What a chat completion says, gathered from a whole one or from the events of a stream: its text
 * and its tool calls, up to a limit. Two of them can be compared: whether a client would get the
 * same from both. Where in doubt they differ. Pure.
 */
#ifndef MOA_GATEWAY_COMPLETION_H
#define MOA_GATEWAY_COMPLETION_H

#include <stdbool.h>

#include <moaoff/base.h>

#include "buffer.h"

#define COMPLETION_BYTES_MAX 16384 /* of text and calls together */
#define COMPLETION_CALLS_MAX 16

struct completion_call {
    struct buffer name, arguments;
};

struct completion {
    struct buffer text;
    struct completion_call calls[COMPLETION_CALLS_MAX]; /* of tools */
    size_t n_calls;
    size_t n_bytes; /* of all */
    bool is_cut;    /* by a limit or a filter, not because all was said */
    bool is_beyond; /* there is more of it than is kept: more bytes, calls or choices */
    bool is_refused;
};

void completion_init(struct completion *ret_completion);
void completion_done(struct completion *completion);

struct yyjson_val;

/** Takes in a whole completion; what is none says nothing. */
void completion_read(struct completion *completion, struct yyjson_val *json);

/** Takes in the data of one event of a stream. */
void completion_read_event(struct completion *completion, struct yyjson_val *data);

/**
 * Whether both say the same: texts by moa_answers_agree(), texts that are JSON and the arguments of
 * tool calls as values. Never if one of them was cut, refused, or is not kept whole.
 */
bool completions_agree(const struct completion *one, const struct completion *other);

/** The text, if it is all that was said; p is NULL if it is not, or is not whole. */
struct moa_bytes completion_text(const struct completion *completion);

#endif
