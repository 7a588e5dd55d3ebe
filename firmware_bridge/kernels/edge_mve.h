/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_mve.h: requantization with Helium (Cortex-M55, M85), four values at a time. */
#ifndef EDGE_MVE_H
#define EDGE_MVE_H

#include <arm_mve.h>

#include "edge_port.h"

/* Four scalars as a vector. */
EDGE_INLINE int32x4_t edge_four(int32_t a, int32_t b, int32_t c, int32_t d)
{
    int32x4_t v = vdupq_n_s32(a);
    v = vsetq_lane_s32(b, v, 1);
    v = vsetq_lane_s32(c, v, 2);
    return vsetq_lane_s32(d, v, 3);
}

/* edge_requantize_short of four sums, zero point and saturation included.
 *   shift   minus the right shift, [-22, -1]
 */
EDGE_INLINE int32x4_t edge_finish_4(int32x4_t sums, int32x4_t multiplier, int32x4_t shift,
                                    int32_t zero_point)
{
    int32x4_t y = vqrdmulhq_s32(sums, multiplier);
    y = vaddq_s32(y, vshrq_n_s32(sums, 31));
    y = vaddq_n_s32(vrshlq_s32(y, shift), zero_point);
    return vmaxq_s32(vminq_s32(y, vdupq_n_s32(127)), vdupq_n_s32(-128));
}

/* Four values in [-128, 127] through a table. */
EDGE_INLINE int32x4_t edge_look_up_4(const int8_t *table, int32x4_t values)
{
    const uint32x4_t index = vreinterpretq_u32_s32(vaddq_n_s32(values, 128));
    return vldrbq_gather_offset_s32(table, index);
}

#endif
