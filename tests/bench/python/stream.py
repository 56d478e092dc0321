"""ringbus.multicast: the exchange's stream, each message with a checksum. Source: its header."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ringbus.memory import Block
from ringbus.multicast import (
    GatingReader,
    Writer,
    create_multicast,
    multicast_bytes,
    readers_bytes,
)
from tests.bench.python.contender import (
    MESSAGE,
    SLOTS,
    Abilities,
    Connect,
    Contender,
    End,
    Messages,
)

Memory = tuple[Block, Block]


def connect(rings: list[Memory]) -> End:
    writer, reader = Writer(*rings[0]), GatingReader(*rings[1], "bench")

    def send_batch(messages: Messages) -> None:
        while len(messages) > 0:
            messages = messages[writer.publish(messages) :]

    def receive_batch(limit: int) -> Messages:
        while len(got := reader.poll(limit)) == 0:
            pass
        # Copied out already, so it may be overwritten from here on.
        reader.release()
        return got.view(MESSAGE)

    def send(message: bytes) -> None:
        send_batch(np.frombuffer(message, MESSAGE))

    return End(send, lambda: receive_batch(1).tobytes(), send_batch, receive_batch)


@contextmanager
def make(_: Path) -> Iterator[Connect]:
    rings = [(Block(multicast_bytes(SLOTS)), Block(readers_bytes())) for _ in range(2)]
    for ring, readers in rings:
        create_multicast(ring, readers, SLOTS, "bench")
        # Claimed here, so that no writer is ahead of its reader.
        GatingReader(ring, readers, "bench")
    yield lambda first: connect(rings if first else rings[::-1])


CONTENDERS = (
    Contender(
        "the exchange's stream",
        "ringbus",
        make,
        Abilities(
            broadcast="yes",
            loss="exact: which sequences",
            crash="any side by kill -9; taken over by a successor",
            processes="unrelated, spawn, fork",
            replay="from message 1, by the journal",
        ),
        share=0.25,
    ),
)
