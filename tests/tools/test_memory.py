"""The shared memory of an exchange: all of it or nothing, and errors that name a line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ringbus.lane import Lane
from ringbus.multicast import Reader
from ringbus.segment import Segment, listing, segment_name
from ringbus.status import LayoutError, NotFoundError
from tests.ringbus.support import HUGETLB, huge_pages, in_own_mounts, limit_locking
from tests.tools.conftest import Maker
from tools import memory
from tools.exchange import launched
from tools.memory import Attachment
from tools.state import remove
from tools.status import look
from tools.topology import ConfigurationError, load_topology


def test_every_part_is_there_and_laid_out(make: Maker) -> None:
    topology = load_topology(make(shards=2, ports=2))
    memory.create(topology)
    names = {name.removeprefix(f"ringbus.{topology.name}.") for name in listing(topology.name)}
    assert names == {
        *("bells", "doorbell", "marks", "settled"),
        *("stream", "stream.readers", "stream.lossy"),
        *("lane.console", "lane.port.0", "lane.port.1"),
        *("shard.0.in", "shard.0.out", "shard.1.in", "shard.1.out"),
        *("core.engine", "core.edge", "metrics.engine", "metrics.edge"),
    }
    with Attachment(topology.name) as shared:
        assert Lane(shared.attach("lane.port.1", writable=True)).capacity == 256
        assert Reader(shared.attach("stream")).capacity == 4096
        assert shared.attach("stream") is shared.attach("stream")
        with pytest.raises(NotFoundError, match=r"lane\.port\.2"):
            shared.attach("lane.port.2")


def test_none_is_left_when_one_cannot_be_made(make: Maker) -> None:
    topology = load_topology(make())
    taken = segment_name(topology.name, "shard.1.out")
    Segment.create(taken, 4096).close()
    with pytest.raises(LayoutError, match=r"shard\.1\.out exists already"):
        memory.create(topology)
    assert listing(topology.name) == [taken]


def test_what_does_not_fit_is_named_with_its_line(make: Maker) -> None:
    path = make()
    path.write_text(path.read_text().replace("slots = 4096", "slots = 1048576"))
    topology = load_topology(path)
    total = memory.total_bytes(topology)
    memory.check_room(topology, total)
    with pytest.raises(ConfigurationError) as caught:
        memory.check_room(topology, total - 1)
    text = str(caught.value)
    assert text.startswith(f"{path}:9: [stream] slots: the exchange takes {total:,} bytes")
    assert "make it smaller" in text


def test_the_stream_lies_on_explicit_pages_and_what_is_small_does_not(make: Maker) -> None:
    """In mounts of its own: 65,536 messages are three pages; a lane of 256 would waste one."""
    path = make(extra='[memory]\npages = "explicit"')
    path.write_text(path.read_text().replace("slots = 4096", "slots = 65536"))
    with huge_pages(3):
        done = in_own_mounts(
            f"mount -t hugetlbfs -o pagesize=2M none {HUGETLB}", __name__, str(path)
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"stream {HUGETLB}", "lane.console /dev/shm", "unmet ()"]


def test_memory_that_cannot_be_had_is_named_with_its_line(make: Maker) -> None:
    path = make(extra="[memory]\nnuma_node = 99")
    topology = load_topology(path)
    with pytest.raises(ConfigurationError) as caught:
        memory.create(topology)
    text = str(caught.value)
    line = path.read_text().splitlines().index("numa_node = 99") + 1
    assert text.startswith(f"{path}:{line}: [memory] numa_node: numa_node = 99: this host has no")
    assert "required = false" in text
    assert listing(topology.name) == []


def test_memory_that_is_only_wished_for(make: Maker) -> None:
    topology = load_topology(make(extra="[memory]\nnuma_node = 99\nrequired = false"))
    (unmet,) = memory.create(topology)
    assert "no such node" in unmet


def test_cores_lock_what_they_have(make: Maker) -> None:
    path = make(extra="[memory]\nlock = true\nrequired = false")
    with launched(path) as exchange:
        status = look(exchange.name, 0)
        assert status is not None
        log = (exchange.directory / "logs" / "engine.log").read_text()
        if "RLIMIT_MEMLOCK" in log:
            pytest.skip(log)
        assert all(one.locked_bytes > 1 << 20 for one in status.memory.values())
        assert status.stream_memory is not None
        assert status.stream_memory.words.endswith(", locked")


def up_limited(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.cli", "up", "--detach", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=limit_locking,
    )


def test_a_core_that_may_not_lock_does_not_start(make: Maker) -> None:
    done = up_limited(make(extra="[memory]\nlock = true"))
    assert done.returncode == 1
    assert "lock = true: all memory of the process" in done.stderr
    assert "RLIMIT_MEMLOCK is 64 KiB" in done.stderr


def test_a_core_that_may_not_lock_warns_where_it_is_a_wish(make: Maker) -> None:
    path = make(extra="[memory]\nlock = true\nrequired = false")
    done = up_limited(path)
    assert done.returncode == 0, done.stderr
    log = path.parent / "out" / "logs" / "engine.log"
    assert "warning: lock = true: all memory of the process" in log.read_text()


if __name__ == "__main__":
    its = load_topology(sys.argv[1])
    wishes = memory.create(its)
    with Attachment(its.name) as mine:
        for part in ("stream", "lane.console"):
            print(part, mine.attach(part).path.parent)
    print("unmet", wishes)
    remove(its.name)
