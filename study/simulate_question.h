/* SPDX-License-Identifier: Apache-2.0
 *
 * The questions of a simulation: what a request weighs, and, from records of both models
 * (docs/records.md), what each answers, how sure the edge is, and who is right.
 */
#ifndef MOA_STUDY_SIMULATE_QUESTION_H
#define MOA_STUDY_SIMULATE_QUESTION_H

#include <moaoff/moaoff.h>

#include "simulate_scenario.h"
#include "simulate_times.h"

#define QUESTION_HELD_MAX 8

struct question {
    struct moa_answer answer; /* of the edge, as the gateway reads it from log-probabilities */
    struct moa_answer held[QUESTION_HELD_MAX]; /* the same after 1, 2, ... tokens of a stream */
    size_t n_held;                             /* of these */
    bool has_letters;                          /* options are offered */
    bool differs;                              /* the edge's from the cloud's */
    double right[2];                           /* by enum moa_tier, in [0, 1]; NaN: not known */
    double n_tokens[2];                        /* of the answer */
    double n_text_bytes;                       /* of the prompt */
    double text_complexity;                    /* c_text */
    double image_complexity;                   /* c_img, drawn: records have no pictures */
    struct slots_work work[2];                 /* by tier */
    double prompt_tokens[2];
    double n_upload_bytes;
    unsigned kind;
    char item[64]; /* of the records; "" if it has none */
};

struct questions {
    struct question *p;
    size_t n;
    bool have_answers;
    double h;                    /* share with the edge wrong and the cloud right; NaN: not known */
    struct simulate_times times; /* of arrivals; none if n is 0 */
};

/** -1 with what is wrong in `why`. */
int questions_make(const struct scenario *scenario, struct questions *ret_questions, char *why,
                   size_t n);
void questions_done(struct questions *questions);

#endif
