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
#include <sys/mman.h>

#include "../kernels_count.h"
#include "../natural_log.h"
#include "scene.h"

/* Bins are walked in groups of eight, because most are empty. */
enum { GROUP = 8 };

/* Whether every s needs a bin of its own is looked at once, after so many rows. */
enum { SAMPLE_ROWS = 16 };

#define EXACT_BYTES ((size_t)2 * MOA_N_EXACT * sizeof(uint32_t))

struct moa_luma_scan {
    const struct moa_kernels *kernels;
    size_t width_px;
    size_t stride_bytes;
    uint8_t *rows; /* n_kept rows, then MOA_SCAN_ROWS of space */
    size_t n_kept; /* 2, and until the sample is looked at all of its rows */
    bool is_sampled;
    size_t n_band;    /* rows since the start or the last break; the last 2 of them are kept */
    uint64_t n_px;    /* pixels of all rows */
    uint64_t n_inner; /* pixels whose gradient was counted */
    enum moa_image_mode mode;
    struct moa_counts counts;
    struct moa_reduction reduction;
};

struct moa_luma_scan *moa_scan_new(uint32_t width_px, uint32_t height_px)
{
    struct moa_luma_scan *scan = calloc(1, sizeof(*scan));
    if (!scan)
        return NULL;
    scan->kernels = moa_kernels_get();
    scan->width_px = width_px;
    scan->stride_bytes = ((size_t)width_px + 127) / 64 * 64;
    scan->n_kept = 2;
    scan->rows = malloc(scan->stride_bytes * (2 + SAMPLE_ROWS + MOA_SCAN_ROWS));
    if (!moa_reduction_init(&scan->reduction, width_px, height_px) || !scan->rows) {
        moa_scan_free(scan);
        return NULL;
    }
    return scan;
}

void moa_scan_free(struct moa_luma_scan *scan)
{
    if (!scan)
        return;
    if (scan->counts.exact)
        munmap(scan->counts.exact, EXACT_BYTES);
    moa_reduction_done(&scan->reduction);
    free(scan->rows);
    free(scan);
}

bool moa_scan_restart_exact(struct moa_luma_scan *scan)
{
    /* Not by calloc(), which may have to clear it all: few of its pages will be written. */
    uint32_t *exact =
        mmap(NULL, EXACT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (exact == MAP_FAILED)
        return false;
    memset(&scan->counts, 0, sizeof(scan->counts));
    scan->counts.exact = exact;
    scan->counts.exact_min = MOA_S_MAX;
    scan->n_kept = 2;
    scan->is_sampled = true;
    scan->n_band = 0;
    scan->n_px = 0;
    scan->n_inner = 0;
    moa_reduction_restart(&scan->reduction);
    return true;
}

uint8_t *moa_scan_space(struct moa_luma_scan *scan, size_t i)
{
    assert(i < MOA_SCAN_ROWS);
    return scan->rows + (scan->n_kept + i) * scan->stride_bytes;
}

/* The luma of a row that the kernel does not see as the middle one of three. */
static void count_outer(struct moa_luma_scan *scan, const uint8_t *row)
{
    count_luma(&scan->counts, row, scan->width_px);
    scan->n_px += scan->width_px;
}

static void count_middle(struct moa_luma_scan *scan, const uint8_t *above, const uint8_t *row,
                         const uint8_t *below)
{
    if (scan->width_px < 3) {
        count_outer(scan, row);
        return;
    }
    const size_t last = scan->width_px - 1;
    for (size_t x = 1; x < last; x += MOA_BLOCK_PX) {
        const size_t n = last - x < MOA_BLOCK_PX ? last - x : MOA_BLOCK_PX;
        scan->kernels->count_block(above + x, row + x, below + x, n, &scan->counts);
    }
    scan->counts.luma[row[0]]++;
    scan->counts.luma[row[last]]++;
    scan->n_px += scan->width_px;
    scan->n_inner += scan->width_px - 2;
}

/* One more row of the band. The first has no row above and is counted at once; every other one
 * when the row below it is there, or when the band ends. Rows that do not exist are not read. */
static void add_row(struct moa_luma_scan *scan, const uint8_t *row, size_t stride_bytes)
{
    if (scan->n_band == 0)
        count_outer(scan, row);
    else if (scan->n_band >= 2)
        count_middle(scan, row - 2 * stride_bytes, row - stride_bytes, row);
    scan->n_band++;
    moa_reduction_row(&scan->reduction, row);
}

static void add_rows(struct moa_luma_scan *scan, const uint8_t *rows, size_t n_rows,
                     size_t stride_bytes)
{
    for (size_t y = 0; y < n_rows; y++)
        add_row(scan, rows + y * stride_bytes, stride_bytes);
}

static void end_band(struct moa_luma_scan *scan, const uint8_t *last)
{
    if (scan->n_band >= 2)
        count_outer(scan, last);
    scan->n_band = 0;
}

static bool finish_gradients(const struct moa_luma_scan *scan, struct moa_image_features *ret);

/* Whether the sample says that bins will not do, and bins for every s are there now: then its rows
 * have to be counted again. It can be wrong, which costs time and nothing else. */
static bool turns_exact(struct moa_luma_scan *scan)
{
    scan->is_sampled = true;
    const uint32_t *first = scan->counts.bins;
    const uint32_t *second = first + MOA_N_BINS;
    uint64_t n_smooth = 0;
    for (size_t s = 0; s < 64; s++)
        n_smooth += first[s] + second[s];
    if (n_smooth > scan->n_inner / 20)
        return false;
    struct moa_image_features features = {0};
    return !finish_gradients(scan, &features) && moa_scan_restart_exact(scan);
}

void moa_scan_push(struct moa_luma_scan *scan, size_t n_rows)
{
    assert(n_rows >= 1 && n_rows <= MOA_SCAN_ROWS);
    const size_t stride = scan->stride_bytes;
    add_rows(scan, moa_scan_space(scan, 0), n_rows, stride);
    scan->n_kept += n_rows;
    const size_t n_sample = scan->n_kept - 2;
    if (!scan->is_sampled) {
        if (n_sample < SAMPLE_ROWS)
            return;
        if (turns_exact(scan))
            add_rows(scan, moa_scan_space(scan, 0), n_sample, stride);
    }
    memmove(scan->rows, scan->rows + n_sample * stride, 2 * stride);
    scan->n_kept = 2;
}

/* The next row is no neighbour of the last one. */
static void break_band(struct moa_luma_scan *scan)
{
    end_band(scan, moa_scan_space(scan, 0) - scan->stride_bytes);
    scan->n_kept = 2;
    scan->is_sampled = true;
}

void moa_scan_skip(struct moa_luma_scan *scan, const uint8_t *row, size_t n_rows)
{
    break_band(scan);
    scan->mode = MOA_IMAGE_FAST;
    for (size_t y = 0; y < n_rows; y++)
        moa_reduction_row(&scan->reduction, row);
}

void moa_scan_plane(struct moa_luma_scan *scan, const uint8_t *luma, size_t n_rows,
                    size_t stride_bytes)
{
    const size_t n_sample = !scan->is_sampled && n_rows > SAMPLE_ROWS ? SAMPLE_ROWS : 0;
    add_rows(scan, luma, n_sample, stride_bytes);
    const bool again = n_sample > 0 && turns_exact(scan);
    const size_t y = again ? 0 : n_sample;
    add_rows(scan, luma + y * stride_bytes, n_rows - y, stride_bytes);
    end_band(scan, luma + (n_rows - 1) * stride_bytes);
}

static void luma_histogram(const struct moa_counts *counts, uint32_t ret_histogram[256])
{
    memcpy(ret_histogram, counts->luma, sizeof(counts->luma));
    for (size_t high = 0; high < 256; high++) {
        const uint32_t *pairs = counts->luma_pairs + 256 * high;
        uint32_t n_high = 0;
        for (size_t low = 0; low < 256; low++) {
            n_high += pairs[low];
            ret_histogram[low] += pairs[low];
        }
        ret_histogram[high] += n_high;
    }
}

static double entropy_nats(const struct moa_luma_scan *scan)
{
    uint32_t histogram[256];
    luma_histogram(&scan->counts, histogram);
    /* H = -sum p ln p with p = c / n is ln n - (sum c ln c) / n. */
    double sum = 0.0;
    size_t n_values = 0;
    for (size_t v = 0; v < 256; v++) {
        if (histogram[v] == 0)
            continue;
        sum += (double)histogram[v] * moa_natural_log(histogram[v]);
        n_values++;
    }
    if (n_values < 2)
        return 0.0;
    return fmax(0.0, moa_natural_log((double)scan->n_px) - sum / (double)scan->n_px);
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

/* Whether the counts from n_before to n_upto contain an order statistic that is not yet known. */
static bool percentile_is_in(const struct percentile *p, uint64_t n_before, uint64_t n_upto)
{
    return n_upto > p->rank && n_before <= p->rank + 1;
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

/* The statistics of G that one ascending walk over the bins gives. */
struct walk {
    struct percentile p5;
    struct percentile p95;
    uint64_t n_upto; /* pixels seen so far */
    uint64_t n_edge; /* of them with G > 128 */
    double sum;
    double sum_shared; /* of those above 64, whose bins may hold several s */
};

/* Eight bins in ascending order. Which of them are empty is hard to predict: none is skipped. */
static void walk_group(struct walk *walk, const double gradients[GROUP],
                       const uint32_t counts[GROUP])
{
    const uint64_t n_before = walk->n_upto;
    double sum = 0.0;
    for (size_t k = 0; k < GROUP; k++) {
        sum += counts[k] * gradients[k];
        walk->n_upto += counts[k];
        walk->n_edge += gradients[k] > 128.0 ? counts[k] : 0;
    }
    walk->sum += sum;
    walk->sum_shared += gradients[0] > 64.0 ? sum : 0.0;
    if (!percentile_is_in(&walk->p5, n_before, walk->n_upto) &&
        !percentile_is_in(&walk->p95, n_before, walk->n_upto))
        return;
    uint64_t n_upto = n_before;
    for (size_t k = 0; k < GROUP; k++) {
        if (counts[k] == 0)
            continue;
        n_upto += counts[k];
        percentile_see(&walk->p5, n_upto, gradients[k]);
        percentile_see(&walk->p95, n_upto, gradients[k]);
    }
}

/* The gradients that eight bins from `bin` on stand for: of the middle of the values of s that each
 * holds. Those of one octave, and those of the exact bins, are evenly spaced in s. */
static void gradients_of(size_t bin, double ret_gradients[GROUP])
{
    const size_t t = bin - 1;
    const size_t shift = t < MOA_S_EXACT ? 0 : (t >> MOA_BIN_BITS) - 1;
    const double width = (double)(1u << shift);
    const double first = (double)((t - (shift << MOA_BIN_BITS)) << shift) + (width + 1.0) / 2.0;
    for (int k = 0; k < GROUP; k++)
        ret_gradients[k] = sqrt(first + k * width);
}

static void walk_bins(struct walk *walk, const struct moa_counts *counts)
{
    const uint32_t *second = counts->bins + MOA_N_BINS;
    /* Bin 0 stands alone, so that no group crosses the borders of octaves, 1 + 2048 n. */
    const double no_gradient[GROUP] = {0.0};
    const uint32_t n_zero[GROUP] = {counts->bins[0] + second[0]};
    walk_group(walk, no_gradient, n_zero);
    for (size_t bin = 1; bin + GROUP <= MOA_N_BINS; bin += GROUP) {
        uint32_t group[GROUP];
        uint32_t any = 0;
        for (size_t k = 0; k < GROUP; k++) {
            group[k] = counts->bins[bin + k] + second[bin + k];
            any |= group[k];
        }
        if (any == 0)
            continue;
        double gradients[GROUP];
        gradients_of(bin, gradients);
        walk_group(walk, gradients, group);
    }
}

static void walk_exact(struct walk *walk, const struct moa_counts *counts)
{
    /* Reading memory that was never written costs, too: 16 MiB of it. */
    const uint32_t *first = counts->exact;
    const uint32_t *second = first + MOA_N_EXACT;
    for (size_t s = (size_t)counts->exact_min / GROUP * GROUP; s <= counts->exact_max; s += GROUP) {
        uint32_t group[GROUP];
        uint32_t any = 0;
        for (size_t k = 0; k < GROUP; k++) {
            group[k] = first[s + k] + second[s + k];
            any |= group[k];
        }
        if (any == 0)
            continue;
        double gradients[GROUP];
        for (size_t k = 0; k < GROUP; k++)
            gradients[k] = sqrt((double)(s + k));
        walk_group(walk, gradients, group);
    }
}

/* Gradients in shared bins, those above 64, are each off by at most one part in MOA_G_PARTS: so are
 * their order statistics and their mean. To first order the quotient q = (mean - P5) / (P95 - P5 +
 * 1) is then off by at most (mean + |1 - q| P5 + q P95) / (P95 - P5 + 1) such parts, and for q <=
 * 1, where Eq. 2 does not clip it, (1 - q) P5 + q P95 <= mean. If P95 is exact, only the mean is
 * off. */
static bool is_accurate(const struct moa_image_features *f, double mean_of_shared)
{
    const bool exact_p95 = f->gradient_p95 * f->gradient_p95 <= MOA_S_EXACT;
    const double parts = exact_p95 ? mean_of_shared : 2.0 * f->gradient_mean;
    return parts / MOA_G_PARTS <= 0.001 * (f->gradient_p95 - f->gradient_p5 + 1.0);
}

/* Everything that is made of gradients and Laplacians. Returns whether it is accurate enough. */
static bool finish_gradients(const struct moa_luma_scan *scan, struct moa_image_features *ret)
{
    if (scan->n_inner == 0)
        return true;
    struct walk walk = {
        .p5 = percentile_start(scan->n_inner, 5),
        .p95 = percentile_start(scan->n_inner, 95),
    };
    if (scan->counts.exact)
        walk_exact(&walk, &scan->counts);
    else
        walk_bins(&walk, &scan->counts);
    const double n = (double)scan->n_inner;
    const double mean_laplacian = (double)scan->counts.laplacian / n;
    ret->gradient_mean = walk.sum / n;
    ret->gradient_p5 = percentile_value(&walk.p5);
    ret->gradient_p95 = percentile_value(&walk.p95);
    ret->edge_fraction = (double)walk.n_edge / n;
    ret->laplacian_variance =
        fmax(0.0, (double)scan->counts.laplacian_squares / n - mean_laplacian * mean_laplacian);
    return scan->counts.exact || is_accurate(ret, walk.sum_shared / n);
}

bool moa_scan_finish(struct moa_luma_scan *scan, struct moa_image_features *ret_features)
{
    break_band(scan);
    struct moa_image_features features = {.width_px = scan->reduction.width_px,
                                          .height_px = scan->reduction.height_px,
                                          .mode = scan->mode};
    memcpy(features.reduced, scan->reduction.luma, sizeof(features.reduced));
    const bool is_accurate_enough = finish_gradients(scan, &features);
    features.entropy_nats = entropy_nats(scan);
    *ret_features = features;
    return is_accurate_enough;
}
