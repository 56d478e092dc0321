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

static inline int32_t prt_queue_init(prt_queue *queue, uint32_t capacity)
{
    uint32_t slots = 2;
    while (slots < capacity) {
        slots *= 2;
    }
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

#endif
