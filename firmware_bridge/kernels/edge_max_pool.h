/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_max_pool.h: largest of length samples every stride, whole windows only.
 *
 *   sizes     see edge_max_pool_sizes
 *   x         ((n - 1) * stride + length, n_chans) int8, or float
 *   y         (n, n_chans), as x; must not overlap x
 */
#ifndef EDGE_MAX_POOL_H
#define EDGE_MAX_POOL_H

#include "edge_port.h"

typedef struct {
    int32_t n;       /* positions of the output, >= 1 */
    int32_t n_chans; /* channels of x and of y, >= 1 */
    int32_t length;  /* samples that are compared, >= 1 */
    int32_t stride;  /* samples, >= 1 */
} edge_max_pool_sizes;

EDGE_INLINE void edge_max_pool(const edge_max_pool_sizes *sizes, const int8_t *x, int8_t *y)
{
    const int32_t n_chans = sizes->n_chans, length = sizes->length;
    for (int32_t i = 0; i < sizes->n; i++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int8_t *from = x + i * sizes->stride * n_chans + c;
            int8_t most = from[0];
            EDGE_UNROLL_SOME
            for (int32_t k = 1; k < length; k++) {
                const int8_t value = from[k * n_chans];
                most = value > most ? value : most;
            }
            *y++ = most;
        }
    }
}

EDGE_INLINE void edge_float_max_pool(const edge_max_pool_sizes *sizes, const float *x, float *y)
{
    const int32_t n_chans = sizes->n_chans, length = sizes->length;
    EDGE_ROLLED
    for (int32_t i = 0; i < sizes->n; i++) {
        EDGE_ROLLED
        for (int32_t c = 0; c < n_chans; c++) {
            const float *from = x + i * sizes->stride * n_chans + c;
            float most = from[0];
            EDGE_ROLLED
            for (int32_t k = 1; k < length; k++) {
                const float value = from[k * n_chans];
                most = value > most ? value : most;
            }
            *y++ = most;
        }
    }
}

#endif
