"""Recorded days for the tools that read them: made by a real engine and a real journal agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.fused import FusedEngine
from ringbus.journal import Journal
from ringbus.messages import (
    BUILD_RECORD,
    INSTRUMENT_DEFINITION,
    INSTRUMENT_NONE,
    Template,
)
from tests.engine.flow import feed, size, trade
from tests.engine.parts import Lines
from tests.engine.trader import lines

SEGMENT = 1 << 10
SHARD_OF = bytes([1, 0, 0, 1, 1, 0])


def opening(shards: int, shard_of: bytes) -> Iterator[Lines]:
    """The first lines of a day, as the launcher proposes them."""
    numbers = [0] * shards
    record = lines(BUILD_RECORD, Template.BUILD_RECORD, instrument=INSTRUMENT_NONE, shards=shards)
    definitions = [
        lines(
            INSTRUMENT_DEFINITION,
            Template.INSTRUMENT_DEFINITION,
            instrument=n,
            symbol=b"I%d" % n,
        )
        for n in range(len(shard_of))
    ]
    for shard, line in zip([0, *shard_of], [record, *definitions], strict=True):
        numbers[shard] += 1
        line["topic_sequence"] = numbers[shard]
        yield line


def record(directory: Path, with_opening: bool = True, shard_of: bytes = SHARD_OF) -> Path:
    """A day in `directory`: two shards, six instruments, several segment files."""
    engine = FusedEngine(size(2), shard_of=shard_of)
    journal = Journal(directory, engine.ring, engine.readers, SEGMENT)
    engine.core.add("journal", journal)
    if with_opening:
        for line in opening(2, shard_of):
            engine.propose(line)

    def settle() -> None:
        engine.settle()

    feed(engine, trade(2, 3, 3000, shard_of).proposals, settle)
    journal.close()
    engine.close()
    return directory
