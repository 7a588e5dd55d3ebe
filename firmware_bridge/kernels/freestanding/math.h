/* SPDX-License-Identifier: BSD-3-Clause */
/* math.h: what generated C calls, where a freestanding compiler brings no C library. */
#ifndef EDGE_EMULATED_MATH_H
#define EDGE_EMULATED_MATH_H

float erff(float);
float expf(float);
float expm1f(float);
float logf(float);
float sqrtf(float);

#endif
