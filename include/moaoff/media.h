/* SPDX-License-Identifier: Apache-2.0
 *
 * What a sound or a film says of itself in its container's header: WAV, MP3, MP4 and MOV, WebM and
 * Matroska. Nothing is decoded.
 */
#ifndef MOAOFF_MEDIA_H
#define MOAOFF_MEDIA_H

#include <moaoff/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum moa_media_format {
    MOA_MEDIA_UNKNOWN = 0,
    MOA_MEDIA_WAV = 1,
    MOA_MEDIA_MP3 = 2,
    MOA_MEDIA_MP4 = 3,  /**< and MOV, M4A, 3GP */
    MOA_MEDIA_WEBM = 4, /**< and Matroska */
};

/** What is not known is 0. */
struct moa_media {
    enum moa_media_format format;
    double duration_s; /**< at most a year */
    uint32_t sample_rate_hz;
    uint32_t n_channels;
    uint32_t width_px, height_px; /**< of the first track that has a size */
};

/**
 * Reads the headers of `file`, which may be anything and may be cut: what stands behind the cut is
 * not known. A file of no known format has format MOA_MEDIA_UNKNOWN. Reads a bounded number of
 * headers, whatever the file says of their sizes. Any thread.
 */
MOA_API void moa_media_probe(struct moa_bytes file, struct moa_media *ret_media);

/** "wav", "mp3", "mp4", "webm", "unknown". */
MOA_API const char *moa_media_format_name(enum moa_media_format format);

#ifdef __cplusplus
}
#endif
#endif
