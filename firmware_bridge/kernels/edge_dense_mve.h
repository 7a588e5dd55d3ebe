/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_dense_mve.h: dot products with Helium; see edge_dense.h.
 *
 *   x         may be read up to 15 bytes beyond a row
 *   weight    (n_outputs, k) int8, rounded up to multiples of 4 and 16 and filled with zeros
 *   scaling   (n_outputs / 4, 3, 4) int32: bias, multiplier, minus the right shift
 */
#ifndef EDGE_DENSE_MVE_H
#define EDGE_DENSE_MVE_H

#include "edge_mve.h"

/* Requantize four sums, look them up where there is a table, and write at most `count` of them. */
EDGE_INLINE void edge_write_4(int32x4_t sums, const int32_t *f, int32_t zero_point,
                              const int8_t *table, int32_t count, int8_t *y)
{
    int32x4_t values = edge_finish_4(sums, vld1q_s32(f + 4), vld1q_s32(f + 8), zero_point);
    if (table != NULL) {
        values = edge_look_up_4(table, values);
    }
    vstrbq_p_s32(y, values, vctp32q((uint32_t)count));
}

EDGE_INLINE void edge_dense(const edge_dense_sizes *sizes, const int8_t *x, const int8_t *weight,
                            const int32_t *scaling, const int8_t *table, int8_t *y)
{
    const int32_t n = sizes->n, step = sizes->step, k = sizes->k, n_outputs = sizes->n_outputs;
    const int32_t row = (k + 15) & ~15;
    for (int32_t i = 0; i < n; i++, x += step, y += n_outputs) {
        const int8_t *w = weight;
        const int32_t *f = scaling;
        for (int32_t o = 0; o < n_outputs; o += 4, w += 4 * row, f += 12) {
            int32_t a = f[0], b = f[1], c = f[2], d = f[3];
            EDGE_UNROLL
            for (int32_t j = 0; j < k; j += 16) {
                const int8x16_t values = vld1q_s8(x + j);
                a = vmladavaq_s8(a, values, vld1q_s8(w + j));
                b = vmladavaq_s8(b, values, vld1q_s8(w + row + j));
                c = vmladavaq_s8(c, values, vld1q_s8(w + 2 * row + j));
                d = vmladavaq_s8(d, values, vld1q_s8(w + 3 * row + j));
            }
            edge_write_4(edge_four(a, b, c, d), f, sizes->zero_point, table, n_outputs - o, y + o);
        }
    }
}

#endif
