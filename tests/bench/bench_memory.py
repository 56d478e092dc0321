"""What pages of which size give: `python -m tests.bench.bench_memory [rounds] [messages] [MiB]`.

    stream   one writer, one gating reader in another process, on a ring of 2^20 slots (72 MiB)
    lines    random lines of a segment, 2^20 of them gathered by numpy: the page walks show
    book     orders at random instruments in a book for 2 M, private memory with and without

Kinds that this host does not give are named with the reason. Rounds are interleaved; a figure is
the median over the rounds, beside its ratio to 4 KiB pages, lowest and highest.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import numpy as np

from engine.book import Book
from ringbus.backing import Backing, Pages, mapped, process_memory, size
from ringbus.messages import MESSAGE, NEW_ORDER, Template
from ringbus.multicast import (
    GatingReader,
    Writer,
    create_multicast,
    multicast_bytes,
    readers_bytes,
)
from ringbus.segment import Segment, segment_name, unlink
from ringbus.status import BackingError

SLOTS = 1 << 20
BATCH = 1024
LINES = 1 << 20
ORDERS = 1 << 21
SEED = 88172645463325252
PR_SET_THP_DISABLE = 41


@contextmanager
def segment(part: str, bytes_: int, pages: Pages = "4k") -> Iterator[Segment]:
    """A segment for this run only."""
    name = segment_name(f"bench{os.getpid()}", part)
    with Segment.create(name, bytes_, backing=Backing(pages)) as made:
        try:
            yield made
        finally:
            unlink(name)


def stream(pages: Pages, messages: int) -> float:
    """Millions of messages a second through the ring, until the reader has the last."""
    with (
        segment("stream", multicast_bytes(SLOTS), pages) as ring,
        segment("stream.readers", readers_bytes()) as readers,
    ):
        create_multicast(ring, readers, SLOTS, "stream")
        begin, end = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
            # As another process has it: a mapping of its own, with its own page tables.
            with Segment.attach(ring.name) as seen:
                reader = GatingReader(seen, readers, "bench")
                os.write(begin[1], b"x")
                while reader.next <= messages:
                    reader.poll()
                    reader.release()
            os.write(end[1], b"x")
            os._exit(0)
        os.read(begin[0], 1)
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        batch = np.zeros(BATCH, MESSAGE)
        with Writer(ring, readers) as writer:
            start_ns = time.perf_counter_ns()
            while writer.next <= messages:
                writer.publish(batch)
            os.read(end[0], 1)
            took_ns = time.perf_counter_ns() - start_ns
        os.waitpid(child, 0)
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        for descriptor in (*begin, *end):
            os.close(descriptor)
        return messages * 1e3 / took_ns


def lines(pages: Pages, mib: int) -> float:
    """Nanoseconds a random line."""
    with segment("lines", mib << 20, pages) as made:
        words = np.frombuffer(made.buffer(), np.uint64)
        words[:: 4096 // 8] = 1
        chosen = np.random.default_rng(SEED).integers(0, len(words) // 8, LINES) * 8
        # Written before: a fault of its own pages is not what is timed.
        out = np.ones(LINES, np.uint64)
        start_ns = time.perf_counter_ns()
        np.take(words, chosen, out=out, mode="clip")
        took_ns = time.perf_counter_ns() - start_ns
        del words
        return took_ns / LINES


def book(huge: bool, orders: int) -> float:
    """Nanoseconds an order, in a process that may or may not have huge pages of its own."""
    program = [sys.executable, "-m", __spec__.name, "book", str(int(huge)), str(orders)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[0])


def book_here(huge: bool, orders: int) -> None:
    """Fill a book, then time orders at random instruments; prints ns an order and what it got."""
    if not huge:
        ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    instruments = 10_000
    random = np.random.default_rng(SEED)
    batch = np.zeros(orders, MESSAGE).view(NEW_ORDER)
    batch["template_id"] = Template.NEW_ORDER
    batch["instrument"] = random.integers(0, instruments, orders)
    batch["side"] = random.integers(1, 3, orders)
    # Bids below 1,000 and offers above: all of them rest.
    away = random.integers(1, 500, orders)
    batch["price_ticks"] = np.where(batch["side"] == 1, 1000 - away, 1000 + away)
    batch["quantity"] = 100
    batch["client_order_id"] = np.arange(orders)
    batch["topic"] = 1
    with Book(instruments, ORDERS, 1 << 20) as it:
        half = orders // 2
        messages = batch.view(MESSAGE)
        for first in range(0, half, 4096):
            it.submit(messages[first : min(first + 4096, half)])
        start_ns = time.perf_counter_ns()
        for first in range(half, orders, 4096):
            it.submit(messages[first : first + 4096])
        took_ns = time.perf_counter_ns() - start_ns
        assert it.open_orders > 0
        print(took_ns / (orders - half), size(process_memory().huge_bytes), it.open_orders)


def row(name: str, values: dict[str, list[float]], unit: str) -> None:
    """One line a kind."""
    first = next(iter(values))
    for kind, figures in values.items():
        ratios = [a / b for a, b in zip(figures, values[first], strict=True)]
        print(
            f"{name:8} {kind:12} {statistics.median(figures):9.2f} {unit:4} "
            f"({min(figures):.2f} .. {max(figures):.2f})  x {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} .. {max(ratios):.2f})"
        )


def kinds() -> list[Pages]:
    """Those that this host gives; the others are named."""
    out: list[Pages] = []
    for pages in get_args(Pages)[:3]:
        try:
            with segment("try", multicast_bytes(SLOTS), pages) as made:
                got = mapped(made.path)
                print(f"{pages}: {got.words if got else 'as wanted'}")
            out.append(pages)
        except BackingError as error:
            print(f"{pages}: not here: {error}")
    return out


def main(rounds: int, messages: int, mib: int) -> None:
    """Time everything."""
    print(f"{rounds} rounds, {messages} messages, {LINES} lines of {mib} MiB; seed {SEED}")
    every = kinds()
    streams: dict[str, list[float]] = {pages: [] for pages in every}
    gathers: dict[str, list[float]] = {pages: [] for pages in every}
    books: dict[str, list[float]] = {"4k": [], "transparent": []}
    for _ in range(rounds):
        for pages in every:
            streams[pages].append(stream(pages, messages))
            gathers[pages].append(lines(pages, mib))
        for kind, figures in books.items():
            figures.append(book(kind != "4k", min(ORDERS, messages)))
    row("stream", streams, "M/s")
    row("lines", gathers, "ns")
    row("book", books, "ns")


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["book"]:
        book_here(words[1] == "1", int(words[2]))
    else:
        numbers = [int(word) for word in words] + [5, 1 << 23, 256][len(words) :]
        main(*numbers)
