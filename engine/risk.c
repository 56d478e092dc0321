#include "engine/risk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/risk_state.h"
#include "ringbus/atomics.h"
#include "ringbus/check.h"

#define OWNERS_MAX 65536u
#define LINE_BYTES UINT64_C(64)
#define HUGE_BYTES (UINT64_C(1) << 21)
/* Lines before which an order is asked for: its miss, and then that of its positions. */
#define AHEAD 32
/* Fewer lines are not worth asking for: there is nothing to do meanwhile. */
#define FEW 4
#define EVERYBODY                                                                                  \
    (RB_MASS_CANCEL_SCOPE_EVERYTHING | RB_MASS_CANCEL_SCOPE_SESSION |                              \
     RB_MASS_CANCEL_SCOPE_ACCOUNT | RB_MASS_CANCEL_SCOPE_FIRM)

/* --- create ---------------------------------------------------------------------------------- */

/* Zeroed memory, on huge pages where it fills some, and written: no message of the day waits for a
 * page. NULL: none is left. */
static void *table(eng_risk *risk, uint64_t count, size_t size)
{
    uint64_t align = count * size < HUGE_BYTES ? LINE_BYTES : HUGE_BYTES;
    uint64_t bytes = (count * size + align - 1) / align * align;
    void *memory = aligned_alloc(align, bytes);
    if (memory != NULL) {
        (void)madvise(memory, bytes, MADV_HUGEPAGE); /* a wish: refusal changes nothing but speed */
        memset(memory, 0, bytes);
        risk->bytes += bytes;
    }
    return memory;
}

static int make_tables(eng_risk *risk)
{
    uint64_t orders = (uint64_t)risk->shard_count * (risk->order_count + UINT64_C(1));
    risk->instruments = table(risk, risk->instrument_count, sizeof *risk->instruments);
    risk->orders = table(risk, orders, sizeof *risk->orders);
    risk->positions = table(risk, risk->position_mask + UINT64_C(1), sizeof *risk->positions);
    risk->killed_topics = table(risk, risk->topic_count, 1);
    int is_whole = risk->instruments != NULL && risk->orders != NULL && risk->positions != NULL &&
                   risk->killed_topics != NULL;
    for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
        risk->owners[kind] = table(risk, risk->owner_counts[kind], sizeof *risk->owners[kind]);
        risk->killed_owners[kind] = table(risk, risk->owner_counts[kind], 1);
        is_whole &= risk->owners[kind] != NULL && risk->killed_owners[kind] != NULL;
    }
    return is_whole;
}

eng_risk *eng_risk_create(const eng_risk_instrument *instruments, uint32_t count, uint32_t shards,
                          uint32_t orders, uint32_t accounts, uint32_t firms, uint32_t topics,
                          uint32_t positions)
{
    int is_power = positions >= 16 && positions <= 1u << 28 && (positions & (positions - 1)) == 0;
    if (instruments == NULL || count == 0 || count > 1u << 20 || !is_power) {
        return NULL;
    }
    if (shards == 0 || shards > UINT8_MAX || orders == 0 || orders > 1u << 28 || topics == 0) {
        return NULL;
    }
    if (accounts == 0 || accounts > OWNERS_MAX || firms == 0 || firms > OWNERS_MAX) {
        return NULL;
    }
    eng_risk *risk = calloc(1, sizeof *risk);
    if (risk == NULL) {
        return NULL;
    }
    *risk = (eng_risk){.instrument_count = count,
                       .shard_count = shards,
                       .order_count = orders,
                       .topic_count = topics,
                       .owner_counts = {accounts, firms},
                       .position_mask = positions - 1,
                       .bytes = sizeof *risk};
    if (!make_tables(risk)) {
        eng_risk_destroy(risk);
        return NULL;
    }
    for (uint32_t n = 0; n < count; n++) {
        int32_t highest = instruments[n].price_ticks_max;
        risk->instruments[n] = (eng_pricing){
            .tick_1e4 = instruments[n].tick_1e4, .price_ticks_max = highest, .least = {0, highest}};
    }
    for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
        for (uint32_t n = 0; n < risk->owner_counts[kind]; n++) {
            for (uint32_t limit = 0; limit < ENG_LIMITS; limit++) {
                risk->owners[kind][n].limits[limit] = ENG_RISK_UNLIMITED;
            }
        }
    }
    return risk;
}

void eng_risk_destroy(eng_risk *risk)
{
    if (risk == NULL) {
        return;
    }
    free(risk->instruments);
    free(risk->orders);
    free(risk->positions);
    free(risk->killed_topics);
    for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
        free(risk->owners[kind]);
        free(risk->killed_owners[kind]);
    }
    free(risk);
}

uint64_t eng_risk_bytes(const eng_risk *risk)
{
    return risk->bytes;
}

/* --- positions ------------------------------------------------------------------------------- */

static uint32_t enter_position(eng_risk *risk, uint64_t key)
{
    uint32_t at = eng_position_place(risk, key);
    if (risk->positions[at].key == 0) {
        risk->positions[at].key = key;
        risk->position_count++;
    }
    return at;
}

/* Adds to what an owner has open on a side and to what it owns; as signed numbers in two's
 * complement. */
static inline void move(eng_exposure *now, eng_position *at, uint32_t index, uint64_t open,
                        uint64_t net)
{
    uint64_t before = eng_worst(at->net, at->open[0], at->open[1]);
    at->open[index] += open;
    at->net = (int64_t)((uint64_t)at->net + net);
    now->open[index] += open;
    now->net = (int64_t)((uint64_t)now->net + net);
    now->gross += eng_worst(at->net, at->open[0], at->open[1]) - before;
}

/* --- orders ---------------------------------------------------------------------------------- */

static inline void enter_for(eng_risk *risk, uint32_t kind, uint16_t number, eng_record *order,
                             uint32_t instrument, uint64_t notional)
{
    uint32_t place = enter_position(risk, eng_position_key(kind, number, instrument));
    eng_exposure *now = &risk->owners[kind][number].now;
    order->places[kind] = place;
    now->open_quantity += order->quantity;
    now->open_orders++;
    move(now, &risk->positions[place], order->side - 1u, notional, 0);
}

static int32_t enter(eng_risk *risk, eng_record *order, const rb_message *line, uint8_t side)
{
    const rb_new_order *body = &line->new_order;
    RB_CHECK(order->side == 0);
    RB_CHECK(body->instrument < risk->instrument_count);
    RB_CHECK(body->account < risk->owner_counts[ENG_ACCOUNT]);
    RB_CHECK(body->firm < risk->owner_counts[ENG_FIRM]);
    RB_CHECK(side == RB_SIDE_BUY || side == RB_SIDE_SELL);
    RB_CHECK(risk->position_count + 2 <= risk->position_mask);
    uint64_t price_1e4 = eng_price_at_risk(risk, body->instrument, body->price_ticks, side);
    order->price_1e4 = price_1e4;
    order->quantity = body->quantity;
    order->client_order_id = body->client_order_id;
    order->account = body->account;
    order->firm = body->firm;
    order->side = side;
    uint64_t notional = price_1e4 * body->quantity;
    enter_for(risk, ENG_ACCOUNT, body->account, order, body->instrument, notional);
    enter_for(risk, ENG_FIRM, body->firm, order, body->instrument, notional);
    return RB_OK;
}

static inline void take_off_for(eng_risk *risk, uint32_t kind, uint16_t number,
                                const eng_record *order, uint32_t quantity, int traded)
{
    uint64_t notional = order->price_1e4 * quantity;
    eng_exposure *now = &risk->owners[kind][number].now;
    eng_position *at = &risk->positions[order->places[kind]];
    now->open_quantity -= quantity;
    now->open_orders -= order->quantity == 0;
    if (traded) {
        uint64_t bought = order->side == RB_SIDE_BUY ? notional : 0 - notional;
        now->traded += notional;
        now->traded_quantity += quantity;
        move(now, at, order->side - 1u, 0 - notional, bought);
    } else {
        move(now, at, order->side - 1u, 0 - notional, 0);
    }
}

/* Takes quantity off an order, traded or not; `remaining` is what the line says is left. */
static inline int32_t take_off(eng_risk *risk, eng_record *order, uint32_t quantity,
                               uint32_t remaining, int traded)
{
    RB_CHECK(order->side != 0);
    RB_CHECK(quantity <= order->quantity);
    RB_CHECK(order->quantity - quantity == remaining);
    order->quantity = remaining;
    take_off_for(risk, ENG_ACCOUNT, order->account, order, quantity, traded);
    take_off_for(risk, ENG_FIRM, order->firm, order, quantity, traded);
    order->side = remaining == 0 ? 0 : order->side;
    return RB_OK;
}

/* One order or replace more in this second, for both owners. */
static void count_message(eng_risk *risk, const rb_message *line)
{
    uint64_t second = line->header.time_ns / ENG_SECOND_NS;
    eng_exposure *owners[2] = {&risk->owners[ENG_ACCOUNT][line->new_order.account].now,
                               &risk->owners[ENG_FIRM][line->new_order.firm].now};
    for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
        eng_exposure *now = owners[kind];
        now->messages = now->second == second ? now->messages + 1 : 1;
        now->second = second;
    }
}

/* The record of the order that a line is about, NULL if there is none. */
static eng_record *record_of(eng_risk *risk, const rb_message *line)
{
    uint32_t locate = line->new_order.locate;
    if (locate == ENG_LOCATE_NONE) {
        for (uint32_t n = 0; n < risk->loose_count; n++) {
            if (eng_record_instrument(risk, &risk->loose[n]) == line->any.instrument) {
                return &risk->loose[n];
            }
        }
        return NULL;
    }
    return eng_record_resting(risk, line->header.shard, locate);
}

/* --- lines ----------------------------------------------------------------------------------- */

static int32_t new_order(eng_risk *risk, const rb_message *line)
{
    eng_record *order = line->new_order.locate == ENG_LOCATE_NONE
                            ? &risk->loose[risk->loose_count++]
                            : record_of(risk, line);
    RB_CHECK(order != NULL);
    int32_t status = enter(risk, order, line, line->new_order.side);
    if (status == RB_OK) {
        count_message(risk, line);
    }
    return status;
}

static int32_t leg(eng_risk *risk, const rb_message *line)
{
    if (risk->template_id != RB_TEMPLATE_MULTI_LEG_ORDER) {
        return RB_OK; /* of one that was refused */
    }
    RB_CHECK(risk->loose_count < ENG_LOOSE_MAX);
    return enter(risk, &risk->loose[risk->loose_count++], line, line->leg.side);
}

static int32_t replace(eng_risk *risk, const rb_message *line)
{
    eng_record *order = record_of(risk, line);
    RB_CHECK(order != NULL);
    uint8_t side = order->side;
    int32_t status = take_off(risk, order, order->quantity, 0, 0);
    if (status == RB_OK) {
        status = enter(risk, order, line, side);
    }
    if (status == RB_OK) {
        count_message(risk, line);
    }
    return status;
}

static int32_t less(eng_risk *risk, const rb_message *line, int traded)
{
    eng_record *order = record_of(risk, line);
    RB_CHECK(order != NULL);
    return take_off(risk, order, line->executed.quantity, line->executed.remaining, traded);
}

/* Where a kill or its resumption is noted; NULL: nobody's. */
static uint8_t *killed_of(eng_risk *risk, uint8_t scope, uint16_t session, uint16_t account,
                          uint16_t firm)
{
    switch (scope) {
    case RB_MASS_CANCEL_SCOPE_EVERYTHING:
        return &risk->all_killed;
    case RB_MASS_CANCEL_SCOPE_SESSION:
        return session < risk->topic_count ? &risk->killed_topics[session] : NULL;
    case RB_MASS_CANCEL_SCOPE_ACCOUNT:
        return account < risk->owner_counts[ENG_ACCOUNT]
                   ? &risk->killed_owners[ENG_ACCOUNT][account]
                   : NULL;
    case RB_MASS_CANCEL_SCOPE_FIRM:
        return firm < risk->owner_counts[ENG_FIRM] ? &risk->killed_owners[ENG_FIRM][firm] : NULL;
    default:
        return NULL;
    }
}

static void mass_cancel(eng_risk *risk, const rb_mass_cancel *line)
{
    if ((line->scope & RB_MASS_CANCEL_SCOPE_KILL) == 0) {
        return;
    }
    uint8_t scope = line->scope & EVERYBODY;
    uint8_t *killed = killed_of(risk, scope, line->session, line->account, line->firm);
    if (killed == NULL) {
        return;
    }
    *killed = 1;
    if (scope == RB_MASS_CANCEL_SCOPE_ACCOUNT) {
        risk->owners[ENG_ACCOUNT][line->account].credit.orders = 0;
    } else if (scope == RB_MASS_CANCEL_SCOPE_FIRM) {
        risk->owners[ENG_FIRM][line->firm].credit.orders = 0;
    }
}

/* Of an owner that a Command names; NULL: there is none such. */
static eng_owner *owner_of(eng_risk *risk, const rb_command *line, uint32_t *kind, uint16_t *number)
{
    *kind = line->scope == RB_MASS_CANCEL_SCOPE_ACCOUNT ? ENG_ACCOUNT : ENG_FIRM;
    *number = *kind == ENG_ACCOUNT ? line->account : line->firm;
    return *number < risk->owner_counts[*kind] ? &risk->owners[*kind][*number] : NULL;
}

static void set_limit(eng_risk *risk, const rb_command *line)
{
    uint32_t kind;
    uint16_t number;
    eng_owner *who = owner_of(risk, line, &kind, &number);
    if (who != NULL && line->limit - 1u < ENG_LIMITS) {
        uint64_t *limit = &who->limits[line->limit - 1u];
        *limit = line->value < ENG_RISK_UNLIMITED ? line->value : ENG_RISK_UNLIMITED;
        who->credit.orders = 0;
    }
}

static int32_t restrict_owner(eng_risk *risk, const rb_command *line)
{
    uint32_t kind;
    uint16_t number;
    eng_owner *who = owner_of(risk, line, &kind, &number);
    if (who == NULL || line->instrument >= risk->instrument_count) {
        return RB_OK;
    }
    RB_CHECK(risk->position_count + 2 <= risk->position_mask);
    uint64_t key = eng_position_key(kind, number, line->instrument) | ENG_KEY_RESTRICTION;
    risk->positions[enter_position(risk, key)].net = (int64_t)line->value;
    who->is_restricted = 1;
    who->credit.orders = 0;
    return RB_OK;
}

static void set_self_trade(eng_risk *risk, const rb_command *line)
{
    uint32_t kind;
    uint16_t number;
    eng_owner *who = owner_of(risk, line, &kind, &number);
    if (who != NULL) {
        who->self_trade = (uint8_t)line->value;
        risk->has_self_trade = 1;
    }
}

static int32_t command(eng_risk *risk, const rb_command *line)
{
    uint8_t *killed = NULL;
    switch (line->kind) {
    case RB_COMMAND_KIND_LIMIT:
        set_limit(risk, line);
        return RB_OK;
    case RB_COMMAND_KIND_REFERENCE_PRICE:
        if (line->instrument < risk->instrument_count) {
            eng_pricing *in = &risk->instruments[line->instrument];
            in->least[1] = line->price_ticks != 0 ? line->price_ticks : in->price_ticks_max;
        }
        return RB_OK;
    case RB_COMMAND_KIND_RESTRICTION:
        return restrict_owner(risk, line);
    case RB_COMMAND_KIND_SELF_TRADE:
        set_self_trade(risk, line);
        return RB_OK;
    case RB_COMMAND_KIND_RESUME:
        killed = killed_of(risk, line->scope, line->session, line->account, line->firm);
        if (killed != NULL) {
            *killed = 0;
        }
        return RB_OK;
    case RB_COMMAND_KIND_CLOSE_DAY:
        risk->is_closed = 1;
        return RB_OK;
    default:
        return RB_OK;
    }
}

static int32_t apply_line(eng_risk *risk, const rb_message *line)
{
    if (!risk->is_inside) {
        for (uint32_t n = 0; n < risk->loose_count; n++) {
            RB_CHECK(risk->loose[n].side == 0);
        }
        risk->loose_count = 0;
        risk->template_id = line->header.template_id;
    }
    risk->is_inside = (line->header.flags & RB_FLAG_LAST_OF_GROUP) == 0;
    switch (line->header.template_id) {
    case RB_TEMPLATE_NEW_ORDER:
        return new_order(risk, line);
    case RB_TEMPLATE_REPLACE:
        return replace(risk, line);
    case RB_TEMPLATE_EXECUTED:
        return less(risk, line, 1);
    case RB_TEMPLATE_CANCEL:
    case RB_TEMPLATE_CANCELED:
        return less(risk, line, 0);
    case RB_TEMPLATE_LEG:
        return leg(risk, line);
    case RB_TEMPLATE_MULTI_LEG_ORDER:
        RB_CHECK(line->multi_leg_order.account < risk->owner_counts[ENG_ACCOUNT]);
        RB_CHECK(line->multi_leg_order.firm < risk->owner_counts[ENG_FIRM]);
        count_message(risk, line);
        return RB_OK;
    case RB_TEMPLATE_TRADE_PARTY:
        /* Of a correction nothing; one that was refused is not in a group of this template. */
        return risk->template_id == RB_TEMPLATE_TRADE_CHANGE && line->trade_party.notional_1e4 != 0
                   ? eng_risk_take_back(risk, &line->trade_party)
                   : RB_OK;
    case RB_TEMPLATE_MASS_CANCEL:
        mass_cancel(risk, &line->mass_cancel);
        return RB_OK;
    case RB_TEMPLATE_COMMAND:
        return command(risk, &line->command);
    case RB_TEMPLATE_END_OF_DAY:
        risk->is_over = 1;
        return RB_OK;
    default:
        return RB_OK;
    }
}

_Static_assert(offsetof(rb_cancel, remaining) == offsetof(rb_executed, remaining), "alike");
_Static_assert(offsetof(rb_cancel, quantity) == offsetof(rb_executed, quantity), "alike");
_Static_assert(offsetof(rb_canceled, remaining) == offsetof(rb_executed, remaining), "alike");
_Static_assert(offsetof(rb_leg, quantity) == offsetof(rb_new_order, quantity), "alike");
_Static_assert(offsetof(rb_leg, account) == offsetof(rb_new_order, account), "alike");
_Static_assert(offsetof(rb_multi_leg_order, account) == offsetof(rb_new_order, account), "alike");

void eng_risk_prefetch(const eng_risk *risk, uint32_t shard, uint32_t locate)
{
    /* Of a line without an order it is some place or none: nothing is read. */
    const eng_record *order = eng_record_resting(risk, shard, locate);
    if (order != NULL) {
        rb_ask(order);
    }
}

static inline void prefetch(const eng_risk *risk, const rb_message *line)
{
    eng_risk_prefetch(risk, line->header.shard, line->new_order.locate);
}

/* Of two places one, without a branch: what a line is nobody can foretell. */
static inline uint32_t pick(uint32_t is_first, uint32_t first, uint32_t second)
{
    return second ^ ((first ^ second) & (0 - is_first));
}

static inline void ask_for(const eng_risk *risk, uint32_t kind, uint32_t is_new, uint16_t new_owner,
                           uint16_t owner, const eng_record *order, uint32_t instrument)
{
    uint16_t number = (uint16_t)pick(is_new, new_owner, owner);
    uint32_t home = eng_position_home(risk, eng_position_key(kind, number, instrument));
    rb_ask(&risk->positions[pick(is_new, home, order->places[kind])]);
    rb_ask(&risk->owners[kind][number].now);
}

/* The same for the positions and the owners, which are found through the order: it has come by now.
 * Of a new one the line says everything. Its record is no witness: a book gives the place that was
 * freed last, so the order before it there mostly is still open so many lines ahead. */
static void prefetch_behind(const eng_risk *risk, const rb_message *line)
{
    const eng_record *order = eng_record_resting(risk, line->header.shard, line->new_order.locate);
    if (order == NULL) {
        /* One that cannot rest, or no order at all: then what is asked for is some place. */
        order = &risk->loose[0];
    }
    const rb_new_order *body = &line->new_order;
    __builtin_prefetch(
        &risk->instruments[body->instrument < risk->instrument_count ? body->instrument : 0]);
    uint32_t is_new = line->header.template_id == RB_TEMPLATE_NEW_ORDER;
    ask_for(risk, ENG_ACCOUNT, is_new, body->account, order->account, order, body->instrument);
    ask_for(risk, ENG_FIRM, is_new, body->firm, order->firm, order, body->instrument);
}

int32_t eng_risk_apply(eng_risk *risk, const rb_message *lines, int64_t count)
{
    int32_t status = RB_OK;
    if (count < FEW) {
        for (int64_t n = 0; n < count && status == RB_OK; n++) {
            status = apply_line(risk, &lines[n]);
        }
        return status;
    }
    /* The misses of the lines behind it overlap with a line's work, and those of the first lines
     * with each other. */
    for (int64_t n = 0; n < AHEAD && n < count; n++) {
        prefetch(risk, &lines[n]);
    }
    for (int64_t n = 0; n < AHEAD / 2 && n < count; n++) {
        prefetch_behind(risk, &lines[n]);
    }
    for (int64_t n = 0; n < count && status == RB_OK; n++) {
        if (n + AHEAD < count) {
            prefetch(risk, &lines[n + AHEAD]);
        }
        if (n + AHEAD / 2 < count) {
            prefetch_behind(risk, &lines[n + AHEAD / 2]);
        }
        status = apply_line(risk, &lines[n]);
    }
    return status;
}
