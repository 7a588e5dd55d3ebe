/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_stem.h: spatial mix, depthwise temporal filter, table and pool, fused in tiles of samples.
 *
 * The mixed signal (n_mixed, n_times) and the filtered one never exist as a whole: a tile of mixed
 * samples and the length - 1 samples before it are kept, filtered, looked up and summed per block.
 * Time here counts padded mixed samples: position p is sample p - pad; output t of the filter reads
 * positions t ... t + length - 1. Positions outside the window hold the mix's zero point.
 */
#ifndef EDGE_STEM_H
#define EDGE_STEM_H

#include "edge_dense.h"

/* Sizes and factors of one stem; a constant of the model. */
typedef struct {
    int32_t n_times;       /* samples of the window */
    int32_t n_chans;       /* electrodes */
    int32_t n_mixed;       /* mixed channels */
    int32_t length;        /* taps of the temporal filter */
    int32_t pad;           /* zeros on the left */
    int32_t mix_zero;      /* zero point of the mixed signal */
    int32_t temporal_zero; /* zero point of the filtered signal */
    int32_t block;         /* outputs of the filter per block sum */
    int32_t tile_blocks;   /* blocks per tile; block * tile_blocks is even */
    int32_t n_blocks;      /* blocks in all */
    int32_t pool_blocks;   /* blocks per window of the pool */
    int32_t pool_stride;   /* blocks between windows of the pool */
    int32_t pool_length;   /* filter outputs per window of the pool */
    int32_t pool_keeps;    /* 1: the pool keeps its input's scale and averages the stored values */
    int32_t pool_short;    /* 1: the short form of requantization is exact for the pool */
    int32_t pool_weight;   /* else: each value times this, */
    int32_t pool_bias;     /*   plus this, */
    int32_t multiplier;    /*   requantized with these */
    int32_t shift;
    int32_t zero_point;
} edge_stem_shape;

/* One value of the pool from the sum of its window. */
EDGE_INLINE int8_t edge_stem_pooled(const edge_stem_shape *s, int32_t sum)
{
    if (s->pool_keeps) {
        const int32_t mean = edge_divide_rounding(sum, s->pool_length);
        return (int8_t)edge_saturate(mean, -128, 127);
    }
    sum = s->pool_weight * sum + s->pool_bias;
    if (s->pool_short) {
        return (int8_t)edge_requantize_short(sum, s->multiplier, -s->shift, s->zero_point);
    }
    return (int8_t)edge_requantize(sum, s->multiplier, s->shift, s->zero_point);
}

/* Add the sums of one block to the pool's open windows, and write the window that it closes.
 *   block_sums   (n_mixed,) int32
 *   windows      (n_open, n_mixed) int32: sums so far of the windows that a block may belong to,
 *                n_open = ceil(pool_blocks / pool_stride); window j in slot j mod n_open
 *   b            number of the block
 *   y            (n_windows, n_mixed) int8
 */
EDGE_INLINE void edge_stem_pool(const edge_stem_shape *s, const int32_t *block_sums,
                                int32_t *windows, int32_t b, int8_t *y)
{
    const int32_t n_open = (s->pool_blocks + s->pool_stride - 1) / s->pool_stride;
    const int32_t first = b < s->pool_blocks ? 0 : (b - s->pool_blocks) / s->pool_stride + 1;
    for (int32_t j = first; j * s->pool_stride <= b; j++) {
        int32_t *window = windows + (j % n_open) * s->n_mixed;
        const int32_t age = b - j * s->pool_stride;
        for (int32_t c = 0; c < s->n_mixed; c++) {
            const int32_t sum = (age == 0 ? 0 : window[c]) + block_sums[c];
            if (age == s->pool_blocks - 1) {
                y[j * s->n_mixed + c] = edge_stem_pooled(s, sum);
            } else {
                window[c] = sum;
            }
        }
    }
}

/* Pool all blocks of a tile.
 *   block_sums   (n, n_mixed) int32
 *   first        number of the first block
 */
EDGE_INLINE void edge_stem_pool_tile(const edge_stem_shape *s, const int32_t *block_sums,
                                     int32_t n, int32_t first, int32_t *windows, int8_t *y)
{
    if (s->pool_blocks == 1 && s->pool_stride == 1) { /* a block is a window */
        y += first * s->n_mixed;
        for (int32_t i = 0; i < n * s->n_mixed; i++) {
            y[i] = edge_stem_pooled(s, block_sums[i]);
        }
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        edge_stem_pool(s, block_sums + i * s->n_mixed, windows, first + i, y);
    }
}

#include "edge_stem_plain.h"
#if EDGE_PORT == EDGE_PORT_DSP
#include "edge_stem_dsp.h"
#elif EDGE_PORT == EDGE_PORT_NEON
#include "edge_stem_neon.h"
#elif EDGE_PORT == EDGE_PORT_DOT
#include "edge_stem_dot.h"
#elif EDGE_PORT == EDGE_PORT_MVE
#include "edge_stem_mve.h"
#else
#define edge_stem edge_stem_plain
#endif

#endif
