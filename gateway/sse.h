/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events of an answer that streams: where each ends, and what it is; and what makes an
 * answer one, in the form that its engine was asked in. Pure.
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

struct sse;

/** How answers are written. */
struct answer_form {
    /** What the data of an event is; tokens, and whether that is the end, are noted in `sse`. */
    enum sse_kind (*read_event)(struct sse *sse, struct yyjson_val *root);
    /** Whether that is a whole answer; if so, its tokens. */
    bool (*read_whole)(struct yyjson_val *root, struct usage *ret_usage);
    const char *key;       /* that the beginning of a whole answer has */
    const char *missing;   /* what an answer that is none is "without" */
    bool types_its_errors; /* as {"type":"error",...}: others are not in this form */
};

extern const struct answer_form answer_form_chat;

/** What a stream has been so far. All zero but the usage: nothing has come. */
struct sse {
    const struct answer_form *form;
    int64_t n_events;                    /* as the form counts them, if it does */
    bool begun;                          /* SSE_CONTENT has come */
    bool ended;                          /* the answer was told to be over */
    bool failed;                         /* SSE_ERROR, or SSE_OTHER before any content, has come */
    struct moa_bytes error;              /* the data of that event, borrowed from it */
    struct usage usage;                  /* the last that was told */
    struct identity_signature signature; /* of the first part of the answer */
};

void sse_init(struct sse *ret_sse, const struct answer_form *form);

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
