/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_chain_float.h: the signal chain in float32, for cores with an FPU. */
#ifndef EDGE_CHAIN_FLOAT_H
#define EDGE_CHAIN_FLOAT_H

#include <math.h>

#include "edge_chain.h"

typedef struct {
    float d0, d1, d2, c1, c2;
} edge_float_section;

typedef struct {
    float w1, w2;
} edge_float_state;

/* One sample through all sections.
 *   sections, states   (n_sections,)
 */
EDGE_INLINE float edge_float_sections(const edge_float_section *sections, int32_t n_sections,
                                      edge_float_state *states, float x)
{
    for (int32_t i = 0; i < n_sections; i++) {
        const edge_float_section k = sections[i];
        edge_float_state *w = &states[i];
        const float y = k.d0 * x + w->w1;
        w->w1 += k.d1 * x - k.c1 * y + w->w2;
        w->w2 += k.d2 * x - k.c2 * y;
        x = y;
    }
    return x;
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
 */
EDGE_INLINE int8_t edge_float_step(float steps, int32_t zero_point)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it leaves no bit behind the point */
    volatile float shifted;
    if (!(steps > -512.0f)) {
        steps = -512.0f;
    } else if (steps > 512.0f) {
        steps = 512.0f;
    }
    shifted = steps + magic;
    const int32_t whole = (int32_t)(shifted - magic) + zero_point;
    return (int8_t)(whole < -128 ? -128 : whole > 127 ? 127 : whole);
}

#endif
