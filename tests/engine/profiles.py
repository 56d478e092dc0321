"""Worlds for random messages: how likely each kind is, how narrow the world, what is spoiled."""

from __future__ import annotations

from dataclasses import dataclass

from ringbus.messages import INSTRUMENT_NONE, Template
from tests.engine.oracle import PRICE_TICKS_MAX

QUANTITY_MAX = 2**32 - 1

# What a spoiled field becomes.
INSTRUMENTS_WRONG = (77, 2**31, INSTRUMENT_NONE)
PRICES_WRONG = (0, -1, -(2**31), 2**30, 2**31 - 1)
BYTES = tuple(range(256))
SPOILED: dict[int, dict[str, tuple[int, ...]]] = {
    Template.NEW_ORDER: {
        **{"instrument": INSTRUMENTS_WRONG, "price_ticks": PRICES_WRONG, "quantity": (0,)},
        **{"side": (0, 3, 255), "time_in_force": (5, 8, 255, 3, 4, 2, 7), "options": BYTES},
        "locate": (1, 2, INSTRUMENT_NONE),
    },
    Template.CANCEL: {
        **{"instrument": (0, 1, *INSTRUMENTS_WRONG), "quantity": (0, QUANTITY_MAX)},
        **{"locate": (0, 1, 2, 2**31, INSTRUMENT_NONE), "topic": (0, 1, 2, 65535)},
        **{"client_order_id": (0, 1, 2), "price_ticks": PRICES_WRONG, "side": (1, 3)},
    },
    Template.REPLACE: {
        **{"instrument": (0, 1, *INSTRUMENTS_WRONG), "quantity": (0,)},
        **{"locate": (0, 1, 2, 2**31, INSTRUMENT_NONE), "topic": (0, 1, 2, 65535)},
        **{"original_client_order_id": (0, 1, 2), "price_ticks": PRICES_WRONG, "side": (1, 3)},
        "time_in_force": (2, 3, 4, 5, 7, 8, 255),
    },
    Template.ORDER_TERMS: {
        **{"display_quantity": (0, QUANTITY_MAX), "minimum_quantity": (1, 5, QUANTITY_MAX)},
        **{"options": BYTES, "auction": (1, 2, 128, 255)},
    },
    Template.COMMAND: {"instrument": INSTRUMENTS_WRONG, "kind": (0, 2, 255), "state": (0, 5, 255)},
    Template.CROSS_RESULT: {
        **{"instrument": INSTRUMENTS_WRONG, "price_ticks": PRICES_WRONG},
        **{"cross_type": (0, 4, 255), "state": (0, 5, 255), "quantity": (0, 1, QUANTITY_MAX)},
        "changes": (0, 1, QUANTITY_MAX),
    },
    Template.MASS_CANCEL: {
        **{"instrument": (0, 1, *INSTRUMENTS_WRONG), "scope": BYTES, "side": (0, 3, 255)},
    },
    Template.MULTI_LEG_ORDER: {"leg_count": (0, 1, 2, 3, 9, 255), "options": BYTES},
    Template.LEG: {
        **{"instrument": (0, 1, *INSTRUMENTS_WRONG), "price_ticks": PRICES_WRONG},
        **{"quantity": (0,), "side": (0, 3, 255)},
    },
}


@dataclass(frozen=True, slots=True)
class Profile:
    """How likely the kinds are, and how narrow the world."""

    kinds: dict[str, float]
    instruments: int = 2
    # So many neighbours are a group of instruments; 0: all are.
    group: int = 0
    orders: int = 60
    nodes: int = 2_000
    # Prices to choose from; none: a few ticks behind a touch that walks.
    prices: tuple[int, ...] = ()
    # Of orders at a walking touch: those that reach over it.
    aggressive: float = 0.04
    quantities: tuple[int, ...] = tuple(range(1, 20))
    topics: int = 3
    accounts: int = 2
    firms: int = 2
    # Share of orders with each of these.
    terms: float = 0.4
    self_trade: float = 0.4
    plain: float = 0.4
    # Share of messages with a field that is wrong, and with an OrderTag behind.
    spoiled: float = 0.06
    tagged: float = 0.05
    # Of what operators say: that author and reason are behind it.
    texts: float = 0.0
    stale: float = 0.03


ALL_KINDS: dict[str, float] = {
    **{"new": 50, "cancel": 17, "replace": 20, "command": 2, "cross": 2, "mass_cancel": 0.7},
    "legs": 5,
}
NARROW = tuple(range(97, 104))
ENDS = (1, 2, 62, 63, 64, 65, 4_095, 4_096, 2**18, 2**24, PRICE_TICKS_MAX - 1, PRICE_TICKS_MAX)
PROFILES = {
    # R09: half new orders, a third and more cancels, one or two of a hundred trade.
    "realistic": Profile(
        {"new": 51, "cancel": 38, "replace": 11},
        instruments=8,
        orders=4_000,
        nodes=20_000,
        aggressive=0.008,
        quantities=tuple(range(100, 1_100, 100)),
        topics=40,
        accounts=40,
        firms=10,
        terms=0.1,
        self_trade=0.3,
        plain=0.9,
        spoiled=0.002,
        stale=0.002,
    ),
    "nasty": Profile(ALL_KINDS, instruments=3, prices=NARROW),
    "ends": Profile(ALL_KINDS, prices=ENDS, quantities=(1, 2, 3, QUANTITY_MAX - 1, QUANTITY_MAX)),
    "tiny": Profile(ALL_KINDS, orders=7, nodes=13, prices=(*ENDS[:8], 2**24), spoiled=0.02),
    "auctions": Profile(
        ALL_KINDS | {"command": 4, "cross": 8, "mass_cancel": 0.3, "legs": 0.5},
        prices=NARROW,
        spoiled=0.02,
    ),
    "collars": Profile(
        ALL_KINDS | {"rule": 3, "command": 3, "cross": 4, "mass_cancel": 0.3},
        prices=NARROW,
        spoiled=0.03,
    ),
    "legs": Profile(
        {"new": 50, "cancel": 15, "replace": 10, "legs": 20, "command": 0.5},
        instruments=9,
        orders=200,
        prices=NARROW,
        spoiled=0.03,
    ),
    "operators": Profile(
        ALL_KINDS | {"command": 15, "mass_cancel": 5},
        instruments=3,
        prices=NARROW,
        spoiled=0.02,
        texts=0.6,
    ),
    "reserve": Profile(
        {"new": 55, "cancel": 15, "replace": 25, "legs": 5},
        instruments=1,
        prices=(99, 100, 101),
        terms=0.8,
        self_trade=0.6,
        plain=0.2,
        spoiled=0.01,
    ),
}
