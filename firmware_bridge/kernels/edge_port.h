/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_port.h: which instructions this compiler may use, and what C99 leaves open.
 *
 * The port is chosen by the compiler's own macros; define EDGE_PORTABLE to get plain C anywhere.
 * All ports give the same bits. gcc does not tell of -msingle-pic-base, which keeps r9 for itself:
 * define EDGE_PORTABLE there on Cortex-M. Kernels are static: any number of models fit in one program.
 */
#ifndef EDGE_PORT_H
#define EDGE_PORT_H

#include <stdint.h>
#include <string.h>

#define EDGE_PORT_PLAIN 0 /* any C99 compiler: RISC-V, Xtensa, PIC32, x86 */
#define EDGE_PORT_DSP 1   /* Cortex-M4, M7, M33: SMLAD, SMLAL, SMMLAR, SSAT */
#define EDGE_PORT_MVE 2   /* Cortex-M55, M85: Helium */
#define EDGE_PORT_NEON 3  /* aarch64: Cortex-A53, A72 */
#define EDGE_PORT_DOT 4   /* aarch64 with SDOT: Cortex-A55, A76 */

#if defined(EDGE_PORTABLE) || (defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
#define EDGE_PORT EDGE_PORT_PLAIN
#elif defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#define EDGE_PORT EDGE_PORT_MVE
#elif defined(__aarch64__) && defined(__ARM_NEON) && defined(__ARM_FEATURE_DOTPROD)
#define EDGE_PORT EDGE_PORT_DOT
#elif defined(__aarch64__) && defined(__ARM_NEON)
#define EDGE_PORT EDGE_PORT_NEON
#elif defined(__ARM_FEATURE_DSP) && defined(__ARM_ARCH) && defined(__thumb2__) && \
    defined(__GNUC__) && defined(__ARM_RWPI)
#pragma message("edge: -frwpi keeps r9 for itself and the fast kernels use it, so plain C is taken")
#define EDGE_PORT EDGE_PORT_PLAIN
#elif defined(__ARM_FEATURE_DSP) && defined(__ARM_ARCH) && defined(__thumb2__) && \
    defined(__GNUC__)
#define EDGE_PORT EDGE_PORT_DSP
#else
#define EDGE_PORT EDGE_PORT_PLAIN
#endif

#if defined(__GNUC__)
#define EDGE_INLINE static inline __attribute__((always_inline))
#define EDGE_NOINLINE static __attribute__((noinline, unused))
#define EDGE_ALIGNED __attribute__((aligned(16)))
/* also where a freestanding compiler would call a function */
#define EDGE_COPY(to, from, n) __builtin_memcpy((to), (from), (n))
#else
#define EDGE_INLINE static inline
#define EDGE_NOINLINE static inline
#define EDGE_ALIGNED
#define EDGE_COPY(to, from, n) memcpy((to), (from), (n))
#endif

/* A pointer to what no other pointer of the function reaches. */
#if defined(__GNUC__)
#define EDGE_RESTRICT __restrict
#else
#define EDGE_RESTRICT
#endif

/* Before a short loop whose number of turns is a constant of the model. Define EDGE_UNROLL and
 * EDGE_UNROLL_SOME as nothing where compilation has to be quick: sanitizers check each turn. */
#if defined(EDGE_UNROLL)
/* as it was defined outside */
#elif defined(__clang__)
#define EDGE_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define EDGE_UNROLL _Pragma("GCC unroll 32")
#else
#define EDGE_UNROLL
#endif

/* Before a long loop. */
#if defined(EDGE_UNROLL_SOME)
/* as it was defined outside */
#elif defined(__clang__)
#define EDGE_UNROLL_SOME _Pragma("clang loop unroll_count(4)")
#elif defined(__GNUC__)
#define EDGE_UNROLL_SOME _Pragma("GCC unroll 4")
#else
#define EDGE_UNROLL_SOME
#endif

/* Before a loop that takes little of the time: as little code as it can be. */
#if defined(__clang__)
#define EDGE_ROLLED _Pragma("clang loop unroll(disable) interleave(disable)")
#elif defined(__GNUC__)
#define EDGE_ROLLED _Pragma("GCC unroll 1")
#else
#define EDGE_ROLLED
#endif

/* EDGE_SET(field) value: a member of an initializer by its name. C++ before 2020 has no names there
 * and takes the order, which is that of the struct. */
#if defined(__cplusplus) && __cplusplus < 202002L
#define EDGE_SET(field)
#else
#define EDGE_SET(field) .field =
#endif

/* A benchmark may define EDGE_LAYER(i) to learn which step runs; it does nothing by itself. */
#ifndef EDGE_LAYER
#define EDGE_LAYER(i) ((void)0)
#endif

/* What C99 leaves to the implementation and this engine relies on. */
typedef char edge_needs_8_bit_chars[(INT8_MIN == -128) ? 1 : -1];
typedef char edge_needs_arithmetic_right_shift[((-3) >> 1) == -2 ? 1 : -1];

#endif
