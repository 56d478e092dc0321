"""Every reason for which the exchange refuses, how each is provoked, and what clients are told.

One list for two things: `test_reasons.py` provokes each of them over real sockets, in OUCH 5.0 and
in FIX 4.4, and the page ports/reasons.md is made from it by `python -m tests.ports.reasons`. A
reason without a row fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.risk import RiskSize
from ports.ouch import REJECT_REASONS, DisableOrderEntry, Inbound, Tag
from ringbus.messages import (
    COMMAND,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    CommandKind,
    InstrumentState,
    MassCancelScope,
    Restriction,
    RiskLimit,
    Template,
)
from ringbus.messages import RejectReason as R
from tests.ports.refusals import MARKET, appended, enter, replace
from tests.ports.venue import PRICE, TICK, line

PAGE = Path(__file__).resolve().parents[2] / "ports" / "reasons.md"
Lines = NDArray[np.void]
# FIX: OrdRejReason of an ExecutionReport, or CxlRejReason of an OrderCancelReject.
ORD_REJ, CXL_REJ = 103, 102
OTHER = 99


@dataclass(frozen=True, slots=True)
class Told:
    """What is sent on a wire, and the code that comes back; FIX: changes of a good order."""

    message: Inbound | Mapping[str, str | None]
    code: int
    tag: int = ORD_REJ


@dataclass(frozen=True, slots=True)
class Row:
    """A reason. `ouch`, `fix`: a text says why no client meets it there.

    What comes before: `commands` of the operator, `first` good orders of the client or a message of
    its own, with `meets` an order of somebody else; `setup` is of the exchange, `rules` of the
    session.
    """

    reason: R
    provoked: str
    ouch: Told | str
    fix: Told | str
    commands: tuple[Lines, ...] = ()
    first: int = 0
    before: Inbound | None = None
    meets: bool = False
    setup: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)


def command(kind: CommandKind, /, instrument: int = 0, **fields: int) -> Lines:
    """What the operator says; its number is given when it is said."""
    return line(COMMAND, Template.COMMAND, 0, 0, kind=kind, instrument=instrument, **fields)


def limit(which: RiskLimit, value: int) -> Lines:
    """Of the client's account."""
    account = MassCancelScope.ACCOUNT
    fields = {"scope": account, "account": 1, "limit": which, "value": value}
    return command(CommandKind.LIMIT, instrument=INSTRUMENT_NONE, **fields)


def kill() -> Lines:
    """Of the client's firm."""
    scope = MassCancelScope.FIRM | MassCancelScope.KILL
    none = INSTRUMENT_NONE
    return line(MASS_CANCEL, Template.MASS_CANCEL, 0, 0, scope=scope, firm=1, instrument=none)


def restriction(number: int, rule: Restriction) -> Lines:
    """Of an account, in the instrument of all orders here."""
    account = MassCancelScope.ACCOUNT
    return command(CommandKind.RESTRICTION, scope=account, account=number, value=rule)


def of_limit(which: RiskLimit, what: str, value: int, number: int, side: str = "B") -> Row:
    """A limit of an account that the order would exceed."""
    reason = R(R.OPEN_LONG_LIMIT + which - 1)
    fix = {"f54": "1" if side == "B" else "2"}
    told = Told(enter(side=side), number), Told(fix, 3)
    return Row(reason, f"an order that would exceed its owner's limit of {what}", *told,
               commands=(limit(which, value),))  # fmt: skip


OPERATORS = "an operator's or an auction's, no client's"
NO_SUCH_FIELD = "FIX has no such order here"
SMALL = RiskSize(accounts=16, firms=16, positions=16)
ROWS = (
    Row(R.UNKNOWN_INSTRUMENT, "a symbol that does not exist",
        Told(enter(symbol="NOPE"), 23), Told({"f55": "NOPE"}, 1)),
    Row(R.INVALID_SIDE, "a side that is none", Told(enter(side="X"), 9),
        Told({"f54": "9"}, OTHER)),
    Row(R.INVALID_QUANTITY, "quantity 0", Told(enter(quantity=0), 19), Told({"f38": "0"}, 13)),
    Row(R.INVALID_PRICE, "a price below all that the instrument may have",
        Told(enter(price=99 * TICK), 29), Told({"f44": "0.99"}, OTHER)),
    Row(R.OFF_TICK, "a price between two ticks", Told(enter(price=PRICE + 1), 29),
        Told({"f44": "1.505"}, OTHER)),
    Row(R.OFF_LOT, "a quantity that is no multiple of the lot", Told(enter(quantity=15), 19),
        Told({"f38": "15"}, 13)),
    Row(R.INVALID_TIME_IN_FORCE, "good till a time that is not said",
        Told(enter(time_in_force="6"), 15), Told({"f59": "6"}, 11)),
    Row(R.INVALID_DISPLAY, "a display that is none (FIX: MaxFloor above the quantity)",
        Told(enter(display="x"), 3), Told({"f111": "110"}, 11)),
    Row(R.UNKNOWN_ORDER, "a replace of an order that is not there",
        Told(replace(original_user_ref=9), 21), Told({"f41": "nobody"}, 1, CXL_REJ)),
    Row(R.NOT_SUPPORTED, "an instruction that the exchange does not follow",
        Told(appended(Tag.TRADE_NOW, "Y"), 15), Told({"f18": "M"}, 11)),
    Row(R.ORDER_CAPACITY, "an order where no more can rest", Told(enter(user_ref=3), 10),
        Told({"f11": "B"}, OTHER), first=1, setup={"orders": 1}),
    Row(R.PRICE_CAPACITY, "a price where there is no room for another one",
        Told(enter(user_ref=3, price=900_000 * TICK), 10),
        Told({"f11": "B", "f44": "9000"}, OTHER), first=1, setup={"price_nodes": 5}),
    Row(R.INVALID_PROPOSAL, "a port that breaks the engine's format", "no port's client can",
        "no port's client can"),
    Row(R.INVALID_CLIENT_ORDER_ID, "a ClOrdID that was used",
        "ignored, as OUCH says of a number that was used", Told({}, 6), first=1),
    Row(R.INVALID_OPTIONS, "terms that contradict each other: a market order that would rest, "
        "post-only of one that never rests", Told(enter(price=MARKET), 15),
        Told({"f18": "6", "f59": "3"}, 11)),
    Row(R.INVALID_MINIMUM_QUANTITY, "a minimum quantity above the quantity",
        Told(appended(Tag.MIN_QUANTITY, 110, time_in_force="3"), 13),
        Told({"f59": "3", "f110": "110"}, 11)),
    Row(R.WOULD_TRADE, "post-only that would trade",
        Told(appended(Tag.POST_ONLY, "P", price=PRICE), 18), Told({"f18": "6"}, OTHER),
        meets=True),
    Row(R.INSTRUMENT_STATE, "an order for an instrument that is halted", Told(enter(), 7),
        Told({}, 2),
        commands=(command(CommandKind.INSTRUMENT_STATE, state=InstrumentState.HALTED),)),
    Row(R.INVALID_LEGS, "legs that do not belong together", "no wire has orders of several legs",
        "no wire has orders of several legs"),
    Row(R.INVALID_CROSS, "a cross that is none", Told(enter(cross_type="x"), 20), NO_SUCH_FIELD),
    Row(R.STALE_CROSS, "a cross of a book that has moved", OPERATORS, OPERATORS),
    of_limit(RiskLimit.OPEN_LONG, "open buys", 1_000_000, 30),
    of_limit(RiskLimit.OPEN_SHORT, "open sells", 1_000_000, 30, "S"),
    of_limit(RiskLimit.NET_POSITION, "its net position", 1_000_000, 30),
    of_limit(RiskLimit.GROSS_POSITION, "its gross position", 1_000_000, 30),
    of_limit(RiskLimit.TRADED_NOTIONAL, "notional of the day", 1_000_000, 31),
    of_limit(RiskLimit.TRADED_QUANTITY, "quantity of the day", 99, 30),
    of_limit(RiskLimit.OPEN_ORDERS, "open orders", 0, 15),
    of_limit(RiskLimit.MESSAGES_PER_SECOND, "messages in a second", 0, 15),
    Row(R.KILLED, "an order of a firm that was killed", Told(enter(), 12), Told({}, OTHER),
        commands=(kill(),)),
    Row(R.UNKNOWN_OWNER, "a session whose account there is no room for", Told(enter(), 12),
        Told({}, OTHER), setup={"risk": RiskSize(accounts=1, firms=16)}),
    Row(R.RISK_CAPACITY, "an owner in one more instrument than there is room for",
        Told(enter(), 10), Told({}, OTHER), setup={"risk": SMALL},
        commands=tuple(restriction(n, Restriction.NONE) for n in range(2, 10))),
    Row(R.QUANTITY_EXCEEDED, "a quantity above the instrument's most",
        Told(enter(quantity=100_010), 30), Told({"f38": "100010"}, 3)),
    Row(R.NOTIONAL_EXCEEDED, "quantity times price above the session's most", Told(enter(), 31),
        Told({}, 3), rules={"notional_max_1e4": 1_000_000}),
    Row(R.ENTRY_DISABLED, "an order after Disable Order Entry", Told(enter(user_ref=3), 12),
        "FIX has no such message", before=DisableOrderEntry(2)),
    Row(R.THROTTLED, "more orders in a second than the session may send",
        Told(enter(user_ref=3), 15), Told({"f11": "B"}, 3), first=1, rules={"rate": 1}),
    Row(R.INVALID_DISPLAY_QUANTITY, "a reserve that cannot be shown so",
        Told(appended(Tag.MAX_FLOOR, 110), 4), "said as InvalidDisplay"),
    Row(R.INVALID_PEG_TYPE, "a peg that is none", Told(appended(Tag.PRICE_TYPE, "x"), 5),
        NO_SUCH_FIELD),
    Row(R.PEGGING_NOT_SUPPORTED, "a peg", Told(appended(Tag.PRICE_TYPE, "M"), 17), NO_SUCH_FIELD),
    Row(R.ROUTING_NOT_SUPPORTED, "a route", Told(appended(Tag.ROUTE, "SCAN"), 22), NO_SUCH_FIELD),
    Row(R.RETAIL_NOT_SUPPORTED, "a retail order", Told(appended(Tag.HANDLE_INST, "O"), 26),
        NO_SUCH_FIELD),
    Row(R.UNKNOWN_FIRM, "another's firm", Told(appended(Tag.FIRM, "FRM9"), 12), NO_SUCH_FIELD),
    Row(R.INVALID_TRADE, "a bust of a trade that there was not", OPERATORS, OPERATORS),
    Row(R.PRICE_COLLAR, "a price outside the instrument's collar", Told(enter(), 29),
        Told({}, OTHER), commands=(command(CommandKind.COLLAR, value=300 << 32 | 200,
                                           state=InstrumentState.CONTINUOUS),)),
    Row(R.FAT_FINGER, "an order that is too large at the last trade", Told(enter(), 6), Told({}, 3),
        commands=(command(CommandKind.REFERENCE_PRICE, price_ticks=150),
                  command(CommandKind.FAT_FINGER, value=1_000))),
    Row(R.RESTRICTED, "a buy where its account may only sell", Told(enter(), 12), Told({}, OTHER),
        commands=(restriction(1, Restriction.SELL_ONLY),)),
    Row(R.DAY_CLOSED, "an order behind the close of the day", Told(enter(), 7), Told({}, 2),
        commands=(command(CommandKind.CLOSE_DAY, instrument=INSTRUMENT_NONE),)),
)  # fmt: skip


def page() -> str:
    """The page."""
    out = [
        "# Every reason for a refusal",
        "",
        "Made from `tests/ports/reasons.py` by `python -m tests.ports.reasons`; every row is",
        "provoked over a real socket in both protocols by `tests/ports/test_reasons.py`. FIX says",
        "OrdRejReason (103) in an ExecutionReport, CxlRejReason (102) in an OrderCancelReject, and",
        "the reason in words as Text (58). What bad input gets is in [refusals.md](refusals.md).",
        "",
        "| reason | provoked by | OUCH 5.0 | FIX 4.4 |",
        "|---|---|---|---|",
    ]
    for one in ROWS:
        ouch, fix = one.ouch, one.fix
        first = f"*{ouch}*" if isinstance(ouch, str) else f"{ouch.code} {REJECT_REASONS[ouch.code]}"
        second = f"*{fix}*" if isinstance(fix, str) else f"{fix.tag}={fix.code}, {text(one.reason)}"
        name = "".join(word.capitalize() for word in one.reason.name.split("_"))
        out.append(f"| {name} | {one.provoked} | {first} | {second} |")
    return "\n".join(out) + "\n"


def text(reason: R) -> str:
    """What FIX says in words."""
    if reason == R.INVALID_CLIENT_ORDER_ID:
        return "duplicate ClOrdID"
    return reason.name.lower().replace("_", " ")


if __name__ == "__main__":
    PAGE.write_text(page())
