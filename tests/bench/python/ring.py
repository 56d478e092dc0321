"""ringbus.ring: one publisher, many subscribers. Source of the words: ringbus/README.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ringbus.ring import Ring
from tests.bench.python.contender import (
    LINE,
    MESSAGE,
    SLOTS,
    Abilities,
    Connect,
    Contender,
    End,
    Made,
    Messages,
)

CAN = Abilities(
    broadcast="yes",
    loss="exact: which sequences",
    crash="any side by kill -9: records whole, places freed by the kernel",
    processes="unrelated, spawn, fork",
    replay="what the ring still holds",
)


def connect(names: list[str], gating: bool) -> End:
    out, into = (Ring.attach(name) for name in names)
    # From record 1 on, so that no publisher is ahead of its subscriber.
    subscriber = into.subscriber("oldest", gating=gating)
    publisher = out.publisher()
    take = subscriber.view if gating else subscriber.poll

    def send(message: bytes) -> None:
        while not publisher.send(message):
            pass

    def send_batch(messages: Messages) -> None:
        while len(messages) > 0:
            messages = messages[publisher.publish(messages) :]

    def receive_batch(limit: int) -> Messages:
        while len(got := take(limit)) == 0:
            pass
        return got

    return End(send, subscriber.receive, send_batch, receive_batch)


def rings(message: np.dtype[np.void], gating: bool) -> Callable[[Path], Made]:
    @contextmanager
    def make(directory: Path) -> Iterator[Connect]:
        names = [f"{directory.name[-20:]}-{n}" for n in range(2)]
        for name in names:
            Ring.create(name, message, SLOTS).close()
        yield lambda first: connect(names if first else names[::-1], gating)
        for name in names:
            Ring.remove(name)

    return make


CONTENDERS = (
    Contender("Ring, gating, in place", "ringbus", rings(LINE, True), CAN, message=LINE),
    Contender("Ring, lossy, copied", "ringbus", rings(LINE, False), CAN, lossy=True, message=LINE),
    Contender("Ring, two lines a record", "ringbus", rings(MESSAGE, True), CAN),
)
