/* SPDX-License-Identifier: Apache-2.0
 *
 * Complexity of sounds and films (x_a and x_v of MoA-Off, Eq. 1): a recording's samples, or what
 * the header says, to a complexity in [0, 1].
 */
#ifndef MOAOFF_SOUND_H
#define MOAOFF_SOUND_H

#include <moaoff/base.h>
#include <moaoff/media.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A block of a recording below this mean square is silent: ffmpeg's silencedetect. */
#define MOA_SOUND_SILENCE_DBFS (-60.0)

/**
 * What one pass over the samples of a WAV file finds: PCM of 8, 16, 24 or 32 bits, or floating
 * point of 32 or 64, of any rate and any number of channels, whose mean is heard. Full scale is 1.
 *
 * The samples are taken in blocks of n, the smallest power of two that lasts 16 ms, from 64 to
 * 4096; what is left at the end is not. Blocks whose mean square is below -60 dB of full scale are
 * silent. Of the others, which sound:
 *
 *     level     = 10 log10(mean of x^2)                             dB of full scale
 *     P_k       = mean over blocks of |DFT_k(w x)|^2 / (n sum w^2)   w the periodic Hann window
 *     flatness  = 10 log10(exp(mean ln P_k) / mean P_k)              dB; P_k at least 1e-12
 *
 * over the k from 1 to n / 2 - 1 that lie at 8 kHz and below, which is what models hear. P is
 * Welch's estimate (1967) without overlap; flatness is Gray and Markel's (1974) on Johnston's scale
 * (1988): 0 dB is white noise, and a tone lies far below. The same on every CPU, to the last bit.
 *
 * Of other files, and of a recording shorter than a block, n_blocks is 0 and nothing but duration
 * and bytes is known.
 */
struct moa_sound_features {
    uint64_t bytes;       /**< of the file */
    double duration_s;    /**< 0: not known */
    uint64_t n_blocks;    /**< that were heard; 0: nothing below is known */
    double silence_share; /**< of the blocks, in [0, 1] */
    double level_dbfs;    /**< -60 to 0; -60 if nothing sounds */
    double flatness_db;   /**< -120 to 0; -120 if nothing sounds */
};

/** How features become a complexity. Weights as in image.h: only their ratios count. */
struct moa_sound_params {
    size_t size;            /**< of this struct; base.h */
    double reference_s;     /**< D0, seconds, > 0; default 60 */
    double level_p5_dbfs;   /**< P5 of the level over a calibration set */
    double level_p95_dbfs;  /**< P95 of the same */
    double flatness_p5_db;  /**< P5 of the flatness */
    double flatness_p95_db; /**< P95 of the same */
    double weight_length;   /**< w of C_dur; each weight defaults to 1 */
    double weight_level;    /**< w of C_lev */
    double weight_activity; /**< w of C_act */
    double weight_flatness; /**< w of C_flat, and of C_rate */
};

/** The indicators and the weighted mean of those that are known, each in [0, 1]. */
struct moa_sound_complexity {
    double length;   /**< C_dur = min(1, D / D0) */
    double level;    /**< C_lev = clip((level - P5) / (P95 - P5)) */
    double activity; /**< C_act = 1 - silence share */
    double flatness; /**< C_flat = clip((flatness - P5) / (P95 - P5)); 0 if nothing sounds */
    double rate;     /**< C_rate = min(1, 8 bytes / D / 320 kbit/s), instead of the three before if
                        they are not known; 320 is the highest rate of MP3 */
    double score;    /**< c_audio */
};

MOA_API void moa_sound_params_default(struct moa_sound_params *ret_params);

/**
 * Listens to `file`, which may be anything. Its memory does not depend on the recording. Any
 * thread. Errors: MOA_ERR_MEMORY, MOA_ERR_ARGUMENT.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_sound_measure(struct moa_bytes file,
                                                       struct moa_sound_features *ret_features);

/** Where the duration is not known, D is that of so many bytes at 128 kbit/s, and C_dur stands
 * alone. `params` may be NULL for the defaults. */
MOA_API void moa_sound_complexity(const struct moa_sound_params *params,
                                  const struct moa_sound_features *features,
                                  struct moa_sound_complexity *ret_complexity);

/** A film, by what its header says. */
struct moa_film_params {
    size_t size;          /**< of this struct; base.h */
    double reference_s;   /**< D0, seconds, > 0; default 20 */
    double reference_px;  /**< H0 x W0 of a frame, > 0; default 768 x 28 x 28, of which engines of
                             the Qwen-VL family make the most tokens that a frame has */
    double weight_length; /**< w of C_dur; each weight defaults to 1 */
    double weight_frame;  /**< w of C_frame */
};

struct moa_film_complexity {
    double length; /**< C_dur = min(1, D / D0) */
    double frame;  /**< C_frame = min(1, HW / (H0 W0)); 0 if the size is not known */
    double score;  /**< c_video: the weighted mean, C_dur alone if the size is not known */
};

MOA_API void moa_film_params_default(struct moa_film_params *ret_params);

/** Where the duration is not known, D is that of `bytes` at 2 Mbit/s. */
MOA_API void moa_film_complexity(const struct moa_film_params *params,
                                 const struct moa_media *media, uint64_t bytes,
                                 struct moa_film_complexity *ret_complexity);

#ifdef __cplusplus
}
#endif
#endif
