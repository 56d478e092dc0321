"""The book and its oracle side by side: every line of every answer is compared, and all state."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from ringbus.describe import describe
from ringbus.messages import MESSAGE
from tests.engine.mix import Message, Mix
from tests.engine.oracle import BUY, LINE_BYTES, SELL, Oracle, Order
from tests.engine.oracle.matching import CROSS_ONLY
from tests.engine.profiles import Profile

# What a walk of the book shows of an order.
KEPT = (
    *("instrument", "side", "price_ticks", "quantity", "locate", "client_order_id"),
    *("topic", "account", "firm", "time_in_force", "options"),
)
SINK_LINES_MIN = 2


class Difference(AssertionError):
    """The book and the oracle do not say the same."""


class Trial:
    """A book and its oracle."""

    def __init__(self, profile: Profile) -> None:
        sizes = profile.instruments, profile.orders, profile.nodes
        self.book = Book(*sizes)
        self.oracle = Oracle(*sizes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.book.close()

    def send(self, message: Message, is_tight: bool = False) -> bytes:
        """One message through both; with `is_tight` the book's sink is as small as may be."""
        expected = self.oracle.submit(message)
        self.answer([message], [expected], tight([message]) if is_tight else 0)
        return expected

    def answer(
        self, messages: Sequence[Message], expected: Sequence[bytes], limit: int = 0
    ) -> None:
        """Let the book answer messages, and compare with what the oracle said."""
        got = self.book.submit(as_lines(b"".join(map(b"".join, messages))), limit).tobytes()
        if got != b"".join(expected):
            raise Difference(difference(messages, expected, got))

    def compare(self) -> None:
        """All state: every order in its place, prices, counts, the book's own invariants."""
        self.book.verify()
        for instrument in self.oracle.market.instruments:
            number = instrument.number
            of = f"of instrument {number}"
            same(f"state {of}", self.book.state(number), instrument.state)
            same(f"changes {of}", self.book.changes(number), instrument.changes)
            held = rows(self.book.walk_held(number))
            same(f"held {of}", held, [row(one) for one in instrument.held])
            for side in (BUY, SELL):
                where = f"instrument {number}, side {side}"
                walked = rows(self.book.walk(number, side))
                same(where, walked, [row(one) for one in instrument.sides[side]])
                depth = self.oracle.depth(number, side)
                levels = self.book.depth(number, side, len(depth) + 1).tolist()
                same(f"depth, {where}", levels, depth)
                best = self.oracle.best(number, side)
                same(f"best, {where}", self.book.best(number, side), best)
        same("open orders", self.book.open_orders, len(self.oracle.open))


def tight(messages: Sequence[Message]) -> int:
    """Lines of the smallest sink that these messages can be given."""
    return max(SINK_LINES_MIN, *map(len, messages))


def rows(orders: NDArray[np.void]) -> list[tuple[int, ...]]:
    """What a walk of the book shows."""
    return list(zip(*(orders[name].tolist() for name in KEPT), strict=True))


def row(order: Order) -> tuple[int, ...]:
    """What a walk of the book shows of it; what an order that rests waits for is not kept."""
    force = order.time_in_force if order.time_in_force in CROSS_ONLY else 0
    return (
        *(order.instrument, order.side, order.price, order.quantity, order.locate),
        *(order.client_order_id, order.topic, order.account, order.firm, force, order.options),
    )


def same(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise Difference(f"{what}\nbook:   {got}\noracle: {expected}")


def run(
    profile: Profile,
    seed: int,
    messages: int,
    every: int = 200,
    told: Callable[[Trial, Message, bytes], None] = lambda trial, message, answer: None,
) -> None:
    """A long random run; state is compared about every `every` messages, every line always.

    `told` hears every message and the oracle's answer to it.
    """
    dice = random.Random(seed)
    with Trial(profile) as trial:
        mix = Mix(seed, profile, trial.oracle)
        while mix.number < messages:
            sent: list[Message] = []
            expected: list[bytes] = []
            for _ in range(dice.randrange(1, 2 * every)):
                sent.append(mix.message())
                expected.append(trial.oracle.submit(sent[-1]))
                told(trial, sent[-1], expected[-1])
            at = 0
            while at < len(sent):
                to = at + dice.choice((1, 2, 30, 500))
                part = sent[at:to]
                trial.answer(part, expected[at:to], tight(part) if dice.random() < 0.5 else 0)
                at = to
            trial.compare()


def shrink(messages: list[Message], fails: Callable[[list[Message]], bool]) -> list[Message]:
    """The fewest messages that still fail, by leaving out ever smaller parts."""
    part = len(messages) // 2
    while part >= 1:
        at = 0
        while at < len(messages):
            fewer = messages[:at] + messages[at + part :]
            if fails(fewer):
                messages = fewer
            else:
                at += part
        part //= 2
    return messages


def replayed(profile: Profile, messages: Sequence[Message]) -> str:
    """What goes wrong when these messages come one by one, or nothing."""
    with Trial(profile) as trial:
        try:
            for message in messages:
                trial.send(message, is_tight=True)
                trial.compare()
        except Exception as error:  # Whatever it is, it is what goes wrong.
            return f"{type(error).__name__}: {error}"
    return ""


def as_lines(raw: bytes) -> NDArray[np.void]:
    return np.frombuffer(raw, MESSAGE)


def described(raw: bytes) -> str:
    """Lines for people, one each."""
    return "".join(f"  {describe(line)}\n" for line in as_lines(raw))


def difference(messages: Sequence[Message], expected: Sequence[bytes], got: bytes) -> str:
    """The first message whose answer differs, and both answers."""
    at = 0
    for message, answer in zip(messages, expected, strict=True):
        said = got[at : at + len(answer)]
        if said != answer:
            # A few lines more than the oracle's, if the book said more.
            said = got[at : at + len(answer) + 4 * LINE_BYTES]
            return (
                f"\nmessage:\n{described(b''.join(message))}"
                f"oracle:\n{described(answer)}book (and what follows):\n{described(said)}"
            )
        at += len(answer)
    return f"\nthe book said more:\n{described(got[at:])}"
