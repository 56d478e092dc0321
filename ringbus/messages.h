/* Generated from messages.xml by `python -m tools.schema`; do not edit. */
#ifndef RINGBUS_MESSAGES_H
#define RINGBUS_MESSAGES_H

#include <stddef.h>
#include <stdint.h>

#define RB_SCHEMA_ID 1u
#define RB_SCHEMA_VERSION 1u
#define RB_SCHEMA_HASH UINT64_C(0xd3d29857c898f61f)
#define RB_MESSAGE_BYTES 64u
#define RB_INSTRUMENT_NONE UINT32_C(4294967295)
#define RB_TEMPLATE_CONTRIBUTED_MAX 63u
/* Templates that have an account, by bit, and where. */
#define RB_ACCOUNT_TEMPLATES {UINT64_C(0x00000000561e03ee), UINT64_C(0x0000000000000037), UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000000)}
#define RB_ACCOUNT_OFFSET 52u

enum rb_template {
    RB_TEMPLATE_NEW_ORDER = 1,
    RB_TEMPLATE_CANCEL = 2,
    RB_TEMPLATE_REPLACE = 3,
    RB_TEMPLATE_ORDER_TAG = 4,
    RB_TEMPLATE_REJECT = 5,
    RB_TEMPLATE_MASS_CANCEL = 6,
    RB_TEMPLATE_SESSION_EVENT = 7,
    RB_TEMPLATE_CROSS_RESULT = 8,
    RB_TEMPLATE_COMMAND = 9,
    RB_TEMPLATE_TICK = 10,
    RB_TEMPLATE_EPOCH_START = 11,
    RB_TEMPLATE_END_OF_DAY = 12,
    RB_TEMPLATE_INSTRUMENT_DEFINITION = 13,
    RB_TEMPLATE_PARTICIPANT_DEFINITION = 14,
    RB_TEMPLATE_BUILD_RECORD = 15,
    RB_TEMPLATE_ORDER_TERMS = 16,
    RB_TEMPLATE_MULTI_LEG_ORDER = 17,
    RB_TEMPLATE_LEG = 18,
    RB_TEMPLATE_STOP_ORDER = 19,
    RB_TEMPLATE_STOP_CANCEL = 20,
    RB_TEMPLATE_IMBALANCE = 21,
    RB_TEMPLATE_AUCTION_EXTENSION = 22,
    RB_TEMPLATE_TRADE_REPORTED = 23,
    RB_TEMPLATE_TRADE_CHANGE = 25,
    RB_TEMPLATE_TRADE_PARTY = 26,
    RB_TEMPLATE_TEXT = 27,
    RB_TEMPLATE_COMMAND_ASKED = 28,
    RB_TEMPLATE_ALARM = 30,
    RB_TEMPLATE_CARRIED_OVER = 32,
    RB_TEMPLATE_EXECUTED = 64,
    RB_TEMPLATE_CANCELED = 65,
    RB_TEMPLATE_REJECTED = 66,
    RB_TEMPLATE_STATE_CHANGED = 67,
    RB_TEMPLATE_REPLENISHED = 68,
    RB_TEMPLATE_TRADE_CHANGED = 69,
    RB_TEMPLATE_SKIP = 127,
};

enum rb_flag {
    RB_FLAG_LAST_OF_GROUP = 1, /* No more lines belong to this input. */
    RB_FLAG_CONTINUED = 2, /* The next line belongs to this message. */
    RB_FLAG_GENERATED = 4, /* Made by the engine from the contributed line before it. */
    RB_FLAG_REPLAYED = 8, /* Input of a replay: topic locks are taken as recorded. */
    RB_FLAG_REFUSED = 16, /* The sequencer refused the proposal; the body is that of Rejected. */
    RB_FLAG_KEPT_PRIORITY = 32, /* Of a Replace: the order kept its place in the queue. */
    RB_FLAG_BROADCAST = 64, /* Every shard has answered it: it counts one on its topic in each of them. */
};

enum rb_order_option {
    RB_ORDER_OPTION_HIDDEN = 1, /* Not shown; behind what is shown at its price. */
    RB_ORDER_OPTION_MARKET = 2, /* The price is a collar; goes first in a cross. */
    RB_ORDER_OPTION_POST_ONLY = 4, /* Refused if it would trade. */
    RB_ORDER_OPTION_SLIDE = 8, /* Moved one tick short of the other side if it would trade. */
    RB_ORDER_OPTION_SELF_TRADE_NEWEST = 16, /* Meeting itself, the incoming order is canceled; with SelfTradeOldest both are. */
    RB_ORDER_OPTION_SELF_TRADE_OLDEST = 32, /* Meeting itself, the resting order is canceled. */
    RB_ORDER_OPTION_SELF_TRADE_DECREMENT = 64, /* Meeting itself, the smaller quantity is taken off both. */
    RB_ORDER_OPTION_SELF_TRADE_FIRM = 128, /* Itself is the firm; otherwise the account. */
};

enum rb_auction_option {
    RB_AUCTION_OPTION_IMBALANCE_ONLY = 1, /* Only fills what the other orders of a cross leave over. */
};

enum rb_mass_cancel_scope {
    RB_MASS_CANCEL_SCOPE_EVERYTHING = 1, /* Nothing: all orders. Stands alone. */
    RB_MASS_CANCEL_SCOPE_SESSION = 2,
    RB_MASS_CANCEL_SCOPE_ACCOUNT = 4,
    RB_MASS_CANCEL_SCOPE_FIRM = 8,
    RB_MASS_CANCEL_SCOPE_INSTRUMENT = 16,
    RB_MASS_CANCEL_SCOPE_SIDE = 32,
    RB_MASS_CANCEL_SCOPE_KILL = 64, /* Of an Everything, Session, Account or Firm: its new orders are refused from here on. */
};

enum rb_instrument_state {
    RB_INSTRUMENT_STATE_CONTINUOUS = 1,
    RB_INSTRUMENT_STATE_AUCTION = 2, /* Orders are held for a cross. */
    RB_INSTRUMENT_STATE_HALTED = 3, /* Cancels only. */
    RB_INSTRUMENT_STATE_CLOSED = 4, /* Cancels only. */
    RB_INSTRUMENT_STATE_PRE_OPEN = 5, /* Orders are held for an auction that has not begun: it cannot be crossed. */
};

enum rb_environment {
    RB_ENVIRONMENT_TEST = 1,
    RB_ENVIRONMENT_LIVE = 2,
};

enum rb_cross_type {
    RB_CROSS_TYPE_OPENING = 1,
    RB_CROSS_TYPE_CLOSING = 2,
    RB_CROSS_TYPE_HALT = 3,
};

enum rb_command_kind {
    RB_COMMAND_KIND_INSTRUMENT_STATE = 1, /* Sets the state of an instrument. */
    RB_COMMAND_KIND_LIMIT = 2, /* Sets a limit of an account or a firm. */
    RB_COMMAND_KIND_REFERENCE_PRICE = 3, /* Sets what sells of an instrument count at, at least. */
    RB_COMMAND_KIND_RESUME = 4, /* Lifts a kill of the same scope. */
    RB_COMMAND_KIND_COLLAR = 5, /* Sets what prices of an instrument must be between in a phase, the state. */
    RB_COMMAND_KIND_FAT_FINGER = 6, /* Sets how far past its last trade an instrument's orders may be priced, and how large they may be. */
    RB_COMMAND_KIND_RESTRICTION = 7, /* Sets what an account or a firm may do in an instrument. */
    RB_COMMAND_KIND_SELF_TRADE = 8, /* Sets what orders of an account or a firm do that meet themselves and do not say. */
    RB_COMMAND_KIND_CLOSE_DAY = 9, /* No order, replace or stop order is taken from here on, of anybody; nothing lifts it. */
};

enum rb_risk_limit {
    RB_RISK_LIMIT_OPEN_LONG = 1, /* Notional of open buys. */
    RB_RISK_LIMIT_OPEN_SHORT = 2, /* Notional of open sells. */
    RB_RISK_LIMIT_NET_POSITION = 3, /* Notional, either way, if all that is open on one side traded. */
    RB_RISK_LIMIT_GROSS_POSITION = 4, /* The same by instrument, summed up. */
    RB_RISK_LIMIT_TRADED_NOTIONAL = 5, /* Of the day, what is open included. */
    RB_RISK_LIMIT_TRADED_QUANTITY = 6, /* Of the day, what is open included. */
    RB_RISK_LIMIT_OPEN_ORDERS = 7,
    RB_RISK_LIMIT_MESSAGES_PER_SECOND = 8, /* Orders and replaces. */
};

enum rb_side {
    RB_SIDE_BUY = 1,
    RB_SIDE_SELL = 2,
};

enum rb_time_in_force {
    RB_TIME_IN_FORCE_DAY = 0,
    RB_TIME_IN_FORCE_GOOD_TILL_CANCEL = 1,
    RB_TIME_IN_FORCE_AT_OPENING = 2,
    RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL = 3,
    RB_TIME_IN_FORCE_FILL_OR_KILL = 4,
    RB_TIME_IN_FORCE_GOOD_TILL_TIME = 6, /* Its time is in OrderTerms; somebody else cancels it then. */
    RB_TIME_IN_FORCE_AT_CLOSE = 7,
};

enum rb_liquidity {
    RB_LIQUIDITY_ADDED = 1, /* The resting side. */
    RB_LIQUIDITY_REMOVED = 2, /* The incoming side. */
    RB_LIQUIDITY_CROSS = 3, /* Either side of a cross. */
};

enum rb_trade_detail {
    RB_TRADE_DETAIL_OPENING_CROSS = 1,
    RB_TRADE_DETAIL_CLOSING_CROSS = 2,
    RB_TRADE_DETAIL_HALT_CROSS = 3,
    RB_TRADE_DETAIL_HIDDEN = 4, /* The resting side was not shown. */
};

enum rb_restriction {
    RB_RESTRICTION_NONE = 0,
    RB_RESTRICTION_NO_ORDERS = 1, /* Neither new orders nor replaces. */
    RB_RESTRICTION_SELL_ONLY = 2, /* Only sells and replaces of sells. */
};

enum rb_trade_change_kind {
    RB_TRADE_CHANGE_KIND_BUST = 1, /* The trade is void. */
    RB_TRADE_CHANGE_KIND_CORRECT = 2, /* The trade has another price. */
};

enum rb_cancel_reason {
    RB_CANCEL_REASON_USER = 1,
    RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL = 2,
    RB_CANCEL_REASON_FILL_OR_KILL = 3,
    RB_CANCEL_REASON_MINIMUM_QUANTITY = 4,
    RB_CANCEL_REASON_SELF_TRADE = 5,
    RB_CANCEL_REASON_MASS_CANCEL = 6,
    RB_CANCEL_REASON_COLLAR = 7, /* A market order met nothing more within its collar. */
    RB_CANCEL_REASON_CROSS = 8, /* Its cross is over. */
    RB_CANCEL_REASON_LEGS = 9, /* Not all legs could be filled. */
    RB_CANCEL_REASON_CAPACITY = 10, /* No room for its price when an auction ended. */
    RB_CANCEL_REASON_EXPIRED = 11, /* Its time, or its day, is over. */
    RB_CANCEL_REASON_SUPERVISORY = 12, /* By a mass cancel or kill that its own session did not ask for. */
};

enum rb_session_event_kind {
    RB_SESSION_EVENT_KIND_LOGIN = 1,
    RB_SESSION_EVENT_KIND_LOGOUT = 2, /* The client asked. */
    RB_SESSION_EVENT_KIND_DISCONNECT = 3, /* The connection broke, was silent, or was cut off. */
    RB_SESSION_EVENT_KIND_ENTRY_DISABLED = 4, /* The client wants no more orders of its own taken. */
    RB_SESSION_EVENT_KIND_ENTRY_ENABLED = 5,
    RB_SESSION_EVENT_KIND_ACCOUNT_QUERY = 6, /* The client asked which number comes next. */
    RB_SESSION_EVENT_KIND_SPOKE = 7, /* FIX: the port said something of the session itself (a heartbeat, a rejection): it took the client's next number. */
    RB_SESSION_EVENT_KIND_NOTE = 8, /* FIX: a text of the client's that the next refusal repeats; in the OrderTag line behind. */
    RB_SESSION_EVENT_KIND_STATUS_ASKED = 9, /* FIX: the client asks how the order is that the OrderTag line behind names. */
    RB_SESSION_EVENT_KIND_CARRIED = 10, /* Of the opening: what the order that comes next has traded on former days. */
};

enum rb_reject_reason {
    RB_REJECT_REASON_UNKNOWN_INSTRUMENT = 1,
    RB_REJECT_REASON_INVALID_SIDE = 2,
    RB_REJECT_REASON_INVALID_QUANTITY = 3,
    RB_REJECT_REASON_INVALID_PRICE = 4, /* Zero, outside the collar, or not representable. */
    RB_REJECT_REASON_OFF_TICK = 5,
    RB_REJECT_REASON_OFF_LOT = 6,
    RB_REJECT_REASON_INVALID_TIME_IN_FORCE = 7,
    RB_REJECT_REASON_INVALID_DISPLAY = 8,
    RB_REJECT_REASON_UNKNOWN_ORDER = 9, /* Never seen, or already gone. */
    RB_REJECT_REASON_NOT_SUPPORTED = 10,
    RB_REJECT_REASON_ORDER_CAPACITY = 11, /* No room for another open order. */
    RB_REJECT_REASON_PRICE_CAPACITY = 12, /* No room for another price level. */
    RB_REJECT_REASON_INVALID_PROPOSAL = 13, /* A contributor broke the format. */
    RB_REJECT_REASON_INVALID_CLIENT_ORDER_ID = 14, /* Not above the last one used. */
    RB_REJECT_REASON_INVALID_OPTIONS = 15, /* Options that contradict each other. */
    RB_REJECT_REASON_INVALID_MINIMUM_QUANTITY = 16,
    RB_REJECT_REASON_WOULD_TRADE = 17, /* A post-only order met the other side. */
    RB_REJECT_REASON_INSTRUMENT_STATE = 18, /* Not in this state of the instrument. */
    RB_REJECT_REASON_INVALID_LEGS = 19,
    RB_REJECT_REASON_INVALID_CROSS = 20,
    RB_REJECT_REASON_STALE_CROSS = 21, /* The book moved meanwhile. */
    RB_REJECT_REASON_OPEN_LONG_LIMIT = 22, /* The limits in the order of RiskLimit; of the account or of the firm. */
    RB_REJECT_REASON_OPEN_SHORT_LIMIT = 23,
    RB_REJECT_REASON_NET_POSITION_LIMIT = 24,
    RB_REJECT_REASON_GROSS_POSITION_LIMIT = 25,
    RB_REJECT_REASON_TRADED_NOTIONAL_LIMIT = 26,
    RB_REJECT_REASON_TRADED_QUANTITY_LIMIT = 27,
    RB_REJECT_REASON_OPEN_ORDERS_LIMIT = 28,
    RB_REJECT_REASON_MESSAGE_RATE_LIMIT = 29,
    RB_REJECT_REASON_KILLED = 30, /* Of its session, account or firm, or of all, nothing new is taken. */
    RB_REJECT_REASON_UNKNOWN_OWNER = 31, /* No such account or firm. */
    RB_REJECT_REASON_RISK_CAPACITY = 32, /* No room for another account or firm in another instrument. */
    RB_REJECT_REASON_QUANTITY_EXCEEDED = 33, /* Above the most that one order may have. */
    RB_REJECT_REASON_NOTIONAL_EXCEEDED = 34, /* Quantity times price is above the session's limit. */
    RB_REJECT_REASON_ENTRY_DISABLED = 35, /* The client has disabled its own order entry. */
    RB_REJECT_REASON_THROTTLED = 36, /* More orders in a second than the session may send. */
    RB_REJECT_REASON_INVALID_DISPLAY_QUANTITY = 37, /* A reserve that cannot be shown so. */
    RB_REJECT_REASON_INVALID_PEG_TYPE = 38,
    RB_REJECT_REASON_PEGGING_NOT_SUPPORTED = 39,
    RB_REJECT_REASON_ROUTING_NOT_SUPPORTED = 40,
    RB_REJECT_REASON_RETAIL_NOT_SUPPORTED = 41,
    RB_REJECT_REASON_UNKNOWN_FIRM = 42, /* Not the session's own. */
    RB_REJECT_REASON_INVALID_TRADE = 43, /* A TradeChange whose parties contradict it, or that takes back what was never there. */
    RB_REJECT_REASON_PRICE_COLLAR = 44, /* Outside what the instrument's prices must be between now. */
    RB_REJECT_REASON_FAT_FINGER = 45, /* Too far past the last trade, or too large at its price. */
    RB_REJECT_REASON_RESTRICTED = 46, /* Its account or firm may not do this in the instrument. */
    RB_REJECT_REASON_DAY_CLOSED = 47, /* The day takes no more orders. */
};

enum rb_guardian_rule {
    RB_GUARDIAN_RULE_ORDERS = 1, /* Orders and replaces asked for, refused ones too, in the window. */
    RB_GUARDIAN_RULE_ORDER_RATIO = 2, /* The same for each execution, in the window. */
    RB_GUARDIAN_RULE_ORDERS_OUT = 3, /* Orders that applications have entered beyond the stop orders given to them. */
    RB_GUARDIAN_RULE_OPEN_ORDERS = 4,
    RB_GUARDIAN_RULE_OPEN_NOTIONAL = 5, /* Of open orders, both sides. */
    RB_GUARDIAN_RULE_NET_POSITION = 6, /* Notional, either way, of what has traded. */
    RB_GUARDIAN_RULE_GROSS_POSITION = 7, /* The same by instrument, summed up. */
    RB_GUARDIAN_RULE_TRADED_NOTIONAL = 8, /* In the window. */
    RB_GUARDIAN_RULE_REFUSALS = 9, /* In the window. */
    RB_GUARDIAN_RULE_CROSSED_BOOK = 10, /* A bid, the value, at or above an offer, the bound, in continuous trading. */
    RB_GUARDIAN_RULE_TRADE_THROUGH = 11, /* A trade, the value, beyond a limit or past a better resting order, the bound. */
    RB_GUARDIAN_RULE_BALANCE = 12, /* Open quantity after a line, the value, is not what the lines before it leave, the bound. */
};

enum rb_guardian_action {
    RB_GUARDIAN_ACTION_ALARM = 1, /* Says it. */
    RB_GUARDIAN_ACTION_KILL = 2, /* Says it, then kills who it is about. */
};

typedef struct rb_header {
    uint64_t sequence; /* Place in the total order, first is 1. On a lane: the lane's own position + 1. */
    uint64_t time_ns; /* Nanoseconds since the epoch, written by the sequencer. On a contributor's lane: 0, or when the client's bytes were read. */
    uint32_t topic_sequence; /* Number of this message on its topic, in its shard, first is 1. Both lines of a message carry the same one. */
    uint16_t topic; /* The independent lock that the message takes; 0 is the operator's. */
    uint16_t publisher; /* Who contributed it, stamped by the sequencer from the lane; 0 is the engine. */
    uint8_t template_id; /* Which body follows. */
    uint8_t flags; /* Set of Flag. */
    uint8_t shard; /* The shard that answered. */
    uint8_t reserved; /* Zero. */
    uint32_t checksum; /* CRC-32C of the other 60 bytes. Between sequencer and publisher: the low 32 bits of the input number, since nothing there reads a checksum. */
} rb_header;

typedef struct rb_new_order {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks; /* Limit, in ticks of the instrument. */
    uint32_t quantity;
    uint32_t locate; /* Index in the shard's pool of orders; 0 in a proposal. */
    uint32_t client_order_id; /* The client's number, rising within its session. */
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t time_in_force;
    char display; /* As the client sent it; 'Y' and 'A' are displayed. */
    char capacity; /* A agency, P principal, R riskless, O other; echoed. */
    char sweep; /* Intermarket sweep eligibility, echoed. */
    char cross_type; /* Echoed; 'N' is continuous trading. */
    char original_side; /* The client's own letter (B, S, T, E), echoed. */
    uint8_t options;
} rb_new_order;

typedef struct rb_cancel {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks; /* Zero in a proposal; the order's price on the stream. */
    uint32_t quantity; /* To take off: 1..remaining. */
    uint32_t locate;
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint8_t side; /* Zero in a proposal. */
    uint8_t reason;
    uint16_t spare;
    uint32_t remaining; /* Open after it; zero in a proposal. */
} rb_cancel;

typedef struct rb_replace {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks; /* New limit. */
    uint32_t quantity; /* New open quantity. */
    uint32_t locate;
    uint32_t client_order_id; /* Of the new order. */
    uint16_t account;
    uint16_t firm;
    uint8_t side; /* Zero in a proposal. */
    uint8_t time_in_force;
    char display;
    char sweep;
    uint32_t original_client_order_id; /* Of the order that goes. */
} rb_replace;

typedef struct rb_order_tag {
    rb_header header;
    char text[24];
    uint32_t total_quantity; /* Behind a Replace: the whole quantity as the client sees it, executed shares included. Behind a NewOrder of a FIX client: its instrument + 1, which a refusal of the sequencer does not show. Behind a TradeParty or TradeChanged: the price before, in ticks. */
    char capacity; /* Behind a Replace, echoed of the first order. */
    char cross_type; /* Likewise. */
    char original_side; /* Likewise: the client's own letter. */
    char request; /* Behind a Replace: 'M' if the client asked for a change that keeps the order's number. */
} rb_order_tag;

typedef struct rb_reject {
    rb_header header;
    uint32_t instrument; /* 4294967295 where the client named none that exists. */
    int32_t price_ticks;
    uint32_t quantity;
    uint32_t locate;
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t refused_template; /* Template of what was refused. */
    uint16_t reason;
    uint32_t spare;
} rb_reject;

typedef struct rb_mass_cancel {
    rb_header header;
    uint32_t instrument; /* 4294967295 unless the scope names it. */
    uint16_t session; /* Topic of the orders' session. */
    uint16_t spare;
    uint64_t spare2;
    uint32_t client_order_id; /* Number of the request. */
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t scope;
    uint16_t spare3;
    uint32_t spare4;
} rb_mass_cancel;

typedef struct rb_session_event {
    rb_header header;
    uint32_t instrument; /* 4294967295. */
    uint32_t connection; /* The port's own number of the connection. Carried: quantity executed, of a larger one 4294967295. */
    uint64_t next_message; /* Login: number of the next sequenced message that the client asked for. AccountQuery: the client_order_id that comes next. Carried: quantity times price (1/10,000 of the currency), summed up. */
    uint32_t client_order_id; /* Number of the request, if the client gave it one. */
    uint16_t account;
    uint16_t firm;
    uint8_t kind;
    uint8_t options; /* FIX Login: 1 if the numbers of both sides begin anew at 1; else zero. */
    uint16_t spare3;
    uint32_t client_message; /* FIX: number of the client's message that is dealt with by this; 0: of none. */
} rb_session_event;

typedef struct rb_cross_result {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks; /* Of all trades of the cross. */
    uint32_t quantity; /* Matched, of each side; 0: no trade. */
    uint32_t locate; /* Zero. */
    uint32_t client_order_id; /* The auction's own number. */
    uint16_t account;
    uint16_t firm;
    uint8_t cross_type;
    uint8_t state; /* Afterwards. */
    uint16_t spare;
    uint32_t changes; /* Lines NewOrder, Cancel, Replace, Executed, Canceled and StateChanged of this instrument that the auction has seen. */
} rb_cross_result;

typedef struct rb_command {
    rb_header header;
    uint32_t instrument; /* 4294967295 where the kind needs none. */
    int32_t price_ticks; /* Of a ReferencePrice; of a Collar how far from the last trade, of a FatFinger how far past it; 0: none. */
    uint64_t value; /* Of a Limit, in its unit; 2^64-1: none. Of a Collar the lowest price and, above 32 bits, the highest; of a FatFinger the most that quantity times ticks may be; 0: none. Of a Restriction: see Restriction. Of a SelfTrade: OrderOption, the four of self-trade. */
    uint32_t client_order_id; /* The operator's own number. */
    uint16_t account;
    uint16_t firm;
    uint8_t kind;
    uint8_t state;
    uint16_t session;
    uint8_t scope; /* Of a Limit, Restriction or SelfTrade: Account or Firm; of a Resume: that of the kill. */
    uint8_t limit;
    uint16_t spare;
} rb_command;

typedef struct rb_tick {
    rb_header header;
    uint32_t instrument; /* 4294967295. */
    uint32_t mark; /* Of a successor: where on its lane this is, so that it knows its own from its predecessors'; else zero. */
    uint64_t every_ns; /* How long its sender lets the stream be silent. */
    uint64_t spare2;
    uint64_t spare3;
} rb_tick;

typedef struct rb_epoch_start {
    rb_header header;
    uint32_t instrument; /* 4294967295. */
    uint32_t epoch; /* Number of the reign; the first has none of these lines, so the lowest here is 2. */
    uint64_t build_hash; /* Of the engine that begins. */
    uint64_t spare;
    uint64_t spare2;
} rb_epoch_start;

typedef struct rb_end_of_day {
    rb_header header;
    uint32_t instrument; /* 4294967295. */
    uint32_t kept_orders; /* Good-till orders and stop orders that are open and go to the next day. */
    uint64_t kept_quantity; /* Their open quantity, summed up. */
    uint64_t spare3;
    uint64_t spare4;
} rb_end_of_day;

typedef struct rb_instrument_definition {
    rb_header header;
    uint32_t instrument; /* First is 0, dense. */
    int32_t price_ticks_min; /* Lower collar. */
    int32_t price_ticks_max; /* Upper collar. */
    uint32_t lot; /* Quantities are multiples of it. */
    uint32_t tick_1e4; /* Size of a tick in 1/10,000 of the currency. */
    uint32_t quantity_max;
    char symbol[8];
} rb_instrument_definition;

typedef struct rb_participant_definition {
    rb_header header;
    uint32_t instrument; /* 4294967295. */
    uint16_t session; /* The session's topic. */
    uint16_t account;
    uint16_t firm;
    uint16_t spare;
    uint32_t spare2;
    char user[8];
    char firm_name[8];
} rb_participant_definition;

typedef struct rb_build_record {
    rb_header header;
    uint32_t instrument; /* 4294967295. */
    uint16_t shards;
    uint8_t environment;
    uint8_t spare;
    uint64_t schema_hash;
    uint64_t configuration_hash;
    uint64_t build_hash;
} rb_build_record;

typedef struct rb_order_terms {
    rb_header header;
    uint32_t instrument;
    uint32_t display_quantity; /* Shown at a time; 0: all of it. */
    uint32_t minimum_quantity; /* Of an immediate-or-cancel order: trade so much at once or nothing; 0: any. */
    uint8_t options; /* Behind a NewOrder those of its own line. */
    uint8_t auction;
    char customer_type; /* As the client sent it, echoed, like all below but the time; zero: not sent. */
    char time_in_force; /* The client's letter, of an order for a cross. */
    uint64_t expire_time_ns; /* Of a good-till-time order, since the epoch. */
    uint16_t group;
    char shares_located;
    char self_trade; /* Letter of its self-trade prevention. */
    char firm_name[4];
} rb_order_terms;

typedef struct rb_multi_leg_order {
    rb_header header;
    uint32_t instrument; /* Of the first leg. */
    uint32_t spare;
    uint64_t spare2;
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint8_t leg_count; /* 2 to 8. */
    uint8_t options; /* Those of self-trade only. */
    uint16_t spare3;
    uint32_t spare4;
} rb_multi_leg_order;

typedef struct rb_leg {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks;
    uint32_t quantity;
    uint32_t locate; /* Zero: a leg never rests. */
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t spare;
    uint16_t spare2;
    uint32_t spare3;
} rb_leg;

typedef struct rb_stop_order {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks; /* Limit of the order that comes in; of a market order its collar. */
    uint32_t quantity;
    int32_t stop_ticks; /* A buy comes in when a trade is at this price or above, a sell at it or below. */
    uint32_t client_order_id; /* That of the order that comes in, too. */
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t time_in_force;
    char display;
    char capacity;
    char sweep;
    char cross_type;
    char original_side;
    uint8_t options;
} rb_stop_order;

typedef struct rb_stop_cancel {
    rb_header header;
    uint32_t instrument; /* The stop order's. */
    uint32_t spare;
    uint64_t spare2;
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint64_t spare3;
} rb_stop_cancel;

typedef struct rb_imbalance {
    rb_header header;
    uint32_t instrument;
    int32_t reference_ticks; /* Price at which paired and imbalance are counted: that of the cross, collars kept; if nothing can be matched the instrument's own reference, 0 if it has none. */
    uint32_t paired; /* Would be matched there; 2^32-1: that or more. */
    uint32_t imbalance; /* Left over there of orders that are not imbalance-only; 2^32-1: that or more. */
    int32_t near_ticks; /* Price of the cross if there were no collars; 0: nothing can be matched. */
    int32_t far_ticks; /* The same of the orders for the cross alone. */
    uint32_t changes; /* As in CrossResult: which book it speaks of. */
    uint8_t side; /* Of the imbalance; 0: there is none. */
    uint8_t cross_type; /* Which cross it is before. */
    uint16_t spare;
} rb_imbalance;

typedef struct rb_auction_extension {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks; /* Where it would be. */
    int32_t low_ticks; /* Lower collar. */
    int32_t high_ticks; /* Upper collar. */
    uint64_t until_ns; /* Time of the cross from here on, since the epoch. */
    uint8_t cross_type;
    uint8_t extension; /* Of this auction, first is 1. */
    uint16_t spare;
    uint32_t spare2;
} rb_auction_extension;

typedef struct rb_trade_reported {
    rb_header header;
    uint32_t instrument; /* 4294967295. */
    uint32_t reports; /* Of trades and of changes, answered since the line before. */
    uint64_t reported; /* Every trade and every change up to this sequence is answered for. */
    uint64_t refused; /* The last of them, if the facility refused it; 0: it took all of them. */
    uint16_t reason; /* Why it did: FIX TradeReportRejectReason. */
    uint16_t spare;
    uint32_t spare2;
} rb_trade_reported;

typedef struct rb_trade_change {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks; /* Of a correction the price from now on, of a bust that of the trade. */
    uint64_t match; /* The trade: sequence of the first of its two Executed lines. */
    uint32_t client_order_id; /* The operator's own number. */
    uint16_t account; /* Zero. */
    uint16_t firm; /* Zero. */
    uint8_t kind;
    char reason; /* As clients hear it. Of a bust: E erroneous, C consent, S supervisory, X external; of a correction N. */
    uint16_t spare;
    uint32_t quantity; /* Of the trade. */
} rb_trade_change;

typedef struct rb_trade_party {
    rb_header header;
    uint32_t instrument;
    uint16_t session; /* Topic of the side's order. */
    uint8_t side;
    char liquidity; /* As its client heard it: A added, J added hidden, R removed, O C H of a cross. */
    uint64_t notional_1e4; /* What the trade counted at risk, which a bust takes back; 0: nothing is taken back. */
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint32_t quantity; /* Of the trade. */
    uint32_t spare;
} rb_trade_party;

typedef struct rb_text {
    rb_header header;
    uint32_t instrument; /* 4294967295. */
    char text[28];
} rb_text;

typedef struct rb_command_asked {
    rb_header header;
    uint32_t instrument; /* All up to limit as in the line that it would be. */
    int32_t price_ticks;
    uint64_t value;
    uint32_t client_order_id; /* The operator's own number, of both lines. */
    uint16_t account;
    uint16_t firm;
    uint8_t kind;
    uint8_t state;
    uint16_t session;
    uint8_t scope;
    uint8_t limit;
    uint8_t asked_template; /* Template of what waits; 0: that of this number waits no more. */
    uint8_t side;
} rb_command_asked;

typedef struct rb_alarm {
    rb_header header;
    uint32_t instrument; /* 4294967295 unless the rule is about one. */
    uint16_t session; /* Of a rule by session: its topic. */
    uint16_t rule; /* Place of the rule in the guardian's table, first is 1. */
    int64_t value; /* What was found, in the unit of the bound. */
    uint8_t kind;
    uint8_t scope; /* Whose value it is: Everything, Session, Account, Firm or Instrument. */
    uint8_t action;
    uint8_t spare;
    uint16_t account;
    uint16_t firm;
    int64_t bound; /* What the rule allows; of a book what it should have been. */
} rb_alarm;

typedef struct rb_carried_over {
    rb_header header;
    uint32_t instrument; /* 4294967295. */
    uint32_t messages; /* Messages of the stream that follow and belong to it. */
    uint32_t orders; /* Carried. */
    uint32_t left_orders; /* Not carried. */
    uint64_t quantity; /* Of those that are carried, summed up; with what is not, EndOfDay.kept_quantity. */
    uint64_t former_digest; /* First 8 bytes, in their order, of the SHA-256 of the former day's stream. */
} rb_carried_over;

typedef struct rb_executed {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks; /* Price of the trade: the resting order's. */
    uint32_t quantity; /* Of the trade. */
    uint32_t locate;
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t liquidity;
    uint16_t detail; /* Zero: nothing to add. */
    uint32_t remaining; /* Open quantity of this side's order after it. */
} rb_executed;

typedef struct rb_canceled {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks; /* The order's; of a self-trade that was prevented, the price that it would have had. */
    uint32_t quantity; /* Taken off. */
    uint32_t locate;
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t reason;
    uint16_t liquidity; /* Liquidity that its side of a prevented self-trade would have had; zero for all other reasons. */
    uint32_t remaining;
} rb_canceled;

typedef struct rb_rejected {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks;
    uint32_t quantity;
    uint32_t locate;
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t refused_template;
    uint16_t reason;
    uint32_t spare;
} rb_rejected;

typedef struct rb_state_changed {
    rb_header header;
    uint32_t instrument;
    uint32_t spare;
    uint64_t spare2;
    uint64_t spare3;
    uint8_t state_before;
    uint8_t state;
    uint16_t spare4;
    uint32_t spare5;
} rb_state_changed;

typedef struct rb_replenished {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks;
    uint32_t quantity; /* Shown now. */
    uint32_t locate;
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t spare;
    uint16_t spare2;
    uint32_t remaining; /* Open, reserve included. */
} rb_replenished;

typedef struct rb_trade_changed {
    rb_header header;
    uint32_t instrument;
    int32_t price_ticks; /* Of a correction the price from now on, of a bust that of the trade. */
    uint64_t match; /* The trade: sequence of the first of its two Executed lines. */
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    char liquidity;
    uint8_t kind;
    char reason;
    uint32_t quantity; /* Of the trade. */
} rb_trade_changed;

typedef struct rb_skip {
    rb_header header;
    uint32_t instrument;
    uint32_t spare;
    uint64_t spare2;
    uint64_t spare3;
    uint64_t spare4;
} rb_skip;

/* What every template but OrderTag begins with. */
typedef struct rb_any {
    rb_header header;
    uint32_t instrument;
    uint32_t rest[7];
} rb_any;

/* One message: one cache line. */
typedef union rb_message {
    rb_header header;
    rb_any any;
    uint64_t words[8];
    rb_new_order new_order;
    rb_cancel cancel;
    rb_replace replace;
    rb_order_tag order_tag;
    rb_reject reject;
    rb_mass_cancel mass_cancel;
    rb_session_event session_event;
    rb_cross_result cross_result;
    rb_command command;
    rb_tick tick;
    rb_epoch_start epoch_start;
    rb_end_of_day end_of_day;
    rb_instrument_definition instrument_definition;
    rb_participant_definition participant_definition;
    rb_build_record build_record;
    rb_order_terms order_terms;
    rb_multi_leg_order multi_leg_order;
    rb_leg leg;
    rb_stop_order stop_order;
    rb_stop_cancel stop_cancel;
    rb_imbalance imbalance;
    rb_auction_extension auction_extension;
    rb_trade_reported trade_reported;
    rb_trade_change trade_change;
    rb_trade_party trade_party;
    rb_text text;
    rb_command_asked command_asked;
    rb_alarm alarm;
    rb_carried_over carried_over;
    rb_executed executed;
    rb_canceled canceled;
    rb_rejected rejected;
    rb_state_changed state_changed;
    rb_replenished replenished;
    rb_trade_changed trade_changed;
    rb_skip skip;
} rb_message;

_Static_assert(sizeof(rb_message) == RB_MESSAGE_BYTES, "one cache line");
_Static_assert(offsetof(rb_header, sequence) == 0, "layout");
_Static_assert(offsetof(rb_header, time_ns) == 8, "layout");
_Static_assert(offsetof(rb_header, topic_sequence) == 16, "layout");
_Static_assert(offsetof(rb_header, topic) == 20, "layout");
_Static_assert(offsetof(rb_header, publisher) == 22, "layout");
_Static_assert(offsetof(rb_header, template_id) == 24, "layout");
_Static_assert(offsetof(rb_header, flags) == 25, "layout");
_Static_assert(offsetof(rb_header, shard) == 26, "layout");
_Static_assert(offsetof(rb_header, reserved) == 27, "layout");
_Static_assert(offsetof(rb_header, checksum) == 28, "layout");
_Static_assert(offsetof(rb_new_order, instrument) == 32, "layout");
_Static_assert(offsetof(rb_new_order, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_new_order, quantity) == 40, "layout");
_Static_assert(offsetof(rb_new_order, locate) == 44, "layout");
_Static_assert(offsetof(rb_new_order, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_new_order, account) == 52, "layout");
_Static_assert(offsetof(rb_new_order, firm) == 54, "layout");
_Static_assert(offsetof(rb_new_order, side) == 56, "layout");
_Static_assert(offsetof(rb_new_order, time_in_force) == 57, "layout");
_Static_assert(offsetof(rb_new_order, display) == 58, "layout");
_Static_assert(offsetof(rb_new_order, capacity) == 59, "layout");
_Static_assert(offsetof(rb_new_order, sweep) == 60, "layout");
_Static_assert(offsetof(rb_new_order, cross_type) == 61, "layout");
_Static_assert(offsetof(rb_new_order, original_side) == 62, "layout");
_Static_assert(offsetof(rb_new_order, options) == 63, "layout");
_Static_assert(offsetof(rb_cancel, instrument) == 32, "layout");
_Static_assert(offsetof(rb_cancel, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_cancel, quantity) == 40, "layout");
_Static_assert(offsetof(rb_cancel, locate) == 44, "layout");
_Static_assert(offsetof(rb_cancel, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_cancel, account) == 52, "layout");
_Static_assert(offsetof(rb_cancel, firm) == 54, "layout");
_Static_assert(offsetof(rb_cancel, side) == 56, "layout");
_Static_assert(offsetof(rb_cancel, reason) == 57, "layout");
_Static_assert(offsetof(rb_cancel, spare) == 58, "layout");
_Static_assert(offsetof(rb_cancel, remaining) == 60, "layout");
_Static_assert(offsetof(rb_replace, instrument) == 32, "layout");
_Static_assert(offsetof(rb_replace, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_replace, quantity) == 40, "layout");
_Static_assert(offsetof(rb_replace, locate) == 44, "layout");
_Static_assert(offsetof(rb_replace, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_replace, account) == 52, "layout");
_Static_assert(offsetof(rb_replace, firm) == 54, "layout");
_Static_assert(offsetof(rb_replace, side) == 56, "layout");
_Static_assert(offsetof(rb_replace, time_in_force) == 57, "layout");
_Static_assert(offsetof(rb_replace, display) == 58, "layout");
_Static_assert(offsetof(rb_replace, sweep) == 59, "layout");
_Static_assert(offsetof(rb_replace, original_client_order_id) == 60, "layout");
_Static_assert(offsetof(rb_order_tag, text) == 32, "layout");
_Static_assert(offsetof(rb_order_tag, total_quantity) == 56, "layout");
_Static_assert(offsetof(rb_order_tag, capacity) == 60, "layout");
_Static_assert(offsetof(rb_order_tag, cross_type) == 61, "layout");
_Static_assert(offsetof(rb_order_tag, original_side) == 62, "layout");
_Static_assert(offsetof(rb_order_tag, request) == 63, "layout");
_Static_assert(offsetof(rb_reject, instrument) == 32, "layout");
_Static_assert(offsetof(rb_reject, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_reject, quantity) == 40, "layout");
_Static_assert(offsetof(rb_reject, locate) == 44, "layout");
_Static_assert(offsetof(rb_reject, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_reject, account) == 52, "layout");
_Static_assert(offsetof(rb_reject, firm) == 54, "layout");
_Static_assert(offsetof(rb_reject, side) == 56, "layout");
_Static_assert(offsetof(rb_reject, refused_template) == 57, "layout");
_Static_assert(offsetof(rb_reject, reason) == 58, "layout");
_Static_assert(offsetof(rb_reject, spare) == 60, "layout");
_Static_assert(offsetof(rb_mass_cancel, instrument) == 32, "layout");
_Static_assert(offsetof(rb_mass_cancel, session) == 36, "layout");
_Static_assert(offsetof(rb_mass_cancel, spare) == 38, "layout");
_Static_assert(offsetof(rb_mass_cancel, spare2) == 40, "layout");
_Static_assert(offsetof(rb_mass_cancel, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_mass_cancel, account) == 52, "layout");
_Static_assert(offsetof(rb_mass_cancel, firm) == 54, "layout");
_Static_assert(offsetof(rb_mass_cancel, side) == 56, "layout");
_Static_assert(offsetof(rb_mass_cancel, scope) == 57, "layout");
_Static_assert(offsetof(rb_mass_cancel, spare3) == 58, "layout");
_Static_assert(offsetof(rb_mass_cancel, spare4) == 60, "layout");
_Static_assert(offsetof(rb_session_event, instrument) == 32, "layout");
_Static_assert(offsetof(rb_session_event, connection) == 36, "layout");
_Static_assert(offsetof(rb_session_event, next_message) == 40, "layout");
_Static_assert(offsetof(rb_session_event, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_session_event, account) == 52, "layout");
_Static_assert(offsetof(rb_session_event, firm) == 54, "layout");
_Static_assert(offsetof(rb_session_event, kind) == 56, "layout");
_Static_assert(offsetof(rb_session_event, options) == 57, "layout");
_Static_assert(offsetof(rb_session_event, spare3) == 58, "layout");
_Static_assert(offsetof(rb_session_event, client_message) == 60, "layout");
_Static_assert(offsetof(rb_cross_result, instrument) == 32, "layout");
_Static_assert(offsetof(rb_cross_result, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_cross_result, quantity) == 40, "layout");
_Static_assert(offsetof(rb_cross_result, locate) == 44, "layout");
_Static_assert(offsetof(rb_cross_result, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_cross_result, account) == 52, "layout");
_Static_assert(offsetof(rb_cross_result, firm) == 54, "layout");
_Static_assert(offsetof(rb_cross_result, cross_type) == 56, "layout");
_Static_assert(offsetof(rb_cross_result, state) == 57, "layout");
_Static_assert(offsetof(rb_cross_result, spare) == 58, "layout");
_Static_assert(offsetof(rb_cross_result, changes) == 60, "layout");
_Static_assert(offsetof(rb_command, instrument) == 32, "layout");
_Static_assert(offsetof(rb_command, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_command, value) == 40, "layout");
_Static_assert(offsetof(rb_command, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_command, account) == 52, "layout");
_Static_assert(offsetof(rb_command, firm) == 54, "layout");
_Static_assert(offsetof(rb_command, kind) == 56, "layout");
_Static_assert(offsetof(rb_command, state) == 57, "layout");
_Static_assert(offsetof(rb_command, session) == 58, "layout");
_Static_assert(offsetof(rb_command, scope) == 60, "layout");
_Static_assert(offsetof(rb_command, limit) == 61, "layout");
_Static_assert(offsetof(rb_command, spare) == 62, "layout");
_Static_assert(offsetof(rb_tick, instrument) == 32, "layout");
_Static_assert(offsetof(rb_tick, mark) == 36, "layout");
_Static_assert(offsetof(rb_tick, every_ns) == 40, "layout");
_Static_assert(offsetof(rb_tick, spare2) == 48, "layout");
_Static_assert(offsetof(rb_tick, spare3) == 56, "layout");
_Static_assert(offsetof(rb_epoch_start, instrument) == 32, "layout");
_Static_assert(offsetof(rb_epoch_start, epoch) == 36, "layout");
_Static_assert(offsetof(rb_epoch_start, build_hash) == 40, "layout");
_Static_assert(offsetof(rb_epoch_start, spare) == 48, "layout");
_Static_assert(offsetof(rb_epoch_start, spare2) == 56, "layout");
_Static_assert(offsetof(rb_end_of_day, instrument) == 32, "layout");
_Static_assert(offsetof(rb_end_of_day, kept_orders) == 36, "layout");
_Static_assert(offsetof(rb_end_of_day, kept_quantity) == 40, "layout");
_Static_assert(offsetof(rb_end_of_day, spare3) == 48, "layout");
_Static_assert(offsetof(rb_end_of_day, spare4) == 56, "layout");
_Static_assert(offsetof(rb_instrument_definition, instrument) == 32, "layout");
_Static_assert(offsetof(rb_instrument_definition, price_ticks_min) == 36, "layout");
_Static_assert(offsetof(rb_instrument_definition, price_ticks_max) == 40, "layout");
_Static_assert(offsetof(rb_instrument_definition, lot) == 44, "layout");
_Static_assert(offsetof(rb_instrument_definition, tick_1e4) == 48, "layout");
_Static_assert(offsetof(rb_instrument_definition, quantity_max) == 52, "layout");
_Static_assert(offsetof(rb_instrument_definition, symbol) == 56, "layout");
_Static_assert(offsetof(rb_participant_definition, instrument) == 32, "layout");
_Static_assert(offsetof(rb_participant_definition, session) == 36, "layout");
_Static_assert(offsetof(rb_participant_definition, account) == 38, "layout");
_Static_assert(offsetof(rb_participant_definition, firm) == 40, "layout");
_Static_assert(offsetof(rb_participant_definition, spare) == 42, "layout");
_Static_assert(offsetof(rb_participant_definition, spare2) == 44, "layout");
_Static_assert(offsetof(rb_participant_definition, user) == 48, "layout");
_Static_assert(offsetof(rb_participant_definition, firm_name) == 56, "layout");
_Static_assert(offsetof(rb_build_record, instrument) == 32, "layout");
_Static_assert(offsetof(rb_build_record, shards) == 36, "layout");
_Static_assert(offsetof(rb_build_record, environment) == 38, "layout");
_Static_assert(offsetof(rb_build_record, spare) == 39, "layout");
_Static_assert(offsetof(rb_build_record, schema_hash) == 40, "layout");
_Static_assert(offsetof(rb_build_record, configuration_hash) == 48, "layout");
_Static_assert(offsetof(rb_build_record, build_hash) == 56, "layout");
_Static_assert(offsetof(rb_order_terms, instrument) == 32, "layout");
_Static_assert(offsetof(rb_order_terms, display_quantity) == 36, "layout");
_Static_assert(offsetof(rb_order_terms, minimum_quantity) == 40, "layout");
_Static_assert(offsetof(rb_order_terms, options) == 44, "layout");
_Static_assert(offsetof(rb_order_terms, auction) == 45, "layout");
_Static_assert(offsetof(rb_order_terms, customer_type) == 46, "layout");
_Static_assert(offsetof(rb_order_terms, time_in_force) == 47, "layout");
_Static_assert(offsetof(rb_order_terms, expire_time_ns) == 48, "layout");
_Static_assert(offsetof(rb_order_terms, group) == 56, "layout");
_Static_assert(offsetof(rb_order_terms, shares_located) == 58, "layout");
_Static_assert(offsetof(rb_order_terms, self_trade) == 59, "layout");
_Static_assert(offsetof(rb_order_terms, firm_name) == 60, "layout");
_Static_assert(offsetof(rb_multi_leg_order, instrument) == 32, "layout");
_Static_assert(offsetof(rb_multi_leg_order, spare) == 36, "layout");
_Static_assert(offsetof(rb_multi_leg_order, spare2) == 40, "layout");
_Static_assert(offsetof(rb_multi_leg_order, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_multi_leg_order, account) == 52, "layout");
_Static_assert(offsetof(rb_multi_leg_order, firm) == 54, "layout");
_Static_assert(offsetof(rb_multi_leg_order, leg_count) == 56, "layout");
_Static_assert(offsetof(rb_multi_leg_order, options) == 57, "layout");
_Static_assert(offsetof(rb_multi_leg_order, spare3) == 58, "layout");
_Static_assert(offsetof(rb_multi_leg_order, spare4) == 60, "layout");
_Static_assert(offsetof(rb_leg, instrument) == 32, "layout");
_Static_assert(offsetof(rb_leg, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_leg, quantity) == 40, "layout");
_Static_assert(offsetof(rb_leg, locate) == 44, "layout");
_Static_assert(offsetof(rb_leg, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_leg, account) == 52, "layout");
_Static_assert(offsetof(rb_leg, firm) == 54, "layout");
_Static_assert(offsetof(rb_leg, side) == 56, "layout");
_Static_assert(offsetof(rb_leg, spare) == 57, "layout");
_Static_assert(offsetof(rb_leg, spare2) == 58, "layout");
_Static_assert(offsetof(rb_leg, spare3) == 60, "layout");
_Static_assert(offsetof(rb_stop_order, instrument) == 32, "layout");
_Static_assert(offsetof(rb_stop_order, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_stop_order, quantity) == 40, "layout");
_Static_assert(offsetof(rb_stop_order, stop_ticks) == 44, "layout");
_Static_assert(offsetof(rb_stop_order, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_stop_order, account) == 52, "layout");
_Static_assert(offsetof(rb_stop_order, firm) == 54, "layout");
_Static_assert(offsetof(rb_stop_order, side) == 56, "layout");
_Static_assert(offsetof(rb_stop_order, time_in_force) == 57, "layout");
_Static_assert(offsetof(rb_stop_order, display) == 58, "layout");
_Static_assert(offsetof(rb_stop_order, capacity) == 59, "layout");
_Static_assert(offsetof(rb_stop_order, sweep) == 60, "layout");
_Static_assert(offsetof(rb_stop_order, cross_type) == 61, "layout");
_Static_assert(offsetof(rb_stop_order, original_side) == 62, "layout");
_Static_assert(offsetof(rb_stop_order, options) == 63, "layout");
_Static_assert(offsetof(rb_stop_cancel, instrument) == 32, "layout");
_Static_assert(offsetof(rb_stop_cancel, spare) == 36, "layout");
_Static_assert(offsetof(rb_stop_cancel, spare2) == 40, "layout");
_Static_assert(offsetof(rb_stop_cancel, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_stop_cancel, account) == 52, "layout");
_Static_assert(offsetof(rb_stop_cancel, firm) == 54, "layout");
_Static_assert(offsetof(rb_stop_cancel, spare3) == 56, "layout");
_Static_assert(offsetof(rb_imbalance, instrument) == 32, "layout");
_Static_assert(offsetof(rb_imbalance, reference_ticks) == 36, "layout");
_Static_assert(offsetof(rb_imbalance, paired) == 40, "layout");
_Static_assert(offsetof(rb_imbalance, imbalance) == 44, "layout");
_Static_assert(offsetof(rb_imbalance, near_ticks) == 48, "layout");
_Static_assert(offsetof(rb_imbalance, far_ticks) == 52, "layout");
_Static_assert(offsetof(rb_imbalance, changes) == 56, "layout");
_Static_assert(offsetof(rb_imbalance, side) == 60, "layout");
_Static_assert(offsetof(rb_imbalance, cross_type) == 61, "layout");
_Static_assert(offsetof(rb_imbalance, spare) == 62, "layout");
_Static_assert(offsetof(rb_auction_extension, instrument) == 32, "layout");
_Static_assert(offsetof(rb_auction_extension, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_auction_extension, low_ticks) == 40, "layout");
_Static_assert(offsetof(rb_auction_extension, high_ticks) == 44, "layout");
_Static_assert(offsetof(rb_auction_extension, until_ns) == 48, "layout");
_Static_assert(offsetof(rb_auction_extension, cross_type) == 56, "layout");
_Static_assert(offsetof(rb_auction_extension, extension) == 57, "layout");
_Static_assert(offsetof(rb_auction_extension, spare) == 58, "layout");
_Static_assert(offsetof(rb_auction_extension, spare2) == 60, "layout");
_Static_assert(offsetof(rb_trade_reported, instrument) == 32, "layout");
_Static_assert(offsetof(rb_trade_reported, reports) == 36, "layout");
_Static_assert(offsetof(rb_trade_reported, reported) == 40, "layout");
_Static_assert(offsetof(rb_trade_reported, refused) == 48, "layout");
_Static_assert(offsetof(rb_trade_reported, reason) == 56, "layout");
_Static_assert(offsetof(rb_trade_reported, spare) == 58, "layout");
_Static_assert(offsetof(rb_trade_reported, spare2) == 60, "layout");
_Static_assert(offsetof(rb_trade_change, instrument) == 32, "layout");
_Static_assert(offsetof(rb_trade_change, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_trade_change, match) == 40, "layout");
_Static_assert(offsetof(rb_trade_change, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_trade_change, account) == 52, "layout");
_Static_assert(offsetof(rb_trade_change, firm) == 54, "layout");
_Static_assert(offsetof(rb_trade_change, kind) == 56, "layout");
_Static_assert(offsetof(rb_trade_change, reason) == 57, "layout");
_Static_assert(offsetof(rb_trade_change, spare) == 58, "layout");
_Static_assert(offsetof(rb_trade_change, quantity) == 60, "layout");
_Static_assert(offsetof(rb_trade_party, instrument) == 32, "layout");
_Static_assert(offsetof(rb_trade_party, session) == 36, "layout");
_Static_assert(offsetof(rb_trade_party, side) == 38, "layout");
_Static_assert(offsetof(rb_trade_party, liquidity) == 39, "layout");
_Static_assert(offsetof(rb_trade_party, notional_1e4) == 40, "layout");
_Static_assert(offsetof(rb_trade_party, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_trade_party, account) == 52, "layout");
_Static_assert(offsetof(rb_trade_party, firm) == 54, "layout");
_Static_assert(offsetof(rb_trade_party, quantity) == 56, "layout");
_Static_assert(offsetof(rb_trade_party, spare) == 60, "layout");
_Static_assert(offsetof(rb_text, instrument) == 32, "layout");
_Static_assert(offsetof(rb_text, text) == 36, "layout");
_Static_assert(offsetof(rb_command_asked, instrument) == 32, "layout");
_Static_assert(offsetof(rb_command_asked, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_command_asked, value) == 40, "layout");
_Static_assert(offsetof(rb_command_asked, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_command_asked, account) == 52, "layout");
_Static_assert(offsetof(rb_command_asked, firm) == 54, "layout");
_Static_assert(offsetof(rb_command_asked, kind) == 56, "layout");
_Static_assert(offsetof(rb_command_asked, state) == 57, "layout");
_Static_assert(offsetof(rb_command_asked, session) == 58, "layout");
_Static_assert(offsetof(rb_command_asked, scope) == 60, "layout");
_Static_assert(offsetof(rb_command_asked, limit) == 61, "layout");
_Static_assert(offsetof(rb_command_asked, asked_template) == 62, "layout");
_Static_assert(offsetof(rb_command_asked, side) == 63, "layout");
_Static_assert(offsetof(rb_alarm, instrument) == 32, "layout");
_Static_assert(offsetof(rb_alarm, session) == 36, "layout");
_Static_assert(offsetof(rb_alarm, rule) == 38, "layout");
_Static_assert(offsetof(rb_alarm, value) == 40, "layout");
_Static_assert(offsetof(rb_alarm, kind) == 48, "layout");
_Static_assert(offsetof(rb_alarm, scope) == 49, "layout");
_Static_assert(offsetof(rb_alarm, action) == 50, "layout");
_Static_assert(offsetof(rb_alarm, spare) == 51, "layout");
_Static_assert(offsetof(rb_alarm, account) == 52, "layout");
_Static_assert(offsetof(rb_alarm, firm) == 54, "layout");
_Static_assert(offsetof(rb_alarm, bound) == 56, "layout");
_Static_assert(offsetof(rb_carried_over, instrument) == 32, "layout");
_Static_assert(offsetof(rb_carried_over, messages) == 36, "layout");
_Static_assert(offsetof(rb_carried_over, orders) == 40, "layout");
_Static_assert(offsetof(rb_carried_over, left_orders) == 44, "layout");
_Static_assert(offsetof(rb_carried_over, quantity) == 48, "layout");
_Static_assert(offsetof(rb_carried_over, former_digest) == 56, "layout");
_Static_assert(offsetof(rb_executed, instrument) == 32, "layout");
_Static_assert(offsetof(rb_executed, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_executed, quantity) == 40, "layout");
_Static_assert(offsetof(rb_executed, locate) == 44, "layout");
_Static_assert(offsetof(rb_executed, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_executed, account) == 52, "layout");
_Static_assert(offsetof(rb_executed, firm) == 54, "layout");
_Static_assert(offsetof(rb_executed, side) == 56, "layout");
_Static_assert(offsetof(rb_executed, liquidity) == 57, "layout");
_Static_assert(offsetof(rb_executed, detail) == 58, "layout");
_Static_assert(offsetof(rb_executed, remaining) == 60, "layout");
_Static_assert(offsetof(rb_canceled, instrument) == 32, "layout");
_Static_assert(offsetof(rb_canceled, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_canceled, quantity) == 40, "layout");
_Static_assert(offsetof(rb_canceled, locate) == 44, "layout");
_Static_assert(offsetof(rb_canceled, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_canceled, account) == 52, "layout");
_Static_assert(offsetof(rb_canceled, firm) == 54, "layout");
_Static_assert(offsetof(rb_canceled, side) == 56, "layout");
_Static_assert(offsetof(rb_canceled, reason) == 57, "layout");
_Static_assert(offsetof(rb_canceled, liquidity) == 58, "layout");
_Static_assert(offsetof(rb_canceled, remaining) == 60, "layout");
_Static_assert(offsetof(rb_rejected, instrument) == 32, "layout");
_Static_assert(offsetof(rb_rejected, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_rejected, quantity) == 40, "layout");
_Static_assert(offsetof(rb_rejected, locate) == 44, "layout");
_Static_assert(offsetof(rb_rejected, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_rejected, account) == 52, "layout");
_Static_assert(offsetof(rb_rejected, firm) == 54, "layout");
_Static_assert(offsetof(rb_rejected, side) == 56, "layout");
_Static_assert(offsetof(rb_rejected, refused_template) == 57, "layout");
_Static_assert(offsetof(rb_rejected, reason) == 58, "layout");
_Static_assert(offsetof(rb_rejected, spare) == 60, "layout");
_Static_assert(offsetof(rb_state_changed, instrument) == 32, "layout");
_Static_assert(offsetof(rb_state_changed, spare) == 36, "layout");
_Static_assert(offsetof(rb_state_changed, spare2) == 40, "layout");
_Static_assert(offsetof(rb_state_changed, spare3) == 48, "layout");
_Static_assert(offsetof(rb_state_changed, state_before) == 56, "layout");
_Static_assert(offsetof(rb_state_changed, state) == 57, "layout");
_Static_assert(offsetof(rb_state_changed, spare4) == 58, "layout");
_Static_assert(offsetof(rb_state_changed, spare5) == 60, "layout");
_Static_assert(offsetof(rb_replenished, instrument) == 32, "layout");
_Static_assert(offsetof(rb_replenished, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_replenished, quantity) == 40, "layout");
_Static_assert(offsetof(rb_replenished, locate) == 44, "layout");
_Static_assert(offsetof(rb_replenished, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_replenished, account) == 52, "layout");
_Static_assert(offsetof(rb_replenished, firm) == 54, "layout");
_Static_assert(offsetof(rb_replenished, side) == 56, "layout");
_Static_assert(offsetof(rb_replenished, spare) == 57, "layout");
_Static_assert(offsetof(rb_replenished, spare2) == 58, "layout");
_Static_assert(offsetof(rb_replenished, remaining) == 60, "layout");
_Static_assert(offsetof(rb_trade_changed, instrument) == 32, "layout");
_Static_assert(offsetof(rb_trade_changed, price_ticks) == 36, "layout");
_Static_assert(offsetof(rb_trade_changed, match) == 40, "layout");
_Static_assert(offsetof(rb_trade_changed, client_order_id) == 48, "layout");
_Static_assert(offsetof(rb_trade_changed, account) == 52, "layout");
_Static_assert(offsetof(rb_trade_changed, firm) == 54, "layout");
_Static_assert(offsetof(rb_trade_changed, side) == 56, "layout");
_Static_assert(offsetof(rb_trade_changed, liquidity) == 57, "layout");
_Static_assert(offsetof(rb_trade_changed, kind) == 58, "layout");
_Static_assert(offsetof(rb_trade_changed, reason) == 59, "layout");
_Static_assert(offsetof(rb_trade_changed, quantity) == 60, "layout");
_Static_assert(offsetof(rb_skip, instrument) == 32, "layout");
_Static_assert(offsetof(rb_skip, spare) == 36, "layout");
_Static_assert(offsetof(rb_skip, spare2) == 40, "layout");
_Static_assert(offsetof(rb_skip, spare3) == 48, "layout");
_Static_assert(offsetof(rb_skip, spare4) == 56, "layout");

#endif
