/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_depthwise.h: depthwise convolution over time with zero padding and stride.
 *
 *   sizes        see edge_depthwise_sizes
 *   x            (n_times, n_chans) int8
 *   weight       (length, n_chans) int8 in [-127, 127], packed as the port wants it
 *   scaling      per channel, packed as the port wants it; plain: (n_chans, 3) int32 of
 *                bias (zero point of x folded in), multiplier, shift
 *   padded       ((n - 1) * stride + length, n_chans) int8 scratch
 *   table        256 int8, applied to every output; NULL for none
 *   y            (n, n_chans) int8; must not overlap x
 */
#ifndef EDGE_DEPTHWISE_H
#define EDGE_DEPTHWISE_H

#include "edge_dense.h"

typedef struct {
    int32_t n_times;    /* samples of x, >= 1 */
    int32_t n_chans;    /* channels of x and of y, >= 1 */
    int32_t length;     /* of the filter, samples, >= 1 */
    int32_t stride;     /* samples, >= 1 */
    int32_t pad;        /* samples on the left, [0, length); the right side follows from n */
    int32_t n;          /* positions of the output, >= 1 */
    int32_t zero_in;    /* zero point of x, which stands in the padding, [-128, 127] */
    int32_t zero_point; /* of y, [-128, 127] */
} edge_depthwise_sizes;

/* x with `pad` rows of zero_in before it and as many behind it as the last position needs; x itself
 * where there is nothing to add. */
EDGE_INLINE const int8_t *edge_pad_rows(const edge_depthwise_sizes *sizes, const int8_t *x,
                                        int8_t *padded)
{
    const int32_t n_times = sizes->n_times, n_chans = sizes->n_chans, pad = sizes->pad;
    const int32_t n_rows = (sizes->n - 1) * sizes->stride + sizes->length;
    if (pad == 0 && n_rows <= n_times) {
        return x;
    }
    const int32_t kept = n_rows - pad < n_times ? n_rows - pad : n_times;
    memset(padded, sizes->zero_in, (size_t)(n_rows * n_chans));
    memcpy(padded + pad * n_chans, x, (size_t)(kept * n_chans));
    return padded;
}

EDGE_INLINE void edge_depthwise_plain(const edge_depthwise_sizes *sizes, const int8_t *x,
                                      const int8_t *weight, const int32_t *scaling,
                                      int8_t *padded, const int8_t *table, int8_t *y)
{
    const int32_t n_chans = sizes->n_chans, length = sizes->length;
    x = edge_pad_rows(sizes, x, padded);
    for (int32_t i = 0; i < sizes->n; i++, x += sizes->stride * n_chans) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int32_t *s = scaling + 3 * c;
            int32_t sum = s[0];
            for (int32_t k = 0; k < length; k++) {
                sum += x[k * n_chans + c] * weight[k * n_chans + c];
            }
            *y++ = edge_look_up(table, edge_requantize(sum, s[1], s[2], sizes->zero_point));
        }
    }
}

#if EDGE_PORT == EDGE_PORT_DSP
#include "edge_depthwise_dsp.h"
#elif EDGE_PORT == EDGE_PORT_NEON || EDGE_PORT == EDGE_PORT_DOT
#include "edge_depthwise_neon.h"
#elif EDGE_PORT == EDGE_PORT_MVE
#include "edge_depthwise_mve.h"
#else
#define edge_depthwise edge_depthwise_plain
#endif

#endif
