/*
 * What a book is made of, and how an answer is written in several goes; for the files of the book
 * only (book, submit, unusual, terms, match, queue, answer, held, cross, mass_cancel, legs, view,
 * audit, batch).
 *
 * Where an order is. Its record is in one of four places: in the free list (`side` is zero), in the
 * queue of its price in the instrument's displayed or hidden ladder, in the instrument's list of
 * held orders, or nowhere: it is the incoming order of the answer being written (`side` is zero,
 * `incoming.locate` names it). engine/queue.h alone moves orders between these places.
 *
 * What is cold. The path of a plain order reads the order and the ladder (a line each) and the
 * levels. What few orders and instruments have lies apart: `terms` (by locate) for display
 * quantity, reserve and what a held order waits for, `asides` (by instrument) for hidden and held
 * orders. An order whose `options` is zero has none of these and rests in the displayed ladder; an
 * instrument with hidden_orders zero needs no look at its other ladder.
 *
 * Stages. A sink may be full at any line, and the book then has to go on later where it stopped,
 * without the proposal. All of that is in `incoming` and `task`; nothing is on the C stack.
 * `task.stage` is the function that goes on: called with fresh room, it returns
 *
 *   RB_OK       the answer is complete
 *   RB_FULL     no room for its next line; it (or the stage it has set) is called again
 *   ENG_NEXT    it has set another task.stage, which is called at once
 *   RB_CORRUPT
 *
 *     submit ─▶ first stage ─ENG_NEXT▶ next stage ─▶ RB_OK
 *                 │  ▲                   │  ▲
 *                 └──┴─ RB_FULL, resume ─┴──┘
 *
 * A stage asks eng_sink_room before it changes anything for which it must write a line (or a pair),
 * so that what is written and what is changed never differ; ENG_SINK_ROOM_MIN (2) is all that it
 * may ask for at once. What one line owes the next across a full sink is kept in a field
 * (incoming.replenished).
 *
 * Matching of one incoming order is the stage eng_match, and it is task.stage whenever no other is
 * set. A stage that enters several orders (release, legs) fills `incoming`, sets task.matching and
 * calls eng_match itself; on RB_FULL it returns RB_FULL, and called again it finds task.matching
 * set and calls eng_match before anything else. task.matching is cleared on RB_OK.
 */
#ifndef ENGINE_BOOK_STATE_H
#define ENGINE_BOOK_STATE_H

#include "engine/book.h"
#include "engine/ladder.h"

/* Bits of eng_order.options: those of enum rb_order_option, but for PostOnly and Slide, which are
 * of one entry and forgotten afterwards; their places say two other things. */
enum eng_order_bit {
    ENG_ORDER_RESERVE = RB_ORDER_OPTION_POST_ONLY, /* has a display quantity: see its terms */
    ENG_ORDER_HELD = RB_ORDER_OPTION_SLIDE,        /* in the list of held orders: see its terms */
};
#define ENG_SELF_TRADE                                                                             \
    (RB_ORDER_OPTION_SELF_TRADE_NEWEST | RB_ORDER_OPTION_SELF_TRADE_OLDEST |                       \
     RB_ORDER_OPTION_SELF_TRADE_DECREMENT)

typedef struct eng_order {
    eng_links links;   /* in a queue; elsewhere, locates: next is the next free or held one */
    uint32_t quantity; /* open but for what is in reserve */
    int32_t price_ticks;
    union {
        struct {
            uint32_t client_order_id;
            uint16_t account;
            uint16_t firm;
        };
        uint64_t owner; /* the three as in word 6 of the messages: copied at once */
    };
    uint32_t instrument;
    uint16_t topic;
    uint8_t side;
    uint8_t options; /* enum rb_order_option, enum eng_order_bit */
} eng_order;

_Static_assert(sizeof(eng_order) == 32, "two orders a cache line");
_Static_assert(offsetof(rb_new_order, client_order_id) == 48, "word 6");
_Static_assert(offsetof(rb_new_order, account) == 52, "word 6");
_Static_assert(offsetof(rb_new_order, firm) == 54, "word 6");

/* By locate; means something only for orders with ENG_ORDER_RESERVE or ENG_ORDER_HELD. */
typedef struct eng_terms {
    uint32_t display_quantity; /* 0: all of it; else ENG_ORDER_RESERVE is set */
    uint32_t reserve;          /* open and not shown */
    uint8_t time_in_force;     /* of a held order */
    uint8_t auction;           /* enum rb_auction_option, of a held order */
    uint16_t reserved;
} eng_terms;

_Static_assert(sizeof(eng_terms) == 12, "44 bytes an order with it");

/* By instrument: what most of them never have. */
typedef struct eng_aside {
    eng_ladder hidden; /* same trie as the displayed one; its book's words are zero */
    uint32_t held_head;
    uint32_t held_tail;
    uint32_t held_count;
    uint32_t group; /* instruments of one multi-leg order have the same, 0: none */
} eng_aside;

/* The order that is being matched. */
typedef struct eng_incoming {
    uint32_t instrument;
    int32_t price_ticks;
    uint32_t quantity; /* not yet traded */
    uint32_t locate;   /* ENG_LOCATE_NONE: it cannot rest and came without one */
    union {
        struct {
            uint32_t client_order_id;
            uint16_t account;
            uint16_t firm;
        };
        uint64_t owner; /* word 6 of the messages */
    };
    uint16_t topic;
    uint8_t side;
    uint8_t options;           /* as in eng_order */
    uint8_t reason;            /* of the Canceled line for what is left; 0: that rests */
    uint32_t display_quantity; /* if options has ENG_ORDER_RESERVE */
    uint32_t replenished;      /* locate whose Replenished line is still to be written */
} eng_incoming;

/* Of a cross that is being executed: chains of orders, linked by `prev` (engine/cross.h). */
typedef struct eng_cross {
    uint32_t heads[2]; /* those who take part, buys and sells */
    uint32_t done_head;
    uint32_t done_tail;
} eng_cross;

/* See "Stages" above. */
typedef int32_t (*eng_stage)(eng_book *book, eng_sink *sink);
#define ENG_NEXT 1
/* More stages than any answer has: a loop over them ends. */
#define ENG_STAGES_MAX 16u

/* What is left to do for a proposal that is neither NewOrder, Cancel nor Replace. Means something
 * only from the call that sets it to the end of the answer. */
typedef struct eng_task {
    eng_stage stage;
    uint32_t line_count;
    uint32_t instrument; /* where it is */
    uint32_t locate;     /* the order that is next */
    uint32_t quantity;   /* still to be done */
    uint32_t step;       /* a stage's own count */
    uint8_t matching;    /* eng_match is not through with `incoming` */
    uint8_t state;       /* of the instrument afterwards */
    uint8_t reserved[2];
    eng_cross cross;
    rb_message lines[ENG_GROUP_LINES_MAX]; /* the proposal's group */
} eng_task;

enum eng_book_state {
    ENG_BOOK_IDLE = 0,
    ENG_BOOK_PENDING = 1,
    ENG_BOOK_FAILED = 2,
};

struct eng_book {
    eng_order *orders; /* orders[0] is no order, but is there to be looked at */
    eng_ladder *ladders;
    eng_nodes nodes;
    uint32_t instrument_count;
    uint32_t order_count;
    uint32_t free_head; /* of the orders: last freed, first taken */
    uint32_t free_count;
    uint32_t state;   /* enum eng_book_state */
    uint32_t input;   /* low bits of the input number, the checksum field of generated lines */
    uint64_t time_ns; /* of generated lines */
    eng_incoming incoming;
    eng_terms *terms;           /* by locate */
    eng_aside *asides;          /* by instrument */
    struct eng_sweep *sweep;    /* of mass cancels */
    int32_t *last_ticks;        /* by instrument: price of the last trade of the day, 0: none */
    struct eng_collar *collars; /* by instrument */
    eng_task task;
    uint64_t arena_bytes;
    void *arena;
};

/* `manner` of an instrument that trades continuously, has no hidden orders and no collar. */
#define ENG_MANNER_PLAIN ((uint64_t)RB_INSTRUMENT_STATE_CONTINUOUS << 32)
#define ENG_MANNER_COLLAR (UINT64_C(1) << 40)
_Static_assert(offsetof(eng_ladder, state) - offsetof(eng_ladder, manner) == 4, "bits 32 to 39");
_Static_assert(offsetof(eng_ladder, has_collar) - offsetof(eng_ladder, manner) == 5, "bit 40 on");

/* The side's place in eng_ladder's arrays: 0 bid, 1 ask. */
static inline uint32_t eng_side_index(uint8_t side)
{
    return (uint32_t)side - RB_SIDE_BUY;
}

static inline uint32_t eng_side_index_other(uint8_t side)
{
    return (uint32_t)RB_SIDE_SELL - side;
}

static inline uint8_t eng_side_other(uint8_t side)
{
    return (uint8_t)(RB_SIDE_BUY + RB_SIDE_SELL - side);
}

/* Prices are compared without a branch on the side, which is a coin toss: those of buys mirrored,
 * since ~x falls as x rises. */
static inline int32_t eng_mirrored(uint8_t side, int32_t price_ticks)
{
    return price_ticks ^ ((int32_t)side - RB_SIDE_SELL);
}

/* Whether a price is better than another one of its side. */
static inline int eng_is_better(uint8_t side, int32_t price_ticks, int32_t than)
{
    return eng_mirrored(side, price_ticks) < eng_mirrored(side, than);
}

/* Whether prices get worse going up: they do for sells. */
static inline int eng_side_up(uint8_t side)
{
    return side == RB_SIDE_SELL;
}

#endif
