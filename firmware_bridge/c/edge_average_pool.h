/* edge_average_pool.h: mean over length samples every stride, whole windows only.
 *
 *   x         ((n - 1) * stride + length, n_chans) int8
 *   n         positions of the output
 *   y         (n, n_chans) int8; must not overlap x
 */
#ifndef EDGE_AVERAGE_POOL_H
#define EDGE_AVERAGE_POOL_H

#include "edge_requantize.h"

EDGE_INLINE int32_t edge_column_sum(const int8_t *x, int32_t n, int32_t n_chans)
{
    int32_t sum = 0;
    for (int32_t k = 0; k < n; k++) {
        sum += x[k * n_chans];
    }
    return sum;
}

/* With the scale of its input: the rounded mean of the stored values. */
EDGE_INLINE void edge_average_pool(const int8_t *x, int32_t n, int32_t n_chans, int32_t length,
                                   int32_t stride, int8_t *y)
{
    for (int32_t i = 0; i < n; i++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int32_t sum = edge_column_sum(x + i * stride * n_chans + c, length, n_chans);
            *y++ = (int8_t)edge_saturate(edge_divide_rounding(sum, length), -128, 127);
        }
    }
}

/* With a scale of its own: the sum times a factor.
 *   weight       what every sample is multiplied with (POOL_WEIGHT of the integer graph)
 *   bias         - weight * length * zero point of x
 *   multiplier, shift, zero_point   see edge_requantize
 */
EDGE_INLINE void edge_average_pool_scaled(const int8_t *x, int32_t n, int32_t n_chans,
                                          int32_t length, int32_t stride, int32_t weight,
                                          int32_t bias, int32_t multiplier, int32_t shift,
                                          int32_t zero_point, int8_t *y)
{
    for (int32_t i = 0; i < n; i++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int32_t sum = edge_column_sum(x + i * stride * n_chans + c, length, n_chans);
            *y++ = (int8_t)edge_requantize(weight * sum + bias, multiplier, shift, zero_point);
        }
    }
}

/* The same where the short form of requantization is exact. */
EDGE_INLINE void edge_average_pool_short(const int8_t *x, int32_t n, int32_t n_chans,
                                         int32_t length, int32_t stride, int32_t weight,
                                         int32_t bias, int32_t multiplier, int32_t shift,
                                         int32_t zero_point, int8_t *y)
{
    for (int32_t i = 0; i < n; i++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int32_t sum = edge_column_sum(x + i * stride * n_chans + c, length, n_chans);
            const int32_t scaled = weight * sum + bias;
            *y++ = (int8_t)edge_requantize_short(scaled, multiplier, -shift, zero_point);
        }
    }
}

#endif
