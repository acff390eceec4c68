/* SPDX-License-Identifier: Apache-2.0
 *
 * A chat completion's body, as far as an engine that replays looks at it. Pure.
 */
#ifndef MOA_STUDY_REPLAY_READ_H
#define MOA_STUDY_REPLAY_READ_H

#include <stdbool.h>

#include <moaoff/base.h>

#include "gateway/error.h"
#include "profile.h"

#define REPLAY_IMAGES_MAX 64
#define REPLAY_TOP_MAX 20

struct replay_asked {
    char *prompt; /* the text of the last user message; to be freed */
    char *item;   /* behind "item:" in "user", or NULL; to be freed */
    double image_tokens[REPLAY_IMAGES_MAX];
    size_t n_images;
    size_t n_text_bytes; /* of all messages */
    bool stream, with_usage, with_logprobs;
    size_t n_top;
    size_t max_tokens; /* 0: not said */
};

/** -1 with `ret_error` if the engine could not read it. The result is done with
 * replay_asked_done(). */
int replay_read(struct moa_bytes body, const struct profile *profile,
                struct replay_asked *ret_asked, struct http_error *ret_error);
void replay_asked_done(struct replay_asked *asked);

#endif
