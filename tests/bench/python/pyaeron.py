"""Aeron IPC by pyaeron, the media driver in a third process. Source of the words: Aeron's wiki."""

from __future__ import annotations

import importlib
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from tests.bench.python.contender import Abilities, Connect, Contender, End

FORK = multiprocessing.get_context("fork")


def drive(directory: str, ready: Event, over: Event) -> None:
    """The media driver: it maps and cleans the logs, and carries no message of IPC."""
    pyaeron = importlib.import_module("pyaeron")
    with pyaeron.MediaDriver(dir=directory):
        ready.set()
        over.wait()


def connect(directory: str, streams: list[int]) -> End:
    pyaeron = importlib.import_module("pyaeron")
    client = pyaeron.Aeron(dir=directory)
    subscription = client.add_subscription(pyaeron.IPC_CHANNEL, streams[1])
    publication = client.add_exclusive_publication(pyaeron.IPC_CHANNEL, streams[0])
    publication.await_connected()
    got: list[bytes] = []

    def take(buffer: Any, _: Any) -> None:
        got.append(bytes(buffer))

    def send(message: bytes) -> None:
        while not publication.offer(message):
            pass

    def receive() -> bytes:
        # The client lives as long as this function.
        assert client is not None
        while not got:
            subscription.poll(take)
        return got.pop(0)

    return End(send, receive)


@contextmanager
def make(directory: Path) -> Iterator[Connect]:
    ready, over = FORK.Event(), FORK.Event()
    logs = str(directory / "aeron")
    driver = FORK.Process(target=drive, args=(logs, ready, over))
    driver.start()
    assert ready.wait(30)
    time.sleep(0.1)
    yield lambda first: connect(logs, [1, 2] if first else [2, 1])
    over.set()
    driver.join()


CONTENDERS = (
    Contender(
        "pyaeron, Aeron IPC",
        "pyaeron",
        make,
        Abilities(
            broadcast="yes",
            loss="none is lost: offer is refused",
            crash="a client's end is found by the driver, which all need",
            processes="unrelated, other hosts, many languages",
            replay="by Aeron Archive, not in this package",
        ),
        share=0.1,
    ),
)
