/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_neon.h: requantization and tables on aarch64, many values at a time. */
#ifndef EDGE_NEON_H
#define EDGE_NEON_H

#include <arm_neon.h>

#include "edge_port.h"

/* edge_requantize_short of four sums, without zero point and saturation.
 *   shift   minus the right shift, [-22, -1]
 */
EDGE_INLINE int32x4_t edge_finish_4(int32x4_t sums, int32x4_t multiplier, int32x4_t shift)
{
    return vrshlq_s32(vsraq_n_s32(vqrdmulhq_s32(sums, multiplier), sums, 31), shift);
}

/* Zero point and saturation of eight values; those beyond 16 bits saturate twice. */
EDGE_INLINE int8x8_t edge_narrow_8(int32x4_t low, int32x4_t high, int16x8_t zero_point)
{
    const int16x8_t both = vqmovn_high_s32(vqmovn_s32(low), high);
    return vqmovn_s16(vqaddq_s16(both, zero_point));
}

/* sums + 16 products, in four parts; two products fit in 16 bits because no weight is -128. */
EDGE_INLINE int32x4_t edge_dot_16(int32x4_t sums, int8x16_t x, int8x16_t weight)
{
#if EDGE_PORT == EDGE_PORT_DOT
    return vdotq_s32(sums, x, weight);
#else
    const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(weight));
    return vpadalq_s16(sums, vmlal_high_s8(low, x, weight));
#endif
}

/* A table of 256 int8 in sixteen registers. */
typedef struct {
    uint8x16x4_t quarter[4];
} edge_table;

EDGE_INLINE edge_table edge_load_table(const int8_t *table)
{
    edge_table loaded;
    for (int32_t i = 0; i < 4; i++) {
        for (int32_t j = 0; j < 4; j++) {
            loaded.quarter[i].val[j] = vld1q_u8((const uint8_t *)table + 64 * i + 16 * j);
        }
    }
    return loaded;
}

/* Sixteen values through a table; an index outside a quarter leaves what there is. */
EDGE_INLINE int8x16_t edge_look_up_16(const edge_table *table, int8x16_t values)
{
    uint8x16_t index = veorq_u8(vreinterpretq_u8_s8(values), vdupq_n_u8(0x80));
    uint8x16_t found = vqtbl4q_u8(table->quarter[0], index);
    index = vsubq_u8(index, vdupq_n_u8(64));
    found = vqtbx4q_u8(found, table->quarter[1], index);
    index = vsubq_u8(index, vdupq_n_u8(64));
    found = vqtbx4q_u8(found, table->quarter[2], index);
    index = vsubq_u8(index, vdupq_n_u8(64));
    return vreinterpretq_s8_u8(vqtbx4q_u8(found, table->quarter[3], index));
}

#endif
