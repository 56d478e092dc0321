/*
 * Doorbell: one bit per lane tells a consumer of hundreds of lanes which of them have something.
 *
 * The consumer clears a bit only when the lane has been empty for a while, so that a busy lane is
 * polled directly and its producer finds the bit set: no extra cache line moves. The order is that
 * of an eventcount: producer commits, full fence, looks at the bit; consumer clears, full
 * fence, looks at the lane.
 *
 * Who: any producer sets its own bit; the one consumer clears. Crash: a producer that dies between
 * commit and ring is found by the consumer's sweep over all lanes (once in RB_DOORBELL_SWEEP
 * turns).
 */
#ifndef RINGBUS_DOORBELL_H
#define RINGBUS_DOORBELL_H

#include "ringbus/atomics.h"
#include "ringbus/layout.h"

#define RB_DOORBELL_WORDS 4u
#define RB_DOORBELL_LANES (RB_DOORBELL_WORDS * 64u)
#define RB_DOORBELL_SWEEP 65536u

typedef struct rb_doorbell {
    rb_layout layout;
    RB_ALIGNED uint64_t words[RB_DOORBELL_WORDS];
} rb_doorbell;

/* Producer: after a commit. */
static inline void rb_doorbell_ring(rb_doorbell *doorbell, uint32_t lane)
{
    uint64_t bit = UINT64_C(1) << (lane & 63u);
    /* D1 full fence; pairs with D2 in rb_doorbell_clear. */
    rb_fence_seq_cst();
    if ((rb_load_relaxed(&doorbell->words[lane >> 6]) & bit) == 0) {
        (void)rb_fetch_or(&doorbell->words[lane >> 6], bit);
    }
}

/* Consumer: before the last look at a lane that seems empty. */
static inline void rb_doorbell_clear(rb_doorbell *doorbell, uint32_t lane)
{
    (void)rb_fetch_and(&doorbell->words[lane >> 6], ~(UINT64_C(1) << (lane & 63u)));
    /* D2 full fence; pairs with D1: the bit is clear before the last look. The and alone would do
     * on x86-64, but in the language it is no fence for the look that follows. */
    rb_fence_seq_cst();
}

/* cffi: begin */
size_t rb_doorbell_bytes(void);
int32_t rb_doorbell_init(void *memory, size_t bytes, const char *name);
/* Rings for lane `lane` after a commit; for producers that are not in C. RB_USAGE. */
int32_t rb_doorbell_press(void *doorbell, uint32_t lane);
/* cffi: end */

/* Which engine a proposal is made to, in the `reserved` byte of its first line on a contributor's
 * lane: the epoch counted from zero, modulo 256. */
static inline uint8_t rb_reign(uint32_t epoch)
{
    return (uint8_t)(epoch - 1);
}

#endif
