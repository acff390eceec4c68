/* SPDX-License-Identifier: Apache-2.0
 *
 * The first frame of a GIF to luma rows (GIF89a, appendix F for the compression). A palette maps to
 * luma once, so a pixel is a table look-up. Rows stream unless they are interlaced. A first frame
 * that does not cover the canvas is refused: what lies around it is not in the file.
 */
#include "image_decode.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CODES = 4096 };

struct gif {
    const struct moa_decode_job *job;
    const uint8_t *p;
    size_t n;
    size_t at;
    uint8_t luma[256]; /* of every palette index; indices beyond the palette are black */
    bool is_interlaced;
    uint8_t *plane; /* interlaced only */
    /* where the next pixel goes */
    uint8_t *row;
    uint32_t x;
    uint32_t y;
    unsigned pass;
    /* code input */
    size_t block_left; /* bytes left in the sub-block */
    uint32_t bits;
    unsigned n_bits;
    /* A code is its prefix and one byte more. */
    uint16_t prefix[MAX_CODES];
    uint8_t last[MAX_CODES];
    uint8_t stack[MAX_CODES];
};

static uint32_t le16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static enum moa_err fail_truncated(const struct gif *gif, struct moa_error *error)
{
    return moa_fail(error, MOA_ERR_TRUNCATED, gif->n, "GIF ends too early");
}

/* The palette at gif->at, of 2^(bits + 1) colours. */
static enum moa_err read_palette(struct gif *gif, unsigned bits, struct moa_error *error)
{
    const size_t n = (size_t)2 << bits;
    if (gif->n - gif->at < 3 * n)
        return fail_truncated(gif, error);
    memset(gif->luma, 0, sizeof(gif->luma));
    for (size_t i = 0; i < n; i++) {
        const uint8_t *rgb = gif->p + gif->at + 3 * i;
        gif->luma[i] =
            (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
    }
    gif->at += 3 * n;
    return MOA_OK;
}

/* Extensions before the first image; leaves gif->at behind the image separator. */
static enum moa_err skip_to_image(struct gif *gif, struct moa_error *error)
{
    while (gif->at + 1 < gif->n && gif->p[gif->at] == 0x21) {
        gif->at += 2;
        while (gif->at < gif->n && gif->p[gif->at] > 0)
            gif->at += 1 + (size_t)gif->p[gif->at];
        gif->at++;
    }
    if (gif->at >= gif->n)
        return fail_truncated(gif, error);
    if (gif->p[gif->at] != 0x2c)
        return moa_fail(error, MOA_ERR_CORRUPT, gif->at, "GIF without an image");
    gif->at++;
    return MOA_OK;
}

static enum moa_err read_headers(struct gif *gif, struct moa_error *error)
{
    gif->at = 13;
    if (gif->n < gif->at)
        return fail_truncated(gif, error);
    enum moa_err err = MOA_OK;
    if (gif->p[10] & 0x80)
        err = read_palette(gif, gif->p[10] & 7, error);
    if (err == MOA_OK)
        err = skip_to_image(gif, error);
    if (err)
        return err;
    if (gif->n - gif->at < 9)
        return fail_truncated(gif, error);
    const uint8_t *frame = gif->p + gif->at;
    if (le16(frame) != 0 || le16(frame + 2) != 0 || le16(frame + 4) != gif->job->info.width_px ||
        le16(frame + 6) != gif->job->info.height_px)
        return moa_fail(error, MOA_ERR_UNSUPPORTED, gif->at,
                        "GIF whose first frame does not cover its canvas");
    const uint8_t flags = frame[8];
    gif->is_interlaced = (flags & 0x40) != 0;
    gif->at += 9;
    if (flags & 0x80)
        return read_palette(gif, flags & 7, error);
    return gif->p[10] & 0x80 ? MOA_OK
                             : moa_fail(error, MOA_ERR_CORRUPT, gif->at, "GIF without a palette");
}

/* Returns false at the end of the data. */
static bool read_code(struct gif *gif, unsigned size, unsigned *ret_code)
{
    while (gif->n_bits < size) {
        if (gif->block_left == 0) {
            if (gif->at >= gif->n || gif->p[gif->at] == 0)
                return false;
            gif->block_left = gif->p[gif->at++];
        }
        if (gif->at >= gif->n)
            return false;
        gif->bits |= (uint32_t)gif->p[gif->at++] << gif->n_bits;
        gif->n_bits += 8;
        gif->block_left--;
    }
    *ret_code = gif->bits & ((1u << size) - 1);
    gif->bits >>= size;
    gif->n_bits -= size;
    return true;
}

/* Rows of an interlaced image: every 8th from 0, every 8th from 4, every 4th from 2, every 2nd. */
static void next_interlaced_row(struct gif *gif)
{
    static const uint8_t first[4] = {0, 4, 2, 1};
    static const uint8_t step[4] = {8, 8, 4, 2};
    gif->y += step[gif->pass];
    while (gif->y >= gif->job->info.height_px && gif->pass < 3)
        gif->y = first[++gif->pass];
}

static void next_row(struct gif *gif)
{
    gif->x = 0;
    if (gif->is_interlaced) {
        next_interlaced_row(gif);
        if (gif->y < gif->job->info.height_px)
            gif->row = gif->plane + (size_t)gif->y * gif->job->info.width_px;
    } else {
        moa_scan_push(gif->job->scan, 1);
        gif->y++;
        gif->row = moa_scan_space(gif->job->scan, 0);
    }
}

/* False once the image is full. */
static bool put(struct gif *gif, uint8_t index)
{
    gif->row[gif->x++] = gif->luma[index];
    if (gif->x < gif->job->info.width_px)
        return true;
    next_row(gif);
    return gif->y < gif->job->info.height_px;
}

/* The bytes of `code`, which is defined; returns whether the image has room for more. */
static bool put_code(struct gif *gif, unsigned code, unsigned clear, uint8_t *ret_first)
{
    size_t n = 0;
    while (code >= clear) {
        gif->stack[n++] = gif->last[code];
        code = gif->prefix[code];
    }
    *ret_first = (uint8_t)code;
    bool has_room = put(gif, (uint8_t)code);
    while (n > 0 && has_room)
        has_room = put(gif, gif->stack[--n]);
    return has_room;
}

static enum moa_err decompress(struct gif *gif, struct moa_error *error)
{
    if (gif->at >= gif->n)
        return fail_truncated(gif, error);
    const unsigned min_size = gif->p[gif->at++];
    if (min_size < 1 || min_size > 8)
        return moa_fail(error, MOA_ERR_CORRUPT, gif->at, "GIF code size out of range");
    const unsigned clear = 1u << min_size;
    const unsigned none = MAX_CODES;
    unsigned size = min_size + 1;
    unsigned n_codes = clear + 2;
    unsigned previous = none;
    uint8_t first = 0;
    unsigned code;
    while (read_code(gif, size, &code)) {
        if (code == clear) {
            size = min_size + 1;
            n_codes = clear + 2;
            previous = none;
            continue;
        }
        if (code == clear + 1)
            break;
        if (code > n_codes || (code == n_codes && (previous == none || n_codes == MAX_CODES)))
            return moa_fail(error, MOA_ERR_CORRUPT, gif->at, "GIF data with an invalid code");
        if (code == n_codes) {
            /* The code about to be defined: the previous one and its own first byte. */
            gif->prefix[code] = (uint16_t)previous;
            gif->last[code] = first;
        }
        if (!put_code(gif, code, clear, &first))
            return MOA_OK;
        if (previous != none && n_codes < MAX_CODES) {
            gif->prefix[n_codes] = (uint16_t)previous;
            gif->last[n_codes] = first;
            n_codes++;
        }
        if (n_codes == 1u << size && size < 12)
            size++;
        previous = code;
    }
    return fail_truncated(gif, error);
}

enum moa_err moa_decode_gif(const struct moa_decode_job *job, struct moa_error *error)
{
    struct gif *gif = calloc(1, sizeof(*gif));
    if (!gif)
        return moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory in the GIF decoder");
    gif->job = job;
    gif->p = job->file.p;
    gif->n = job->file.n;
    enum moa_err err = read_headers(gif, error);
    if (err == MOA_OK && gif->is_interlaced) {
        gif->plane = malloc((size_t)job->info.width_px * job->info.height_px);
        if (!gif->plane)
            err = moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory for an interlaced image");
    }
    if (err == MOA_OK) {
        gif->row = gif->is_interlaced ? gif->plane : moa_scan_space(job->scan, 0);
        err = decompress(gif, error);
    }
    if (err == MOA_OK && gif->is_interlaced)
        moa_scan_plane(job->scan, gif->plane, job->info.height_px, job->info.width_px);
    free(gif->plane);
    free(gif);
    return err;
}
