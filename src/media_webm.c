/* SPDX-License-Identifier: Apache-2.0
 *
 * WebM and Matroska: EBML elements in elements; see media.h. Segment/Info has the duration in units
 * of its TimestampScale, Segment/Tracks/TrackEntry the size of a picture and the rate of a sound.
 */
#include "media.h"

#include <string.h>

enum {
    ID_EBML = 0x1A45DFA3,
    ID_SEGMENT = 0x18538067,
    ID_INFO = 0x1549A966,
    ID_SCALE = 0x2AD7B1,
    ID_DURATION = 0x4489,
    ID_TRACKS = 0x1654AE6B,
    ID_TRACK = 0xAE,
    ID_VIDEO = 0xE0,
    ID_WIDTH = 0xB0,
    ID_HEIGHT = 0xBA,
    ID_AUDIO = 0xE1,
    ID_RATE = 0xB5,
    ID_CHANNELS = 0x9F,
};

struct webm_element {
    uint64_t id;
    struct moa_bytes body; /* as much of it as is there */
    size_t n;              /* from its head to the next */
};

struct webm_walk {
    struct moa_media *media;
    unsigned n_elements; /* looked at, in all */
    double scale_s, duration;
};

/* A number whose first bits say how many bytes it has; 0 bytes if there is none. The mark of its
 * length stays in an id. */
static size_t read_number(struct moa_bytes in, size_t at, size_t max, bool with_mark,
                          uint64_t *ret_value)
{
    if (!media_has(in, at, 1))
        return 0;
    const uint8_t first = ((const uint8_t *)in.p)[at];
    size_t n = 1;
    while (n <= max && !(first & 0x80 >> (n - 1)))
        n++;
    if (n > max || !media_has(in, at, n))
        return 0;
    const uint64_t value = media_be(in, at, n);
    *ret_value = with_mark ? value : value & ((UINT64_C(1) << 7 * n) - 1);
    return n;
}

static bool read_element(struct moa_bytes in, size_t at, struct webm_walk *w,
                         struct webm_element *ret)
{
    uint64_t n;
    if (w->n_elements++ >= MEDIA_HEADERS_MAX)
        return false;
    const size_t id_n = read_number(in, at, 4, true, &ret->id);
    const size_t size_n = id_n ? read_number(in, at + id_n, 8, false, &n) : 0;
    if (!size_n)
        return false;
    const size_t head = id_n + size_n, left = in.n - at - head;
    /* All ones: a stream, whose length is not known. */
    const bool is_open = n == (UINT64_C(1) << 7 * size_n) - 1;
    const size_t there = is_open || n > left ? left : (size_t)n;
    ret->body = (struct moa_bytes){(const char *)in.p + at + head, there};
    ret->n = head + there;
    return true;
}

static uint64_t integer_of(const struct webm_element *e)
{
    return e->body.n <= 8 ? media_be(e->body, 0, e->body.n) : 0;
}

static double real_of(const struct webm_element *e)
{
    if (e->body.n == 4) {
        const uint32_t bits = (uint32_t)media_be(e->body, 0, 4);
        float value;
        memcpy(&value, &bits, sizeof(value));
        return (double)value;
    }
    const uint64_t bits = e->body.n == 8 ? media_be(e->body, 0, 8) : 0;
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint32_t small(uint64_t value)
{
    return value <= UINT32_MAX ? (uint32_t)value : 0;
}

static void read_info(struct moa_bytes body, struct webm_walk *w)
{
    struct webm_element e;
    for (size_t at = 0; read_element(body, at, w, &e); at += e.n) {
        if (e.id == ID_SCALE)
            w->scale_s = 1e-9 * (double)integer_of(&e);
        else if (e.id == ID_DURATION)
            w->duration = real_of(&e);
    }
}

static void read_video(struct moa_bytes body, struct webm_walk *w)
{
    struct webm_element e;
    for (size_t at = 0; read_element(body, at, w, &e); at += e.n) {
        if (e.id == ID_WIDTH)
            w->media->width_px = small(integer_of(&e));
        else if (e.id == ID_HEIGHT)
            w->media->height_px = small(integer_of(&e));
    }
}

static void read_audio(struct moa_bytes body, struct webm_walk *w)
{
    struct webm_element e;
    for (size_t at = 0; read_element(body, at, w, &e); at += e.n) {
        const double rate_hz = e.id == ID_RATE ? real_of(&e) : 0;
        if (rate_hz > 0 && rate_hz < 1e9)
            w->media->sample_rate_hz = (uint32_t)rate_hz;
        else if (e.id == ID_CHANNELS)
            w->media->n_channels = small(integer_of(&e));
    }
}

static void read_tracks(struct moa_bytes body, struct webm_walk *w)
{
    struct webm_element track, e;
    for (size_t at = 0; read_element(body, at, w, &track); at += track.n) {
        if (track.id != ID_TRACK)
            continue;
        for (size_t in = 0; read_element(track.body, in, w, &e); in += e.n) {
            if (e.id == ID_VIDEO && w->media->width_px == 0)
                read_video(e.body, w);
            else if (e.id == ID_AUDIO)
                read_audio(e.body, w);
        }
    }
}

bool moa_media_webm(struct moa_bytes file, struct moa_media *media)
{
    struct webm_walk w = {.media = media, .scale_s = 1e-3};
    struct webm_element outer, e;
    if (!media_has(file, 0, 4) || media_be(file, 0, 4) != ID_EBML)
        return false;
    for (size_t at = 0; read_element(file, at, &w, &outer); at += outer.n) {
        if (outer.id != ID_SEGMENT)
            continue;
        for (size_t in = 0; read_element(outer.body, in, &w, &e); in += e.n) {
            if (e.id == ID_INFO)
                read_info(e.body, &w);
            else if (e.id == ID_TRACKS)
                read_tracks(e.body, &w);
        }
    }
    media->duration_s = w.duration * w.scale_s;
    return true;
}
