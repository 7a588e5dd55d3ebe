/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_beats_neon.h: a beat of the stem on aarch64, with SDOT or without; see edge_beats.h.
 *
 * Rows are samples: eight mixed channels of one lie side by side. Nothing is packed anew, and what
 * stands before a window is overwritten in its place: no later beat reads it.
 *
 *   weights, scalings   as in edge_stem_neon.h
 *   rows                (lead + length + beat + n_last + 4, n_mixed rounded up to 8) int8; lead =
 *                       max(pad - offset, 0) rows in which a window's begin finds its zeros
 *   scratch             int8 (beat + n_last + 6, 8), (pad + 6, 8): looked-up outputs of this beat
 *                       and of a window's begin
 */
#ifndef EDGE_BEATS_NEON_H
#define EDGE_BEATS_NEON_H

#include "edge_stem_lanes.h"

EDGE_INLINE int16x8_t edge_beats_sum_8(const int8_t *x, int32_t n)
{
    int16x8_t sum = vdupq_n_s16(0);
    for (int32_t i = 0; i < n; i++) {
        sum = vaddw_s8(sum, vld1_s8(x + 8 * i));
    }
    return sum;
}

/* The first `count` of eight values. */
EDGE_INLINE int16x8_t edge_beats_load_8(const int16_t *from, int32_t count)
{
    if (count >= 8) {
        return vld1q_s16(from);
    }
    int16_t each[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (int32_t c = 0; c < count; c++) {
        each[c] = from[c];
    }
    return vld1q_s16(each);
}

EDGE_INLINE void edge_beats_store_8(int16_t *to, int16x8_t values, int32_t count)
{
    if (count >= 8) {
        vst1q_s16(to, values);
        return;
    }
    int16_t each[8];
    vst1q_s16(each, values);
    for (int32_t c = 0; c < count; c++) {
        to[c] = each[c];
    }
}

/* edge_beats_blocks of eight channels, of which `count` exist.
 *   now     (beat + n_last, 8) int8
 *   began   (pad, 8) int8
 */
EDGE_INLINE void edge_beats_blocks_8(const edge_beats_shape *s, const int8_t *now,
                                      const int8_t *began, int32_t count, int32_t first,
                                      int32_t due, int16_t *carries, int16_t *pending,
                                      int16_t *sums)
{
    const int32_t n_mixed = s->stem.n_mixed, block = s->stem.block;
    const int32_t late = s->offset + s->tail - s->beat; /* outputs of the next beat, if any */
    int16x8_t carry = edge_beats_load_8(carries, count);
    for (int32_t b = 0; b < s->n_fresh; b++, sums += n_mixed) {
        const int32_t begin = b * block - s->carried;
        const int32_t from = begin < 0 ? 0 : begin;
        const int16x8_t sum = edge_beats_sum_8(now + 8 * from, begin + block - from);
        edge_beats_store_8(sums, begin < 0 ? vaddq_s16(carry, sum) : sum, count);
    }
    carry = edge_beats_sum_8(now + 8 * (s->beat - s->carried), s->carried);
    edge_beats_store_8(carries, carry, count);
    for (int32_t b = 0; b < s->n_right; b++, sums += n_mixed) {
        const int32_t begin = b * block - s->carried;
        const int32_t from = begin < 0 ? 0 : begin;
        if (due) {
            const int16x8_t sum =
                edge_beats_sum_8(now + 8 * (s->beat + from), begin + block - from);
            edge_beats_store_8(sums, begin < 0 ? vaddq_s16(carry, sum) : sum, count);
        }
    }
    for (int32_t b = 0; b < s->n_left; b++, sums += n_mixed, pending += n_mixed) {
        const int32_t is_last = b == s->n_left - 1;
        if (late > 0) { /* what began in the last beat */
            const int16x8_t sum = edge_beats_sum_8(now, is_last ? late : 0);
            edge_beats_store_8(sums, vaddq_s16(edge_beats_load_8(pending, count), sum), count);
        }
        if (first) {
            int16x8_t sum = edge_beats_sum_8(began + 8 * b * block,
                                             is_last ? block - s->tail : block);
            if (is_last) {
                const int32_t n = late > 0 ? s->tail - late : s->tail;
                sum = vaddq_s16(sum, edge_beats_sum_8(now + 8 * s->offset, n));
            }
            edge_beats_store_8(late > 0 ? pending : sums, sum, count);
        }
    }
}

/* Mix the samples of a beat, four at a time.
 *   rows   at this beat's first sample; up to 3 rows beyond are overwritten
 */
EDGE_INLINE void edge_beats_mix(const edge_beats_shape *s, const int8_t *frames,
                                const int8_t *weight, const int32_t *scaling, int8_t *rows,
                                int32_t row, int32_t from, int32_t to)
{
    const int16x8_t zero = vdupq_n_s16((int16_t)s->stem.mix_zero);
    const int32_t n_chans = s->stem.n_chans;
    int8_t wide[4 * EDGE_STEM_WIDE_16];
    memset(wide, 0, sizeof wide);
    for (int32_t i = 0; i < s->beat; i += 4) {
        for (int32_t j = 0; j < 4 && i + j < s->beat; j++) {
            EDGE_COPY(wide + j * EDGE_STEM_WIDE_16, frames + (i + j) * n_chans, (size_t)n_chans);
        }
        for (int32_t c = from; c < to; c += 8) {
            int8x8_t values[4];
            edge_stem_mix_4x8(wide, n_chans, weight + 4 * c * EDGE_STEM_WORDS, scaling + 3 * c,
                              zero, values);
            for (int32_t j = 0; j < 4; j++) {
                vst1_s8(rows + (i + j) * row + c, values[j]);
            }
        }
    }
}

EDGE_INLINE void edge_beats(const edge_beats_shape *s, const int8_t *frames,
                            const int8_t *mix_weight, const int32_t *mix_scaling,
                            const int8_t *temporal_weight, const int32_t *temporal_scaling,
                            const int8_t *table, int8_t *rows, int16_t *carries, int16_t *pending,
                            int32_t first, int32_t due, void *scratch, int16_t *sums, int32_t from, int32_t to)
{
    const int32_t history = s->stem.length - 1, pad = s->stem.pad, n_mixed = s->stem.n_mixed;
    const int32_t row = (n_mixed + 7) & ~7, taps = (s->stem.length + 1) & ~1;
    const int32_t lead = pad > s->offset ? pad - s->offset : 0;
    const int32_t n_now = s->beat + (due ? s->n_last : 0);
    const edge_table loaded = edge_load_table(table);
    int8_t *now = (int8_t *)scratch;
    int8_t *began = now + 8 * (s->beat + s->n_last + 6);
    rows += lead * row;
    from = (from + 7) & ~7; /* of each eight the first four's call does all */
    to = (to + 7) & ~7;
    edge_beats_mix(s, frames, mix_weight, mix_scaling, rows + history * row, row, from, to);
    int8_t *const beyond = rows + (history + s->beat) * row;
    if (from == 0 && to == row) {
        memset(beyond, s->stem.mix_zero, (size_t)((s->n_last + 5) * row));
    } else {
        for (int32_t i = 0; i < s->n_last + 5; i++) {
            memset(beyond + i * row + from, s->stem.mix_zero, (size_t)(to - from));
        }
    }
    for (int32_t c = from; c < to; c += 8) {
        edge_stem_filter_8(&s->stem, rows + c, row, n_now, temporal_weight + c * taps,
                           temporal_scaling + 3 * c, &loaded, now);
        if (first && pad > 0) {
            int8_t *begin = rows + (s->offset - pad) * row + c;
            for (int32_t i = 0; i < pad; i++) {
                vst1_s8(begin + i * row, vdup_n_s8((int8_t)s->stem.mix_zero));
            }
            edge_stem_filter_8(&s->stem, begin, row, pad, temporal_weight + c * taps,
                               temporal_scaling + 3 * c, &loaded, began);
        }
        edge_beats_blocks_8(s, now, began, n_mixed - c, first, due, carries + c, pending + c,
                            sums + c);
    }
    if (to == row) {
        edge_beats_shift(rows, rows + s->beat * row, history * row);
    }
}

#endif
