"""The standby takes a dead engine's place, wherever in its work that died."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from engine._engine import lib as engine_lib
from engine.fused import FusedEngine
from engine.passive import Divergence, PassiveEngine
from engine.standby import Estate, Standby
from ringbus.journal import Journal, read_day
from ringbus.messages import EPOCH_START, INSTRUMENT_NONE, MASS_CANCEL, Flag, Template
from ringbus.multicast import Reader, Writer
from ringbus.status import CorruptionError, DataError
from tests.engine.flow import GROUP_OF, Day, placement, size, trade
from tests.engine.parts import Lines, bells_block, make_core

SEED = 11
PROPOSALS = 45
SEGMENT = 1 << 10
NOW_NS = 1_700_000_000_000_000_000
BUILD = 0xB111D


@cache
def day(shards: int) -> Day:
    return trade(shards, SEED, PROPOSALS)


def same(stream: Lines, expected: Lines) -> bool:
    """Equal but for what a second run has otherwise: places on the stream, time, checksum."""
    one, two = stream.copy(), expected.copy()
    for lines in (one, two):
        for name in ("sequence", "time_ns", "checksum"):
            lines[name] = 0
    return np.array_equal(one, two)


def run_until(shards: int, lines: int, slots: int = 1 << 10) -> FusedEngine:
    """An engine with everything sequenced and answered, and `lines` lines on the stream."""
    small = replace(size(shards), stream_slots=slots, orders=256, price_nodes=256)
    engine = FusedEngine(small, "manual", placement(shards), group_of=GROUP_OF)
    engine.core.set_time(NOW_NS)
    for contributor, group in day(shards).proposals:
        assert engine.offer(group, contributor) == len(group)
        engine_lib.eng_sequencer_work(engine.sequencer.state, 64)
        for shard in engine.shards:
            engine_lib.eng_shard_work(shard.state, 64)
    done = 0
    while done < lines:
        before = engine.publisher.next
        assert engine_lib.eng_publisher_work(engine.publisher.state, 1) == 1
        done += engine.publisher.next - before
    return engine


def estate(engine: FusedEngine) -> Estate:
    return Estate(
        engine.doorbell,
        engine.lane_memory,
        engine.inward,
        engine.outward,
        engine.ring,
        engine.readers,
        engine.size.topics,
        GROUP_OF,
    )


class Successor:
    """A standby of an engine, and after `promote` the agents that it runs."""

    def __init__(self, engine: FusedEngine, directory: Path) -> None:
        self.engine = engine
        self.standby = Standby(engine.size, engine.shard_of, engine.ring, directory, SEGMENT)
        self.core = make_core(bells_block())
        self.core.set_time(NOW_NS + 1)

    def promote(self) -> None:
        self.standby.promote(self.core, estate(self.engine), BUILD, NOW_NS + 1, lambda: None)
        self.settle()

    def settle(self) -> None:
        while self.core.round():
            pass

    def propose(self, contributor: int, group: Lines) -> None:
        group = group.copy()
        group["reserved"][0] = self.standby.epoch
        assert self.engine.offer(group, contributor) == len(group)
        self.settle()

    def propose_again(self, published: Lines, proposals: list[tuple[int, Lines]]) -> None:
        """Everything, since locks make it harmless, but broadcasts that were answered: those have
        no lock, and their contributor has seen the answer before the EpochStart."""
        answered = int(((published["flags"] & Flag.BROADCAST) != 0).sum())
        for contributor, group in proposals:
            first = group.view(MASS_CANCEL)[0]
            broadcast = first["instrument"] == INSTRUMENT_NONE
            if broadcast and first["template_id"] == Template.MASS_CANCEL and answered > 0:
                answered -= 1
                continue
            self.propose(contributor, group)

    def stream(self) -> Lines:
        reader = Reader(self.engine.ring)
        return reader.poll(1 << 16).copy()

    def close(self) -> None:
        self.standby.close()
        self.core.close()


def groups_until(expected: Lines, lines: int) -> int:
    """Lines of the whole groups that begin within the first `lines`."""
    if lines == 0:
        return 0
    ends = np.flatnonzero((expected["flags"] & Flag.LAST_OF_GROUP) != 0)
    return int(ends[np.searchsorted(ends, lines - 1)]) + 1


@pytest.mark.parametrize("shards", [1, 2])
def test_it_goes_on_from_every_line_that_the_dead_one_said_last(
    shards: int, tmp_path: Path
) -> None:
    """R79: killed behind any line of a group: the group is finished, nothing is lost, and
    what contributors propose again is done once."""
    expected = day(shards).stream
    assert len(expected) > 60
    executed = expected["template_id"] == Template.EXECUTED
    assert executed.sum() > 10
    for lines in range(len(expected) + 1):
        engine = run_until(shards, lines)
        successor = Successor(engine, tmp_path)
        successor.promote()
        whole = groups_until(expected, lines)
        stream = successor.stream()
        assert same(stream[:whole], expected[:whole]), lines
        start = stream[whole : whole + 1].view(EPOCH_START)[0]
        assert len(stream) == whole + 1
        assert start["template_id"] == Template.EPOCH_START
        assert (start["epoch"], start["build_hash"]) == (2, BUILD)
        assert start["time_ns"] == NOW_NS + 1
        # Contributors do not know how far it came: all of it is proposed again, in its order.
        successor.propose_again(expected[:whole], day(shards).proposals)
        stream = np.delete(successor.stream(), whole)
        assert same(stream, expected), lines
        successor.close()
        engine.close()


def test_the_new_reign_can_be_followed_and_taken_over_again(tmp_path: Path) -> None:
    """R77: a second standby follows from message 1 through the change, and a third after it."""
    expected = day(2).stream
    engine = run_until(2, 20)
    for reigns in range(1, 4):
        successor = Successor(engine, tmp_path)
        while successor.standby.follow():
            pass
        assert successor.standby.epoch == reigns
        successor.promote()
        successor.propose_again(successor.stream(), day(2).proposals[: 15 * reigns])
    stream = successor.stream()
    starts = stream[stream["template_id"] == Template.EPOCH_START].view(EPOCH_START)
    assert starts["epoch"].tolist() == [2, 3, 4]
    assert np.all(np.diff(stream["time_ns"].astype(np.int64)) >= 0)
    rest = stream[stream["template_id"] != Template.EPOCH_START]
    assert same(rest, expected[: len(rest)])
    with PassiveEngine(size(2), engine.shard_of) as passive:
        passive.feed(stream)
        assert passive.lines == len(stream)


def test_what_is_on_the_lanes_yet_is_dropped_and_said_again(tmp_path: Path) -> None:
    """A proposal to the dead engine is nothing to the new one: else it would be done twice."""
    proposals, expected = day(1).proposals, day(1).stream
    engine = FusedEngine(size(1), "manual", placement(1), group_of=GROUP_OF)
    engine.core.set_time(NOW_NS)
    for contributor, group in proposals[:10]:
        engine.propose(group, contributor)
    known = engine.publisher.next - 1
    for contributor, group in proposals[10:11]:
        assert engine.offer(group, contributor) == len(group)
    successor = Successor(engine, tmp_path)
    successor.promote()
    assert len(successor.stream()) == known + 1
    successor.propose_again(expected[:known], proposals)
    stream = np.delete(successor.stream(), known)
    assert same(stream, expected)


def test_a_proposal_whose_rest_is_nowhere_is_an_error(tmp_path: Path) -> None:
    """Half of a proposal on the stream and no lane that has the other half: nothing is invented."""
    expected = day(1).stream
    cut = int(np.flatnonzero((expected["flags"] & Flag.CONTINUED) != 0)[0]) + 1
    dead = FusedEngine(size(1), "manual", placement(1), group_of=GROUP_OF)
    Writer(dead.ring, dead.readers).publish(expected[:cut].copy())
    successor = Successor(dead, tmp_path)
    with pytest.raises((DataError, Divergence)):
        successor.promote()


def test_an_engine_that_said_something_else_is_not_followed(tmp_path: Path) -> None:
    """A wrong byte of the active engine is an alarm that names it, and bars the promotion."""
    expected = day(1).stream.copy()
    at = int(np.flatnonzero(expected["template_id"] == Template.EXECUTED)[3])
    expected["body"][at : at + 1].view("u1")[8] ^= 1
    dead = FusedEngine(size(1), "manual", placement(1), group_of=GROUP_OF)
    Writer(dead.ring, dead.readers).publish(expected)
    successor = Successor(dead, tmp_path)
    with pytest.raises(Divergence, match=f"message {at + 1} differs"):
        while successor.standby.follow():
            pass
    with pytest.raises(Divergence):
        successor.promote()


def test_it_waits_for_a_journal_that_is_behind(tmp_path: Path) -> None:
    """What the dead engine left half-said waits for a gate like everything else."""
    # A ring that was full when the engine was in the middle of a group.
    slots = next(n for n in (16, 32, 64) if groups_until(day(1).stream, n) > n)
    engine = run_until(1, 0, slots)
    journal = Journal(tmp_path, engine.ring, engine.readers, SEGMENT)
    assert engine_lib.eng_publisher_work(engine.publisher.state, 1 << 10) >= slots
    assert engine.publisher.next == slots + 1
    successor = Successor(engine, tmp_path)
    written = []

    def wait() -> None:
        written.append(journal.step())

    successor.standby.promote(successor.core, estate(engine), BUILD, NOW_NS + 1, wait)
    assert len(written) > 0
    successor.settle()
    journal.step()
    recorded = read_day(tmp_path)
    whole = groups_until(day(1).stream, slots)
    assert len(recorded) == whole + 1
    assert same(recorded[:whole], day(1).stream[:whole])


def test_a_gate_that_never_moves_is_an_error(tmp_path: Path) -> None:
    slots = next(n for n in (16, 32, 64) if groups_until(day(1).stream, n) > n)
    engine = run_until(1, 0, slots)
    Journal(tmp_path, engine.ring, engine.readers, SEGMENT)
    engine_lib.eng_publisher_work(engine.publisher.state, 1 << 10)
    successor = Successor(engine, tmp_path)
    with pytest.raises(CorruptionError, match="does not move"):
        successor.promote()
