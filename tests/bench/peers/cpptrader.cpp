// Adapter for CppTrader's market manager (github.com/chronoxor/CppTrader, MIT), of which nothing is
// here: PEERS='cpptrader=FOLDER' names a checkout of it.
//
// sources: source/trader/matching/market_manager.cpp source/trader/matching/order_book.cpp
// includes: include modules/CppCommon/include
#include "trader/matching/market_manager.h"

extern "C" {
#include "tests/bench/peer.h"
}

using namespace CppTrader::Matching;

namespace
{

// Its reports, as lines of the same size as the book's.
class Reports : public MarketHandler
{
  public:
    eng_sink *sink = nullptr;
    const rb_message *message = nullptr;
    bool replacing = false;

  protected:
    rb_message *line(uint8_t template_id, const Order &order, uint64_t price, uint64_t quantity)
    {
        rb_message *out = &sink->base[(sink->position + sink->count++) & sink->mask];
        rb_executed *body = &out->executed;
        body->header.time_ns = message->header.time_ns;
        body->header.topic_sequence = 0;
        body->header.topic = message->header.topic;
        body->header.publisher = 0;
        body->header.template_id = template_id;
        body->header.flags = RB_FLAG_GENERATED;
        body->header.shard = 0;
        body->header.reserved = 0;
        body->header.checksum = message->header.checksum;
        body->instrument = order.SymbolId;
        body->price_ticks = (int32_t)price;
        body->quantity = (uint32_t)quantity;
        body->locate = 0;
        body->client_order_id = (uint32_t)order.Id;
        body->account = message->new_order.account;
        body->firm = message->new_order.firm;
        body->side = order.IsBuy() ? RB_SIDE_BUY : RB_SIDE_SELL;
        body->liquidity = 0;
        body->detail = 0;
        body->remaining = (uint32_t)order.LeavesQuantity;
        return out;
    }

    void onAddOrder(const Order &order) override
    {
        line(RB_TEMPLATE_NEW_ORDER, order, order.Price, order.Quantity);
    }

    void onDeleteOrder(const Order &order) override
    {
        // A filled order has said so with its last execution.
        if (order.LeavesQuantity > 0 && !replacing) {
            line(RB_TEMPLATE_CANCELED, order, order.Price, order.LeavesQuantity);
        }
    }

    void onExecuteOrder(const Order &order, uint64_t price, uint64_t quantity) override
    {
        line(RB_TEMPLATE_EXECUTED, order, price, quantity);
    }
};

struct Engine {
    Reports reports;
    MarketManager market{reports};
};

void *create(uint32_t instruments, uint32_t)
{
    Engine *engine = new Engine;
    for (uint32_t id = 0; id < instruments; id++) {
        Symbol symbol(id, "SYMBOL  ");
        engine->market.AddSymbol(symbol);
        engine->market.AddOrderBook(symbol);
    }
    engine->market.EnableMatching();
    return engine;
}

void destroy(void *engine)
{
    delete static_cast<Engine *>(engine);
}

void apply(void *engine, const rb_message *message, eng_sink *sink)
{
    Engine *e = static_cast<Engine *>(engine);
    e->reports.sink = sink;
    e->reports.message = message;
    const rb_new_order &order = message->new_order;
    switch (message->header.template_id) {
    case RB_TEMPLATE_NEW_ORDER:
        e->market.AddOrder(Order::Limit(
            order.client_order_id, order.instrument,
            order.side == RB_SIDE_BUY ? OrderSide::BUY : OrderSide::SELL,
            (uint64_t)order.price_ticks, order.quantity,
            order.time_in_force == RB_TIME_IN_FORCE_DAY ? OrderTimeInForce::GTC
                                                        : OrderTimeInForce::IOC));
        break;
    case RB_TEMPLATE_CANCEL:
        e->market.DeleteOrder(message->cancel.client_order_id);
        break;
    default:
        e->reports.replacing = true;
        e->market.ReplaceOrder(message->replace.original_client_order_id, order.client_order_id,
                               (uint64_t)order.price_ticks, order.quantity);
        e->reports.replacing = false;
        break;
    }
}

const peer adapter = {"CppTrader", create, destroy, apply};

} // namespace

extern "C" __attribute__((visibility("default"))) const peer *bench_peer(void)
{
    return &adapter;
}
