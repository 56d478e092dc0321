"""zeroq: a queue in shared memory. Source of the words: its README and stub, 0.1.0."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.python.contender import MESSAGE, SLOTS, Abilities, Connect, Contender, End


@contextmanager
def make(directory: Path) -> Iterator[Connect]:
    queue = importlib.import_module("zeroq").Queue
    names = [f"{directory.name}-{n}" for n in range(2)]
    owners = [queue(name=name, element_size=MESSAGE.itemsize, capacity=SLOTS) for name in names]

    def connect(first: bool) -> End:
        pair = [queue(name=name, create=False) for name in names]
        out, into = pair if first else pair[::-1]
        return End(out.put, into.get)

    yield connect
    for owner in owners:
        owner.close()


CONTENDERS = (
    Contender(
        "zeroq",
        "zeroq",
        make,
        Abilities(
            broadcast="no: each to one of many",
            loss="none is lost: put waits or raises",
            crash="not said",
            processes="unrelated",
            replay="no",
        ),
        share=0.05,
    ),
)
