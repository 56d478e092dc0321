/*
 * Mass cancel: all orders that have what a scope names (engine/README.md, "MassCancel").
 *
 * First the pool is read from end to end, which is as fast as memory is, and the instruments with
 * an order in scope are marked. Then only those are gone through, in the order of the answer. There
 * the orders of a queue lie anywhere in memory, and each is known from the one before: a cache miss
 * at a time. So that the misses of several queues overlap, up to ENG_SWEEP_LANES of them (of a
 * price, or a held list) are gone through at once, a step each in turn. Each lane keeps what it
 * found, and then they are canceled lane by lane, which is the order of the answer.
 *
 *     lane 0   instrument 7, bids at 101   12 → 90 → 31 →       found 12, 31
 *     lane 1   instrument 7, bids at 99    55 → 8 →             found 8
 *     lane 2   instrument 7, asks at 103   77 → 14 → 3 → 60 →   found -
 *
 * A lane that has found as much as it can keep waits until that is canceled. Canceling in one queue
 * moves nothing in another, and in its own only what lies before the lane's next order.
 *
 * For the files of the book only.
 */
#ifndef ENGINE_MASS_CANCEL_H
#define ENGINE_MASS_CANCEL_H

#include "engine/book_state.h"

#define ENG_SWEEP_LANES 256u
/* Of one lane. Queues of a price that have more in scope are rare, and only slower. */
#define ENG_SWEEP_FOUND_MAX 512u

typedef struct eng_sweep_lane {
    uint32_t next;   /* the order to look at next */
    uint32_t count;  /* found */
    uint32_t used;   /* of them canceled */
    uint32_t *found; /* sweep->found_max of them */
} eng_sweep_lane;

/* What a mass cancel is at. Means something only while one is being answered, but for the memory
 * that it has. */
typedef struct eng_sweep {
    uint64_t *marks; /* a bit an instrument */
    uint32_t found_max;
    uint32_t instrument; /* where the next lane begins */
    uint32_t place;
    int32_t price_ticks; /* 0: nowhere yet */
    eng_order wanted;    /* what an order in scope has */
    eng_order mask;      /* where that matters: all bits of the fields */
    uint16_t topic;      /* who asked */
    uint32_t lane_count;
    uint32_t lane; /* being canceled */
    eng_sweep_lane lanes[ENG_SWEEP_LANES];
} eng_sweep;

/* Bytes of a sweep with its memory, and a sweep in so many zeroed bytes. */
uint64_t eng_sweep_bytes(uint32_t instruments, uint32_t orders);
eng_sweep *eng_sweep_init(void *memory, uint32_t instruments, uint32_t orders);
/* Answers a MassCancel. */
int32_t eng_submit_mass_cancel(eng_book *book, const eng_group *group, eng_sink *sink);

#endif
