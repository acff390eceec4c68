/* SPDX-License-Identifier: Apache-2.0
 *
 * Text features and complexity (section 3.1.2): the public entries of moaoff/text.h. The pass over
 * the bytes is in text_scan.c.
 */
#include <moaoff/text.h>

#include <math.h>
#include <stddef.h>

#include "params.h"
#include "text_scan.h"
#include "text_weights.h"

enum {
    PARAMS_FIRST_BYTES = offsetof(struct moa_text_params, weight_entity) + sizeof(double),
};

void moa_text_params_default(struct moa_text_params *ret_params)
{
    if (!ret_params)
        return;
    *ret_params = (struct moa_text_params){
        .size = sizeof(*ret_params),
        .reference_tokens = 256.0,
        .reference_entities = 4.0,
        .weight_length = 1.1,
        .weight_entity = 1.0,
    };
}

void moa_text_measure(struct moa_bytes text, struct moa_text_features *ret_features)
{
    if (!ret_features)
        return;
    struct moa_text_scan scan;
    text = moa_bytes_checked(text);
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

/* The share of `x` in a reference, which is the whole if that is none. */
static double share_of(double x, double reference)
{
    return moa_clip(reference > 0.0 ? x / reference : x);
}

void moa_text_complexity(const struct moa_text_params *params, const struct moa_text_features *all,
                         const struct moa_text_features *last_turn,
                         struct moa_text_complexity *ret_complexity)
{
    static const struct moa_text_features none;
    struct moa_text_params p;
    if (!ret_complexity)
        return;
    moa_text_params_default(&p);
    moa_params_read(&p, sizeof(p), PARAMS_FIRST_BYTES, params);
    all = all ? all : &none;
    last_turn = last_turn ? last_turn : &none;

    struct moa_text_complexity c = {.length = share_of(all->tokens, p.reference_tokens)};
    if (last_turn->sentences > 0) {
        const double per_sentence = (double)last_turn->entities / (double)last_turn->sentences;
        c.entity = share_of(per_sentence, p.reference_entities);
    }
    double weight_length = moa_weight(p.weight_length), weight_entity = moa_weight(p.weight_entity);
    if (weight_length + weight_entity <= 0.0)
        weight_length = weight_entity = 1.0;
    c.score = moa_clip((weight_length * c.length + weight_entity * c.entity) /
                       (weight_length + weight_entity));
    *ret_complexity = c;
}
