/* SPDX-License-Identifier: Apache-2.0
 *
 * Text features and complexity (section 3.1.2): the public entries of moaoff/text.h. The pass over
 * the bytes is in text_scan.c.
 */
#include <moaoff/text.h>

#include <math.h>
#include <string.h>

#include "text_scan.h"
#include "text_weights.h"

void moa_text_params_default(struct moa_text_params *ret_params)
{
    *ret_params = (struct moa_text_params){
        .reference_tokens = 256.0,
        .reference_entities = 4.0,
        .weight_length = 1.1,
        .weight_entity = 1.0,
    };
}

void moa_text_measure(struct moa_bytes text, struct moa_text_features *ret_features)
{
    struct moa_text_scan scan;
    moa_text_scan(text, NULL, NULL, &scan);
    double tokens = 0.0;
    for (size_t i = 0; i < MOA_N_COUNTS; i++)
        tokens += moa_text_weights[i] * (double)scan.counts[i];
    *ret_features = (struct moa_text_features){
        .bytes = text.n,
        .invalid_bytes = scan.counts[MOA_COUNT_INVALID_BYTES],
        .tokens = fmax(0.0, tokens),
        .sentences = scan.sentences,
        .entities = scan.entities,
    };
}

void moa_text_complexity(const struct moa_text_params *params, const struct moa_text_features *all,
                         const struct moa_text_features *last_turn,
                         struct moa_text_complexity *ret_complexity)
{
    struct moa_text_params p;
    moa_text_params_default(&p);
    if (params)
        p = *params;

    struct moa_text_complexity c = {
        .length = fmin(1.0, all->tokens / p.reference_tokens),
    };
    if (last_turn->sentences > 0) {
        const double per_sentence = (double)last_turn->entities / (double)last_turn->sentences;
        c.entity = fmin(1.0, per_sentence / p.reference_entities);
    }
    c.score = fmin(1.0, (p.weight_length * c.length + p.weight_entity * c.entity) /
                            (p.weight_length + p.weight_entity));
    *ret_complexity = c;
}
