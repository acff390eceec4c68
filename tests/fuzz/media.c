/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a sound or a film: what is heard and is said of them is within its ranges, and is
 * the same for the same bytes; every cut of them can be read.
 */
#include <math.h>
#include <string.h>

#include <moaoff/sound.h>

#include "fuzz.h"

static struct moa_media probe(const uint8_t *data, size_t n)
{
    struct moa_media media;
    moa_media_probe((struct moa_bytes){n ? data : NULL, n}, &media);
    FUZZ_ASSERT(media.duration_s >= 0 && media.duration_s <= 366.0 * 86400);
    FUZZ_ASSERT(isfinite(media.duration_s));
    FUZZ_ASSERT(moa_media_format_name(media.format)[0]);
    FUZZ_ASSERT(media.format || (media.duration_s == 0 && media.width_px == 0));
    return media;
}

static void hear(const uint8_t *data, size_t n)
{
    struct moa_sound_features f;
    struct moa_sound_complexity c;
    FUZZ_ASSERT(moa_sound_measure((struct moa_bytes){n ? data : NULL, n}, &f) == MOA_OK);
    FUZZ_ASSERT(f.n_blocks == 0 ||
                (f.silence_share >= 0 && f.silence_share <= 1 && f.level_dbfs >= -60 &&
                 f.level_dbfs <= 0 && f.flatness_db >= -120 && f.flatness_db <= 0));
    moa_sound_complexity(NULL, &f, &c);
    FUZZ_ASSERT(c.score >= 0 && c.score <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct moa_media media = probe(data, size);
    /* In a buffer of its own size, so that reading behind the end is seen. */
    const size_t step = 1 + size / 64;
    for (size_t n = 0; n <= size; n += step) {
        uint8_t *copy = malloc(n + !n);
        FUZZ_ASSERT(copy);
        if (n)
            memcpy(copy, data, n);
        const struct moa_media cut = probe(copy, n);
        FUZZ_ASSERT(n < size || cut.duration_s == media.duration_s);
        hear(copy, n);
        free(copy);
    }
    return 0;
}
