/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_depthwise_packed.h: depthwise filter over few positions; see edge_depthwise.h.
 *
 * On the dsp port with the stem's packed products (edge_stem_dsp.h), one channel after the other:
 * half the multiplications of edge_depthwise. Elsewhere it is edge_depthwise.
 *
 *   weight                   dsp: packed taps (n_chans, EDGE_DEPTHWISE_TAPS) int32
 *   padded                   4-byte aligned
 *   y                        (n + 4, n_chans): up to 4 rows more are overwritten
 *   EDGE_DEPTHWISE_TAPS      (length + 2) / 2, defined by the model
 *   EDGE_DEPTHWISE_CHANS     n_chans, in [1, 255]
 */
#ifndef EDGE_DEPTHWISE_PACKED_H
#define EDGE_DEPTHWISE_PACKED_H

#include "edge_depthwise.h"
#include "edge_stem.h"

#if EDGE_PORT == EDGE_PORT_DSP
#include "edge_packed_dsp.h"

/* Pack positions -1 ... of one padded channel; what is neither read from x nor beside it is there.
 *   x        (n_times, n_chans) int8, at the channel
 *   packed   words; those of the padding hold zeros already
 */
EDGE_INLINE void edge_pack_column(const int8_t *x, int32_t n_times, int32_t n_chans, int32_t pad,
                                  int32_t zero, int32_t *packed)
{
    packed += (pad + 1) / 2;
    if (pad % 2 == 0) {
        *packed++ = edge_pack(zero, *x);
        x += n_chans;
        n_times--;
    }
    EDGE_UNROLL_SOME
    for (; n_times >= 2; n_times -= 2, x += 2 * n_chans) {
        *packed++ = edge_pack(x[0], x[n_chans]);
    }
    if (n_times > 0) {
        *packed = edge_pack(*x, zero);
    }
}

EDGE_INLINE void edge_depthwise_packed(const edge_depthwise_sizes *sizes, const int8_t *x,
                                       const int32_t *weight, const int32_t *scaling,
                                       int8_t *padded, const int8_t *table, int8_t *y)
{
    const int32_t n_chans = sizes->n_chans, pad = sizes->pad, zero_in = sizes->zero_in;
    const int32_t n_sums = (sizes->n / 2 + 3) / 3 * 3, n_words = n_sums + EDGE_DEPTHWISE_TAPS - 1;
    const int32_t beyond = 2 * n_words - 1 - pad; /* samples that the sums reach */
    int32_t *packed = (int32_t *)(void *)padded;
    edge_packed_row row;
    edge_packed_open(&row, table);
    row.end = packed + n_sums;
    for (int32_t i = 0; i < n_words; i++) {
        packed[i] = edge_pack(zero_in, zero_in);
    }
    const int32_t n_times = sizes->n_times < beyond ? sizes->n_times : beyond;
    for (int32_t c = 0; c < n_chans; c++, x++, y++, scaling += 4, weight += EDGE_DEPTHWISE_TAPS) {
        edge_pack_column(x, n_times, n_chans, pad, zero_in, packed);
        edge_packed_begin(&row, scaling);
        row.x = packed;
        row.taps = weight;
        row.y = y;
        if (table != NULL) {
            EDGE_PACKED_ROW(&row, EDGE_DEPTHWISE_TAPS, EDGE_DEPTHWISE_CHANS, EDGE_PACKED_TABLE);
        } else {
            EDGE_PACKED_ROW(&row, EDGE_DEPTHWISE_TAPS, EDGE_DEPTHWISE_CHANS, EDGE_PACKED_NO_TABLE);
        }
    }
}
#else
#define edge_depthwise_packed edge_depthwise
#endif

#endif
