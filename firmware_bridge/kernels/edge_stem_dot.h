/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_stem_dot.h: the stem on aarch64 with SDOT (Cortex-A55, A76); see edge_stem.h.
 *
 * Mix: samples as words of four channels, so that SDOT by lane makes sixteen samples of four mixed
 * channels. Filter: SDOT multiplies four neighbouring samples with four taps; with the taps shifted
 * by 0, 1, 2 and 3 the four lanes of four sums are sixteen outputs. Lane i of sum r is output 4i + r.
 *
 *   window             (n_times, n_chans) int8, sample-major
 *   mix_weight         (n_mixed / 4, n_chans / 16, 4, 16) int8
 *   mix_scaling        (n_mixed / 4, 3, 4) int32 as in edge_dense_neon.h
 *   temporal_weight    (n_mixed, EDGE_STEM_SHIFTED, 4, 4) int8: four taps, shifted by 0 ... 3
 *   temporal_scaling   (n_mixed / 4, 3, 4) int32; all rounded up and filled with zeros
 *   table              256 int8 applied to the filtered signal
 *   scratch            int32 words: block sums (tile_blocks, n_mixed), open windows
 *                      (n_open, n_mixed), samples (EDGE_STEM_WORDS, tile rounded up to 16), then
 *                      int8 rows (n_mixed rounded up to 4, row)
 *   y                  (n_windows, n_mixed) int8
 */
#ifndef EDGE_STEM_DOT_H
#define EDGE_STEM_DOT_H

#include "edge_neon.h"

/* Samples first ... first + n - 1, clamped to the window, as words.
 *   words   (EDGE_STEM_WORDS, stride) int32
 */
EDGE_INLINE void edge_stem_words(const edge_stem_shape *s, const int8_t *window, int32_t first,
                                 int32_t n, int32_t *words, int32_t stride)
{
    for (int32_t i = 0; i < n; i++) {
        const int32_t t = edge_saturate(first + i, 0, s->n_times - 1);
        const int8_t *x = window + t * s->n_chans;
        EDGE_UNROLL
        for (int32_t k = 0; k < EDGE_STEM_WORDS; k++) {
            int32_t word = 0;
            if (4 * k + 4 <= s->n_chans) {
                EDGE_COPY(&word, x + 4 * k, 4);
            } else {
                EDGE_COPY(&word, x + 4 * k, (size_t)(s->n_chans - 4 * k));
            }
            words[k * stride + i] = word;
        }
    }
}

#define EDGE_STEM_DOT_LANE(lane)                                                           \
    if (k + (lane) < EDGE_STEM_WORDS) {                                                    \
        for (int32_t j = 0; j < 4; j++) {                                                  \
            const int32_t *from = words + (k + (lane)) * stride + 4 * j;                   \
            const int8x16_t x = vreinterpretq_s8_s32(vld1q_s32(from));                     \
            a[j] = vdotq_laneq_s32(a[j], x, w0, (lane));                                   \
            b[j] = vdotq_laneq_s32(b[j], x, w1, (lane));                                   \
            c[j] = vdotq_laneq_s32(c[j], x, w2, (lane));                                   \
            d[j] = vdotq_laneq_s32(d[j], x, w3, (lane));                                   \
        }                                                                                  \
    }

/* Sixteen values of one channel from their sums. */
EDGE_INLINE int8x16_t edge_finish_16(const int32x4_t *sums, int32_t multiplier, int32_t shift,
                                     int16x8_t zero)
{
    const int32x4_t m = vdupq_n_s32(multiplier), e = vdupq_n_s32(shift);
    const int32x4_t a = edge_finish_4(sums[0], m, e), b = edge_finish_4(sums[1], m, e);
    const int32x4_t c = edge_finish_4(sums[2], m, e), d = edge_finish_4(sums[3], m, e);
    const int16x8_t low = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), zero);
    const int16x8_t high = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(c), d), zero);
    return vqmovn_high_s16(vqmovn_s16(low), high);
}

/* Mix sixteen samples of four channels.
 *   words   (EDGE_STEM_WORDS, stride) int32, at the first sample
 *   rows    (4, row) int8, at the first sample's column
 */
EDGE_INLINE void edge_stem_mix_16x4(const int32_t *words, int32_t stride, const int8_t *weight,
                                    const int32_t *f, int16x8_t zero, int8_t *rows, int32_t row)
{
    int32x4_t a[4], b[4], c[4], d[4];
    for (int32_t j = 0; j < 4; j++) {
        a[j] = vdupq_n_s32(f[0]);
        b[j] = vdupq_n_s32(f[1]);
        c[j] = vdupq_n_s32(f[2]);
        d[j] = vdupq_n_s32(f[3]);
    }
    EDGE_UNROLL
    for (int32_t k = 0; k < EDGE_STEM_WORDS; k += 4, weight += 64) {
        const int8x16_t w0 = vld1q_s8(weight), w1 = vld1q_s8(weight + 16);
        const int8x16_t w2 = vld1q_s8(weight + 32), w3 = vld1q_s8(weight + 48);
        EDGE_STEM_DOT_LANE(0)
        EDGE_STEM_DOT_LANE(1)
        EDGE_STEM_DOT_LANE(2)
        EDGE_STEM_DOT_LANE(3)
    }
    vst1q_s8(rows, edge_finish_16(a, f[4], f[8], zero));
    vst1q_s8(rows + row, edge_finish_16(b, f[5], f[9], zero));
    vst1q_s8(rows + 2 * row, edge_finish_16(c, f[6], f[10], zero));
    vst1q_s8(rows + 3 * row, edge_finish_16(d, f[7], f[11], zero));
}

/* Mix n positions from position p on into columns `column` ...; up to 15 columns beyond are
 * overwritten. */
EDGE_INLINE void edge_stem_mix_dot(const edge_stem_shape *s, const int8_t *window, int32_t p,
                                   int32_t n, const int8_t *weight, const int32_t *scaling,
                                   int32_t *words, int32_t stride, int8_t *rows, int32_t row,
                                   int32_t column)
{
    const int16x8_t zero = vdupq_n_s16((int16_t)s->mix_zero);
    const int32_t group = 64 * ((EDGE_STEM_WORDS + 3) / 4);
    const int32_t begin = edge_saturate(s->pad - p, 0, n);
    const int32_t end = edge_saturate(s->pad + s->n_times - p, begin, n);
    edge_stem_words(s, window, p - s->pad, (n + 15) & ~15, words, stride);
    for (int32_t c = 0; c < s->n_mixed; c += 4) {
        for (int32_t i = 0; i < n; i += 16) {
            edge_stem_mix_16x4(words + i, stride, weight + (c / 4) * group, scaling + 3 * c, zero,
                               rows + c * row + column + i, row);
        }
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

/* Sums of n looked-up blocks of one channel.
 *   x       row, readable 16 + 4 * EDGE_STEM_SHIFTED bytes from the last block's begin
 *   taps    (EDGE_STEM_SHIFTED, 4, 4) int8
 *   f       bias, multiplier, shift of the channel, 4 apart
 */
EDGE_INLINE void edge_stem_filter_dot(const edge_stem_shape *s, const int8_t *x, int32_t n,
                                      const int8_t *taps, const int32_t *f,
                                      const edge_table *table, int32_t *sums)
{
    static const uint8_t order[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    const int16x8_t zero = vdupq_n_s16((int16_t)s->temporal_zero);
    const uint8x16_t place = vld1q_u8(order);
    for (int32_t b = 0; b < n; b++, x += s->block, sums += s->n_mixed) {
        int32_t total = 0;
        for (int32_t i = 0; i < s->block; i += 16) {
            int32x4_t sum[4];
            for (int32_t r = 0; r < 4; r++) {
                sum[r] = vdupq_n_s32(f[0]);
            }
            EDGE_UNROLL
            for (int32_t k = 0; k < EDGE_STEM_SHIFTED; k++) {
                const int8x16_t values = vld1q_s8(x + i + 4 * k);
                const int8x16_t four = vld1q_s8(taps + 16 * k);
                sum[0] = vdotq_laneq_s32(sum[0], values, four, 0);
                sum[1] = vdotq_laneq_s32(sum[1], values, four, 1);
                sum[2] = vdotq_laneq_s32(sum[2], values, four, 2);
                sum[3] = vdotq_laneq_s32(sum[3], values, four, 3);
            }
            const int8x16_t found = edge_look_up_16(table, edge_finish_16(sum, f[4], f[8], zero));
            const int32_t left = s->block - i < 16 ? s->block - i : 16;
            const uint8x16_t inside = vcltq_u8(place, vdupq_n_u8((uint8_t)left));
            total += vaddlvq_s8(vandq_s8(found, vreinterpretq_s8_u8(inside)));
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
    const int32_t stride = (tile + 15) & ~15;
    const int32_t row = (tile + history + 4 * EDGE_STEM_SHIFTED + 32 + 15) & ~15;
    const int32_t n_open = (s->pool_blocks + s->pool_stride - 1) / s->pool_stride;
    const edge_table loaded = edge_load_table(table);
    int32_t *sums = scratch;
    int32_t *windows = sums + s->tile_blocks * s->n_mixed;
    int32_t *words = windows + n_open * s->n_mixed;
    int8_t *rows = (int8_t *)(words + EDGE_STEM_WORDS * stride);
    int32_t column = 0;

    while (column < history) { /* the words' memory is a tile long */
        const int32_t n = history - column < tile ? history - column : tile;
        edge_stem_mix_dot(s, window, column, n, mix_weight, mix_scaling, words, stride, rows, row,
                          column);
        column += n;
    }
    for (int32_t b = 0; b < s->n_blocks; b += s->tile_blocks) {
        const int32_t n = s->n_blocks - b < s->tile_blocks ? s->n_blocks - b : s->tile_blocks;
        edge_stem_mix_dot(s, window, b * s->block + history, n * s->block, mix_weight, mix_scaling,
                          words, stride, rows, row, history);
        for (int32_t c = 0; c < s->n_mixed; c++) {
            int8_t *x = rows + c * row;
            edge_stem_filter_dot(s, x, n, temporal_weight + 16 * c * EDGE_STEM_SHIFTED,
                                 temporal_scaling + 12 * (c / 4) + c % 4, &loaded, sums + c);
            for (int32_t i = 0; i < history; i += 16) {
                vst1q_s8(x + i, vld1q_s8(x + tile + i));
            }
        }
        edge_stem_pool_tile(s, sums, n, b, windows, y);
    }
}

#endif
