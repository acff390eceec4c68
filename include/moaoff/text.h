/* SPDX-License-Identifier: Apache-2.0
 *
 * Text complexity (MoA-Off, section 3.1.2): UTF-8 in, features and a complexity in [0, 1] out.
 */
#ifndef MOAOFF_TEXT_H
#define MOAOFF_TEXT_H

#include <moaoff/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Counts over one text. Texts add up: the features of a request are sums over its parts. */
struct moa_text_features {
    uint64_t bytes;
    uint64_t invalid_bytes; /**< bytes that belong to no well-formed UTF-8 sequence */
    double tokens;          /**< L, estimate for a Qwen2-family tokenizer */
    uint64_t sentences;     /**< S; 0 only for a text without a letter or digit */
    uint64_t entities;      /**< E: names, acronyms, numbers, dates, money, URLs, e-mails, ids */
};

/** How features become a complexity. Weights are non-negative, not both 0, and are normalised; a
 * negative or infinite one, or NaN, counts as 0, and if both do, both are 1. */
struct moa_text_params {
    size_t size;               /**< of this struct; base.h */
    double reference_tokens;   /**< L0, > 0; default 256 */
    double reference_entities; /**< gamma, entities per sentence, > 0; default 4 */
    double weight_length;      /**< beta_L; default 1.1, so that length alone can exceed 0.5 */
    double weight_entity;      /**< beta_ner; default 1 */
};

/** The two indicators and their weighted mean, each in [0, 1]. */
struct moa_text_complexity {
    double length; /**< C_L = min(1, L / L0) */
    double entity; /**< C_ner = min(1, (E / S) / gamma); 0 if S is 0 */
    double score;  /**< c_text = beta_L C_L + beta_ner C_ner, betas normalised to sum 1 */
};

MOA_API void moa_text_params_default(struct moa_text_params *ret_params);

/** Scans `text` once. Any bytes are valid input; nothing is allocated; cannot fail. */
MOA_API void moa_text_measure(struct moa_bytes text, struct moa_text_features *ret_features);

/**
 * Features to complexity. `length` is taken from `all` (every text part of the request), `entity`
 * from `last_turn` (the last user turn); pass the same features twice for a single text.
 * `params` may be NULL for the defaults.
 */
MOA_API void moa_text_complexity(const struct moa_text_params *params,
                                 const struct moa_text_features *all,
                                 const struct moa_text_features *last_turn,
                                 struct moa_text_complexity *ret_complexity);

#ifdef __cplusplus
}
#endif
#endif
