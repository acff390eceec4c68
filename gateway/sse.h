/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events of a chat completion that streams: where each ends, and what it is. Pure.
 */
#ifndef MOA_GATEWAY_SSE_H
#define MOA_GATEWAY_SSE_H

#include <stdbool.h>

#include <moaoff/base.h>

#include "identity.h"
#include "usage.h"

struct yyjson_doc;

enum sse_kind {
    SSE_NOTHING, /* a comment, or JSON without a word of the answer */
    SSE_CONTENT, /* a part of the answer, or its end */
    SSE_USAGE,   /* the tokens and nothing else: sent only to who asks for it */
    SSE_ERROR,
    SSE_DONE,  /* [DONE] */
    SSE_OTHER, /* no JSON object */
};

/** What a stream has been so far. All zero but the usage: nothing has come. */
struct sse {
    bool begun;                          /* SSE_CONTENT has come */
    bool ended;                          /* the answer was told to be over */
    bool failed;                         /* SSE_ERROR, or SSE_OTHER before any content, has come */
    struct moa_bytes error;              /* the data of that event, borrowed from it */
    struct usage usage;                  /* the last that was told */
    struct identity_signature signature; /* of the first part of the answer */
};

void sse_init(struct sse *ret_sse);

/** The length of the first whole event, its blank line included; 0 if `bytes` has none. */
size_t sse_next(struct moa_bytes bytes);

/** The first line of `data` of an event, borrowed from it; p is NULL if it has none. Engines write
 * JSON on one line. */
struct moa_bytes sse_data(struct moa_bytes event);

/** Takes in one whole event. `ret_doc`, unless NULL, gets the JSON of its data, to be freed with
 * yyjson_doc_free(); NULL if it has none. */
enum sse_kind sse_read(struct sse *sse, struct moa_bytes event, struct yyjson_doc **ret_doc);

/**
 * The events of a stream that says at once what `completion` says whole, for who asked for a stream
 * and whose engine answered otherwise; with its tokens if `has_usage`. To be freed with free();
 * NULL if out of memory, or if `completion` is none.
 */
char *sse_of_completion(struct moa_bytes completion, bool has_usage);

#endif
