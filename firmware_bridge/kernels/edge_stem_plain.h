/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_stem_plain.h: the stem in plain C; see edge_stem.h.
 *
 *   window             (n_times, n_chans) int8, sample-major
 *   mix_weight         (n_mixed, n_chans) int8
 *   mix_scaling        (n_mixed, 3) int32: bias (zero point folded in), multiplier, shift
 *   temporal_weight    (n_mixed, length) int8
 *   temporal_scaling   (n_mixed, 3) int32
 *   table              256 int8 applied to the filtered signal
 *   scratch            int32 words: block sums (tile_blocks, n_mixed), open windows
 *                      (n_open, n_mixed), then int8 rows (n_mixed, row) with
 *                      row = block * tile_blocks + length - 1
 *   y                  (n_windows, n_mixed) int8
 */
#ifndef EDGE_STEM_PLAIN_H
#define EDGE_STEM_PLAIN_H

/* Write n mixed samples from position p on into column `column` of every row. */
EDGE_INLINE void edge_stem_mix_plain(const edge_stem_shape *s, const int8_t *window, int32_t p,
                                     int32_t n, const int8_t *weight, const int32_t *scaling,
                                     int8_t *rows, int32_t row, int32_t column)
{
    for (int32_t i = 0; i < n; i++) {
        const int32_t t = p + i - s->pad;
        for (int32_t c = 0; c < s->n_mixed; c++) {
            const int32_t *f = scaling + 3 * c;
            int32_t value = s->mix_zero;
            if (t >= 0 && t < s->n_times) {
                const int8_t *x = window + t * s->n_chans;
                const int32_t sum = f[0] + edge_dot(x, weight + c * s->n_chans, s->n_chans);
                value = edge_requantize(sum, f[1], f[2], s->mix_zero);
            }
            rows[c * row + column + i] = (int8_t)value;
        }
    }
}

/* Sum the looked-up outputs of n blocks of every channel. */
EDGE_INLINE void edge_stem_filter_plain(const edge_stem_shape *s, const int8_t *rows, int32_t row,
                                        int32_t n, const int8_t *weight, const int32_t *scaling,
                                        const int8_t *table, int32_t *sums)
{
    for (int32_t c = 0; c < s->n_mixed; c++) {
        const int32_t *f = scaling + 3 * c;
        const int8_t *x = rows + c * row;
        for (int32_t b = 0; b < n; b++) {
            int32_t sum = 0;
            for (int32_t i = 0; i < s->block; i++, x++) {
                const int32_t value = f[0] + edge_dot(x, weight + c * s->length, s->length);
                sum += table[edge_requantize(value, f[1], f[2], s->temporal_zero) + 128];
            }
            sums[b * s->n_mixed + c] = sum;
        }
    }
}

EDGE_INLINE void edge_stem_plain(const edge_stem_shape *s, const int8_t *window,
                                 const int8_t *mix_weight, const int32_t *mix_scaling,
                                 const int8_t *temporal_weight, const int32_t *temporal_scaling,
                                 const int8_t *table, int32_t *scratch, int8_t *y)
{
    const int32_t tile = s->block * s->tile_blocks;
    const int32_t history = s->length - 1;
    const int32_t row = tile + history;
    const int32_t n_open = (s->pool_blocks + s->pool_stride - 1) / s->pool_stride;
    int32_t *sums = scratch;
    int32_t *windows = sums + s->tile_blocks * s->n_mixed;
    int8_t *rows = (int8_t *)(windows + n_open * s->n_mixed);

    edge_stem_mix_plain(s, window, 0, history, mix_weight, mix_scaling, rows, row, 0);
    for (int32_t b = 0; b < s->n_blocks; b += s->tile_blocks) {
        const int32_t n = s->n_blocks - b < s->tile_blocks ? s->n_blocks - b : s->tile_blocks;
        edge_stem_mix_plain(s, window, b * s->block + history, n * s->block, mix_weight,
                            mix_scaling, rows, row, history);
        edge_stem_filter_plain(s, rows, row, n, temporal_weight, temporal_scaling, table, sums);
        edge_stem_pool_tile(s, sums, n, b, windows, y);
        for (int32_t c = 0; c < s->n_mixed; c++) {
            memmove(rows + c * row, rows + c * row + tile, (size_t)history);
        }
    }
}

#endif
