"""Tally: what the stream says of sessions, instruments, limits and operators, for whoever watches.

An application that only hears: it begins with the first message of the day, in the journals' files,
and is overtaken like any lossy reader, without harm to anybody: what it missed it reads there.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.risk import UNLIMITED, Exposure
from ports.open_orders import OpenOrders
from ringbus.application import Application, line_of
from ringbus.lines import Alarm
from ringbus.messages import (
    EXECUTED,
    NEW_ORDER,
    ORDER_TERMS,
    SESSION_EVENT,
    STATE_CHANGED,
    Flag,
    InstrumentState,
    OrderOption,
    RiskLimit,
    SessionEventKind,
    Side,
    Template,
    TimeInForce,
)
from ringbus.replay import Stream
from tools.configuration import Configuration
from tools.console.names import Names, outcome
from tools.console.record import Change, Record
from tools.day_counts import used_of
from tools.watch.alarms import alarm_words
from tools.watch.sample import EventSample, InstrumentSample, LimitSample, SessionSample

EVENTS_MAX: Final = 256
OWNERS_MAX: Final = 256
# What a client asks for, or what stands on the stream in its place.
REQUESTS: Final = (
    *(Template.NEW_ORDER, Template.CANCEL, Template.REPLACE, Template.MASS_CANCEL),
    *(Template.MULTI_LEG_ORDER, Template.STOP_ORDER, Template.STOP_CANCEL),
    *(Template.REJECT, Template.REJECTED),
)
COUNTS: Final = (RiskLimit.OPEN_ORDERS, RiskLimit.TRADED_QUANTITY, RiskLimit.MESSAGES_PER_SECOND)
REFUSALS: Final = (Template.REJECT, Template.REJECTED)
_HELD_FOR_CROSS: Final = (int(TimeInForce.AT_OPENING), int(TimeInForce.AT_CLOSE))
_GONE: Final = (SessionEventKind.LOGOUT, SessionEventKind.DISCONNECT)


class Tally(Application):
    """Sums over all of the day.

    Args: stream: where it reads; configuration: of the day. Memory: 33 bytes an order, and the
    state of the limits. Thread: one. Raises, from do_work: CorruptionError: the stream contradicts
    itself; DataError: a journal is damaged.
    """

    def __init__(self, stream: Stream, configuration: Configuration) -> None:
        super().__init__(stream)
        limits, shards = configuration.topology.limits, configuration.topology.exchange.shards
        self._configuration = configuration
        self._contributors = configuration.topology.contributors
        # An instrument's auction has a topic too, and an operator: clients' are among them.
        topics = 1 + max(one.session for one in configuration.participants)
        self._requests = np.zeros(topics, np.int64)
        self._answers = np.zeros(topics, np.int64)
        self._rejects = np.zeros(topics, np.int64)
        self._executions = np.zeros(topics, np.int64)
        self._logins = np.zeros(topics, np.int64)
        self._places: dict[int, tuple[int, int]] = {}  # publisher and connection by topic
        self._publishers: dict[int, int] = {}  # the last, by topic
        self._orders = OpenOrders(shards, limits.orders)
        self._is_hidden = np.zeros(len(self._orders.rows), np.bool_)
        count = len(configuration.instruments)
        self._states = np.full(count, InstrumentState.CONTINUOUS, np.uint8)
        self._volume = np.zeros(count, np.int64)
        self._trades = np.zeros(count, np.int64)
        self._last_ticks = np.zeros(count, np.int64)
        self._last_quantity = np.zeros(count, np.int64)
        self._risk = configuration.risk()
        self._record, self._names = Record(), Names.of(configuration)
        self._events: deque[EventSample] = deque(maxlen=EVENTS_MAX)
        self.alarms_count = self.commands_count = 0

    @property
    def heard(self) -> int:
        """The last sequence that is in it."""
        return self.next - 1

    def on_batch(self, batch: NDArray[np.void]) -> None:
        """Take whole messages."""
        template = batch["template_id"]
        follows = np.zeros(len(batch), np.bool_)
        follows[1:] = (batch["flags"][:-1] & int(Flag.CONTINUED)) != 0
        self._hear_sessions(batch, template, ~follows)
        self._hear_orders(batch, template)
        self._hear_trades(batch, template)
        states = batch.view(STATE_CHANGED)[template == Template.STATE_CHANGED]
        self._states[states["instrument"]] = states["state"]
        self._risk.apply(batch)
        for change in self._record.hear(batch):
            self._events.append(self._event(change))
            self.commands_count += change.number != 0
        for n in np.flatnonzero(template == Template.ALARM):
            line = line_of(batch, int(n))
            assert isinstance(line, Alarm)
            words = alarm_words(line)
            who = self._contributor(line.publisher)
            self._events.append(EventSample(line.sequence, line.time_ns, "alarm", who, words))
            self.alarms_count += 1

    # What is heard.

    def _hear_sessions(
        self,
        batch: NDArray[np.void],
        template: NDArray[np.uint8],
        heads: NDArray[np.bool_],
    ) -> None:
        topic = batch["topic"]
        heads = heads & (topic < len(self._requests)) & (template != Template.SESSION_EVENT)
        asked = heads & np.isin(template, REQUESTS)
        asked &= (batch["flags"] & int(Flag.GENERATED) == 0) | (template == Template.REJECTED)
        for total, which in (
            (self._requests, asked),
            (self._answers, heads),
            (self._rejects, heads & np.isin(template, REFUSALS)),
            (self._executions, heads & (template == Template.EXECUTED)),
        ):
            total += np.bincount(topic[which], minlength=len(total))
        for event in batch.view(SESSION_EVENT)[template == Template.SESSION_EVENT]:
            number = int(event["topic"])
            place = int(event["publisher"]), int(event["connection"])
            if event["kind"] == SessionEventKind.LOGIN and number < len(self._logins):
                self._logins[number] += 1
                self._places[number] = place
                self._publishers[number] = place[0]
            elif event["kind"] in _GONE and self._places.get(number) == place:
                # A connection that another login has pushed aside is not the session's any more.
                del self._places[number]

    def _hear_orders(self, batch: NDArray[np.void], template: NDArray[np.uint8]) -> None:
        places = self._orders.hear(batch)
        if not len(places):
            return
        # As `hear` has them: those that come in, in the order of the stream.
        is_entry = (template == Template.NEW_ORDER) | (template == Template.REPLACE)
        entries = np.flatnonzero(is_entry)
        is_new = template[entries] == Template.NEW_ORDER
        hidden = int(OrderOption.HIDDEN)
        options = batch.view(NEW_ORDER)["options"][entries[is_new]]
        self._is_hidden[places[is_new]] = (options & hidden) != 0
        # Terms say it anew; without them a replaced order stays what it was.
        behind = np.minimum(entries + 1, len(batch) - 1)
        has_terms = (batch["flags"][entries] & int(Flag.CONTINUED)) != 0
        has_terms &= template[behind] == Template.ORDER_TERMS
        options = batch.view(ORDER_TERMS)["options"][behind[has_terms]]
        self._is_hidden[places[has_terms]] = (options & hidden) != 0

    def _hear_trades(self, batch: NDArray[np.void], template: NDArray[np.uint8]) -> None:
        executed = batch.view(EXECUTED)[template == Template.EXECUTED]
        # Each trade has one side that buys.
        trades = executed[executed["side"] == Side.BUY]
        if not len(trades):
            return
        at, quantity = trades["instrument"], trades["quantity"].astype(np.int64)
        np.add.at(self._volume, at, quantity)
        np.add.at(self._trades, at, 1)
        # Where an instrument comes twice the last one counts: numpy assigns in order.
        self._last_ticks[at], self._last_quantity[at] = trades["price_ticks"], quantity

    def _event(self, change: Change) -> EventSample:
        what = self._names.words(change.raw)
        said = outcome(change, self._names)
        said = f"{what}: {said}" if said and not change.refused else said or what
        if change.reason:
            said += f" ({change.reason})"
        kind = "command" if change.number else "exchange"
        who = change.author or self._contributor(change.publisher)
        return EventSample(change.sequence, change.time_ns, kind, who, said)

    def _contributor(self, publisher: int) -> str:
        known = 1 <= publisher <= len(self._contributors)
        return self._contributors[publisher - 1] if known else "engine"

    # What it comes to.

    def sessions(self) -> list[SessionSample]:
        """Everybody who trades or listens, in the order of the participants' file; no rates."""
        return [
            SessionSample(
                user=one.user,
                session=one.session,
                account=one.account,
                firm=one.firm_name,
                protocol=one.protocol,
                port=self._port(one.session),
                is_connected=one.session in self._places,
                logins_count=int(self._logins[one.session]),
                requests_count=int(self._requests[one.session]),
                answers_count=int(self._answers[one.session]),
                rejects_count=int(self._rejects[one.session]),
                executions_count=int(self._executions[one.session]),
                requests_per_s=0.0,
                answers_per_s=0.0,
            )
            for one in self._configuration.participants
        ]

    def _port(self, session: int) -> str:
        publisher = self._publishers.get(session)
        return "" if publisher is None else self._contributor(publisher)

    def instruments(self) -> list[InstrumentSample]:
        """All of them, in the order of the instruments' file; no rates."""
        bids, offers, counts = self._best()
        out = []
        for one in self._configuration.instruments:
            n, tick = one.index, one.tick_1e4
            state = InstrumentState(int(self._states[n]))
            trades = state == InstrumentState.CONTINUOUS
            out.append(
                InstrumentSample(
                    symbol=one.symbol,
                    state=state,
                    bid_1e4=int(bids[n]) * tick if trades and bids[n] else None,
                    offer_1e4=int(offers[n]) * tick if trades and offers[n] else None,
                    last_1e4=int(self._last_ticks[n]) * tick if self._trades[n] else None,
                    last_quantity=int(self._last_quantity[n]),
                    volume=int(self._volume[n]),
                    trades_count=int(self._trades[n]),
                    orders_count=int(counts[n]),
                    trades_per_s=0.0,
                )
            )
        return out

    def _best(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Highest bid and lowest offer that are shown, 0 for none, and open orders."""
        used, count = self._orders.used, len(self._states)
        rows, hidden = self._orders.rows[:used], self._is_hidden[:used]
        is_open = rows["open"] > 0
        shown = is_open & ~hidden & ~np.isin(rows["time_in_force"], _HELD_FOR_CROSS)
        instrument, price = rows["instrument"], rows["price_ticks"].astype(np.int64)
        bids, offers = np.zeros(count, np.int64), np.full(count, 1 << 40, np.int64)
        buys, sells = shown & (rows["side"] == Side.BUY), shown & (rows["side"] == Side.SELL)
        np.maximum.at(bids, instrument[buys], price[buys])
        np.minimum.at(offers, instrument[sells], price[sells])
        offers[offers == 1 << 40] = 0
        return bids, offers, np.bincount(instrument[is_open], minlength=count)

    def limits(self) -> list[LimitSample]:
        """Every limit that is set or of which something is used, by account, then by firm.

        Of more than OWNERS_MAX accounts or firms only limits that are set.
        """
        people = self._configuration.participants
        accounts = {one.account: str(one.account) for one in people}
        firms = {one.firm: one.firm_name for one in people}
        out = []
        for owner, names, ask in (
            ("account", accounts, self._risk.account),
            ("firm", firms, self._risk.firm),
        ):
            every = len(names) <= OWNERS_MAX
            for number in sorted(names):
                found = _limits(owner, number, names[number], ask(number))
                out += [one for one in found if one.bound is not None or (every and one.used)]
        return out

    def events(self) -> tuple[EventSample, ...]:
        """The last EVENTS_MAX, oldest first."""
        return tuple(self._events)


def _limits(owner: str, number: int, name: str, now: Exposure) -> list[LimitSample]:
    return [
        LimitSample(
            owner=owner,
            number=number,
            name=name,
            limit=limit,
            unit="count" if limit in COUNTS else "1e-4",
            used=used,
            bound=None if now.limits[limit] >= UNLIMITED else now.limits[limit],
        )
        for limit, used in used_of(now).items()
    ]
