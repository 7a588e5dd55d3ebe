/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_float.h: operations that the recipe leaves in float32; <math.h> in single precision only.
 *
 * Shapes as in the int8 kernels; values are float32 and no quantization is involved, except in
 * edge_quantize and edge_dequantize. Results are within rounding of the reference.
 */
#ifndef EDGE_FLOAT_H
#define EDGE_FLOAT_H

#include <math.h>

#include "edge_requantize.h"

/* round(x / scale) + zero_point, ties to even, saturated.
 *   x   (n,) float; y (n,) int8
 */
EDGE_INLINE void edge_quantize(const float *x, int32_t n, float scale, int32_t zero_point,
                               int8_t *y)
{
    EDGE_ROLLED
    for (int32_t i = 0; i < n; i++) {
        float steps = x[i] / scale;
        if (!(steps > -512.0f)) {
            steps = -512.0f;
        } else if (steps > 512.0f) {
            steps = 512.0f;
        }
        int32_t whole = (int32_t)steps;
        const float rest = steps - (float)whole;
        const int32_t odd = whole & 1;
        if (rest > 0.5f || (rest >= 0.5f && odd)) {
            whole++;
        } else if (rest < -0.5f || (rest <= -0.5f && odd)) {
            whole--;
        }
        y[i] = (int8_t)edge_saturate(whole + zero_point, -128, 127);
    }
}

/* scale * (x - zero_point).
 *   x   (n,) int8; y (n,) float
 */
EDGE_INLINE void edge_dequantize(const int8_t *x, int32_t n, float scale, int32_t zero_point,
                                 float *y)
{
    EDGE_UNROLL_SOME
    for (int32_t i = 0; i < n; i++) {
        y[i] = scale * (float)(x[i] - zero_point);
    }
}

#if EDGE_PORT == EDGE_PORT_DSP && defined(__ARM_FP) && (__ARM_FP & 4) && defined(__ARM_FEATURE_FMA)
/* Four inputs times four outputs: compilers load every weight by itself, VLDM loads sixteen.
 *   x (4,), w (4, 4): advanced by what was read; a ... d: sums
 */
#define EDGE_FLOAT_4X4(x, w, a, b, c, d)                                                   \
    __asm__("vldmia %0!, {s16-s19}\n"                                                      \
            "vldmia %1!, {s20-s31}\n"                                                      \
            "vfma.f32 %2, s20, s16\n"                                                      \
            "vfma.f32 %3, s21, s16\n"                                                      \
            "vfma.f32 %4, s22, s16\n"                                                      \
            "vfma.f32 %5, s23, s16\n"                                                      \
            "vfma.f32 %2, s24, s17\n"                                                      \
            "vfma.f32 %3, s25, s17\n"                                                      \
            "vfma.f32 %4, s26, s17\n"                                                      \
            "vfma.f32 %5, s27, s17\n"                                                      \
            "vfma.f32 %2, s28, s18\n"                                                      \
            "vfma.f32 %3, s29, s18\n"                                                      \
            "vfma.f32 %4, s30, s18\n"                                                      \
            "vfma.f32 %5, s31, s18\n"                                                      \
            "vldmia %1!, {s20-s23}\n"                                                      \
            "vfma.f32 %2, s20, s19\n"                                                      \
            "vfma.f32 %3, s21, s19\n"                                                      \
            "vfma.f32 %4, s22, s19\n"                                                      \
            "vfma.f32 %5, s23, s19\n"                                                      \
            : "+r"(x), "+r"(w), "+t"(a), "+t"(b), "+t"(c), "+t"(d)                         \
            :                                                                              \
            : "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", \
              "s27", "s28", "s29", "s30", "s31", "memory")
#endif

typedef struct {
    int32_t n_times;   /* samples of x, >= 1 */
    int32_t n_inputs;  /* channels of x, >= 1; of y too where it is depthwise */
    int32_t length;    /* of the filter, samples, >= 1 */
    int32_t stride;    /* samples, >= 1 */
    int32_t pad;       /* samples on the left, [0, length); the right side follows from n */
    int32_t n;         /* positions of the output, >= 1 */
    int32_t n_outputs; /* channels that are computed, >= 1 */
    int32_t y_step;    /* values of y between positions, >= n_outputs */
    int32_t relu;      /* 1 clamps at zero, 0 does not */
} edge_float_conv_sizes;

/* Full convolution with padding, four outputs at a time.
 *   x (n_times, n_inputs), y (n, n_outputs), its samples y_step apart
 *   weight (n_outputs / 4, length, n_inputs, 4), n_outputs rounded up and filled with zeros
 *   bias (n_outputs rounded up to 4,)
 */
EDGE_INLINE void edge_float_conv(const edge_float_conv_sizes *sizes, const float *x,
                                 const float *weight, const float *bias, float *y)
{
    const int32_t n_times = sizes->n_times, n_inputs = sizes->n_inputs, length = sizes->length;
    const int32_t n_outputs = sizes->n_outputs, relu = sizes->relu;
    EDGE_ROLLED
    for (int32_t i = 0; i < sizes->n; i++, y += sizes->y_step) {
        const int32_t before = sizes->pad - i * sizes->stride;
        const int32_t first = before > 0 ? before : 0;
        const int32_t end = n_times + before < length ? n_times + before : length;
        EDGE_ROLLED
        for (int32_t o = 0; o < n_outputs; o += 4) {
            const float *w = weight + (o * length + 4 * first) * n_inputs;
            const float *from = x + (first - before) * n_inputs;
            float sums[4] = {bias[o], bias[o + 1], bias[o + 2], bias[o + 3]};
            EDGE_ROLLED
            for (int32_t k = first; k < end; k++) {
                int32_t c = 0;
#if defined(EDGE_FLOAT_4X4)
                for (; c + 4 <= n_inputs; c += 4) {
                    EDGE_FLOAT_4X4(from, w, sums[0], sums[1], sums[2], sums[3]);
                }
#endif
                for (; c < n_inputs; c++, w += 4, from++) {
                    sums[0] += w[0] * *from;
                    sums[1] += w[1] * *from;
                    sums[2] += w[2] * *from;
                    sums[3] += w[3] * *from;
                }
            }
            EDGE_UNROLL
            for (int32_t q = 0; q < 4; q++) {
                if (o + q < n_outputs) {
                    y[o + q] = relu && sums[q] < 0.0f ? 0.0f : sums[q];
                }
            }
        }
    }
}

/* The same with int8 weights, dequantized four outputs at a time.
 *   weight as above; scale: of all weights; fours (4 * length * n_inputs,): scratch
 */
EDGE_INLINE void edge_float_conv_int8(const edge_float_conv_sizes *sizes, const float *x,
                                      const int8_t *weight, float scale, const float *bias,
                                      float *fours, float *y)
{
    const int32_t n_weights = sizes->length * sizes->n_inputs; /* of an output */
    edge_float_conv_sizes four = *sizes;
    EDGE_ROLLED
    for (int32_t o = 0; o < sizes->n_outputs; o += 4) {
        four.n_outputs = sizes->n_outputs - o < 4 ? sizes->n_outputs - o : 4;
        edge_dequantize(weight + o * n_weights, 4 * n_weights, scale, 0, fours);
        edge_float_conv(&four, x, fours, bias + o, y + o);
    }
}

/* Depthwise convolution with padding.
 *   x (n_times, n_inputs), weight (length, n_inputs), bias (n_inputs,), y (n, n_inputs)
 */
EDGE_INLINE void edge_float_depthwise(const edge_float_conv_sizes *sizes, const float *x,
                                      const float *weight, const float *bias, float *y)
{
    const int32_t n_times = sizes->n_times, n_chans = sizes->n_inputs, length = sizes->length;
    const int32_t relu = sizes->relu;
    EDGE_ROLLED
    for (int32_t i = 0; i < sizes->n; i++) {
        const int32_t before = sizes->pad - i * sizes->stride;
        const int32_t first = before > 0 ? before : 0;
        const int32_t end = n_times + before < length ? n_times + before : length;
        EDGE_ROLLED
        for (int32_t c = 0; c < n_chans; c++) {
            const float *w = weight + first * n_chans + c;
            const float *from = x + (first - before) * n_chans + c;
            float sum = bias[c];
            EDGE_UNROLL_SOME
            for (int32_t k = first; k < end; k++, w += n_chans, from += n_chans) {
                sum += *w * *from;
            }
            *y++ = relu && sum < 0.0f ? 0.0f : sum;
        }
    }
}

/* Mean over length samples every stride.
 *   x ((n - 1) * stride + length, n_chans), y (n, n_chans)
 */
EDGE_INLINE void edge_float_pool(const float *x, int32_t n, int32_t n_chans, int32_t length,
                                 int32_t stride, float *y)
{
    const float factor = 1.0f / (float)length;
    EDGE_ROLLED
    for (int32_t i = 0; i < n; i++) {
        EDGE_ROLLED
        for (int32_t c = 0; c < n_chans; c++) {
            float sum = 0.0f;
            EDGE_ROLLED
            for (int32_t k = 0; k < length; k++) {
                sum += x[(i * stride + k) * n_chans + c];
            }
            *y++ = sum * factor;
        }
    }
}

/* Product; `other` is broadcast: its value for (t, c) is other[t * time_step + c * chan_step].
 *   x (n_times, n_chans), y (n_times, n_chans), may be x
 */
EDGE_INLINE void edge_float_multiply(const float *x, int32_t n_times, int32_t n_chans,
                                     const float *other, int32_t time_step, int32_t chan_step,
                                     float *y)
{
    EDGE_ROLLED
    for (int32_t t = 0; t < n_times; t++) {
        EDGE_UNROLL_SOME
        for (int32_t c = 0; c < n_chans; c++) {
            *y++ = *x++ * other[t * time_step + c * chan_step];
        }
    }
}

/* Sum; `other` is broadcast: its value for (t, c) is other[t * time_step + c * chan_step].
 *   x (n_times, n_chans), y (n_times, n_chans), may be x
 */
EDGE_INLINE void edge_float_add(const float *x, int32_t n_times, int32_t n_chans,
                                 const float *other, int32_t time_step, int32_t chan_step,
                                 float *y)
{
    EDGE_ROLLED
    for (int32_t t = 0; t < n_times; t++) {
        EDGE_UNROLL_SOME
        for (int32_t c = 0; c < n_chans; c++) {
            *y++ = *x++ + other[t * time_step + c * chan_step];
        }
    }
}

/* Difference; `other` is broadcast: its value for (t, c) is other[t * time_step + c * chan_step].
 *   x (n_times, n_chans), y (n_times, n_chans), may be x
 */
EDGE_INLINE void edge_float_sub(const float *x, int32_t n_times, int32_t n_chans,
                                 const float *other, int32_t time_step, int32_t chan_step,
                                 float *y)
{
    EDGE_ROLLED
    for (int32_t t = 0; t < n_times; t++) {
        EDGE_ROLLED
        for (int32_t c = 0; c < n_chans; c++) {
            *y++ = *x++ - other[t * time_step + c * chan_step];
        }
    }
}

/* Quotient; `other` is broadcast: its value for (t, c) is other[t * time_step + c * chan_step].
 *   x (n_times, n_chans), y (n_times, n_chans), may be x
 */
EDGE_INLINE void edge_float_div(const float *x, int32_t n_times, int32_t n_chans,
                                 const float *other, int32_t time_step, int32_t chan_step,
                                 float *y)
{
    EDGE_ROLLED
    for (int32_t t = 0; t < n_times; t++) {
        EDGE_ROLLED
        for (int32_t c = 0; c < n_chans; c++) {
            *y++ = *x++ / other[t * time_step + c * chan_step];
        }
    }
}

/* Largest value over all of time, y (n_chans,), or over the channels of each sample, y (n_times,).
 *   x (n_times, n_chans)
 */
EDGE_INLINE void edge_float_maximum_over_time(const float *x, int32_t n_times, int32_t n_chans,
                                              float *y)
{
    EDGE_ROLLED
    for (int32_t c = 0; c < n_chans; c++) {
        float largest = x[c];
        EDGE_ROLLED
        for (int32_t t = 1; t < n_times; t++) {
            const float value = x[t * n_chans + c];
            largest = value > largest ? value : largest;
        }
        y[c] = largest;
    }
}

EDGE_INLINE void edge_float_maximum_over_channels(const float *x, int32_t n_times, int32_t n_chans,
                                                  float *y)
{
    EDGE_ROLLED
    for (int32_t t = 0; t < n_times; t++) {
        float largest = x[0];
        EDGE_ROLLED
        for (int32_t c = 1; c < n_chans; c++) {
            largest = x[c] > largest ? x[c] : largest;
        }
        *y++ = largest;
        x += n_chans;
    }
}

/* Functions of one value: x (n,) float, y (n,) float, may be x. */
EDGE_INLINE void edge_float_relu(const float *x, int32_t n, float *y)
{
    EDGE_ROLLED
    for (int32_t i = 0; i < n; i++) {
        y[i] = x[i] > 0.0f ? x[i] : 0.0f;
    }
}

EDGE_INLINE void edge_float_leaky_relu(const float *x, int32_t n, float slope, float *y)
{
    EDGE_ROLLED
    for (int32_t i = 0; i < n; i++) {
        y[i] = x[i] >= 0.0f ? x[i] : slope * x[i];
    }
}

EDGE_INLINE void edge_float_elu(const float *x, int32_t n, float *y)
{
    EDGE_ROLLED
    for (int32_t i = 0; i < n; i++) {
        y[i] = x[i] < 0.0f ? expm1f(x[i]) : x[i];
    }
}

EDGE_INLINE void edge_float_sigmoid(const float *x, int32_t n, float *y)
{
    EDGE_ROLLED
    for (int32_t i = 0; i < n; i++) {
        y[i] = 1.0f / (1.0f + expf(-x[i]));
    }
}

/* From expf alone, which every C library for a microcontroller has; within 1e-7. */
EDGE_INLINE void edge_float_tanh(const float *x, int32_t n, float *y)
{
    EDGE_ROLLED
    for (int32_t i = 0; i < n; i++) {
        const float magnitude = x[i] < 0.0f ? -x[i] : x[i];
        const float small = expf(-2.0f * magnitude);
        const float value = (1.0f - small) / (1.0f + small);
        y[i] = x[i] < 0.0f ? -value : value;
    }
}

EDGE_INLINE void edge_float_exp(const float *x, int32_t n, float *y)
{
    EDGE_ROLLED
    for (int32_t i = 0; i < n; i++) {
        y[i] = expf(x[i]);
    }
}

EDGE_INLINE void edge_float_log(const float *x, int32_t n, float *y)
{
    EDGE_ROLLED
    for (int32_t i = 0; i < n; i++) {
        y[i] = logf(x[i]);
    }
}

EDGE_INLINE void edge_float_sqrt(const float *x, int32_t n, float *y)
{
    EDGE_ROLLED
    for (int32_t i = 0; i < n; i++) {
        y[i] = sqrtf(x[i]);
    }
}

EDGE_INLINE void edge_float_gelu(const float *x, int32_t n, float *y)
{
    EDGE_ROLLED
    for (int32_t i = 0; i < n; i++) {
        y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
    }
}

#endif
