/* SPDX-License-Identifier: Apache-2.0
 *
 * The sounds and films that `moaoff calibrate` finds: what the configuration takes from them.
 */
#ifndef MOAOFF_CLI_CALIBRATE_MEDIA_H
#define MOAOFF_CLI_CALIBRATE_MEDIA_H

#include <stdbool.h>
#include <stdio.h>

#include <moaoff/sound.h>

#include "gateway/buffer.h"

/** One of them. */
struct media_item {
    bool is_sound, is_film; /* neither: it is no use to calibrate by */
    struct moa_sound_features sound;
    struct moa_media film;
    uint64_t bytes;
};

/** Whether `file` is a sound whose samples can be heard, or a film of known length and size. */
void calibrate_media_look(struct moa_bytes file, struct media_item *ret_item);

/** All of them; zeroed but for the limits of the buffers. */
struct media_items {
    struct buffer sounds, films; /* struct media_item */
    size_t n_sounds, n_films;
    struct moa_sound_params sound_params;
    struct moa_film_params film_params;
    double *sound_scores, *film_scores; /* sorted */
};

/** 0, or -1 if out of memory. */
int calibrate_media_add(struct media_items *items, const struct media_item *item);
void calibrate_media_done(struct media_items *items);

/** Their references by quantiles, and their scores; prints the quantiles of these as comments.
 * Returns 0, or -1 if out of memory. */
int calibrate_media_reckon(struct media_items *items, FILE *out);

/** The keys below `complexity:` and those below `paper:`, of what there is. */
void calibrate_media_write_references(const struct media_items *items, FILE *out);
void calibrate_media_write_taus(const struct media_items *items, double share, FILE *out);

#endif
