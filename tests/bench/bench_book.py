"""The book from Python beside a book written in Python, on the same messages.

One instrument, new orders, cancels and replaces near a price that wanders; a tenth of the new
orders trades. Batches of numpy messages; one message a call, with the locates that the flow knows
and with a dict of locates beside the book, which are the plain book's own calls; numpy messages one
by one. All have to trade the same; what is timed drops its answers, since to keep them costs the
plain book more than to make them (the collector of cycles looks at its lists again and again).

usage: python -m tests.bench.bench_book [rounds] [messages]
"""

from __future__ import annotations

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from engine.event import Event
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
from tests.bench.numbered_book import NumberedBook
from tests.bench.plain_book import PlainBook

BATCH = 4096
SEED = 1
STANDING = 2000
Messages = NDArray[np.void]
# The name of a method and its arguments.
Call = tuple[str, tuple[int, ...]]
# What a call returns: the plain book's, and the book's.
Said = Sequence[tuple[str, int, int, int]] | Sequence[Event] | Messages
# Runs the whole flow, keeps all answers if it is given where, and returns seconds.
Contender = Callable[[list[Said] | None], float]


@dataclass(frozen=True, slots=True)
class Flow:
    """The same messages for both."""

    messages: Messages
    # By number, for the plain book; by locate, for ours.
    calls: list[Call]
    located: list[Call]


def make_book() -> Book:
    """A book with room for the flow."""
    return Book(instruments=1, orders=1 << 16, nodes=1 << 10)


def make_flow(count: int) -> Flow:
    """Draw the messages; cancels and replaces need the locates that the book gives."""
    maker = _Maker(count)
    for n in range(count):
        maker.add(n)
    maker.book.close()
    return Flow(maker.messages, maker.calls, maker.located)


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
        self.located: list[Call] = []
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
        self.located.append(self._located(call))
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

    def _located(self, call: Call) -> Call:
        """The same as the book's own methods take it."""
        kind, arguments = call
        if kind == "new":
            force = TimeInForce.DAY if arguments[4] else TimeInForce.IMMEDIATE_OR_CANCEL
            return kind, (*arguments[:4], force)
        return kind, (self._open[arguments[0]].locate, *arguments)

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


def call_all(book: object, calls: list[Call], out: list[Said] | None) -> float:
    """Seconds of all calls of a book's methods; what they return is put into `out` or dropped."""
    methods: dict[str, Callable[..., Said]] = {
        name: getattr(book, name) for name in ("new", "cancel", "replace")
    }
    bound = [(methods[name], arguments) for name, arguments in calls]
    gc.collect()
    start = time.perf_counter()
    if out is None:
        for method, arguments in bound:
            method(*arguments)
    else:
        for method, arguments in bound:
            out.append(method(*arguments))
    return time.perf_counter() - start


def submit_all(book: Book, messages: Messages, batch: int, out: list[Said] | None) -> float:
    """The same of arrays of so many messages."""
    gc.collect()
    start = time.perf_counter()
    for at in range(0, len(messages), batch):
        answer = book.submit(messages[at : at + batch])
        if out is not None:
            out.append(answer)
    return time.perf_counter() - start


def traded(out: list[Said]) -> int:
    """Price x quantity of all executions."""
    total = 0
    for said in out:
        if isinstance(said, np.ndarray):
            trades = said[said["template_id"] == Template.EXECUTED].view(EXECUTED)
            total += int((trades["price_ticks"].astype(np.int64) * trades["quantity"]).sum())
            continue
        for event in said:
            if isinstance(event, Event):
                if event.template == Template.EXECUTED:
                    total += event.price_ticks * event.quantity
            elif event[0] == "executed":
                total += event[2] * event[3]
    return total


def contenders(flow: Flow) -> dict[str, Contender]:
    """What is measured, by name; each begins with an empty book."""

    def plain(out: list[Said] | None) -> float:
        return call_all(PlainBook(), flow.calls, out)

    def located(out: list[Said] | None) -> float:
        with make_book() as book:
            return call_all(book, flow.located, out)

    def numbered(out: list[Said] | None) -> float:
        with make_book() as book:
            return call_all(NumberedBook(book), flow.calls, out)

    def batches(batch: int, out: list[Said] | None) -> float:
        with make_book() as book:
            return submit_all(book, flow.messages, batch, out)

    return {
        "plain Python": plain,
        "the book, batches of 4,096": partial(batches, BATCH),
        "the book, one a call": located,
        "the book, one a call, by number": numbered,
        "the book, batches of one": partial(batches, 1),
    }


def same_market(runs: dict[str, Contender], count: int) -> bool:
    """Whether all of them trade the same; says what it is, before any time."""
    results = []
    for run in runs.values():
        out: list[Said] = []
        run(out)
        results.append(traded(out))
    if len(set(results)) != 1:
        print(f"not the same market: {results}")
        return False
    records.result("calls and batches from Python", f"{results[0]:x}")
    print(f"result {results[0]}: price x quantity of all executions, {count} messages")
    return True


def main(arguments: list[str]) -> int:
    """Print the figures; medians over rounds, lowest and highest."""
    rounds = int(arguments[0]) if arguments else 5
    count = int(arguments[1]) if len(arguments) > 1 else 200_000
    runs = contenders(make_flow(count))
    if not same_market(runs, count):
        return 1
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(run(None) / count)
    plain = times["plain Python"]
    for name, own in times.items():
        rates = sorted(1e-6 / each for each in own)
        records.figure(name, [1e-6 / each for each in own], "M/s")
        ratios = sorted(a / b for a, b in zip(plain, own, strict=True))
        print(
            f"{name:<31} {statistics.median(rates):8.3f} M/s (rounds {rates[0]:.3f} .. "
            f"{rates[-1]:.3f}), {statistics.median(ratios):.2f} x the plain one "
            f"({ratios[0]:.2f} .. {ratios[-1]:.2f})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
