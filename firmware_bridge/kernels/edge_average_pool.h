/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_average_pool.h: mean over length samples every stride, whole windows only.
 *
 *   sizes     see edge_pool_sizes
 *   x         ((n - 1) * stride + length, n_chans) int8
 *   y         (n, n_chans) int8; must not overlap x
 */
#ifndef EDGE_AVERAGE_POOL_H
#define EDGE_AVERAGE_POOL_H

#include "edge_requantize.h"
#if EDGE_PORT == EDGE_PORT_NEON || EDGE_PORT == EDGE_PORT_DOT
#include "edge_neon.h"
#endif

typedef struct {
    int32_t n;       /* positions of the output, >= 1 */
    int32_t n_chans; /* channels of x and of y, >= 1 */
    int32_t length;  /* samples that are averaged, >= 1 */
    int32_t stride;  /* samples, >= 1 */
} edge_pool_sizes;

/* How a sum of stored values becomes a value of y, see edge_requantize. */
typedef struct {
    int32_t weight;     /* what every sample is multiplied with: POOL_WEIGHT of the integer graph */
    int32_t bias;       /* - weight * length * zero point of x */
    int32_t multiplier; /* [0, 2^31) */
    int32_t shift;      /* [-31, 30], to the left where positive; short: [-22, -1] */
    int32_t zero_point; /* of y, [-128, 127] */
} edge_pool_scaling;

EDGE_INLINE int32_t edge_column_sum(const int8_t *x, int32_t n, int32_t n_chans)
{
    int32_t sum = 0;
    EDGE_UNROLL_SOME
    for (int32_t k = 0; k < n; k++) {
        sum += x[k * n_chans];
    }
    return sum;
}

/* With the scale of its input: the rounded mean of the stored values. */
EDGE_INLINE void edge_average_pool(const edge_pool_sizes *sizes, const int8_t *x, int8_t *y)
{
    const int32_t n_chans = sizes->n_chans, length = sizes->length;
    for (int32_t i = 0; i < sizes->n; i++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int8_t *from = x + i * sizes->stride * n_chans + c;
            const int32_t sum = edge_column_sum(from, length, n_chans);
            *y++ = (int8_t)edge_saturate(edge_divide_rounding(sum, length), -128, 127);
        }
    }
}

/* With a scale of its own: the sum times a factor. */
EDGE_INLINE void edge_average_pool_scaled(const edge_pool_sizes *sizes,
                                          const edge_pool_scaling *scaling, const int8_t *x,
                                          int8_t *y)
{
    const int32_t n_chans = sizes->n_chans, length = sizes->length;
    for (int32_t i = 0; i < sizes->n; i++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int8_t *from = x + i * sizes->stride * n_chans + c;
            const int32_t sum = edge_column_sum(from, length, n_chans);
            *y++ = (int8_t)edge_requantize(scaling->weight * sum + scaling->bias,
                                           scaling->multiplier, scaling->shift,
                                           scaling->zero_point);
        }
    }
}

#if EDGE_PORT == EDGE_PORT_DSP || EDGE_PORT == EDGE_PORT_MVE
/* Four channels at a time, sums in pairs. */
EDGE_INLINE void edge_average_pool_dsp(const edge_pool_sizes *sizes,
                                       const edge_pool_scaling *scaling, const int8_t *x,
                                       int8_t *y)
{
    const int32_t n_chans = sizes->n_chans, length = sizes->length, stride = sizes->stride;
    const int32_t weight = scaling->weight, bias = scaling->bias, right = -scaling->shift;
    const int32_t added =
        ((int32_t)1 << (right - 1)) + scaling->zero_point * ((int32_t)1 << right);
    for (int32_t i = 0; i < sizes->n; i++) {
        for (int32_t c = 0; c < n_chans; c += 4) {
            const int8_t *from = x + i * stride * n_chans + c;
            int32_t even = 0, odd = 0;
            for (int32_t k = 0; k < length; k++, from += n_chans) {
                const uint32_t word = edge_load_4(from);
                even = (int32_t)__sxtab16((int16x2_t)even, (int8x4_t)word);
                odd = (int32_t)__sxtab16((int16x2_t)odd, (int8x4_t)edge_rotate_8(word));
            }
            const int32_t sums[4] = {(int16_t)even, (int16_t)odd, even >> 16, odd >> 16};
            EDGE_UNROLL
            for (int32_t q = 0; q < 4; q++) {
                const int32_t doubled = 2 * weight * sums[q] + 2 * bias;
                *y++ = (int8_t)edge_finish_dsp(doubled, scaling->multiplier, added, right);
            }
        }
    }
}
#endif

#if EDGE_PORT == EDGE_PORT_NEON || EDGE_PORT == EDGE_PORT_DOT
/* Eight channels at a time, sums in 16 bits. */
EDGE_INLINE void edge_average_pool_neon(const edge_pool_sizes *sizes,
                                        const edge_pool_scaling *scaling, const int8_t *x,
                                        int8_t *y)
{
    const int32_t n_chans = sizes->n_chans, length = sizes->length, stride = sizes->stride;
    const int32_t weight = scaling->weight;
    const int32x4_t start = vdupq_n_s32(scaling->bias);
    const int32x4_t m = vdupq_n_s32(scaling->multiplier), e = vdupq_n_s32(scaling->shift);
    const int16x8_t zero = vdupq_n_s16((int16_t)scaling->zero_point);
    for (int32_t i = 0; i < sizes->n; i++) {
        EDGE_ROLLED
        for (int32_t c = 0; c < n_chans; c += 8) {
            const int8_t *from = x + i * stride * n_chans + c;
            int16x8_t sums = vdupq_n_s16(0);
            for (int32_t k = 0; k < length; k++, from += n_chans) {
                sums = vaddw_s8(sums, vld1_s8(from));
            }
            const int32x4_t low = vmlaq_n_s32(start, vmovl_s16(vget_low_s16(sums)), weight);
            const int32x4_t high = vmlaq_n_s32(start, vmovl_high_s16(sums), weight);
            vst1_s8(y, edge_narrow_8(edge_finish_4(low, m, e), edge_finish_4(high, m, e), zero));
            y += 8;
        }
    }
}
#endif

/* The same where the short form of requantization is exact. */
EDGE_INLINE void edge_average_pool_short(const edge_pool_sizes *sizes,
                                         const edge_pool_scaling *scaling, const int8_t *x,
                                         int8_t *y)
{
    const int32_t n_chans = sizes->n_chans, length = sizes->length;
#if EDGE_PORT == EDGE_PORT_DSP || EDGE_PORT == EDGE_PORT_MVE
    if (n_chans % 4 == 0 && length <= 255) { /* pairs of 16-bit sums hold */
        edge_average_pool_dsp(sizes, scaling, x, y);
        return;
    }
#elif EDGE_PORT == EDGE_PORT_NEON || EDGE_PORT == EDGE_PORT_DOT
    if (n_chans % 8 == 0 && length <= 255) { /* 16-bit sums hold */
        edge_average_pool_neon(sizes, scaling, x, y);
        return;
    }
#endif
    for (int32_t i = 0; i < sizes->n; i++) {
        for (int32_t c = 0; c < n_chans; c++) {
            const int8_t *from = x + i * sizes->stride * n_chans + c;
            const int32_t sum = edge_column_sum(from, length, n_chans);
            const int32_t scaled = scaling->weight * sum + scaling->bias;
            *y++ = (int8_t)edge_requantize_short(scaled, scaling->multiplier, -scaling->shift,
                                                 scaling->zero_point);
        }
    }
}

#endif
