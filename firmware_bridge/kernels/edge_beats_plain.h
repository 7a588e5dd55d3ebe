/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_beats_plain.h: a beat of the stem in plain C; see edge_beats.h.
 *
 *   mix_weight         (n_mixed, n_chans) int8
 *   mix_scaling        (n_mixed, 3) int32: bias (zero point folded in), multiplier, shift
 *   temporal_weight    (n_mixed, length) int8
 *   temporal_scaling   (n_mixed, 3) int32
 *   table              256 int8 applied to the filtered signal
 *   rows               (n_mixed, row) int8
 *   scratch            int8: outputs of this beat (beat + n_last,), of a window's begin (pad,), and
 *                      the samples that these read (pad + length - 1,)
 */
#ifndef EDGE_BEATS_PLAIN_H
#define EDGE_BEATS_PLAIN_H

/* Filter and look up n outputs of one channel. */
EDGE_INLINE void edge_beats_filter_plain(const edge_beats_shape *s, const int8_t *x, int32_t n,
                                          const int8_t *weight, const int32_t *f,
                                          const int8_t *table, int8_t *y)
{
    for (int32_t i = 0; i < n; i++) {
        const int32_t sum = f[0] + edge_dot(x + i, weight, s->stem.length);
        y[i] = table[edge_requantize(sum, f[1], f[2], s->stem.temporal_zero) + 128];
    }
}

EDGE_INLINE void edge_beats_plain(const edge_beats_shape *s, const int8_t *frames,
                                   const int8_t *mix_weight, const int32_t *mix_scaling,
                                   const int8_t *temporal_weight, const int32_t *temporal_scaling,
                                   const int8_t *table, int8_t *rows, int16_t *carries,
                                   int16_t *pending, int32_t first, int32_t due, void *scratch,
                                   int16_t *sums, int32_t from, int32_t to)
{
    const int32_t history = s->stem.length - 1, pad = s->stem.pad, n_chans = s->stem.n_chans;
    int8_t *now = (int8_t *)scratch;
    int8_t *began = now + s->beat + s->n_last;
    int8_t *samples = began + pad;
    memset(samples, s->stem.mix_zero, (size_t)pad);
    mix_weight += from * n_chans;
    temporal_weight += from * s->stem.length;
    temporal_scaling += 3 * from;
    rows += from * s->row;
    for (int32_t c = from; c < to; c++, rows += s->row, temporal_scaling += 3) {
        const int32_t *f = mix_scaling + 3 * c;
        for (int32_t i = 0; i < s->beat; i++) {
            const int32_t sum = f[0] + edge_dot(frames + i * n_chans, mix_weight, n_chans);
            rows[history + i] = (int8_t)edge_requantize(sum, f[1], f[2], s->stem.mix_zero);
        }
        edge_beats_filter_plain(s, rows, s->beat + (due ? s->n_last : 0), temporal_weight,
                                 temporal_scaling, table, now);
        if (first && pad > 0) {
            memcpy(samples + pad, rows + s->offset, (size_t)history);
            edge_beats_filter_plain(s, samples, pad, temporal_weight, temporal_scaling, table,
                                     began);
        }
        edge_beats_blocks(s, now, began, first, due, carries + c, pending + c, sums + c);
        memmove(rows, rows + s->beat, (size_t)history);
        mix_weight += n_chans;
        temporal_weight += s->stem.length;
    }
}

#endif
