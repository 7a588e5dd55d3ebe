/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_stem_lanes.h: mix and filter on aarch64 with eight mixed channels in the lanes of a vector.
 *
 * Mix: 16-bit samples times 16-bit weights by lane. Filter: products of two neighbouring taps are
 * summed in 16 bits, where they just fit. Layouts are edge_stem_neon.h's.
 */
#ifndef EDGE_STEM_LANES_H
#define EDGE_STEM_LANES_H

#include "edge_neon.h"

/* Sums of eight channels plus two pairs of products each; two products fit in 16 bits.
 *   x, w   (8, 2) int8
 */
EDGE_INLINE void edge_stem_add_4(int32x4_t *low, int32x4_t *high, int8x16_t x0, int8x16_t w0,
                                 int8x16_t x1, int8x16_t w1)
{
    const int16x8_t a = vmull_s8(vget_low_s8(x0), vget_low_s8(w0));
    const int16x8_t b = vmull_high_s8(x0, w0);
    *low = vpadalq_s16(*low, vmlal_s8(a, vget_low_s8(x1), vget_low_s8(w1)));
    *high = vpadalq_s16(*high, vmlal_high_s8(b, x1, w1));
}

EDGE_INLINE void edge_stem_add_2(int32x4_t *low, int32x4_t *high, int8x16_t x, int8x16_t w)
{
    *low = vpadalq_s16(*low, vmull_s8(vget_low_s8(x), vget_low_s8(w)));
    *high = vpadalq_s16(*high, vmull_high_s8(x, w));
}

/* Four input channels of four samples times their weights for eight mixed channels. */
#define EDGE_STEM_LANES(k)                                                                 \
    if (base + 2 * (k) < n_chans) {                                                        \
        const int8x16_t w0 = vld1q_s8(weight + 8 * (base + 2 * (k)));                      \
        const int8x16_t w1 = vld1q_s8(weight + 8 * (base + 2 * (k)) + 16);                 \
        for (int32_t j = 0; j < 4; j++) {                                                  \
            const int8x16_t x0 = vreinterpretq_s8_s16(vdupq_laneq_s16(x[j], (k)));         \
            const int8x16_t x1 = vreinterpretq_s8_s16(vdupq_laneq_s16(x[j], (k) + 1));     \
            if (base + 2 * (k) + 2 < n_chans) {                                            \
                edge_stem_add_4(low + j, high + j, x0, w0, x1, w1);                        \
            } else {                                                                       \
                edge_stem_add_2(low + j, high + j, x0, w0);                                \
            }                                                                              \
        }                                                                                  \
    }

/* Mix four samples of eight channels.
 *   wide     (4, EDGE_STEM_WIDE_16) int8
 *   values   (4, 8) int8
 */
EDGE_INLINE void edge_stem_mix_4x8(const int8_t *wide, int32_t n_chans, const int8_t *weight,
                                   const int32_t *f, int16x8_t zero, int8x8_t *values)
{
    int32x4_t low[4], high[4];
    for (int32_t j = 0; j < 4; j++) {
        low[j] = vld1q_s32(f);
        high[j] = vld1q_s32(f + 12);
    }
    EDGE_UNROLL
    for (int32_t base = 0; base < EDGE_STEM_WIDE_16; base += 16) {
        int16x8_t x[4];
        for (int32_t j = 0; j < 4; j++) {
            x[j] = vreinterpretq_s16_s8(vld1q_s8(wide + j * EDGE_STEM_WIDE_16 + base));
        }
        EDGE_STEM_LANES(0)
        EDGE_STEM_LANES(2)
        EDGE_STEM_LANES(4)
        EDGE_STEM_LANES(6)
    }
    for (int32_t j = 0; j < 4; j++) {
        const int32x4_t a = edge_finish_4(low[j], vld1q_s32(f + 4), vld1q_s32(f + 8));
        const int32x4_t b = edge_finish_4(high[j], vld1q_s32(f + 16), vld1q_s32(f + 20));
        values[j] = edge_narrow_8(a, b, zero);
    }
}

/* Filter and look up n outputs of eight channels, five at a time.
 *   rows     (n + length + 8, row) int8, at the eight channels
 *   looked   (n rounded up to 5 and to 2, 8) int8
 */
EDGE_INLINE void edge_stem_filter_8(const edge_stem_shape *s, const int8_t *rows, int32_t row,
                                    int32_t n, const int8_t *weight, const int32_t *f,
                                    const edge_table *table, int8_t *looked)
{
    const int16x8_t zero = vdupq_n_s16((int16_t)s->temporal_zero);
    for (int32_t i = 0; i < n; i += 5) {
        int32x4_t low[5], high[5];
        for (int32_t j = 0; j < 5; j++) {
            low[j] = vld1q_s32(f);
            high[j] = vld1q_s32(f + 12);
        }
        const int8_t *x = rows + i * row;
        EDGE_UNROLL
        for (int32_t k = 0; k < EDGE_STEM_LENGTH; k += 2) {
            const int8x8_t w0 = vld1_s8(weight + 8 * k), w1 = vld1_s8(weight + 8 * k + 8);
            for (int32_t j = 0; j < 5; j++) {
                int16x8_t products = vmull_s8(vld1_s8(x + (k + j) * row), w0);
                if (k + 1 < EDGE_STEM_LENGTH) {
                    products = vmlal_s8(products, vld1_s8(x + (k + j + 1) * row), w1);
                }
                low[j] = vaddw_s16(low[j], vget_low_s16(products));
                high[j] = vaddw_high_s16(high[j], products);
            }
        }
        int8x8_t values[6];
        for (int32_t j = 0; j < 5; j++) {
            const int32x4_t a = edge_finish_4(low[j], vld1q_s32(f + 4), vld1q_s32(f + 8));
            const int32x4_t b = edge_finish_4(high[j], vld1q_s32(f + 16), vld1q_s32(f + 20));
            values[j] = edge_narrow_8(a, b, zero);
        }
        values[5] = values[4];
        for (int32_t j = 0; j < 6; j += 2) {
            const int8x16_t pair = vcombine_s8(values[j], values[j + 1]);
            vst1q_s8(looked + 8 * (i + j), edge_look_up_16(table, pair));
        }
    }
}

#endif
