/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_mean.h: mean over all of time.
 *
 *   sizes        see edge_mean_sizes
 *   x            (n_times, n_chans) int8
 *   y            (n_chans,) int8
 */
#ifndef EDGE_MEAN_H
#define EDGE_MEAN_H

#include "edge_average_pool.h"

typedef struct {
    int32_t n_times;    /* samples of x, >= 1 */
    int32_t n_chans;    /* channels of x, >= 1 */
    int32_t bias;       /* - n_times * zero point of x */
    int32_t multiplier; /* [0, 2^31), divided by n_times as TFLite does */
    int32_t shift;      /* [-31, 30], to the left where positive */
    int32_t zero_point; /* of y, [-128, 127] */
} edge_mean_sizes;

EDGE_INLINE void edge_mean(const edge_mean_sizes *sizes, const int8_t *x, int8_t *y)
{
    const int32_t n_times = sizes->n_times, n_chans = sizes->n_chans, bias = sizes->bias;
    const int32_t multiplier = sizes->multiplier, shift = sizes->shift;
    const int32_t zero_point = sizes->zero_point;
    int32_t c = 0;
#if EDGE_PORT == EDGE_PORT_DSP
    for (; c + 4 <= n_chans && n_times <= 255; c += 4) { /* pairs of 16-bit sums hold */
        int32_t even = 0, odd = 0;
        EDGE_UNROLL_SOME
        for (int32_t t = 0; t < n_times; t++) {
            const uint32_t word = edge_load_4(x + t * n_chans + c);
            even = (int32_t)__sxtab16((int16x2_t)even, (int8x4_t)word);
            odd = (int32_t)__sxtab16((int16x2_t)odd, (int8x4_t)edge_rotate_8(word));
        }
        const int32_t sums[4] = {(int16_t)even, (int16_t)odd, even >> 16, odd >> 16};
        EDGE_ROLLED
        for (int32_t q = 0; q < 4; q++) {
            y[c + q] = (int8_t)edge_requantize(bias + sums[q], multiplier, shift, zero_point);
        }
    }
#endif
    for (; c < n_chans; c++) {
        const int32_t sum = bias + edge_column_sum(x + c, n_times, n_chans);
        y[c] = (int8_t)edge_requantize(sum, multiplier, shift, zero_point);
    }
}

#endif
