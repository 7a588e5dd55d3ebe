/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_conv.h: full convolution over time with zero padding and stride.
 *
 *   x            (n_times, n_inputs) int8
 *   pad          samples of padding on the left; the right side follows from n
 *   n            positions of the output
 *   weight       (n_outputs, length, n_inputs) int8 in [-127, 127]
 *   scaling      (n_outputs, 3) int32: bias (zero point folded in), multiplier, shift
 *   zero_in      zero point of x, which stands in the padding
 *   zero_point   of y
 *   table        256 int8, applied to every output; NULL for none
 *   y            (n, n_outputs) int8; must not overlap x
 */
#ifndef EDGE_CONV_H
#define EDGE_CONV_H

#include "edge_dense.h"

EDGE_INLINE void edge_conv(const int8_t *x, int32_t n_times, int32_t n_inputs, int32_t length,
                           int32_t stride, int32_t pad, int32_t n, int32_t n_outputs,
                           const int8_t *weight, const int32_t *scaling, int32_t zero_in,
                           int32_t zero_point, const int8_t *table, int8_t *y)
{
    for (int32_t i = 0; i < n; i++) {
        for (int32_t o = 0; o < n_outputs; o++) {
            const int32_t *s = scaling + 3 * o;
            int32_t sum = s[0];
            EDGE_ROLLED
            for (int32_t k = 0; k < length; k++) {
                const int32_t t = i * stride - pad + k;
                const int8_t *w = weight + (o * length + k) * n_inputs;
                for (int32_t c = 0; c < n_inputs; c++) {
                    sum += w[c] * (t >= 0 && t < n_times ? x[t * n_inputs + c] : zero_in);
                }
            }
            *y++ = edge_look_up(table, edge_requantize(sum, s[1], s[2], zero_point));
        }
    }
}

#endif
