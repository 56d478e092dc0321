"""The publisher: one order out of many lanes, waiting for those that must not miss anything."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ringbus.messages import (
    CANCELED,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    MESSAGE,
    NEW_ORDER,
    ORDER_TAG,
    Flag,
    Template,
)
from ringbus.multicast import GatingReader
from ringbus.status import CapacityError, CorruptionError, LayoutError
from tests.engine.parts import EMPTY, Lines, PublisherBench, grouped, is_sealed, templates, view
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


def answers(
    number: int, canceled: dict[int, list[int]], shards: int, tag: bool
) -> tuple[list[Lines], list[tuple[int, int]]]:
    """What each shard says to broadcast `number`, and (template, instrument) of what is published.

    Args: canceled: by shard, the instruments of its Canceled lines.
    """
    head = lines(MASS_CANCEL, Template.MASS_CANCEL, topic=1, instrument=INSTRUMENT_NONE)
    parts: list[Lines] = []
    merged: list[int] = []
    for shard in range(shards):
        made = [
            lines(CANCELED, Template.CANCELED, topic=2, instrument=one, quantity=n)
            for n, one in enumerate(canceled.get(shard, ()))
        ]
        first = grouped(head, lines(ORDER_TAG, Template.ORDER_TAG, topic=1)) if tag else head.copy()
        first["flags"][0] |= np.uint8(Flag.BROADCAST)
        whole = np.concatenate((first, *made))
        whole["flags"][len(first) :] = Flag.GENERATED
        whole["flags"][-1] |= np.uint8(Flag.LAST_OF_GROUP)
        whole["checksum"] = number
        whole["shard"] = shard
        whole["topic_sequence"] = 100 * shard + np.arange(len(whole))
        parts.append(whole)
        merged += canceled.get(shard, ())
    heads = [(int(Template.MASS_CANCEL), INSTRUMENT_NONE)]
    heads += [(int(Template.ORDER_TAG), 0)] if tag else []
    return parts, heads + [(int(Template.CANCELED), one) for one in sorted(merged)]


def kinds(stream: Lines) -> list[tuple[int, int]]:
    instruments = view(stream, MASS_CANCEL)["instrument"].tolist()
    return list(zip(templates(stream), instruments, strict=True))


@pytest.mark.parametrize("shards", range(1, 17))
def test_what_all_shards_say_to_a_broadcast_is_merged_by_instrument(shards: int) -> None:
    """Groups much longer than the lanes, in pieces, among others; shards at any pace."""
    draw = random.Random(shards)
    bench = PublisherBench(shards=shards, slots=32, ring_slots=1 << 14)
    pending: list[list[Lines]] = [[] for _ in range(shards)]
    wanted: list[tuple[int, int]] = []
    ends = []
    for number in range(1, 41):
        if draw.random() < 0.5:
            whole = group(number, draw.choice((1, 3, 20)))
            pending[draw.randrange(shards)] += [whole[n : n + 1] for n in range(len(whole))]
            wanted += [(int(Template.NEW_ORDER), 0)] * len(whole)
        else:
            canceled: dict[int, list[int]] = {}
            for shard in range(shards):
                own = [n for n in range(60) if n % shards == shard]
                chosen = draw.sample(own, draw.choice((0, 0, 1, len(own))))
                canceled[shard] = sorted(chosen * draw.choice((1, 1, 12)))
            tag = draw.random() < 0.3
            parts, merged = answers(number, canceled, shards, tag)
            wanted += merged
            for shard, part in enumerate(parts):
                # A shard commits the lines that turn the proposal round at once.
                pending[shard] += [part[: 1 + tag]]
                pending[shard] += [part[n : n + 1] for n in range(1 + tag, len(part))]
        ends.append(len(wanted) - 1)
    while any(pending):
        n = draw.randrange(shards)
        for _ in range(draw.randrange(30)):
            if pending[n] and bench.lanes[n].offer(pending[n][0]):
                pending[n].pop(0)
        bench.work(draw.choice((1, 3, 256)))
    while bench.work():
        pass
    stream = bench.reader.poll()
    assert kinds(stream) == wanted
    assert is_sealed(stream)
    assert list(np.flatnonzero(stream["flags"] & Flag.LAST_OF_GROUP)) == ends
    # Each line as its shard has said it; what all have said alike is shard 0's.
    made = stream[stream["template_id"] == Template.CANCELED]
    instruments = view(made, CANCELED)["instrument"]
    assert np.array_equal(made["shard"], instruments % shards)
    heads = stream[stream["template_id"] == Template.MASS_CANCEL]
    assert not heads["shard"].any() and not heads["topic_sequence"].any()


def test_of_one_instrument_the_lines_keep_their_order() -> None:
    bench = PublisherBench(shards=2)
    for lane, part in zip(
        bench.lanes, answers(1, {0: [2, 2, 4], 1: [3, 3]}, 2, False)[0], strict=True
    ):
        lane.offer(part)
    bench.work()
    lines_ = view(bench.reader.poll(), CANCELED)[1:]
    assert lines_["instrument"].tolist() == [2, 2, 3, 3, 4]
    assert lines_["quantity"].tolist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize("slow", [0, 1, 2])
def test_a_shard_that_has_not_answered_a_broadcast_is_waited_for(slow: int) -> None:
    bench = PublisherBench(shards=3)
    parts, merged = answers(1, {0: [3], 1: [1], 2: [2]}, 3, False)
    for n in range(3):
        if n != slow:
            bench.lanes[n].offer(parts[n])
    bench.work()
    assert len(bench.reader.poll()) == 0
    # It has begun; what it says next may be of the lowest instrument.
    bench.lanes[slow].offer(parts[slow][:1])
    bench.work()
    got = [bench.reader.poll().copy()]
    assert kinds(got[0]) == merged[:1]
    bench.lanes[slow].offer(parts[slow][1:])
    bench.work()
    got.append(bench.reader.poll().copy())
    assert kinds(np.concatenate(got)) == merged
    assert list(np.concatenate(got)["flags"] & Flag.LAST_OF_GROUP) == [0, 0, 0, 1]


def test_a_broadcast_that_nothing_follows_from_is_one_line() -> None:
    bench = PublisherBench(shards=16, slots=32)
    parts, _ = answers(1, {}, 16, False)
    for lane, part in zip(bench.lanes, parts, strict=True):
        lane.offer(part)
    bench.lanes[5].offer(group(2))
    bench.work()
    out = bench.reader.poll()
    assert templates(out) == [Template.MASS_CANCEL, Template.NEW_ORDER]
    assert out["flags"][0] == Flag.BROADCAST | Flag.LAST_OF_GROUP


def test_a_broadcast_waits_for_a_gating_reader() -> None:
    bench = PublisherBench(shards=2, ring_slots=8)
    journal = GatingReader(bench.ring, bench.readers, "journal")
    parts, merged = answers(1, {0: list(range(0, 20, 2)), 1: list(range(1, 20, 2))}, 2, True)
    for lane, part in zip(bench.lanes, parts, strict=True):
        lane.offer(part)
    got = [EMPTY]
    for _ in range(30):
        bench.work()
        got.append(journal.poll(3).copy())
        journal.release()
    assert kinds(np.concatenate(got)) == merged


@pytest.mark.parametrize("wrong", ["input", "template", "tag"])
def test_shards_that_answer_a_broadcast_differently_are_a_broken_invariant(wrong: str) -> None:
    bench = PublisherBench(shards=2)
    parts, _ = answers(1, {}, 2, False)
    if wrong == "input":
        parts[1]["checksum"] = 2
    elif wrong == "template":
        parts[1]["template_id"] = Template.REJECTED
    else:
        parts[1] = answers(1, {}, 2, True)[0][1]
    for lane, part in zip(bench.lanes, parts, strict=True):
        lane.offer(part)
    with pytest.raises(CorruptionError):
        bench.work()


def test_lanes_hold_a_whole_answer() -> None:
    with pytest.raises(LayoutError):
        PublisherBench(slots=8)


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
        PublisherBench(shards=17, slots=32)
