/*
 * Queue: numbers of connections or sessions that wait for their turn, first in, first out.
 *
 * It has a slot for every number and its user sees to it that each is in it at most once, so it is
 * never full. Who: one thread. No allocation after init.
 */
#ifndef PORTS_QUEUE_H
#define PORTS_QUEUE_H

#include <stdint.h>
#include <stdlib.h>

#include "ringbus/status.h"

typedef struct prt_queue {
    uint32_t *numbers;
    uint32_t mask;
    uint32_t begin;
    uint32_t end;
} prt_queue;

static inline uint32_t prt_queue_slots(uint32_t capacity)
{
    uint32_t slots = 2;
    while (slots < capacity) {
        slots *= 2;
    }
    return slots;
}

/* Bytes of memory that prt_queue_init takes. */
static inline uint64_t prt_queue_bytes(uint32_t capacity)
{
    return prt_queue_slots(capacity) * (uint64_t)sizeof(uint32_t);
}

static inline int32_t prt_queue_init(prt_queue *queue, uint32_t capacity)
{
    uint32_t slots = prt_queue_slots(capacity);
    queue->numbers = calloc(slots, sizeof *queue->numbers);
    queue->mask = slots - 1;
    return queue->numbers == NULL ? RB_SYSTEM : RB_OK;
}

static inline void prt_queue_free(prt_queue *queue)
{
    free(queue->numbers);
    queue->numbers = NULL;
}

static inline uint32_t prt_queue_count(const prt_queue *queue)
{
    return queue->end - queue->begin;
}

static inline void prt_queue_push(prt_queue *queue, uint32_t number)
{
    queue->numbers[queue->end++ & queue->mask] = number;
}

/* There must be one. */
static inline uint32_t prt_queue_pop(prt_queue *queue)
{
    return queue->numbers[queue->begin++ & queue->mask];
}

/* Puts all that is in it into an order that is drawn by `seed` (splitmix64; Fisher and Yates): all
 * orders are equally likely over the seeds, so nobody has a place, nor a neighbour. */
static inline void prt_queue_shuffle(prt_queue *queue, uint64_t seed)
{
    for (uint32_t left = prt_queue_count(queue); left > 1; left--) {
        seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t mixed = (seed ^ (seed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
        uint32_t drawn = (uint32_t)(((mixed ^ (mixed >> 31)) >> 32) * left >> 32);
        uint32_t *one = &queue->numbers[(queue->begin + drawn) & queue->mask];
        uint32_t *last = &queue->numbers[(queue->begin + left - 1) & queue->mask];
        uint32_t moved = *one;
        *one = *last;
        *last = moved;
    }
}

#endif
