/* SPDX-License-Identifier: Apache-2.0
 *
 * The row kernels for AVX-512 (F, BW), 64 pixels at a time, in the form of kernels_avx2.c, where
 * shorter rows go. Compiled with its own flags and called only after cpu.c has seen that
 * the CPU has them.
 */
#include "../kernels_count.h"

#include <immintrin.h>
#include <stdbool.h>

enum { STEP_PX = 64 };

static __m512i load(const uint8_t *p)
{
    return _mm512_loadu_si512((const void *)p);
}

/* Words w0 * x + w1 * y of the bytes x, y in each pair. */
static __m512i weigh(__m512i pairs, int w0, int w1)
{
    return _mm512_maddubs_epi16(pairs, _mm512_set1_epi16((short)((w0 & 0xff) | w1 * 256)));
}

/* Sobel and Laplacian of 32 pixels as words: the low or the high half of every 128-bit lane. */
struct half {
    __m512i gx;
    __m512i gy;
    __m512i laplacian;
};

/* Byte pairs: above and below at the columns left, middle and right; left and right of the middle
 * row; the middle pixel with 0. All words stay within +-1020. */
static struct half combine(__m512i ab_left, __m512i ab, __m512i ab_right, __m512i sides,
                           __m512i middle)
{
    const __m512i column_right = weigh(ab_right, 1, 1);
    const __m512i column_left = weigh(ab_left, 1, 1);
    const __m512i rise_sides = _mm512_add_epi16(weigh(ab_left, -1, 1), weigh(ab_right, -1, 1));
    return (struct half){
        .gx = _mm512_add_epi16(_mm512_sub_epi16(column_right, column_left), weigh(sides, -2, 2)),
        .gy = _mm512_add_epi16(rise_sides, weigh(ab, -2, 2)),
        .laplacian = _mm512_sub_epi16(_mm512_add_epi16(weigh(ab, 1, 1), weigh(sides, 1, 1)),
                                      _mm512_slli_epi16(middle, 2)),
    };
}

/* Every second pixel's slot is in the second copy, `n_bins` further. */
static __m512i copies_of(int n_bins)
{
    return _mm512_set1_epi64((int64_t)n_bins << 32);
}

/* moa_bin_of(), for each copy. The bits of a float below 2^24 are its rounding to significant bits:
 * 1 + MOA_BIN_BITS of them are left after the shift. */
static __m512i slots_of(__m512i s)
{
    const __m512i t = _mm512_sub_epi32(s, _mm512_set1_epi32(1));
    const __m512i bits = _mm512_castps_si512(_mm512_cvtepi32_ps(t));
    const __mmask16 is_large = _mm512_cmpgt_epi32_mask(t, _mm512_set1_epi32(MOA_S_EXACT - 1));
    const __m512i bins =
        _mm512_mask_sub_epi32(t, is_large, _mm512_srli_epi32(bits, 23 - MOA_BIN_BITS),
                              _mm512_set1_epi32((126 + MOA_BIN_BITS) << MOA_BIN_BITS));
    const __m512i one = _mm512_set1_epi32(1);
    return _mm512_add_epi32(bins, _mm512_add_epi32(one, copies_of(MOA_N_BINS)));
}

static void store(uint32_t *p, __m512i v)
{
    _mm512_store_si512((void *)p, v);
}

/* Of a block so far. The Laplacians: a block adds at most 2048 * 1020^2 < 2^31 to all lanes
 * together. */
struct lanes {
    __m512i sum;
    __m512i squares;
    __m512i least_s; /* these two for exact slots only */
    __m512i largest_s;
};

/* gx^2 + gy^2 of 32 pixels, at most 2 * 1020^2 < 2^31, to as many slots: exact ones or bins. */
static void store_slots(const struct half *h, bool is_exact, uint32_t *ret_slots,
                        struct lanes *lanes)
{
    const __m512i pairs_low = _mm512_unpacklo_epi16(h->gx, h->gy);
    const __m512i pairs_high = _mm512_unpackhi_epi16(h->gx, h->gy);
    const __m512i low = _mm512_madd_epi16(pairs_low, pairs_low);
    const __m512i high = _mm512_madd_epi16(pairs_high, pairs_high);
    if (is_exact) {
        store(ret_slots, _mm512_add_epi32(low, copies_of(MOA_N_EXACT)));
        store(ret_slots + 16, _mm512_add_epi32(high, copies_of(MOA_N_EXACT)));
        lanes->least_s = _mm512_min_epi32(lanes->least_s, _mm512_min_epi32(low, high));
        lanes->largest_s = _mm512_max_epi32(lanes->largest_s, _mm512_max_epi32(low, high));
    } else {
        store(ret_slots, slots_of(low));
        store(ret_slots + 16, slots_of(high));
    }
}

/* The slots of 64 pixels, in the order of the unpacking, and the Laplacians of those whose byte in
 * `keep` is 255. */
__attribute__((always_inline)) static inline void
measure_step(const uint8_t *above, const uint8_t *row, const uint8_t *below, __m512i keep,
             bool is_exact, uint32_t *ret_slots, struct lanes *lanes)
{
    const __m512i a0 = load(above - 1);
    const __m512i a1 = load(above);
    const __m512i a2 = load(above + 1);
    const __m512i b0 = load(below - 1);
    const __m512i b1 = load(below);
    const __m512i b2 = load(below + 1);
    const __m512i r0 = load(row - 1);
    const __m512i r1 = load(row);
    const __m512i r2 = load(row + 1);
    const __m512i zero = _mm512_setzero_si512();
    struct half low = combine(_mm512_unpacklo_epi8(a0, b0), _mm512_unpacklo_epi8(a1, b1),
                              _mm512_unpacklo_epi8(a2, b2), _mm512_unpacklo_epi8(r0, r2),
                              _mm512_unpacklo_epi8(r1, zero));
    struct half high = combine(_mm512_unpackhi_epi8(a0, b0), _mm512_unpackhi_epi8(a1, b1),
                               _mm512_unpackhi_epi8(a2, b2), _mm512_unpackhi_epi8(r0, r2),
                               _mm512_unpackhi_epi8(r1, zero));
    store_slots(&low, is_exact, ret_slots, lanes);
    store_slots(&high, is_exact, ret_slots + STEP_PX / 2, lanes);
    low.laplacian = _mm512_and_si512(low.laplacian, _mm512_unpacklo_epi8(keep, keep));
    high.laplacian = _mm512_and_si512(high.laplacian, _mm512_unpackhi_epi8(keep, keep));
    /* The two halves add to at most 2040 in a word. */
    const __m512i both = _mm512_add_epi16(low.laplacian, high.laplacian);
    lanes->sum = _mm512_add_epi32(lanes->sum, _mm512_madd_epi16(both, _mm512_set1_epi16(1)));
    lanes->squares = _mm512_add_epi32(
        lanes->squares, _mm512_add_epi32(_mm512_madd_epi16(low.laplacian, low.laplacian),
                                         _mm512_madd_epi16(high.laplacian, high.laplacian)));
}

/* Where measure_step() stores the slot of pixel i: four pixels of each 128-bit lane in turn. */
static size_t slot_place(size_t i)
{
    return i % 16 / 4 * (STEP_PX / 4) + i / 16 * 4 + i % 4;
}

/* The last `n_last` pixels before the end of a block: measured together with those before them,
 * which were counted already. */
static void count_last(const uint8_t *above, const uint8_t *row, const uint8_t *below,
                       size_t n_last, bool is_exact, struct moa_counts *counts, uint32_t *bins,
                       struct lanes *lanes)
{
    _Alignas(64) uint32_t slots[STEP_PX];
    uint8_t keep[STEP_PX] = {0};
    memset(keep + STEP_PX - n_last, 255, n_last);
    measure_step(above, row, below, load(keep), is_exact, slots, lanes);
    const size_t n_others = STEP_PX - n_last;
    count_luma(counts, row + n_others, n_last);
    /* Whichever is less: to count the last ones, or to count all and take back the others. */
    if (n_last < n_others) {
        for (size_t i = n_others; i < STEP_PX; i++)
            bins[slots[slot_place(i)]]++;
        return;
    }
    for (size_t i = 0; i < STEP_PX; i++)
        bins[slots[i]]++;
    for (size_t i = 0; i < n_others; i++)
        bins[slots[slot_place(i)]]--;
}

__attribute__((always_inline)) static inline void
count_steps(const uint8_t *above, const uint8_t *row, const uint8_t *below, size_t n, bool is_exact,
            struct moa_counts *counts, uint32_t *bins)
{
    const __m512i zero = _mm512_setzero_si512();
    struct lanes lanes = {zero, zero, _mm512_set1_epi32(MOA_S_MAX), zero};
    _Alignas(64) uint32_t slots[2][STEP_PX];
    size_t i = 0;
    for (; i + STEP_PX <= n; i += STEP_PX) {
        const size_t now = i / STEP_PX % 2;
        measure_step(above + i, row + i, below + i, _mm512_set1_epi8(-1), is_exact, slots[now],
                     &lanes);
        if (i > 0)
            count_step(counts, bins, row + i - STEP_PX, slots[1 - now], STEP_PX);
    }
    count_step(counts, bins, row + i - STEP_PX, slots[(i / STEP_PX - 1) % 2], STEP_PX);
    if (i < n) {
        const size_t last = n - STEP_PX;
        count_last(above + last, row + last, below + last, n - i, is_exact, counts, bins, &lanes);
    }
    if (is_exact)
        widen_exact(counts, (uint32_t)_mm512_reduce_min_epi32(lanes.least_s),
                    (uint32_t)_mm512_reduce_max_epi32(lanes.largest_s));
    counts->laplacian += _mm512_reduce_add_epi32(lanes.sum);
    counts->laplacian_squares += _mm512_reduce_add_epi32(lanes.squares);
}

static void count_block_avx512(const uint8_t *above, const uint8_t *row, const uint8_t *below,
                               size_t n, struct moa_counts *counts)
{
    if (n < STEP_PX)
        moa_kernels_avx2.count_block(above, row, below, n, counts);
    else if (counts->exact)
        count_steps(above, row, below, n, true, counts, counts->exact);
    else
        count_steps(above, row, below, n, false, counts, counts->bins);
}

static void luma_from_rgb_avx512(const uint8_t *rgb, size_t n, uint8_t *ret_luma)
{
    /* Bound by the decoder that made the row, not by this: no form of its own. */
    moa_kernels_avx2.luma_from_rgb(rgb, n, ret_luma);
}

const struct moa_kernels moa_kernels_avx512 = {
    .name = "avx512",
    .count_block = count_block_avx512,
    .luma_from_rgb = luma_from_rgb_avx512,
    .add_row = moa_add_row_avx2,
};
