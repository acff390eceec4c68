/* SPDX-License-Identifier: Apache-2.0
 *
 * The row kernels for NEON on aarch64, 8 pixels at a time; kernels.c is their definition. Every
 * aarch64 CPU has NEON, so nothing is detected.
 */
#include "../kernels_count.h"

#include <arm_neon.h>
#include <stdbool.h>

enum { STEP_PX = 8 };

static int16x8_t words(uint16x8_t v)
{
    return vreinterpretq_s16_u16(v);
}

/* moa_bin_of(). The bits of a float below 2^24 are its rounding to significant bits:
 * 1 + MOA_BIN_BITS of them are left after the shift. */
static uint32x4_t bins_of(int32x4_t s)
{
    const int32x4_t t = vsubq_s32(s, vdupq_n_s32(1));
    const uint32x4_t bits = vreinterpretq_u32_f32(vcvtq_f32_s32(t));
    const uint32x4_t rounded = vsubq_u32(vshrq_n_u32(bits, 23 - MOA_BIN_BITS),
                                         vdupq_n_u32((126 + MOA_BIN_BITS) << MOA_BIN_BITS));
    const uint32x4_t is_large = vcgtq_s32(t, vdupq_n_s32(MOA_S_EXACT - 1));
    const uint32x4_t bins = vbslq_u32(is_large, rounded, vreinterpretq_u32_s32(t));
    return vaddq_u32(bins, vdupq_n_u32(1));
}

/* Every second pixel's slot is in the second copy. */
static void store_slots(int32x4_t s, bool is_exact, uint32_t *ret_slots)
{
    static const uint32_t copies[2][4] = {{0, MOA_N_BINS, 0, MOA_N_BINS},
                                          {0, MOA_N_EXACT, 0, MOA_N_EXACT}};
    const uint32x4_t bins = is_exact ? vreinterpretq_u32_s32(s) : bins_of(s);
    vst1q_u32(ret_slots, vaddq_u32(bins, vld1q_u32(copies[is_exact])));
}

static void count_block_neon(const uint8_t *above, const uint8_t *row, const uint8_t *below,
                             size_t n, struct moa_counts *counts)
{
    /* A lane takes 2048 / 4 squares of at most 1020^2: below 2^31. */
    int32x4_t sum = vdupq_n_s32(0);
    int32x4_t squares = vdupq_n_s32(0);
    int32x4_t least_s = vdupq_n_s32(MOA_S_MAX);
    int32x4_t largest_s = vdupq_n_s32(0);
    const bool is_exact = counts->exact != NULL;
    uint32_t *bins = is_exact ? counts->exact : counts->bins;
    uint32_t slots[2][STEP_PX];
    size_t i = 0;
    for (; i + STEP_PX <= n; i += STEP_PX) {
        const uint8x8_t a0 = vld1_u8(above + i - 1);
        const uint8x8_t a1 = vld1_u8(above + i);
        const uint8x8_t a2 = vld1_u8(above + i + 1);
        const uint8x8_t b0 = vld1_u8(below + i - 1);
        const uint8x8_t b1 = vld1_u8(below + i);
        const uint8x8_t b2 = vld1_u8(below + i + 1);
        const uint8x8_t r0 = vld1_u8(row + i - 1);
        const uint8x8_t r1 = vld1_u8(row + i);
        const uint8x8_t r2 = vld1_u8(row + i + 1);

        /* Differences wrap as unsigned words and are right as signed ones: all within +-1020. */
        const int16x8_t columns = words(vsubq_u16(vaddl_u8(a2, b2), vaddl_u8(a0, b0)));
        const int16x8_t gx = vaddq_s16(columns, vshlq_n_s16(words(vsubl_u8(r2, r0)), 1));
        const int16x8_t rises = words(vaddq_u16(vsubl_u8(b0, a0), vsubl_u8(b2, a2)));
        const int16x8_t gy = vaddq_s16(rises, vshlq_n_s16(words(vsubl_u8(b1, a1)), 1));
        const uint16x8_t around = vaddq_u16(vaddl_u8(a1, b1), vaddl_u8(r0, r2));
        const int16x8_t laplacian = words(vsubq_u16(around, vshll_n_u8(r1, 2)));

        const int32x4_t gx0 = vmull_s16(vget_low_s16(gx), vget_low_s16(gx));
        const int32x4_t gx1 = vmull_high_s16(gx, gx);
        const int32x4_t s0 = vmlal_s16(gx0, vget_low_s16(gy), vget_low_s16(gy));
        const int32x4_t s1 = vmlal_high_s16(gx1, gy, gy);
        const size_t now = i / STEP_PX % 2;
        least_s = vminq_s32(least_s, vminq_s32(s0, s1));
        largest_s = vmaxq_s32(largest_s, vmaxq_s32(s0, s1));
        store_slots(s0, is_exact, slots[now]);
        store_slots(s1, is_exact, slots[now] + 4);

        sum = vpadalq_s16(sum, laplacian);
        squares = vmlal_s16(squares, vget_low_s16(laplacian), vget_low_s16(laplacian));
        squares = vmlal_high_s16(squares, laplacian, laplacian);
        if (i > 0)
            count_8(counts, bins, row + i - STEP_PX, slots[1 - now]);
    }
    if (i > 0)
        count_8(counts, bins, row + i - STEP_PX, slots[(i / STEP_PX - 1) % 2]);
    if (is_exact)
        widen_exact(counts, (uint32_t)vminvq_s32(least_s), (uint32_t)vmaxvq_s32(largest_s));
    counts->laplacian += vaddlvq_s32(sum);
    counts->laplacian_squares += vaddlvq_s32(squares);
    if (i < n)
        moa_kernels_c.count_block(above + i, row + i, below + i, n - i, counts);
}

static void luma_from_rgb_neon(const uint8_t *rgb, size_t n, uint8_t *ret_luma)
{
    size_t i = 0;
    for (; i + STEP_PX <= n; i += STEP_PX) {
        const uint8x8x3_t v = vld3_u8(rgb + 3 * i);
        const uint16x8_t r = vmovl_u8(v.val[0]);
        const uint16x8_t g = vmovl_u8(v.val[1]);
        const uint16x8_t b = vmovl_u8(v.val[2]);
        uint32x4_t low = vmull_n_u16(vget_low_u16(r), 19595);
        uint32x4_t high = vmull_n_u16(vget_high_u16(r), 19595);
        low = vmlal_n_u16(low, vget_low_u16(g), 38470);
        high = vmlal_n_u16(high, vget_high_u16(g), 38470);
        low = vmlal_n_u16(low, vget_low_u16(b), 7471);
        high = vmlal_n_u16(high, vget_high_u16(b), 7471);
        /* The narrowing shift adds the 32768 of the definition. */
        const uint16x8_t luma = vcombine_u16(vrshrn_n_u32(low, 16), vrshrn_n_u32(high, 16));
        vst1_u8(ret_luma + i, vmovn_u16(luma));
    }
    moa_kernels_c.luma_from_rgb(rgb + 3 * i, n - i, ret_luma + i);
}

const struct moa_kernels moa_kernels_neon = {
    .name = "neon",
    .count_block = count_block_neon,
    .luma_from_rgb = luma_from_rgb_neon,
    .add_row = moa_add_row_c,
};
