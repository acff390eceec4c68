/* SPDX-License-Identifier: Apache-2.0
 *
 * The samples of a WAV file to features, and those to a complexity; see moaoff/sound.h.
 */
#include <moaoff/sound.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media.h"
#include "natural_log.h"
#include "params.h"
#include "spectrum.h"

#define BLOCK_MIN 64
#define BLOCK_MAX 4096
#define BLOCK_S 0.016
#define HEARD_HZ 8000.0
#define NOTHING_FLATNESS_DB (-120.0)
#define PARAMS_FIRST_BYTES sizeof(struct moa_sound_params)

/* ---- samples ---- */

static inline double load_u8(const uint8_t *p)
{
    return ((double)p[0] - 128.0) / 128.0;
}

static inline double load_s16(const uint8_t *p)
{
    return (double)(int16_t)(uint16_t)(p[0] | p[1] << 8) / 32768.0;
}

static inline double load_s24(const uint8_t *p)
{
    return (double)(int32_t)((uint32_t)p[0] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 24) /
           2147483648.0;
}

static inline double load_s32(const uint8_t *p)
{
    return (double)(int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                             (uint32_t)p[3] << 24) /
           2147483648.0;
}

/* What is beyond full scale is clipped, what is no number is silent. */
static inline double within(double x)
{
    return x >= -1.0 ? (x <= 1.0 ? x : 1.0) : x < -1.0 ? -1.0 : 0.0;
}

static inline double load_f32(const uint8_t *p)
{
    const uint32_t bits =
        (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    float x;
    memcpy(&x, &bits, sizeof(x));
    return within((double)x);
}

static inline double load_f64(const uint8_t *p)
{
    uint64_t bits = 0;
    for (int i = 7; i >= 0; i--)
        bits = bits << 8 | p[i];
    double x;
    memcpy(&x, &bits, sizeof(x));
    return within(x);
}

/* `n` times the mean of the channels. Inlined for each encoding. */
static inline void mix(const uint8_t *p, size_t n, unsigned n_channels, size_t width,
                       double (*load)(const uint8_t *), double *ret_samples)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (unsigned channel = 0; channel < n_channels; channel++, p += width)
            sum += load(p);
        ret_samples[i] = n_channels == 1 ? sum : sum / n_channels;
    }
}

static void read_block(const struct media_samples *from, size_t at, size_t n, double *ret_samples)
{
    const unsigned c = from->n_channels;
    const uint8_t *p = (const uint8_t *)from->data.p + at * from->frame_bytes;
    switch (from->encoding) {
    case MEDIA_U8:
        mix(p, n, c, 1, load_u8, ret_samples);
        break;
    case MEDIA_S16:
        mix(p, n, c, 2, load_s16, ret_samples);
        break;
    case MEDIA_S24:
        mix(p, n, c, 3, load_s24, ret_samples);
        break;
    case MEDIA_S32:
        mix(p, n, c, 4, load_s32, ret_samples);
        break;
    case MEDIA_F32:
        mix(p, n, c, 4, load_f32, ret_samples);
        break;
    case MEDIA_F64:
        mix(p, n, c, 8, load_f64, ret_samples);
        break;
    case MEDIA_OTHER:
        break;
    }
}

/* ---- features ---- */

struct ear {
    size_t n; /* samples of a block */
    uint64_t n_blocks, n_silent;
    double squares; /* the sum over blocks of their mean square, of those that sound */
    double *block;
    struct spectrum *spectrum;
};

static size_t block_of(uint32_t rate_hz)
{
    size_t n = BLOCK_MIN;
    while (n < BLOCK_MAX && (double)n < BLOCK_S * (double)rate_hz)
        n *= 2;
    return n;
}

static double decibels(double power)
{
    return 10.0 * moa_natural_log(power) / moa_natural_log(10.0);
}

static void hear(struct ear *e)
{
    double sum = 0.0;
    for (size_t i = 0; i < e->n; i++)
        sum += e->block[i] * e->block[i];
    const double square = sum / (double)e->n;
    e->n_blocks++;
    if (square < 1e-6) { /* MOA_SOUND_SILENCE_DBFS */
        e->n_silent++;
        return;
    }
    e->squares += square;
    moa_spectrum_add(e->spectrum, e->block);
}

static void sum_up(const struct ear *e, uint32_t rate_hz, struct moa_sound_features *f)
{
    const double heard = HEARD_HZ * (double)e->n / (double)rate_hz;
    const size_t half = e->n / 2;
    const size_t last = heard < (double)half ? (size_t)heard : half - 1;
    const uint64_t n_sounding = e->n_blocks - e->n_silent;
    f->n_blocks = e->n_blocks;
    f->silence_share = (double)e->n_silent / (double)e->n_blocks;
    f->level_dbfs = MOA_SOUND_SILENCE_DBFS;
    f->flatness_db = NOTHING_FLATNESS_DB;
    if (n_sounding > 0) {
        f->level_dbfs = fmin(0.0, decibels(e->squares / (double)n_sounding));
        f->flatness_db = fmax(NOTHING_FLATNESS_DB, moa_spectrum_flatness_db(e->spectrum, last));
    }
}

static enum moa_err listen(const struct media_samples *samples, struct moa_sound_features *f)
{
    const size_t n_frames = samples->data.n / samples->frame_bytes;
    struct ear e = {.n = block_of(samples->rate_hz)};
    if (n_frames < e.n)
        return MOA_OK;
    e.block = calloc(e.n, sizeof(*e.block));
    e.spectrum = e.block ? moa_spectrum_new(e.n) : NULL;
    if (!e.spectrum) {
        free(e.block);
        return MOA_ERR_MEMORY;
    }
    for (size_t at = 0; n_frames - at >= e.n; at += e.n) {
        read_block(samples, at, e.n, e.block);
        hear(&e);
    }
    sum_up(&e, samples->rate_hz, f);
    moa_spectrum_free(e.spectrum);
    free(e.block);
    return MOA_OK;
}

enum moa_err moa_sound_measure(struct moa_bytes file, struct moa_sound_features *ret_features)
{
    if (!ret_features)
        return MOA_ERR_ARGUMENT;
    file = moa_bytes_checked(file);
    struct moa_media media;
    struct media_samples samples;
    moa_media_probe(file, &media);
    struct moa_sound_features f = {.bytes = file.n, .duration_s = media.duration_s};
    if (media.format == MOA_MEDIA_WAV && moa_media_samples(file, &samples)) {
        enum moa_err err = listen(&samples, &f);
        if (err)
            return err;
    }
    *ret_features = f;
    return MOA_OK;
}

/* ---- complexity ---- */

void moa_sound_params_default(struct moa_sound_params *ret_params)
{
    if (!ret_params)
        return;
    *ret_params = (struct moa_sound_params){
        .size = sizeof(*ret_params),
        .reference_s = 60.0,
        /* moaoff calibrate over recordings of Debian 12; docs/perceive.md names the package */
        .level_p5_dbfs = -23.15,
        .level_p95_dbfs = -17.05,
        .flatness_p5_db = -18.65,
        .flatness_p95_db = -6.55,
        .weight_length = 1.0,
        .weight_level = 1.0,
        .weight_activity = 1.0,
        .weight_flatness = 1.0,
    };
}

/* Where between the two `x` stands; a step if they are one. */
static double between(double x, double low, double high)
{
    return high > low ? moa_clip((x - low) / (high - low)) : x > low ? 1.0 : 0.0;
}

void moa_sound_complexity(const struct moa_sound_params *params,
                          const struct moa_sound_features *features,
                          struct moa_sound_complexity *ret_complexity)
{
    static const struct moa_sound_features none;
    const double guessed_bytes_per_s = 16e3, highest_bytes_per_s = 40e3;
    const struct moa_sound_features *f = features ? features : &none;
    struct moa_sound_params p;
    if (!ret_complexity)
        return;
    moa_sound_params_default(&p);
    moa_params_read(&p, sizeof(p), PARAMS_FIRST_BYTES, params);

    const double bytes = (double)f->bytes;
    const double duration_s = f->duration_s > 0 ? f->duration_s : bytes / guessed_bytes_per_s;
    struct moa_sound_complexity c = {.length = moa_clip(duration_s / p.reference_s)};
    if (f->n_blocks > 0) {
        const bool sounds = f->silence_share < 1.0;
        c.level = between(f->level_dbfs, p.level_p5_dbfs, p.level_p95_dbfs);
        c.activity = moa_clip(1.0 - f->silence_share);
        c.flatness = sounds ? between(f->flatness_db, p.flatness_p5_db, p.flatness_p95_db) : 0.0;
        const double x[] = {c.length, c.level, c.activity, c.flatness};
        const double w[] = {p.weight_length, p.weight_level, p.weight_activity, p.weight_flatness};
        c.score = moa_weighted_mean(x, w, 4);
    } else if (f->duration_s > 0) {
        c.rate = moa_clip(bytes / f->duration_s / highest_bytes_per_s);
        const double x[] = {c.length, c.rate}, w[] = {p.weight_length, p.weight_flatness};
        c.score = moa_weighted_mean(x, w, 2);
    } else {
        c.score = c.length;
    }
    *ret_complexity = c;
}
