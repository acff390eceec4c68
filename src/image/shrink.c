/* SPDX-License-Identifier: Apache-2.0
 *
 * The area average; see shrink.h. Down first, where the kernel adds whole rows, then across, where
 * each output pixel has a few taps of its own.
 */
#include <assert.h>

#include "shrink.h"

#include <stdlib.h>
#include <string.h>

#include "../kernels.h"

#define ONE 32768u /* the sum of the weights of an output pixel, in either direction */

/* Where the boundary of input pixel `i` lies within output pixel `o`, as a share of ONE. */
static uint32_t share(uint32_t i, uint32_t o, uint32_t n_in, uint32_t n_out)
{
    assert(n_in > 0);
    const uint64_t at = (uint64_t)i * n_out, begin = (uint64_t)o * n_in;
    if (at <= begin)
        return 0;
    return at >= begin + n_in ? ONE : (uint32_t)(((at - begin) * ONE + n_in / 2) / n_in);
}

static uint32_t weight(uint32_t i, uint32_t o, uint32_t n_in, uint32_t n_out)
{
    return share(i + 1, o, n_in, n_out) - share(i, o, n_in, n_out);
}

static void fill_weights(struct moa_shrink *s)
{
    const uint32_t n_out = s->out->width;
    for (uint32_t x = 0; x < n_out; x++) {
        uint32_t first = (uint32_t)((uint64_t)x * s->in_width / n_out);
        if (first + s->n_taps > s->in_width)
            first = s->in_width - s->n_taps;
        s->first[x] = first;
        for (uint32_t t = 0; t < s->n_taps; t++)
            s->weights[(size_t)x * s->n_taps + t] =
                (uint16_t)weight(first + t, x, s->in_width, n_out);
    }
}

bool moa_shrink_init(struct moa_shrink *s, uint32_t in_width, uint32_t in_height,
                     struct moa_plane *out)
{
    *s = (struct moa_shrink){.out = out, .in_width = in_width, .in_height = in_height};
    if (in_width == out->width && in_height == out->height)
        return true;
    const size_t n = (size_t)in_width * out->n_channels;
    s->n_taps = (in_width + out->width - 1) / out->width + 1;
    if (s->n_taps > in_width)
        s->n_taps = in_width;
    s->sums = calloc(n, sizeof(*s->sums));
    s->means = malloc(n * sizeof(*s->means));
    s->first = malloc(out->width * sizeof(*s->first));
    s->weights = malloc((size_t)out->width * s->n_taps * sizeof(*s->weights));
    if (!s->sums || !s->means || !s->first || !s->weights)
        return false;
    fill_weights(s);
    return true;
}

void moa_shrink_done(struct moa_shrink *s)
{
    free(s->sums);
    free(s->means);
    free(s->first);
    free(s->weights);
    *s = (struct moa_shrink){0};
}

/* Inlined for each number of channels, and for the numbers of taps of the usual ratios: 2 x ONE x
 * 65280 would not fit 32 bits, but the weights of a pixel sum to ONE. */
static inline __attribute__((always_inline)) void
average_with(const struct moa_shrink *s, uint8_t *out, uint32_t n_channels, uint32_t n_taps)
{
    const uint16_t *weights = s->weights;
    for (uint32_t x = 0; x < s->out->width; x++, weights += n_taps) {
        const uint16_t *in = s->means + (size_t)s->first[x] * n_channels;
        for (uint32_t c = 0; c < n_channels; c++) {
            uint32_t sum = 1u << 22;
            for (uint32_t t = 0; t < n_taps; t++)
                sum += (uint32_t)weights[t] * in[t * n_channels + c];
            *out++ = (uint8_t)(sum >> 23);
        }
    }
}

static inline __attribute__((always_inline)) void
average_channels(const struct moa_shrink *s, uint8_t *out, uint32_t n_channels)
{
    switch (s->n_taps) {
    case 2:
        average_with(s, out, n_channels, 2);
        break;
    case 3:
        average_with(s, out, n_channels, 3);
        break;
    case 4:
        average_with(s, out, n_channels, 4);
        break;
    default:
        average_with(s, out, n_channels, s->n_taps);
    }
}

/* An output row is complete. */
static void emit(struct moa_shrink *s)
{
    const size_t n = (size_t)s->in_width * s->out->n_channels;
    for (size_t i = 0; i < n; i++) {
        s->means[i] = (uint16_t)((s->sums[i] + 64) >> 7);
        s->sums[i] = 0;
    }
    uint8_t *out = s->out->p + s->out_row * s->out->stride_bytes;
    if (s->out->n_channels == 1)
        average_channels(s, out, 1);
    else
        average_channels(s, out, 3);
    s->out_row++;
}

void moa_shrink_row(struct moa_shrink *s, const uint8_t *row)
{
    const size_t n = (size_t)s->in_width * s->out->n_channels;
    const uint32_t y = s->in_row++;
    if (!s->sums) {
        memcpy(s->out->p + y * s->out->stride_bytes, row, n);
        return;
    }
    while (s->out_row < s->out->height) {
        const uint32_t w = weight(y, s->out_row, s->in_height, s->out->height);
        if (w)
            moa_kernels_get()->add_row(row, n, w, s->sums);
        /* Whether a later row has a part in this output row. */
        if ((uint64_t)(y + 1) * s->out->height < (uint64_t)(s->out_row + 1) * s->in_height)
            return;
        emit(s);
    }
}
