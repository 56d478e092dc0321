"""ZeroMQ, PAIR sockets over ipc. Source of the words: the guide (zguide) and zmq_socket(3)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.python.contender import SLOTS, Abilities, Connect, Contender, End


@contextmanager
def make(directory: Path) -> Iterator[Connect]:
    zmq = importlib.import_module("zmq")
    opened = []

    def connect(first: bool) -> End:
        context = zmq.Context()
        socket = context.socket(zmq.PAIR)
        socket.set_hwm(SLOTS)
        address = f"ipc://{directory}/zmq"
        if first:
            socket.bind(address)
        else:
            socket.connect(address)
        opened.append((context, socket))
        return End(socket.send, socket.recv)

    yield connect
    for context, socket in opened:
        socket.close(linger=0)
        context.term()


CONTENDERS = (
    Contender(
        "pyzmq PAIR, ipc",
        "zmq",
        make,
        Abilities(
            broadcast="by PUB and SUB",
            loss="PAIR loses none; PUB drops untold",
            crash="reconnects; what was queued in the dead is lost",
            processes="unrelated, other hosts",
            replay="no",
        ),
        share=0.01,
    ),
)
