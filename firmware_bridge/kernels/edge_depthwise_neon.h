/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_depthwise_neon.h: depthwise filter on aarch64; see edge_depthwise.h.
 *
 *   padded    may be read up to 7 bytes beyond its end
 *   weight    (length, n_chans rounded up to 8) int8, filled with zeros
 *   scaling   (n_chans / 4 rounded up to 2, 3, 4) int32 as in edge_dense_neon.h
 */
#ifndef EDGE_DEPTHWISE_NEON_H
#define EDGE_DEPTHWISE_NEON_H

EDGE_INLINE void edge_depthwise(const edge_depthwise_sizes *sizes, const int8_t *x,
                                const int8_t *weight, const int32_t *scaling, int8_t *padded,
                                const int8_t *table, int8_t *y)
{
    const int32_t n_chans = sizes->n_chans, length = sizes->length, stride = sizes->stride;
    const int32_t n = sizes->n;
    const int32_t row = (n_chans + 7) & ~7;
    const int16x8_t zero = vdupq_n_s16((int16_t)sizes->zero_point);
    x = edge_pad_rows(sizes, x, padded);
    for (int32_t c = 0; c < n_chans; c += 8) {
        const int32_t *f = scaling + 3 * c;
        for (int32_t i = 0; i < n; i++) {
            const int8_t *from = x + i * stride * n_chans + c;
            const int8_t *w = weight + c;
            int32x4_t low = vld1q_s32(f), high = vld1q_s32(f + 12);
            for (int32_t k = 0; k < length; k++, from += n_chans, w += row) {
                const int16x8_t product = vmull_s8(vld1_s8(from), vld1_s8(w));
                low = vaddw_s16(low, vget_low_s16(product));
                high = vaddw_high_s16(high, product);
            }
            low = edge_finish_4(low, vld1q_s32(f + 4), vld1q_s32(f + 8));
            high = edge_finish_4(high, vld1q_s32(f + 16), vld1q_s32(f + 20));
            int8_t values[8];
            vst1_s8(values, edge_narrow_8(low, high, zero));
            for (int32_t q = 0; q < 8 && c + q < n_chans; q++) {
                y[i * n_chans + c + q] = edge_look_up(table, values[q]);
            }
        }
    }
}

#endif
