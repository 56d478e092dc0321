"""The same trading gives the same stream: for any number of shards, on any cores, at any pace."""

from __future__ import annotations

import hashlib

# An exception to the rule against threads: here they are cores, which run in C without the GIL.
import threading
from functools import cache

import numpy as np
import pytest

from engine.book import Book
from engine.canonical import canonical
from engine.publisher import Publisher
from engine.sequencer import Sequencer
from engine.shard import Shard
from ringbus._ringbus import lib as ringbus
from ringbus.core import Core, CorePage, CoreState, create_page, page_bytes
from ringbus.idle import Idle
from ringbus.lane import Lane
from ringbus.memory import Block
from ringbus.messages import (
    CANCELED,
    MESSAGE,
    NEW_ORDER,
    REJECTED,
    CancelReason,
    Flag,
    Template,
)
from ringbus.multicast import GatingReader, Reader, create_multicast, multicast_bytes, readers_bytes
from ringbus.status import UsageError, check
from tests.engine.flow import GROUP_OF, INSTRUMENTS, TOPICS, Day, engine_of, feed, placement, trade
from tests.engine.parts import EMPTY, Lines, Scheduler, bells_block, is_sealed, lane_block, view
from tests.engine.trader import new_order, tagged

SEED = 20261121
PROPOSALS = 20_000


@cache
def day(shards: int) -> Day:
    return trade(shards, SEED, PROPOSALS)


def digest(stream: Lines) -> str:
    return hashlib.sha256(stream.tobytes()).hexdigest()


def test_the_day_has_everything_in_it() -> None:
    one = day(1)
    assert is_sealed(one.stream)
    kinds = dict(zip(*np.unique(one.stream["template_id"], return_counts=True), strict=True))
    for template in (
        Template.NEW_ORDER,
        Template.CANCEL,
        Template.REPLACE,
        Template.REJECT,
        Template.ORDER_TAG,
        Template.SESSION_EVENT,
        Template.EXECUTED,
        Template.CANCELED,
        Template.REJECTED,
        Template.MASS_CANCEL,
        Template.MULTI_LEG_ORDER,
        Template.COMMAND,
        Template.STATE_CHANGED,
    ):
        assert kinds[template] > 100, template.name
    assert kinds[Template.CROSS_RESULT] >= 20
    assert kinds[Template.TRADE_CHANGE] > 20
    reasons = view(one.stream[one.stream["template_id"] == Template.CANCELED], CANCELED)["reason"]
    canceled = np.bincount(reasons)
    assert canceled[CancelReason.MASS_CANCEL] + canceled[CancelReason.SUPERVISORY] > 500
    broadcasts = np.flatnonzero(one.stream["flags"] & Flag.BROADCAST)
    assert len(broadcasts) > 100
    # Some are refused by all shards, and many cancel orders in several instruments.
    assert (one.stream["template_id"][broadcasts] == Template.REJECTED).any()
    assert one.dropped > 500
    assert one.lost > 500
    assert one.gave_up > 100
    assert one.rejected > 100


@pytest.mark.parametrize("shards", [2, 4, 8])
def test_the_stream_is_the_same_in_canonical_form_for_any_number_of_shards(shards: int) -> None:
    one, many = day(1), day(shards)
    assert len(many.stream) == len(one.stream)
    assert digest(canonical(many.stream)) == digest(canonical(one.stream))
    # It was not the same all along.
    assert digest(many.stream) != digest(one.stream)
    assert set(many.stream["shard"]) == set(placement(shards))


def test_the_stream_is_the_same_whichever_shard_an_instrument_is_on() -> None:
    other = trade(3, SEED, 4000, shard_of=bytes([2, 0, 0, 1, 2, 0]))
    one = trade(1, SEED, 4000)
    assert digest(canonical(other.stream)) == digest(canonical(one.stream))


@pytest.mark.parametrize(("shards", "seed"), [(1, 1), (2, 2), (4, 3), (4, 4), (8, 5)])
def test_the_stream_is_the_same_bytes_however_the_agents_are_scheduled(
    shards: int, seed: int
) -> None:
    engine = engine_of(shards, lane_slots=16)
    scheduler = Scheduler(engine, seed)
    reader = Reader(engine.ring)
    feed(engine, day(shards).proposals, lambda: scheduler.some(2))
    scheduler.rest()
    parts = [EMPTY]
    while len(part := reader.poll()):
        parts.append(part.copy())
    assert digest(np.concatenate(parts)) == digest(day(shards).stream)
    assert [book.hash() for book in engine.books] == day(shards).book_hashes
    for book in engine.books:
        book.verify()
    engine.close()


class Spread:
    """Every shard and the publisher on a core of its own, each a thread that runs in C."""

    def __init__(self, shards: int, wait: str, lane_slots: int, ring_slots: int) -> None:
        self._bells = bells_block()
        self._doorbell = Block(int(ringbus.rb_doorbell_bytes()))
        check(ringbus.rb_doorbell_init(self._doorbell.address, self._doorbell.size, b"spread"))
        self._pages: list[Block] = []
        self.cores: list[Core] = []
        lanes = [lane_block(lane_slots, f"contributor.{n}") for n in range(2)]
        inward = [lane_block(lane_slots, f"in.{n}") for n in range(shards)]
        outward = [lane_block(lane_slots, f"out.{n}") for n in range(shards)]
        self.lanes = [Lane(memory) for memory in lanes]
        ring, readers = Block(multicast_bytes(ring_slots)), Block(readers_bytes())
        create_multicast(ring, readers, ring_slots, "stream")
        self.reader = GatingReader(ring, readers, "test")
        self.books = [Book(INSTRUMENTS, 65536, 16384) for _ in range(shards)]
        last = self._core("publisher", wait)
        last.add("publisher", Publisher(last, ring, readers, outward))
        masks = []
        for n in range(shards):
            core = self._core(f"shard.{n}", wait)
            masks.append(1 << core.bell)
            core.add(
                f"shard.{n}",
                Shard(core, n, inward[n], outward[n], self.books[n], TOPICS, 1 << last.bell),
            )
        # The sequencer is stepped by the test, which so decides the order of the inputs.
        self.first = self._core("sequencer", "spin")
        self.sequencer = Sequencer(
            self.first,
            self._doorbell,
            lanes,
            list(zip(inward, masks, strict=True)),
            placement(shards),
            TOPICS,
            GROUP_OF,
        )
        self.first.add("sequencer", self.sequencer)
        self._threads = [threading.Thread(target=core.run) for core in self.cores[:-1]]

    def __enter__(self) -> Spread:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        for page in self._pages:
            CorePage(page).stop()
        for thread in self._threads:
            thread.join()

    def _core(self, name: str, wait: str) -> Core:
        page = Block(page_bytes())
        create_page(page, name)
        self._pages.append(page)
        core = Core(page, self._bells, name, wait, "counted", stream_reader=False)
        self.cores.append(core)
        return core

    def offer(self, contributor: int, group: Lines) -> None:
        assert self.lanes[contributor].offer(group) == len(group)
        check(ringbus.rb_doorbell_press(self._doorbell.address, contributor))

    def read(self) -> Lines:
        part = self.reader.poll().copy()
        self.reader.release()
        return part

    def idle(self) -> Idle:
        return Idle(self._bells, "test")

    @property
    def states(self) -> list[CoreState]:
        """Of all cores but the sequencer's."""
        return [CorePage(page).state for page in self._pages[:-1]]


@pytest.mark.parametrize(("shards", "wait"), [(4, "park"), (2, "yield")])
def test_the_stream_is_the_same_bytes_on_cores_that_run_at_the_same_time(
    shards: int, wait: str
) -> None:
    wanted = day(shards)
    parts = [EMPTY]
    spread = Spread(shards, wait, lane_slots=64, ring_slots=1024)
    with spread, spread.idle() as idle:

        def read() -> int:
            part = spread.read()
            parts.append(part)
            idle.step(len(part))
            return len(part)

        for contributor, group in wanted.proposals:
            spread.offer(contributor, group)
            while spread.lanes[contributor].depth:
                if spread.first.round() == 0:
                    read()
        got = sum(len(part) for part in parts)
        while got < len(wanted.stream):
            assert set(spread.states) <= {CoreState.STARTING, CoreState.RUNNING}
            got += read()
    assert set(spread.states) == {CoreState.STOPPED}
    assert digest(np.concatenate(parts)) == digest(wanted.stream)
    assert [book.hash() for book in spread.books] == wanted.book_hashes


def test_canonical_form_leaves_everything_else_alone() -> None:
    line = tagged(new_order(1, 2, locate=3, shard=4, checksum=5), b"A" * 24)
    line["shard"] = 4
    line["sequence"] = (8, 9)
    before = line.copy()
    out = canonical(line)
    assert line.tobytes() == before.tobytes()
    assert not out["shard"].any() and not out["checksum"].any()
    assert not out["topic_sequence"].any()
    order = view(out, NEW_ORDER)[0]
    assert order["locate"] == 0
    assert (order["sequence"], order["quantity"], order["price_ticks"]) == (8, 10, 100)
    # The tag's text lies where a locate would.
    assert out[1].tobytes()[32:] == before[1].tobytes()[32:]


def test_canonical_form_knows_every_template_with_a_locate() -> None:
    line = new_order(1, 1, locate=3)
    for template in (1, 2, 3, 5, 64, 65, 66):
        line["template_id"] = template
        assert view(canonical(line), REJECTED)["locate"] == [0]
    for template in (4, 7, 12, 13, 14, 15, 127, 255):
        line["template_id"] = template
        assert view(canonical(line), REJECTED)["locate"] == [3]


def test_canonical_form_is_of_messages() -> None:
    with pytest.raises(UsageError):
        canonical(np.zeros(4, np.dtype([("a", "<u8")])))
    assert len(canonical(np.zeros(0, MESSAGE))) == 0
