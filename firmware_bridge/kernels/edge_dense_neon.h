/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_dense_neon.h: dot products on aarch64; see edge_dense.h.
 *
 *   x         may be read up to 15 bytes beyond a row
 *   weight    (n_outputs, k) int8, rounded up to multiples of 4 and 16 and filled with zeros
 *   scaling   (n_outputs / 4, 3, 4) int32: bias, multiplier, minus the right shift
 */
#ifndef EDGE_DENSE_NEON_H
#define EDGE_DENSE_NEON_H

#include "edge_neon.h"

EDGE_INLINE void edge_dense(const edge_dense_sizes *sizes, const int8_t *x, const int8_t *weight,
                            const int32_t *scaling, const int8_t *table, int8_t *y)
{
    const int32_t n = sizes->n, step = sizes->step, k = sizes->k, n_outputs = sizes->n_outputs;
    const int32_t row = (k + 15) & ~15;
    const int16x8_t zero = vdupq_n_s16((int16_t)sizes->zero_point);
    for (int32_t i = 0; i < n; i++, x += step) {
        const int8_t *w = weight;
        const int32_t *f = scaling;
        for (int32_t o = 0; o < n_outputs; o += 4, w += 4 * row, f += 12) {
            int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a;
            for (int32_t j = 0; j < k; j += 16) {
                const int8x16_t values = vld1q_s8(x + j);
                a = edge_dot_16(a, values, vld1q_s8(w + j));
                b = edge_dot_16(b, values, vld1q_s8(w + row + j));
                c = edge_dot_16(c, values, vld1q_s8(w + 2 * row + j));
                d = edge_dot_16(d, values, vld1q_s8(w + 3 * row + j));
            }
            int32x4_t sums = vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
            sums = vaddq_s32(sums, vld1q_s32(f));
            sums = edge_finish_4(sums, vld1q_s32(f + 4), vld1q_s32(f + 8));
            int8_t values[8];
            vst1_s8(values, edge_narrow_8(sums, sums, zero));
            for (int32_t q = 0; q < 4 && o + q < n_outputs; q++) {
                *y++ = edge_look_up(table, values[q]);
            }
        }
    }
}

#endif
