/* SPDX-License-Identifier: Apache-2.0
 *
 * What keeper.c asks of an engine that it has started: whether it is there, and one token.
 */
#ifndef MOA_GATEWAY_KEEPER_ASK_H
#define MOA_GATEWAY_KEEPER_ASK_H

#include <moaoff/base.h>

#include "settings.h"
#include "upstream.h"

/** One question at a time. All zero but for the first three at first. */
struct keeper_question {
    struct upstream *upstream;
    /** `why_not` is NULL if it has answered as it should. */
    void (*on_answer)(const char *why_not, void *arg);
    void *arg;
    struct upstream_call *call; /* NULL: none is under way */
    struct settings *settings;  /* by which it is asked; in use while one is */
    char *url, *json;
    struct moa_bytes body;
    size_t n_bytes; /* of the answer */
    int status;
    int64_t timeout_ms;
    bool asks_models;
};

/** Its /health, which llama-server, vLLM and SGLang have; of an engine without one its list of
 * models. -1 if out of memory. */
int keeper_ask_health(struct keeper_question *question, struct settings *settings,
                      int64_t timeout_ms);
/** A chat completion of one token: what is read or compiled late is there after it. */
int keeper_ask_token(struct keeper_question *question, struct settings *settings);
/** Without an answer. */
void keeper_ask_cancel(struct keeper_question *question);

#endif
