/* SPDX-License-Identifier: BSD-3-Clause */
/* string.h for a build without a C library: zig's compiler-rt has the functions, not the header. */
#ifndef EDGE_STRING_H
#define EDGE_STRING_H
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
#ifdef __cplusplus
}
#endif
#endif
