/*
 * Book: the open orders of a set of instruments, matched by price, then time (engine/README.md).
 *
 * Orders are 32-byte records in one preallocated pool, found by `locate` (their index), queued by
 * intrusive links per price level. A price level is found through the instrument's ladder
 * (engine/ladder.h): both sides in one trie over the tick, whose memory follows use, not the price
 * range.
 *
 * Every answer is appended to a sink as a message of 64 bytes whose first word (`sequence`) is
 * never touched, so that a sink can be a ring. When the sink is full in the middle of a sweep, the
 * rest of the incoming order waits in the book: RB_FULL is returned, and eng_book_resume goes on.
 *
 * What is accepted or rejected is decided before anything changes, room for the remainder included:
 * an order is taken as a whole or not at all. What a client may do wrong is answered by a Rejected
 * line; RB_USAGE is for the caller's own mistakes and changes nothing.
 *
 * Who: one thread. Integers only, no clock, no allocation after create, no system calls.
 * Deterministic: the answers are a function of the calls. Crash: private memory, rebuilt from the
 * stream.
 */
#ifndef ENGINE_BOOK_H
#define ENGINE_BOOK_H

#include <stddef.h>
#include <stdint.h>

#include "ringbus/messages.h"
#include "ringbus/status.h"

/* Ticks are 1..2^30-1: five trie levels of 64. */
#define ENG_PRICE_TICKS_MAX ((INT32_C(1) << 30) - 1)
#define ENG_BOOK_INSTRUMENTS_MAX (UINT32_C(1) << 20)
#define ENG_ORDERS_MAX (UINT32_C(1) << 28)
#define ENG_NODES_MAX (UINT32_C(1) << 24)
#define ENG_LOCATE_NONE UINT32_C(0)
/* An order in reserve shows itself in so many parts at most: one that shows 1 of 2^32 would let two
 * messages make thirteen billion lines. */
#define ENG_RESERVE_PARTS_MAX 1024u
/* Free slots that a sink needs at least: one pair of executions. A proposal of more lines needs as
 * many as it has. */
#define ENG_SINK_ROOM_MIN UINT64_C(2)
/* A MultiLegOrder with eight legs and a tag. */
#define ENG_GROUP_LINES_MAX 14u

/* A proposal: its line n is base[(position + n) & mask]. */
typedef struct eng_group {
    const rb_message *base;
    uint64_t mask; /* capacity - 1 of a ring, ~0 for a plain array */
    uint64_t position;
    uint32_t count; /* 1..ENG_GROUP_LINES_MAX */
} eng_group;

static inline const rb_message *eng_group_line(const eng_group *group, uint32_t n)
{
    return &group->base[(group->position + n) & group->mask];
}

/* Whether the lines behind the first are such as belong there, in this order: legs (MultiLegOrder),
 * terms (NewOrder, Replace), a tag, texts (Command, MassCancel, CommandAsked). */
int eng_group_is_well_formed(const eng_group *group);

/* Where answers go: slot n is base[(position + n) & mask], `limit` of them may be written now. */
typedef struct eng_sink {
    rb_message *base;
    uint64_t mask; /* capacity - 1 of a ring, ~0 for a plain array */
    uint64_t position;
    uint64_t limit;
    uint64_t count; /* written so far */
} eng_sink;

static inline uint64_t eng_sink_room(const eng_sink *sink)
{
    return sink->limit - sink->count;
}

/* cffi: struct rb_message */
/* cffi: begin */
typedef struct eng_book eng_book;

/* Makes a book of `instruments` (1..2^20) with room for `orders` open orders (1..2^28) and `nodes`
 * trie nodes for prices (1..2^24; a price takes up to 5, 520 bytes each); everything is allocated
 * and touched here. NULL: out of memory or bad arguments. */
eng_book *eng_book_create(uint32_t instruments, uint32_t orders, uint32_t nodes);
void eng_book_destroy(eng_book *book);
/* Bytes held by the book. */
uint64_t eng_book_bytes(const eng_book *book);
/* Orders that rest or are held. */
uint32_t eng_book_open_orders(const eng_book *book);
/* Resting orders of one side (1 buy, 2 sell) of an instrument, hidden ones too. RB_USAGE,
 * RB_UNKNOWN. */
int64_t eng_book_orders(const eng_book *book, uint32_t instrument, uint8_t side);
/* Orders of an instrument that are held for a cross. RB_UNKNOWN. */
int64_t eng_book_held_orders(const eng_book *book, uint32_t instrument);
/* Open quantity of an order, reserve included; 0: no order is there. */
uint32_t eng_book_open(const eng_book *book, uint32_t locate);
/* The instrument's state (1 to 4). RB_UNKNOWN. */
int32_t eng_book_state(const eng_book *book, uint32_t instrument);
/* The count that a CrossResult has to name. RB_UNKNOWN. */
int64_t eng_book_changes(const eng_book *book, uint32_t instrument);
/* Best price in ticks of what a side displays, and the quantity displayed there; 0 if there is
 * none. `quantity` may be NULL. Goes through the orders of the level. RB_USAGE, RB_UNKNOWN. */
int32_t eng_book_best(const eng_book *book, uint32_t instrument, uint8_t side, uint64_t *quantity);
/* One price of a side: what is displayed there. */
typedef struct eng_depth {
    int32_t price_ticks;
    uint32_t orders;
    uint64_t quantity;
} eng_depth;
/* Displayed prices of one side, best first, up to `limit`. Returns how many. Goes through their
 * orders. RB_USAGE, RB_UNKNOWN. */
int64_t eng_book_depth(const eng_book *book, uint32_t instrument, uint8_t side, eng_depth *out,
                       int64_t limit);
/* Resting orders of one side in priority order, hidden ones in their place, as NewOrder messages
 * (quantity is all that is open; what the book does not keep is zero, so is the time in force).
 * Copies up to `limit` from the `skip`-th on. Returns how many. RB_USAGE, RB_UNKNOWN. */
int64_t eng_book_walk(const eng_book *book, uint32_t instrument, uint8_t side, rb_message *out,
                      int64_t skip, int64_t limit);
/* The same of held orders, both sides, in the order in which they were held; the time in force says
 * what they wait for. */
int64_t eng_book_walk_held(const eng_book *book, uint32_t instrument, rb_message *out, int64_t skip,
                           int64_t limit);
/* Hash of all open orders, their order and their locates, and of the instruments' states and
 * changes.
 */
uint64_t eng_book_hash(const eng_book *book);
/* Checks every invariant of the structures. RB_OK, RB_CORRUPT. */
int32_t eng_book_verify(const eng_book *book);
/* For drivers without rings (tests, Python): applies one proposal of one line and writes its answer
 * to out. *count says how many lines were written. RB_OK; RB_FULL when limit (2 at least) was too
 * small: call again with message NULL for the rest after using these; RB_USAGE; RB_CORRUPT. */
int32_t eng_book_apply(eng_book *book, const rb_message *message, rb_message *out, int64_t limit,
                       int64_t *count);
/* The same for `message_count` lines at a time; a line with the flag Continued has the line behind
 * it (an OrderTerms, Leg or OrderTag) in its group. First goes on with what an earlier call left.
 * *used says how many lines were taken. RB_OK: all of them; RB_FULL: call again with the lines from
 * *used on (or none, for the rest of an answer); RB_USAGE also if a group has more than `limit`
 * lines. */
int32_t eng_book_apply_batch(eng_book *book, const rb_message *messages, int64_t message_count,
                             rb_message *out, int64_t limit, int64_t *used, int64_t *count);
/* cffi: end */

/*
 * Applies a proposal (NewOrder, Cancel, Replace, MassCancel, CrossResult, Command, MultiLegOrder;
 * one group of lines) to the book and writes its answer, as engine/README.md says.
 *
 * First the proposal's lines turned round (words 1 to 7 as they are, so topic, publisher, time and
 * input number are kept; filled in are the locate of a NewOrder that can rest or be held and the
 * price of one that slides, price, side and remaining of a Cancel, side, price and flag of a
 * Replace), or with Rejected in place of the first. Then what the engine made of it.
 *
 * Lines that the engine made carry the flag Generated, the topic of the order concerned, time and
 * input number (in `checksum`) of the message, publisher 0. topic_sequence, shard and the
 * last-of-group flag of every line are the shard's business.
 *
 * Room for prices is asked for by orders that can rest only, as if they all would, and before the
 * nodes that a Replace or a trade will free are free. Lines behind the first that do not belong
 * there are refused as InvalidProposal.
 *
 * The sink must have ENG_SINK_ROOM_MIN free slots and one for each line of the group, and nothing
 * may be pending: RB_USAGE otherwise, and for other templates. Returns RB_OK; RB_FULL if the sink
 * filled up: the rest is pending, call eng_book_resume with fresh room until it returns RB_OK (the
 * group is not needed any more); RB_CORRUPT: the book is latched as failed.
 */
int32_t eng_book_submit(eng_book *book, const eng_group *group, eng_sink *sink);
/* The same for a proposal of one line. */
int32_t eng_book_submit_alone(eng_book *book, const rb_message *message, eng_sink *sink);
/* RB_OK: the answer is complete; RB_FULL: again; RB_USAGE: nothing was pending; RB_CORRUPT. */
int32_t eng_book_resume(eng_book *book, eng_sink *sink);
/* 1 while the rest of an answer waits for room. */
int32_t eng_book_pending(const eng_book *book);
/* Fetches ahead what a message in the lane will need, in three steps that each follow what the step
 * before brought in; call each for a message that is ENG_AHEAD_... places ahead. Hints: no effect
 * on any answer, and leaving them out is only slower. */
#define ENG_AHEAD_FAR 24
#define ENG_AHEAD_NEAR 12
#define ENG_AHEAD_TAIL 6
void eng_book_prefetch(const eng_book *book, const rb_message *message);
void eng_book_prefetch_near(const eng_book *book, const rb_message *message);
void eng_book_prefetch_tail(const eng_book *book, const rb_message *message);

#endif
