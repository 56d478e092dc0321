"""Small exchanges whose names nobody else has, and that never stay behind."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ports.authenticator import hash_secret
from tools.state import remove

NUMBERS = itertools.count()
# Cheap to verify, as a test that logs in should be.
SECRET = hash_secret("SECRET", b"sixteen bytes ok", 1024)
Maker = Callable[..., Path]


def topology_text(name: str, shards: int, ports: int, extra: str = "") -> str:
    """Two parked cores: the engine, and the journal with the ports."""
    engine = ["sequencer", *(f"shard.{n}" for n in range(shards)), "publisher"]
    edge = ["journal", *(f"port.{n}" for n in range(ports))]
    lines = [
        "[exchange]",
        f'name = "{name}"',
        'session = "20230711"',
        'directory = "out"',
        'instruments = "instruments.csv"',
        'participants = "participants.csv"',
        f"shards = {shards}",
        "[stream]",
        "slots = 4096",
        "[lanes]",
        "slots = 256",
        "[limits]",
        "orders = 1024",
        "price_nodes = 1024",
        "connections = 16",
        "client_orders = 1024",
        "client_messages = 65536",
        "[journal]",
        "segment_messages = 4096",
        extra,
        *(f'[[port]]\nname = "port.{n}"' for n in range(ports)),
        f'[[core]]\nname = "engine"\nagents = {engine}',
        f'[[core]]\nname = "edge"\nagents = {edge}',
    ]
    return "\n".join(lines) + "\n"


def instruments_text(count: int) -> str:
    rows = [f"S{n},0.01,1,0.01,1999.99,1000000" for n in range(count)]
    return "\n".join(["symbol,tick,lot,price_min,price_max,quantity_max", *rows]) + "\n"


def write_exchange(
    directory: Path,
    name: str,
    shards: int = 2,
    ports: int = 0,
    instruments: int = 3,
    extra: str = "",
) -> Path:
    """Write the files of an exchange; returns the topology file."""
    (directory / "instruments.csv").write_text(instruments_text(instruments))
    (directory / "participants.csv").write_text(
        "user,session,account,firm,secret\n" f"ALICE,1,101,ACME,{SECRET}\nBOB,7,102,BETA,{SECRET}\n"
    )
    path = directory / f"{name}.toml"
    path.write_text(topology_text(name, shards, ports, extra))
    return path


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Maker]:
    """Writes the files of an exchange; returns the topology file."""
    names = []

    def make(shards: int = 2, ports: int = 0, instruments: int = 3, extra: str = "") -> Path:
        name = f"t{os.getpid()}-{next(NUMBERS)}"
        names.append(name)
        return write_exchange(tmp_path, name, shards, ports, instruments, extra)

    yield make
    for name in names:
        remove(name)
