#include "engine/book.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/answer.h"
#include "engine/book_state.h"
#include "engine/cross.h"
#include "engine/enter.h"
#include "engine/held.h"
#include "engine/legs.h"
#include "engine/mass_cancel.h"
#include "engine/match.h"
#include "engine/queue.h"

_Static_assert(ENG_PRICE_TICKS_MAX == (1 << (ENG_LADDER_DEPTHS * ENG_DIGIT_BITS)) - 1, "ticks");
#define ARENA_ALIGN (UINT64_C(1) << 21) /* a huge page */

/* Latches what has to be remembered of a status. */
static int32_t conclude(eng_book *book, int32_t status)
{
    book->state = status == RB_OK     ? ENG_BOOK_IDLE
                  : status == RB_FULL ? ENG_BOOK_PENDING
                                      : ENG_BOOK_FAILED;
    return status;
}

static uint8_t group_template(const eng_group *group, uint32_t n)
{
    return eng_group_line(group, n)->header.template_id;
}

/* Whether the lines behind the first are such as belong there, in this order: legs (MultiLegOrder),
 * terms (NewOrder, Replace), a tag. */
static int is_well_formed(const eng_group *group)
{
    uint8_t first = eng_group_line(group, 0)->header.template_id;
    uint32_t at = 1;
    if (first == RB_TEMPLATE_MULTI_LEG_ORDER) {
        while (at < group->count && group_template(group, at) == RB_TEMPLATE_LEG) {
            at++;
        }
    }
    if (at < group->count && group_template(group, at) == RB_TEMPLATE_ORDER_TERMS &&
        (first == RB_TEMPLATE_NEW_ORDER || first == RB_TEMPLATE_REPLACE)) {
        at++;
    }
    if (at < group->count && group_template(group, at) == RB_TEMPLATE_ORDER_TAG) {
        at++;
    }
    return at == group->count;
}

/* Proposals that most days have few of. */
static int32_t submit_rare(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *first = eng_group_line(group, 0);
    uint8_t template_id = first->header.template_id;
    book->time_ns = first->header.time_ns;
    book->input = first->header.checksum;
    if (template_id == RB_TEMPLATE_MASS_CANCEL) {
        return eng_submit_mass_cancel(book, group, sink);
    }
    if (template_id == RB_TEMPLATE_MULTI_LEG_ORDER) {
        return eng_submit_legs(book, group, sink);
    }
    if (first->any.instrument >= book->instrument_count) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_INSTRUMENT);
    }
    return template_id == RB_TEMPLATE_CROSS_RESULT ? eng_submit_cross(book, group, sink)
                                                   : eng_submit_command(book, group, sink);
}

static int is_rare(uint8_t template_id)
{
    return template_id == RB_TEMPLATE_MASS_CANCEL || template_id == RB_TEMPLATE_CROSS_RESULT ||
           template_id == RB_TEMPLATE_COMMAND || template_id == RB_TEMPLATE_MULTI_LEG_ORDER;
}

static int is_order_message(uint8_t template_id)
{
    return template_id >= RB_TEMPLATE_NEW_ORDER && template_id <= RB_TEMPLATE_REPLACE;
}

int32_t eng_book_submit(eng_book *book, const eng_group *group, eng_sink *sink)
{
    if (__builtin_expect(book->state != ENG_BOOK_IDLE, 0)) {
        return book->state == ENG_BOOK_FAILED ? RB_CORRUPT : RB_USAGE;
    }
    const rb_message *first = eng_group_line(group, 0);
    uint8_t template_id = first->header.template_id;
    if (eng_sink_room(sink) < ENG_SINK_ROOM_MIN) {
        return RB_USAGE;
    }
    if (__builtin_expect(group->count != 1, 0)) {
        if (group->count == 0 || group->count > ENG_GROUP_LINES_MAX ||
            group->count > eng_sink_room(sink)) {
            return RB_USAGE;
        }
        if ((is_order_message(template_id) || is_rare(template_id)) && !is_well_formed(group)) {
            return eng_reject(sink, group, RB_REJECT_REASON_INVALID_PROPOSAL);
        }
    }
    if (__builtin_expect(!is_order_message(template_id), 0)) {
        return is_rare(template_id) ? conclude(book, submit_rare(book, group, sink)) : RB_USAGE;
    }
    if (first->any.instrument >= book->instrument_count) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_INSTRUMENT);
    }
    if (template_id == RB_TEMPLATE_NEW_ORDER) {
        return conclude(book, eng_submit_new_order(book, group, sink));
    }
    if (template_id == RB_TEMPLATE_CANCEL) {
        return conclude(book, eng_submit_cancel(book, group, sink));
    }
    return conclude(book, eng_submit_replace(book, group, sink));
}

int32_t eng_book_resume(eng_book *book, eng_sink *sink)
{
    if (book->state != ENG_BOOK_PENDING) {
        return book->state == ENG_BOOK_FAILED ? RB_CORRUPT : RB_USAGE;
    }
    return conclude(book, eng_run_stages(book, sink));
}

int32_t eng_book_pending(const eng_book *book)
{
    return book->state == ENG_BOOK_PENDING;
}

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
    uint64_t nodes_bytes = round_up((nodes + UINT64_C(1)) * sizeof(eng_node), RB_MESSAGE_BYTES);
    uint64_t bytes = round_up(
        ladders_bytes + orders_bytes + nodes_bytes + asides_bytes + terms_bytes, ARENA_ALIGN);
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
    eng_nodes_init(&book->nodes, (eng_node *)(void *)arena, nodes);
    arena += nodes_bytes;
    book->asides = (eng_aside *)(void *)arena;
    book->terms = (eng_terms *)(void *)(arena + asides_bytes);
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
