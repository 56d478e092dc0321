#include "engine/trade_change.h"

#include <string.h>

static int is_reason(uint8_t kind, char reason)
{
    return kind == RB_TRADE_CHANGE_KIND_CORRECT
               ? reason == 'N'
               : kind == RB_TRADE_CHANGE_KIND_BUST && memchr("ECSX", reason, 4) != NULL;
}

static int fits(const rb_trade_change *change, const rb_trade_party *party, uint32_t topics)
{
    int is_bust = change->kind == RB_TRADE_CHANGE_KIND_BUST;
    return party->instrument == change->instrument && party->quantity == change->quantity &&
           party->session != 0 && party->session < topics && (party->notional_1e4 != 0) == is_bust;
}

uint16_t eng_trade_change_fault(const eng_group *group, uint32_t topics)
{
    const rb_trade_change *change = &eng_group_line(group, 0)->trade_change;
    const rb_trade_party *one = eng_trade_party(group, 0);
    const rb_trade_party *other = eng_trade_party(group, 1);
    if (change->price_ticks < 1 || change->price_ticks > ENG_PRICE_TICKS_MAX) {
        return RB_REJECT_REASON_INVALID_PRICE;
    }
    if (change->quantity == 0 || change->match == 0 || !is_reason(change->kind, change->reason)) {
        return RB_REJECT_REASON_INVALID_TRADE;
    }
    int is_pair = (one->side == RB_SIDE_BUY && other->side == RB_SIDE_SELL) ||
                  (one->side == RB_SIDE_SELL && other->side == RB_SIDE_BUY);
    if (!is_pair || !fits(change, one, topics) || !fits(change, other, topics)) {
        return RB_REJECT_REASON_INVALID_TRADE;
    }
    return 0;
}

/* All but word 0, which is the guard of a slot. */
static rb_message *begin(rb_lane *out, uint64_t n, const rb_message *from)
{
    rb_message *line = rb_lane_slot(out, n);
    memcpy(&line->words[1], &from->words[1], sizeof *line - sizeof line->words[0]);
    return line;
}

uint64_t eng_trade_change_tell(const eng_group *group, rb_lane *out, uint64_t count)
{
    const rb_trade_change *change = &eng_group_line(group, 0)->trade_change;
    for (uint32_t n = 0; n < 2; n++) {
        const rb_trade_party *party = eng_trade_party(group, n);
        rb_message *line = begin(out, count + 2 * n, eng_group_line(group, 0));
        rb_message *tag = begin(out, count + 2 * n + 1, eng_group_line(group, 2 + 2 * n));
        line->header.template_id = RB_TEMPLATE_TRADE_CHANGED;
        line->header.topic = party->session;
        tag->header.topic = party->session;
        rb_trade_changed *told = &line->trade_changed;
        told->client_order_id = party->client_order_id;
        told->account = party->account;
        told->firm = party->firm;
        told->side = party->side;
        told->liquidity = party->liquidity;
        told->kind = change->kind;
        told->reason = change->reason;
    }
    return ENG_TRADE_CHANGED_LINES;
}

_Static_assert(offsetof(rb_trade_change, price_ticks) == offsetof(rb_trade_changed, price_ticks),
               "alike");
_Static_assert(offsetof(rb_trade_change, match) == offsetof(rb_trade_changed, match), "alike");
_Static_assert(offsetof(rb_trade_change, quantity) == offsetof(rb_trade_changed, quantity),
               "alike");
