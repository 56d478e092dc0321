"""The publisher: one order out of many lanes, waiting for those that must not miss anything."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ringbus.messages import MESSAGE, NEW_ORDER, Flag, Template
from ringbus.multicast import GatingReader
from ringbus.status import CapacityError, CorruptionError
from tests.engine.parts import EMPTY, Lines, PublisherBench, is_sealed, templates, view
from tests.engine.trader import lines, new_order


def group(number: int, size: int = 1, skip: bool = False) -> Lines:
    """The answer to input `number`: its lines say which they are."""
    if skip:
        out = lines(MESSAGE, Template.SKIP)
    else:
        out = np.concatenate([new_order(1, 1, number, quantity=n) for n in range(size)])
    out["checksum"] = number
    out["flags"][-1] |= Flag.LAST_OF_GROUP
    return out


def said(stream: Lines) -> list[tuple[int, int]]:
    orders = view(stream, NEW_ORDER)
    return list(zip(orders["client_order_id"].tolist(), orders["quantity"].tolist(), strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_merged_in_the_order_of_their_inputs(seed: int) -> None:
    """Shards work at any pace, a group comes in pieces: the stream is the same."""
    draw = random.Random(seed)
    bench = PublisherBench(shards=4, ring_slots=4096)
    pending: list[list[Lines]] = [[], [], [], []]
    wanted = []
    for number in range(1, 301):
        skip = draw.random() < 0.1
        whole = group(number, draw.choice((1, 1, 2, 3, 40)), skip)
        wanted += [] if skip else said(whole)
        pending[draw.randrange(4)] += [whole[n : n + 1] for n in range(len(whole))]
    while any(pending):
        n = draw.randrange(4)
        for _ in range(draw.randrange(30)):
            if pending[n] and bench.lanes[n].offer(pending[n][0]):
                pending[n].pop(0)
        bench.work(draw.choice((1, 3, 256)))
    while bench.work():
        pass
    stream = bench.reader.poll()
    assert said(stream) == wanted
    assert is_sealed(stream)


def test_it_waits_for_the_next_input_whatever_else_is_there() -> None:
    bench = PublisherBench(shards=2)
    bench.lanes[1].offer(np.concatenate([group(2), group(3)]))
    assert bench.work() == 0
    assert len(bench.reader.poll()) == 0
    bench.lanes[0].offer(group(1))
    assert bench.work() == 3
    assert [number for number, _ in said(bench.reader.poll())] == [1, 2, 3]


def test_nothing_comes_between_the_lines_of_a_group() -> None:
    bench = PublisherBench(shards=2)
    whole = group(1, 3)
    bench.lanes[0].offer(whole[:1])
    bench.lanes[1].offer(group(2))
    bench.work()
    assert said(bench.reader.poll()) == [(1, 0)]
    bench.lanes[0].offer(whole[1:])
    bench.work()
    assert said(bench.reader.poll()) == [(1, 1), (1, 2), (2, 0)]


def test_a_skip_is_never_published() -> None:
    bench = PublisherBench(shards=2)
    bench.lanes[0].offer(np.concatenate([group(1, skip=True), group(3)]))
    bench.lanes[1].offer(group(2, skip=True))
    assert bench.work() == 3
    stream = bench.reader.poll()
    assert templates(stream) == [Template.NEW_ORDER]
    assert is_sealed(stream)
    assert bench.agent.next == 2


def test_only_skips_wake_nobody_and_take_no_sequence() -> None:
    bench = PublisherBench(shards=1)
    bench.lanes[0].offer(np.concatenate([group(n, skip=True) for n in range(1, 40)]))
    assert bench.work() == 39
    assert bench.agent.next == 1
    assert bench.reader.tail == 0


def test_it_waits_for_a_gating_reader() -> None:
    bench = PublisherBench(shards=1, ring_slots=8)
    journal = GatingReader(bench.ring, bench.readers, "journal")
    bench.lanes[0].offer(np.concatenate([group(n) for n in range(1, 31)]))
    got = [EMPTY]
    assert bench.work() == 8
    assert bench.work() == 0
    for _ in range(30):
        got.append(journal.poll(3).copy())
        journal.release()
        bench.work()
    assert [number for number, _ in said(np.concatenate(got))] == list(range(1, 31))
    assert is_sealed(np.concatenate(got))


def test_it_does_not_wait_for_a_skip_to_find_room() -> None:
    bench = PublisherBench(shards=1, ring_slots=8)
    gate = GatingReader(bench.ring, bench.readers, "journal")
    bench.lanes[0].offer(np.concatenate([group(n) for n in range(1, 9)]))
    bench.lanes[0].offer(np.concatenate([group(9, skip=True), group(10)]))
    assert bench.work() == 9
    gate.poll()
    gate.release()
    assert bench.work() == 1


def test_header_fields_are_published_as_they_came() -> None:
    bench = PublisherBench(shards=1)
    line = new_order(5, 6, time_ns=77, publisher=8, shard=9)
    line["checksum"] = 1
    line["flags"] = Flag.LAST_OF_GROUP
    bench.lanes[0].offer(line)
    bench.work()
    out = bench.reader.poll()
    assert out[0].tobytes()[8:28] == line[0].tobytes()[8:28]
    assert out[0].tobytes()[32:] == line[0].tobytes()[32:]
    assert is_sealed(out)


def test_another_input_in_the_middle_of_a_group_is_a_broken_invariant() -> None:
    bench = PublisherBench(shards=1)
    bench.lanes[0].offer(np.concatenate([group(1, 2)[:1], group(2)]))
    with pytest.raises(CorruptionError, match="input"):
        bench.work()


def test_there_is_a_limit_of_shards() -> None:
    with pytest.raises(CapacityError):
        PublisherBench(shards=17, slots=16)
