/* SPDX-License-Identifier: Apache-2.0
 *
 * The row kernels for AVX2, 32 pixels at a time; kernels.c is their definition. Compiled with
 * -mavx2 on its own and called only after cpu.c has seen that the CPU has it.
 */
#include "../kernels_count.h"

#include <immintrin.h>
#include <stdbool.h>

enum { STEP_PX = 32 };

static __m256i load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* Words w0 * x + w1 * y of the bytes x, y in each pair. */
static __m256i weigh(__m256i pairs, int w0, int w1)
{
    return _mm256_maddubs_epi16(pairs, _mm256_set1_epi16((short)((w0 & 0xff) | w1 * 256)));
}

/* Sobel and Laplacian of 16 pixels as words: the low or the high half of every 128-bit lane. */
struct half {
    __m256i gx;
    __m256i gy;
    __m256i laplacian;
};

/* Byte pairs: above and below at the columns left, middle and right; left and right of the middle
 * row; the middle pixel with 0. All words stay within +-1020. */
static struct half combine(__m256i ab_left, __m256i ab, __m256i ab_right, __m256i sides,
                           __m256i middle)
{
    const __m256i column_right = weigh(ab_right, 1, 1);
    const __m256i column_left = weigh(ab_left, 1, 1);
    const __m256i rise_sides = _mm256_add_epi16(weigh(ab_left, -1, 1), weigh(ab_right, -1, 1));
    return (struct half){
        .gx = _mm256_add_epi16(_mm256_sub_epi16(column_right, column_left), weigh(sides, -2, 2)),
        .gy = _mm256_add_epi16(rise_sides, weigh(ab, -2, 2)),
        .laplacian = _mm256_sub_epi16(_mm256_add_epi16(weigh(ab, 1, 1), weigh(sides, 1, 1)),
                                      _mm256_slli_epi16(middle, 2)),
    };
}

/* Every second pixel's slot is in the second copy, `n_bins` further. */
static __m256i copies_of(int n_bins)
{
    return _mm256_set1_epi64x((int64_t)n_bins << 32);
}

/* moa_bin_of(), for each copy. The bits of a float below 2^24 are its rounding to significant bits:
 * 1 + MOA_BIN_BITS of them are left after the shift. */
static __m256i slots_of(__m256i s)
{
    const __m256i t = _mm256_sub_epi32(s, _mm256_set1_epi32(1));
    const __m256i bits = _mm256_castps_si256(_mm256_cvtepi32_ps(t));
    const __m256i rounded =
        _mm256_sub_epi32(_mm256_srli_epi32(bits, 23 - MOA_BIN_BITS),
                         _mm256_set1_epi32((126 + MOA_BIN_BITS) << MOA_BIN_BITS));
    const __m256i is_large = _mm256_cmpgt_epi32(t, _mm256_set1_epi32(MOA_S_EXACT - 1));
    const __m256i bins = _mm256_blendv_epi8(t, rounded, is_large);
    const __m256i one = _mm256_set1_epi32(1);
    return _mm256_add_epi32(bins, _mm256_add_epi32(one, copies_of(MOA_N_BINS)));
}

static void store(uint32_t *p, __m256i v)
{
    _mm256_store_si256((__m256i *)(void *)p, v);
}

/* Of a block so far. The Laplacians: a block adds at most 2048 * 1020^2 < 2^31 to all lanes
 * together. */
struct lanes {
    __m256i sum;
    __m256i squares;
    __m256i least_s; /* these two for exact slots only */
    __m256i largest_s;
};

/* gx^2 + gy^2 of 16 pixels, at most 2 * 1020^2 < 2^31, to as many slots: exact ones or bins. */
static void store_slots(const struct half *h, bool is_exact, uint32_t *ret_slots,
                        struct lanes *lanes)
{
    const __m256i pairs_low = _mm256_unpacklo_epi16(h->gx, h->gy);
    const __m256i pairs_high = _mm256_unpackhi_epi16(h->gx, h->gy);
    const __m256i low = _mm256_madd_epi16(pairs_low, pairs_low);
    const __m256i high = _mm256_madd_epi16(pairs_high, pairs_high);
    if (is_exact) {
        store(ret_slots, _mm256_add_epi32(low, copies_of(MOA_N_EXACT)));
        store(ret_slots + 8, _mm256_add_epi32(high, copies_of(MOA_N_EXACT)));
        lanes->least_s = _mm256_min_epi32(lanes->least_s, _mm256_min_epi32(low, high));
        lanes->largest_s = _mm256_max_epi32(lanes->largest_s, _mm256_max_epi32(low, high));
    } else {
        store(ret_slots, slots_of(low));
        store(ret_slots + 8, slots_of(high));
    }
}

/* The slots of 32 pixels, in the order of the unpacking, and the Laplacians of those whose byte in
 * `keep` is 255. */
__attribute__((always_inline)) static inline void
measure_step(const uint8_t *above, const uint8_t *row, const uint8_t *below, __m256i keep,
             bool is_exact, uint32_t *ret_slots, struct lanes *lanes)
{
    const __m256i a0 = load(above - 1);
    const __m256i a1 = load(above);
    const __m256i a2 = load(above + 1);
    const __m256i b0 = load(below - 1);
    const __m256i b1 = load(below);
    const __m256i b2 = load(below + 1);
    const __m256i r0 = load(row - 1);
    const __m256i r1 = load(row);
    const __m256i r2 = load(row + 1);
    const __m256i zero = _mm256_setzero_si256();
    struct half low = combine(_mm256_unpacklo_epi8(a0, b0), _mm256_unpacklo_epi8(a1, b1),
                              _mm256_unpacklo_epi8(a2, b2), _mm256_unpacklo_epi8(r0, r2),
                              _mm256_unpacklo_epi8(r1, zero));
    struct half high = combine(_mm256_unpackhi_epi8(a0, b0), _mm256_unpackhi_epi8(a1, b1),
                               _mm256_unpackhi_epi8(a2, b2), _mm256_unpackhi_epi8(r0, r2),
                               _mm256_unpackhi_epi8(r1, zero));
    store_slots(&low, is_exact, ret_slots, lanes);
    store_slots(&high, is_exact, ret_slots + STEP_PX / 2, lanes);
    low.laplacian = _mm256_and_si256(low.laplacian, _mm256_unpacklo_epi8(keep, keep));
    high.laplacian = _mm256_and_si256(high.laplacian, _mm256_unpackhi_epi8(keep, keep));
    /* The two halves add to at most 2040 in a word. */
    const __m256i both = _mm256_add_epi16(low.laplacian, high.laplacian);
    lanes->sum = _mm256_add_epi32(lanes->sum, _mm256_madd_epi16(both, _mm256_set1_epi16(1)));
    lanes->squares = _mm256_add_epi32(
        lanes->squares, _mm256_add_epi32(_mm256_madd_epi16(low.laplacian, low.laplacian),
                                         _mm256_madd_epi16(high.laplacian, high.laplacian)));
}

static int64_t sum_lanes(__m256i v)
{
    int32_t lanes[8];
    _mm256_storeu_si256((__m256i *)(void *)lanes, v);
    int64_t sum = 0;
    for (int i = 0; i < 8; i++)
        sum += lanes[i];
    return sum;
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
    _Alignas(32) uint32_t slots[STEP_PX];
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
    const __m256i zero = _mm256_setzero_si256();
    struct lanes lanes = {zero, zero, _mm256_set1_epi32(MOA_S_MAX), zero};
    _Alignas(32) uint32_t slots[2][STEP_PX];
    size_t i = 0;
    for (; i + STEP_PX <= n; i += STEP_PX) {
        const size_t now = i / STEP_PX % 2;
        measure_step(above + i, row + i, below + i, _mm256_set1_epi8(-1), is_exact, slots[now],
                     &lanes);
        if (i > 0)
            count_step(counts, bins, row + i - STEP_PX, slots[1 - now], STEP_PX);
    }
    count_step(counts, bins, row + i - STEP_PX, slots[(i / STEP_PX - 1) % 2], STEP_PX);
    if (i < n) {
        const size_t last = n - STEP_PX;
        count_last(above + last, row + last, below + last, n - i, is_exact, counts, bins, &lanes);
    }
    if (is_exact) {
        int32_t least[8];
        int32_t largest[8];
        _mm256_storeu_si256((__m256i *)(void *)least, lanes.least_s);
        _mm256_storeu_si256((__m256i *)(void *)largest, lanes.largest_s);
        for (int k = 0; k < 8; k++)
            widen_exact(counts, (uint32_t)least[k], (uint32_t)largest[k]);
    }
    counts->laplacian += sum_lanes(lanes.sum);
    counts->laplacian_squares += sum_lanes(lanes.squares);
}

static void count_block_avx2(const uint8_t *above, const uint8_t *row, const uint8_t *below,
                             size_t n, struct moa_counts *counts)
{
    if (n < STEP_PX)
        moa_kernels_c.count_block(above, row, below, n, counts);
    else if (counts->exact)
        count_steps(above, row, below, n, true, counts, counts->exact);
    else
        count_steps(above, row, below, n, false, counts, counts->bins);
}

/* 8 pixels of R, G, B, R, G, B, ... to luma as 32-bit words. The shuffle widens each colour of four
 * pixels in a lane; 38470 does not fit a signed word, so green is weighed in two halves. */
static __m256i luma_of_8(const uint8_t *rgb)
{
    const __m256i spread_rg =
        _mm256_setr_epi8(0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1, /* lane 0 */
                         0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1);
    const __m256i spread_gb =
        _mm256_setr_epi8(1, -1, 2, -1, 4, -1, 5, -1, 7, -1, 8, -1, 10, -1, 11, -1, /* lane 0 */
                         1, -1, 2, -1, 4, -1, 5, -1, 7, -1, 8, -1, 10, -1, 11, -1);
    const __m256i v = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)rgb)),
        _mm_loadu_si128((const __m128i *)(const void *)(rgb + 12)), 1);
    const __m256i w_rg = _mm256_set1_epi32(19595 | 19235 << 16);
    const __m256i w_gb = _mm256_set1_epi32(19235 | 7471 << 16);
    const __m256i weighted =
        _mm256_add_epi32(_mm256_madd_epi16(_mm256_shuffle_epi8(v, spread_rg), w_rg),
                         _mm256_madd_epi16(_mm256_shuffle_epi8(v, spread_gb), w_gb));
    return _mm256_srli_epi32(_mm256_add_epi32(weighted, _mm256_set1_epi32(32768)), 16);
}

static void luma_from_rgb_avx2(const uint8_t *rgb, size_t n, uint8_t *ret_luma)
{
    size_t i = 0;
    /* The second load of a step reads 28 bytes, four more than its pixels have: two pixels stay
     * behind for the C form. */
    for (; i + 8 + 2 <= n; i += 8) {
        const __m256i words = luma_of_8(rgb + 3 * i);
        const __m128i packed =
            _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storel_epi64((__m128i *)(void *)(ret_luma + i), _mm_packus_epi16(packed, packed));
    }
    moa_kernels_c.luma_from_rgb(rgb + 3 * i, n - i, ret_luma + i);
}

/* A third of the time of the C form: SSE2 has no multiplication of 32 bits. */
void moa_add_row_avx2(const uint8_t *row, size_t n, uint32_t weight, uint32_t *sums)
{
    const __m256i w = _mm256_set1_epi32((int)weight);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i *sum = (__m256i *)(void *)(sums + i);
        const __m128i in = _mm_loadl_epi64((const __m128i *)(const void *)(row + i));
        const __m256i weighed = _mm256_mullo_epi32(_mm256_cvtepu8_epi32(in), w);
        _mm256_storeu_si256(sum, _mm256_add_epi32(_mm256_loadu_si256(sum), weighed));
    }
    for (; i < n; i++)
        sums[i] += weight * row[i];
}

const struct moa_kernels moa_kernels_avx2 = {
    .name = "avx2",
    .count_block = count_block_avx2,
    .luma_from_rgb = luma_from_rgb_avx2,
    .add_row = moa_add_row_avx2,
};
