/* SPDX-License-Identifier: BSD-3-Clause */
/* linux.c: a static Linux program that checks a model against golden vectors, then times it.
 *
 * Compiled with -DNAME=<model>, the shape, and that model's header included.
 *
 *     linux WINDOWS LOGITS
 *
 * The files hold n windows (N_TIMES, N_CHANS) int8 and n rows (N_OUTPUTS,) int16. Writes one line:
 * the number of windows, the largest difference in quantization steps, the stack's high-water mark
 * in bytes and the most memory that was resident in KiB. Then, for every line with a number on
 * stdin, it infers the first window that often and writes the nanoseconds of every call in one
 * line; for a 0, those from starting a fresh process of itself to that one's main, where it is ready
 * to infer: weights are part of the program. It ends with stdin, and after SILENCE_S seconds without
 * a line, so that it never outlives its caller.
 *
 * On AArch64 marker instructions (mov x10, x10; mov x11, x11) enclose each checked inference, for
 * emulators to count.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

#define PAINT 0xa5
#define DEPTH 16384 /* bytes of stack that are painted */
#define MAX_CALLS 1000000
#define SILENCE_S 60

static JOIN(NAME, _t) model;
static int8_t window[N_TIMES * N_CHANS], first[N_TIMES * N_CHANS];
static int16_t logits[N_OUTPUTS], golden[N_OUTPUTS];
static uint32_t times[MAX_CALLS];

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The call alone lies between the markers: one instruction more than the function itself. */
static int marked_infer(void)
{
#if defined(__aarch64__)
    register void *x0 __asm__("x0") = &model;
    register const int8_t *x1 __asm__("x1") = window;
    register int16_t *x2 __asm__("x2") = logits;
    __asm__ volatile("mov x10, x10\n bl " TEXT(JOIN(NAME, _infer)) "\n mov x11, x11"
                     : "+r"(x0), "+r"(x1), "+r"(x2)
                     :
                     : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
                       "x15", "x16", "x17", "x30", "cc", "memory", "v0", "v1", "v2", "v3", "v4",
                       "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",
                       "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26",
                       "v27", "v28", "v29", "v30", "v31");
    return (int)(intptr_t)x0;
#else
    return JOIN(NAME, _infer)(&model, window, logits);
#endif
}

/* The stack that one inference takes, found by painting. */
static __attribute__((noinline)) long infer(void)
{
    volatile uint8_t *const top = (uint8_t *)__builtin_frame_address(0) - 256;
    for (volatile uint8_t *p = top; p-- > top - DEPTH;) {
        *p = PAINT;
    }
    if (marked_infer() != 1) {
        exit(3);
    }
    volatile uint8_t *p = top - DEPTH;
    while (p < top && *p == PAINT) {
        p++;
    }
    return (long)(top + 256 - p);
}

/* VmHWM of /proc/self/status; 0 where there is none. */
static long resident_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    long found = 0;
    for (char line[128]; status != NULL && fgets(line, sizeof line, status) != NULL;) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            found = strtol(line + 6, NULL, 10);
        }
    }
    return found;
}

/* The nanosecond at which the main of a fresh process begins, from its stdout; 0 if there is none.
 * self: this program's path. */
static uint64_t fresh_ns(const char *self)
{
    int ends[2];
    char text[32] = "";
    if (pipe(ends) != 0) {
        return 0;
    }
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(self, self, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    if (child < 0 || said == NULL || fgets(text, sizeof text, said) == NULL) {
        text[0] = '\0';
    }
    fclose(said);
    waitpid(child, NULL, 0);
    return strtoull(text, NULL, 10);
}

static int check(FILE *windows, FILE *expected)
{
    int n = 0, steps = 0;
    long stack = 0;
    while (fread(window, 1, sizeof window, windows) == sizeof window &&
           fread(golden, 1, sizeof golden, expected) == sizeof golden) {
        for (size_t i = 0; n == 0 && i < sizeof window; i++) {
            first[i] = window[i];
        }
        const long used = infer();
        stack = used > stack ? used : stack;
        for (int o = 0; o < N_OUTPUTS; o++) {
            const int difference = abs(logits[o] - golden[o]);
            steps = difference > steps ? difference : steps;
        }
        n++;
    }
    printf("%d %d %ld %ld\n", n, steps, stack, resident_kib());
    return n;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        printf("%llu\n", (unsigned long long)now_ns());
        return 0;
    }
    FILE *windows = argc == 3 ? fopen(argv[1], "rb") : NULL;
    FILE *expected = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (windows == NULL || expected == NULL || check(windows, expected) == 0) {
        fputs("usage: linux WINDOWS LOGITS\n", stderr);
        return 2;
    }
    fflush(stdout);
    for (char line[32]; alarm(SILENCE_S), fgets(line, sizeof line, stdin) != NULL;) {
        const long n = strtol(line, NULL, 10);
        if (n == 0) {
            const uint64_t start = now_ns();
            printf("%llu\n", (unsigned long long)(fresh_ns(argv[0]) - start));
            fflush(stdout);
        }
        if (n < 1 || n > MAX_CALLS) {
            continue;
        }
        JOIN(NAME, _infer)(&model, first, logits);
        for (long i = 0; i < n; i++) {
            const uint64_t start = now_ns();
            JOIN(NAME, _infer)(&model, first, logits);
            times[i] = (uint32_t)(now_ns() - start);
        }
        for (long i = 0; i < n; i++) {
            printf(i + 1 < n ? "%u " : "%u\n", (unsigned)times[i]);
        }
        fflush(stdout);
    }
    return 0;
}
