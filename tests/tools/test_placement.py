"""The stream does not depend on where agents run, nor, in canonical form, on the number of shards.

Real processes, real sockets, real orders: the first rows of the Shanghai day, in exact order,
through every placement. The clock stands still, since time is an input. Shows R96, R97, R93, R95.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.canonical import canonical
from ringbus.messages import BUILD_RECORD, Flag, Template
from ringbus.multicast import Reader
from tools.exchange import launched
from tools.load import Load, read_clients
from tools.memory import Attachment
from tools.orders import load_orders

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "tools" / "demo"
ROWS = ROOT / "tests" / "data" / "sse_20230711" / "inbound.csv.gz"
ROW_COUNT = 4000
SHARDS = (1, 2, 4)


def placements(shards: int) -> dict[str, list[list[str]]]:
    """Cores and their agents, by name."""
    engine = ["sequencer", *(f"shard.{n}" for n in range(shards)), "publisher"]
    return {
        "one-core": [[*engine, "journal", "port.0"]],
        "two-cores": [engine, ["journal", "port.0"]],
        "one-process-each": [[agent] for agent in (*engine, "journal", "port.0")],
    }


def topology(directory: Path, name: str, shards: int, cores: list[list[str]]) -> Path:
    """Write the topology of one placement."""
    for file in ("instruments.csv", "participants.csv"):
        text = (DEMO / file).read_text()
        if file == "instruments.csv":
            # By default an instrument's shard is its number modulo the shards.
            text = "\n".join(row.rpartition(",")[0] for row in text.splitlines()) + "\n"
        (directory / file).write_text(text)
    lines = [
        "[exchange]",
        f'name = "{name}"',
        'environment = "test"',
        'session = "20230711"',
        'directory = "out"',
        'instruments = "instruments.csv"',
        'participants = "participants.csv"',
        f"shards = {shards}",
        'clock = "stopped"',
        'acknowledge = "published"',
        "[journal]",
        "segment_messages = 8192",
        "[[port]]",
        'name = "port.0"',
        'host = "127.0.0.1"',
        "tcp = 0",
    ]
    for n, agents in enumerate(cores):
        quoted = ", ".join(f'"{agent}"' for agent in agents)
        lines += ["[[core]]", f'name = "core{n}"', 'cpu = "any"', 'wait = "park"']
        lines.append(f"agents = [{quoted}]")
    path = directory / "topology.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(directory: Path, shards: int, cores: list[list[str]]) -> NDArray[np.void]:
    """The stream that a placement makes of the rows."""
    name = f"place-{os.getpid()}"
    with (
        launched(topology(directory, name, shards, cores)) as exchange,
        Load(exchange, read_clients(DEMO / "clients.csv")) as load,
    ):
        load.login()
        report = load.exact(load.dealer.deal(load_orders(ROWS, ROW_COUNT)))
        assert report.answered == ROW_COUNT
        with Attachment(name) as shared:
            reader = Reader(shared.attach("stream"))
            batches = [reader.poll().copy()]
            # The first line of the last answer is there; the rest of its group may be on its way.
            while len(batch := reader.poll()) or not batches[-1]["flags"][-1] & Flag.LAST_OF_GROUP:
                if len(batch):
                    batches.append(batch.copy())
    return np.concatenate(batches)


def without_shard_count(stream: NDArray[np.void]) -> NDArray[np.void]:
    """The stream but for the one field that says how many shards there are."""
    out = stream.copy()
    assert out["template_id"][0] == Template.BUILD_RECORD
    out[:1].view(BUILD_RECORD)["shards"] = 0
    return out


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("shards", SHARDS)
def test_placement_changes_no_byte(tmp_path: Path, shards: int) -> None:
    """R96, R97: one core, two cores and one process each make the same bytes."""
    streams = {}
    for name, cores in placements(shards).items():
        directory = tmp_path / name
        directory.mkdir()
        streams[name] = run(directory, shards, cores)
        shutil.rmtree(directory)
    first = streams["one-core"]
    assert len(first) > ROW_COUNT
    assert np.count_nonzero(first["template_id"] == Template.EXECUTED) > 500
    for name, stream in streams.items():
        assert stream.tobytes() == first.tobytes(), name
    np.save(tmp_path.parent / f"stream-{shards}.npy", first)


@pytest.mark.xdist_group("processes")
def test_shards_change_nothing_in_canonical_form(tmp_path: Path) -> None:
    """R93, R95: 1, 2 and 4 shards make the same stream but for what names a shard."""
    streams = []
    for shards in SHARDS:
        kept = tmp_path.parent / f"stream-{shards}.npy"
        if kept.exists():
            streams.append(np.load(kept))
            continue
        directory = tmp_path / str(shards)
        directory.mkdir()
        streams.append(run(directory, shards, placements(shards)["two-cores"]))
    wanted = canonical(without_shard_count(streams[0])).tobytes()
    for shards, stream in zip(SHARDS, streams, strict=True):
        used = {int(shard) for shard in np.unique(stream["shard"])}
        assert used == set(range(min(shards, 3)))
        assert canonical(without_shard_count(stream)).tobytes() == wanted
