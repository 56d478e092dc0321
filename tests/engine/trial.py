"""The book and its oracle side by side: every line of every answer is compared, and all state."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from ringbus.describe import describe
from ringbus.messages import MESSAGE
from tests.engine.mix import Message, Mix, Profile
from tests.engine.oracle import BUY, LINE_BYTES, SELL, Oracle, Order

# What a walk of the book shows of an order, beside its quantity.
KEPT = ("price_ticks", "locate", "client_order_id", "topic", "account", "firm")
SINK_LINES_MIN = 2


class Difference(AssertionError):
    """The book and the oracle do not say the same."""


class Trial:
    """A book and its oracle."""

    def __init__(self, profile: Profile) -> None:
        sizes = profile.instruments, profile.orders, profile.nodes
        self.book = Book(*sizes)
        self.oracle = Oracle(*sizes, profile.groups)

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        self.book.close()

    def submit(self, message: Message, is_tight: bool = False) -> bytes:
        """One message through both; with `is_tight` the book's sink is as small as may be."""
        expected = self.oracle.submit(message)
        self.answer([message], [expected], is_tight)
        return expected

    def answer(
        self, messages: Sequence[Message], expected: Sequence[bytes], is_tight: bool
    ) -> None:
        """Let the book answer messages, and compare with what the oracle said."""
        limit = max(SINK_LINES_MIN, *map(len, messages)) if is_tight else 0
        got = self.book.submit(as_lines(b"".join(map(b"".join, messages))), limit).tobytes()
        if got != b"".join(expected):
            raise Difference(difference(messages, expected, got))

    def compare(self) -> None:
        """All state: every order in its place, best prices, counts, the book's own invariants."""
        self.book.verify()
        for instrument in self.oracle.market.instruments:
            for side in (BUY, SELL):
                where = f"instrument {instrument.number}, side {side}"
                orders = instrument.sides[side]
                same(where, self._walk(instrument.number, side), [row(one) for one in orders])
                best = self.book.best(instrument.number, side)
                same(f"best, {where}", best, self.oracle.best(instrument.number, side))
        same("open orders", self.book.open_orders, len(self.oracle.open))

    def _walk(self, instrument: int, side: int) -> list[tuple[int, ...]]:
        orders = self.book.walk(instrument, side)
        assert set(orders["side"].tolist()) <= {side}
        assert set(orders["instrument"].tolist()) <= {instrument}
        columns = (orders[name].tolist() for name in ("quantity", *KEPT))
        return list(zip(*columns, strict=True))


def row(order: Order) -> tuple[int, ...]:
    """What a walk of the book shows of it."""
    return (
        *(order.quantity, order.price, order.locate),
        *(order.client_order_id, order.topic, order.account, order.firm),
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
                trial.answer(sent[at:to], expected[at:to], dice.random() < 0.5)
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
                trial.submit(message, is_tight=True)
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
