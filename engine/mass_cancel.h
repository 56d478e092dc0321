/*
 * Mass cancel: all orders that have what a scope names (engine/README.md, "MassCancel").
 *
 * First the pool is read from end to end, which is as fast as memory is, and the instruments with
 * an order in scope are marked. Then only those are gone through, in the order of the answer. There
 * the orders of a queue lie anywhere in memory, and each is known from the one before: a cache miss
 * at a time. So that the misses of several queues overlap, up to ENG_SWEEP_LANES places (a side of
 * a ladder, a held list) are gone through at once, a step each in turn. Each lane keeps what it
 * found, and then they are canceled lane by lane, which is the order of the answer.
 *
 *     lane 0   instrument 7, bids    12 → 90 → 31 →             found 12, 31
 *     lane 1   instrument 7, asks    55 → 8 →                   found 8
 *     lane 2   instrument 9, bids    77 → 14 → 3 → 60 →         found -
 *
 * A lane that has found as much as it can keep waits until that is canceled. Canceling in one place
 * moves nothing in another, and in its own only what lies before the lane's next order.
 *
 * For the files of the book only.
 */
#ifndef ENGINE_MASS_CANCEL_H
#define ENGINE_MASS_CANCEL_H

#include "engine/book_state.h"

#define ENG_SWEEP_LANES 16u
#define ENG_SWEEP_FOUND 60u

typedef struct eng_sweep_lane {
    uint32_t place; /* enum eng_place */
    uint32_t next;  /* the order to look at next */
    uint32_t count; /* found */
    uint32_t used;  /* of them canceled */
    uint32_t found[ENG_SWEEP_FOUND];
} eng_sweep_lane;

/* What a mass cancel is at. Means something only while one is being answered. */
typedef struct eng_sweep {
    uint64_t wanted; /* of the last 8 bytes of an order, those that the mask names */
    uint64_t mask;
    uint32_t instrument; /* where the next lane begins */
    uint32_t place;
    uint32_t lane_count;
    uint32_t lane; /* being canceled */
    eng_sweep_lane lanes[ENG_SWEEP_LANES];
    uint64_t marks[]; /* a bit an instrument */
} eng_sweep;

/* Bytes of book->sweep. */
uint64_t eng_sweep_bytes(uint32_t instruments);
/* Answers a MassCancel. */
int32_t eng_submit_mass_cancel(eng_book *book, const eng_group *group, eng_sink *sink);

#endif
