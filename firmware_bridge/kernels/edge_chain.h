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
 * 2 and 1; c1 and c2 are small numbers that keep all of theirs, and so are the increments.
 */
#ifndef EDGE_CHAIN_H
#define EDGE_CHAIN_H

#include "edge_port.h"

/* What a converter delivers, as what is filtered.
 *   counts   (n_inputs,) 24 bits or fewer; behind n_chans channels the reference electrode, if any
 *   average  1: n_chans times the distance from the channels' mean, which is whole as well
 *   first    (n_chans,) its value in the first frame: a filter with a lower edge removes a constant
 *            anyway, and an electrode's offset is a thousand times the signal
 *   x        (n_chans,)
 */
EDGE_INLINE void edge_chain_input(const int32_t *counts, int32_t n_chans, int32_t n_inputs,
                                   int32_t average, int32_t is_first, int32_t *first, int32_t *x)
{
    int32_t factor = 1, taken = n_inputs > n_chans ? counts[n_chans] : 0;
    if (average) {
        factor = n_chans;
        for (int32_t c = 0; c < n_chans; c++) {
            taken += counts[c];
        }
    }
    for (int32_t c = 0; c < n_chans; c++) {
        x[c] = factor * counts[c] - taken;
        if (is_first) {
            first[c] = x[c];
        }
        x[c] -= first[c];
    }
}

#endif
