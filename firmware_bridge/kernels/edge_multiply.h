/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_multiply.h: product of two tensors, the second broadcast to the first.
 *
 *   x             (n_times, n_chans) int8
 *   other         int8; the value for (t, c) is other[t * time_step + c * chan_step]
 *   zero_x, zero_other           zero points
 *   multiplier, shift, zero_point   see edge_requantize; the product is below 2^16
 *   y             (n_times, n_chans) int8; may be x
 */
#ifndef EDGE_MULTIPLY_H
#define EDGE_MULTIPLY_H

#include "edge_requantize.h"

EDGE_INLINE void edge_multiply(const int8_t *x, int32_t n_times, int32_t n_chans,
                               const int8_t *other, int32_t time_step, int32_t chan_step,
                               int32_t zero_x, int32_t zero_other, int32_t multiplier,
                               int32_t shift, int32_t zero_point, int8_t *y)
{
    for (int32_t t = 0; t < n_times; t++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int32_t b = other[t * time_step + c * chan_step] - zero_other;
            const int32_t product = (*x++ - zero_x) * b;
            *y++ = (int8_t)edge_requantize(product, multiplier, shift, zero_point);
        }
    }
}

/* The same where the short form of requantization is exact. */
EDGE_INLINE void edge_multiply_short(const int8_t *x, int32_t n_times, int32_t n_chans,
                                     const int8_t *other, int32_t time_step, int32_t chan_step,
                                     int32_t zero_x, int32_t zero_other, int32_t multiplier,
                                     int32_t shift, int32_t zero_point, int8_t *y)
{
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
