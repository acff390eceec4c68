/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a model takes on a machine: the files of models/profiles/ (docs/profiles.md). Pure but
 * for the file that is read.
 */
#ifndef MOA_STUDY_PROFILE_H
#define MOA_STUDY_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#define PROFILE_POINTS_MAX 64
#define PROFILE_CONTEXTS_MAX 8

/** A function by its points: straight lines between them, the last line beyond them, and before
 * the first point its value. */
struct profile_curve {
    double x[PROFILE_POINTS_MAX], y[PROFILE_POINTS_MAX];
    size_t n;
};

struct profile {
    char name[128];
    size_t slots;    /* requests in the batch; others wait in the order in which they came */
    double patch_px; /* a visual token is a square of this side; each side of an image is rounded */
    double min_image_tokens, max_image_tokens;
    double text_bytes_per_token;
    double overhead_ms;           /* of a request, before anything else */
    struct profile_curve vision;  /* ms by visual tokens of an image */
    struct profile_curve prefill; /* ms by tokens of a prompt, visual ones among them */
    struct {
        double context; /* tokens of prompt and answer so far, mean of the batch */
        struct profile_curve
            ms; /* of a step, which is a token for each, by requests in the batch */
    } decode[PROFILE_CONTEXTS_MAX];
    size_t n_decode;
};

/** -1 with "PATH:LINE: what is wrong" in `why` of n bytes. */
int profile_read(const char *path, struct profile *ret_profile, char *why, size_t n);

/** Tokens of an image as the engine will see it. */
double profile_image_tokens(const struct profile *p, uint32_t width_px, uint32_t height_px);

double profile_curve_at(const struct profile_curve *curve, double x);

/** Milliseconds: images through the tower, a prompt, one step of a batch. */
double profile_vision_ms(const struct profile *p, double image_tokens);
double profile_prefill_ms(const struct profile *p, double prompt_tokens);
double profile_decode_ms(const struct profile *p, size_t n_batch, double context_tokens);

#endif
