/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_guard.h: whether a signal can be trusted, in counts: channels that stand still, are at the
 * end of the converter's range or have lost their electrode, and frames that were lost on their way.
 */
#ifndef EDGE_GUARD_H
#define EDGE_GUARD_H

#include "edge_port.h"

/* What was noticed with a frame; bits of an event's `noticed`. */
#define EDGE_NOTICED_RESTARTED 1u    /* everything before is forgotten: the first frame, or a gap too long */
#define EDGE_NOTICED_INTERPOLATED 2u /* lost frames were bridged by straight lines */
#define EDGE_NOTICED_GAP 4u          /* more were lost than is bridged */
#define EDGE_NOTICED_REPEATED 8u     /* the frame had been there already, or an older one; it is dropped */
#define EDGE_NOTICED_FAULT 16u       /* a channel's fault begins or ends */

/* Why a window is not decided on, and what is wrong with a channel. */
typedef enum {
    EDGE_IS_TRUSTED = 0,
    EDGE_IS_UNDECIDED = 1,  /* no class reaches the threshold */
    EDGE_IS_FILLING = 2,    /* the first window is not full */
    EDGE_IS_SETTLING = 3,   /* the filter has not settled since the signal began */
    EDGE_IS_FLAT = 4,       /* a channel stands still */
    EDGE_IS_SATURATED = 5,  /* a channel is at the end of its range */
    EDGE_IS_LEAD_OFF = 6    /* the converter says that an electrode is off */
} edge_why;

/* What counts as a fault. */
typedef struct {
    int32_t flat;      /* equal samples in a row that make a channel flat */
    int32_t railed;    /* samples in a row at the end of the range that make it saturated */
    int32_t low, high; /* ends of the range, in counts */
} edge_tolerance;

/* One channel so far. */
typedef struct {
    int32_t last;     /* count of the last frame */
    int32_t standing; /* samples in a row that were equal to the one before */
    int32_t railed;   /* samples in a row at the end of the range */
    int32_t fault;    /* edge_why */
} edge_channel;

EDGE_INLINE int32_t edge_counted(int32_t is_so, int32_t before, int32_t enough)
{
    return !is_so ? 0 : before < enough ? before + 1 : before;
}

/* Judge a channel's next sample; the return value is what is wrong with it. */
EDGE_INLINE edge_why edge_judged(edge_channel *c, const edge_tolerance *t, int32_t is_equal,
                                 int32_t is_at_rail, int32_t is_off)
{
    c->standing = edge_counted(is_equal, c->standing, t->flat);
    c->railed = edge_counted(is_at_rail, c->railed, t->railed);
    return is_off                          ? EDGE_IS_LEAD_OFF
           : c->railed >= t->railed        ? EDGE_IS_SATURATED
           : c->standing >= t->flat - 1    ? EDGE_IS_FLAT
                                           : EDGE_IS_TRUSTED;
}

/* Whether the k-th of n bridging samples from a to b lies at the end of the range, unrounded. */
EDGE_INLINE int32_t edge_bridge_at_rail(int32_t a, int32_t b, int32_t k, int32_t n,
                                        const edge_tolerance *t)
{
    const int64_t value = (int64_t)(n + 1) * a + (int64_t)k * ((int64_t)b - a);
    return value <= (int64_t)(n + 1) * t->low || value >= (int64_t)(n + 1) * t->high;
}

/* The k-th of n samples of a straight line from a to b, both left out; rounded, ties up. */
EDGE_INLINE int32_t edge_bridge(int32_t a, int32_t b, int32_t k, int32_t n)
{
    const int64_t twice = 2 * (int64_t)k * ((int64_t)b - a) + (n + 1);
    const int64_t whole = 2 * ((int64_t)n + 1);
    return a + (int32_t)((twice >= 0 ? twice : twice - whole + 1) / whole);
}

#endif
