/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_depthwise_dsp.h: depthwise filter for Cortex-M4, M7, M33; see edge_depthwise.h.
 *
 *   padded    may be read one row and 3 bytes beyond its end
 *   weight    doubled, as pairs of neighbouring taps: (n_chans / 4, length / 2, 4) int32, both
 *             rounded up and filled with zeros; channels in the order 0, 2, 1, 3
 *   scaling   (n_chans rounded up to 4, 4) int32 as in edge_dense_dsp.h
 */
#ifndef EDGE_DEPTHWISE_DSP_H
#define EDGE_DEPTHWISE_DSP_H

EDGE_INLINE void edge_depthwise(const edge_depthwise_sizes *sizes, const int8_t *x,
                                const int32_t *weight, const int32_t *scaling, int8_t *padded,
                                const int8_t *table, int8_t *y)
{
    const int32_t n_chans = sizes->n_chans, length = sizes->length, stride = sizes->stride;
    const int32_t n = sizes->n;
    const int32_t n_pairs = (length + 1) / 2;
    x = edge_pad_rows(sizes, x, padded);
    for (int32_t c = 0; c < n_chans; c += 4, weight += 4 * n_pairs, scaling += 16) {
        const int32_t *f = scaling;
        for (int32_t i = 0; i < n; i++) {
            const int8_t *row = x + i * stride * n_chans + c;
            const int32_t *w = weight;
            int32_t a0 = f[0], a2 = f[8], a1 = f[4], a3 = f[12];
            EDGE_UNROLL
            for (int32_t j = 0; j < n_pairs; j++, row += 2 * n_chans, w += 4) {
                const uint32_t first = edge_load_4(row), second = edge_load_4(row + n_chans);
                const int32_t e1 = edge_even_bytes(first), e2 = edge_even_bytes(second);
                const int32_t o1 = edge_odd_bytes(first), o2 = edge_odd_bytes(second);
                a0 = edge_dual_multiply(edge_lower_halves(e1, e2), w[0], a0);
                a2 = edge_dual_multiply(edge_upper_halves(e1, e2), w[1], a2);
                a1 = edge_dual_multiply(edge_lower_halves(o1, o2), w[2], a1);
                a3 = edge_dual_multiply(edge_upper_halves(o1, o2), w[3], a3);
            }
            const int32_t sums[4] = {a0, a1, a2, a3};
            EDGE_UNROLL
            for (int32_t q = 0; q < 4; q++) {
                if (c + q >= n_chans) {
                    break;
                }
                const int32_t *s = f + 4 * q;
                y[i * n_chans + c + q] =
                    edge_look_up(table, edge_finish_dsp(sums[q], s[1], s[2], s[3]));
            }
        }
    }
}

#endif
