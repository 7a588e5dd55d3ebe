/* SPDX-License-Identifier: BSD-3-Clause */
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

/* Four inputs times the weights of four outputs: fifteen instructions, which compilers double by
 * reloading what lies in registers here. x and w move on. */
#define EDGE_DENSE_4(x, w, a, b, c, d)                                                     \
    do {                                                                                   \
        int32_t even, odd;                                                                 \
        int32_t w0, w1;                                                                    \
        __asm__("ldr %[even], [%[px]], #4\n"                                               \
                "sxtb16 %[odd], %[even], ror #8\n"                                         \
                "sxtb16 %[even], %[even]\n"                                                \
                "ldrd %[w0], %[w1], [%[pw]], #8\n"                                         \
                "smlad %[a0], %[even], %[w0], %[a0]\n"                                     \
                "smlad %[a1], %[even], %[w1], %[a1]\n"                                     \
                "ldrd %[w0], %[w1], [%[pw]], #8\n"                                         \
                "smlad %[a2], %[even], %[w0], %[a2]\n"                                     \
                "smlad %[a3], %[even], %[w1], %[a3]\n"                                     \
                "ldrd %[w0], %[w1], [%[pw]], #8\n"                                         \
                "smlad %[a0], %[odd], %[w0], %[a0]\n"                                      \
                "smlad %[a1], %[odd], %[w1], %[a1]\n"                                      \
                "ldrd %[w0], %[w1], [%[pw]], #8\n"                                         \
                "smlad %[a2], %[odd], %[w0], %[a2]\n"                                      \
                "smlad %[a3], %[odd], %[w1], %[a3]\n"                                      \
                : [even] "=&r"(even), [odd] "=&r"(odd), [w0] "=&r"(w0), [w1] "=&r"(w1),    \
                  [px] "+&r"(x), [pw] "+&r"(w), [a0] "+&r"(a), [a1] "+&r"(b),              \
                  [a2] "+&r"(c), [a3] "+&r"(d)                                             \
                :                                                                          \
                : "memory");                                                               \
    } while (0)

EDGE_INLINE void edge_dense(const edge_dense_sizes *sizes, const int8_t *x, const int32_t *weight,
                            const int32_t *scaling, const int8_t *table, int8_t *y)
{
    const int32_t n = sizes->n, step = sizes->step, k = sizes->k, n_outputs = sizes->n_outputs;
    for (int32_t i = 0; i < n; i++, x += step) {
        const int32_t *w = weight;
        const int32_t *f = scaling;
        for (int32_t o = 0; o < n_outputs; o += 4, f += 16) {
            int32_t a = f[0], b = f[4], c = f[8], d = f[12];
            const int8_t *at = x;
            EDGE_UNROLL
            for (int32_t j = 0; j < k; j += 4) {
                EDGE_DENSE_4(at, w, a, b, c, d);
            }
            const int32_t sums[4] = {a, b, c, d};
            EDGE_UNROLL
            for (int32_t q = 0; q < 4; q++) {
                if (o + q >= n_outputs) {
                    break;
                }
                const int32_t *s = f + 4 * q;
                *y++ = edge_look_up(table, edge_finish_dsp(sums[q], s[1], s[2], s[3]));
            }
        }
    }
}

#endif
