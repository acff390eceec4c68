/* SPDX-License-Identifier: Apache-2.0
 *
 * MP4 and MOV: boxes in boxes; see media.h. Of them moov/mvhd has the duration, moov/trak/tkhd the
 * size of a picture, moov/trak/mdia/mdhd the rate of a sound, whose kind moov/trak/mdia/hdlr says.
 */
#include "media.h"

#include <string.h>

struct mp4_box {
    char type[4];
    struct moa_bytes body; /* as much of it as is there */
    size_t n;              /* from its head to the next box, or to the end */
};

struct mp4_walk {
    struct moa_media *media;
    unsigned n_boxes; /* looked at, in all */
};

/* The box at `at`; false if there is none. */
static bool read_box(struct moa_bytes in, size_t at, struct mp4_walk *w, struct mp4_box *ret_box)
{
    if (!media_has(in, at, 8) || w->n_boxes++ >= MEDIA_HEADERS_MAX)
        return false;
    uint64_t n = media_be(in, at, 4);
    size_t head = 8;
    if (n == 1 && media_has(in, at, 16)) {
        n = media_be(in, at + 8, 8);
        head = 16;
    } else if (n == 0) { /* to the end */
        n = in.n - at;
    }
    if (n < head)
        return false;
    const size_t there = n < in.n - at ? (size_t)n : in.n - at;
    const char *p = in.p;
    memcpy(ret_box->type, p + at + 4, 4);
    ret_box->body = (struct moa_bytes){p + at + head, there - head};
    ret_box->n = there;
    return true;
}

/* A version, flags, and two times of 4 or 8 bytes; then the units a second, and the duration. */
static bool read_times(struct moa_bytes body, uint64_t *ret_rate, uint64_t *ret_duration)
{
    const bool is_long = body.n > 0 && *(const uint8_t *)body.p == 1;
    const size_t at = is_long ? 20 : 12, n = is_long ? 8 : 4;
    if (!media_has(body, at, 4 + n))
        return false;
    *ret_rate = media_be(body, at, 4);
    *ret_duration = media_be(body, at + 4, n);
    return *ret_rate > 0;
}

static void read_movie_head(struct moa_bytes body, struct mp4_walk *w)
{
    uint64_t rate, duration;
    if (read_times(body, &rate, &duration) && duration != UINT32_MAX && duration != UINT64_MAX)
        w->media->duration_s = (double)duration / (double)rate;
}

/* Its last two fields, in 1/65536 of a pixel. */
static void read_track_head(struct moa_bytes body, struct mp4_walk *w)
{
    const size_t n = body.n > 0 && *(const uint8_t *)body.p == 1 ? 96 : 84;
    if (!media_has(body, 0, n) || w->media->width_px > 0)
        return;
    const uint32_t width = (uint32_t)media_be(body, n - 8, 2);
    const uint32_t height = (uint32_t)media_be(body, n - 4, 2);
    if (width > 0 && height > 0) {
        w->media->width_px = width;
        w->media->height_px = height;
    }
}

static void read_media(struct moa_bytes body, struct mp4_walk *w)
{
    struct mp4_box box;
    uint64_t rate = 0, duration;
    bool is_sound = false;
    for (size_t at = 0; read_box(body, at, w, &box); at += box.n) {
        if (memcmp(box.type, "mdhd", 4) == 0)
            (void)read_times(box.body, &rate, &duration);
        else if (memcmp(box.type, "hdlr", 4) == 0 && media_has(box.body, 8, 4))
            is_sound = memcmp((const char *)box.body.p + 8, "soun", 4) == 0;
    }
    if (is_sound && rate <= UINT32_MAX)
        w->media->sample_rate_hz = (uint32_t)rate;
}

static void read_track(struct moa_bytes body, struct mp4_walk *w)
{
    struct mp4_box box;
    for (size_t at = 0; read_box(body, at, w, &box); at += box.n) {
        if (memcmp(box.type, "tkhd", 4) == 0)
            read_track_head(box.body, w);
        else if (memcmp(box.type, "mdia", 4) == 0)
            read_media(box.body, w);
    }
}

static void read_movie(struct moa_bytes body, struct mp4_walk *w)
{
    struct mp4_box box;
    for (size_t at = 0; read_box(body, at, w, &box); at += box.n) {
        if (memcmp(box.type, "mvhd", 4) == 0)
            read_movie_head(box.body, w);
        else if (memcmp(box.type, "trak", 4) == 0)
            read_track(box.body, w);
    }
}

bool moa_media_mp4(struct moa_bytes file, struct moa_media *media)
{
    static const char first[][5] = {"ftyp", "moov", "mdat", "wide", "free", "skip"};
    bool is_one = false;
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]) && media_has(file, 0, 8); i++)
        is_one = is_one || memcmp((const char *)file.p + 4, first[i], 4) == 0;
    if (!is_one)
        return false;
    struct mp4_walk w = {.media = media};
    struct mp4_box box;
    for (size_t at = 0; read_box(file, at, &w, &box); at += box.n) {
        if (memcmp(box.type, "moov", 4) == 0)
            read_movie(box.body, &w);
    }
    return true;
}
