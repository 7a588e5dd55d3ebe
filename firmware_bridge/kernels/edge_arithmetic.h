/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_arithmetic.h: sum or difference of two tensors, the second broadcast to the first.
 *
 * As TFLite does it: both values 20 bits to the left, multiplied to twice the larger scale, added,
 * and the sum requantized.
 *
 *   sizes         see edge_add_sizes
 *   x             (n_times, n_chans) int8
 *   other         int8; the value for (t, c) is other[t * time_step + c * chan_step]
 *   y             (n_times, n_chans) int8; may be x
 */
#ifndef EDGE_ARITHMETIC_H
#define EDGE_ARITHMETIC_H

#include "edge_requantize.h"

#define EDGE_HEAD_ROOM ((int32_t)1 << 20)

EDGE_INLINE int32_t edge_rescale(int32_t value, int32_t multiplier, int32_t right)
{
    return edge_divide_by_power_of_two(edge_high_multiply(value * EDGE_HEAD_ROOM, multiplier),
                                       right);
}

typedef struct {
    int32_t n_times;          /* samples of x and of y, >= 1 */
    int32_t n_chans;          /* channels of x and of y, >= 1 */
    int32_t time_step;        /* values of other between samples: its channels, or 0 */
    int32_t chan_step;        /* values of other between channels: 1, or 0 */
    int32_t zero_x;           /* zero point of x, [-128, 127] */
    int32_t zero_other;       /* zero point of other, [-128, 127] */
    int32_t multiplier_x;     /* factor of x, at most 1/2: [0, 2^31) ... */
    int32_t right_x;          /* ... and [0, 31] bits to the right */
    int32_t multiplier_other; /* the same of other */
    int32_t right_other;
    int32_t sign;             /* 1 adds, -1 subtracts */
    int32_t multiplier;       /* of the sum, which is below 2^28: [0, 2^31) */
    int32_t shift;            /* [-31, 2], to the left where positive */
    int32_t zero_point;       /* of y, [-128, 127] */
} edge_add_sizes;

EDGE_INLINE void edge_add(const edge_add_sizes *s, const int8_t *x, const int8_t *other, int8_t *y)
{
    for (int32_t t = 0; t < s->n_times; t++) {
        for (int32_t c = 0; c < s->n_chans; c++) {
            const int32_t b = other[t * s->time_step + c * s->chan_step] - s->zero_other;
            const int32_t sum = edge_rescale(*x++ - s->zero_x, s->multiplier_x, s->right_x) +
                                s->sign * edge_rescale(b, s->multiplier_other, s->right_other);
            *y++ = (int8_t)edge_requantize(sum, s->multiplier, s->shift, s->zero_point);
        }
    }
}

#endif
