/* SPDX-License-Identifier: Apache-2.0
 *
 * What an engine's answer means: the one place that says so, for answers, descriptions of images
 * and whatever else engines are called for. A status alone says little: engines and what stands
 * before them answer 200 with an error, 500 to what they cannot read, 404 to a model that is
 * misspelt. Pure.
 */
#ifndef MOA_GATEWAY_VERDICT_H
#define MOA_GATEWAY_VERDICT_H

#include <stdbool.h>

#include <moaoff/base.h>

#include "sse.h"
#include "usage.h"

enum verdict {
    VERDICT_OPEN,          /* not known yet: more of the answer must come */
    VERDICT_ANSWERED,      /* a chat completion, or one whose content has begun to stream */
    VERDICT_CLIENT,        /* the request is at fault, wherever it went */
    VERDICT_UNFIT,         /* it does not fit here: too long, too many images, an unknown part */
    VERDICT_MISCONFIGURED, /* our key, model or URL of this tier is wrong */
    VERDICT_BUSY,          /* it will do later */
    VERDICT_FAILED,
    VERDICT_BROKEN, /* answered, but it broke off when the client had seen some of it */
    VERDICT_UNSURE, /* an answer, of which its engine is too little sure; whoever scores says so */
};

#define VERDICTS (VERDICT_UNSURE + 1)

/** How much of an answer is there. */
enum answer_extent {
    ANSWER_COMING,
    ANSWER_LONG,  /* more may come, and more cannot be kept */
    ANSWER_WHOLE, /* that is all of it */
    ANSWER_CUT,   /* it broke off, or never came */
};

struct engine_answer {
    int status;               /* of HTTP; 0: no head has come */
    const char *content_type; /* "" if it named none */
    enum answer_extent extent;
    struct moa_bytes body;   /* of answers that are no stream, and of those that are errors */
    struct yyjson_val *json; /* the same, parsed; NULL: it was not, or it is no JSON */
    const struct answer_form *form; /* in which it was asked for; NULL: chat completions */
    const struct sse *sse;          /* what has come of a stream; NULL: it is none */
    bool asks_stream;               /* the request asked for one */
    bool model_is_ours;             /* the model that was asked for is not of the client's choice */
};

#define ENGINE_WORDS_BYTES 256

struct engine_opinion {
    enum verdict verdict;
    int status;                     /* the error's own, if it came in a 200; 0: there is none */
    char what[80];                  /* what came, in ours: "status 500"; "" if answered */
    char words[ENGINE_WORDS_BYTES]; /* the engine's own, valid UTF-8; "" if it said none */
    bool is_too_large;              /* unfit for its size, not for its kind */
    bool is_error_object;           /* the whole body is an error as the form has them */
    struct identity_signature signature; /* of an answer that came whole, */
    struct usage usage;                  /* and what it took */
};

/** VERDICT_OPEN comes only while more may come. */
enum verdict engine_verdict(const struct engine_answer *answer, struct engine_opinion *ret_opinion);

/** "answered", "client", "unfit", "misconfigured", "busy", "failed", "broken", "unsure"; "open". */
const char *verdict_name(enum verdict verdict);

#endif
