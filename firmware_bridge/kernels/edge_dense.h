/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_dense.h: convolution without padding: one dot product per output and position.
 *
 * In NHWC with H = 1 the taps of a position lie side by side, so that pointwise convolutions, valid
 * convolutions over time and fully connected layers are all the same kernel.
 *
 *   sizes        see edge_dense_sizes
 *   x            (n - 1) * step + k int8 values; position i begins at x + i * step
 *   weight       (n_outputs, k) int8 in [-127, 127], packed as the port wants it
 *   scaling      per output, packed as the port wants it; plain: (n_outputs, 3) int32 of
 *                bias (zero point of x folded in), multiplier, shift
 *   table        256 int8, applied to every output; NULL for none
 *   y            (n, n_outputs) int8; must not overlap x
 */
#ifndef EDGE_DENSE_H
#define EDGE_DENSE_H

#include "edge_requantize.h"
#if EDGE_PORT == EDGE_PORT_NEON || EDGE_PORT == EDGE_PORT_DOT
#include "edge_neon.h"
#endif

typedef struct {
    int32_t n;          /* positions, >= 1 */
    int32_t step;       /* values between positions: stride * n_inputs, >= 1 */
    int32_t k;          /* values per dot product: length * n_inputs, >= 1 */
    int32_t n_outputs;  /* channels of the output, >= 1 */
    int32_t zero_point; /* of y, [-128, 127] */
} edge_dense_sizes;

/* One dot product of k raw int8 values and weights, |result| <= 128 * 127 * k. */
EDGE_INLINE int32_t edge_dot(const int8_t *x, const int8_t *weight, int32_t k)
{
    int32_t sum = 0, i = 0;
#if EDGE_PORT == EDGE_PORT_NEON || EDGE_PORT == EDGE_PORT_DOT
    int32x4_t sums = vdupq_n_s32(0);
    EDGE_ROLLED
    for (; i + 16 <= k; i += 16) {
        sums = edge_dot_16(sums, vld1q_s8(x + i), vld1q_s8(weight + i));
    }
    sum = vaddvq_s32(sums);
#elif EDGE_PORT == EDGE_PORT_DSP
    for (; i + 4 <= k; i += 4) {
        const uint32_t a = edge_load_4(x + i), b = edge_load_4(weight + i);
        sum = edge_dual_multiply(edge_even_bytes(a), edge_even_bytes(b), sum);
        sum = edge_dual_multiply(edge_odd_bytes(a), edge_odd_bytes(b), sum);
    }
#endif
    EDGE_UNROLL_SOME
    for (; i < k; i++) {
        sum += x[i] * weight[i];
    }
    return sum;
}

EDGE_INLINE int8_t edge_look_up(const int8_t *table, int32_t value)
{
    return table != NULL ? table[value + 128] : (int8_t)value;
}

EDGE_INLINE void edge_dense_plain(const edge_dense_sizes *sizes, const int8_t *x,
                                  const int8_t *weight, const int32_t *scaling,
                                  const int8_t *table, int8_t *y)
{
    const int32_t step = sizes->step, k = sizes->k, n_outputs = sizes->n_outputs;
    for (int32_t i = 0; i < sizes->n; i++) {
        for (int32_t o = 0; o < n_outputs; o++) {
            const int32_t *s = scaling + 3 * o;
            const int32_t sum = s[0] + edge_dot(x + i * step, weight + o * k, k);
            *y++ = edge_look_up(table, edge_requantize(sum, s[1], s[2], sizes->zero_point));
        }
    }
}

/* The head: the sums themselves.
 *   x        (k,) int8
 *   weight   (n_outputs, k) int8, plain
 *   bias     (n_outputs,) int32, zero point of x folded in
 *   sums     (n_outputs,) int32
 */
EDGE_INLINE void edge_accumulate(const int8_t *x, int32_t k, int32_t n_outputs,
                                 const int8_t *weight, const int32_t *bias, int32_t *sums)
{
    for (int32_t o = 0; o < n_outputs; o++) {
        sums[o] = bias[o] + edge_dot(x, weight + o * k, k);
    }
}

#if EDGE_PORT == EDGE_PORT_DSP
#include "edge_dense_dsp.h"
#elif EDGE_PORT == EDGE_PORT_NEON || EDGE_PORT == EDGE_PORT_DOT
#include "edge_dense_neon.h"
#elif EDGE_PORT == EDGE_PORT_MVE
#include "edge_dense_mve.h"
#else
#define edge_dense edge_dense_plain
#endif

#endif
