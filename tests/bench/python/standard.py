"""What Python brings along. Source of the words: the library reference, multiprocessing."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.python.contender import SLOTS, Abilities, Connect, Contender, End

FORK = multiprocessing.get_context("fork")


@contextmanager
def make_queues(_: Path) -> Iterator[Connect]:
    queues = [FORK.Queue(SLOTS) for _ in range(2)]

    def connect(first: bool) -> End:
        out, into = queues if first else queues[::-1]
        return End(out.put, into.get)

    yield connect
    for queue in queues:
        queue.close()


@contextmanager
def make_pipe(_: Path) -> Iterator[Connect]:
    pair = FORK.Pipe()

    def connect(first: bool) -> End:
        connection = pair[0 if first else 1]
        return End(connection.send_bytes, connection.recv_bytes)

    yield connect
    for connection in pair:
        connection.close()


CONTENDERS = (
    Contender(
        "multiprocessing.Queue",
        "multiprocessing",
        make_queues,
        Abilities(
            broadcast="no: each to one of many",
            loss="none is lost: put waits",
            crash="a killed process may leave the queue corrupt",
            processes="relatives",
            replay="no",
        ),
        share=0.005,
    ),
    Contender(
        "multiprocessing.Pipe",
        "multiprocessing",
        make_pipe,
        Abilities(
            broadcast="no: one to one",
            loss="none is lost: send waits",
            crash="end of file; a half-written message corrupts",
            processes="relatives; others by Listener",
            replay="no",
        ),
        share=0.01,
    ),
)
