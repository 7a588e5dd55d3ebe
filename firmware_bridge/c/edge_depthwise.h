/* edge_depthwise.h: depthwise convolution over time with zero padding and stride.
 *
 *   x            (n_times, n_chans) int8
 *   pad          samples of padding on the left; the right side follows from n
 *   n            positions of the output
 *   weight       (length, n_chans) int8 in [-127, 127], packed as the port wants it
 *   scaling      per channel, packed as the port wants it; plain: (n_chans, 3) int32 of
 *                bias (zero point of x folded in), multiplier, shift
 *   zero_row     (n_chans,) scratch; filled with the zero point of x, which stands in the padding
 *   zero_in      zero point of x
 *   zero_point   of y
 *   table        256 int8, applied to every output; NULL for none
 *   y            (n, n_chans) int8; must not overlap x
 */
#ifndef EDGE_DEPTHWISE_H
#define EDGE_DEPTHWISE_H

#include "edge_dense.h"

/* The samples of time t, or the row of zeros outside the window. */
EDGE_INLINE const int8_t *edge_row(const int8_t *x, int32_t t, int32_t n_times, int32_t n_chans,
                                   const int8_t *zero_row)
{
    return t >= 0 && t < n_times ? x + t * n_chans : zero_row;
}

EDGE_INLINE void edge_depthwise_plain(const int8_t *x, int32_t n_times, int32_t n_chans,
                                      int32_t length, int32_t stride, int32_t pad, int32_t n,
                                      const int8_t *weight, const int32_t *scaling,
                                      int8_t *zero_row, int32_t zero_in, int32_t zero_point,
                                      const int8_t *table, int8_t *y)
{
    memset(zero_row, zero_in, (size_t)n_chans);
    for (int32_t i = 0; i < n; i++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int32_t *s = scaling + 3 * c;
            int32_t sum = s[0];
            for (int32_t k = 0; k < length; k++) {
                const int8_t *row = edge_row(x, i * stride - pad + k, n_times, n_chans, zero_row);
                sum += row[c] * weight[k * n_chans + c];
            }
            *y++ = edge_look_up(table, edge_requantize(sum, s[1], s[2], zero_point));
        }
    }
}

#define edge_depthwise edge_depthwise_plain

#endif
