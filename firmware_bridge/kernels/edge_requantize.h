/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_requantize.h: from a 32-bit sum to an int8 value, TensorFlow Lite Micro's double rounding;
 * and to an int16 value, its single one.
 *
 * A real factor r is a multiplier M in [2^30, 2^31) and a shift s with r = M * 2^(s - 31).
 */
#ifndef EDGE_REQUANTIZE_H
#define EDGE_REQUANTIZE_H

#include "edge_port.h"
#if EDGE_PORT == EDGE_PORT_DSP || EDGE_PORT == EDGE_PORT_MVE
#include "edge_dsp.h"
#endif

/* round(value * multiplier / 2^31), ties towards plus infinity.
 *   value        any int32 but the pair (INT32_MIN, INT32_MIN)
 *   multiplier   [0, 2^31)
 */
EDGE_INLINE int32_t edge_high_multiply(int32_t value, int32_t multiplier)
{
    return (int32_t)(((int64_t)value * multiplier + ((int64_t)1 << 30)) >> 31);
}

/* round(value / 2^exponent), ties away from zero.
 *   value      any int32
 *   exponent   [0, 31]
 */
EDGE_INLINE int32_t edge_divide_by_power_of_two(int32_t value, int32_t exponent)
{
    const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1u);
    const int32_t remainder = value & mask;
    const int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
    return (value >> exponent) + (remainder > threshold ? 1 : 0);
}

EDGE_INLINE int32_t edge_saturate(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* The int8 value of a sum.
 *   sum          |sum| * 2^max(shift, 0) < 2^31, proven by the generator
 *   multiplier   [0, 2^31)
 *   shift        [-31, 30], to the left where positive
 *   zero_point   [-128, 127]
 *   returns      [-128, 127]
 */
EDGE_INLINE int32_t edge_requantize(int32_t sum, int32_t multiplier, int32_t shift,
                                    int32_t zero_point)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    const int32_t high = edge_high_multiply(sum * (int32_t)((uint32_t)1 << left), multiplier);
    return edge_saturate(edge_divide_by_power_of_two(high, right) + zero_point, -128, 127);
}

/* The same in fewer instructions, where the generator has proven that it may be used.
 *   sum      |sum| < 2^30
 *   right    [1, 22], to the right
 * Adding the sign of the sum instead of that of the product is exact: where they differ the product
 * is 0, and (0 - 1 + half) >> right is (0 + half) >> right is 0.
 */
EDGE_INLINE int32_t edge_requantize_short(int32_t sum, int32_t multiplier, int32_t right,
                                          int32_t zero_point)
{
#if EDGE_PORT == EDGE_PORT_DSP || EDGE_PORT == EDGE_PORT_MVE
    const int32_t half = ((int32_t)1 << (right - 1)) + zero_point * ((int32_t)1 << right);
    return edge_finish_dsp(2 * sum, multiplier, half, right);
#else
    const int32_t high = edge_high_multiply(sum, multiplier);
    const int32_t rounded = (high + (sum >> 31) + ((int32_t)1 << (right - 1))) >> right;
    return edge_saturate(rounded + zero_point, -128, 127);
#endif
}

/* The int16 value of a sum: its zero point is 0.
 *   multiplier   [0, 2^15)
 *   right        [1, 46]: the factor is multiplier / 2^right, and the product fits in 32 bits
 *   low          -32768, or 0 for a ReLU
 */
EDGE_INLINE int16_t edge_requantize_wide(int32_t sum, int32_t multiplier, int32_t right,
                                         int32_t low)
{
    const int64_t product = (int64_t)sum * multiplier + ((int64_t)1 << (right - 1));
    return (int16_t)edge_saturate((int32_t)(product >> right), low, 32767);
}

/* sum / divisor to the nearest integer, ties away from zero: TFLite's average.
 *   divisor   > 0
 */
EDGE_INLINE int32_t edge_divide_rounding(int32_t sum, int32_t divisor)
{
    const int32_t half = divisor / 2;
    return sum > 0 ? (sum + half) / divisor : -((half - sum) / divisor);
}

#endif
