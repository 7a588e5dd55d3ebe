/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_depthwise_mve.h: depthwise filter with Helium; see edge_depthwise.h.
 *
 *   padded    may be read up to 3 bytes beyond its end
 *   weight    (length, n_chans rounded up to 8) int8, filled with zeros
 *   scaling   (n_chans / 4 rounded up to 2, 3, 4) int32 as in edge_dense_mve.h
 */
#ifndef EDGE_DEPTHWISE_MVE_H
#define EDGE_DEPTHWISE_MVE_H

EDGE_INLINE void edge_depthwise(const edge_depthwise_sizes *sizes, const int8_t *x,
                                const int8_t *weight, const int32_t *scaling, int8_t *padded,
                                const int8_t *table, int8_t *y)
{
    const int32_t n_chans = sizes->n_chans, length = sizes->length, stride = sizes->stride;
    const int32_t n = sizes->n;
    const int32_t row = (n_chans + 7) & ~7;
    x = edge_pad_rows(sizes, x, padded);
    for (int32_t c = 0; c < n_chans; c += 4) {
        const int32_t *f = scaling + 3 * c;
        for (int32_t i = 0; i < n; i++) {
            const int8_t *from = x + i * stride * n_chans + c;
            const int8_t *w = weight + c;
            int32x4_t sums = vld1q_s32(f);
            for (int32_t k = 0; k < length; k++, from += n_chans, w += row) {
                sums = vaddq_s32(sums, vmulq_s32(vldrbq_s32(from), vldrbq_s32(w)));
            }
            edge_write_4(sums, f, sizes->zero_point, table, n_chans - c, y + i * n_chans + c);
        }
    }
}

#endif
