/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_maximum.h: the largest stored value over all of time, or over the channels of each sample.
 *
 *   x   (n_times, n_chans) int8
 *   y   (n_chans,) or (n_times,) int8, same scale and zero point; not x
 */
#ifndef EDGE_MAXIMUM_H
#define EDGE_MAXIMUM_H

#include "edge_port.h"

EDGE_INLINE void edge_maximum_over_time(const int8_t *x, int32_t n_times, int32_t n_chans,
                                        int8_t *y)
{
    for (int32_t c = 0; c < n_chans; c++) {
        int8_t largest = x[c];
        for (int32_t t = 1; t < n_times; t++) {
            const int8_t value = x[t * n_chans + c];
            largest = value > largest ? value : largest;
        }
        y[c] = largest;
    }
}

EDGE_INLINE void edge_maximum_over_channels(const int8_t *x, int32_t n_times, int32_t n_chans,
                                            int8_t *y)
{
    for (int32_t t = 0; t < n_times; t++) {
        int8_t largest = x[0];
        EDGE_UNROLL_SOME
        for (int32_t c = 1; c < n_chans; c++) {
            largest = x[c] > largest ? x[c] : largest;
        }
        *y++ = largest;
        x += n_chans;
    }
}

#endif
