"""Standby: a passive engine that follows the live stream and can take the dead engine's place.

    active engine ──▶ stream ──▶ follow: the same shards, byte for byte
                                    │ the active one died, and the kernel freed its lock
                                    ▼
    what it had left half-said is finished ▶ EpochStart ▶ the contributors' lanes are opened

Nothing is handed over but the stream and what lies in shared memory: the state is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.fused import Size
from engine.passive import PassiveEngine
from engine.publisher import Publisher
from engine.risk import Admission, Risk
from engine.sequencer import Sequencer
from engine.shard import Shard
from ringbus.core import Core
from ringbus.lane import Lane
from ringbus.lock import ByteLocks
from ringbus.memory import Memory
from ringbus.messages import EPOCH_START, INSTRUMENT_NONE, MESSAGE, Flag, Template
from ringbus.replay import Replay
from ringbus.status import CorruptionError, DataError, UsageError

# How often room on the ring is waited for: a gate that does not move in so many turns is stuck.
WAITS_MAX = 10_000
# Of the line: flags to body, without the checksum, which is another one on a lane.
_CHECKSUM = slice(28, 32)
_GUARD = slice(0, 8)


@dataclass(frozen=True, slots=True)
class Estate:
    """What a dead engine leaves in shared memory.

    doorbell and contributors: of the sequencer; incoming, outgoing: the shards' lanes; ring,
    readers: the stream, mapped for writing; topics: topics are 0..topics-1; group_of: group by
    instrument, may be empty; settled: what sequencer and publisher share, where limits are kept.
    """

    doorbell: Memory
    contributors: Sequence[Memory]
    incoming: Sequence[Memory]
    outgoing: Sequence[Memory]
    ring: Memory
    readers: Memory
    topics: int
    group_of: Sequence[int] = ()
    settled: Memory | None = None


@dataclass(frozen=True, slots=True)
class Reign:
    """The agents of a promoted engine."""

    sequencer: Sequencer
    shards: Sequence[Shard]
    publisher: Publisher


class Standby:
    """Follows the stream with the engine's own shards; `promote` makes it the engine.

    Args: size, shard_of: as the active engine's; ring: the stream, may be mapped read-only;
    directory, segment_messages: of a journal or several, for what the ring has lost; risk: new, so
    that the limits hold in the next reign too.
    Raises: Divergence by `follow`: the active engine said something that this one would not.
    Thread: one.
    """

    def __init__(
        self,
        size: Size,
        shard_of: bytes,
        ring: Memory,
        directory: Path | Sequence[Path],
        segment_messages: int,
        risk: Risk | None = None,
    ) -> None:
        self.passive = PassiveEngine(size, shard_of)
        self.risk = risk
        self._shard_of = shard_of
        self._replay = Replay(ring, directory, 1, segment_messages)
        self._time_ns = 0

    @property
    def lag(self) -> int:
        """Messages published and not followed yet."""
        return self._replay.lag

    @property
    def epoch(self) -> int:
        """Reign of the engine that is followed; the first is 1."""
        return 1 + self.passive.epochs

    def follow(self) -> int:
        """Take what is new on the stream; returns how many messages that were."""
        lines = self._replay.poll()
        if len(lines):
            self._take(lines)
        return len(lines)

    def promote(
        self,
        core: Core,
        estate: Estate,
        build: int,
        now_ns: int,
        wait: Callable[[], None],
        lock: ByteLocks | None = None,
    ) -> Reign:
        """Become the engine: its agents are added to `core`, which the caller then runs.

        What the dead engine had left half-said is finished first, then EpochStart is the first
        input of the new reign.

        Args: build: hash of this build; now_ns: the clock, in nanoseconds since the epoch; wait:
        called while a gating reader leaves no room on the ring; lock: of the stream, if the caller
        has taken it already.
        Returns: the agents, to be measured.
        Raises: UsageError: the active engine lives, or the day has its end; Divergence; DataError:
        a proposal was cut off whose other lines are nowhere; CorruptionError: the ring ends
        elsewhere than the engine, or a gate does not move.
        """
        if self.passive.divergence is not None:
            raise self.passive.divergence
        publisher = Publisher(core, estate.ring, estate.readers, (), lock)
        while self._replay.next < publisher.next:
            if self.follow() == 0:
                raise CorruptionError(f"message {self._replay.next} of the ring cannot be read")
        admission = self._admission(estate, publisher)
        wait = _reading(admission, wait)
        cut = self._cut_off(estate.outgoing, publisher.next)
        if len(cut):
            _publish(publisher, cut, wait)
            while self._replay.next < publisher.next:
                self.follow()
        _publish(publisher, self.passive.ahead, wait)
        mine = self.passive.lines + len(self.passive.ahead) + 1
        if publisher.next != mine:
            raise CorruptionError(
                f"the ring goes on with message {publisher.next}, the engine with {mine}"
            )
        if self.passive.is_over:
            raise UsageError("the day is over: no engine is needed, close it")
        return self._reign(core, estate, publisher, admission, build, now_ns)

    def close(self) -> None:
        """Close the files and the books."""
        self._replay.close()
        self.passive.close()

    def _take(self, lines: NDArray[np.void]) -> None:
        self.passive.feed(lines)
        if self.risk is not None:
            self.risk.apply(lines)
        self._time_ns = int(lines["time_ns"][-1])

    def _cut_off(self, outgoing: Sequence[Memory], next_: int) -> NDArray[np.void]:
        """The lines that lack of a proposal whose first ones are on the stream.

        They are on the lane from its shard yet: slots keep what they held until they are used
        again, and a shard commits all lines of a proposal at once.
        """
        held = self.passive.held
        if len(held) == 0:
            return held
        slots = Lane(outgoing[int(held["shard"][0])]).slots()
        same = np.flatnonzero((_content(slots) == _content(held[:1])).all(axis=1))
        if len(same) == 0:
            raise DataError(f"message {next_}: the rest of the proposal before it is nowhere")
        at = int(same[np.argmax(slots["sequence"][same])])
        out: list[np.void] = []
        for n in range(1, len(slots)):
            line = slots[(at + n) % len(slots)]
            if int(line["sequence"]) != int(slots["sequence"][at]) + n:
                raise DataError(f"message {next_ + len(out)}: its lane does not hold it any more")
            if n >= len(held):
                out.append(line)
            if not int(line["flags"]) & Flag.CONTINUED:
                break
        return np.array(out, MESSAGE)

    def _admission(self, estate: Estate, publisher: Publisher) -> Admission | None:
        if self.risk is None or estate.settled is None:
            return None
        publisher.settle(estate.settled)
        # From here on it reads the stream itself. It takes the dead sequencer's gate now: what is
        # published next would wait for that.
        risk, self.risk = self.risk, None
        return Admission(risk, estate.settled, estate.ring, estate.readers, self._replay.next)

    def _reign(
        self,
        core: Core,
        estate: Estate,
        publisher: Publisher,
        admission: Admission | None,
        build: int,
        now_ns: int,
    ) -> Reign:
        # What the dead engine had on its way inside is proposed again by who said it.
        for memory in (*estate.incoming, *estate.outgoing):
            _empty(memory)
        time_ns = max(now_ns, self._time_ns)
        line: NDArray[np.void] = np.zeros(1, EPOCH_START)
        line["template_id"] = Template.EPOCH_START
        line["instrument"] = INSTRUMENT_NONE
        line["epoch"] = self.epoch + 1
        line["build_hash"] = build
        line["time_ns"] = time_ns
        # Nobody else can have taken the operator's next number: it needs no lock.
        line["flags"] = Flag.LAST_OF_GROUP | Flag.REPLAYED
        line["checksum"] = 1
        Lane(estate.incoming[0]).offer(line.view(MESSAGE))
        sequencer = Sequencer(
            core,
            estate.doorbell,
            estate.contributors,
            [(memory, 0) for memory in estate.incoming],
            self._shard_of,
            estate.topics,
            estate.group_of,
            admission,
        )
        sequencer.begin(1, time_ns, self.epoch + 1)
        for memory in estate.outgoing:
            publisher.add_shard(memory)
        core.add("sequencer", sequencer)
        for n, shard in enumerate(self.passive.shards):
            shard.move(core, estate.incoming[n], estate.outgoing[n])
            core.add(f"shard.{n}", shard)
        core.add("publisher", publisher)
        return Reign(sequencer, self.passive.shards, publisher)


def _content(lines: NDArray[np.void]) -> NDArray[np.uint8]:
    """Bytes of lines, without what differs between a lane and the stream."""
    out = lines.view("u1").reshape(-1, MESSAGE.itemsize).copy()
    out[:, _GUARD] = 0
    out[:, _CHECKSUM] = 0
    return out


def _empty(memory: Memory) -> None:
    """Take everything off a lane whose producer and consumer are dead."""
    lane = Lane(memory)
    lane.repair()
    while len(lane.take()):
        pass


def _reading(admission: Admission | None, wait: Callable[[], None]) -> Callable[[], None]:
    """`wait`, and meanwhile the sequencer's gate moves on."""

    def both() -> None:
        if admission is not None:
            admission.settle()
        wait()

    return both


def _publish(publisher: Publisher, lines: NDArray[np.void], wait: Callable[[], None]) -> None:
    done = 0
    for _ in range(WAITS_MAX):
        done += publisher.offer(np.ascontiguousarray(lines[done:]))
        if done == len(lines):
            return
        wait()
    raise CorruptionError("a gating reader does not move: the ring has no room")
