/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_lookup.h: any function of one int8 value.
 *
 *   x       (n,) int8
 *   table   256 int8 for -128 ... 127
 *   y       (n,) int8; may be x
 */
#ifndef EDGE_LOOKUP_H
#define EDGE_LOOKUP_H

#include "edge_port.h"

EDGE_INLINE void edge_lookup(const int8_t *x, int32_t n, const int8_t *table, int8_t *y)
{
    for (int32_t i = 0; i < n; i++) {
        y[i] = table[x[i] + 128];
    }
}

#endif
