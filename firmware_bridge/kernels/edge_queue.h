/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_queue.h: frames on their way from an interrupt to a thread.
 *
 * One producer, which may be an interrupt, and one consumer, which may not. Neither waits for the
 * other: the producer writes `head` and what it counts, the consumer writes `tail`. Both count
 * frames for ever and wrap at 2^32; places are their lowest bits.
 */
#ifndef EDGE_QUEUE_H
#define EDGE_QUEUE_H

#include "edge_port.h"

/* Memory that was written before is seen before what is written after, on other processors too. */
#ifndef EDGE_FENCE
#if defined(__GNUC__)
#define EDGE_FENCE() __atomic_thread_fence(__ATOMIC_ACQ_REL)
#else
#error "define EDGE_FENCE() as your compiler's memory barrier"
#endif
#endif

typedef struct {
    volatile uint32_t head; /* frames that were put in */
    volatile uint32_t tail; /* frames that were taken out */
    volatile uint32_t lost; /* frames that found no place */
    uint32_t is_gap;        /* of the producer: whether the last one did not */
} edge_queue;

/* Where the next frame goes.
 *   places    a power of two
 *   returns   the place, or -1 where there is none: the frame is lost, and counted
 */
EDGE_INLINE int32_t edge_queue_place(edge_queue *q, uint32_t places)
{
    const uint32_t head = q->head;
    if (head - q->tail >= places) {
        q->lost = q->lost + 1u;
        q->is_gap = 1u;
        return -1;
    }
    EDGE_FENCE(); /* the consumer has read what lay there */
    return (int32_t)(head & (places - 1u));
}

/* The frame is there, and so is its mark. */
EDGE_INLINE void edge_queue_put(edge_queue *q, uint8_t *mark)
{
    *mark = (uint8_t)q->is_gap;
    q->is_gap = 0u;
    EDGE_FENCE();
    q->head = q->head + 1u;
}

/* Where the oldest frame lies, or -1 where there is none. */
EDGE_INLINE int32_t edge_queue_oldest(const edge_queue *q, uint32_t places)
{
    const uint32_t tail = q->tail;
    if (q->head == tail) {
        return -1;
    }
    EDGE_FENCE();
    return (int32_t)(tail & (places - 1u));
}

/* The oldest frame is no longer needed. */
EDGE_INLINE void edge_queue_take(edge_queue *q)
{
    EDGE_FENCE();
    q->tail = q->tail + 1u;
}

#endif
