/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_multiply.h: product of two tensors, the second broadcast to the first.
 *
 *   sizes         see edge_multiply_sizes
 *   x             (n_times, n_chans) int8
 *   other         int8; the value for (t, c) is other[t * time_step + c * chan_step]
 *   y             (n_times, n_chans) int8; may be x
 */
#ifndef EDGE_MULTIPLY_H
#define EDGE_MULTIPLY_H

#include "edge_requantize.h"

typedef struct {
    int32_t n_times;    /* samples of x and of y, >= 1 */
    int32_t n_chans;    /* channels of x and of y, >= 1 */
    int32_t time_step;  /* values of other between samples: its channels, or 0 */
    int32_t chan_step;  /* values of other between channels: 1, or 0 */
    int32_t zero_x;     /* zero point of x, [-128, 127] */
    int32_t zero_other; /* zero point of other, [-128, 127] */
    int32_t multiplier; /* [0, 2^31); the product is at most 2^16 in magnitude */
    int32_t shift;      /* [-31, 14], to the left where positive; short: [-22, -1] */
    int32_t zero_point; /* of y, [-128, 127] */
} edge_multiply_sizes;

EDGE_INLINE void edge_multiply(const edge_multiply_sizes *sizes, const int8_t *x,
                               const int8_t *other, int8_t *y)
{
    const int32_t n_times = sizes->n_times, n_chans = sizes->n_chans;
    const int32_t time_step = sizes->time_step, chan_step = sizes->chan_step;
    const int32_t zero_x = sizes->zero_x, zero_other = sizes->zero_other;
    const int32_t multiplier = sizes->multiplier, shift = sizes->shift;
    const int32_t zero_point = sizes->zero_point;
    for (int32_t t = 0; t < n_times; t++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int32_t b = other[t * time_step + c * chan_step] - zero_other;
            const int32_t product = (*x++ - zero_x) * b;
            *y++ = (int8_t)edge_requantize(product, multiplier, shift, zero_point);
        }
    }
}

/* The same where the short form of requantization is exact. */
EDGE_INLINE void edge_multiply_short(const edge_multiply_sizes *sizes, const int8_t *x,
                                     const int8_t *other, int8_t *y)
{
    const int32_t n_times = sizes->n_times, n_chans = sizes->n_chans;
    const int32_t time_step = sizes->time_step, chan_step = sizes->chan_step;
    const int32_t zero_x = sizes->zero_x, zero_other = sizes->zero_other;
    const int32_t multiplier = sizes->multiplier, shift = sizes->shift;
    const int32_t zero_point = sizes->zero_point;
#if EDGE_PORT == EDGE_PORT_DSP
    if (time_step == 0) { /* one factor a channel: a multiply-add and a requantization */
        const int32_t right = -shift;
        const int32_t added = ((int32_t)1 << (right - 1)) + zero_point * ((int32_t)1 << right);
        for (int32_t c = 0; c < n_chans; c++) {
            int32_t doubled = 2 * (other[c * chan_step] - zero_other);
            int32_t start = -zero_x * doubled;
            EDGE_IN_REGISTERS(doubled); /* else every product is subtracted from or doubled */
            EDGE_IN_REGISTERS(start);
            EDGE_UNROLL_SOME
            for (int32_t t = 0; t < n_times; t++) {
                const int32_t product = start + x[t * n_chans + c] * doubled;
                y[t * n_chans + c] = (int8_t)edge_finish_dsp(product, multiplier, added, right);
            }
        }
        return;
    }
#endif
    for (int32_t t = 0; t < n_times; t++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int32_t b = other[t * time_step + c * chan_step] - zero_other;
            const int32_t product = (*x++ - zero_x) * b;
            *y++ = (int8_t)edge_requantize_short(product, multiplier, -shift, zero_point);
        }
    }
}

#endif
