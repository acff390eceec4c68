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
#include "data_uri.h"

/** What an image is, whatever the configuration says. */
struct image_facts {
    struct moa_image_info info;
    struct moa_image_features features;
    unsigned orientation; /* EXIF's, 1 to 8; 1 is upright */
    bool is_respelt;      /* its data URI is not spelt as all engines take it; see data_uri.h */
};

/** What a sound or a film is, whatever the configuration says. */
struct heard {
    struct moa_media media;
    struct moa_sound_features sound; /* whichever it is said to be */
};

/** What scoring one image found, or looking at another part. `error.status` is 0 if it went well.
 */
struct image_score {
    struct image_facts facts;
    struct moa_image_complexity complexity;
    struct heard heard; /* of audio and video */
    struct http_error error;
};

/** Scores part `i` of `chat`, an image as a data URI: base64 to bytes to luma to complexity. */
void perceive_image(const struct chat *chat, size_t i, const struct config *config,
                    enum moa_image_mode mode, struct image_score *ret_score);

/** What the header of the sound or film in `url` says, and how the sound sounds; nothing, if it
 * cannot be read. Any thread. */
void perceive_media(struct moa_bytes url, struct heard *ret_heard);

/* The same in steps, for images that are not all the same way. `name` is the image's in errors. */

/** data_uri_decode() with the image's name in the error. `url` is base64 if there is a `head`. */
int perceive_decode(struct moa_bytes head, struct moa_bytes url, const char *name,
                    struct data_uri *ret_uri, struct http_error *ret_error);

/** How an image file is looked at. */
struct perceive_look {
    enum moa_image_mode mode;
    uint64_t max_px;                        /* that it may have */
    const struct moa_recode_target *target; /* for which pixels are kept; NULL: none are */
    uint64_t max_kept_bytes;
};

/** Measures it. 0, with the pixels that were kept, if any, in `ret_kept` (moa_kept_free()), or -1
 * with `ret_error`. */
int perceive_measure(struct moa_bytes file, const struct perceive_look *look, const char *name,
                     struct image_facts *ret_facts, struct moa_kept **ret_kept,
                     struct http_error *ret_error);

/** Fills `error` with "NAME: WHAT." Returns -1. */
int perceive_fail(struct http_error *error, const char *name, int status, const char *code,
                  const char *what);

/**
 * A whole chat as the policy sees it, and what it decides: for each modality, the text first, an
 * element of the request and one of the decision. Zeroed memory is one that is not made yet.
 */
struct perceived {
    struct moa_text_complexity text;
    struct moa_request request;
    struct moa_decision decision; /* with room for every modality */
    struct moa_modality *modalities;
    unsigned
        *n_set; /* of each that is an image: those of its message that have its width and height */
    struct moa_question question; /* the request's, if the policy asks for one */
    bool question_leaves;         /* as decided; see perceive_question_leaves() */
};

/**
 * Puts the text's score and those of the chat's parts (one for each, all without error; those of
 * parts that are no images are not read) together. Returns 0, or -1 if out of memory.
 */
int perceive_request(const struct chat *chat, const struct image_score *scores,
                     const struct config *config, struct perceived *ret_perceived);
void perceive_done(struct perceived *perceived);

/** The most tokens that a tier gets of an image that is one of `n_set`; 0: no limit. They share the
 * tier's image_set_tokens, but none is made smaller than 64 tokens for it. */
uint32_t perceive_most_tokens(const struct tier_config *tier, unsigned n_set);

/** The most tokens of an image at half the pixels that a tier gets of it, which takes `most` tokens
 * (0: no limit); 0: it stays as it is, since it is no image, or hardly larger, or the client has
 * said how much detail it wants. */
uint32_t perceive_small_tokens(const struct chat_part *part, const struct moa_image_info *info,
                               uint32_t most);

/** Notes in the question, which knows the rest, what the request would take at the cloud with
 * smaller images, if any may be: about as many bytes fewer as pixels. */
void perceive_smaller(const struct chat *chat, const struct image_score *scores,
                      const struct tier_config *cloud, struct perceived *perceived);

/** About how many tokens modality `i` is on a tier: of an image as many as the tier gets of it. */
double perceive_tokens_of(const struct perceived *perceived, size_t i,
                          const struct tier_config *tier);

/** The same of the whole request. */
double perceive_tokens(const struct perceived *perceived, const struct tier_config *tier);

/** Notes what tiers do not take: kinds, and a request that is longer than a context. */
void perceive_limit(struct perceived *perceived, const struct probe_takes takes[2],
                    const struct config *config);

/** -1 with `ret_error` if there is a part that no tier takes, or a pinned one that the edge does
 * not. */
int perceive_refuse(const struct chat *chat, const struct perceived *perceived,
                    struct http_error *ret_error);

/**
 * What a tier is asked about part `i` to turn it into text: what the user asked with it, unless the
 * text is pinned and may not leave with it. To be freed with free(); NULL if out of memory.
 */
char *perceive_prompt(const struct chat *chat, size_t i, enum moa_tier tier,
                      const struct config *config);

/** Whether the cloud, asked about part `i`, is told what the user asked with it. */
bool perceive_tells_question(const struct chat *chat, size_t i, const struct config *config);

/** Whether that is so of any part: the text stays by the decision, and this much of it leaves. */
bool perceive_question_leaves(const struct chat *chat, const struct moa_decision *decision,
                              const struct config *config);

/** The text part that stands for part `i` then; likewise. */
char *perceive_evidence(const struct chat *chat, size_t i, const char *words,
                        const struct config *config);

/**
 * The decision as JSON: {"plan","decision":{"text":{"tier","reason"},"images":[…]},"scores":{…},
 * "state":{…}}, with "question":{"tier"} in the decision if the question leaves. To be freed with
 * free(); NULL if out of memory.
 */
char *perceive_decision_json(const struct perceived *perceived, const struct image_score *scores,
                             const struct moa_state *state, size_t *ret_n);

/** Whether the text and something else are on different tiers. */
bool perceive_is_split(const struct moa_decision *decision);

/** All of it to one tier, for one reason. */
void perceive_send_all(struct moa_decision *decision, enum moa_tier tier, enum moa_reason reason);

#endif
