"""Generated from messages.xml by `python -m tools.schema`; do not edit."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np

SCHEMA_ID: Final = 1
SCHEMA_VERSION: Final = 1
SCHEMA_HASH: Final = 0xd3d29857c898f61f
MESSAGE_BYTES: Final = 64
INSTRUMENT_NONE: Final = 4294967295
TEMPLATE_CONTRIBUTED_MAX: Final = 63


class Template(IntEnum):
    """Message templates."""

    NEW_ORDER = 1
    CANCEL = 2
    REPLACE = 3
    ORDER_TAG = 4
    REJECT = 5
    MASS_CANCEL = 6
    SESSION_EVENT = 7
    CROSS_RESULT = 8
    COMMAND = 9
    TICK = 10
    EPOCH_START = 11
    END_OF_DAY = 12
    INSTRUMENT_DEFINITION = 13
    PARTICIPANT_DEFINITION = 14
    BUILD_RECORD = 15
    ORDER_TERMS = 16
    MULTI_LEG_ORDER = 17
    LEG = 18
    STOP_ORDER = 19
    STOP_CANCEL = 20
    IMBALANCE = 21
    AUCTION_EXTENSION = 22
    TRADE_REPORTED = 23
    TRADE_CHANGE = 25
    TRADE_PARTY = 26
    TEXT = 27
    COMMAND_ASKED = 28
    ALARM = 30
    CARRIED_OVER = 32
    EXECUTED = 64
    CANCELED = 65
    REJECTED = 66
    STATE_CHANGED = 67
    REPLENISHED = 68
    TRADE_CHANGED = 69
    SKIP = 127


class Flag(IntFlag):
    """Values of Flag."""

    LAST_OF_GROUP = 1
    CONTINUED = 2
    GENERATED = 4
    REPLAYED = 8
    REFUSED = 16
    KEPT_PRIORITY = 32
    BROADCAST = 64


class OrderOption(IntFlag):
    """Values of OrderOption."""

    HIDDEN = 1
    MARKET = 2
    POST_ONLY = 4
    SLIDE = 8
    SELF_TRADE_NEWEST = 16
    SELF_TRADE_OLDEST = 32
    SELF_TRADE_DECREMENT = 64
    SELF_TRADE_FIRM = 128


class AuctionOption(IntFlag):
    """Values of AuctionOption."""

    IMBALANCE_ONLY = 1


class MassCancelScope(IntFlag):
    """What an order must have to be canceled."""

    EVERYTHING = 1
    SESSION = 2
    ACCOUNT = 4
    FIRM = 8
    INSTRUMENT = 16
    SIDE = 32
    KILL = 64


class InstrumentState(IntEnum):
    """Values of InstrumentState."""

    CONTINUOUS = 1
    AUCTION = 2
    HALTED = 3
    CLOSED = 4
    PRE_OPEN = 5


class Environment(IntEnum):
    """Data and clients of one are refused by the other."""

    TEST = 1
    LIVE = 2


class CrossType(IntEnum):
    """Values of CrossType."""

    OPENING = 1
    CLOSING = 2
    HALT = 3


class CommandKind(IntEnum):
    """Values of CommandKind."""

    INSTRUMENT_STATE = 1
    LIMIT = 2
    REFERENCE_PRICE = 3
    RESUME = 4
    COLLAR = 5
    FAT_FINGER = 6
    RESTRICTION = 7
    SELF_TRADE = 8
    CLOSE_DAY = 9


class RiskLimit(IntEnum):
    """Notional in 1/10,000 of the currency."""

    OPEN_LONG = 1
    OPEN_SHORT = 2
    NET_POSITION = 3
    GROSS_POSITION = 4
    TRADED_NOTIONAL = 5
    TRADED_QUANTITY = 6
    OPEN_ORDERS = 7
    MESSAGES_PER_SECOND = 8


class Side(IntEnum):
    """Values of Side."""

    BUY = 1
    SELL = 2


class TimeInForce(IntEnum):
    """Values of TimeInForce."""

    DAY = 0
    GOOD_TILL_CANCEL = 1
    AT_OPENING = 2
    IMMEDIATE_OR_CANCEL = 3
    FILL_OR_KILL = 4
    GOOD_TILL_TIME = 6
    AT_CLOSE = 7


class Liquidity(IntEnum):
    """Values of Liquidity."""

    ADDED = 1
    REMOVED = 2
    CROSS = 3


class TradeDetail(IntEnum):
    """Values of TradeDetail."""

    OPENING_CROSS = 1
    CLOSING_CROSS = 2
    HALT_CROSS = 3
    HIDDEN = 4


class Restriction(IntEnum):
    """Of an account or a firm in an instrument."""

    NONE = 0
    NO_ORDERS = 1
    SELL_ONLY = 2


class TradeChangeKind(IntEnum):
    """Values of TradeChangeKind."""

    BUST = 1
    CORRECT = 2


class CancelReason(IntEnum):
    """Values of CancelReason."""

    USER = 1
    IMMEDIATE_OR_CANCEL = 2
    FILL_OR_KILL = 3
    MINIMUM_QUANTITY = 4
    SELF_TRADE = 5
    MASS_CANCEL = 6
    COLLAR = 7
    CROSS = 8
    LEGS = 9
    CAPACITY = 10
    EXPIRED = 11
    SUPERVISORY = 12


class SessionEventKind(IntEnum):
    """Values of SessionEventKind."""

    LOGIN = 1
    LOGOUT = 2
    DISCONNECT = 3
    ENTRY_DISABLED = 4
    ENTRY_ENABLED = 5
    ACCOUNT_QUERY = 6
    SPOKE = 7
    NOTE = 8
    STATUS_ASKED = 9
    CARRIED = 10


class RejectReason(IntEnum):
    """Why a port, the sequencer or a shard refused."""

    UNKNOWN_INSTRUMENT = 1
    INVALID_SIDE = 2
    INVALID_QUANTITY = 3
    INVALID_PRICE = 4
    OFF_TICK = 5
    OFF_LOT = 6
    INVALID_TIME_IN_FORCE = 7
    INVALID_DISPLAY = 8
    UNKNOWN_ORDER = 9
    NOT_SUPPORTED = 10
    ORDER_CAPACITY = 11
    PRICE_CAPACITY = 12
    INVALID_PROPOSAL = 13
    INVALID_CLIENT_ORDER_ID = 14
    INVALID_OPTIONS = 15
    INVALID_MINIMUM_QUANTITY = 16
    WOULD_TRADE = 17
    INSTRUMENT_STATE = 18
    INVALID_LEGS = 19
    INVALID_CROSS = 20
    STALE_CROSS = 21
    OPEN_LONG_LIMIT = 22
    OPEN_SHORT_LIMIT = 23
    NET_POSITION_LIMIT = 24
    GROSS_POSITION_LIMIT = 25
    TRADED_NOTIONAL_LIMIT = 26
    TRADED_QUANTITY_LIMIT = 27
    OPEN_ORDERS_LIMIT = 28
    MESSAGE_RATE_LIMIT = 29
    KILLED = 30
    UNKNOWN_OWNER = 31
    RISK_CAPACITY = 32
    QUANTITY_EXCEEDED = 33
    NOTIONAL_EXCEEDED = 34
    ENTRY_DISABLED = 35
    THROTTLED = 36
    INVALID_DISPLAY_QUANTITY = 37
    INVALID_PEG_TYPE = 38
    PEGGING_NOT_SUPPORTED = 39
    ROUTING_NOT_SUPPORTED = 40
    RETAIL_NOT_SUPPORTED = 41
    UNKNOWN_FIRM = 42
    INVALID_TRADE = 43
    PRICE_COLLAR = 44
    FAT_FINGER = 45
    RESTRICTED = 46
    DAY_CLOSED = 47


class GuardianRule(IntEnum):
    """What a guardian watches; notional in 1/10,000 of the currency."""

    ORDERS = 1
    ORDER_RATIO = 2
    ORDERS_OUT = 3
    OPEN_ORDERS = 4
    OPEN_NOTIONAL = 5
    NET_POSITION = 6
    GROSS_POSITION = 7
    TRADED_NOTIONAL = 8
    REFUSALS = 9
    CROSSED_BOOK = 10
    TRADE_THROUGH = 11
    BALANCE = 12


class GuardianAction(IntEnum):
    """Values of GuardianAction."""

    ALARM = 1
    KILL = 2


MESSAGE: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "body",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "V32",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
        ],
        "itemsize": 64,
    }
)
NEW_ORDER: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "quantity",
            "locate",
            "client_order_id",
            "account",
            "firm",
            "side",
            "time_in_force",
            "display",
            "capacity",
            "sweep",
            "cross_type",
            "original_side",
            "options",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "S1",
            "S1",
            "S1",
            "S1",
            "S1",
            "u1",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            54,
            56,
            57,
            58,
            59,
            60,
            61,
            62,
            63,
        ],
        "itemsize": 64,
    }
)
CANCEL: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "quantity",
            "locate",
            "client_order_id",
            "account",
            "firm",
            "side",
            "reason",
            "spare",
            "remaining",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
REPLACE: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "quantity",
            "locate",
            "client_order_id",
            "account",
            "firm",
            "side",
            "time_in_force",
            "display",
            "sweep",
            "original_client_order_id",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "S1",
            "S1",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            54,
            56,
            57,
            58,
            59,
            60,
        ],
        "itemsize": 64,
    }
)
ORDER_TAG: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "text",
            "total_quantity",
            "capacity",
            "cross_type",
            "original_side",
            "request",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "S24",
            "<u4",
            "S1",
            "S1",
            "S1",
            "S1",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            56,
            60,
            61,
            62,
            63,
        ],
        "itemsize": 64,
    }
)
REJECT: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "quantity",
            "locate",
            "client_order_id",
            "account",
            "firm",
            "side",
            "refused_template",
            "reason",
            "spare",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
MASS_CANCEL: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "session",
            "spare",
            "spare2",
            "client_order_id",
            "account",
            "firm",
            "side",
            "scope",
            "spare3",
            "spare4",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            38,
            40,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
SESSION_EVENT: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "connection",
            "next_message",
            "client_order_id",
            "account",
            "firm",
            "kind",
            "options",
            "spare3",
            "client_message",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u4",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
CROSS_RESULT: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "quantity",
            "locate",
            "client_order_id",
            "account",
            "firm",
            "cross_type",
            "state",
            "spare",
            "changes",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
COMMAND: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "value",
            "client_order_id",
            "account",
            "firm",
            "kind",
            "state",
            "session",
            "scope",
            "limit",
            "spare",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "u1",
            "u1",
            "<u2",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
            61,
            62,
        ],
        "itemsize": 64,
    }
)
TICK: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "mark",
            "every_ns",
            "spare2",
            "spare3",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u4",
            "<u8",
            "<u8",
            "<u8",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            56,
        ],
        "itemsize": 64,
    }
)
EPOCH_START: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "epoch",
            "build_hash",
            "spare",
            "spare2",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u4",
            "<u8",
            "<u8",
            "<u8",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            56,
        ],
        "itemsize": 64,
    }
)
END_OF_DAY: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "kept_orders",
            "kept_quantity",
            "spare3",
            "spare4",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u4",
            "<u8",
            "<u8",
            "<u8",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            56,
        ],
        "itemsize": 64,
    }
)
INSTRUMENT_DEFINITION: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks_min",
            "price_ticks_max",
            "lot",
            "tick_1e4",
            "quantity_max",
            "symbol",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<i4",
            "<u4",
            "<u4",
            "<u4",
            "S8",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            56,
        ],
        "itemsize": 64,
    }
)
PARTICIPANT_DEFINITION: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "session",
            "account",
            "firm",
            "spare",
            "spare2",
            "user",
            "firm_name",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "<u2",
            "<u2",
            "<u4",
            "S8",
            "S8",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            38,
            40,
            42,
            44,
            48,
            56,
        ],
        "itemsize": 64,
    }
)
BUILD_RECORD: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "shards",
            "environment",
            "spare",
            "schema_hash",
            "configuration_hash",
            "build_hash",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u2",
            "u1",
            "u1",
            "<u8",
            "<u8",
            "<u8",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            38,
            39,
            40,
            48,
            56,
        ],
        "itemsize": 64,
    }
)
ORDER_TERMS: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "display_quantity",
            "minimum_quantity",
            "options",
            "auction",
            "customer_type",
            "time_in_force",
            "expire_time_ns",
            "group",
            "shares_located",
            "self_trade",
            "firm_name",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u4",
            "<u4",
            "u1",
            "u1",
            "S1",
            "S1",
            "<u8",
            "<u2",
            "S1",
            "S1",
            "S4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            45,
            46,
            47,
            48,
            56,
            58,
            59,
            60,
        ],
        "itemsize": 64,
    }
)
MULTI_LEG_ORDER: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "spare",
            "spare2",
            "client_order_id",
            "account",
            "firm",
            "leg_count",
            "options",
            "spare3",
            "spare4",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u4",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
LEG: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "quantity",
            "locate",
            "client_order_id",
            "account",
            "firm",
            "side",
            "spare",
            "spare2",
            "spare3",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
STOP_ORDER: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "quantity",
            "stop_ticks",
            "client_order_id",
            "account",
            "firm",
            "side",
            "time_in_force",
            "display",
            "capacity",
            "sweep",
            "cross_type",
            "original_side",
            "options",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<i4",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "S1",
            "S1",
            "S1",
            "S1",
            "S1",
            "u1",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            54,
            56,
            57,
            58,
            59,
            60,
            61,
            62,
            63,
        ],
        "itemsize": 64,
    }
)
STOP_CANCEL: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "spare",
            "spare2",
            "client_order_id",
            "account",
            "firm",
            "spare3",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u4",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "<u8",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            52,
            54,
            56,
        ],
        "itemsize": 64,
    }
)
IMBALANCE: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "reference_ticks",
            "paired",
            "imbalance",
            "near_ticks",
            "far_ticks",
            "changes",
            "side",
            "cross_type",
            "spare",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<u4",
            "<i4",
            "<i4",
            "<u4",
            "u1",
            "u1",
            "<u2",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            56,
            60,
            61,
            62,
        ],
        "itemsize": 64,
    }
)
AUCTION_EXTENSION: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "low_ticks",
            "high_ticks",
            "until_ns",
            "cross_type",
            "extension",
            "spare",
            "spare2",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<i4",
            "<i4",
            "<u8",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
TRADE_REPORTED: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "reports",
            "reported",
            "refused",
            "reason",
            "spare",
            "spare2",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u4",
            "<u8",
            "<u8",
            "<u2",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            56,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
TRADE_CHANGE: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "match",
            "client_order_id",
            "account",
            "firm",
            "kind",
            "reason",
            "spare",
            "quantity",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "S1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
TRADE_PARTY: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "session",
            "side",
            "liquidity",
            "notional_1e4",
            "client_order_id",
            "account",
            "firm",
            "quantity",
            "spare",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u2",
            "u1",
            "S1",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "<u4",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            38,
            39,
            40,
            48,
            52,
            54,
            56,
            60,
        ],
        "itemsize": 64,
    }
)
TEXT: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "text",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "S28",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
        ],
        "itemsize": 64,
    }
)
COMMAND_ASKED: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "value",
            "client_order_id",
            "account",
            "firm",
            "kind",
            "state",
            "session",
            "scope",
            "limit",
            "asked_template",
            "side",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
            61,
            62,
            63,
        ],
        "itemsize": 64,
    }
)
ALARM: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "session",
            "rule",
            "value",
            "kind",
            "scope",
            "action",
            "spare",
            "account",
            "firm",
            "bound",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "<i8",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u2",
            "<u2",
            "<i8",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            38,
            40,
            48,
            49,
            50,
            51,
            52,
            54,
            56,
        ],
        "itemsize": 64,
    }
)
CARRIED_OVER: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "messages",
            "orders",
            "left_orders",
            "quantity",
            "former_digest",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u4",
            "<u4",
            "<u4",
            "<u8",
            "<u8",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            56,
        ],
        "itemsize": 64,
    }
)
EXECUTED: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "quantity",
            "locate",
            "client_order_id",
            "account",
            "firm",
            "side",
            "liquidity",
            "detail",
            "remaining",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
CANCELED: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "quantity",
            "locate",
            "client_order_id",
            "account",
            "firm",
            "side",
            "reason",
            "liquidity",
            "remaining",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
REJECTED: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "quantity",
            "locate",
            "client_order_id",
            "account",
            "firm",
            "side",
            "refused_template",
            "reason",
            "spare",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
STATE_CHANGED: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "spare",
            "spare2",
            "spare3",
            "state_before",
            "state",
            "spare4",
            "spare5",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u4",
            "<u8",
            "<u8",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
REPLENISHED: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "quantity",
            "locate",
            "client_order_id",
            "account",
            "firm",
            "side",
            "spare",
            "spare2",
            "remaining",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u4",
            "<u4",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "<u2",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            44,
            48,
            52,
            54,
            56,
            57,
            58,
            60,
        ],
        "itemsize": 64,
    }
)
TRADE_CHANGED: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "price_ticks",
            "match",
            "client_order_id",
            "account",
            "firm",
            "side",
            "liquidity",
            "kind",
            "reason",
            "quantity",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<i4",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "S1",
            "u1",
            "S1",
            "<u4",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            52,
            54,
            56,
            57,
            58,
            59,
            60,
        ],
        "itemsize": 64,
    }
)
SKIP: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [
            "sequence",
            "time_ns",
            "topic_sequence",
            "topic",
            "publisher",
            "template_id",
            "flags",
            "shard",
            "reserved",
            "checksum",
            "instrument",
            "spare",
            "spare2",
            "spare3",
            "spare4",
        ],
        "formats": [
            "<u8",
            "<u8",
            "<u4",
            "<u2",
            "<u2",
            "u1",
            "u1",
            "u1",
            "u1",
            "<u4",
            "<u4",
            "<u4",
            "<u8",
            "<u8",
            "<u8",
        ],
        "offsets": [
            0,
            8,
            16,
            20,
            22,
            24,
            25,
            26,
            27,
            28,
            32,
            36,
            40,
            48,
            56,
        ],
        "itemsize": 64,
    }
)
DTYPES: Final[dict[Template, np.dtype[np.void]]] = {
    Template.NEW_ORDER: NEW_ORDER,
    Template.CANCEL: CANCEL,
    Template.REPLACE: REPLACE,
    Template.ORDER_TAG: ORDER_TAG,
    Template.REJECT: REJECT,
    Template.MASS_CANCEL: MASS_CANCEL,
    Template.SESSION_EVENT: SESSION_EVENT,
    Template.CROSS_RESULT: CROSS_RESULT,
    Template.COMMAND: COMMAND,
    Template.TICK: TICK,
    Template.EPOCH_START: EPOCH_START,
    Template.END_OF_DAY: END_OF_DAY,
    Template.INSTRUMENT_DEFINITION: INSTRUMENT_DEFINITION,
    Template.PARTICIPANT_DEFINITION: PARTICIPANT_DEFINITION,
    Template.BUILD_RECORD: BUILD_RECORD,
    Template.ORDER_TERMS: ORDER_TERMS,
    Template.MULTI_LEG_ORDER: MULTI_LEG_ORDER,
    Template.LEG: LEG,
    Template.STOP_ORDER: STOP_ORDER,
    Template.STOP_CANCEL: STOP_CANCEL,
    Template.IMBALANCE: IMBALANCE,
    Template.AUCTION_EXTENSION: AUCTION_EXTENSION,
    Template.TRADE_REPORTED: TRADE_REPORTED,
    Template.TRADE_CHANGE: TRADE_CHANGE,
    Template.TRADE_PARTY: TRADE_PARTY,
    Template.TEXT: TEXT,
    Template.COMMAND_ASKED: COMMAND_ASKED,
    Template.ALARM: ALARM,
    Template.CARRIED_OVER: CARRIED_OVER,
    Template.EXECUTED: EXECUTED,
    Template.CANCELED: CANCELED,
    Template.REJECTED: REJECTED,
    Template.STATE_CHANGED: STATE_CHANGED,
    Template.REPLENISHED: REPLENISHED,
    Template.TRADE_CHANGED: TRADE_CHANGED,
    Template.SKIP: SKIP,
}
# By template: what the numbers of a field stand for.
ENUMS: Final[dict[Template, dict[str, type[IntEnum] | type[IntFlag]]]] = {
    Template.NEW_ORDER: {
        "flags": Flag,
        "side": Side,
        "time_in_force": TimeInForce,
        "options": OrderOption,
    },
    Template.CANCEL: {
        "flags": Flag,
        "side": Side,
        "reason": CancelReason,
    },
    Template.REPLACE: {
        "flags": Flag,
        "side": Side,
        "time_in_force": TimeInForce,
    },
    Template.ORDER_TAG: {
        "flags": Flag,
    },
    Template.REJECT: {
        "flags": Flag,
        "side": Side,
        "reason": RejectReason,
        "refused_template": Template,
    },
    Template.MASS_CANCEL: {
        "flags": Flag,
        "side": Side,
        "scope": MassCancelScope,
    },
    Template.SESSION_EVENT: {
        "flags": Flag,
        "kind": SessionEventKind,
    },
    Template.CROSS_RESULT: {
        "flags": Flag,
        "cross_type": CrossType,
        "state": InstrumentState,
    },
    Template.COMMAND: {
        "flags": Flag,
        "kind": CommandKind,
        "state": InstrumentState,
        "scope": MassCancelScope,
        "limit": RiskLimit,
    },
    Template.TICK: {
        "flags": Flag,
    },
    Template.EPOCH_START: {
        "flags": Flag,
    },
    Template.END_OF_DAY: {
        "flags": Flag,
    },
    Template.INSTRUMENT_DEFINITION: {
        "flags": Flag,
    },
    Template.PARTICIPANT_DEFINITION: {
        "flags": Flag,
    },
    Template.BUILD_RECORD: {
        "flags": Flag,
        "environment": Environment,
    },
    Template.ORDER_TERMS: {
        "flags": Flag,
        "options": OrderOption,
        "auction": AuctionOption,
    },
    Template.MULTI_LEG_ORDER: {
        "flags": Flag,
        "options": OrderOption,
    },
    Template.LEG: {
        "flags": Flag,
        "side": Side,
    },
    Template.STOP_ORDER: {
        "flags": Flag,
        "side": Side,
        "time_in_force": TimeInForce,
        "options": OrderOption,
    },
    Template.STOP_CANCEL: {
        "flags": Flag,
    },
    Template.IMBALANCE: {
        "flags": Flag,
        "side": Side,
        "cross_type": CrossType,
    },
    Template.AUCTION_EXTENSION: {
        "flags": Flag,
        "cross_type": CrossType,
    },
    Template.TRADE_REPORTED: {
        "flags": Flag,
    },
    Template.TRADE_CHANGE: {
        "flags": Flag,
        "kind": TradeChangeKind,
    },
    Template.TRADE_PARTY: {
        "flags": Flag,
        "side": Side,
    },
    Template.TEXT: {
        "flags": Flag,
    },
    Template.COMMAND_ASKED: {
        "flags": Flag,
        "kind": CommandKind,
        "state": InstrumentState,
        "scope": MassCancelScope,
        "limit": RiskLimit,
        "side": Side,
    },
    Template.ALARM: {
        "flags": Flag,
        "kind": GuardianRule,
        "scope": MassCancelScope,
        "action": GuardianAction,
    },
    Template.CARRIED_OVER: {
        "flags": Flag,
    },
    Template.EXECUTED: {
        "flags": Flag,
        "side": Side,
        "liquidity": Liquidity,
        "detail": TradeDetail,
    },
    Template.CANCELED: {
        "flags": Flag,
        "side": Side,
        "reason": CancelReason,
    },
    Template.REJECTED: {
        "flags": Flag,
        "side": Side,
        "reason": RejectReason,
        "refused_template": Template,
    },
    Template.STATE_CHANGED: {
        "flags": Flag,
        "state_before": InstrumentState,
        "state": InstrumentState,
    },
    Template.REPLENISHED: {
        "flags": Flag,
        "side": Side,
    },
    Template.TRADE_CHANGED: {
        "flags": Flag,
        "side": Side,
        "kind": TradeChangeKind,
    },
    Template.SKIP: {
        "flags": Flag,
    },
}
