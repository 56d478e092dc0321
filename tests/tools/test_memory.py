"""The shared memory of an exchange: all of it or nothing, and errors that name a line."""

from __future__ import annotations

import pytest

from ringbus.lane import Lane
from ringbus.multicast import Reader
from ringbus.segment import Segment, listing, segment_name
from ringbus.status import LayoutError, NotFoundError
from tests.tools.conftest import Maker
from tools import memory
from tools.memory import Attachment
from tools.topology import ConfigurationError, load_topology


def test_every_part_is_there_and_laid_out(make: Maker) -> None:
    topology = load_topology(make(shards=2, ports=2))
    memory.create(topology)
    names = {name.removeprefix(f"ringbus.{topology.name}.") for name in listing(topology.name)}
    assert names == {
        *("bells", "doorbell", "marks", "stream", "stream.readers"),
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
