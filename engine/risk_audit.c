/* What a risk state shows of itself: sums, limits, hash, and whether the sums are right. */
#include <stdlib.h>
#include <string.h>

#include "engine/risk_state.h"
#include "ringbus/check.h"

static uint64_t mix(uint64_t hash, uint64_t value)
{
    uint64_t z = (hash ^ value) + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ z >> 31;
}

static uint64_t hash_owner(uint64_t hash, const eng_owner *who)
{
    const eng_exposure *now = &who->now;
    uint64_t words[] = {now->open[0],  now->open[1],         (uint64_t)now->net, now->gross,
                        now->traded,   now->traded_quantity, now->open_quantity, now->open_orders,
                        now->messages, now->second};
    for (size_t n = 0; n < sizeof words / sizeof words[0]; n++) {
        hash = mix(hash, words[n]);
    }
    for (size_t n = 0; n < ENG_LIMITS; n++) {
        hash = mix(hash, who->limits[n]);
    }
    return mix(hash, who->self_trade);
}

uint64_t eng_risk_hash(const eng_risk *risk)
{
    uint64_t hash =
        risk->all_killed | (uint64_t)risk->is_closed << 1 | (uint64_t)risk->is_over << 2;
    uint64_t orders = (uint64_t)risk->shard_count * (risk->order_count + UINT64_C(1));
    for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
        for (uint32_t n = 0; n < risk->owner_counts[kind]; n++) {
            hash = hash_owner(mix(hash, risk->killed_owners[kind][n]), &risk->owners[kind][n]);
        }
    }
    for (uint32_t n = 0; n < risk->topic_count; n++) {
        hash = mix(hash, risk->killed_topics[n]);
    }
    for (uint32_t n = 0; n < risk->instrument_count; n++) {
        hash = mix(hash, (uint32_t)risk->instruments[n].least[1]);
    }
    for (uint64_t n = 0; n <= risk->position_mask; n++) {
        const eng_position *at = &risk->positions[n];
        if ((at->key & ENG_KEY_RESTRICTION) != 0) {
            hash += mix(at->key, (uint64_t)at->net); /* wherever it lies */
        }
    }
    for (uint64_t n = 0; n < orders; n++) {
        const eng_record *order = &risk->orders[n];
        if (order->side != 0) {
            hash = mix(hash, n << 8 | order->side);
            hash = mix(hash, order->price_1e4);
            hash = mix(hash, (uint64_t)order->client_order_id << 32 | order->quantity);
        }
    }
    return hash;
}

/* Takes every open order off copies of the sums; nothing may be left of what is open. */
static int32_t verify_orders(const eng_risk *risk, eng_exposure *sums[2])
{
    uint64_t orders = (uint64_t)risk->shard_count * (risk->order_count + UINT64_C(1));
    for (uint64_t n = 0; n < orders; n++) {
        const eng_record *order = &risk->orders[n];
        if (order->side == 0) {
            continue;
        }
        RB_CHECK(order->quantity != 0);
        uint16_t numbers[2] = {order->account, order->firm};
        for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
            eng_exposure *sum = &sums[kind][numbers[kind]];
            sum->open[order->side - 1u] -= order->price_1e4 * order->quantity;
            sum->open_quantity -= order->quantity;
            sum->open_orders--;
        }
    }
    return RB_OK;
}

static int32_t verify_positions(const eng_risk *risk, eng_exposure *sums[2])
{
    uint32_t used = 0;
    for (uint64_t n = 0; n <= risk->position_mask; n++) {
        const eng_position *at = &risk->positions[n];
        if (at->key == 0) {
            RB_CHECK(at->net == 0);
            continue;
        }
        used++;
        if ((at->key & ENG_KEY_RESTRICTION) != 0) {
            RB_CHECK(at->open[0] == 0);
            RB_CHECK(at->open[1] == 0);
            continue;
        }
        eng_exposure *sum = &sums[at->key >> 62 & 1][(uint16_t)(at->key >> 32)];
        sum->net -= at->net;
        sum->gross -= eng_worst(at->net, at->open[0], at->open[1]);
    }
    RB_CHECK(used == risk->position_count);
    return RB_OK;
}

static int32_t verify_nothing_left(const eng_risk *risk, eng_exposure *sums[2])
{
    for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
        for (uint32_t n = 0; n < risk->owner_counts[kind]; n++) {
            const eng_exposure *sum = &sums[kind][n];
            RB_CHECK(sum->open[0] == 0);
            RB_CHECK(sum->open[1] == 0);
            RB_CHECK(sum->open_quantity == 0);
            RB_CHECK(sum->open_orders == 0);
            RB_CHECK(sum->net == 0);
            RB_CHECK(sum->gross == 0);
        }
    }
    return RB_OK;
}

int32_t eng_risk_verify(const eng_risk *risk)
{
    eng_exposure *sums[2];
    for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
        sums[kind] = calloc(risk->owner_counts[kind], sizeof **sums);
        for (uint32_t n = 0; sums[kind] != NULL && n < risk->owner_counts[kind]; n++) {
            sums[kind][n] = risk->owners[kind][n].now;
        }
    }
    int32_t status = sums[0] != NULL && sums[1] != NULL ? RB_OK : RB_SYSTEM;
    status = status == RB_OK ? verify_orders(risk, sums) : status;
    status = status == RB_OK ? verify_positions(risk, sums) : status;
    status = status == RB_OK ? verify_nothing_left(risk, sums) : status;
    free(sums[0]);
    free(sums[1]);
    return status;
}

static int32_t show(const eng_risk *risk, uint32_t kind, uint32_t number, eng_exposure *out,
                    uint64_t *limits)
{
    if (number >= risk->owner_counts[kind]) {
        return RB_UNKNOWN;
    }
    *out = risk->owners[kind][number].now;
    memcpy(limits, risk->owners[kind][number].limits, sizeof risk->owners[kind][number].limits);
    return RB_OK;
}

int32_t eng_risk_account(const eng_risk *risk, uint32_t account, eng_exposure *out,
                         uint64_t *limits)
{
    return show(risk, ENG_ACCOUNT, account, out, limits);
}

int32_t eng_risk_firm(const eng_risk *risk, uint32_t firm, eng_exposure *out, uint64_t *limits)
{
    return show(risk, ENG_FIRM, firm, out, limits);
}
