"""Random days of every kind of message, and a book made of the market data beside the engine's."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ports import itch
from ports.market import MarketData, MarketSize
from ports.market_book import MarketBook
from ringbus.messages import (
    BUILD_RECORD,
    END_OF_DAY,
    INSTRUMENT_DEFINITION,
    INSTRUMENT_NONE,
    MESSAGE,
    Flag,
    Template,
)
from tests.engine.mix import Mix
from tests.engine.oracle import BUY, SELL, Oracle
from tests.engine.profiles import Profile
from tests.engine.trader import Lines, lines

NOON_NS = 12 * 3600 * 10**9
PRICE_MAX = 2**32 - 1


def opening(instruments: int, tick_1e4: int = 1) -> Lines:
    """The first lines of a day."""
    out = [lines(BUILD_RECORD, Template.BUILD_RECORD, instrument=INSTRUMENT_NONE)]
    out += [
        lines(
            INSTRUMENT_DEFINITION,
            Template.INSTRUMENT_DEFINITION,
            instrument=n,
            price_ticks_min=1,
            price_ticks_max=2**30 - 1,
            lot=1,
            tick_1e4=tick_1e4,
            quantity_max=2**32 - 1,
            symbol=f"SYM{n}".ljust(8).encode(),
        )
        for n in range(instruments)
    ]
    return np.concatenate(out)


def closing() -> Lines:
    """The last line of a day."""
    return lines(END_OF_DAY, Template.END_OF_DAY, instrument=INSTRUMENT_NONE)


class Stream:
    """Gives lines what the publisher gives them."""

    def __init__(self) -> None:
        self.sequence = 0

    def publish(self, batch: Lines, groups: Iterable[int] = ()) -> Lines:
        """The lines in order; `groups`: lines of each input, one each if none is said."""
        out = batch.copy()
        ends = np.cumsum(list(groups) or [1] * len(out)) - 1
        out["sequence"] = self.sequence + 1 + np.arange(len(out))
        out["time_ns"] = NOON_NS + out["sequence"]
        out["flags"] &= np.uint8(255 - Flag.LAST_OF_GROUP)
        out["flags"][ends] |= np.uint8(Flag.LAST_OF_GROUP)
        self.sequence += len(out)
        return out


class Watched:
    """An oracle that random messages are sent to, and a book made of what a feed says of it."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self.oracle = Oracle(profile.instruments, profile.orders, profile.nodes)
        self.mix = Mix(seed, profile, self.oracle)
        self.stream = Stream()
        self.market = MarketData(
            "DAY1",
            MarketSize(
                profile.instruments, 1, profile.orders, tape_bytes=1 << 26, tape_messages=1 << 21
            ),
        )
        self.book = MarketBook()
        self.seen = 0
        self.kinds: dict[str, int] = {}
        self.market.hear(self.stream.publish(opening(profile.instruments)))

    def step(self) -> Lines:
        """One message and its answer."""
        answer = np.frombuffer(self.oracle.submit(self.mix.message()), MESSAGE)
        published = self.stream.publish(answer, [len(answer)])
        self.market.hear(published)
        return published

    def read(self) -> None:
        """Apply what is new on the tape."""
        while data := self.market.copy(self.seen + 1):
            for message in itch.split(data):
                decoded = itch.decode(message)
                assert decoded.encode() == message
                self.kinds[decoded.kind] = self.kinds.get(decoded.kind, 0) + 1
                self.book.apply(decoded)
                self.seen += 1

    def compare(self) -> None:
        """Every order that the engine displays is in the book, at its place, and none else."""
        for instrument in self.oracle.market.instruments:
            for side, letter in ((BUY, "B"), (SELL, "S")):
                shown = [one for one in instrument.sides[side] if not one.hidden]
                expected = [(min(one.price, PRICE_MAX), one.shown) for one in shown]
                queue = self.book.queue(instrument.number + 1, letter)
                assert [(one.price, one.shares) for one in queue] == expected
        self.market.validate()

    def close(self) -> None:
        self.market.close()


def decoded(data: bytes) -> itch.ItchMessage:
    """The one message that `data` holds behind its length."""
    (message,) = itch.split(data)
    return itch.decode(message)
