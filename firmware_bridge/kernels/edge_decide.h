/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_decide.h: from logits to a decision, in integers: probabilities, their mean over the last
 * decisions, a threshold with hysteresis. Probabilities are in steps of 2^-30.
 */
#ifndef EDGE_DECIDE_H
#define EDGE_DECIDE_H

#include "edge_port.h"

#define EDGE_ONE 0x40000000u /* a probability of 1 */

/* exp(-scale * d) in steps of 2^-31.
 *   powers   (4, 16): those of each value of d's four digits of four bits
 *   d        [0, 65535]
 */
EDGE_INLINE uint32_t edge_power(const uint32_t *powers, uint32_t d)
{
    uint64_t power = powers[d & 15u];
    for (int32_t digit = 1; digit < 4; digit++) {
        power = (power * powers[16 * digit + (int32_t)(d >> 4 * digit & 15u)] + 0x40000000u) >> 31;
    }
    return (uint32_t)power;
}

/* round(2^30 * part / whole), part at most whole: without a division, which not every core has. */
EDGE_INLINE uint32_t edge_share(uint64_t part, uint64_t whole)
{
    uint32_t share = 0;
    if (part >= whole) {
        return EDGE_ONE;
    }
    for (int32_t bit = 0; bit < 31; bit++) { /* one bit more, to round */
        part <<= 1;
        share <<= 1;
        if (part >= whole) {
            part -= whole;
            share |= 1u;
        }
    }
    return (share + 1u) >> 1;
}

/* The softmax of logits.
 *   logits          (n,) int16
 *   probabilities   (n,) out; n is at least 1
 */
EDGE_INLINE void edge_probabilities(const int16_t *logits, int32_t n, const uint32_t *powers,
                                    uint32_t *probabilities)
{
    int32_t largest = logits[0];
    uint64_t sum = 0;
    for (int32_t o = 1; o < n; o++) {
        largest = logits[o] > largest ? logits[o] : largest;
    }
    for (int32_t o = 0; o < n; o++) {
        probabilities[o] = edge_power(powers, (uint32_t)(largest - logits[o]));
        sum += probabilities[o];
    }
    for (int32_t o = 0; o < n; o++) {
        probabilities[o] = edge_share(probabilities[o], sum);
    }
}

/* The last decisions' probabilities and what was decided for; the caller owns the memory. */
typedef struct {
    int32_t n;      /* decisions that are remembered */
    int32_t next;   /* where the next one goes */
    int32_t choice; /* class, -1: none */
} edge_decider;

/* Decide nothing, and forget what was before. */
EDGE_INLINE void edge_decider_forget(edge_decider *d)
{
    d->n = 0;
    d->next = 0;
    d->choice = -1;
}

/* Decide on a window that can be trusted.
 *   recent      (smooth, n) memory; the new probabilities are in its row d->next already
 *   threshold   mean from which a class is decided for, in steps of 2^-30
 *   release     mean below which it is given up
 *   smoothed    (n,) out: the means
 */
EDGE_INLINE void edge_decider_push(edge_decider *d, const uint32_t *recent, int32_t smooth,
                                   int32_t n, uint32_t threshold, uint32_t release,
                                   uint32_t *smoothed)
{
    uint64_t most = 0, chosen = 0;
    int32_t best = 0;
    d->next = d->next == smooth - 1 ? 0 : d->next + 1;
    d->n = d->n < smooth ? d->n + 1 : smooth;
    for (int32_t o = 0; o < n; o++) {
        uint64_t sum = 0;
        for (int32_t i = 0; i < d->n; i++) { /* rows are filled from the first one on */
            sum += recent[i * n + o];
        }
        if (o == 0 || sum > most) {
            most = sum;
            best = o;
        }
        if (o == d->choice) {
            chosen = sum;
        }
        smoothed[o] = edge_share(sum, (uint64_t)(uint32_t)d->n << 30);
    }
    if (most >= (uint64_t)threshold * (uint32_t)d->n) {
        d->choice = best;
    } else if (d->choice >= 0 && chosen < (uint64_t)release * (uint32_t)d->n) {
        d->choice = -1;
    }
}

#endif
