/* SPDX-License-Identifier: BSD-3-Clause */
/* replay.c: a bare-metal program that reads windows by semihosting, infers and writes the results.
 *
 * Compiled with -DNAME=<model> and that model's header included. Reads `windows.bin`, writes
 * `results.bin`: per window the int16 logits, the int32 sums, and the stack's high-water mark.
 * Marker instructions that no compiler emits (mov r10, r10; mov r11, r11) enclose each inference.
 */
#include <stdint.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#define PAINT 0xa5a5a5a5u
#define DEPTH 4096 /* bytes of stack that are painted */

extern uint32_t stack_top;
void reset(void);

static JOIN(NAME, _t) model;
static int8_t window[N_TIMES * N_CHANS];
static struct {
    int16_t logits[(N_OUTPUTS + 1) / 2 * 2];
    int32_t sums[N_OUTPUTS];
    int32_t stack;
} result;

/* A request to the host that runs the emulator; the documented answer comes back in r0. */
static int32_t host(int32_t operation, const void *argument)
{
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static int32_t open_file(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t arguments[3] = {(uint32_t)(uintptr_t)name, mode, length};
    return host(0x01, arguments);
}

static int32_t transfer(int32_t operation, int32_t file, void *at, uint32_t n)
{
    const uint32_t arguments[3] = {(uint32_t)file, (uint32_t)(uintptr_t)at, n};
    return host(operation, arguments);
}

static void stop(uint32_t status)
{
    const uint32_t arguments[2] = {0x20026u, status};
    host(0x20, arguments);
    for (;;) {
    }
}

static void fault(void)
{
    stop(101);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &stack_top, (void *)reset, (void *)fault, (void *)fault, (void *)fault,
    (void *)fault, (void *)fault, (void *)fault, 0, 0, 0,
    (void *)fault, (void *)fault, 0, (void *)fault, (void *)fault};

#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

/* The call alone lies between the markers: one instruction more than the function itself. */
static int marked_infer(void)
{
    register void *r0 __asm__("r0") = &model;
    register const int8_t *r1 __asm__("r1") = window;
    register int16_t *r2 __asm__("r2") = result.logits;
    __asm__ volatile("mov r10, r10\n bl " TEXT(JOIN(NAME, _infer)) "\n mov r11, r11"
                     : "+r"(r0), "+r"(r1), "+r"(r2)
                     :
                     : "r3", "r12", "lr", "cc", "memory", "d0", "d1", "d2", "d3", "d4", "d5", "d6",
                       "d7");
    return (int)(intptr_t)r0;
}

__attribute__((noinline)) static int32_t infer(void)
{
    uint32_t *const top = (uint32_t *)__builtin_frame_address(0) - 16;
    uint32_t *const end = top - DEPTH / 4;
    for (uint32_t *p = top; p-- > end;) {
        *(volatile uint32_t *)p = PAINT;
    }
    const int done = marked_infer();
    const uint32_t *p = end;
    while (p < top && *(volatile const uint32_t *)p == PAINT) {
        p++;
    }
    result.stack = (int32_t)((const char *)(top + 16) - (const char *)p);
    return done == 1 && JOIN(NAME, _infer_sums)(&model, window, result.sums) == 1;
}

void reset(void)
{
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* floating point and Helium on */
#if defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xe000ed14u |= 1u << 19; /* low-overhead loops */
#endif
    __asm__ volatile("dsb\n isb");
    const int32_t from = open_file("windows.bin", 11, 1), to = open_file("results.bin", 11, 5);
    if (from < 0 || to < 0) {
        stop(102);
    }
    while (transfer(0x06, from, window, sizeof window) == 0) {
        if (!infer() || transfer(0x05, to, &result, sizeof result) != 0) {
            stop(103);
        }
    }
    stop(0);
}
