/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_stem_neon.h: the stem on aarch64 without SDOT (Cortex-A53, A72); see edge_stem.h.
 *
 * Inner loops in edge_stem_lanes.h.
 *
 *   window             (n_times, n_chans) int8, sample-major
 *   mix_weight         (n_mixed / 8, 2 * EDGE_STEM_WORDS, 8, 2) int8: pairs of channels
 *   mix_scaling        (n_mixed / 8, 2, 3, 4) int32 as in edge_dense_neon.h
 *   temporal_weight    (n_mixed / 8, EDGE_STEM_TAPS, 2, 8, 2) int8: pairs of taps for outputs at
 *                      even positions, and for those at odd ones; all filled with zeros
 *   temporal_scaling   (n_mixed / 8, 2, 3, 4) int32
 *   table              256 int8 applied to the filtered signal
 *   scratch            int32 words: block sums (tile_blocks, n_mixed), open windows
 *                      (n_open, n_mixed), then int8 rows (tile + length + 9, n_mixed rounded up to
 *                      8), looked-up outputs (tile + 8, 8)
 *   y                  (n_windows, n_mixed) int8
 */
#ifndef EDGE_STEM_NEON_H
#define EDGE_STEM_NEON_H

#include "edge_stem_lanes.h"

EDGE_INLINE int8x16_t edge_stem_zip(int8x8_t a, int8x8_t b)
{
    return vcombine_s8(vzip1_s8(a, b), vzip2_s8(a, b));
}

/* One position of all rows, filled with the mix's zero point.
 *   rows   (positions / 2, row, 2) int8
 */
EDGE_INLINE void edge_stem_blank(const edge_stem_shape *s, int8_t *rows, int32_t row, int32_t i)
{
    int8_t *to = rows + (i >> 1) * 2 * row + (i & 1);
    EDGE_UNROLL_SOME
    for (int32_t c = 0; c < row; c++) {
        to[2 * c] = (int8_t)s->mix_zero;
    }
}

/* Mix n positions from position p on; up to 3 beyond are overwritten.
 *   rows   (positions / 2, row, 2) int8: two neighbouring positions side by side
 */
EDGE_INLINE void edge_stem_mix_neon(const edge_stem_shape *s, const int8_t *window, int32_t p,
                                    int32_t n, const int8_t *weight, const int32_t *scaling,
                                    int8_t *rows, int32_t row)
{
    const int16x8_t zero = vdupq_n_s16((int16_t)s->mix_zero);
    const int32_t begin = edge_saturate(s->pad - p, 0, n);
    const int32_t end = edge_saturate(s->pad + s->n_times - p, begin, n);
    int8_t wide[4 * EDGE_STEM_WIDE_16];
    memset(wide, 0, sizeof wide);
    for (int32_t i = begin & ~3; i < end; i += 4) {
        for (int32_t j = 0; j < 4; j++) {
            const int32_t t = edge_saturate(p + i + j - s->pad, 0, s->n_times - 1);
            EDGE_COPY(wide + j * EDGE_STEM_WIDE_16, window + t * s->n_chans, (size_t)s->n_chans);
        }
        for (int32_t c = 0; c < row; c += 8) {
            int8x8_t values[4];
            edge_stem_mix_4x8(wide, s->n_chans, weight + 4 * c * EDGE_STEM_WORDS, scaling + 3 * c,
                              zero, values);
            vst1q_s8(rows + i * row + 2 * c, edge_stem_zip(values[0], values[1]));
            vst1q_s8(rows + (i + 2) * row + 2 * c, edge_stem_zip(values[2], values[3]));
        }
    }
    for (int32_t i = 0; i < n; i++) {
        if (i < begin || i >= end) {
            edge_stem_blank(s, rows, row, i);
        }
    }
}

/* Filter n outputs of eight channels, six at a time.
 *   rows       ((n + EDGE_STEM_LENGTH + 8) / 2, row, 2) int8, at the eight channels
 *   filtered   (n rounded up to 6, 8) int8
 */
EDGE_INLINE void edge_stem_filter_pairs(const edge_stem_shape *s, const int8_t *rows, int32_t row,
                                        int32_t n, const int8_t *weight, const int32_t *f,
                                        int8_t *filtered)
{
    const int16x8_t zero = vdupq_n_s16((int16_t)s->temporal_zero);
    for (int32_t i = 0; i < n; i += 6) {
        const int8_t *x = rows + i * row;
        int32x4_t low[6], high[6];
        for (int32_t j = 0; j < 6; j++) {
            low[j] = vld1q_s32(f);
            high[j] = vld1q_s32(f + 12);
        }
        EDGE_UNROLL
        for (int32_t k = 0; k < EDGE_STEM_TAPS; k += 2) {
            const int8x16_t even = vld1q_s8(weight + 32 * k), odd = vld1q_s8(weight + 32 * k + 16);
            if (k + 1 == EDGE_STEM_TAPS) {
                for (int32_t j = 0; j < 6; j += 2) {
                    const int8x16_t last = vld1q_s8(x + (2 * k + j) * row);
                    edge_stem_add_2(low + j, high + j, last, even);
                    edge_stem_add_2(low + j + 1, high + j + 1, last, odd);
                }
                break;
            }
            const int8x16_t even1 = vld1q_s8(weight + 32 * k + 32);
            const int8x16_t odd1 = vld1q_s8(weight + 32 * k + 48);
            for (int32_t j = 0; j < 6; j += 2) {
                const int8x16_t x0 = vld1q_s8(x + (2 * k + j) * row);
                const int8x16_t x1 = vld1q_s8(x + (2 * k + j + 2) * row);
                edge_stem_add_4(low + j, high + j, x0, even, x1, even1);
                edge_stem_add_4(low + j + 1, high + j + 1, x0, odd, x1, odd1);
            }
        }
        for (int32_t j = 0; j < 6; j++) {
            const int32x4_t a = edge_finish_4(low[j], vld1q_s32(f + 4), vld1q_s32(f + 8));
            const int32x4_t b = edge_finish_4(high[j], vld1q_s32(f + 16), vld1q_s32(f + 20));
            vst1_s8(filtered + 8 * (i + j), edge_narrow_8(a, b, zero));
        }
    }
}

/* Values through a table, in place.
 *   values   (n rounded up to 2, 8) int8
 */
EDGE_INLINE void edge_stem_look_up_8(const int8_t *table, int32_t n, int8_t *values)
{
    const edge_table loaded = edge_load_table(table);
    for (int32_t i = 0; i < 8 * n; i += 16) {
        vst1q_s8(values + i, edge_look_up_16(&loaded, vld1q_s8(values + i)));
    }
}

/* Block sums of eight channels.
 *   looked   (n * block, 8) int8
 *   sums     (n, n_mixed) int32, at the eight channels
 */
EDGE_INLINE void edge_stem_sum_8(const edge_stem_shape *s, const int8_t *looked, int32_t n,
                                 int32_t count, int32_t *sums)
{
    for (int32_t b = 0; b < n; b++, sums += s->n_mixed) {
        int16x8_t sum = vdupq_n_s16(0);
        for (int32_t i = 0; i < s->block; i++, looked += 8) {
            sum = vaddw_s8(sum, vld1_s8(looked));
        }
        if (count >= 8) {
            vst1q_s32(sums, vmovl_s16(vget_low_s16(sum)));
            vst1q_s32(sums + 4, vmovl_high_s16(sum));
            continue;
        }
        int16_t each[8];
        vst1q_s16(each, sum);
        for (int32_t c = 0; c < count; c++) {
            sums[c] = each[c];
        }
    }
}

EDGE_INLINE void edge_stem(const edge_stem_shape *s, const int8_t *window,
                           const int8_t *mix_weight, const int32_t *mix_scaling,
                           const int8_t *temporal_weight, const int32_t *temporal_scaling,
                           const int8_t *table, int32_t *scratch, int8_t *y)
{
    const int32_t tile = s->block * s->tile_blocks; /* even */
    const int32_t lead = (s->length + 1) & 1;
    const int32_t history = s->length - 1 + lead;   /* even */
    const int32_t row = (s->n_mixed + 7) & ~7;
    const int32_t n_open = (s->pool_blocks + s->pool_stride - 1) / s->pool_stride;
    int32_t *sums = scratch;
    int32_t *windows = sums + s->tile_blocks * s->n_mixed;
    int8_t *rows = (int8_t *)(windows + n_open * s->n_mixed);
    int8_t *looked = rows + (tile + s->length + 9) * row;

    edge_stem_mix_neon(s, window, -lead, history, mix_weight, mix_scaling, rows, row);
    for (int32_t b = 0; b < s->n_blocks; b += s->tile_blocks) {
        const int32_t n = s->n_blocks - b < s->tile_blocks ? s->n_blocks - b : s->tile_blocks;
        edge_stem_mix_neon(s, window, b * s->block + history - lead, n * s->block, mix_weight,
                           mix_scaling, rows + history * row, row);
        for (int32_t c = 0; c < s->n_mixed; c += 8) {
            edge_stem_filter_pairs(s, rows + 2 * c, row, n * s->block,
                                   temporal_weight + 4 * c * EDGE_STEM_TAPS,
                                   temporal_scaling + 3 * c, looked);
            edge_stem_look_up_8(table, n * s->block, looked);
            edge_stem_sum_8(s, looked, n, s->n_mixed - c, sums + c);
        }
        memmove(rows, rows + tile * row, (size_t)(history * row));
        edge_stem_pool_tile(s, sums, n, b, windows, y);
    }
}

#endif
