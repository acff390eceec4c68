/* SPDX-License-Identifier: Apache-2.0
 *
 * What a question asks for, as far as its words tell without a model: its kind, the options that it
 * offers, and what makes two requests one and the same question. Pure. Kinds only sort: nothing
 * depends on one being right.
 */
#ifndef MOA_GATEWAY_QUESTION_H
#define MOA_GATEWAY_QUESTION_H

#include <stdint.h>

#include <moaoff/adaptive.h>

#include "chat.h"
#include "perceive.h"

/** The form of a question, by its words in English or German. */
enum question_form {
    QUESTION_OTHER = 0,
    QUESTION_HOW_MANY = 1,
    QUESTION_WHERE = 2,
    QUESTION_WHO = 3,
    QUESTION_WHY = 4,
    QUESTION_COLOUR = 5,
    QUESTION_READS = 6, /* text in the picture */
    QUESTION_WHICH = 7,
    QUESTION_WHAT = 8,
    QUESTION_YES_NO = 9,
    QUESTION_DESCRIBE = 10,
};

/** In a kind, beside the form: one of several options is to be chosen. */
#define QUESTION_OPTIONS 16u

/** The options that `text` lists: bit 0 for A, ... bit 25 for Z. Two at least, from A on without a
 * gap, each at the begin of a line or all on one ("A. red B. blue", "(A) red", "A: red"); else 0.
 */
uint32_t question_letters(const char *text);

/** A form, and QUESTION_OPTIONS; below MOA_QUESTION_KINDS. */
unsigned question_kind(const char *text);

/**
 * Fills in `scene`, `text` and `kind` of `ret_question`, and nothing else of it. A scene is that of
 * all parts in their order: pictures by moa_image_scene(), others by their bytes; 0 of text alone.
 * `scores` as for perceive_request(). What is seen and asked is hashed with the key of `adaptive`:
 * to whom that is unknown, the hashes tell nothing.
 */
void question_read(const struct chat *chat, const struct image_score *scores,
                   const struct moa_adaptive *adaptive, struct moa_question *ret_question);

#endif
