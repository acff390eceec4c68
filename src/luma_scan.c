/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of luma to features; see luma_scan.h. Floating point appears only in moa_scan_finish(), in
 * one fixed order and with correctly rounded operations, so features are equal on every CPU.
 */
#include "luma_scan.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

/* 256 * sqrt(2) * 1020 = 369281.4 is the largest bin. */
#define N_BINS 369284u
/* The luma histogram is kept eight times, one for each byte of a load: neighbours are often equal,
 * and increments of one counter in a row would wait for each other. */
#define N_LUMA_COPIES 8u

struct moa_luma_scan {
    const struct moa_kernels *kernels;
    size_t width_px;
    size_t stride_bytes;
    uint8_t *rows;     /* 2 kept rows, then MOA_SCAN_ROWS of space */
    size_t n_kept;     /* how many of the 2 kept rows are filled: the last ones */
    uint64_t n_px;     /* pixels in `luma` */
    uint64_t n_inner;  /* pixels in `bins` */
    int64_t laplacian; /* over the n_inner pixels */
    int64_t laplacian_squares;
    uint32_t luma[N_LUMA_COPIES][256];
    uint32_t s[MOA_BLOCK_PX];
    uint32_t bins[N_BINS];
};

static const double edge_threshold_s = 128.0 * 128.0;

struct moa_luma_scan *moa_scan_new(uint32_t width_px)
{
    /* calloc of this size maps zero pages: those of large gradients cost nothing until used. */
    struct moa_luma_scan *scan = calloc(1, sizeof(*scan));
    if (!scan)
        return NULL;
    scan->kernels = moa_kernels_get();
    scan->width_px = width_px;
    scan->stride_bytes = ((size_t)width_px + 127) / 64 * 64;
    scan->rows = malloc(scan->stride_bytes * (2 + MOA_SCAN_ROWS));
    if (!scan->rows) {
        free(scan);
        return NULL;
    }
    return scan;
}

void moa_scan_free(struct moa_luma_scan *scan)
{
    if (!scan)
        return;
    free(scan->rows);
    free(scan);
}

uint8_t *moa_scan_space(struct moa_luma_scan *scan, size_t i)
{
    assert(i < MOA_SCAN_ROWS);
    return scan->rows + (2 + i) * scan->stride_bytes;
}

static void count_luma(struct moa_luma_scan *scan, const uint8_t *row)
{
    const size_t n = scan->width_px;
    size_t i = 0;
    for (; i + N_LUMA_COPIES <= n; i += N_LUMA_COPIES) {
        for (size_t k = 0; k < N_LUMA_COPIES; k++)
            scan->luma[k][row[i + k]]++;
    }
    for (; i < n; i++)
        scan->luma[0][row[i]]++;
    scan->n_px += n;
}

static void count_gradients(struct moa_luma_scan *scan, const uint8_t *above, const uint8_t *row,
                            const uint8_t *below)
{
    if (scan->width_px < 3)
        return;
    const size_t n_inner = scan->width_px - 2;
    for (size_t x = 0; x < n_inner; x += MOA_BLOCK_PX) {
        const size_t n = n_inner - x < MOA_BLOCK_PX ? n_inner - x : MOA_BLOCK_PX;
        struct moa_block_sums sums;
        scan->kernels->gradient_block(above + x + 1, row + x + 1, below + x + 1, n, scan->s, &sums);
        if (sums.s_or >= MOA_S_LARGE)
            scan->kernels->bin_large(scan->s, n);
        for (size_t i = 0; i < n; i++)
            scan->bins[scan->s[i]]++;
        scan->laplacian += sums.laplacian;
        scan->laplacian_squares += sums.laplacian_squares;
    }
    scan->n_inner += n_inner;
}

void moa_scan_push(struct moa_luma_scan *scan, size_t n_rows)
{
    assert(n_rows <= MOA_SCAN_ROWS);
    const size_t stride = scan->stride_bytes;
    uint8_t *first = scan->rows + (2 - scan->n_kept) * stride;
    const size_t n = scan->n_kept + n_rows;

    for (size_t y = 0; y < n_rows; y++) {
        const uint8_t *row = moa_scan_space(scan, y);
        count_luma(scan, row);
        if (scan->n_kept + y >= 2)
            count_gradients(scan, row - 2 * stride, row - stride, row);
    }
    scan->n_kept = n < 2 ? n : 2;
    memmove(scan->rows + (2 - scan->n_kept) * stride, first + (n - scan->n_kept) * stride,
            scan->n_kept * stride);
}

void moa_scan_break(struct moa_luma_scan *scan)
{
    scan->n_kept = 0;
}

void moa_scan_plane(struct moa_luma_scan *scan, const uint8_t *luma, size_t n_rows,
                    size_t stride_bytes)
{
    moa_scan_break(scan);
    for (size_t y = 0; y < n_rows; y++) {
        const uint8_t *row = luma + y * stride_bytes;
        count_luma(scan, row);
        if (y >= 2)
            count_gradients(scan, row - 2 * stride_bytes, row - stride_bytes, row);
    }
}

/* The natural logarithm in plain double arithmetic: libm's may differ between CPUs in the last bit,
 * and features must not. x >= 1 is an integer here. Relative error below 1e-15. */
static double log_integer(uint64_t x)
{
    int exponent;
    double m = frexp((double)x, &exponent);
    if (m < 0.70710678118654752) {
        m *= 2.0;
        exponent--;
    }
    /* ln m = 2 atanh z, |z| <= 0.172: z^23 / 23 is below 1e-18. */
    const double z = (m - 1.0) / (m + 1.0);
    const double zz = z * z;
    double series = 0.0;
    for (int k = 21; k >= 1; k -= 2)
        series = series * zz + 1.0 / k;
    return 2.0 * z * series + exponent * 0.69314718055994531;
}

static double entropy_nats(const struct moa_luma_scan *scan)
{
    /* H = -sum p ln p with p = c / n is ln n - (sum c ln c) / n. */
    double sum = 0.0;
    size_t n_values = 0;
    for (size_t v = 0; v < 256; v++) {
        uint64_t count = 0;
        for (size_t k = 0; k < N_LUMA_COPIES; k++)
            count += scan->luma[k][v];
        if (count == 0)
            continue;
        sum += (double)count * log_integer(count);
        n_values++;
    }
    if (n_values < 2)
        return 0.0;
    return fmax(0.0, log_integer(scan->n_px) - sum / (double)scan->n_px);
}

/* The gradient that bin stands for. */
static double bin_gradient(size_t bin)
{
    return bin < MOA_S_LARGE ? sqrt((double)bin) : (double)bin / 256.0;
}

/* An order statistic that a walk over the bins is looking for, and numpy's "linear" percentile. */
struct percentile {
    uint64_t rank;   /* the lower order statistic, counted from 0 */
    double fraction; /* of the way to the next one */
    double lower;
    double upper;
};

static struct percentile percentile_start(uint64_t n, uint64_t percent)
{
    /* percent / 100 * (n - 1), split in integers. */
    const uint64_t scaled = (n - 1) * percent;
    return (struct percentile){
        .rank = scaled / 100, .fraction = (double)(scaled % 100) / 100.0, .lower = -1, .upper = -1};
}

/* Called with the bins in ascending order; `n_upto` counts this bin and all below. */
static void percentile_see(struct percentile *p, uint64_t n_upto, double gradient)
{
    if (p->lower < 0 && n_upto > p->rank)
        p->lower = gradient;
    if (p->upper < 0 && n_upto > p->rank + 1)
        p->upper = gradient;
}

static double percentile_value(const struct percentile *p)
{
    /* The last rank has no next one; its fraction is 0. */
    if (p->upper < 0)
        return p->lower;
    return p->lower + (p->upper - p->lower) * p->fraction;
}

static void finish_gradients(const struct moa_luma_scan *scan, struct moa_image_features *ret)
{
    if (scan->n_inner == 0)
        return;
    struct percentile p5 = percentile_start(scan->n_inner, 5);
    struct percentile p95 = percentile_start(scan->n_inner, 95);
    uint64_t n_upto = 0;
    uint64_t n_edge = 0;
    double sum = 0.0;
    for (size_t bin = 0; n_upto < scan->n_inner; bin++) {
        const uint32_t count = scan->bins[bin];
        if (count == 0)
            continue;
        const double gradient = bin_gradient(bin);
        n_upto += count;
        sum += count * gradient;
        if ((double)bin > edge_threshold_s)
            n_edge += count;
        percentile_see(&p5, n_upto, gradient);
        percentile_see(&p95, n_upto, gradient);
    }
    const double n = (double)scan->n_inner;
    const double mean_laplacian = (double)scan->laplacian / n;
    ret->gradient_mean = sum / n;
    ret->gradient_p5 = percentile_value(&p5);
    ret->gradient_p95 = percentile_value(&p95);
    ret->edge_fraction = (double)n_edge / n;
    ret->laplacian_variance =
        fmax(0.0, (double)scan->laplacian_squares / n - mean_laplacian * mean_laplacian);
}

void moa_scan_finish(const struct moa_luma_scan *scan, struct moa_image_features *ret_features)
{
    struct moa_image_features features = {.width_px = (uint32_t)scan->width_px};
    finish_gradients(scan, &features);
    features.entropy_nats = entropy_nats(scan);
    *ret_features = features;
}
