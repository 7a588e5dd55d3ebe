/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_stem_mve.h: the stem with Helium (Cortex-M55, M85); see edge_stem.h.
 *
 * Dot products of sixteen int8 at a time, for the mix over electrodes and for the filter over taps.
 *
 *   window             (n_times, n_chans) int8, sample-major
 *   mix_weight         (n_mixed, EDGE_STEM_WIDE_16) int8
 *   mix_scaling        (n_mixed / 2, 3, 4) int32: bias, multiplier, minus the right shift of two
 *                      channels, each twice
 *   temporal_weight    (n_mixed, EDGE_STEM_LENGTH_16) int8; all rounded up and filled with zeros
 *   temporal_scaling   (n_mixed / 4, 3, 4) int32 as in edge_dense_mve.h
 *   table              256 int8 applied to the filtered signal
 *   scratch            int32 words: block sums (tile_blocks, n_mixed), open windows
 *                      (n_open, n_mixed), then int8 rows (n_mixed rounded up to 2, row)
 *   y                  (n_windows, n_mixed) int8
 */
#ifndef EDGE_STEM_MVE_H
#define EDGE_STEM_MVE_H

#include "edge_mve.h"

/* Mix two samples of all channels into two columns.
 *   x, z   (n_chans,) int8: the samples; nothing is read beyond them
 *   rows   (n_mixed rounded up to 2, row) int8, at the first sample's column
 */
EDGE_INLINE void edge_stem_mix_2(const edge_stem_shape *s, const int8_t *x, const int8_t *z,
                                 const int8_t *weight, const int32_t *f, uint32x4_t places,
                                 int8_t *rows, int32_t row)
{
    int8x16_t samples[EDGE_STEM_WIDE_16 / 8]; /* loaded once: a row may alias them, for a compiler */
    EDGE_UNROLL
    for (int32_t k = 0; k < EDGE_STEM_WIDE_16; k += 16) {
        const mve_pred16_t inside = vctp8q((uint32_t)(s->n_chans - k));
        samples[k / 8] = vldrbq_z_s8(x + k, inside);
        samples[k / 8 + 1] = vldrbq_z_s8(z + k, inside);
    }
    for (int32_t c = 0; c < s->n_mixed; c += 2, f += 12, rows += 2 * row) {
        int32_t a = f[0], b = f[0], d = f[2], e = f[2];
        EDGE_UNROLL
        for (int32_t k = 0; k < EDGE_STEM_WIDE_16; k += 16) {
            const int8x16_t first = samples[k / 8], second = samples[k / 8 + 1];
            const int8x16_t w = vld1q_s8(weight + k), v = vld1q_s8(weight + EDGE_STEM_WIDE_16 + k);
            a = vmladavaq_s8(a, first, w);
            b = vmladavaq_s8(b, second, w);
            d = vmladavaq_s8(d, first, v);
            e = vmladavaq_s8(e, second, v);
        }
        weight += 2 * EDGE_STEM_WIDE_16;
        const int32x4_t values = edge_finish_4(edge_four(a, b, d, e), vld1q_s32(f + 4),
                                               vld1q_s32(f + 8), s->mix_zero);
        vstrbq_scatter_offset_s32(rows, places, values);
    }
}

/* Mix n positions from position p on into columns `column` ...; one column beyond may be
 * overwritten. */
EDGE_INLINE void edge_stem_mix_mve(const edge_stem_shape *s, const int8_t *window, int32_t p,
                                   int32_t n, const int8_t *weight, const int32_t *scaling,
                                   int8_t *rows, int32_t row, int32_t column)
{
    const int32_t begin = edge_saturate(s->pad - p, 0, n);
    const int32_t end = edge_saturate(s->pad + s->n_times - p, begin, n);
    const uint32x4_t places =
        vreinterpretq_u32_s32(edge_four(0, 1, row, row + 1));
    for (int32_t i = begin; i < end; i += 2) {
        const int32_t t = p + i - s->pad;
        const int32_t next = t + 1 < s->n_times ? t + 1 : t;
        edge_stem_mix_2(s, window + t * s->n_chans, window + next * s->n_chans, weight, scaling,
                        places, rows + column + i, row);
    }
    if (begin == 0 && end == n) {
        return;
    }
    for (int32_t c = 0; c < s->n_mixed; c++) {
        int8_t *x = rows + c * row + column;
        memset(x, s->mix_zero, (size_t)begin);
        memset(x + end, s->mix_zero, (size_t)(n - end));
    }
}

/* One output of the filter. */
EDGE_INLINE int32_t edge_stem_output(int32_t bias, const int8_t *x, const int8_t *taps)
{
    EDGE_UNROLL
    for (int32_t k = 0; k < EDGE_STEM_LENGTH_16; k += 16) {
        bias = vmladavaq_s8(bias, vld1q_s8(x + k), vld1q_s8(taps + k));
    }
    return bias;
}

/* Sums of n looked-up blocks of one channel.
 *   x   row, readable EDGE_STEM_LENGTH_16 + 4 bytes beyond the last block
 *   f   bias, multiplier, shift of the channel, 4 apart
 */
EDGE_INLINE void edge_stem_filter_mve(const edge_stem_shape *s, const int8_t *x, int32_t n,
                                      const int8_t *taps, const int32_t *f, const int8_t *table,
                                      int32_t *sums)
{
    const int32x4_t multiplier = vdupq_n_s32(f[4]), shift = vdupq_n_s32(f[8]);
    const int32_t bias = f[0];
    for (int32_t b = 0; b < n; b++, x += s->block, sums += s->n_mixed) {
        int32_t total = 0;
        for (int32_t i = 0; i < s->block; i += 4) {
            const int32x4_t four = edge_four(
                edge_stem_output(bias, x + i, taps), edge_stem_output(bias, x + i + 1, taps),
                edge_stem_output(bias, x + i + 2, taps), edge_stem_output(bias, x + i + 3, taps));
            const int32x4_t values =
                edge_look_up_4(table, edge_finish_4(four, multiplier, shift, s->temporal_zero));
            total = vaddvaq_p_s32(total, values, vctp32q((uint32_t)(s->block - i)));
        }
        *sums = total;
    }
}

EDGE_INLINE void edge_stem(const edge_stem_shape *s, const int8_t *window,
                           const int8_t *mix_weight, const int32_t *mix_scaling,
                           const int8_t *temporal_weight, const int32_t *temporal_scaling,
                           const int8_t *table, int32_t *scratch, int8_t *y)
{
    const int32_t tile = s->block * s->tile_blocks;
    const int32_t history = s->length - 1;
    const int32_t row = tile + EDGE_STEM_LENGTH_16 + 20;
    const int32_t n_open = (s->pool_blocks + s->pool_stride - 1) / s->pool_stride;
    int32_t *sums = scratch;
    int32_t *windows = sums + s->tile_blocks * s->n_mixed;
    int8_t *rows = (int8_t *)(windows + n_open * s->n_mixed);

    edge_stem_mix_mve(s, window, 0, history, mix_weight, mix_scaling, rows, row, 0);
    for (int32_t b = 0; b < s->n_blocks; b += s->tile_blocks) {
        const int32_t n = s->n_blocks - b < s->tile_blocks ? s->n_blocks - b : s->tile_blocks;
        edge_stem_mix_mve(s, window, b * s->block + history, n * s->block, mix_weight, mix_scaling,
                          rows, row, history);
        for (int32_t c = 0; c < s->n_mixed; c++) {
            int8_t *x = rows + c * row;
            edge_stem_filter_mve(s, x, n, temporal_weight + c * EDGE_STEM_LENGTH_16,
                                 temporal_scaling + 12 * (c / 4) + c % 4, table, sums + c);
            for (int32_t i = 0; i < history; i += 16) {
                vst1q_s8(x + i, vld1q_s8(x + tile + i));
            }
        }
        edge_stem_pool_tile(s, sums, n, b, windows, y);
    }
}

#endif
