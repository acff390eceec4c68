/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes through every image entry: no crash, an answer in range, the same answer at every CPU
 * level, and the same verdict of scoring and re-encoding. The corpus holds files of every format,
 * so one target reaches every decoder.
 */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/cpu.h>
#include <moaoff/image.h>
#include <moaoff/recode.h>

#include "fuzz.h"

#define MAX_PX (1 << 20)

static void check_features(const struct moa_image_features *f)
{
    struct moa_image_complexity c;
    moa_image_complexity(NULL, f, &c);
    uint64_t scene[2];
    moa_image_scene(f, scene);
    for (int i = 0; i < 16; i++)
        FUZZ_ASSERT((scene[i / 8] >> 8 * (i % 8) & 0xff) <= 200);
    FUZZ_ASSERT(f->gradient_p5 <= f->gradient_p95 && f->gradient_p95 <= 1443.0);
    FUZZ_ASSERT(f->gradient_mean >= 0.0 && f->gradient_mean <= 1443.0);
    FUZZ_ASSERT(f->entropy_nats >= 0.0 && f->entropy_nats <= 5.5452);
    FUZZ_ASSERT(f->laplacian_variance >= 0.0 && f->laplacian_variance <= 1020.0 * 1020.0);
    FUZZ_ASSERT(f->edge_fraction >= 0.0 && f->edge_fraction <= 1.0);
    FUZZ_ASSERT(isfinite(f->bits_per_pixel_normal));
    FUZZ_ASSERT(c.score >= 0.0 && c.score <= 1.0);
}

static void check_header(struct moa_bytes file, const struct moa_image_info *info)
{
    struct moa_image_header header;
    FUZZ_ASSERT(moa_image_header(file, &header, NULL) == MOA_OK);
    FUZZ_ASSERT(header.info.width_px == info->width_px);
    FUZZ_ASSERT(header.info.height_px == info->height_px);
    FUZZ_ASSERT(isfinite(header.bits_per_pixel_normal) && header.quantiser >= 0.0);
}

static bool is_same(const struct moa_image_features *a, const struct moa_image_features *b)
{
    return memcmp(a, b, offsetof(struct moa_image_features, notes)) == 0 && a->notes == b->notes &&
           a->mode == b->mode && memcmp(a->reduced, b->reduced, sizeof(a->reduced)) == 0;
}

static enum moa_err measure(struct moa_bytes file, enum moa_image_mode mode,
                            struct moa_image_features *ret_features, struct moa_error *ret_error)
{
    struct moa_image_limits limits;
    moa_image_limits_default(&limits);
    limits.max_px = MAX_PX; /* what is larger only takes longer */
    const struct moa_image_options options = {.mode = mode};
    return moa_image_measure_with(file, &options, &limits, NULL, ret_features, ret_error);
}

/* What is scored can be re-encoded, and what comes of it is a file of the size that was said; what
 * is refused is refused. */
static void check_recode(struct moa_bytes file, const struct moa_image_info *info,
                         enum moa_err expected)
{
    const struct moa_recode_target target = {
        .max_tokens = 4, .formats = 1 << MOA_IMAGE_JPEG, .min_side_px = 8, .jpeg_quality = 50};
    struct moa_recoded made;
    struct moa_error error;
    struct moa_image_info made_info;
    if ((uint64_t)info->width_px * info->height_px > MAX_PX || expected == MOA_ERR_LIMIT)
        return;
    const enum moa_err err = moa_recode(file, info, 1 + file.n % 8, &target, &made, &error);
    FUZZ_ASSERT((err == MOA_OK) == (expected == MOA_OK));
    if (err)
        return;
    FUZZ_ASSERT(moa_image_probe((struct moa_bytes){made.p, made.n}, &made_info, NULL) == MOA_OK);
    FUZZ_ASSERT(made_info.format == MOA_IMAGE_JPEG && made_info.format == made.format);
    FUZZ_ASSERT(moa_image_tokens(made_info.width_px, made_info.height_px) <= 5);
    free(made.p);
}

/* Pixels that are kept change nothing of the features, and become the same file as without. */
static void check_kept(struct moa_bytes file, const struct moa_image_info *info,
                       enum moa_image_mode mode, enum moa_err expected,
                       const struct moa_image_features *alone)
{
    const struct moa_recode_target target = {
        .max_tokens = 6, .formats = 1 << MOA_IMAGE_JPEG, .upright = true};
    const struct moa_image_options options = {.mode = mode};
    struct moa_image_limits limits;
    struct moa_image_features features;
    struct moa_kept *kept = NULL;
    struct moa_recoded by_kept, by_file;
    moa_image_limits_default(&limits);
    limits.max_px = MAX_PX;
    FUZZ_ASSERT(moa_recode_measure(file, &options, &limits, &target, 1 << 24, NULL, &features,
                                   &kept, NULL) == expected);
    FUZZ_ASSERT(expected || is_same(&features, alone));
    if (!kept)
        return;
    const unsigned orientation = moa_image_orientation(file, info->format);
    FUZZ_ASSERT(moa_kept_suits(kept, &target));
    FUZZ_ASSERT(moa_recode_kept(kept, &target, &by_kept, NULL) == MOA_OK);
    FUZZ_ASSERT(moa_recode(file, info, orientation, &target, &by_file, NULL) == MOA_OK);
    FUZZ_ASSERT(by_kept.n == by_file.n && memcmp(by_kept.p, by_file.p, by_file.n) == 0);
    free(by_kept.p);
    free(by_file.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct moa_bytes file = {size ? data : NULL, size};
    struct moa_image_info info;
    struct moa_error error = {.code = MOA_OK};
    if (moa_image_probe(file, &info, &error)) {
        FUZZ_ASSERT(error.code != MOA_OK && error.message && error.offset <= size);
        return 0;
    }
    check_header(file, &info);

    struct moa_image_features first;
    FUZZ_ASSERT(moa_cpu_force("c") == MOA_OK);
    const enum moa_err err = measure(file, MOA_IMAGE_EXACT, &first, &error);
    if (err)
        FUZZ_ASSERT(error.code == err && error.message && error.offset <= size);
    else
        check_features(&first);
    const char *level;
    for (size_t i = 1; (level = moa_cpu_level(i)) != NULL; i++) {
        struct moa_image_features features;
        if (!moa_cpu_level_supported(i))
            continue;
        FUZZ_ASSERT(moa_cpu_force(level) == MOA_OK);
        FUZZ_ASSERT(measure(file, MOA_IMAGE_EXACT, &features, NULL) == err);
        FUZZ_ASSERT(err || is_same(&features, &first));
    }
    check_recode(file, &info, err);
    check_kept(file, &info, MOA_IMAGE_EXACT, err, &first);
    struct moa_image_features fast;
    const enum moa_err fast_err = measure(file, MOA_IMAGE_FAST, &fast, NULL);
    FUZZ_ASSERT(fast_err == err);
    if (err == MOA_OK)
        check_features(&fast);
    check_kept(file, &info, MOA_IMAGE_FAST, err, &fast);
    return 0;
}
