/* edge_depthwise_packed.h: depthwise filter over few positions; see edge_depthwise.h.
 *
 * On the dsp port with the stem's packed products (edge_stem_dsp.h), one channel after the other:
 * half the multiplications of edge_depthwise. Elsewhere it is edge_depthwise.
 *
 *   weight                   dsp: packed taps (n_chans, EDGE_DEPTHWISE_TAPS) int32
 *   padded                   4-byte aligned
 *   y                        (n + 4, n_chans): up to 4 rows more are overwritten
 *   EDGE_DEPTHWISE_TAPS      (length + 2) / 2, defined by the model
 */
#ifndef EDGE_DEPTHWISE_PACKED_H
#define EDGE_DEPTHWISE_PACKED_H

#include "edge_depthwise.h"
#include "edge_stem.h"

#if EDGE_PORT == EDGE_PORT_DSP
/* Pack positions -1 ... of one padded channel into n words. */
EDGE_INLINE void edge_pack_column(const int8_t *x, int32_t n_times, int32_t n_chans, int32_t pad,
                                  int32_t zero, int32_t n, int32_t *packed)
{
    const int32_t zeros = edge_pack(zero, zero);
    int32_t i = 0, t = 0; /* word, sample */
    for (; 2 * i < pad; i++) {
        packed[i] = zeros;
    }
    if (pad % 2 == 0) {
        packed[i++] = edge_pack(zero, x[0]);
        t = 1;
    }
    for (; t + 1 < n_times && i < n; t += 2, i++) {
        packed[i] = edge_pack(x[t * n_chans], x[(t + 1) * n_chans]);
    }
    if (t < n_times && i < n) {
        packed[i++] = edge_pack(x[t * n_chans], zero);
    }
    for (; i < n; i++) {
        packed[i] = zeros;
    }
}

EDGE_INLINE void edge_depthwise_packed(const int8_t *x, int32_t n_times, int32_t n_chans,
                                       int32_t length, int32_t stride, int32_t pad, int32_t n,
                                       const int32_t *weight, const int32_t *scaling,
                                       int8_t *padded, int32_t zero_in, int32_t zero_point,
                                       const int8_t *table, int8_t *y)
{
    (void)stride, (void)zero_point, (void)length;
    const int32_t n_sums = (n / 2 + 3) / 3 * 3;
    int32_t *packed = (int32_t *)(void *)padded;
    for (int32_t c = 0; c < n_chans; c++, x++, y++, scaling += 4, weight += EDGE_DEPTHWISE_TAPS) {
        const int32_t bias = scaling[0] - ((int32_t)1 << 20);
        const int32_t multiplier = scaling[1], added = scaling[2], right = scaling[3];
        edge_pack_column(x, n_times, n_chans, pad, zero_in, n_sums + EDGE_DEPTHWISE_TAPS - 1,
                         packed);
        int32_t carried = bias;
        int8_t *to = y - n_chans; /* output 0 is not one */
        for (int32_t i = 0; i < n_sums; i += 3) {
            uint32_t p, q, r, s, t, u;
            EDGE_FILTER_6(EDGE_DEPTHWISE_TAPS, packed + i, weight, p, q, r, s, t, u);
            int32_t z[6];
            EDGE_SPLIT(p, q, bias, carried, z[0], z[1]);
            EDGE_SPLIT(r, s, bias, carried, z[2], z[3]);
            EDGE_SPLIT(t, u, bias, carried, z[4], z[5]);
            EDGE_UNROLL
            for (int32_t k = 0; k < 6; k++, to += n_chans) {
                const int8_t value =
                    edge_look_up(table, edge_finish_dsp(z[k], multiplier, added, right));
                if (k > 0 || i > 0) {
                    *to = value;
                }
            }
        }
    }
}
#else
#define edge_depthwise_packed edge_depthwise
#endif

#endif
