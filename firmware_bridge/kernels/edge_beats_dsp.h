/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_beats_dsp.h: a beat of the stem for Cortex-M4, M7, M33; see edge_beats.h and edge_stem_dsp.h.
 *
 * Mixed samples are kept as bytes, because a beat may be an odd number of them and pairs could not
 * be shifted by it; they are packed anew. A row is packed from one sample before it on, so that the
 * first output is a second of a pair: it needs no carry from a sum before.
 *
 *   weights, scalings   as in edge_stem_dsp.h
 *   rows                (n_mixed rounded up to 4, row) int8
 *   scratch             int32 words: samples as pairs ((beat + 1) / 2, n_pairs, 2), a packed row
 *                       (EDGE_BEATS_WORDS), another (EDGE_BEATS_WORDS); int8: outputs of this beat
 *                       and of a window's begin, each rounded up to 8
 */
#ifndef EDGE_BEATS_DSP_H
#define EDGE_BEATS_DSP_H

#include "edge_packed_dsp.h"

/* Mix the pairs of samples of a beat for four channels; one sample more where it is odd. */
EDGE_NOINLINE void edge_beats_mix_4(const edge_beats_shape *s, const int32_t *samples,
                                    const int32_t *weight, const int32_t *scaling, int8_t *rows)
{
    for (int32_t i = 0; i < s->beat; i += 2, samples += 2 * EDGE_STEM_PAIRS) {
        int32_t a0 = scaling[0], b0 = a0, a1 = scaling[4], b1 = a1;
        int32_t a2 = scaling[8], b2 = a2, a3 = scaling[12], b3 = a3;
        EDGE_STEM_DOT_8(samples, weight, a0, b0, a1, b1, a2, b2, a3, b3);
        const int32_t a[4] = {a0, a1, a2, a3}, b[4] = {b0, b1, b2, b3};
        EDGE_UNROLL
        for (int32_t q = 0; q < 4; q++) {
            const int32_t *f = scaling + 4 * q;
            int8_t *to = rows + q * s->row + i;
            const int32_t multiplier = f[1], added = f[2], right = f[3];
            to[0] = (int8_t)edge_finish_dsp(a[q], multiplier, added, right);
            to[1] = (int8_t)edge_finish_dsp(b[q], multiplier, added, right);
        }
    }
}

/* Filter and look up outputs 1 ... 2 * n_sums - 1 of a packed row; output 0 is not one.
 *   row      factors and table
 *   x        packed words, EDGE_STEM_TAPS + 2 beyond the last sum
 *   n_sums   at least 1
 *   y        (2 * n_sums rounded up to 6,) int8
 */
EDGE_INLINE void edge_beats_filter(edge_packed_row *row, const int32_t *x, int32_t n_sums,
                                   const int32_t *taps, int8_t *y)
{
    const int32_t n_turns = (n_sums + 1) / 3; /* a sum that is left alone costs less than three */
    row->x = x;
    row->taps = taps;
    row->y = y;
    row->end = x + 3 * n_turns;
    row->carried = row->bias;
    if (n_turns > 0) {
        EDGE_PACKED_ROW(row, EDGE_STEM_TAPS, 1, EDGE_PACKED_TABLE);
    }
    if (n_sums == 3 * n_turns + 1) {
        int64_t a = (int64_t)(row->start[0] | (uint64_t)row->start[1] << 32);
        EDGE_UNROLL
        for (int32_t j = 0; j < EDGE_STEM_TAPS; j++) {
            a += (int64_t)row->end[j] * taps[j];
        }
        int32_t z[2], carried = row->carried;
        EDGE_SPLIT((uint32_t)a, (uint32_t)((uint64_t)a >> 32), row->bias, carried, z[0], z[1]);
        (void)carried;
        y += 6 * n_turns;
        if (n_turns > 0) {
            y[-1] = row->middle[edge_finish_dsp(z[0], row->multiplier, row->added, row->right)];
        }
        y[0] = row->middle[edge_finish_dsp(z[1], row->multiplier, row->added, row->right)];
    }
}

/* One channel of a beat; pointers begin at the channel. */
EDGE_NOINLINE void edge_beats_channel(const edge_beats_shape *s, int8_t *row, const int32_t *taps,
                                      const int32_t *factors, edge_packed_row *turn, int32_t first,
                                      int32_t due, int32_t *packed, int16_t *carries,
                                      int16_t *pending, int16_t *sums)
{
    const int32_t zero = s->stem.mix_zero, pad = s->stem.pad, history = s->stem.length - 1;
    int8_t *now = (int8_t *)(packed + 2 * EDGE_BEATS_WORDS);
    int8_t *began = now + ((s->beat + s->n_last + 13) & ~7);
    edge_packed_begin(turn, factors);
    if (s->beat % 2) { /* undo the one sample more */
        row[history + s->beat] = (int8_t)zero;
    }
    packed[0] = edge_pack(0, row[0]);
    EDGE_UNROLL
    for (int32_t i = 1; i <= s->row / 2; i++) {
        packed[i] = edge_pack(row[2 * i - 1], 2 * i < s->row ? row[2 * i] : 0);
    }
    edge_beats_filter(turn, packed, (s->beat + s->n_last) / 2 + 1, taps, now);
    if (first && pad > 0) {
        int32_t *x = packed + EDGE_BEATS_WORDS;
        const int32_t *from = packed;
        const int8_t *sample = row + s->offset - pad;
        const int32_t shift = s->offset - pad;
        const int32_t even = (shift & 1) == 0 && shift >= 0;
        int32_t i = 0;
        if (even) { /* the same pairs: put the zeros before them */
            x = packed + shift / 2;
            (void)from;
        }
        EDGE_UNROLL
        for (; 2 * i < pad; i++) {
            x[i] = edge_pack(zero, zero);
        }
        if (pad % 2 == 0) {
            x[i] = edge_pack(zero, sample[2 * i]);
            i++;
        }
        if (!even) {
            for (; 2 * i - 1 < pad + history; i++) {
                x[i] = edge_pack(sample[2 * i - 1], sample[2 * i]);
            }
        }
        edge_beats_filter(turn, x, pad / 2 + 1, taps, began);
    }
    edge_beats_blocks(s, now, began, first, due, carries, pending, sums);
    edge_beats_shift(row, row + s->beat, history);
}

EDGE_INLINE void edge_beats(const edge_beats_shape *s, const int8_t *frames,
                            const int32_t *mix_weight, const int32_t *mix_scaling,
                            const int32_t *temporal_weight, const int32_t *temporal_scaling,
                            const int8_t *table, int8_t *rows, int16_t *carries, int16_t *pending,
                            int32_t first, int32_t due, void *scratch, int16_t *sums, int32_t from, int32_t to)
{
    const int32_t history = s->stem.length - 1, n_chans = s->stem.n_chans;
    int32_t *samples = (int32_t *)scratch;
    int32_t *packed = samples + 2 * EDGE_STEM_PAIRS * ((s->beat + 1) / 2);
    for (int32_t i = 0; from == 0 && i < s->beat; i++) {
        edge_stem_widen(frames + i * n_chans, n_chans,
                        samples + 2 * EDGE_STEM_PAIRS * (i / 2) + i % 2);
    }
    for (int32_t c = from; c < to; c += 4) {
        edge_beats_mix_4(s, samples, mix_weight + EDGE_STEM_PAIRS * c, mix_scaling + 4 * c,
                         rows + c * s->row + history);
    }
    edge_packed_row turn;
    edge_packed_open(&turn, table);
    for (int32_t c = from; c < to; c++) {
        edge_beats_channel(s, rows + c * s->row, temporal_weight + c * EDGE_STEM_TAPS,
                           temporal_scaling + 4 * c, &turn, first, due, packed, carries + c,
                           pending + c, sums + c);
    }
}

#endif
