/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_conv.h: full convolution over time with zero padding and stride.
 *
 *   sizes        see edge_conv_sizes
 *   x            (n_times, n_inputs) int8
 *   weight       (n_outputs, length, n_inputs) int8 in [-127, 127]
 *   scaling      (n_outputs, 3) int32: bias (zero point folded in), multiplier, shift
 *   table        256 int8, applied to every output; NULL for none
 *   y            (n, n_outputs) int8; must not overlap x
 */
#ifndef EDGE_CONV_H
#define EDGE_CONV_H

#include "edge_dense.h"

typedef struct {
    int32_t n_times;    /* samples of x, >= 1 */
    int32_t n_inputs;   /* channels of x, >= 1 */
    int32_t length;     /* of the filter, samples, >= 1 */
    int32_t stride;     /* samples, >= 1 */
    int32_t pad;        /* samples on the left, [0, length); the right side follows from n */
    int32_t n;          /* positions of the output, >= 1 */
    int32_t n_outputs;  /* channels of the output, >= 1 */
    int32_t zero_in;    /* zero point of x, which stands in the padding, [-128, 127] */
    int32_t zero_point; /* of y, [-128, 127] */
} edge_conv_sizes;

EDGE_INLINE void edge_conv(const edge_conv_sizes *sizes, const int8_t *x, const int8_t *weight,
                           const int32_t *scaling, const int8_t *table, int8_t *y)
{
    const int32_t n_times = sizes->n_times, n_inputs = sizes->n_inputs, length = sizes->length;
    const int32_t n_outputs = sizes->n_outputs;
    for (int32_t i = 0; i < sizes->n; i++) {
        for (int32_t o = 0; o < n_outputs; o++) {
            const int32_t *s = scaling + 3 * o;
            int32_t sum = s[0];
            EDGE_ROLLED
            for (int32_t k = 0; k < length; k++) {
                const int32_t t = i * sizes->stride - sizes->pad + k;
                const int8_t *w = weight + (o * length + k) * n_inputs;
                for (int32_t c = 0; c < n_inputs; c++) {
                    sum += w[c] * (t >= 0 && t < n_times ? x[t * n_inputs + c] : sizes->zero_in);
                }
            }
            *y++ = edge_look_up(table, edge_requantize(sum, s[1], s[2], sizes->zero_point));
        }
    }
}

#endif
