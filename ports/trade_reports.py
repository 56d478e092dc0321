"""What a trade reporter and its facility say to each other: TradeCaptureReport and its answer.

FIX 4.4: AE, a trade, or that a trade reported before is void or has another price; AR, that the
facility has it, or why it refuses it. A report is called by its trade's place on the stream, so it
has the same name whoever sends it, and how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from ports.client import Instrument
from ports.fix import SECOND_NS, Message, Pair, decimal, decimal_text, time_ns, time_text
from ports.fix_reports import PRICE_DIGITS
from ports.trades import SIDES
from ringbus.messages import TradeChangeKind

REPORT, ANSWER = "AE", "AR"
# TradeReportTransType, TradeReportType, ExecType: of a trade, a bust, a correction.
KINDS: Final = {
    0: ("0", "0", "F"),
    int(TradeChangeKind.BUST): ("1", "6", "H"),
    int(TradeChangeKind.CORRECT): ("2", "5", "G"),
}
NEW, CANCEL, REPLACE = "0", "1", "2"
ACCEPTED, REFUSED = "0", "1"
# TradeReportRejectReason.
BAD_PARTIES, UNKNOWN_INSTRUMENT, BAD_TYPE, OTHER = 1, 2, 4, 99
_SIDE: Final = {"buyer": "1", "seller": "2"}
EXECUTING_FIRM, PROPRIETARY = "1", "D"


def date_of(time_ns_: int) -> str:
    """Date of a time since the epoch, UTC."""
    return f"{datetime.fromtimestamp(time_ns_ // SECOND_NS, UTC):%Y%m%d}"


@dataclass(frozen=True, slots=True)
class Names:
    """How reports are called: the exchange's session, when its stream began, the place on it.

    A date would not do: a day may be begun anew, and its stream with it.
    """

    session: str
    began_ns: int

    def of(self, sequence: int) -> str:
        """TradeReportID of what begins at that place of the stream."""
        began = "".join(one for one in time_text(self.began_ns) if one.isdecimal())
        return f"{self.session}-{began}-{sequence}"


def report(names: Names, instruments: Sequence[Instrument], trade: np.void) -> list[Pair]:
    """The body of the report of a row of ports.trades, in FIX's order."""
    one = instruments[int(trade["instrument"])]
    transaction, kind, executed = KINDS[int(trade["kind"])]
    out: list[Pair] = [
        (571, names.of(int(trade["sequence"]))),
        (487, transaction),
        (856, kind),
        (828, "0"),
        (150, executed),
    ]
    if transaction != NEW:
        out.append((572, names.of(int(trade["match"]))))
    out += [
        (880, str(trade["match"])),
        (17, str(trade["sequence"])),
        (570, "N"),
        (55, one.symbol),
        (32, str(trade["quantity"])),
        (31, decimal_text(int(trade["price_ticks"]) * one.tick_1e4, PRICE_DIGITS)),
        (75, date_of(int(trade["time_ns"]))),
        (60, time_text(int(trade["time_ns"]))),
        (552, "2"),
    ]
    for side in SIDES:
        out += [
            (54, _SIDE[side]),
            (37, f"{trade[f'{side}_session']}-{trade[f'{side}_order']}"),
            (453, "1"),
            (448, str(trade[f"{side}_firm"])),
            (447, PROPRIETARY),
            (452, EXECUTING_FIRM),
            (1, str(trade[f"{side}_account"])),
        ]
    return out


@dataclass(frozen=True, slots=True)
class Answer:
    """The facility's answer to a report; `reason` is 0 where it took it."""

    id: str
    symbol: str
    reason: int = 0
    text: str = ""

    def fields(self) -> list[Pair]:
        """Its body."""
        out: list[Pair] = [(571, self.id), (150, "8" if self.reason else "0")]
        out.append((939, REFUSED if self.reason else ACCEPTED))
        if self.reason:
            out.append((751, str(self.reason)))
        out.append((55, self.symbol))
        return [*out, (58, self.text)] if self.text else out

    @classmethod
    def read(cls, message: Message) -> Answer | None:
        """None: it is no answer to anything."""
        status, name = message.get(939, ACCEPTED), message.get(571)
        if not name or status not in (ACCEPTED, REFUSED):
            return None
        reason = message.get(751)
        number = int(reason) if reason.isdecimal() and len(reason) < 5 else 0
        code = (number or OTHER) if status == REFUSED else 0
        return cls(name, message.get(55), code, message.get(58))


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a report as the facility reads it."""

    side: str
    order: str
    firm: str
    account: str


@dataclass(frozen=True, slots=True)
class Report:
    """A report as the facility reads it; `price` is in 1/10,000 of the currency."""

    id: str
    transaction: str
    refers_to: str
    symbol: str
    quantity: int
    price: int
    date: str
    time: str
    sides: tuple[Side, ...]

    @classmethod
    def read(cls, message: Message) -> Report | Answer:
        """The report in an AE message, or the refusal of what is wrong with its form."""
        name, symbol = message.get(571), message.get(55)

        def refuse(reason: int, text: str) -> Answer:
            return Answer(name or "?", symbol or "?", reason, text)

        for tag, what in ((571, "TradeReportID"), (55, "Symbol"), (570, "PreviouslyReported")):
            if not message.get(tag):
                return refuse(OTHER, f"no {what}")
        transaction = message.get(487, NEW)
        if transaction not in (NEW, CANCEL, REPLACE):
            return refuse(BAD_TYPE, f"TradeReportTransType {transaction}")
        if transaction != NEW and not message.get(572):
            return refuse(OTHER, "no TradeReportRefID")
        quantity, price = decimal(message.get(32), 0), decimal(message.get(31), PRICE_DIGITS)
        if quantity is None or quantity <= 0:
            return refuse(OTHER, f"LastQty {message.get(32)}")
        if price is None or price <= 0:
            return refuse(OTHER, f"LastPx {message.get(31)}")
        if len(message.get(75)) != 8 or time_ns(message.get(60)) is None:
            return refuse(OTHER, "TradeDate or TransactTime")
        sides = _sides(message)
        if sorted(one.side for one in sides) != ["1", "2"] or not all(one.order for one in sides):
            return refuse(BAD_PARTIES, "one buyer and one seller, each with its order")
        return cls(
            name,
            transaction,
            message.get(572) if transaction != NEW else "",
            symbol,
            quantity,
            price,
            message.get(75),
            message.get(60),
            sides,
        )


def _sides(message: Message) -> tuple[Side, ...]:
    """The entries of the group, each begun by a Side."""
    entries: list[dict[int, str]] = []
    for tag, text in message.pairs:
        if tag == 54:
            entries.append({})
        if entries:
            entries[-1].setdefault(tag, text)
    return tuple(
        Side(one.get(54, ""), one.get(37, ""), one.get(448, ""), one.get(1, "")) for one in entries
    )
