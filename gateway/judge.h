/* SPDX-License-Identifier: Apache-2.0
 *
 * The one road from a body that is read to a decision: model name, pins, scores and state, to the
 * request as policies see it, the decision and its reasons. The gateway takes it for requests and
 * for POST /v1/decide, the command line for `moaoff decide`. Pure.
 */
#ifndef MOA_GATEWAY_JUDGE_H
#define MOA_GATEWAY_JUDGE_H

#include "perceive.h"

/** What a chat says of who decides it. */
struct judge_terms {
    const char *policy; /* a moa_policy_name() */
    bool model_is_ours; /* the model that it names is none of an engine's */
};

/**
 * Reads the model name of `chat` and pins its parts: `pins` (see pins.h) are those of the client
 * and its key, the configuration's come on top. -1 with `ret_error` if there is no such policy;
 * what is pinned is pinned then, too.
 */
int judge_read(const struct config *config, unsigned pins, struct chat *chat,
               struct judge_terms *ret_terms, struct http_error *ret_error);

/** How much of new pictures is looked at: MOA_IMAGE_FAST where no complexity decides. */
enum moa_image_mode judge_image_mode(const struct moa_policy *policy);

struct judge_case {
    const struct config *config;
    const struct chat *chat;          /* after judge_read() */
    const struct image_score *scores; /* one for each part, all without error */
    struct moa_policy *policy;
    const struct moa_state *state;
    const struct moa_question *question; /* as far as state_question() knows it; NULL: nothing */
    const struct probe_takes
        *takes; /* what the engines of each tier say they take; NULL: nothing */
};

/** Decides. -1 with `ret_error`, also if there is a part that no tier takes; `ret_perceived` is to
 * be given to perceive_done() in any case. */
int judge_decide(const struct judge_case *c, struct perceived *ret_perceived,
                 struct http_error *ret_error);

#endif
