"""A day of trading of any length, made quickly through the real engine and a real journal.

Sessions trade in turns, one proposal of each in flight. A session has SLOTS places for orders and
draws one a turn: a free one gets a new order, a taken one is canceled. So orders live as long as
the draw lets them, about half of the places are taken, and one number in so many crosses the
spread. What took a session's number first (an execution) drops its proposal, as in life.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.fused import FusedEngine, Size
from ringbus._ringbus import ffi, lib
from ringbus.journal import SEGMENT_MESSAGES, Journal
from ringbus.messages import (
    CANCEL,
    EXECUTED,
    INSTRUMENT_NONE,
    MESSAGE,
    NEW_ORDER,
    SESSION_EVENT,
    SessionEventKind,
    Side,
    Template,
    TimeInForce,
)
from ringbus.multicast import Reader
from tests.tools.days import opening

SEED = 88172645463325252
SLOTS = 64
SESSIONS = 4096
INSTRUMENTS = 1000
ACCOUNTS = 64
FIRMS = 8
RING = 1 << 16
# One new order in so many takes the other side's best.
AGGRESSIVE = 20
MIDDLE = 10_000

Lines = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Day:
    """A day that is over: its engine, with the ring it left, and its journal's directory."""

    engine: FusedEngine
    directory: Path
    messages: int
    checksum: int
    segment_messages: int


class _Traders:
    """What all sessions know, by session and slot; client_order_id % SLOTS is the slot."""

    def __init__(self) -> None:
        self._draw = np.random.default_rng(SEED)
        self._numbers = np.zeros(SESSIONS + 1, np.uint32)
        # 0: free.
        self._orders = np.zeros((SESSIONS, SLOTS), np.uint32)
        self._locates = np.zeros((SESSIONS, SLOTS), np.uint32)
        self._instruments = np.zeros((SESSIONS, SLOTS), np.uint32)
        self._open = np.zeros((SESSIONS, SLOTS), np.uint32)
        self._turn = 0

    def log_in(self) -> Lines:
        """The first line of every session."""
        out = self._turn_of(Template.SESSION_EVENT).view(SESSION_EVENT)
        out["instrument"] = INSTRUMENT_NONE
        out["kind"] = SessionEventKind.LOGIN
        return out.view(MESSAGE)

    def propose(self) -> Lines:
        """One line of every session."""
        draw, sessions = self._draw, np.arange(SESSIONS)
        self._turn += 1
        slots = draw.integers(0, SLOTS, SESSIONS)
        orders = self._orders[sessions, slots]
        is_new = orders == 0
        out = self._turn_of(Template.CANCEL)
        out["template_id"][is_new] = Template.NEW_ORDER
        new, cancels = out.view(NEW_ORDER), out.view(CANCEL)
        instruments = draw.integers(0, INSTRUMENTS, SESSIONS)
        new["instrument"] = np.where(is_new, instruments, self._instruments[sessions, slots])
        new["client_order_id"] = np.where(is_new, self._turn * SLOTS + slots, orders)
        cancels["locate"] = np.where(is_new, 0, self._locates[sessions, slots])
        quantities = draw.integers(1, 10, SESSIONS) * 100
        new["quantity"] = np.where(is_new, quantities, self._open[sessions, slots])
        sides = draw.integers(Side.BUY, Side.SELL + 1, SESSIONS)
        away = draw.integers(1, 20, SESSIONS)
        takes = draw.integers(0, AGGRESSIVE, SESSIONS) == 0
        away[takes] = -20
        prices = np.where(sides == Side.BUY, MIDDLE - away, MIDDLE + away)
        new["account"] = out["topic"] % ACCOUNTS
        new["firm"] = out["topic"] % FIRMS
        times = np.where(takes, TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.DAY)
        for name, values in (
            ("side", sides),
            ("price_ticks", prices),
            ("time_in_force", times),
            ("display", np.full(SESSIONS, b"Y")),
        ):
            new[name][is_new] = values[is_new]
        return out

    def hear(self, lines: Lines) -> None:
        """What came of it."""
        topics = lines["topic"].astype(np.int64)
        self._numbers[topics] = lines["topic_sequence"]
        self._numbers[0] = 0
        new = lines[lines["template_id"] == Template.NEW_ORDER].view(NEW_ORDER)
        at = (new["topic"] - 1, new["client_order_id"] % SLOTS)
        self._orders[at] = new["client_order_id"]
        self._locates[at] = new["locate"]
        self._instruments[at] = new["instrument"]
        self._open[at] = new["quantity"]
        # Executed, Canceled and Cancel have the order and what remains of it in the same places.
        ends = (Template.EXECUTED, Template.CANCELED, Template.CANCEL)
        less = lines[np.isin(lines["template_id"], ends)].view(EXECUTED)
        at = (less["topic"] - 1, less["client_order_id"] % SLOTS)
        self._open[at] = less["remaining"]
        self._orders[at] *= less["remaining"] != 0

    def _turn_of(self, template: Template) -> Lines:
        out: Lines = np.zeros(SESSIONS, MESSAGE)
        out["template_id"] = template
        out["topic"] = np.arange(1, SESSIONS + 1)
        out["topic_sequence"] = self._numbers[1:] + 1
        return out


def make(directory: Path, messages: int, segment_messages: int = SEGMENT_MESSAGES) -> Day:
    """Trade until so many messages are on the stream.

    Returns: the day; `checksum` is CRC-32C over the checksums of all lines, in order.
    """
    size = Size(
        INSTRUMENTS,
        topics=SESSIONS + 1,
        stream_slots=RING,
        orders=SESSIONS * SLOTS,
        price_nodes=INSTRUMENTS * 64,
    )
    engine = FusedEngine(size)
    engine.core.add(
        "journal", journal := Journal(directory, engine.ring, engine.readers, segment_messages)
    )
    reader, traders = Reader(engine.ring), _Traders()
    checksum = 0

    def settle() -> None:
        nonlocal checksum
        engine.settle()
        while len(lines := reader.poll()):
            traders.hear(lines)
            sums = np.append(np.uint32(checksum), lines["checksum"])
            checksum = int(lib.rb_crc32c(ffi.from_buffer(sums), sums.nbytes))

    for line in opening(1, bytes(INSTRUMENTS)):
        engine.propose(line)
    settle()
    engine.offer(traders.log_in())
    while True:
        settle()
        if reader.next > messages:
            break
        engine.offer(traders.propose())
    journal.sync()
    journal.close()
    return Day(engine, directory, reader.next - 1, checksum, segment_messages)
