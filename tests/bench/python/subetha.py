"""subetha-ipc: rings in mapped files. Source of the words: its README and docstrings, 0.6.0."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.bench.python.contender import (
    LINE,
    MESSAGE,
    SLOTS,
    Abilities,
    Connect,
    Contender,
    End,
    Messages,
)


@contextmanager
def make_spsc(directory: Path) -> Iterator[Connect]:
    ring = importlib.import_module("subetha").SpscRing
    size = MESSAGE.itemsize
    paths = [str(directory / f"spsc-{n}") for n in range(2)]
    owners = [ring(path, SLOTS) for path in paths]

    def connect(first: bool) -> End:
        pair = [ring.open(path, SLOTS) for path in paths]
        out, into = pair if first else pair[::-1]

        def send(message: bytes) -> None:
            while not out.push(message):
                pass

        def receive() -> bytes | None:
            while (message := into.pop()) is None:
                pass
            return bytes(message)

        def send_batch(messages: Messages) -> None:
            raw = messages.tobytes()
            while len(raw) > 0:
                raw = raw[out.push_buffer(raw, size) * size :]

        def receive_batch(limit: int) -> Messages:
            while len(got := into.pop_buffer(limit)[0]) == 0:
                pass
            return np.frombuffer(got, MESSAGE)

        return End(send, receive, send_batch, receive_batch)

    yield connect
    del owners


@contextmanager
def make_pubsub(directory: Path) -> Iterator[Connect]:
    pubsub = importlib.import_module("subetha").PubSub
    size = LINE.itemsize
    paths = [str(directory / f"pubsub-{n}") for n in range(2)]
    owners = [pubsub(path, SLOTS) for path in paths]

    def connect(first: bool) -> End:
        pair = [pubsub.open(path, SLOTS) for path in paths]
        out, into = pair if first else pair[::-1]
        subscriber = into.subscribe()

        def receive() -> bytes | None:
            while (message := subscriber.next()) is None:
                pass
            return bytes(message)

        def send_batch(messages: Messages) -> None:
            raw = messages.tobytes()
            out.publish_many([raw[n : n + size] for n in range(0, len(raw), size)])

        def receive_batch(limit: int) -> Messages:
            while len(got := subscriber.next_many(limit)) == 0:
                pass
            return np.frombuffer(b"".join(got), LINE)

        return End(out.publish, receive, send_batch, receive_batch)

    yield connect
    del owners


CONTENDERS = (
    Contender(
        "subetha PubSub",
        "subetha",
        make_pubsub,
        Abilities(
            broadcast="yes",
            loss="told, by position",
            crash="not said of its rings",
            processes="unrelated, any language",
            replay="what the ring still holds",
        ),
        lossy=True,
        share=0.25,
        message=LINE,
    ),
    Contender(
        "subetha SpscRing",
        "subetha",
        make_spsc,
        Abilities(
            broadcast="no: one to one",
            loss="none is lost: a full ring refuses",
            crash="not said of its rings",
            processes="unrelated, any language",
            replay="no",
        ),
        share=0.25,
    ),
)
