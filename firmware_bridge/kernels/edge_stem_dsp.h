/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_stem_dsp.h: the stem for Cortex-M4, M7, M33; see edge_stem.h.
 *
 * Mix: SMLAD, two samples of four channels at a time. Filter: two neighbouring mixed samples packed
 * in one word, X = x0 + x1 * 2^21, times two packed taps, V = v0 + v1 * 2^21, gives with one SMLAL
 * four useful products in three fields of a 64-bit sum:
 *
 *     bits 0-20    sum of x0 * v0                       belongs to the output one earlier
 *     bits 21-41   sum of x1 * v0 + x0 * v1             an output
 *     bits 42-63   sum of x1 * v1                       belongs to the output one later
 *
 * so that one sum yields two outputs and a carry. The generator proves that no field overflows.
 * Taps are shifted by one so that output pairs begin at even positions.
 *
 *   window             (n_times, n_chans) int8, sample-major
 *   mix_weight         doubled, as pairs: (n_mixed / 4, n_pairs, 4) int32; a sample's pairs are
 *                      channels (0, 2), (1, 3) of every 4, then what is left in order
 *   mix_scaling        (n_mixed rounded up to 4, 4) int32 as in edge_dense_dsp.h
 *   temporal_weight    (n_mixed, n_taps) int32 of packed, doubled taps V, n_taps = (length + 2) / 2
 *   temporal_scaling   (n_mixed, 4) int32
 *   table              256 int8 applied to the filtered signal
 *   scratch            int32 words: block sums (tile_blocks, n_mixed), open windows
 *                      (n_open, n_mixed), carries (n_mixed), samples as pairs
 *                      (tile / 2 or n_taps, n_pairs, 2), packed rows (n_mixed rounded up to 4,
 *                      tile / 2 + n_taps - 1)
 *   y                  (n_windows, n_mixed) int8
 */
#ifndef EDGE_STEM_DSP_H
#define EDGE_STEM_DSP_H

#define EDGE_FIELD 21 /* bits */

/* x0 + x1 * 2^21 */
EDGE_INLINE int32_t edge_pack(int32_t x0, int32_t x1)
{
    return x0 + (int32_t)((uint32_t)x1 << EDGE_FIELD);
}

/* Pairs of one sample, every second word of `to`. */
EDGE_INLINE void edge_stem_widen(const int8_t *x, int32_t n_chans, int32_t *to)
{
    EDGE_UNROLL
    for (int32_t c = 4; c <= n_chans; c += 4, x += 4, to += 4) {
        const uint32_t word = edge_load_4(x);
        to[0] = edge_even_bytes(word);
        to[2] = edge_odd_bytes(word);
    }
    for (int32_t left = n_chans & 3; left > 0; left -= 2, x += 2, to += 2) {
        to[0] = edge_lower_halves(x[0], left > 1 ? x[1] : 0);
    }
}

/* The two inner loops want 14 registers, which is all there are; a compiler spills some of them or
 * keeps r7 for a frame. So they are written out: operands in fixed registers, r7 saved. The numbers
 * of turns, EDGE_STEM_PAIRS and EDGE_STEM_TAPS, are defined by the model. */
#define EDGE_TEXT_(x) #x
#define EDGE_TEXT(x) EDGE_TEXT_(x)

/* Sums of four channels for two samples.
 *   x     (EDGE_STEM_PAIRS, 2) int32, 4-byte aligned: pairs of the first and the second sample
 *   w     (EDGE_STEM_PAIRS, 4) int32
 *   sum   (4, 2): bias in, sums out
 */
#define EDGE_STEM_DOT_8(x, w, a0, b0, a1, b1, a2, b2, a3, b3)                              \
    do {                                                                                   \
        register int32_t ra0 __asm__("r0") = (a0), rb0 __asm__("r1") = (b0);               \
        register int32_t ra1 __asm__("r2") = (a1), rb1 __asm__("r3") = (b1);               \
        register int32_t ra2 __asm__("r4") = (a2), rb2 __asm__("r5") = (b2);               \
        register int32_t ra3 __asm__("r6") = (a3), rb3 __asm__("r8") = (b3);               \
        register const int32_t *rx __asm__("r9") = (x), *rw __asm__("r10") = (w);          \
        __asm__ volatile(                                                                  \
            "str r7, [sp, #-8]!\n"                                                         \
            ".rept " EDGE_TEXT(EDGE_STEM_PAIRS) "\n"                                       \
            "ldrd r11, r12, [r9], #8\n"                                                    \
            "ldrd r7, lr, [r10], #8\n"                                                     \
            "smlad r0, r11, r7, r0\n"                                                      \
            "smlad r1, r12, r7, r1\n"                                                      \
            "smlad r2, r11, lr, r2\n"                                                      \
            "smlad r3, r12, lr, r3\n"                                                      \
            "ldrd r7, lr, [r10], #8\n"                                                     \
            "smlad r4, r11, r7, r4\n"                                                      \
            "smlad r5, r12, r7, r5\n"                                                      \
            "smlad r6, r11, lr, r6\n"                                                      \
            "smlad r8, r12, lr, r8\n"                                                      \
            ".endr\n"                                                                      \
            "ldr r7, [sp], #8\n"                                                           \
            : "+r"(ra0), "+r"(rb0), "+r"(ra1), "+r"(rb1), "+r"(ra2), "+r"(rb2), "+r"(ra3), \
              "+r"(rb3), "+r"(rx), "+r"(rw)                                                \
            :                                                                              \
            : "r11", "r12", "lr", "memory");                                               \
        (a0) = ra0, (b0) = rb0, (a1) = ra1, (b1) = rb1;                                    \
        (a2) = ra2, (b2) = rb2, (a3) = ra3, (b3) = rb3;                                    \
    } while (0)

#define EDGE_STEM_PRODUCTS(x0, x1, v) /* one tap */                                        \
    "smlal r0, r1, " x0 ", " v "\n"                                                        \
    "smlal r2, r3, " x1 ", " v "\n"
#define EDGE_STEM_TWO_TAPS(x0, x1, x2, x3)                                                 \
    "ldrd r7, lr, [r12], #8\n"                                                             \
    "ldrd " x2 ", " x3 ", [r11], #8\n" EDGE_STEM_PRODUCTS(x0, x1, "r7")                    \
    "smlal r4, r5, " x2 ", r7\n" EDGE_STEM_PRODUCTS(x1, x2, "lr")                          \
    "smlal r4, r5, " x3 ", lr\n"

/* All taps of three 64-bit sums in r0 ... r5: samples from r11 on, the first two of them in r6 and
 * r8, taps from r12 on.
 *   n_taps   a number that the preprocessor knows
 */
#define EDGE_STEM_ALL_TAPS(n_taps)                                                         \
    ".rept (" EDGE_TEXT(n_taps) " / 4)\n"                                                  \
    EDGE_STEM_TWO_TAPS("r6", "r8", "r9", "r10")                                            \
    EDGE_STEM_TWO_TAPS("r9", "r10", "r6", "r8")                                            \
    ".endr\n"                                                                              \
    ".if (" EDGE_TEXT(n_taps) " & 2)\n"                                                    \
    EDGE_STEM_TWO_TAPS("r6", "r8", "r9", "r10")                                            \
    ".endif\n"                                                                             \
    ".if (" EDGE_TEXT(n_taps) " & 3) == 3\n"                                               \
    "ldr r7, [r12]\n"                                                                      \
    "ldr r6, [r11]\n" EDGE_STEM_PRODUCTS("r9", "r10", "r7")                                \
    "smlal r4, r5, r6, r7\n"                                                               \
    ".endif\n"                                                                             \
    ".if (" EDGE_TEXT(n_taps) " & 3) == 1\n"                                               \
    "ldr r7, [r12]\n"                                                                      \
    "ldr r9, [r11]\n" EDGE_STEM_PRODUCTS("r6", "r8", "r7")                                 \
    "smlal r4, r5, r9, r7\n"                                                               \
    ".endif\n"

/* Packed products of three neighbouring output pairs: three 64-bit sums, low words a, c, e.
 *   x   (EDGE_STEM_TAPS + 2,) int32, 4-byte aligned, readable 2 words beyond
 *   v   (EDGE_STEM_TAPS,) int32, readable 1 word beyond
 */
#define EDGE_STEM_FILTER_6(x, v, a, b, c, d, e, f)                                         \
    do {                                                                                   \
        register uint32_t ra __asm__("r0"), rb __asm__("r1"), rc __asm__("r2");            \
        register uint32_t rd __asm__("r3"), re __asm__("r4"), rf __asm__("r5");            \
        register const int32_t *rx __asm__("r11") = (x), *rv __asm__("r12") = (v);         \
        __asm__ volatile(                                                                  \
            "str r7, [sp, #-8]!\n"                                                         \
            "mov r0, #0x100000\n"                                                          \
            "mov r1, #0x200\n"                                                             \
            "mov r2, r0\n"                                                                 \
            "mov r3, r1\n"                                                                 \
            "mov r4, r0\n"                                                                 \
            "mov r5, r1\n"                                                                 \
            "ldrd r6, r8, [r11], #8\n"                                                     \
            EDGE_STEM_ALL_TAPS(EDGE_STEM_TAPS)                                             \
            "ldr r7, [sp], #8\n"                                                           \
            : "=&r"(ra), "=&r"(rb), "=&r"(rc), "=&r"(rd), "=&r"(re), "=&r"(rf), "+r"(rx),  \
              "+r"(rv)                                                                     \
            :                                                                              \
            : "r6", "r8", "r9", "r10", "lr", "memory");                                    \
        (a) = ra, (b) = rb, (c) = rc, (d) = rd, (e) = re, (f) = rf;                        \
    } while (0)

/* Mix n pairs of samples of four channels into their rows.
 *   samples   (n, n_pairs, 2) int32
 *   weight    (n_pairs, 4) int32
 *   scaling   (4, 4) int32
 */
EDGE_NOINLINE void edge_stem_mix_4(const int32_t *samples, int32_t n, const int32_t *weight,
                                   const int32_t *scaling, int32_t *rows, int32_t row)
{
    for (int32_t i = 0; i < n; i++, samples += 2 * EDGE_STEM_PAIRS, rows++) {
        int32_t a0 = scaling[0], b0 = a0, a1 = scaling[4], b1 = a1;
        int32_t a2 = scaling[8], b2 = a2, a3 = scaling[12], b3 = a3;
        EDGE_STEM_DOT_8(samples, weight, a0, b0, a1, b1, a2, b2, a3, b3);
        const int32_t a[4] = {a0, a1, a2, a3}, b[4] = {b0, b1, b2, b3};
        EDGE_UNROLL
        for (int32_t q = 0; q < 4; q++) {
            const int32_t *s = scaling + 4 * q;
            rows[q * row] = edge_pack(edge_finish_dsp(a[q], s[1], s[2], s[3]),
                                      edge_finish_dsp(b[q], s[1], s[2], s[3]));
        }
    }
}

/* Mix n pairs of positions from position p (even) on into word `column` of every row. */
EDGE_INLINE void edge_stem_mix_dsp(const edge_stem_shape *s, const int8_t *window, int32_t p,
                                   int32_t n, const int32_t *weight, const int32_t *scaling,
                                   int32_t *samples, int32_t *rows, int32_t row, int32_t column)
{
    const int32_t n_pairs = EDGE_STEM_PAIRS;
    const int32_t n_groups = (s->n_mixed + 3) / 4;
    for (int32_t i = 0; i < 2 * n; i++) {
        const int32_t t = edge_saturate(p + i - s->pad, 0, s->n_times - 1);
        int32_t *to = samples + 2 * n_pairs * (i / 2) + i % 2;
        edge_stem_widen(window + t * s->n_chans, s->n_chans, to);
    }
    for (int32_t g = 0; g < n_groups; g++) {
        edge_stem_mix_4(samples, n, weight + 4 * n_pairs * g, scaling + 16 * g,
                        rows + 4 * g * row + column, row);
    }
    /* positions outside the window hold the zero point */
    if (p >= s->pad && p + 2 * n <= s->pad + s->n_times) {
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        const int32_t t = p + 2 * i - s->pad;
        const int32_t out0 = t < 0 || t >= s->n_times, out1 = t + 1 < 0 || t + 1 >= s->n_times;
        for (int32_t c = 0; (out0 || out1) && c < s->n_mixed; c++) {
            int32_t *word = rows + c * row + column + i;
            const int32_t x0 = (int32_t)((uint32_t)*word << 11) >> 11;
            const int32_t x1 = (*word - x0) >> EDGE_FIELD;
            *word = edge_pack(out0 ? s->mix_zero : x0, out1 ? s->mix_zero : x1);
        }
    }
}

/* Split a sum of packed products: outputs `first` and `second`, and what the next one carries. */
#define EDGE_SPLIT(low, high, bias, carry, first, second)                                  \
    do {                                                                                   \
        uint32_t lowest; /* a mask would take a register, or two instructions each time */ \
        __asm__("ubfx %0, %1, #0, #21" : "=r"(lowest) : "r"(low));                         \
        (first) = (carry) + (int32_t)lowest;                                               \
        (second) = (bias) + (int32_t)(((low) >> 21) | (((high) & 0x3ffu) << 11));          \
        (carry) = (bias) + ((int32_t)(high) >> 10);                                        \
    } while (0)

/* Fields begin in their middle, so that the lower two are never negative. */
#define EDGE_MIDDLE (((int64_t)1 << 20) + ((int64_t)1 << 41))

/* Block sums in the making. */
typedef struct {
    int32_t sum;
    int32_t left;   /* outputs until the block is full */
    int32_t *sums;  /* where its sum goes */
} edge_stem_blocks;

EDGE_INLINE void edge_stem_add(const edge_stem_shape *s, edge_stem_blocks *blocks, int32_t value,
                               int32_t n)
{
    blocks->sum += value;
    blocks->left -= n;
    if (blocks->left == 0) {
        *blocks->sums = blocks->sum;
        blocks->sums += s->n_mixed;
        blocks->sum = 0;
        blocks->left = s->block;
    }
}

/* Sum the looked-up outputs of n blocks of one channel.
 *   x         packed row of the tile
 *   taps      (n_taps,) packed
 *   factors   (4,)
 *   carry     what the last call's last sum carried, bias included
 *   sums      one per block, n_mixed apart
 */
EDGE_NOINLINE void edge_stem_filter_row(const edge_stem_shape *s, const int32_t *x, int32_t n,
                                      const int32_t *taps, const int32_t *factors,
                                      const int8_t *table, int32_t *carry, int32_t *sums)
{
    const int32_t bias = factors[0] - ((int32_t)1 << 20);
    const int32_t multiplier = factors[1], added = factors[2], right = factors[3];
    const int8_t *middle = table + 128;
    edge_stem_blocks blocks = {0, s->block, sums};
    int32_t carried = *carry, to_do = n * s->block;
    for (; to_do >= 6; to_do -= 6, x += 3) {
        uint32_t a, b, c, d, e, f;
        EDGE_STEM_FILTER_6(x, taps, a, b, c, d, e, f);
        int32_t y[6], start = bias;
        EDGE_IN_REGISTERS(start);
        EDGE_SPLIT(a, b, start, carried, y[0], y[1]);
        EDGE_SPLIT(c, d, start, carried, y[2], y[3]);
        EDGE_SPLIT(e, f, start, carried, y[4], y[5]);
        int32_t m = multiplier, plus = added, e2 = right;
        const int8_t *looked_up = middle;
        EDGE_IN_REGISTERS(m);
        EDGE_IN_REGISTERS(plus);
        EDGE_IN_REGISTERS(e2);
        EDGE_IN_REGISTERS(looked_up);
        EDGE_UNROLL
        for (int32_t q = 0; q < 6; q++) {
            y[q] = looked_up[edge_finish_dsp(y[q], m, plus, e2)];
        }
        if (blocks.left >= 6) {
            edge_stem_add(s, &blocks, y[0] + y[1] + y[2] + y[3] + y[4] + y[5], 6);
        } else {
            EDGE_UNROLL
            for (int32_t q = 0; q < 6; q++) { /* a block ends among these six */
                edge_stem_add(s, &blocks, y[q], 1);
            }
        }
    }
    for (; to_do > 0; to_do -= 2, x++) {
        int64_t a = EDGE_MIDDLE;
        for (int32_t j = 0; j < EDGE_STEM_TAPS; j++) {
            a += (int64_t)x[j] * taps[j];
        }
        int32_t y[2];
        EDGE_SPLIT((uint32_t)a, (uint32_t)((uint64_t)a >> 32), bias, carried, y[0], y[1]);
        for (int32_t q = 0; q < 2 && q < to_do; q++) {
            const int32_t value = middle[edge_finish_dsp(y[q], multiplier, added, right)];
            edge_stem_add(s, &blocks, value, 1);
        }
    }
    *carry = carried;
}

EDGE_INLINE void edge_stem(const edge_stem_shape *s, const int8_t *window,
                           const int32_t *mix_weight, const int32_t *mix_scaling,
                           const int32_t *temporal_weight, const int32_t *temporal_scaling,
                           const int8_t *table, int32_t *scratch, int8_t *y)
{
    const int32_t n_taps = EDGE_STEM_TAPS;
    const int32_t half = s->block * s->tile_blocks / 2;
    const int32_t row = half + n_taps - 1;
    const int32_t n_open = (s->pool_blocks + s->pool_stride - 1) / s->pool_stride;
    const int32_t n_pairs = EDGE_STEM_PAIRS;
    int32_t *sums = scratch;
    int32_t *windows = sums + s->tile_blocks * s->n_mixed;
    int32_t *carries = windows + n_open * s->n_mixed;
    int32_t *samples = carries + s->n_mixed;
    int32_t *rows = samples + 2 * n_pairs * half;
    int32_t column = 0;

    /* the history, at most a tile at a time: the samples' memory is that large */
    while (column < n_taps - 1) {
        const int32_t n = n_taps - 1 - column < half ? n_taps - 1 - column : half;
        edge_stem_mix_dsp(s, window, 2 * column, n, mix_weight, mix_scaling, samples, rows, row,
                          column);
        column += n;
    }
    for (int32_t c = 0; c < s->n_mixed; c++) { /* what the sum before the first one carries */
        int64_t sum = EDGE_MIDDLE;
        for (int32_t j = 1; j < n_taps; j++) {
            sum += (int64_t)rows[c * row + j - 1] * temporal_weight[c * n_taps + j];
        }
        const int32_t bias = temporal_scaling[4 * c] - ((int32_t)1 << 20);
        carries[c] = bias + (int32_t)(sum >> 42);
    }
    for (int32_t b = 0; b < s->n_blocks; b += s->tile_blocks) {
        const int32_t n = s->n_blocks - b < s->tile_blocks ? s->n_blocks - b : s->tile_blocks;
        edge_stem_mix_dsp(s, window, b * s->block + 2 * column, (n * s->block + 1) / 2, mix_weight,
                          mix_scaling, samples, rows, row, column);
        for (int32_t c = 0; c < s->n_mixed; c++) {
            int32_t *x = rows + c * row;
            edge_stem_filter_row(s, x, n, temporal_weight + c * n_taps, temporal_scaling + 4 * c,
                                 table, carries + c, sums + c);
            EDGE_UNROLL
            for (int32_t i = 0; i < n_taps - 1; i++) {
                x[i] = x[i + half];
            }
        }
        edge_stem_pool_tile(s, sums, n, b, windows, y);
    }
}

#endif
