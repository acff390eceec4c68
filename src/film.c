/* SPDX-License-Identifier: Apache-2.0
 *
 * What a film's header says to a complexity; see moaoff/sound.h.
 */
#include <moaoff/sound.h>

#include "params.h"

#define PARAMS_FIRST_BYTES sizeof(struct moa_film_params)

void moa_film_params_default(struct moa_film_params *ret_params)
{
    if (!ret_params)
        return;
    *ret_params = (struct moa_film_params){
        .size = sizeof(*ret_params),
        .reference_s = 20.0,
        .reference_px = 768.0 * 28.0 * 28.0,
        .weight_length = 1.0,
        .weight_frame = 1.0,
    };
}

void moa_film_complexity(const struct moa_film_params *params, const struct moa_media *media,
                         uint64_t bytes, struct moa_film_complexity *ret_complexity)
{
    static const struct moa_media none;
    const double guessed_bytes_per_s = 250e3;
    const struct moa_media *m = media ? media : &none;
    struct moa_film_params p;
    if (!ret_complexity)
        return;
    moa_film_params_default(&p);
    moa_params_read(&p, sizeof(p), PARAMS_FIRST_BYTES, params);

    const double duration_s =
        m->duration_s > 0 ? m->duration_s : (double)bytes / guessed_bytes_per_s;
    const double px = (double)m->width_px * (double)m->height_px;
    struct moa_film_complexity c = {.length = moa_clip(duration_s / p.reference_s),
                                    .frame = moa_clip(px / p.reference_px)};
    const double x[] = {c.length, c.frame}, w[] = {p.weight_length, p.weight_frame};
    c.score = moa_weighted_mean(x, w, px > 0 ? 2 : 1);
    *ret_complexity = c;
}
