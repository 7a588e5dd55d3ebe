/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_chain_fixed.h: the signal chain in integers, for cores without an FPU.
 *
 * Between sections a sample is an int32 with some bits behind the point. The factors of a section
 * share one exponent, so that products are added up in 64 bits as they are and no bit is lost but
 * in y. The generator proves that no y leaves 32 bits and no state 64: from the sum of the
 * magnitudes of the section's impulse response and the largest input. Same results on every core.
 */
#ifndef EDGE_CHAIN_FIXED_H
#define EDGE_CHAIN_FIXED_H

#include "edge_chain.h"

#define EDGE_STEP_BITS 16 /* steps are handed on with as many bits behind the point */

/* Factors times 2^exponent; those of y negated, so that everything is added. */
typedef struct {
    int32_t d0, d1, d2, minus_c1, minus_c2;
} edge_fixed_section;

/* sum + factor * x */
EDGE_INLINE int64_t edge_fixed_add(int64_t sum, int32_t factor, int32_t x)
{
#if EDGE_PORT == EDGE_PORT_DSP /* clang would multiply, and add in two instructions */
    __asm__("smlal %Q0, %R0, %1, %2" : "+r"(sum) : "r"(factor), "r"(x));
    return sum;
#else
    return sum + (int64_t)factor * x;
#endif
}

/* One sample of every channel through a section, in place.
 *   exponent   of the factors
 *   slow       1: d1 and d2 are 0
 *   w1, w2     (n_chans,) state; w1 begins with 2^(exponent - 1), which rounds y
 *   x          (n_chans,)
 */
EDGE_INLINE void edge_fixed_filter(const edge_fixed_section *section, int32_t exponent,
                                   int32_t slow, int64_t *EDGE_RESTRICT w1,
                                   int64_t *EDGE_RESTRICT w2, int32_t *EDGE_RESTRICT x,
                                   int32_t n_chans)
{
    const edge_fixed_section k = *section;
    for (int32_t c = 0; c < n_chans; c++) {
        const int64_t first = w1[c], second = w2[c];
        const int32_t y = (int32_t)(edge_fixed_add(first, k.d0, x[c]) >> exponent);
        int64_t next = edge_fixed_add(first + second, k.minus_c1, y);
        int64_t after = edge_fixed_add(second, k.minus_c2, y);
        if (!slow) {
            next = edge_fixed_add(next, k.d1, x[c]);
            after = edge_fixed_add(after, k.d2, x[c]);
        }
        w1[c] = next;
        w2[c] = after;
        x[c] = y;
    }
}

/* x * 2^bits, cut off at +-2^range: bits may be negative, and x is then rounded. */
EDGE_INLINE int32_t edge_fixed_input(int32_t x, int32_t range, int32_t bits)
{
    const int32_t most = (int32_t)((UINT32_C(1) << range) - 1u);
    const int32_t cut = x < -most - 1 ? -most - 1 : x > most ? most : x;
    return bits >= 0 ? (int32_t)((uint32_t)cut << bits) : ((cut >> (-bits - 1)) + 1) >> 1;
}

/* Steps with EDGE_STEP_BITS bits behind the point, saturated.
 *   gain    steps for one unit of y, times 2^exponent
 *   added   the offset, times 2^exponent, and half of that, which rounds
 */
EDGE_INLINE int32_t edge_fixed_steps(int32_t y, int32_t gain, int64_t added, int32_t exponent)
{
    const int64_t steps = (added + (int64_t)gain * y) >> exponent;
    return steps > INT32_MAX ? INT32_MAX : steps < INT32_MIN ? INT32_MIN : (int32_t)steps;
}

/* round(steps) + zero_point, ties to even, saturated. */
EDGE_INLINE int8_t edge_fixed_step(int32_t steps, int32_t zero_point)
{
    const int32_t half = 1 << (EDGE_STEP_BITS - 1);
    const int32_t cut = steps > INT32_MAX - half ? INT32_MAX - half : steps; /* beyond 127 anyway */
    const int32_t odd = cut >> EDGE_STEP_BITS & 1;
    const int32_t stored = ((cut + half - 1 + odd) >> EDGE_STEP_BITS) + zero_point;
    return (int8_t)(stored < -128 ? -128 : stored > 127 ? 127 : stored);
}

#endif
