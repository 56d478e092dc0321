"""Everything bad that a client was seen to send, and what it must get.

One list for two things: `test_refusals.py` sends each of them over a socket and compares, and the
page ports/refusals.md is made from it: `python -m tests.ports.refusals` writes it, a test checks
that it is fresh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ports.ouch import (
    REJECT_REASONS,
    CancelOrder,
    DisableOrderEntry,
    EnterOrder,
    Inbound,
    MassCancel,
    ModifyOrder,
    ReplaceOrder,
    Tag,
    option,
)
from ringbus.messages import RejectReason as R
from tests.ports.venue import PRICE, TICK

PAGE = Path(__file__).resolve().parents[2] / "ports" / "refusals.md"
MARKET = 0x7FFFFFFF
# The order that every case finds open: 100 AAPL at PRICE, sold, user_ref 1.
OPEN = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """One bad message: what is wrong with it, the reason on the stream, OUCH 5.0's number.

    `number` None: the answer is a Cancel Reject, the order that was named lives on.
    """

    what: str
    message: Inbound
    reason: R
    number: int | None
    rules: dict[str, Any] = field(default_factory=dict)


def enter(**changes: Any) -> EnterOrder:
    """A good order but for what is said here."""
    fields: dict[str, Any] = {"user_ref": 2, "side": "B", "quantity": 100, "clordid": "x"}
    fields |= {"symbol": "AAPL", "price": PRICE - TICK}
    return EnterOrder(**(fields | changes))


def appended(tag: int, value: int | str, **changes: Any) -> EnterOrder:
    """The same with an option."""
    return enter(appendage=(option(tag, value),), **changes)


def replace(**changes: Any) -> ReplaceOrder:
    """A good replace of the open order but for what is said here."""
    fields: dict[str, Any] = {"original_user_ref": OPEN, "user_ref": 2}
    fields |= {"quantity": 100, "price": PRICE}
    return ReplaceOrder(**(fields | {"clordid": "x"} | changes))


_ORDERS: list[tuple[str, Inbound, R, int | None]] = [
    ("a symbol that does not exist", enter(symbol="NOPE"), R.UNKNOWN_INSTRUMENT, 23),
    ("no symbol", enter(symbol=""), R.UNKNOWN_INSTRUMENT, 23),
    ("a side that is none", enter(side="X"), R.INVALID_SIDE, 9),
    ("quantity 0", enter(quantity=0), R.INVALID_QUANTITY, 19),
    ("quantity above the instrument's most", enter(quantity=100_010), R.QUANTITY_EXCEEDED, 30),
    ("quantity 2^32 - 10", enter(quantity=2**32 - 10), R.QUANTITY_EXCEEDED, 30),
    ("quantity that is no multiple of the lot", enter(quantity=15), R.OFF_LOT, 19),
    ("price 0", enter(price=0), R.INVALID_PRICE, 29),
    ("price below the collar", enter(price=99 * TICK), R.INVALID_PRICE, 29),
    ("price above the collar", enter(price=1_000_001 * TICK), R.INVALID_PRICE, 29),
    ("price 2^64 - 1", enter(price=2**64 - 1), R.INVALID_PRICE, 29),
    ("price between two ticks", enter(price=PRICE + 1), R.OFF_TICK, 29),
    ("time in force E, after hours", enter(time_in_force="E"), R.INVALID_TIME_IN_FORCE, 15),
    ("time in force that is none", enter(time_in_force="x"), R.INVALID_TIME_IN_FORCE, 15),
    ("time in force 6 without ExpireTime", enter(time_in_force="6"), R.INVALID_TIME_IN_FORCE, 15),
    (
        "ExpireTime of a day and more",
        appended(Tag.EXPIRE_TIME, 86400, time_in_force="6"),
        R.INVALID_TIME_IN_FORCE,
        15,
    ),
    ("display that is none", enter(display="x"), R.INVALID_DISPLAY, 3),
    ("display Z, which only the exchange says", enter(display="Z"), R.INVALID_DISPLAY, 3),
    ("cross type S, supplemental", enter(cross_type="S"), R.INVALID_CROSS, 20),
    ("cross type R, retail", enter(cross_type="R"), R.INVALID_CROSS, 20),
    ("cross type A, after hours", enter(cross_type="A"), R.INVALID_CROSS, 20),
    ("cross type that is none", enter(cross_type="x"), R.INVALID_CROSS, 20),
    (
        "an order for a cross with a time",
        enter(cross_type="O", time_in_force="6"),
        R.INVALID_TIME_IN_FORCE,
        15,
    ),
    ("a market order that would rest", enter(price=MARKET), R.INVALID_OPTIONS, 15),
    (
        "minimum quantity above the quantity",
        appended(Tag.MIN_QUANTITY, 110, time_in_force="3"),
        R.INVALID_MINIMUM_QUANTITY,
        13,
    ),
    (
        "minimum quantity of an order that rests",
        appended(Tag.MIN_QUANTITY, 50),
        R.INVALID_MINIMUM_QUANTITY,
        13,
    ),
    ("MaxFloor above the quantity", appended(Tag.MAX_FLOOR, 110), R.INVALID_DISPLAY_QUANTITY, 4),
    ("MaxFloor off the lot", appended(Tag.MAX_FLOOR, 15), R.INVALID_DISPLAY_QUANTITY, 4),
    (
        "MaxFloor below a 1,024th of the quantity",
        appended(Tag.MAX_FLOOR, 10, quantity=20_000),
        R.INVALID_DISPLAY_QUANTITY,
        4,
    ),
    (
        "MaxFloor of a hidden order",
        appended(Tag.MAX_FLOOR, 10, display="N"),
        R.INVALID_DISPLAY_QUANTITY,
        4,
    ),
    (
        "MaxFloor of an order that never rests",
        appended(Tag.MAX_FLOOR, 10, time_in_force="3"),
        R.INVALID_DISPLAY_QUANTITY,
        4,
    ),
    ("PriceType P, market peg", appended(Tag.PRICE_TYPE, "P"), R.PEGGING_NOT_SUPPORTED, 17),
    ("PriceType M, midpoint peg", appended(Tag.PRICE_TYPE, "M"), R.PEGGING_NOT_SUPPORTED, 17),
    ("PriceType R, primary peg", appended(Tag.PRICE_TYPE, "R"), R.PEGGING_NOT_SUPPORTED, 17),
    ("PriceType Q, market maker peg", appended(Tag.PRICE_TYPE, "Q"), R.PEGGING_NOT_SUPPORTED, 17),
    ("PriceType that is none", appended(Tag.PRICE_TYPE, "x"), R.INVALID_PEG_TYPE, 5),
    ("PegOffset", appended(Tag.PEG_OFFSET, -100), R.PEGGING_NOT_SUPPORTED, 17),
    ("DiscretionPrice", appended(Tag.DISCRETION_PRICE, PRICE), R.NOT_SUPPORTED, 15),
    (
        "DiscretionPriceType M",
        appended(Tag.DISCRETION_PRICE_TYPE, "M"),
        R.PEGGING_NOT_SUPPORTED,
        17,
    ),
    (
        "DiscretionPegOffset",
        appended(Tag.DISCRETION_PEG_OFFSET, 100),
        R.PEGGING_NOT_SUPPORTED,
        17,
    ),
    ("PostOnly that is none", appended(Tag.POST_ONLY, "x"), R.NOT_SUPPORTED, 15),
    (
        "PostOnly of an order that never rests",
        appended(Tag.POST_ONLY, "P", time_in_force="3"),
        R.INVALID_OPTIONS,
        15,
    ),
    (
        "PostOnly that would trade",
        appended(Tag.POST_ONLY, "P", price=PRICE),
        R.WOULD_TRADE,
        18,
    ),
    ("RandomReserves", appended(Tag.RANDOM_RESERVES, 10), R.NOT_SUPPORTED, 15),
    ("Route", appended(Tag.ROUTE, "SCAN"), R.ROUTING_NOT_SUPPORTED, 22),
    ("TradeNow Y", appended(Tag.TRADE_NOW, "Y"), R.NOT_SUPPORTED, 15),
    ("HandleInst O, retail", appended(Tag.HANDLE_INST, "O"), R.RETAIL_NOT_SUPPORTED, 26),
    ("HandleInst B, extended life", appended(Tag.HANDLE_INST, "B"), R.NOT_SUPPORTED, 15),
    (
        "HandleInst I outside a cross",
        appended(Tag.HANDLE_INST, "I"),
        R.INVALID_CROSS,
        20,
    ),
    ("another's Firm", appended(Tag.FIRM, "FRM9"), R.UNKNOWN_FIRM, 12),
    ("CustomerType that is none", appended(Tag.CUSTOMER_TYPE, "x"), R.NOT_SUPPORTED, 15),
    ("SharesLocated that is none", appended(Tag.SHARES_LOCATED, "x"), R.NOT_SUPPORTED, 15),
    ("AIQ strategy that is none", appended(Tag.SELF_TRADE, "x"), R.NOT_SUPPORTED, 15),
    ("AIQ group", appended(Tag.SELF_TRADE_GROUP, "AB"), R.NOT_SUPPORTED, 15),
    ("UserRefIdx other than 0", appended(Tag.USER_REF_INDEX, 1), R.NOT_SUPPORTED, 15),
]
_OTHERS: list[tuple[str, Inbound, R, int | None]] = [
    ("Replace of an order that is not there", replace(original_user_ref=9), R.UNKNOWN_ORDER, 21),
    ("Replace to quantity 0", replace(quantity=0), R.INVALID_QUANTITY, 19),
    ("Replace off the lot", replace(quantity=15), R.OFF_LOT, 19),
    ("Replace off the tick", replace(price=PRICE + 1), R.OFF_TICK, 29),
    ("Replace out of the collar", replace(price=TICK), R.INVALID_PRICE, 29),
    ("Replace to another kind of side", replace(appendage=(option(27, "B"),)), R.INVALID_SIDE, 9),
    ("Replace with a display that is none", replace(display="x"), R.INVALID_DISPLAY, 3),
    (
        "Replace with a peg",
        replace(appendage=(option(Tag.PRICE_TYPE, "M"),)),
        R.PEGGING_NOT_SUPPORTED,
        17,
    ),
    ("Cancel of an order that is not there", CancelOrder(9), R.UNKNOWN_ORDER, None),
    ("Modify of an order that is not there", ModifyOrder(9, "S", 50), R.UNKNOWN_ORDER, None),
    ("Modify from sell to buy", ModifyOrder(OPEN, "B", 100), R.INVALID_SIDE, None),
    ("Modify to a side that is none", ModifyOrder(OPEN, "x", 100), R.INVALID_SIDE, None),
    ("Modify off the lot", ModifyOrder(OPEN, "S", 55), R.OFF_LOT, None),
    ("Modify above the most", ModifyOrder(OPEN, "S", 100_010), R.QUANTITY_EXCEEDED, None),
    ("Mass Cancel of no symbol that exists", MassCancel(2, "", "NOPE"), R.UNKNOWN_INSTRUMENT, 23),
    ("Mass Cancel of another's firm", MassCancel(2, "FRM9"), R.UNKNOWN_FIRM, 12),
    (
        "Mass Cancel of a group",
        MassCancel(2, appendage=(option(Tag.GROUP_ID, 7),)),
        R.NOT_SUPPORTED,
        15,
    ),
    (
        "Mass Cancel of a side that is none",
        MassCancel(2, appendage=(option(Tag.SIDE, "x"),)),
        R.INVALID_SIDE,
        9,
    ),
    ("Disable Order Entry of another's firm", DisableOrderEntry(2, "FRM9"), R.UNKNOWN_FIRM, 12),
]
REFUSALS: list[Refusal] = [Refusal(*row) for row in (*_ORDERS, *_OTHERS)] + [
    Refusal(
        "quantity times price above the session's limit",
        enter(),
        R.NOTIONAL_EXCEEDED,
        31,
        {"notional_max_1e4": 100 * PRICE - 100 * TICK - 1},
    ),
    Refusal(
        "a market order whose collar is above the session's limit",
        enter(price=MARKET, time_in_force="3"),
        R.NOTIONAL_EXCEEDED,
        31,
        {"notional_max_1e4": 100 * PRICE},
    ),
    Refusal(
        "more orders in a second than the session may send", enter(), R.THROTTLED, 15, {"rate": 1}
    ),
]

# What is refused, but not for what it says: `test_refusals.py` has a test of its own for each.
BY_STATE: list[tuple[str, R, int]] = [
    ("an order after Disable Order Entry", R.ENTRY_DISABLED, 12),
    ("a Replace after Disable Order Entry", R.ENTRY_DISABLED, 12),
    ("an order for an instrument that is halted or closed", R.INSTRUMENT_STATE, 7),
    ("an order that the port has no room for", R.ORDER_CAPACITY, 10),
]
# No answer, by the rules of OUCH; counted.
SILENT: list[tuple[str, Callable[[], Inbound]]] = [
    ("Enter Order with a number that was used", lambda: enter(user_ref=OPEN)),
    ("Enter Order with number 0", lambda: enter(user_ref=0)),
    ("Replace with a number that was used", lambda: replace(user_ref=OPEN)),
    ("Mass Cancel with a number that was used", lambda: MassCancel(OPEN)),
    ("Disable Order Entry with a number that was used", lambda: DisableOrderEntry(OPEN)),
    ("Cancel to as much as there is", lambda: CancelOrder(OPEN, 100)),
    ("Cancel to more than there is", lambda: CancelOrder(OPEN, 2**32 - 1)),
    ("Modify that changes nothing", lambda: ModifyOrder(OPEN, "S", 100)),
]


def page(cut_off: dict[str, str]) -> str:
    """The page; `cut_off`: what ends the connection, and the word that comes before."""
    out = [
        "# What a bad message gets",
        "",
        "Made from `tests/ports/refusals.py` by `python -m tests.ports.refusals`; every row is",
        "sent over a socket by `tests/ports/test_refusals.py`. A refusal is sequenced: it is on",
        "the stream before the client hears it, has its number, and comes again at a replay.",
        "",
        "## Answered",
        "",
        "OUCH 5.0's number is that of Rejected; *Cancel Reject* has none: the order lives on.",
        "",
        "| sent | reason on the stream | OUCH 5.0 |",
        "|---|---|---|",
    ]
    for one in REFUSALS:
        out.append(f"| {one.what} | {_reason(one.reason)} | {_number(one.number)} |")
    for what, reason, number in BY_STATE:
        out.append(f"| {what} | {_reason(reason)} | {_number(number)} |")
    out += ["", "## Ignored, and counted", "", "| sent |", "|---|"]
    out += [f"| {what} |" for what, _ in SILENT]
    out += [
        "",
        "## The connection ends",
        "",
        "The bytes are no messages: a Debug packet says why, then the port closes. The session's",
        "orders stay unless it is configured otherwise; the next login goes on where this one was.",
        "",
        "| sent | Debug |",
        "|---|---|",
    ]
    out += [f"| {what} | {why} |" for what, why in cut_off.items()]
    return "\n".join(out) + "\n"


def _reason(reason: R) -> str:
    return "".join(word.capitalize() for word in reason.name.split("_"))


def _number(number: int | None) -> str:
    return "*Cancel Reject*" if number is None else f"{number} {REJECT_REASONS[number]}"


if __name__ == "__main__":
    from tests.ports.test_refusals import CUT_OFF

    PAGE.write_text(page({what: why for what, (_, why) in CUT_OFF.items()}))
