/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_beats.h: the stem on a signal that never ends: a beat of samples in, block sums out.
 *
 * A beat is the stride of the input pool, so that every window that is decided sees the same blocks
 * but for its edges. Each beat filters its own outputs once; once more, as if a window began here,
 * those first outputs of a window for which zeros stand before it; and a few as if the window ended
 * here. Outputs count from the beat's first.
 *
 *   frames       (beat, n_chans) int8, the samples of this beat
 *   rows         mixed samples, kept between beats, as the port wants them; filled with the mix's
 *                zero point before the first beat
 *   carries      (n_mixed,) int16, kept: sums of the outputs that began a block in the last beat
 *   pending      (n_left, n_mixed) int16, kept: left blocks whose last outputs fall in this beat
 *   first        1: the first outputs of a window are due
 *   due          1: a window ends here
 *   sums         (n_fresh + n_right + n_left, n_mixed) int16
 *   from, to     the mixed channels to do, [0, n_mixed) for all; in rising order, from a multiple of
 *                4, and what lies in scratch is kept from one call to the next
 */
#ifndef EDGE_BEATS_H
#define EDGE_BEATS_H

#include "edge_stem.h"

/* Sizes of one beat; a constant of the model. */
typedef struct {
    edge_stem_shape stem;
    int32_t beat;     /* samples, and outputs of the filter, of a beat */
    int32_t n_fresh;  /* blocks that a beat ends */
    int32_t carried;  /* outputs of a beat that begin a block which the next beat ends */
    int32_t n_left;   /* blocks that see zeros before the window, */
    int32_t tail;     /*   outputs of the last of them that do not, */
    int32_t offset;   /*   and their first one, in [1, beat] */
    int32_t n_right;  /* blocks that see zeros behind the window */
    int32_t n_last;   /* outputs that do */
    int32_t row;      /* mixed samples per channel: history, beat, zeros behind the window */
} edge_beats_shape;

EDGE_INLINE int32_t edge_beats_sum(const int8_t *x, int32_t n)
{
    int32_t sum = 0, i = 0;
#if EDGE_PORT == EDGE_PORT_DSP
    int32_t even = 0, odd = 0; /* pairs of sums: n is at most 255 */
    EDGE_UNROLL
    for (; i + 4 <= n; i += 4) {
        const uint32_t word = edge_load_4(x + i);
        even = (int32_t)__sxtab16((int16x2_t)even, (int8x4_t)word);
        odd = (int32_t)__sxtab16((int16x2_t)odd, (int8x4_t)edge_rotate_8(word));
    }
    sum = edge_dual_multiply(even, 0x10001, edge_dual_multiply(odd, 0x10001, 0));
#endif
    EDGE_UNROLL
    for (; i < n; i++) {
        sum += x[i];
    }
    return sum;
}

/* One channel's block sums; the arrays begin at the channel.
 *   now     (beat + n_last,) int8: looked-up outputs of this beat, and as if the window ended
 *   began   (pad,) int8: the first ones of a window
 */
EDGE_INLINE void edge_beats_blocks(const edge_beats_shape *s, const int8_t *now,
                                    const int8_t *began, int32_t first, int32_t due,
                                    int16_t *carries, int16_t *pending, int16_t *sums)
{
    const int32_t n_mixed = s->stem.n_mixed, block = s->stem.block;
    const int32_t late = s->offset + s->tail - s->beat; /* outputs of the next beat, if any */
    for (int32_t b = 0; b < s->n_fresh; b++, sums += n_mixed) {
        const int32_t begin = b * block - s->carried;
        *sums = (int16_t)(begin < 0 ? *carries + edge_beats_sum(now, begin + block)
                                    : edge_beats_sum(now + begin, block));
    }
    *carries = (int16_t)edge_beats_sum(now + s->beat - s->carried, s->carried);
    for (int32_t b = 0; b < s->n_right; b++, sums += n_mixed) {
        const int32_t begin = b * block - s->carried;
        if (due) {
            *sums = (int16_t)(begin < 0 ? *carries + edge_beats_sum(now + s->beat, begin + block)
                                        : edge_beats_sum(now + s->beat + begin, block));
        }
    }
    for (int32_t b = 0; b < s->n_left; b++, sums += n_mixed, pending += n_mixed) {
        const int32_t is_last = b == s->n_left - 1;
        if (late > 0) { /* what began in the last beat */
            *sums = (int16_t)(*pending + (is_last ? edge_beats_sum(now, late) : 0));
        }
        if (first) {
            int32_t sum = edge_beats_sum(began + b * block, is_last ? block - s->tail : block);
            if (is_last) {
                sum += edge_beats_sum(now + s->offset, late > 0 ? s->tail - late : s->tail);
            }
            *(late > 0 ? pending : sums) = (int16_t)sum;
        }
    }
}

/* Values of a pool whose windows are blocks.
 *   sums   (n,) int16
 *   y      (n,) int8
 */
EDGE_INLINE void edge_beats_pooled(const edge_beats_shape *s, const int16_t *sums, int32_t n,
                                    int8_t *y)
{
    for (int32_t i = 0; i < n; i++) {
        y[i] = edge_stem_pooled(&s->stem, sums[i]);
    }
}

/* Values of a pool whose windows are several blocks.
 *   sums   ((n - 1) * pool_stride + pool_blocks, n_mixed) int16
 *   y      (n, n_mixed) int8
 */
EDGE_INLINE void edge_beats_pool(const edge_beats_shape *s, const int16_t *sums, int32_t n,
                                  int8_t *y)
{
    const int32_t n_mixed = s->stem.n_mixed;
    for (int32_t i = 0; i < n; i++, sums += s->stem.pool_stride * n_mixed) {
        for (int32_t c = 0; c < n_mixed; c++) {
            int32_t sum = 0;
            for (int32_t b = 0; b < s->stem.pool_blocks; b++) {
                sum += sums[b * n_mixed + c];
            }
            *y++ = edge_stem_pooled(&s->stem, sum);
        }
    }
}

/* Move n bytes down in memory; the ranges may overlap. */
EDGE_INLINE void edge_beats_shift(int8_t *to, const int8_t *from, int32_t n)
{
#if EDGE_PORT == EDGE_PORT_DSP
    if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0) { /* what LDM and STM need */
        for (; n >= 32; n -= 32) {
            __asm__ volatile("ldm %1!, {r3-r6, r8-r11}\n"
                             "stm %0!, {r3-r6, r8-r11}\n"
                             : "+r"(to), "+r"(from)
                             :
                             : "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "memory");
        }
    }
#endif
    for (; n >= 16; n -= 16, to += 16, from += 16) {
        uint32_t words[4];
        EDGE_COPY(words, from, 16);
        EDGE_COPY(to, words, 16);
    }
    for (; n >= 4; n -= 4, to += 4, from += 4) {
        uint32_t word;
        EDGE_COPY(&word, from, 4);
        EDGE_COPY(to, &word, 4);
    }
    for (; n > 0; n--) {
        *to++ = *from++;
    }
}

#include "edge_beats_plain.h"
#if EDGE_PORT == EDGE_PORT_DSP
#include "edge_beats_dsp.h"
#elif EDGE_PORT == EDGE_PORT_NEON || EDGE_PORT == EDGE_PORT_DOT
#include "edge_beats_neon.h"
#else
#define edge_beats edge_beats_plain
#endif

#endif
