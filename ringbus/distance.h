/*
 * Distance: whether the CPU at the other end of a ring is far away, and what its reader then does.
 *
 * Near, the two share a cache. Far (another chiplet, another socket), a reader's copy of a line is
 * dear for its writer: to take the line back costs 7 to 10 ns even when hundreds are under way at
 * once, to read it costs 3, to write one that nobody else holds costs 2 (AMD Zen 5, 2026-11; bare
 * round trip 420 ns). So a far reader of batches gives lines back: a while after it has read one,
 * it throws it out of the caches. Near that would only cost.
 *
 *     writer  ......................[w]         the writer finds lines that nobody holds
 *     reader  ..[given back]....[r]             `behind` lines between the two marks
 *
 * Which of the two it is, the reader finds out: now and then it times one load of a word that the
 * writer has written a moment ago. 105 to 130 ticks near, 390 to 450 far, so the limit is between.
 * One look can be disturbed, so they vote. On a machine without a cycle counter nobody is far.
 *
 * All of it is a hint: no value and no order depends on it. Who: the reader's handle, its thread.
 */
#ifndef RINGBUS_DISTANCE_H
#define RINGBUS_DISTANCE_H

#include "ringbus/atomics.h"
#include "ringbus/layout.h"

#define RB_DISTANCE_EVERY 1024u    /* messages between two looks; a look takes as long as one */
#define RB_DISTANCE_FAR_TICKS 250u /* of a counter of 2.6 GHz: 96 ns */
#define RB_DISTANCE_VOTES_MAX 8u
/* Fewer at once are not a stream, and who answers single messages must not wait for a line to be
 * thrown out. */
#define RB_DISTANCE_BATCH 8u
/* Lines between those read and those given back: others may still be reading what we have read. */
#define RB_DISTANCE_BEHIND 1024u

typedef struct rb_distance {
    uint32_t votes;  /* for far, 0..RB_DISTANCE_VOTES_MAX */
    uint32_t looked; /* at least once */
} rb_distance;

/* cffi: begin */
/* What a reader knows of the way to its writer. */
enum rb_distance_known { RB_DISTANCE_UNKNOWN = 0, RB_DISTANCE_NEAR = 1, RB_DISTANCE_FAR = 2 };

/* cffi: end */

static inline int rb_distance_is_far(const rb_distance *distance)
{
    return distance->votes > RB_DISTANCE_VOTES_MAX / 2;
}

static inline uint32_t rb_distance_known(const rb_distance *distance)
{
    if (!distance->looked) {
        return RB_DISTANCE_UNKNOWN;
    }
    return rb_distance_is_far(distance) ? RB_DISTANCE_FAR : RB_DISTANCE_NEAR;
}

/* Times one load of `word`, which the other side writes. */
static inline void rb_distance_look(rb_distance *distance, const uint64_t *word)
{
#if defined(__x86_64__)
    __builtin_ia32_lfence();
    uint64_t start = __builtin_ia32_rdtsc();
    __builtin_ia32_lfence();
    /* relaxed: only the time that it takes counts. */
    (void)rb_load_relaxed(word);
    __builtin_ia32_lfence();
    distance->looked = 1;
    int far = __builtin_ia32_rdtsc() - start > RB_DISTANCE_FAR_TICKS;
    if (far && distance->votes < RB_DISTANCE_VOTES_MAX) {
        distance->votes++;
    }
    if (!far && distance->votes > 0) {
        distance->votes--;
    }
#else
    (void)distance;
    (void)word;
#endif
}

/* A reader has read `count` messages of `lines` lines from `position` on, in a ring that begins at
 * `first_line` and has mask + 1 slots; `word` is one that the writer writes. */
static inline void rb_distance_read(rb_distance *distance, const uint64_t *word,
                                    const void *first_line, uint64_t mask, uint64_t lines,
                                    uint64_t position, uint64_t count)
{
    if (count < RB_DISTANCE_BATCH) {
        return;
    }
    if (((position ^ (position + count)) & ~(uint64_t)(RB_DISTANCE_EVERY - 1)) != 0) {
        rb_distance_look(distance, word);
    }
    if (!rb_distance_is_far(distance)) {
        return;
    }
    const unsigned char *bytes = first_line;
    uint64_t quarter = (mask + 1) / 4;
    uint64_t behind = quarter < RB_DISTANCE_BEHIND ? quarter : RB_DISTANCE_BEHIND;
    for (uint64_t n = 0; n < count && n <= mask; n++) {
        uint64_t slot = (position + n - behind) & mask;
        for (uint64_t line = 0; line < lines; line++) {
            rb_evict(bytes + (slot * lines + line) * RB_LINE_BYTES);
        }
    }
}

#endif
