"""The orders of one session as FIX tells of them, from the stream alone.

`Account.apply` takes the session's lines in order and says what its client is told of each. A drop
copy of the session is made by the same class: it needs nothing but the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ports.client import Instrument
from ports.fix_lines import Line, Tag
from ports.fix_reports import (
    CANCELED,
    FILLED,
    NEW,
    NO_ORDER,
    PARTIAL,
    REJECTED,
    TOO_LATE,
    UNKNOWN,
    BusinessReject,
    CancelReject,
    Event,
    ExecutionReport,
    MassCancelReport,
    Report,
    reason_text,
)
from ringbus.messages import (
    CancelReason,
    Flag,
    Liquidity,
    MassCancelScope,
    OrderOption,
    RejectReason,
    SessionEventKind,
    Side,
    Template,
    TradeChangeKind,
)

# In place of a template: a type of FIX message that is not taken.
REFUSED_TYPE: Final = 255
# The client's own letters of a side as the exchange keeps them, and those of FIX.
SIDES: Final = {"B": "1", "S": "2", "T": "5", "E": "6"}
LETTERS: Final = {side: letter for letter, side in SIDES.items()}
MASS_CANCEL_SECURITY, MASS_CANCEL_ALL = "1", "7"
# The locate of an order that is not in the book.
NOWHERE: Final = (1 << 32) - 1


@dataclass(slots=True)
class Order:
    """An order, open or not; `text` is its ClOrdID now, `notional_1e4` what has traded of it."""

    id: int
    text: str
    order_id: str
    instrument: int
    side: str
    price_ticks: int
    is_market: bool
    time_in_force: str
    shard: int
    locate: int
    remaining: int
    executed: int = 0
    notional_1e4: int = 0
    total: int = 0
    status: str = NEW
    secondary: str = ""  # what its client calls it, where `text` is only a number
    stop_ticks: int = 0
    is_held: bool = False  # a stop order that no trade has reached

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.remaining > 0


class Account:
    """The orders of the session on `topic`.

    `texts` has every ClOrdID that was used: its order, or None where it was refused; `note` is the
    last text that a refusal may repeat. With `by_number` an order that came in by another protocol
    is called by its client's number, and not by a text that may stand twice.
    """

    def __init__(
        self, topic: int, instruments: Sequence[Instrument], by_number: bool = False
    ) -> None:
        self.topic = topic
        self._is_numbered = by_number
        # Every number that an order ever had: a trade may be changed long after it.
        self._numbers: dict[int, Order] = {}
        self.instruments = instruments
        self.orders: dict[int, Order] = {}
        self.texts: dict[str, Order | None] = {}
        self.note = ""
        # By number, of an order that is about to come over: executed, notional, of former days.
        self._carried: dict[int, tuple[int, int]] = {}
        # By match number: what the last correction of that trade was called.
        self.changed: dict[int, int] = {}
        self.last_client_order_id = 0

    def find(self, text: str) -> Order | None:
        """The open order whose ClOrdID is `text`."""
        order = self.texts.get(text)
        return order if order is not None and order.is_open and order.text == text else None

    def apply(self, line: Line, tag: Tag | None) -> Report | None:
        """Take the next line of the topic, with its tag; returns what its client is told."""
        match line.template:
            case Template.NEW_ORDER if line.client_order_id in self.orders:
                return self._triggered(line)
            case Template.NEW_ORDER | Template.STOP_ORDER:
                return self._entered(line, tag)
            case Template.STOP_CANCEL:
                return self._taken_back(line, tag)
            case Template.REPLACE:
                return self._replaced(line, tag)
            case Template.CANCEL | Template.CANCELED:
                return self._canceled(line, tag)
            case Template.EXECUTED:
                return self._executed(line)
            case Template.TRADE_CHANGED:
                assert tag is not None, line
                return self._trade_changed(line, tag)
            case Template.REJECT | Template.REJECTED:
                return self._refused(line, tag)
            case Template.MASS_CANCEL:
                return None if tag is None else self._mass_canceled(line, tag)
            case Template.SESSION_EVENT:
                return self._event(line, tag)
            case _:
                return None

    def affected(self, scope: int, instrument: int, side: int) -> int:
        """Open orders that a mass cancel of this session takes away."""
        sides = ("1",) if side == Side.BUY else ("2", "5", "6")
        return sum(
            (not scope & MassCancelScope.INSTRUMENT or order.instrument == instrument)
            and (not scope & MassCancelScope.SIDE or order.side in sides)
            for order in self.orders.values()
        )

    def _name(self, line: Line, tag: Tag | None) -> str:
        """The ClOrdID of the order that a line brings."""
        is_text = tag is not None and tag.text and (tag.number is not None or not self._is_numbered)
        return tag.text if tag is not None and is_text else str(line.client_order_id)

    def _entered(self, line: Line, tag: Tag | None) -> Report:
        text = self._name(line, tag)
        carried = self._carried.pop(line.client_order_id, None)
        executed, notional_1e4 = carried or (0, 0)
        order = Order(
            id=line.client_order_id,
            text=text,
            order_id=str(line.sequence),
            instrument=line.instrument,
            side=SIDES.get(chr(line.last >> 16 & 255), str(line.side)),
            price_ticks=line.price_ticks,
            is_market=bool(line.last >> 24 & OrderOption.MARKET),
            time_in_force=str(line.detail),
            shard=line.shard,
            locate=line.locate,
            remaining=line.quantity,
            executed=executed,
            notional_1e4=notional_1e4,
            total=executed + line.quantity,
            status=PARTIAL if executed else NEW,
            secondary=_secondary(tag, text),
        )
        if line.template == Template.STOP_ORDER:
            order.stop_ticks, order.locate, order.is_held = line.locate, NOWHERE, True
        self.orders[order.id] = self._numbers[order.id] = order
        self.texts[text] = order
        self._use_up(line.client_order_id)
        return self._report(Event.NEW if carried is None else Event.CARRIED, order, line)

    def _triggered(self, line: Line) -> Report:
        """A stop order has come in, under the number that it was given with."""
        order = self.orders[line.client_order_id]
        order.is_held, order.shard, order.locate = False, line.shard, line.locate
        return self._report(Event.TRIGGERED, order, line, text="triggered")

    def _taken_back(self, line: Line, tag: Tag | None) -> Report | None:
        """A stop order that has not come in, by its client or by a mass cancel."""
        order = self.orders.get(line.client_order_id)
        if order is None or not order.is_held:
            return None
        text = "" if tag is not None else _words(CancelReason.MASS_CANCEL)
        return self._canceled(line._replace(last=0, detail=CancelReason.USER), tag, text)

    def _replaced(self, line: Line, tag: Tag | None) -> Report:
        order = self.orders.pop(line.last)
        before = order.text
        order.id = line.client_order_id
        order.text = self._name(line, tag)
        order.secondary = _secondary(tag, order.text, order.secondary)
        order.price_ticks = line.price_ticks
        order.remaining = line.quantity
        order.total = order.executed + line.quantity
        order.locate = line.locate
        order.time_in_force = str(line.detail)
        self.orders[order.id] = self._numbers[order.id] = order
        self.texts[order.text] = order
        self._use_up(order.id)
        return self._report(Event.REPLACED, order, line, original=before)

    def _canceled(self, line: Line, tag: Tag | None, text: str = "") -> Report:
        """By its client, or by somebody else, or not over FIX: then without a new ClOrdID."""
        order = self.orders[line.client_order_id]
        tag = None if tag is not None and tag.number is None and self._is_numbered else tag
        before = order.text if tag is not None else ""
        if tag is not None:
            order.text = tag.text
            self.texts[tag.text] = order
        order.remaining = line.last
        text = text if line.detail == CancelReason.USER else _words(line.detail)
        if order.is_open:
            order.total = order.executed + order.remaining
            return self._report(Event.RESTATED, order, line, original=before, text=text)
        del self.orders[order.id]
        order.status = CANCELED
        order.is_held = False
        return self._report(Event.CANCELED, order, line, original=before, text=text)

    def _executed(self, line: Line) -> Report:
        order = self.orders[line.client_order_id]
        price_1e4 = line.price_ticks * self.instruments[line.instrument].tick_1e4
        order.executed += line.quantity
        order.notional_1e4 += line.quantity * price_1e4
        order.remaining = line.last
        order.status = PARTIAL if order.is_open else FILLED
        if not order.is_open:
            del self.orders[order.id]
        removed = line.detail == Liquidity.REMOVED or (
            # In a cross the buy side's line comes first.
            line.detail == Liquidity.CROSS and line.side == Side.BUY
        )
        return self._report(
            Event.TRADE,
            order,
            line,
            last_quantity=line.quantity,
            last_price_1e4=price_1e4,
            added=line.detail != Liquidity.REMOVED,
            match_id=line.sequence if removed else line.sequence - 1,
        )

    def _trade_changed(self, line: Line, tag: Tag) -> Report:
        """A trade is void or has another price; the order's sums say so, what is open stays."""
        order = self._numbers[line.client_order_id]
        kind, match = line.small & 255, line.locate << 32 | line.quantity
        quantity, tick_1e4 = line.last, self.instruments[line.instrument].tick_1e4
        # Where an Executed line has the liquidity stands the letter that its client heard.
        removed = chr(line.detail) == "R" or (chr(line.detail) in "OCH" and line.side == Side.BUY)
        refers_to = self.changed.get(match, match if removed else match + 1)
        order.notional_1e4 -= quantity * tag.total_quantity * tick_1e4
        if kind == TradeChangeKind.BUST:
            order.executed -= quantity
            if order.is_open:
                order.total -= quantity
                order.status = PARTIAL if order.executed else NEW
        else:
            order.notional_1e4 += quantity * line.price_ticks * tick_1e4
            self.changed[match] = line.sequence
        return self._report(
            Event.BUST if kind == TradeChangeKind.BUST else Event.CORRECT,
            order,
            line,
            last_quantity=quantity,
            last_price_1e4=line.price_ticks * tick_1e4,
            added=chr(line.detail) != "R",
            match_id=match,
            refers_to=refers_to,
        )

    def _refused(self, line: Line, tag: Tag | None) -> Report | None:
        is_order = line.detail in (Template.NEW_ORDER, Template.STOP_ORDER)
        if is_order or line.detail == Template.REPLACE:
            self._use_up(line.client_order_id)
        if is_order and line.client_order_id in self.orders:
            return self._refused_stop(line)
        if is_order:
            return self._refused_order(line, tag)
        if tag is None:
            return None
        if line.detail in (Template.CANCEL, Template.REPLACE):
            self.texts.setdefault(tag.text, None)
            return self._refused_change(line, tag)
        if line.detail == Template.MASS_CANCEL:
            return self._mass_canceled(line, tag)
        return BusinessReject(tag.number or 0, tag.text) if line.detail == REFUSED_TYPE else None

    def _refused_stop(self, line: Line) -> Report:
        """A stop order that there was no room for, or that may not come in when it should."""
        order = self.orders.pop(line.client_order_id)
        order.remaining, order.status, order.is_held = 0, REJECTED, False
        report = self._report(Event.REJECTED, order, line, text=reason_text(line.small))
        return replace(report, reason=line.small)

    def _refused_order(self, line: Line, tag: Tag | None) -> Report:
        text = self._name(line, tag)
        self.texts.setdefault(text, None)
        instrument = line.instrument
        if line.flags & Flag.REFUSED and tag is not None and tag.total_quantity:
            instrument = tag.total_quantity - 1
        known = instrument < len(self.instruments)
        tick = self.instruments[instrument].tick_1e4 if known else 0
        letter = "\0" if tag is None else tag.original_side
        side = str(line.side or 1) if letter == "\0" else SIDES.get(letter, letter)
        return ExecutionReport(
            event=Event.REJECTED,
            status=REJECTED,
            order_id=NO_ORDER,
            exec_id=line.sequence,
            clordid=text,
            original="",
            symbol=self.instruments[instrument].symbol if known else self.note or "?",
            side=side,
            quantity=line.quantity,
            price_1e4=line.price_ticks * tick,
            is_market=False,
            time_in_force="",
            remaining=0,
            executed=0,
            average_1e8=0,
            time_ns=line.time_ns,
            reason=line.small,
            text=reason_text(line.small),
            secondary=_secondary(tag, text),
        )

    def _refused_change(self, line: Line, tag: Tag) -> Report:
        """An open order is found by its locate; the ClOrdID of any other was noted before."""
        order = next((o for o in self.orders.values() if _is_at(o, line)), None)
        original = self.note if order is None else order.text
        known = self.texts.get(original) if order is None else order
        why = None
        if order is None and line.small == RejectReason.UNKNOWN_ORDER:
            why = UNKNOWN if known is None or known.is_open else TOO_LATE
        return CancelReject(
            NO_ORDER if known is None else known.order_id,
            tag.text,
            original,
            REJECTED if known is None else known.status,
            line.detail == Template.REPLACE,
            why,
            line.small,
            line.time_ns,
        )

    def _mass_canceled(self, line: Line, tag: Tag) -> Report:
        self.texts.setdefault(tag.text, None)
        done = line.template == Template.MASS_CANCEL
        by_instrument = line.instrument < len(self.instruments)
        scope = line.detail if done else 0
        request = MASS_CANCEL_SECURITY if by_instrument else MASS_CANCEL_ALL
        return MassCancelReport(
            str(line.sequence),
            tag.text,
            request if done else tag.cross_type,
            self.affected(scope, line.instrument, line.side) if done else 0,
            0 if done else line.small,
            self.instruments[line.instrument].symbol if by_instrument else "",
            str(line.side) if scope & MassCancelScope.SIDE else "",
            line.time_ns,
        )

    def _event(self, line: Line, tag: Tag | None) -> Report | None:
        if line.side == SessionEventKind.CARRIED:
            executed = line.price_ticks & 0xFFFFFFFF
            self._carried[line.client_order_id] = executed, line.locate << 32 | line.quantity
        if tag is None:
            return None
        if line.side == SessionEventKind.NOTE:
            self.note = tag.text
        if line.side != SessionEventKind.STATUS_ASKED:
            return None
        order = self.texts.get(tag.text)
        if order is not None:
            return self._report(Event.STATUS, order, line)
        unknown = line._replace(instrument=len(self.instruments), side=0, quantity=0, price_ticks=0)
        return self._refused_order(unknown._replace(small=RejectReason.UNKNOWN_ORDER), tag)

    def _report(
        self,
        event: Event,
        order: Order,
        line: Line,
        original: str = "",
        text: str = "",
        last_quantity: int = 0,
        last_price_1e4: int = 0,
        added: bool = False,
        match_id: int = 0,
        refers_to: int = 0,
    ) -> ExecutionReport:
        instrument = self.instruments[order.instrument]
        average = 0
        if order.executed:
            # Four digits more, to the nearest.
            average = (order.notional_1e4 * 10**4 + order.executed // 2) // order.executed
        return ExecutionReport(
            event=event,
            status=order.status,
            order_id=order.order_id,
            exec_id=line.sequence,
            clordid=order.text,
            original=original,
            symbol=instrument.symbol,
            side=order.side,
            quantity=order.total,
            price_1e4=0 if order.is_market else order.price_ticks * instrument.tick_1e4,
            is_market=order.is_market,
            time_in_force=order.time_in_force,
            remaining=order.remaining,
            executed=order.executed,
            average_1e8=average,
            time_ns=line.time_ns,
            last_quantity=last_quantity,
            last_price_1e4=last_price_1e4,
            added=added,
            match_id=match_id,
            refers_to=refers_to,
            text=text,
            secondary=order.secondary,
            stop_1e4=order.stop_ticks * instrument.tick_1e4,
            is_held=order.is_held,
        )

    def _use_up(self, client_order_id: int) -> None:
        self.last_client_order_id = max(self.last_client_order_id, client_order_id)


def _secondary(tag: Tag | None, text: str, before: str = "") -> str:
    """What the client calls an order that is called `text` here."""
    if tag is None or not tag.text:
        return before
    return "" if tag.text == text else tag.text


def _is_at(order: Order, line: Line) -> bool:
    return order.locate == line.locate and order.shard == line.shard


def _words(reason: int) -> str:
    known = reason in CancelReason.__members__.values()
    return CancelReason(reason).name.lower().replace("_", " ") if known else f"reason {reason}"
