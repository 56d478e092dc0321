"""kickmsg: publish and subscribe in shared memory. Source of the words: its README, 0.9.2."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.python.contender import MESSAGE, SLOTS, Abilities, Connect, Contender, End


@contextmanager
def make(directory: Path) -> Iterator[Connect]:
    kickmsg = importlib.import_module("kickmsg")
    configuration = kickmsg.Config()
    configuration.max_subscribers = 2
    configuration.sub_ring_capacity = SLOTS
    configuration.pool_size = 2 * SLOTS
    configuration.max_payload_size = MESSAGE.itemsize
    names = [f"/{directory.name}-{n}" for n in range(2)]
    owners = [
        kickmsg.SharedRegion.create(name, kickmsg.ChannelType.PubSub, configuration)
        for name in names
    ]

    def connect(first: bool) -> End:
        pair = [kickmsg.SharedRegion.open(name) for name in names]
        out, into = pair if first else pair[::-1]
        publisher, subscriber = kickmsg.Publisher(out), kickmsg.Subscriber(into)

        def receive() -> bytes | None:
            while (message := subscriber.try_receive()) is None:
                pass
            return bytes(message)

        return End(publisher.send, receive)

    yield connect
    for owner in owners:
        owner.unlink()


CONTENDERS = (
    Contender(
        "kickmsg",
        "kickmsg",
        make,
        Abilities(
            broadcast="yes; many publishers too",
            loss="counted",
            crash="publishers never block others; leaks are repaired by call",
            processes="unrelated",
            replay="no: a late one sees nothing older",
        ),
        lossy=True,
        share=0.1,
    ),
)
