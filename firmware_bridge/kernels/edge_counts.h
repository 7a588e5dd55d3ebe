/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_counts.h: counts out of a buffer as converters and DMA leave it. */
#ifndef EDGE_COUNTS_H
#define EDGE_COUNTS_H

#include "edge_port.h"

/* How a count lies in memory. */
typedef enum {
    EDGE_COUNT_INT16 = 0,    /* in this processor's order */
    EDGE_COUNT_INT32 = 1,    /* in this processor's order */
    EDGE_COUNT_INT16_BE = 2, /* most significant byte first, as from a shift register */
    EDGE_COUNT_INT24_BE = 3  /* the same in three bytes: ADS1299, ADS1298 */
} edge_format;

/* A buffer of frames; it is read in place.
 *   data         any alignment
 *   n_frames     frames in it
 *   by_channel   0: frame after frame; 1: all of the first channel, then all of the second, ...
 *   skip         bytes before each frame (before each channel, where they lie so) that are no
 *                counts: 3 for the status word of an ADS1299
 */
typedef struct {
    const void *data;
    edge_format format;
    int32_t n_frames;
    int32_t by_channel;
    int32_t skip;
} edge_block;

EDGE_INLINE int32_t edge_count_bytes(edge_format format)
{
    return format == EDGE_COUNT_INT32 ? 4 : format == EDGE_COUNT_INT24_BE ? 3 : 2;
}

EDGE_INLINE int32_t edge_count(const uint8_t *at, edge_format format)
{
    int16_t two;
    int32_t four;
    switch (format) {
    case EDGE_COUNT_INT16:
        EDGE_COPY(&two, at, 2);
        return two;
    case EDGE_COUNT_INT16_BE:
        return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16) >> 16;
    case EDGE_COUNT_INT24_BE:
        return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8) >> 8;
    default:
        EDGE_COPY(&four, at, 4);
        return four;
    }
}

/* One frame of a block.
 *   frame    [0, n_frames)
 *   counts   (n_inputs,) out
 */
EDGE_INLINE void edge_counts_of(const edge_block *b, int32_t n_inputs, int32_t frame,
                                int32_t *counts)
{
    const int32_t size = edge_count_bytes(b->format);
    const int32_t step = b->by_channel ? b->skip + size * b->n_frames : size;
    const uint8_t *at = (const uint8_t *)b->data + b->skip;
    at += frame * (b->by_channel ? size : b->skip + size * n_inputs);
    for (int32_t c = 0; c < n_inputs; c++, at += step) {
        counts[c] = edge_count(at, b->format);
    }
}

#endif
