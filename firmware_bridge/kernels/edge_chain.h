/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_chain.h: what both arithmetics of the signal chain share.
 *
 * A second-order section is run in increments. With z = 1 + d, where d takes a difference,
 *
 *   b0 + b1/z + b2/z^2      d0 d^2 + d1 d + d2      d0 = b0   d1 = 2 b0 + b1   d2 = b0 + b1 + b2
 *   ------------------  =  -------------------,                c1 = 2 + a1     c2 = 1 + a1 + a2
 *   1  + a1/z + a2/z^2         d^2 + c1 d + c2
 *
 *   y = d0 x + w1;   w1 += d1 x - c1 y + w2;   w2 += d2 x - c2 y
 *
 * The poles of a filter with a low edge lie close to 1. As a1 and a2 they drown in the last bits of
 * 2 and 1; c1 and c2 are small numbers that keep all of theirs, and so are the increments. Sections
 * that only remove what is slow have d1 = d2 = 0, and are run without them.
 *
 * One section runs over all channels before the next one does: its factors stay in registers, and
 * what has vectors does several channels at once.
 */
#ifndef EDGE_CHAIN_H
#define EDGE_CHAIN_H

#include "edge_port.h"

/* What a converter delivers, as what is filtered.
 *   counts   (n_inputs,) 24 bits or fewer; behind n_chans channels the reference electrode, if any
 *   first    (n_inputs,) those of the first frame: a filter with a lower edge removes a constant
 *            anyway, and an electrode's offset is a thousand times the signal
 *   average  1: x is n_chans times the distance from the channels' mean, which is whole as well,
 *   shift    less so many bits that it fits into 32: none up to 64 channels
 *   x        (n_chans,)
 */
EDGE_INLINE void edge_chain_input(const int32_t *counts, int32_t n_chans, int32_t n_inputs,
                                  int32_t average, int32_t shift, const int32_t *first, int32_t *x)
{
    const int32_t electrode = n_inputs > n_chans ? counts[n_chans] - first[n_chans] : 0;
    for (int32_t c = 0; c < n_chans; c++) {
        x[c] = counts[c] - first[c] - electrode;
    }
    if (average && shift == 0) {
        int32_t sum = 0;
        for (int32_t c = 0; c < n_chans; c++) {
            sum += x[c];
        }
        for (int32_t c = 0; c < n_chans; c++) {
            x[c] = n_chans * x[c] - sum;
        }
    } else if (average) {
        int64_t sum = 0;
        for (int32_t c = 0; c < n_chans; c++) {
            sum += x[c];
        }
        for (int32_t c = 0; c < n_chans; c++) {
            const int64_t distance = (int64_t)n_chans * x[c] - sum;
            x[c] = (int32_t)((distance + ((int64_t)1 << (shift - 1))) >> shift);
        }
    }
}

#endif
