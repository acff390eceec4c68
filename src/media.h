/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of moa_media_probe(): one function for each container, each in a file of its own, and the
 * readers of numbers that they share. Each reads inside of `file` only, whatever stands there.
 */
#ifndef MOA_SRC_MEDIA_H
#define MOA_SRC_MEDIA_H

#include <stdbool.h>
#include <stddef.h>

#include <moaoff/media.h>

#define MEDIA_HEADERS_MAX 4096 /* chunks, boxes and elements that are looked at in a file */

/** True if it is this container's; `media` has what it says. */
bool moa_media_wav(struct moa_bytes file, struct moa_media *media);
bool moa_media_mp3(struct moa_bytes file, struct moa_media *media);
bool moa_media_mp4(struct moa_bytes file, struct moa_media *media);
bool moa_media_webm(struct moa_bytes file, struct moa_media *media);

/** How a WAV file keeps its samples. */
enum media_encoding {
    MEDIA_OTHER,
    MEDIA_U8,
    MEDIA_S16,
    MEDIA_S24,
    MEDIA_S32,
    MEDIA_F32,
    MEDIA_F64
};

struct media_samples {
    enum media_encoding encoding;
    unsigned n_channels;   /* 1 and more */
    uint32_t rate_hz;      /* 1 and more */
    size_t frame_bytes;    /* of a sample of each channel */
    struct moa_bytes data; /* as much of them as is there */
};

/** The samples of a WAV file; false if there are none, or in an encoding that is not read. */
bool moa_media_samples(struct moa_bytes file, struct media_samples *ret_samples);

/** `n` bytes at `at`, at most 8 and inside of the file, as a number; the first is the highest. */
static inline uint64_t media_be(struct moa_bytes file, size_t at, size_t n)
{
    const uint8_t *p = (const uint8_t *)file.p + at;
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

/** The same, the first byte being the lowest. */
static inline uint64_t media_le(struct moa_bytes file, size_t at, size_t n)
{
    const uint8_t *p = (const uint8_t *)file.p + at;
    uint64_t value = 0;
    for (size_t i = n; i-- > 0;)
        value = value << 8 | p[i];
    return value;
}

/** Whether `n` bytes stand at `at`. */
static inline bool media_has(struct moa_bytes file, size_t at, size_t n)
{
    return at <= file.n && n <= file.n - at;
}

#endif
