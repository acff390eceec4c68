/* SPDX-License-Identifier: Apache-2.0
 *
 * Which container a file is, and the two simplest of them, WAV and MP3; see media.h.
 */
#include "media.h"

#include <string.h>

#define DURATION_MAX_S (366.0 * 86400)
#define SIDE_MAX_PX (1u << 20)

/* ---- WAV: RIFF chunks ---- */

struct wav {
    unsigned tag, n_channels, frame_bytes, sample_bits;
    uint32_t rate_hz, bytes_per_s;
    struct moa_bytes data; /* as much of it as is there */
};

enum { WAV_PCM = 1, WAV_FLOAT = 3, WAV_EXTENSIBLE = 0xfffe };

static void read_wav_format(struct moa_bytes file, size_t at, size_t n, struct wav *w)
{
    w->tag = (unsigned)media_le(file, at, 2);
    w->n_channels = (unsigned)media_le(file, at + 2, 2);
    w->rate_hz = (uint32_t)media_le(file, at + 4, 4);
    w->bytes_per_s = (uint32_t)media_le(file, at + 8, 4);
    if (n < 16 || !media_has(file, at, 16))
        return;
    w->frame_bytes = (unsigned)media_le(file, at + 12, 2);
    w->sample_bits = (unsigned)media_le(file, at + 14, 2);
    /* The tag that it extends begins a GUID. */
    if (w->tag == WAV_EXTENSIBLE && n >= 40 && media_has(file, at, 40))
        w->tag = (unsigned)media_le(file, at + 24, 2);
}

static bool read_wav(struct moa_bytes file, struct wav *ret_wav)
{
    const char *p = file.p;
    struct wav w = {0};
    if (!media_has(file, 0, 12) || memcmp(p, "RIFF", 4) != 0 || memcmp(p + 8, "WAVE", 4) != 0)
        return false;
    size_t at = 12;
    for (int i = 0; i < MEDIA_HEADERS_MAX && media_has(file, at, 8); i++) {
        const uint64_t n = media_le(file, at + 4, 4);
        const size_t body = at + 8, there = file.n - body;
        if (memcmp(p + at, "fmt ", 4) == 0 && media_has(file, body, 12)) {
            read_wav_format(file, body, (size_t)n, &w);
        } else if (memcmp(p + at, "data", 4) == 0) {
            /* A stream's writer does not know its length; what is there counts. */
            w.data = (struct moa_bytes){p + body, n < there ? (size_t)n : there};
            break;
        }
        if (n > there)
            break;
        at = body + (size_t)n + (size_t)(n & 1);
    }
    *ret_wav = w;
    return true;
}

bool moa_media_wav(struct moa_bytes file, struct moa_media *media)
{
    struct wav w;
    if (!read_wav(file, &w))
        return false;
    media->n_channels = w.n_channels;
    media->sample_rate_hz = w.rate_hz;
    if (w.bytes_per_s > 0)
        media->duration_s = (double)w.data.n / (double)w.bytes_per_s;
    return true;
}

bool moa_media_samples(struct moa_bytes file, struct media_samples *ret_samples)
{
    static const struct {
        unsigned tag, bytes;
        enum media_encoding encoding;
    } encodings[] = {{WAV_PCM, 1, MEDIA_U8},  {WAV_PCM, 2, MEDIA_S16},   {WAV_PCM, 3, MEDIA_S24},
                     {WAV_PCM, 4, MEDIA_S32}, {WAV_FLOAT, 4, MEDIA_F32}, {WAV_FLOAT, 8, MEDIA_F64}};
    struct wav w;
    if (!read_wav(file, &w) || !w.data.p || w.n_channels == 0 || w.rate_hz == 0)
        return false;
    const unsigned bytes = (w.sample_bits + 7) / 8;
    struct media_samples s = {.n_channels = w.n_channels,
                              .rate_hz = w.rate_hz,
                              .frame_bytes = w.frame_bytes,
                              .data = w.data};
    for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
        if (encodings[i].tag == w.tag && encodings[i].bytes == bytes)
            s.encoding = encodings[i].encoding;
    }
    if (!s.encoding || w.frame_bytes != w.n_channels * bytes)
        return false;
    *ret_samples = s;
    return true;
}

/* ---- MP3: frames behind an ID3 tag ---- */

struct mp3_frame {
    unsigned rate_hz, bitrate_kbps, n_channels, n_samples;
    size_t side_bytes; /* before a Xing header */
};

/* The header of an MPEG audio frame, layer III; false if there is none at `at`. */
static bool read_frame(struct moa_bytes file, size_t at, struct mp3_frame *ret_frame)
{
    static const unsigned rates[3] = {44100, 48000, 32000};
    static const unsigned bitrates[2][15] = {
        {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
        {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}};
    if (!media_has(file, at, 4))
        return false;
    const uint32_t header = (uint32_t)media_be(file, at, 4);
    const unsigned version = header >> 19 & 3; /* 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5 */
    const unsigned layer = header >> 17 & 3, bitrate = header >> 12 & 15, rate = header >> 10 & 3;
    if (header >> 21 != 0x7ff || version == 1 || layer != 1 || bitrate == 0 || bitrate == 15 ||
        rate == 3)
        return false;
    const bool is_mono = (header >> 6 & 3) == 3;
    *ret_frame = (struct mp3_frame){
        .rate_hz = rates[rate] >> (version == 3   ? 0
                                   : version == 2 ? 1
                                                  : 2),
        .bitrate_kbps = bitrates[version == 3][bitrate],
        .n_channels = is_mono ? 1 : 2,
        .n_samples = version == 3 ? 1152 : 576,
        .side_bytes = version == 3 ? (is_mono ? 17 : 32) : (is_mono ? 9 : 17),
    };
    return true;
}

/* How many frames the encoder says there are, in a frame of its own; 0 if it does not. */
static uint64_t frames_said(struct moa_bytes file, size_t at, const struct mp3_frame *frame)
{
    const char *p = file.p;
    const size_t xing = at + 4 + frame->side_bytes, vbri = at + 36;
    if (media_has(file, xing, 12) &&
        (memcmp(p + xing, "Xing", 4) == 0 || memcmp(p + xing, "Info", 4) == 0))
        return media_be(file, xing + 4, 4) & 1 ? media_be(file, xing + 8, 4) : 0;
    if (media_has(file, vbri, 18) && memcmp(p + vbri, "VBRI", 4) == 0)
        return media_be(file, vbri + 14, 4);
    return 0;
}

bool moa_media_mp3(struct moa_bytes file, struct moa_media *media)
{
    const uint8_t *p = file.p;
    size_t at = 0;
    const bool has_tag = media_has(file, 0, 10) && memcmp(p, "ID3", 3) == 0;
    if (has_tag) /* its size is in four times seven bits */
        at = 10 + ((size_t)(p[6] & 127) << 21 | (size_t)(p[7] & 127) << 14 |
                   (size_t)(p[8] & 127) << 7 | (size_t)(p[9] & 127));
    struct mp3_frame frame;
    /* Behind a tag there may be zeros; without one the file begins with a frame. */
    size_t tries = has_tag ? MEDIA_HEADERS_MAX : 1;
    while (tries > 0 && !read_frame(file, at, &frame))
        at++, tries--;
    if (tries == 0)
        return has_tag;
    media->sample_rate_hz = frame.rate_hz;
    media->n_channels = frame.n_channels;
    const uint64_t n_frames = frames_said(file, at, &frame);
    media->duration_s = n_frames > 0 ? (double)n_frames * frame.n_samples / frame.rate_hz
                                     : (double)(file.n - at) / (125.0 * frame.bitrate_kbps);
    return true;
}

/* ---- all of them ---- */

static const struct media_container {
    enum moa_media_format format;
    bool (*probe)(struct moa_bytes file, struct moa_media *media);
} containers[] = {
    {MOA_MEDIA_WAV, moa_media_wav},
    {MOA_MEDIA_MP4, moa_media_mp4},
    {MOA_MEDIA_WEBM, moa_media_webm},
    {MOA_MEDIA_MP3, moa_media_mp3}, /* last: its mark is the shortest */
};

/* Written so that NaN is out of range. */
static double in_range(double duration_s)
{
    return duration_s > 0 && duration_s <= DURATION_MAX_S ? duration_s : 0;
}

void moa_media_probe(struct moa_bytes file, struct moa_media *ret_media)
{
    struct moa_media media = {.format = MOA_MEDIA_UNKNOWN};
    if (!ret_media)
        return;
    if (!file.p)
        file.n = 0;
    for (size_t i = 0; i < sizeof(containers) / sizeof(containers[0]) && !media.format; i++) {
        if (containers[i].probe(file, &media))
            media.format = containers[i].format;
        else
            media = (struct moa_media){.format = MOA_MEDIA_UNKNOWN};
    }
    media.duration_s = in_range(media.duration_s);
    if (media.width_px > SIDE_MAX_PX || media.height_px > SIDE_MAX_PX)
        media.width_px = media.height_px = 0;
    *ret_media = media;
}

const char *moa_media_format_name(enum moa_media_format format)
{
    static const char *const names[] = {"unknown", "wav", "mp3", "mp4", "webm"};
    return (unsigned)format < sizeof(names) / sizeof(names[0]) ? names[format] : names[0];
}
