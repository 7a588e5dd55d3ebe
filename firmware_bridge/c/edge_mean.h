/* edge_mean.h: mean over all of time.
 *
 *   x            (n_times, n_chans) int8
 *   bias         - n_times * zero point of x
 *   multiplier   [0, 2^31), divided by n_times as TFLite does
 *   shift        [-31, 30], to the left where positive
 *   zero_point   of y
 *   y            (n_chans,) int8
 */
#ifndef EDGE_MEAN_H
#define EDGE_MEAN_H

#include "edge_average_pool.h"

EDGE_INLINE void edge_mean(const int8_t *x, int32_t n_times, int32_t n_chans, int32_t bias,
                           int32_t multiplier, int32_t shift, int32_t zero_point, int8_t *y)
{
    for (int32_t c = 0; c < n_chans; c++) {
        const int32_t sum = bias + edge_column_sum(x + c, n_times, n_chans);
        y[c] = (int8_t)edge_requantize(sum, multiplier, shift, zero_point);
    }
}

#endif
