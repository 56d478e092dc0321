#include "tests/bench/maker.h"

static int32_t hot_price(maker *m, hot_scenario scenario, int32_t middle, uint8_t side)
{
    int32_t ticks = draw(m, 20) == 0 ? (int32_t)draw(m, 500) : draw_steps(m, scenario.depth);
    return short_of_touch(m, 0, side, away(side, middle, 1 + ticks));
}

/* How far an order lies on the wrong side of the middle. */
static int32_t beyond(const order *one, int32_t middle)
{
    return one->side == RB_SIDE_BUY ? one->price_ticks - middle : middle - one->price_ticks;
}

static void hot_new(maker *m, hot_scenario scenario, int32_t middle, int can_take)
{
    uint8_t side = (uint8_t)(RB_SIDE_BUY + draw(m, 2));
    if (!can_take || draw(m, 100) >= 15) {
        int32_t price_ticks = hot_price(m, scenario, middle, side);
        emit_new(m, 0, side, price_ticks, draw_quantity(m, 3), RB_TIME_IN_FORCE_DAY);
        return;
    }
    /* What the price has passed is taken first. */
    int32_t bid = touch(m, 0, RB_SIDE_BUY);
    int32_t ask = touch(m, 0, RB_SIDE_SELL);
    side = bid > middle ? RB_SIDE_SELL : ask < middle ? RB_SIDE_BUY : side;
    int32_t other = side == RB_SIDE_BUY ? ask : bid;
    int32_t price_ticks = away(side, other != 0 ? other : middle, -(int32_t)draw(m, 3));
    emit_new(m, 0, side, price_ticks, draw_quantity(m, 3), RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL);
}

/* An order that is to go: of three the one that the price has passed furthest. */
static order hot_victim(maker *m, int32_t middle)
{
    order one = m->open[draw(m, m->open_count)];
    for (int n = 0; n < 2; n++) {
        order other = m->open[draw(m, m->open_count)];
        if (beyond(&other, middle) > 0 && beyond(&other, middle) > beyond(&one, middle)) {
            one = other;
        }
    }
    return one;
}

static void hot_message(maker *m, hot_scenario scenario, int32_t middle)
{
    uint32_t dice = draw(m, 100);
    if (dice < (m->open_count < scenario.standing ? 60u : 40u) || m->open_count == 0) {
        hot_new(m, scenario, middle, 1);
        return;
    }
    int stale = draw(m, 50) == 0 && m->gone_count > MAKER_GONE;
    order one = stale ? m->gone[draw(m, MAKER_GONE)] : hot_victim(m, middle);
    if (dice < 90) {
        emit_cancel(m, &one);
    } else {
        emit_replace(m, &one, hot_price(m, scenario, middle, one.side));
    }
}

void flow_hot(flow *f, hot_scenario scenario, uint64_t timed)
{
    const int32_t start = 100000;
    uint32_t orders = 2 * scenario.standing + 1000;
    maker *m = make_maker(f, 1, 1, orders);
    make_book(m, 0, 4 * (uint64_t)orders + timed, 1, orders, 1 << 11);
    while (m->open_count < scenario.standing) {
        hot_new(m, scenario, start, 0);
    }
    stand(m);
    int64_t walk = (int64_t)start * scenario.walk / 100;
    for (uint64_t n = 0; n < timed; n++) {
        hot_message(m, scenario, start + (int32_t)(walk * (int64_t)n / (int64_t)timed));
    }
    finish(m);
}
