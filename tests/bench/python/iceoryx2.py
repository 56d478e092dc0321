"""iceoryx2: publish and subscribe without a copy. Source of the words: its book and API, 0.10."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from tests.bench.python.contender import MESSAGE, SLOTS, Abilities, Connect, Contender, End


class Message(ctypes.Structure):
    _fields_: ClassVar = [("body", ctypes.c_uint8 * MESSAGE.itemsize)]


def service(node: Any, name: str) -> Any:
    iox2 = importlib.import_module("iceoryx2")
    return (
        node.service_builder(iox2.ServiceName.new(name))
        .publish_subscribe(Message)
        .subscriber_max_buffer_size(SLOTS)
        .enable_safe_overflow(False)
        .open_or_create()
    )


def connect(names: list[str]) -> End:
    iox2 = importlib.import_module("iceoryx2")
    iox2.set_log_level(iox2.LogLevel.Error)
    node = iox2.NodeBuilder.new().create(iox2.ServiceType.Ipc)
    services = [service(node, name) for name in names]
    subscriber = services[1].subscriber_builder().create()
    publisher = services[0].publisher_builder().create()

    def send(message: bytes) -> None:
        publisher.send_copy(Message.from_buffer_copy(message))

    def receive() -> bytes:
        # Services and node live as long as this function.
        assert len(services) == 2
        while (sample := subscriber.receive()) is None:
            pass
        return bytes(sample.payload().contents)

    return End(send, receive)


@contextmanager
def make(directory: Path) -> Iterator[Connect]:
    names = [f"{directory.name}/{n}" for n in range(2)]
    yield lambda first: connect(names if first else names[::-1])


CONTENDERS = (
    Contender(
        "iceoryx2",
        "iceoryx2",
        make,
        Abilities(
            broadcast="yes; many publishers too",
            loss="none is lost, or the oldest, by configuration",
            crash="dead nodes are found and cleaned up",
            processes="unrelated, several languages",
            replay="the last few, by configuration",
        ),
        share=0.02,
    ),
)
