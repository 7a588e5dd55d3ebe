/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_arithmetic.h: sum or difference of two tensors, the second broadcast to the first.
 *
 * As TFLite does it: both values 20 bits to the left, multiplied to twice the larger scale, added,
 * and the sum requantized.
 *
 *   x             (n_times, n_chans) int8
 *   other         int8; the value for (t, c) is other[t * time_step + c * chan_step]
 *   zero_x, zero_other           zero points
 *   multiplier_x, right_x        factor at most 1/2: [2^30, 2^31) or 0, and [0, 31] to the right
 *   multiplier_other, right_other   the same
 *   sign          1 adds, -1 subtracts
 *   multiplier, shift, zero_point   of the sum, see edge_requantize; the sum is below 2^28
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

EDGE_INLINE void edge_add(const int8_t *x, int32_t n_times, int32_t n_chans, const int8_t *other,
                          int32_t time_step, int32_t chan_step, int32_t zero_x, int32_t zero_other,
                          int32_t multiplier_x, int32_t right_x, int32_t multiplier_other,
                          int32_t right_other, int32_t sign, int32_t multiplier, int32_t shift,
                          int32_t zero_point, int8_t *y)
{
    for (int32_t t = 0; t < n_times; t++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int32_t b = other[t * time_step + c * chan_step] - zero_other;
            const int32_t sum = edge_rescale(*x++ - zero_x, multiplier_x, right_x) +
                                sign * edge_rescale(b, multiplier_other, right_other);
            *y++ = (int8_t)edge_requantize(sum, multiplier, shift, zero_point);
        }
    }
}

#endif
