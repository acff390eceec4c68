/* SPDX-License-Identifier: Apache-2.0
 *
 * From a chat to what the policy sees: each image's data URI to a complexity, text and images to a
 * struct moa_request, and the decision as JSON. Pure; scoring one image may run on any thread.
 */
#ifndef MOA_GATEWAY_PERCEIVE_H
#define MOA_GATEWAY_PERCEIVE_H

#include <moaoff/moaoff.h>

#include "chat.h"
#include "config.h"

/** What scoring one image found. `error.status` is 0 if it went well. */
struct image_score {
    struct moa_image_info info;
    struct moa_image_complexity complexity;
    struct http_error error;
};

/** Scores image `i` of `chat`: base64 to bytes to luma to complexity. */
void perceive_image(const struct chat *chat, size_t i, const struct config *config,
                    struct image_score *ret_score);

/** Scores and request of a whole chat; `request.images` points into the same object. */
struct perceived {
    struct moa_text_complexity text;
    struct moa_request request;
    struct moa_modality images[MOA_IMAGES_MAX];
};

/** Puts the text's and the images' scores (one per image, all without error) together. */
void perceive_request(const struct chat *chat, const struct image_score *scores,
                      const struct config *config, bool pinned, struct perceived *ret_perceived);

/**
 * The decision as JSON: {"plan","decision":{"text":{"tier","reason"},"images":[…]},"scores":{…},
 * "state":{…}}. To be freed with free(); NULL if out of memory.
 */
char *perceive_decision_json(const struct perceived *perceived, const struct image_score *scores,
                             const struct moa_state *state, const struct moa_decision *decision,
                             size_t *ret_n);

#endif
