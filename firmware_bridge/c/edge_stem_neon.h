/* edge_stem_neon.h: the stem on aarch64 without SDOT (Cortex-A53, A72); see edge_stem.h.
 *
 * Inner loops in edge_stem_lanes.h.
 *
 *   window             (n_times, n_chans) int8, sample-major
 *   mix_weight         (n_mixed / 8, n_chans rounded up to 8, 8) int16
 *   mix_scaling        (n_mixed / 8, 2, 3, 4) int32 as in edge_dense_neon.h
 *   temporal_weight    (n_mixed / 8, length rounded up to 2, 8) int8; all filled with zeros
 *   temporal_scaling   (n_mixed / 8, 2, 3, 4) int32
 *   table              256 int8 applied to the filtered signal
 *   scratch            int32 words: block sums (tile_blocks, n_mixed), open windows
 *                      (n_open, n_mixed), then int8 rows (tile + length + 8, n_mixed rounded up to
 *                      8), looked-up outputs (tile + 8, 8)
 *   y                  (n_windows, n_mixed) int8
 *   EDGE_STEM_WIDE     n_chans rounded up to 8, defined by the model
 */
#ifndef EDGE_STEM_NEON_H
#define EDGE_STEM_NEON_H

#include "edge_stem_lanes.h"

/* Mix n positions from position p on; up to 3 rows beyond are overwritten. */
EDGE_INLINE void edge_stem_mix_neon(const edge_stem_shape *s, const int8_t *window, int32_t p,
                                    int32_t n, const int16_t *weight, const int32_t *scaling,
                                    int8_t *rows, int32_t row)
{
    const int16x8_t zero = vdupq_n_s16((int16_t)s->mix_zero);
    const int32_t begin = edge_saturate(s->pad - p, 0, n);
    const int32_t end = edge_saturate(s->pad + s->n_times - p, begin, n);
    int16_t wide[4 * EDGE_STEM_WIDE];
    memset(wide, 0, sizeof wide);
    for (int32_t i = begin; i < end; i += 4) {
        for (int32_t j = 0; j < 4; j++) {
            const int32_t t = edge_saturate(p + i + j - s->pad, 0, s->n_times - 1);
            edge_stem_widen(window + t * s->n_chans, s->n_chans, wide + j * EDGE_STEM_WIDE);
        }
        for (int32_t c = 0; c < row; c += 8) {
            edge_stem_mix_4x8(wide, s->n_chans, weight + c * EDGE_STEM_WIDE, scaling + 3 * c, zero,
                              rows + i * row + c, row);
        }
    }
    memset(rows, s->mix_zero, (size_t)(begin * row));
    memset(rows + end * row, s->mix_zero, (size_t)((n - end) * row));
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
                           const int16_t *mix_weight, const int32_t *mix_scaling,
                           const int8_t *temporal_weight, const int32_t *temporal_scaling,
                           const int8_t *table, int32_t *scratch, int8_t *y)
{
    const int32_t tile = s->block * s->tile_blocks;
    const int32_t history = s->length - 1;
    const int32_t row = (s->n_mixed + 7) & ~7;
    const int32_t n_open = (s->pool_blocks + s->pool_stride - 1) / s->pool_stride;
    const int32_t taps = (s->length + 1) & ~1;
    const edge_table loaded = edge_load_table(table);
    int32_t *sums = scratch;
    int32_t *windows = sums + s->tile_blocks * s->n_mixed;
    int8_t *rows = (int8_t *)(windows + n_open * s->n_mixed);
    int8_t *looked = rows + (tile + s->length + 8) * row;

    edge_stem_mix_neon(s, window, 0, history, mix_weight, mix_scaling, rows, row);
    for (int32_t b = 0; b < s->n_blocks; b += s->tile_blocks) {
        const int32_t n = s->n_blocks - b < s->tile_blocks ? s->n_blocks - b : s->tile_blocks;
        edge_stem_mix_neon(s, window, b * s->block + history, n * s->block, mix_weight,
                           mix_scaling, rows + history * row, row);
        for (int32_t c = 0; c < s->n_mixed; c += 8) {
            edge_stem_filter_8(s, rows + c, row, n * s->block, temporal_weight + c * taps,
                               temporal_scaling + 3 * c, &loaded, looked);
            edge_stem_sum_8(s, looked, n, s->n_mixed - c, sums + c);
        }
        memmove(rows, rows + tile * row, (size_t)(history * row));
        edge_stem_pool_tile(s, sums, n, b, windows, y);
    }
}

#endif
