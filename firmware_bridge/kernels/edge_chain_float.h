/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_chain_float.h: the signal chain in float32, for cores with an FPU. */
#ifndef EDGE_CHAIN_FLOAT_H
#define EDGE_CHAIN_FLOAT_H

#include <math.h>

#include "edge_chain.h"
#if EDGE_PORT == EDGE_PORT_DSP
#include <arm_acle.h>
#endif

typedef struct {
    float d0, d1, d2, c1, c2;
} edge_float_section;

/* One sample of a channel through a section.
 *   k        a constant: its factors stay in registers while channels follow each other
 *   slow     1: d1 and d2 are 0
 *   w1, w2   state
 */
EDGE_INLINE float edge_float_filter(const edge_float_section *k, int32_t slow, float *w1, float *w2,
                                    float x)
{
    const float y = k->d0 * x + *w1;
    if (slow) {
        *w1 += *w2 - k->c1 * y;
        *w2 -= k->c2 * y;
    } else {
        *w1 += k->d1 * x - k->c1 * y + *w2;
        *w2 += k->d2 * x - k->c2 * y;
    }
    return y;
}

/* Exponential moving standardization: (x - mean) / max(eps, standard deviation).
 *   weight     sum of the weights so far, this sample's included
 *   mean, variance   of this channel
 */
EDGE_INLINE float edge_moving(float x, float weight, float eps, float *mean, float *variance)
{
    *mean += (x - *mean) / weight;
    const float centred = x - *mean;
    *variance += (centred * centred - *variance) / weight;
    const float deviation = sqrtf(*variance);
    return centred / (deviation > eps ? deviation : eps);
}

/* round(steps) + zero_point, ties to even, saturated.
 *   zero_point   [-128, 127]
 *
 * 1.5 * 2^23 is added, which leaves no bit behind the point. The sum's bits are then a whole number
 * that is known but for a constant; it rises with the steps up to infinity, and what makes the sum
 * negative is far below -128.
 */
EDGE_INLINE int8_t edge_float_step(float steps, int32_t zero_point)
{
    const float shifted = steps + 12582912.0f;
    int32_t bits;
    EDGE_COPY(&bits, &shifted, sizeof bits);
#if EDGE_PORT == EDGE_PORT_DSP
    return (int8_t)__ssat(__qsub(bits, 0x4b400000 - zero_point), 8);
#else
    bits = bits < 0 ? 0 : bits;
    const int32_t whole = bits - (0x4b400000 - zero_point);
    return (int8_t)(whole < -128 ? -128 : whole > 127 ? 127 : whole);
#endif
}

#endif
