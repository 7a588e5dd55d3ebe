/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_packed_dsp.h: a packed row through filter, requantization and table; see edge_stem_dsp.h.
 *
 * One loop in asm: between the products of six outputs and their requantization all registers change
 * their meaning, and a compiler spends a fifth of its instructions on moving them through the stack.
 */
#ifndef EDGE_PACKED_DSP_H
#define EDGE_PACKED_DSP_H

#include <stddef.h>

#include "edge_stem.h"

/* What the loop reads and moves on, in the order of its loads. */
typedef struct {
    uint32_t start[6];     /* three sums before the first product: EDGE_MIDDLE */
    int32_t bias;          /* less 2^20, which the middle adds */
    int32_t multiplier;
    int32_t added;
    int32_t right;
    const int8_t *middle;  /* table + 128, or nothing */
    int32_t carried;       /* what the sum before the first one carries, bias included */
    int8_t *y;             /* of the next output */
    const int32_t *x;      /* packed words of the next sum */
    const int32_t *taps;
    const int32_t *end;    /* x after the last turn */
} edge_packed_row;

/* Where the asm below finds them, from bias on. */
#define EDGE_PACKED_PLACE(field, place)                                                    \
    typedef char edge_packed_row_##field##_has_its_place                                   \
        [offsetof(edge_packed_row, field) == offsetof(edge_packed_row, bias) + (place) ? 1 : -1]
typedef char edge_packed_row_start_has_its_place[offsetof(edge_packed_row, bias) == 24 ? 1 : -1];
EDGE_PACKED_PLACE(multiplier, 4);
EDGE_PACKED_PLACE(added, 8);
EDGE_PACKED_PLACE(right, 12);
EDGE_PACKED_PLACE(middle, 16);
EDGE_PACKED_PLACE(carried, 20);
EDGE_PACKED_PLACE(y, 24);
EDGE_PACKED_PLACE(x, 28);
EDGE_PACKED_PLACE(taps, 32);
EDGE_PACKED_PLACE(end, 36);

/* Middle and table, once for all channels. A function of its own: gcc takes the asm below for
 * shorter than it is and would load these constants from too far behind it.
 *   table   256 int8, or NULL
 */
EDGE_NOINLINE void edge_packed_open(edge_packed_row *row, const int8_t *table)
{
    for (int32_t i = 0; i < 6; i += 2) {
        row->start[i] = (uint32_t)1 << 20;
        row->start[i + 1] = (uint32_t)1 << 9;
    }
    row->middle = table != NULL ? table + 128 : NULL;
}

/* Factors of one channel.
 *   factors   (4,) int32 as in edge_dense_dsp.h
 */
EDGE_INLINE void edge_packed_begin(edge_packed_row *row, const int32_t *factors)
{
    row->bias = factors[0] - ((int32_t)1 << 20);
    row->multiplier = factors[1];
    row->added = factors[2];
    row->right = factors[3];
    row->carried = row->bias;
}

/* r6 ... r12: bias, multiplier, added, right, middle, carried, y. lr: the first output. */
#define EDGE_PACKED_OUTPUT(sum, value, look_up, store, step)                               \
    "smmlar " value ", " sum ", r7, r8\n"                                                  \
    "add " value ", " value ", " sum ", asr #31\n"                                         \
    "asr " value ", " value ", r9\n"                                                       \
    "ssat " value ", #8, " value "\n" look_up(value)                                       \
    store " " value ", [r12], #" EDGE_TEXT(step) "\n"
#define EDGE_PACKED_PAIR(low, high, look_up, store, step)                                  \
    "ubfx lr, " low ", #0, #21\n"                                                          \
    "add lr, lr, r11\n"                                                                    \
    "lsr " low ", " low ", #21\n"                                                          \
    "bfi " low ", " high ", #11, #10\n"                                                    \
    "add " low ", " low ", r6\n"                                                           \
    "add r11, r6, " high ", asr #10\n"                                                     \
    EDGE_PACKED_OUTPUT("lr", high, look_up, store, step)                                   \
    EDGE_PACKED_OUTPUT(low, high, look_up, "strb", step)
#define EDGE_PACKED_TABLE(value) "ldrsb " value ", [r10, " value "]\n"
#define EDGE_PACKED_NO_TABLE(value)

/* Outputs 1 ... 6 * turns - 1 to y, y + step, ...; output 0, which would need what a sum before it
 * carries, is not stored. At least one turn.
 *   row       x: n_taps + 2 words, readable 2 beyond, then 3 more a turn
 *   n_taps, step   a number that the preprocessor knows; step in [1, 255]
 *   look_up   EDGE_PACKED_TABLE or EDGE_PACKED_NO_TABLE
 */
#define EDGE_PACKED_ROW(row, n_taps, step, look_up)                                        \
    do {                                                                                   \
        register int32_t *at __asm__("r12") = &(row)->bias;                                \
        __asm__ volatile(                                                                  \
            "push {r7, r12}\n"                                                             \
            "mov lr, r12\n"                                                                \
            "ldrd r11, r12, [lr, #28]\n"                                                   \
            "cmp lr, lr\n" /* equal in the first turn only */                              \
            "1:\n"                                                                         \
            "ldmdb lr, {r0-r5}\n"                                                          \
            "ldrd r6, r8, [r11], #8\n"                                                     \
            EDGE_STEM_ALL_TAPS(n_taps)                                                     \
            "ldr lr, [sp, #4]\n"                                                           \
            "ldm lr, {r6-r12}\n"                                                           \
            EDGE_PACKED_PAIR("r0", "r1", look_up, "it ne\nstrbne", step)                   \
            EDGE_PACKED_PAIR("r2", "r3", look_up, "strb", step)                            \
            EDGE_PACKED_PAIR("r4", "r5", look_up, "strb", step)                            \
            "ldr lr, [sp, #4]\n"                                                           \
            "strd r11, r12, [lr, #20]\n"                                                   \
            "ldrd r11, r12, [lr, #28]\n"                                                   \
            "ldr r0, [lr, #36]\n"                                                          \
            "add r11, r11, #12\n"                                                          \
            "str r11, [lr, #28]\n"                                                         \
            "cmp r11, r0\n"                                                                \
            "bne 1b\n"                                                                     \
            "pop {r7, r12}\n"                                                              \
            : "+r"(at)                                                                     \
            :                                                                              \
            : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "lr",    \
              "cc", "memory");                                                             \
    } while (0)

#endif
