"""zeroq: a queue in shared memory. Source of the words: its README and stub, 0.1.0."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.python.contender import MESSAGE, SLOTS, Abilities, Connect, Contender, End


@contextmanager
def make(directory: Path) -> Iterator[Connect]:
    zeroq = importlib.import_module("zeroq")
    queue = zeroq.Queue
    names = [f"{directory.name}-{n}" for n in range(2)]
    owners = [queue(name=name, element_size=MESSAGE.itemsize, capacity=SLOTS) for name in names]

    def connect(first: bool) -> End:
        pair = [queue(name=name, create=False) for name in names]
        out, into = pair if first else pair[::-1]

        # Its put and get sleep a millisecond at a time.
        def send(message: bytes) -> None:
            while True:
                try:
                    return out.put_nowait(message)  # type: ignore[no-any-return]
                except zeroq.Full:
                    pass

        def receive() -> bytes:
            while True:
                try:
                    return bytes(into.get_nowait())
                except zeroq.Empty:
                    pass

        return End(send, receive)

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
