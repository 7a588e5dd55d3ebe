/* edge_dense_dsp.h: dot products for Cortex-M4, M7, M33; see edge_dense.h.
 *
 *   x         may be read up to 3 bytes beyond a row
 *   weight    doubled, as pairs: (n_outputs / 4, k / 4, 8) int32, both rounded up and filled with
 *             zeros: for each 4 inputs the pairs (0, 2) of 4 outputs, then the pairs (1, 3)
 *   scaling   (n_outputs rounded up to 4, 4) int32: doubled bias, multiplier,
 *             2^(e - 1) + zero_point * 2^e, e
 */
#ifndef EDGE_DENSE_DSP_H
#define EDGE_DENSE_DSP_H

EDGE_INLINE void edge_dense(const int8_t *x, int32_t n, int32_t step, int32_t k, int32_t n_outputs,
                            const int32_t *weight, const int32_t *scaling, int32_t zero_point,
                            const int8_t *table, int8_t *y)
{
    (void)zero_point;
    for (int32_t i = 0; i < n; i++, x += step) {
        const int32_t *w = weight;
        const int32_t *f = scaling;
        for (int32_t o = 0; o < n_outputs; o += 4, f += 16) {
            int32_t sums[4] = {f[0], f[4], f[8], f[12]};
            EDGE_UNROLL
            for (int32_t j = 0; j < k; j += 4, w += 8) {
                const uint32_t word = edge_load_4(x + j);
                const int32_t even = edge_even_bytes(word), odd = edge_odd_bytes(word);
                EDGE_UNROLL
                for (int32_t q = 0; q < 4; q++) {
                    sums[q] = edge_dual_multiply(even, w[q], sums[q]);
                }
                EDGE_UNROLL
                for (int32_t q = 0; q < 4; q++) {
                    sums[q] = edge_dual_multiply(odd, w[4 + q], sums[q]);
                }
            }
            EDGE_UNROLL
            for (int32_t q = 0; q < 4; q++) {
                if (o + q >= n_outputs) {
                    break;
                }
                const int32_t *c = f + 4 * q;
                *y++ = edge_look_up(table, edge_finish_dsp(sums[q], c[1], c[2], c[3]));
            }
        }
    }
}

#endif
