"""ringbus.lane: one producer, one consumer. Source of the words: ringbus/lane.h."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringbus.lane import Lane, create_lane, lane_bytes
from ringbus.memory import Block
from tests.bench.python.contender import (
    MESSAGE,
    SLOTS,
    Abilities,
    Connect,
    Contender,
    End,
    Messages,
)


def connect(blocks: list[Block]) -> End:
    out, into = (Lane(block) for block in blocks)

    def send(message: bytes) -> None:
        while not out.send(message):
            pass

    def receive() -> bytes:
        while (message := into.receive()) is None:
            pass
        return message

    def send_batch(messages: Messages) -> None:
        while out.offer(messages) == 0:
            pass

    def receive_batch(limit: int) -> Messages:
        while len(got := into.take(limit)) == 0:
            pass
        return got.view(MESSAGE)

    return End(send, receive, send_batch, receive_batch)


@contextmanager
def make(_: Path) -> Iterator[Connect]:
    blocks = [Block(lane_bytes(SLOTS)) for _ in range(2)]
    for block in blocks:
        create_lane(block, SLOTS, "bench")
    yield lambda first: connect(blocks if first else blocks[::-1])


CONTENDERS = (
    Contender(
        "Lane",
        "ringbus",
        make,
        Abilities(
            broadcast="no: one to one",
            loss="none is lost: a full lane refuses",
            crash="any side by kill -9: messages whole, groups whole or gone",
            processes="unrelated, spawn, fork",
            replay="no",
        ),
    ),
)
