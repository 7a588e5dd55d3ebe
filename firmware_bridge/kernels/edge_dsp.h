/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_dsp.h: the instructions of Cortex-M4, M7 and M33 that the dsp port is made of.
 *
 * A "pair" is a word of two int16, the first in the lower half. SXTB16 makes pairs of bytes 0, 2 and
 * of bytes 1, 3, so weights are stored in that order.
 */
#ifndef EDGE_DSP_H
#define EDGE_DSP_H

#include <arm_acle.h>

#include "edge_port.h"

/* Load a value now, once: a compiler that runs out of registers would load it at every use. */
#define EDGE_IN_REGISTERS(x) __asm__ volatile("" : "+r"(x))

/* Four int8 as they lie in memory, at any address. */
EDGE_INLINE uint32_t edge_load_4(const int8_t *x)
{
    uint32_t word;
    EDGE_COPY(&word, x, 4);
    return word;
}

/* Bytes 0 and 2 as a pair. */
EDGE_INLINE int32_t edge_even_bytes(uint32_t word)
{
    return (int32_t)__sxtb16((int8x4_t)word);
}

EDGE_INLINE uint32_t edge_rotate_8(uint32_t word)
{
    return (word >> 8) | (word << 24);
}

/* Bytes 1 and 3 as a pair. */
EDGE_INLINE int32_t edge_odd_bytes(uint32_t word)
{
    return (int32_t)__sxtb16((int8x4_t)edge_rotate_8(word));
}

/* The lower halves of two pairs, and the upper halves. */
EDGE_INLINE int32_t edge_lower_halves(int32_t a, int32_t b)
{
    return (int32_t)(((uint32_t)a & 0xffffu) | ((uint32_t)b << 16));
}

EDGE_INLINE int32_t edge_upper_halves(int32_t a, int32_t b)
{
    return (int32_t)(((uint32_t)a >> 16) | ((uint32_t)b & 0xffff0000u));
}

/* sum + a.low * b.low + a.high * b.high */
EDGE_INLINE int32_t edge_dual_multiply(int32_t a, int32_t b, int32_t sum)
{
    return __smlad((int16x2_t)a, (int16x2_t)b, sum);
}

EDGE_INLINE int32_t edge_saturate_8(int32_t value)
{
#if defined(__clang__) /* which joins it with a shift */
    return __ssat(value, 8);
#else /* whose header has the argument unsigned */
    int32_t saturated;
    __asm__("ssat %0, #8, %1" : "=r"(saturated) : "r"(value));
    return saturated;
#endif
}

/* The int8 value of half a sum (edge_requantize_short), with everything prepared.
 *   doubled   2 * sum
 *   added     2^(right - 1) + zero_point * 2^right
 *   right     [1, 22]
 */
EDGE_INLINE int32_t edge_finish_dsp(int32_t doubled, int32_t multiplier, int32_t added,
                                    int32_t right)
{
    int32_t high;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(high) : "r"(doubled), "r"(multiplier), "r"(added));
    high += doubled >> 31;
    return edge_saturate_8(high >> right);
}

#endif
