/*
 * Book: the open orders of a set of instruments, matched by price, then time.
 *
 * Orders are 32-byte records in one preallocated pool, found by `locate` (their index), queued by
 * intrusive links per price level. A price level is found through a 64-ary trie over the tick, one per
 * instrument, both sides in one: a leaf holds 64 neighbouring ticks with a bitmap of those in use, inner
 * nodes hold bitmaps of their children, so the next price with an order is a few bit scans away however
 * far it lies. Memory follows use, not the price range.
 *
 * Every answer is appended to a sink as a message of 64 bytes whose first word (`sequence`) is never
 * touched, so that a sink can be a ring. When the sink is full in the middle of a sweep, the rest of the
 * incoming order waits in the book: RB_FULL is returned, and eng_book_resume goes on.
 *
 * Who: one thread. Integers only, no clock, no allocation after create, no system calls. Deterministic:
 * the answers are a function of the calls. Crash: private memory, rebuilt from the stream.
 */
#ifndef ENGINE_BOOK_H
#define ENGINE_BOOK_H

#include <stddef.h>
#include <stdint.h>

#include "ringbus/messages.h"
#include "ringbus/status.h"

/* Ticks are 1..2^30-1: five trie levels of 64. */
#define ENG_PRICE_TICKS_MAX ((INT32_C(1) << 30) - 1)
#define ENG_ORDERS_MAX (UINT32_C(1) << 28)
#define ENG_LOCATE_NONE UINT32_C(0)

/* Where answers go: slot n is base[(position + n) & mask], `limit` of them may be written now. */
typedef struct eng_sink {
    rb_message *base;
    uint64_t mask; /* capacity - 1 of a ring, ~0 for a plain array */
    uint64_t position;
    uint64_t limit;
    uint64_t count; /* written so far */
} eng_sink;

typedef struct eng_book eng_book;

/* cffi: begin */
typedef struct eng_book eng_book;

/* Makes a book of `instruments` (1..2^20) with room for `orders` open orders (1..2^28) and `nodes` trie
 * nodes for prices; everything is allocated and touched here. NULL: out of memory or bad arguments. */
eng_book *eng_book_create(uint32_t instruments, uint32_t orders, uint32_t nodes);
void eng_book_destroy(eng_book *book);
/* Bytes held by the book. */
uint64_t eng_book_bytes(const eng_book *book);
uint32_t eng_book_open_orders(const eng_book *book);
/* Best price in ticks of a side (1 buy, 2 sell) and the open quantity there; 0 if the side is empty. */
int32_t eng_book_best(const eng_book *book, uint32_t instrument, uint8_t side, uint64_t *quantity);
/* Open orders of one side, best first, then oldest first, as NewOrder messages (quantity is what is
 * open). Copies up to `limit` from the `skip`-th on. Returns how many. RB_USAGE, RB_UNKNOWN. */
int64_t eng_book_walk(const eng_book *book, uint32_t instrument, uint8_t side, rb_message *out,
                      int64_t skip, int64_t limit);
/* Hash of all open orders, their order and their locates. */
uint64_t eng_book_hash(const eng_book *book);
/* Checks every invariant of the structures. RB_OK, RB_CORRUPT. */
int32_t eng_book_verify(const eng_book *book);
/* For drivers without rings (tests, Python): applies one proposal of one line (NewOrder, Cancel or
 * Replace) and copies its answers to out. Returns how many; RB_FULL when limit was too small: call
 * again with message NULL for the rest after using these. *count says how many were written. */
int32_t eng_book_apply(eng_book *book, const rb_message *message, rb_message *out, int64_t limit,
                       int64_t *count);
/* cffi: end */

/*
 * Applies a NewOrder, Cancel or Replace to the book. The first answer is the message itself turned round
 * (with its locate, and for a Cancel also price, side and remaining), or Rejected; executions follow, the
 * incoming side's line before the resting side's; then Canceled for what an immediate-or-cancel order
 * could not trade. Answers carry the instrument, the topics of their orders, flags Generated where the
 * engine made them, publisher 0 and time 0; topic_sequence, shard and the last-of-group flag are the
 * shard's business. Returns RB_OK, or RB_FULL if the sink filled up (resume), or RB_CORRUPT.
 */
int32_t eng_book_submit(eng_book *book, const rb_message *message, eng_sink *sink);
int32_t eng_book_resume(eng_book *book, eng_sink *sink);
/* A cache line fetched ahead for an order that a message in the lane will need. */
void eng_book_prefetch(const eng_book *book, const rb_message *message);

#endif
