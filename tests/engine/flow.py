"""A seeded day of trading by two contributors, who race for the same orders, under an operator.

The order in which the sequencer takes proposals is fixed by the seed. Sessions trade in all
instruments, but what is in flight at one time is for one instrument: a lock is a topic in a shard,
so that with fewer shards a trade in one instrument can make a proposal for another one stale, and
the same trading would then not be the same input. For the same reason what touches several
instruments (mass cancels, legs) is said when nothing is in flight.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.fused import FusedEngine, Size
from ringbus.messages import (
    COMMAND,
    CROSS_RESULT,
    EXECUTED,
    INSTRUMENT_NONE,
    LEG,
    MASS_CANCEL,
    MULTI_LEG_ORDER,
    NEW_ORDER,
    ORDER_TAG,
    SESSION_EVENT,
    STATE_CHANGED,
    CommandKind,
    CrossType,
    Flag,
    InstrumentState,
    MassCancelScope,
    SessionEventKind,
    Side,
    Template,
    TimeInForce,
    TradeChangeKind,
)
from ringbus.multicast import Reader
from tests.engine.parts import Lines, count, counter, grouped, sequence_one
from tests.engine.trader import Trader, lines
from tools.console.trades import Trade, change

INSTRUMENTS = 6
# Legs may be in two of them.
GROUP_OF = (1, 0, 0, 0, 1, 0)
TOPICS = 10
# Lines that only stand behind others.
BEHIND = (
    *(Template.ORDER_TAG, Template.ORDER_TERMS, Template.LEG),
    *(Template.TRADE_PARTY, Template.TEXT),
)
PRICES = range(95, 106)
CHANGES = (
    *(Template.NEW_ORDER, Template.CANCEL, Template.REPLACE),
    *(Template.EXECUTED, Template.CANCELED),
    Template.STATE_CHANGED,
)


@dataclass(frozen=True, slots=True)
class Day:
    """What came out, and what went in: (contributor, group) in the order of the inputs."""

    stream: Lines
    proposals: list[tuple[int, Lines]]
    book_hashes: list[int]
    lost: int
    gave_up: int
    rejected: int
    dropped: int


def size(shards: int, lane_slots: int = 256) -> Size:
    return Size(
        instruments=INSTRUMENTS,
        shards=shards,
        topics=TOPICS,
        contributors=2,
        stream_slots=1 << 17,
        lane_slots=lane_slots,
    )


def placement(shards: int) -> bytes:
    """Shard by instrument: one after the other, the group together."""
    return bytes(0 if group else n % shards for n, group in enumerate(GROUP_OF))


def engine_of(shards: int, lane_slots: int = 256, shard_of: bytes | None = None) -> FusedEngine:
    where = placement(shards) if shard_of is None else shard_of
    return FusedEngine(size(shards, lane_slots), shard_of=where, group_of=GROUP_OF)


def trade(shards: int, seed: int, proposals: int, shard_of: bytes | None = None) -> Day:
    """Trade until that many proposals were made."""
    return _Market(shards, seed, shard_of).run(proposals)


class _Market:
    def __init__(self, shards: int, seed: int, shard_of: bytes | None) -> None:
        self._draw = random.Random(seed)
        self._engine = engine_of(shards, shard_of=shard_of)
        self._reader = Reader(self._engine.ring)
        self._dropped = [counter() for _ in self._engine.shards]
        for shard, one in zip(self._engine.shards, self._dropped, strict=True):
            shard.measure(0, one)
        where = self._engine.shard_of
        # One contributor keeps one proposal a session in flight, the other up to three.
        self._traders = [Trader(1, (1, 2, 3), where), Trader(2, (4, 5, 6), where, 3)]
        self._proposals: list[tuple[int, Lines]] = []
        self._stream: list[Lines] = []
        # Of the operator's topics, by (topic, shard); what happened, by instrument.
        self._numbers: dict[tuple[int, int], int] = {}
        self._changes = np.zeros(INSTRUMENTS, np.int64)
        self._states = [InstrumentState.CONTINUOUS] * INSTRUMENTS
        self._trades: list[Lines] = []

    def run(self, proposals: int) -> Day:
        while len(self._proposals) < proposals:
            instrument = self._draw.randrange(INSTRUMENTS)
            for trader in self._traders:
                for topic in trader.sessions:
                    for _ in range(self._draw.choice((0, 1, 1, 2, 3))):
                        self._want(trader, topic, instrument)
            kind = self._draw.random()
            if kind < 0.3:
                self._say_odd()
            elif kind < 0.7:
                self._say_rare(instrument)
            while not all(trader.idle for trader in self._traders):
                self._round()
        self._engine.close()
        return Day(
            np.concatenate(self._stream),
            self._proposals,
            [book.hash() for book in self._engine.books],
            sum(trader.lost for trader in self._traders),
            sum(trader.gave_up for trader in self._traders),
            sum(trader.rejected for trader in self._traders),
            sum(count(one) for one in self._dropped),
        )

    def _want(self, trader: Trader, topic: int, instrument: int) -> None:
        draw = self._draw
        orders = trader.sessions[topic].orders
        own = [number for number, order in orders.items() if order.instrument == instrument]
        kind = draw.random()
        price, quantity = draw.choice(PRICES), draw.randrange(1, 30)
        tag = b"tag %d" % quantity if draw.random() < 0.2 else b""
        if own and kind < 0.30:
            trader.cancel(topic, draw.choice(own), draw.choice((1, 5, 1000)))
        elif own and kind < 0.45:
            trader.replace(topic, draw.choice(own), price, quantity, tag)
        elif kind < 0.50:
            # Refused by the book: no quantity, no price, no such time in force.
            wrong = draw.choice(((price, 0, 0), (0, 5, 0), (price, 5, 9)))
            trader.new_order(topic, instrument, draw.choice((1, 2)), *wrong, tag)
        else:
            time = draw.choice((TimeInForce.DAY, TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL))
            side = draw.choice((Side.BUY, Side.SELL))
            # Now and then one that sweeps the whole side.
            if draw.random() < 0.03:
                price, quantity = (200 if side == Side.BUY else 1), 2000
            trader.new_order(topic, instrument, side, price, quantity, time, tag)

    def _round(self) -> None:
        """Everybody sends at once, in an order drawn from the seed; then all of it is answered."""
        groups = [(n, group) for n, one in enumerate(self._traders) for group in one.outgoing()]
        # A contributor's own keep their order.
        order = [n for n, _ in groups]
        self._draw.shuffle(order)
        of = [[group for n, group in groups if n == trader] for trader in range(2)]
        for n in order:
            self._say(n, of[n].pop(0))
        self._answer()

    def _say(self, contributor: int, group: Lines) -> None:
        self._proposals.append((contributor, group))
        assert sequence_one(self._engine, contributor, group)

    def _answer(self) -> None:
        self._engine.settle()
        news = self._reader.poll().copy()
        self._stream.append(news)
        for trader in self._traders:
            trader.take(news)
        self._count(news)

    def _count(self, news: Lines) -> None:
        """What an operator and an auction must know of the stream."""
        rows = news[~np.isin(news["template_id"], BEHIND)]
        for row in rows[rows["topic"] > 6]:
            topic, shard = int(row["topic"]), int(row["shard"])
            every = range(self._engine.size.shards)
            for n in every if row["flags"] & Flag.BROADCAST else (shard,):
                self._numbers[topic, n] = self._numbers.get((topic, n), 0) + 1
            assert self._numbers[topic, shard] == row["topic_sequence"]
        of = np.ascontiguousarray(rows[np.isin(rows["template_id"], CHANGES)]).view(NEW_ORDER)
        self._changes += np.bincount(of["instrument"], minlength=INSTRUMENTS)
        trades = np.ascontiguousarray(rows[rows["template_id"] == Template.EXECUTED])
        self._trades += list(trades.view(EXECUTED).reshape(-1, 2))[:3]
        states = np.ascontiguousarray(rows[rows["template_id"] == Template.STATE_CHANGED])
        for state in states.view(STATE_CHANGED):
            self._states[int(state["instrument"])] = InstrumentState(int(state["state"]))

    def _say_rare(self, instrument: int) -> None:
        """Mass cancels, legs, states of instruments and crosses; topics 7 to 9."""
        draw = self._draw
        topic = draw.choice((7, 8, 9))
        kind = draw.random()
        if self._states[instrument] == InstrumentState.AUCTION and kind < 0.75:
            group = self._cross(instrument)
        elif self._states[instrument] != InstrumentState.CONTINUOUS and kind < 0.9:
            group = _command(instrument, InstrumentState.CONTINUOUS)
        elif kind < 0.15:
            group = _command(
                instrument, draw.choice((*InstrumentState, *[InstrumentState.AUCTION] * 3))
            )
        elif kind < 0.55:
            group = self._mass_cancel(instrument)
        elif kind < 0.59 and self._trades:
            group = self._trade_change()
        else:
            instrument = draw.choice((0, 0, 0, instrument))
            group = self._legs(instrument)
        if draw.random() < 0.3:
            group = grouped(group, lines(ORDER_TAG, Template.ORDER_TAG, text=b"why"))
        named = int(group[:1].view(NEW_ORDER)["instrument"][0])
        shard = 0 if named == INSTRUMENT_NONE else self._engine.shard_of[named]
        group["topic"] = topic
        group["topic_sequence"] = self._numbers.get((topic, shard), 0) + 1
        self._say(draw.randrange(2), group)
        self._answer()

    def _mass_cancel(self, instrument: int) -> Lines:
        draw, scope = self._draw, MassCancelScope
        wanted = draw.choice(
            (
                *(scope.SESSION, scope.SESSION, scope.SESSION | scope.SIDE),
                *(scope.INSTRUMENT, scope.INSTRUMENT | scope.SIDE),
                *(scope.SESSION | scope.INSTRUMENT, scope.EVERYTHING, 0),
            )
        )
        return lines(
            MASS_CANCEL,
            Template.MASS_CANCEL,
            instrument=instrument if wanted & scope.INSTRUMENT else INSTRUMENT_NONE,
            session=draw.randrange(1, 7),
            side=draw.choice((Side.BUY, Side.SELL)),
            scope=wanted,
        )

    def _legs(self, first: int) -> Lines:
        draw = self._draw
        where = [first, draw.choice((4, 4, 4, 1))]
        legs = [
            lines(
                LEG,
                Template.LEG,
                instrument=one,
                side=draw.choice((Side.BUY, Side.SELL)),
                price_ticks=draw.choice(PRICES),
                quantity=draw.randrange(1, 9),
                client_order_id=n,
            )
            for n, one in enumerate(where)
        ]
        head = lines(
            MULTI_LEG_ORDER, Template.MULTI_LEG_ORDER, instrument=first, leg_count=len(where)
        )
        return grouped(head, *legs)

    def _trade_change(self) -> Lines:
        """A bust or a correction, now and then one that is refused."""
        draw = self._draw
        seen = Trade(draw.choice(self._trades), draw.choice((0, *PRICES)), [b"one", b""], [1, 1])
        kind, reason = draw.choice(((TradeChangeKind.BUST, b"C"), (TradeChangeKind.CORRECT, b"N")))
        return grouped(change(seen, kind, seen.price_ticks, reason))

    def _cross(self, instrument: int) -> Lines:
        draw = self._draw
        return lines(
            CROSS_RESULT,
            Template.CROSS_RESULT,
            instrument=instrument,
            price_ticks=draw.choice(PRICES),
            quantity=draw.choice((0, 1, 5)),
            changes=int(self._changes[instrument]) - draw.choice((0, 0, 0, 1)),
            cross_type=draw.choice(list(CrossType)),
            state=draw.choice((InstrumentState.CONTINUOUS, InstrumentState.AUCTION)),
        )

    def _say_odd(self) -> None:
        """An event, a refused template, an unknown instrument, a stale number; topics 7 to 9."""
        draw = self._draw
        topic = draw.choice((7, 8, 9))
        contributor = draw.randrange(2)
        group = lines(
            SESSION_EVENT,
            Template.SESSION_EVENT,
            topic=topic,
            instrument=INSTRUMENT_NONE,
            next_message=draw.randrange(1000),
            kind=SessionEventKind.LOGIN,
        )
        number = self._numbers.get((topic, 0), 0) + 1
        kind = draw.randrange(4)
        if kind == 1:
            group["template_id"] = 99
        elif kind == 2:
            group = lines(SESSION_EVENT, Template.SESSION_EVENT, topic=topic, instrument=77)
        elif kind == 3:
            number += draw.choice((-1, 1, 5))
        group["topic_sequence"] = number
        self._say(contributor, group)
        self._answer()


def _command(instrument: int, state: InstrumentState) -> Lines:
    return lines(
        COMMAND,
        Template.COMMAND,
        instrument=instrument,
        kind=CommandKind.INSTRUMENT_STATE,
        state=state,
    )


def feed(
    engine: FusedEngine, proposals: list[tuple[int, Lines]], between: Callable[[], None]
) -> None:
    """Let the sequencer take the same proposals in the same order; `between` runs the others."""
    for contributor, group in proposals:
        while not sequence_one(engine, contributor, group):
            between()
        between()
