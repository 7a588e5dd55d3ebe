/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_chain_fixed.h: the signal chain in integers, for cores without an FPU.
 *
 * Between sections a sample is an int32 with some bits behind the point; the two sums of a section
 * are int64 with EDGE_STATE_BITS more. Same results on every core.
 */
#ifndef EDGE_CHAIN_FIXED_H
#define EDGE_CHAIN_FIXED_H

#include "edge_chain.h"

#define EDGE_STATE_BITS 24
#define EDGE_STEP_BITS 16 /* steps are handed on with as many bits behind the point */

/* A factor m * 2^-e; |m| < 2^31. */
typedef struct {
    int32_t m, e;
} edge_factor;

typedef struct {
    edge_factor d0, d1, d2, c1, c2;
} edge_fixed_section;

typedef struct {
    int64_t w1, w2;
} edge_fixed_state;

EDGE_INLINE int32_t edge_clip(int64_t value)
{
    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t)value;
}

/* round(value / 2^bits), ties upwards.
 *   bits   [1, 62]
 */
EDGE_INLINE int64_t edge_shift(int64_t value, int32_t bits)
{
    return (value + ((int64_t)1 << (bits - 1))) >> bits;
}

/* factor * x with EDGE_STATE_BITS more bits; the generator makes e at least EDGE_STATE_BITS + 1. */
EDGE_INLINE int64_t edge_product(edge_factor factor, int32_t x)
{
    return edge_shift((int64_t)factor.m * x, factor.e - EDGE_STATE_BITS);
}

/* One sample through all sections; x and the result have the same bits behind the point. */
EDGE_INLINE int32_t edge_fixed_sections(const edge_fixed_section *sections, int32_t n_sections,
                                        edge_fixed_state *states, int32_t x)
{
    for (int32_t i = 0; i < n_sections; i++) {
        const edge_fixed_section *k = &sections[i];
        edge_fixed_state *w = &states[i];
        const int32_t y = edge_clip(edge_shift(edge_product(k->d0, x) + w->w1, EDGE_STATE_BITS));
        w->w1 += edge_product(k->d1, x) - edge_product(k->c1, y) + w->w2;
        w->w2 += edge_product(k->d2, x) - edge_product(k->c2, y);
        x = y;
    }
    return x;
}

/* Steps with EDGE_STEP_BITS bits behind the point, saturated.
 *   gain     steps for one unit of y
 *   offset   with EDGE_STEP_BITS bits
 */
EDGE_INLINE int32_t edge_fixed_steps(int32_t y, edge_factor gain, int32_t offset)
{
    return edge_clip(edge_shift((int64_t)gain.m * y, gain.e) + offset);
}

/* round(steps) + zero_point, ties to even, saturated. */
EDGE_INLINE int8_t edge_fixed_step(int32_t steps, int32_t zero_point)
{
    const int32_t whole = steps >> EDGE_STEP_BITS;
    const int32_t rest = steps & ((1 << EDGE_STEP_BITS) - 1), half = 1 << (EDGE_STEP_BITS - 1);
    const int32_t rounded = whole + (rest > half || (rest == half && (whole & 1)) ? 1 : 0);
    const int32_t stored = rounded + zero_point;
    return (int8_t)(stored < -128 ? -128 : stored > 127 ? 127 : stored);
}

#endif
