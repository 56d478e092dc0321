"""What an application in Python costs: `make bench-application`.

One stream of made-up messages in a ring, read by applications of several kinds; each row is stream
messages a second, of which so many reached Python. Rows take turns; medians of the rounds, with the
lowest and the highest.

`python -m tests.bench.bench_application [ROUNDS] [MESSAGES]`
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ports.auction import Auction
from ports.auction_orders import AuctionOrders
from ports.auction_plan import AuctionPlan, Schedule
from ports.fairy import CancelFairy
from ports.open_orders import OpenOrders
from ringbus.application import Application
from ringbus.contributor import Contributor
from ringbus.core import Core, create_page, page_bytes
from ringbus.filter import Filter
from ringbus.lines import Cancel, Canceled, Executed, NewOrder, Replace
from ringbus.memory import Block
from ringbus.messages import EXECUTED, MESSAGE, Template
from ringbus.multicast import Writer
from ringbus.proposer import Proposer
from ringbus.replay import Stream
from ringbus.topics import Topics
from ringbus.volley import Volley
from tests.bench import records
from tests.ringbus.support import make_bells, make_doorbell, make_lane, make_ring

SEED: Final = 88172645463325252
TOPICS, SHARDS, ORDERS, INSTRUMENTS = 256, 4, 1 << 16, 1000
# What a day's stream consists of, about as the Shanghai day of the demo.
SHARES = {
    Template.NEW_ORDER: 0.45, Template.CANCEL: 0.15, Template.REPLACE: 0.05,
    Template.EXECUTED: 0.3, Template.CANCELED: 0.05,
}  # fmt: skip


class Sums(Application):
    """Adds up what has traded."""

    total = 0

    def on_batch(self, batch: NDArray[np.void]) -> None:
        """A whole batch."""
        lines = batch.view(EXECUTED)
        executed = lines["template_id"] == Template.EXECUTED
        self.total += int(lines["quantity"][executed].sum(dtype=np.uint64))


class Singly(Application):
    """The same, message by message."""

    total = 0

    def on_executed(self, line: Executed) -> None:
        """One side of a trade."""
        self.total += line.quantity


class Everything(Singly):
    """Has a method for every message."""

    orders = 0

    def on_new_order(self, line: NewOrder) -> None:
        """Counted."""
        self.orders += 1

    def on_cancel(self, line: Cancel) -> None:
        """Counted."""
        self.orders -= line.remaining == 0

    def on_replace(self, line: Replace) -> None:
        """Of no interest."""

    def on_canceled(self, line: Canceled) -> None:
        """Counted."""
        self.orders -= line.remaining == 0


def made_up(count: int) -> NDArray[np.void]:
    """A stream whose topics count as they should."""
    draw = np.random.default_rng(SEED)
    out: NDArray[np.void] = np.zeros(count, MESSAGE)
    lines = out.view(EXECUTED)
    lines["template_id"] = draw.choice(list(SHARES), count, p=list(SHARES.values()))
    lines["topic"] = draw.integers(0, TOPICS, count)
    lines["shard"] = draw.integers(0, SHARDS, count)
    lines["quantity"] = draw.integers(1, 1000, count)
    lines["locate"] = draw.integers(1, ORDERS, count)
    lines["instrument"] = draw.integers(0, INSTRUMENTS, count)
    lines["time_ns"] = 10**18 + np.arange(count) * 1000
    lock = lines["topic"].astype(np.int64) * SHARDS + lines["shard"]
    order = np.argsort(lock, kind="stable")
    first = np.r_[0, np.flatnonzero(np.diff(lock[order])) + 1]
    within = np.arange(count) - np.repeat(first, np.diff(np.r_[first, count]))
    lines["topic_sequence"][order] = within + 1
    return out


def main(rounds: int = 7, count: int = 1 << 20) -> int:
    """Print the table."""
    messages = made_up(count)
    ring, readers = make_ring(1 << (count - 1).bit_length())
    with Writer(ring, readers) as writer:
        assert writer.publish(messages) == count
    stream = Stream(ring)
    only = [Template.EXECUTED]
    page = Block(page_bytes())
    create_page(page, "bench")
    core = Core(page, make_bells(), "bench", "spin")

    def proposer() -> Proposer:
        return Proposer(
            Contributor(make_lane(64), 1, make_doorbell()), core, Topics(TOPICS, SHARDS)
        )

    def fairy() -> CancelFairy:
        return CancelFairy(stream, proposer(), OpenOrders(SHARDS, ORDERS), INSTRUMENTS)

    def auction() -> Auction:
        way = Contributor(make_lane(64), 1, make_doorbell())
        return Auction(
            stream,
            Volley(way, core, Topics(TOPICS, SHARDS)),
            AuctionOrders(SHARDS, ORDERS, INSTRUMENTS),
            AuctionPlan(Schedule(), INSTRUMENTS, 0),
            np.zeros(INSTRUMENTS, np.intp),
            np.ones((INSTRUMENTS, 2), np.int64),
        )

    kinds: dict[str, Callable[[], Sums | Singly | CancelFairy | Auction]] = {
        "whole batches, all": lambda: Sums(stream),
        "whole batches, executions": lambda: Sums(stream, Filter(only)),
        "whole batches, one topic": lambda: Sums(stream, Filter(topics=[7])),
        "whole batches, executions, proposes": lambda: Sums(stream, Filter(only), proposer()),
        "one by one, executions": lambda: Singly(stream),
        "one by one, executions, proposes": lambda: Singly(stream, None, proposer()),
        "one by one, everything": lambda: Everything(stream),
        "a cancel fairy rebuilds itself": fairy,
        "an auction rebuilds itself": auction,
    }
    took: dict[str, list[float]] = {name: [] for name in kinds}
    reached: dict[str, int] = {}
    totals: dict[str, int] = {}
    for _ in range(rounds):
        for name, make in kinds.items():
            app = make()
            start_s = time.perf_counter()
            while app.do_work(4096):
                pass
            took[name].append(time.perf_counter() - start_s)
            reached[name] = app.counts.wanted
            if not isinstance(app, CancelFairy | Auction):
                totals[name] = app.total
    whole = totals["whole batches, all"]
    assert all(total == whole for name, total in totals.items() if "topic" not in name)
    records.result("quantity executed", f"{whole:x}")
    print(f"result {whole}: quantity executed, {count} messages, {rounds} rounds")
    print("| application | reached Python | stream messages/s | lowest to highest | a call |")
    print("|---|---|---|---|---|")
    for name, times in took.items():
        rates = sorted(count / one / 1e6 for one in times)
        records.figure(name, [count / one / 1e6 for one in times], "M/s")
        calls = ""
        if "one by one" in name:
            calls = f"{statistics.median(times) / reached[name] * 1e9:,.0f} ns"
        print(
            f"| {name} | {reached[name]:,} | {statistics.median(rates):.2f} M "
            f"| {rates[0]:.2f} to {rates[-1]:.2f} M | {calls} |"
        )
    core.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
