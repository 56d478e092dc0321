#include "engine/book.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/book_state.h"
#include "engine/collar.h"
#include "engine/mass_cancel.h"
#include "engine/match.h"
#include "engine/queue.h"

_Static_assert(ENG_PRICE_TICKS_MAX == (1 << (ENG_LADDER_DEPTHS * ENG_DIGIT_BITS)) - 1, "ticks");
#define ARENA_ALIGN (UINT64_C(1) << 21) /* a huge page */

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* One piece of memory for everything, on huge pages where the host gives them: with millions of
 * orders the address translation costs as much as the cache misses. */
static void *make_arena(uint64_t bytes)
{
    void *arena = aligned_alloc(ARENA_ALIGN, bytes);
    if (arena != NULL) {
        (void)madvise(arena, bytes, MADV_HUGEPAGE); /* a wish: refusal changes nothing but speed */
        memset(arena, 0, bytes);
    }
    return arena;
}

eng_book *eng_book_create(uint32_t instruments, uint32_t orders, uint32_t nodes)
{
    if (instruments == 0 || instruments > ENG_BOOK_INSTRUMENTS_MAX || orders == 0 ||
        orders > ENG_ORDERS_MAX || nodes == 0 || nodes > ENG_NODES_MAX) {
        return NULL;
    }
    /* At most 2^26 + 2^27 + 2^32 + 2^33 + 2^34 bytes: no overflow. */
    uint64_t ladders_bytes = instruments * (uint64_t)sizeof(eng_ladder);
    uint64_t asides_bytes = round_up(instruments * (uint64_t)sizeof(eng_aside), RB_MESSAGE_BYTES);
    uint64_t terms_bytes = round_up((orders + UINT64_C(1)) * sizeof(eng_terms), RB_MESSAGE_BYTES);
    uint64_t orders_bytes = round_up((orders + UINT64_C(1)) * sizeof(eng_order), RB_MESSAGE_BYTES);
    uint64_t nodes_bytes = eng_nodes_bytes(nodes);
    uint64_t lasts_bytes = round_up(instruments * (uint64_t)sizeof(int32_t), RB_MESSAGE_BYTES);
    uint64_t collars_bytes = round_up(instruments * (uint64_t)sizeof(eng_collar), RB_MESSAGE_BYTES);
    uint64_t bytes =
        round_up(ladders_bytes + orders_bytes + nodes_bytes + asides_bytes + terms_bytes +
                     lasts_bytes + collars_bytes + eng_sweep_bytes(instruments, orders),
                 ARENA_ALIGN);
    eng_book *book = calloc(1, sizeof *book);
    uint8_t *arena = make_arena(bytes);
    if (book == NULL || arena == NULL) {
        free(book);
        free(arena);
        return NULL;
    }
    book->arena = arena;
    book->arena_bytes = bytes;
    book->task.stage = eng_match;
    /* What is cold comes last. */
    book->ladders = (eng_ladder *)(void *)arena;
    arena += ladders_bytes;
    book->orders = (eng_order *)(void *)arena;
    arena += orders_bytes;
    eng_nodes_init(&book->nodes, arena, nodes, (uint32_t)(orders_bytes / sizeof(eng_links)));
    arena += nodes_bytes;
    book->asides = (eng_aside *)(void *)arena;
    arena += asides_bytes;
    book->terms = (eng_terms *)(void *)arena;
    arena += terms_bytes;
    book->last_ticks = (int32_t *)(void *)arena;
    arena += lasts_bytes;
    book->collars = (eng_collar *)(void *)arena;
    book->sweep = eng_sweep_init(arena + collars_bytes, instruments, orders);
    book->instrument_count = instruments;
    book->order_count = orders;
    for (uint32_t i = 0; i < instruments; i++) {
        eng_ladder_init(&book->ladders[i]);
        eng_ladder_init(&book->asides[i].hidden);
        book->ladders[i].state = RB_INSTRUMENT_STATE_CONTINUOUS;
    }
    for (uint32_t locate = orders; locate > 0; locate--) {
        eng_order_release(book, locate);
    }
    return book;
}

void eng_book_destroy(eng_book *book)
{
    if (book != NULL) {
        free(book->arena);
        free(book);
    }
}
