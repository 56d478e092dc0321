"""The book from Python beside a book written in Python, on the same messages.

One instrument, new orders, cancels and replaces near a price that wanders; a tenth of the new
orders trades. Batches of numpy messages, then one message a call. Both books have to trade the
same.

usage: python -m tests.bench.bench_book [rounds] [messages]
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from ringbus.messages import (
    CANCEL,
    EXECUTED,
    MESSAGE,
    NEW_ORDER,
    REPLACE,
    Side,
    Template,
    TimeInForce,
)
from tests.bench import records
from tests.bench.plain_book import Event, PlainBook

BATCH = 4096
SEED = 1
STANDING = 2000
Messages = NDArray[np.void]
# A method of the plain book and its arguments.
Call = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Flow:
    """The same messages for both."""

    messages: Messages
    calls: list[Call]


def make_book() -> Book:
    """A book with room for the flow."""
    return Book(instruments=1, orders=1 << 16, nodes=1 << 10)


def make_flow(count: int) -> Flow:
    """Draw the messages; cancels and replaces need the locates that the book gives."""
    maker = _Maker(count)
    for n in range(count):
        maker.add(n)
    maker.book.close()
    return Flow(maker.messages, maker.calls)


@dataclass(slots=True)
class _Open:
    side: int
    locate: int
    quantity: int


class _Maker:
    def __init__(self, count: int) -> None:
        self.book = make_book()
        self.messages: Messages = np.zeros(count, MESSAGE)
        self.calls: list[Call] = []
        self._draw = random.Random(SEED)
        # By client_order_id.
        self._open: dict[int, _Open] = {}
        # For drawing from: what is open and some that are gone.
        self._ids: list[int] = []
        self._middle = 10000

    def add(self, n: int) -> None:
        """Make message `n`, apply it and learn from the answer."""
        self._middle += self._draw.choice((-1, 0, 0, 0, 0, 0, 0, 1))
        line = self.messages[n : n + 1]
        dice = self._draw.random()
        order = self._pick() if len(self._open) >= STANDING and dice < 0.5 else 0
        if order == 0:
            call = self._new(line.view(NEW_ORDER), n + 1)
        elif dice < 0.4:
            call = self._cancel(line.view(CANCEL), order)
        else:
            call = self._replace(line.view(REPLACE), order, n + 1)
        line.view(NEW_ORDER)["topic"] = 1
        self.calls.append(call)
        self._learn(call, self.book.submit(line))

    def _pick(self) -> int:
        ids = self._ids
        while True:
            at = self._draw.randrange(len(ids))
            ids[at], ids[-1] = ids[-1], ids[at]
            if ids[-1] in self._open:
                return ids[-1]
            ids.pop()

    def _price(self, side: int) -> int:
        away = 1 + int(self._draw.expovariate(0.2))
        return self._middle - away if side == Side.BUY else self._middle + away

    def _new(self, line: Messages, number: int) -> Call:
        side = self._draw.choice((Side.BUY, Side.SELL))
        rests = self._draw.random() < 0.9
        price = self._price(side) if rests else 2 * self._middle - self._price(side)
        quantity = 100 * self._draw.randrange(1, 4)
        line["template_id"] = Template.NEW_ORDER
        line["price_ticks"] = price
        line["quantity"] = quantity
        line["client_order_id"] = number
        line["side"] = side
        line["time_in_force"] = TimeInForce.DAY if rests else TimeInForce.IMMEDIATE_OR_CANCEL
        return "new", (number, int(side), price, quantity, rests)

    def _cancel(self, line: Messages, order: int) -> Call:
        line["template_id"] = Template.CANCEL
        line["quantity"] = self._open[order].quantity
        line["locate"] = self._open[order].locate
        line["client_order_id"] = order
        return "cancel", (order,)

    def _replace(self, line: Messages, order: int, number: int) -> Call:
        price = self._price(self._open[order].side)
        line["template_id"] = Template.REPLACE
        line["price_ticks"] = price
        line["quantity"] = 400
        line["locate"] = self._open[order].locate
        line["client_order_id"] = number
        line["original_client_order_id"] = order
        return "replace", (order, number, price, 400)

    def _learn(self, call: Call, answers: Messages) -> None:
        kind, arguments = call
        first = answers[:1].view(NEW_ORDER)[0]
        if kind == "new":
            number, side = arguments[:2]
        else:
            side = self._open.pop(arguments[0]).side
            number = arguments[1] if kind == "replace" else 0
        if number != 0 and first["locate"] != 0:
            self._open[number] = _Open(side, int(first["locate"]), int(first["quantity"]))
            self._ids.append(number)
        for line in answers[answers["template_id"] == Template.EXECUTED].view(EXECUTED):
            order = int(line["client_order_id"])
            if order not in self._open:
                continue
            self._open[order].quantity = int(line["remaining"])
            if line["remaining"] == 0:
                del self._open[order]


def plain_run(calls: list[Call]) -> tuple[float, int]:
    """Seconds a message of the plain book, and what it traded."""
    book = PlainBook()
    methods: dict[str, Callable[..., list[Event]]] = {
        "new": book.new,
        "cancel": book.cancel,
        "replace": book.replace,
    }
    bound = [(methods[name], arguments) for name, arguments in calls]
    out = []
    start = time.perf_counter()
    for method, arguments in bound:
        out.append(method(*arguments))
    elapsed = time.perf_counter() - start
    traded = sum(
        event[2] * event[3] for events in out for event in events if event[0] == "executed"
    )
    return elapsed / len(calls), traded


def run(messages: Messages, batch: int) -> tuple[float, int]:
    """Seconds a message of the book, `batch` messages a call, and what it traded."""
    with make_book() as book:
        out = []
        start = time.perf_counter()
        for at in range(0, len(messages), batch):
            out.append(book.submit(messages[at : at + batch]))
        elapsed = time.perf_counter() - start
    answers = np.concatenate(out)
    trades = answers[answers["template_id"] == Template.EXECUTED].view(EXECUTED)
    traded = trades["price_ticks"].astype(np.int64) * trades["quantity"]
    return elapsed / len(messages), int(traded.sum())


def main(arguments: list[str]) -> int:
    """Print the figures; medians over rounds, lowest and highest."""
    rounds = int(arguments[0]) if arguments else 5
    count = int(arguments[1]) if len(arguments) > 1 else 200_000
    flow = make_flow(count)
    named = ("plain Python", "the book, batches of 4,096", "the book, one a call")
    times: dict[str, list[float]] = {name: [] for name in named}
    for n in range(rounds):
        results = (plain_run(flow.calls), run(flow.messages, BATCH), run(flow.messages, 1))
        if len({traded for _, traded in results}) != 1:
            print(f"not the same market: {results}")
            return 1
        if n == 0:
            records.result("book from Python", f"{results[0][1]:x}")
            print(f"result {results[0][1]}: price x quantity of all executions, {count} messages")
        for name, (seconds, _) in zip(named, results, strict=True):
            times[name].append(seconds)
    plain = times[named[0]]
    for name, own in times.items():
        rates = sorted(1e-6 / each for each in own)
        records.figure(name, [1e-6 / each for each in own], "M/s")
        ratio = statistics.median(a / b for a, b in zip(plain, own, strict=True))
        print(
            f"{name:<28} {statistics.median(rates):8.3f} M/s (rounds {rates[0]:.3f} .. "
            f"{rates[-1]:.3f}), {ratio:.2f} x the plain one"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
