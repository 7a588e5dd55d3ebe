/* SPDX-License-Identifier: BSD-3-Clause */
/* markers.c: the marker instructions of qemu_count.c, for a Python that is emulated to call. */
#define EXPORT __attribute__((visibility("default")))

EXPORT void begin(void);
EXPORT void end(void);

void begin(void)
{
    __asm__ volatile("mov x10, x10");
}

void end(void)
{
    __asm__ volatile("mov x11, x11");
}
