"""What a FIX port says to the sequencer for one request of a client, given what it knows now.

Nothing is changed here: a proposal is not true before it is on the stream, and when somebody else
was first it is made again from the same request. What fails becomes a Reject line, so that every
refusal is sequenced too. A refusal that repeats a text of the client's for which no line has room
(the ClOrdID of an order that there is not, a symbol) is made in two steps: first a Note, then, when
that is on the stream, the Reject.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ports.client import Instrument
from ports.fix import Message, decimal
from ports.fix_account import LETTERS, REFUSED_TYPE, Account, Order
from ports.fix_lines import group, line, tag_text
from ports.fix_terms import Terms, price_if_any
from ringbus.messages import (
    CANCEL,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    NEW_ORDER,
    ORDER_TAG,
    ORDER_TERMS,
    REJECT,
    REPLACE,
    SESSION_EVENT,
    STOP_CANCEL,
    STOP_ORDER,
    CancelReason,
    MassCancelScope,
    OrderOption,
    RejectReason,
    SessionEventKind,
    Side,
    Template,
)

QUANTITY_MAX: Final = (1 << 32) - 1
NOTE_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Party:
    """On whose behalf: the session's topic, whom its orders belong to, and their bounds."""

    topic: int
    account: int
    firm: int
    notional_max_1e4: int = 0
    self_trade: int = 0  # OrderOption
    listens: bool = False  # a drop copy: it asks for nothing
    takes_stops: bool = False  # somebody holds stop orders here


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that a session asks for: an application message, or an event of its own.

    `number` is that of the client's message that is dealt with by it, 0 for none; `is_new` tells a
    Login that both sides begin anew at 1.
    """

    number: int = 0
    message: Message | None = None
    event: SessionEventKind | None = None
    connection: int = 0
    is_new: bool = False
    read_ns: int = 0
    cancel_all: bool = False
    is_throttled: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """The lines but for the number of the topic, and the shard that will answer."""

    lines: NDArray[np.void]
    shard: int


def propose(party: Party, account: Account, request: Request) -> Proposal | None:
    """The proposal for a request; None: nothing is to be done."""
    if request.event is not None:
        return _event(party, request)
    if request.cancel_all:
        return _cancel_all(party, account) if account.orders else None
    assert request.message is not None
    return _Maker(party, account, request, request.message).make()


def _event(party: Party, request: Request) -> Proposal:
    assert request.event is not None
    one = line(
        SESSION_EVENT,
        Template.SESSION_EVENT,
        party.topic,
        time_ns=request.read_ns,
        instrument=INSTRUMENT_NONE,
        connection=request.connection,
        account=party.account,
        firm=party.firm,
        kind=request.event,
        options=int(request.is_new),
        client_message=request.number,
    )
    return Proposal(group(one), 0)


def _cancel_all(party: Party, account: Account) -> Proposal:
    """All orders of a session whose client is gone."""
    one = line(
        MASS_CANCEL,
        Template.MASS_CANCEL,
        party.topic,
        instrument=INSTRUMENT_NONE,
        session=party.topic,
        client_order_id=account.last_client_order_id + 1,
        account=party.account,
        firm=party.firm,
        scope=MassCancelScope.SESSION,
    )
    return Proposal(group(one), 0)


class _Maker:
    """Makes the proposal for one application message."""

    def __init__(self, party: Party, account: Account, request: Request, message: Message) -> None:
        self.party = party
        self.account = account
        self.request = request
        self.message = message
        self.text = message.get(11)
        self.side = LETTERS.get(message.get(54), "")
        symbol = message.get(55)
        found = (n for n, one in enumerate(account.instruments) if one.symbol == symbol)
        self.number: int = next(found, INSTRUMENT_NONE)

    @property
    def instrument(self) -> Instrument:
        """The one that is named."""
        return self.account.instruments[self.number]

    def make(self) -> Proposal | None:
        match "" if self.party.listens else self.message.type:
            case "D":
                return self._enter()
            case "F":
                return self._cancel()
            case "G":
                return self._replace()
            case "H":
                return self._status()
            case "q":
                return self._mass_cancel()
            case _:
                return self._refuse(REFUSED_TYPE, RejectReason.NOT_SUPPORTED)

    def _enter(self) -> Proposal | None:
        terms = Terms(self.party.takes_stops)
        reason = 0
        if self.text in self.account.texts:
            if self.message.get(97) == "Y":
                return None
            reason = int(RejectReason.INVALID_CLIENT_ORDER_ID)
        elif self.number == INSTRUMENT_NONE:
            reason = int(RejectReason.UNKNOWN_INSTRUMENT)
        else:
            reason = 0 if self.side else int(RejectReason.INVALID_SIDE)
            reason = reason or self._read(terms)
        if reason:
            return self._refuse(Template.NEW_ORDER, reason, self.message.get(55))
        is_stop = terms.stop_ticks > 0
        held = {"stop_ticks": terms.stop_ticks} if is_stop else {}
        one = self._line(
            STOP_ORDER if is_stop else NEW_ORDER,
            Template.STOP_ORDER if is_stop else Template.NEW_ORDER,
            instrument=self.number,
            price_ticks=terms.price_ticks,
            quantity=terms.quantity,
            **held,
            client_order_id=self.account.last_client_order_id + 1,
            side=self._engine_side(),
            time_in_force=terms.time_in_force,
            display="Y",
            capacity=self.message.get(47, self.message.get(528, "A"))[:1],
            sweep="N",
            cross_type="N",
            original_side=self.side,
            options=terms.options,
        )
        return self._proposal(one, total=self.number + 1, terms=terms if terms.has_line else None)

    def _cancel(self) -> Proposal | None:
        order = self.account.find(self.message.get(41))
        reason = self._change_fault(order)
        if reason or order is None:
            return self._refuse_change(Template.CANCEL, reason, order)
        return self._cancel_lines(order)

    def _cancel_lines(self, order: Order) -> Proposal:
        if order.is_held:
            return self._take_back(order)
        one = self._line(
            CANCEL,
            Template.CANCEL,
            instrument=order.instrument,
            quantity=order.remaining,
            locate=order.locate,
            client_order_id=order.id,
            reason=CancelReason.USER,
        )
        return self._proposal(one)

    def _take_back(self, order: Order) -> Proposal:
        """A stop order that has not come in: the book does not know of it."""
        one = self._line(
            STOP_CANCEL,
            Template.STOP_CANCEL,
            instrument=order.instrument,
            client_order_id=order.id,
        )
        return self._proposal(one)

    def _replace(self) -> Proposal | None:
        order = self.account.find(self.message.get(41))
        terms = Terms()
        reason = self._change_fault(order) or self._read(terms)
        if order is not None and order.is_held:
            reason = reason or RejectReason.NOT_SUPPORTED
        if reason or order is None:
            return self._refuse_change(Template.REPLACE, reason, order)
        if terms.quantity <= order.executed:
            # So much has executed already: the rest goes.
            return self._cancel_lines(order)
        one = self._line(
            REPLACE,
            Template.REPLACE,
            instrument=order.instrument,
            price_ticks=terms.price_ticks,
            quantity=terms.quantity - order.executed,
            locate=order.locate,
            client_order_id=self.account.last_client_order_id + 1,
            time_in_force=terms.time_in_force,
            display="Y",
            sweep="N",
            original_client_order_id=order.id,
        )
        changes = terms.has_line or any(tag in self.message.fields for tag in (18, 110, 111))
        changes |= order.is_market != bool(terms.options & OrderOption.MARKET)
        return self._proposal(one, total=terms.quantity, terms=terms if changes else None)

    def _status(self) -> Proposal:
        """An order that there is not is spoken of with the symbol that the client gave."""
        symbol = self.message.get(55)
        if self.text not in self.account.texts and self.account.note != _note(symbol):
            return self._note(symbol)
        one = self._line(
            SESSION_EVENT,
            Template.SESSION_EVENT,
            instrument=INSTRUMENT_NONE,
            kind=SessionEventKind.STATUS_ASKED,
        )
        return self._proposal(one, shard=0)

    def _mass_cancel(self) -> Proposal | None:
        """Of this session's orders: all, or those of a security; of one side, if it says so."""
        kind = self.message.get(530)
        if self.text in self.account.texts:
            reason = int(RejectReason.INVALID_CLIENT_ORDER_ID)
        elif kind not in ("1", "7"):
            reason = int(RejectReason.NOT_SUPPORTED)
        elif kind == "1" and self.number == INSTRUMENT_NONE:
            reason = int(RejectReason.UNKNOWN_INSTRUMENT)
        else:
            reason = 0 if self.side or 54 not in self.message.fields else RejectReason.INVALID_SIDE
        if reason:
            return self._refuse(Template.MASS_CANCEL, reason)
        scope = MassCancelScope.SESSION
        scope |= MassCancelScope.INSTRUMENT if kind == "1" else MassCancelScope(0)
        scope |= MassCancelScope.SIDE if self.side else MassCancelScope(0)
        one = self._line(
            MASS_CANCEL,
            Template.MASS_CANCEL,
            instrument=self.number if kind == "1" else INSTRUMENT_NONE,
            session=self.party.topic,
            client_order_id=self.account.last_client_order_id + 1,
            side=self._engine_side() if self.side else 0,
            scope=scope,
        )
        return self._proposal(one, shard=None if kind == "1" else 0)

    def _read(self, terms: Terms) -> int:
        """Take the terms of D or G; returns why they are refused, or 0."""
        if self.request.is_throttled:
            return RejectReason.THROTTLED
        reason = terms.read(self.message, self.instrument)
        notional_1e4 = terms.quantity * terms.price_ticks * self.instrument.tick_1e4
        if reason == 0 and 0 < self.party.notional_max_1e4 < notional_1e4:
            return RejectReason.NOTIONAL_EXCEEDED
        if self.message.type == "D":
            terms.options |= self.party.self_trade
        return reason

    def _engine_side(self) -> Side:
        return Side.BUY if self.side == "B" else Side.SELL

    def _change_fault(self, order: Order | None) -> int:
        """Why the order that F or G names is not to be changed, or 0."""
        if self.text in self.account.texts:
            return RejectReason.INVALID_CLIENT_ORDER_ID
        if order is None:
            return RejectReason.UNKNOWN_ORDER
        if order.instrument != self.number:
            return RejectReason.UNKNOWN_INSTRUMENT
        return 0 if order.side == self.message.get(54) else RejectReason.INVALID_SIDE

    def _refuse_change(self, template: int, reason: int, order: Order | None) -> Proposal:
        """An order that is not in the book has no locate by which it could be named."""
        order = None if order is not None and order.is_held else order
        return self._refuse(template, reason, "" if order else self.message.get(41), order)

    def _refuse(
        self, template: int, reason: int, note: str = "", order: Order | None = None
    ) -> Proposal:
        """A refusal, or first the note that it needs."""
        needs_note = note if self.number == INSTRUMENT_NONE or order is None else ""
        if template == Template.NEW_ORDER and self.number != INSTRUMENT_NONE:
            needs_note = ""
        if needs_note and self.account.note != _note(needs_note):
            return self._note(needs_note)
        instrument = order.instrument if order is not None else self.number
        quantity = decimal(self.message.get(38), 0) or 0
        takes_number = template in (Template.NEW_ORDER, Template.REPLACE)
        one = self._line(
            REJECT,
            Template.REJECT,
            instrument=instrument,
            price_ticks=0
            if self.number == INSTRUMENT_NONE
            else price_if_any(self.message, self.instrument),
            quantity=quantity if 0 <= quantity <= QUANTITY_MAX else 0,
            locate=0 if order is None else order.locate,
            client_order_id=self.account.last_client_order_id + takes_number,
            side=self._engine_side() if self.side else 0,
            refused_template=template,
            reason=reason,
        )
        return self._proposal(one, self.message.type if template == REFUSED_TYPE else "")

    def _note(self, text: str) -> Proposal:
        one = line(
            SESSION_EVENT,
            Template.SESSION_EVENT,
            self.party.topic,
            instrument=INSTRUMENT_NONE,
            account=self.party.account,
            firm=self.party.firm,
            kind=SessionEventKind.NOTE,
        )
        tag = line(ORDER_TAG, Template.ORDER_TAG, self.party.topic, text=_padded(text))
        return Proposal(group(one, tag), 0)

    def _line(
        self, kind: np.dtype[np.void], template: Template, /, **fields: int | str | bytes
    ) -> NDArray[np.void]:
        """A line of the session's, with the time at which its request was read."""
        party = self.party
        return line(
            kind,
            template,
            party.topic,
            time_ns=self.request.read_ns,
            account=party.account,
            firm=party.firm,
            **fields,
        )

    def _proposal(
        self,
        one: NDArray[np.void],
        text: str = "",
        total: int = 0,
        terms: Terms | None = None,
        shard: int | None = None,
    ) -> Proposal:
        lines = [one]
        if terms is not None:
            lines.append(
                line(
                    ORDER_TERMS,
                    Template.ORDER_TERMS,
                    self.party.topic,
                    instrument=self.number,
                    display_quantity=terms.display,
                    minimum_quantity=terms.minimum,
                    options=terms.options,
                    expire_time_ns=terms.expire_ns,
                )
            )
        lines.append(
            line(
                ORDER_TAG,
                Template.ORDER_TAG,
                self.party.topic,
                text=tag_text(text or self.text, self.request.number),
                total_quantity=total,
                capacity="A",
                cross_type=self.message.get(530, "N"),
                original_side=self.side or self.message.get(54, "B"),
            )
        )
        if shard is None:
            number = int(one.view(REJECT)["instrument"][0])
            known = number < len(self.account.instruments)
            shard = self.account.instruments[number].shard if known else 0
        return Proposal(group(*lines), shard)


def _padded(text: str) -> bytes:
    return _note(text).encode("ascii")


def _note(text: str) -> str:
    """What of a text goes into a note: printable, and as long as a ClOrdID."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:NOTE_MAX]).strip()
