"""The shared memory of an exchange: which parts there are, how large, and who maps them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType

from ringbus import core as core_module
from ringbus import metrics as metrics_module
from ringbus._ringbus import lib
from ringbus.idle import bells_bytes, create_bells
from ringbus.lane import create_lane, lane_bytes
from ringbus.marks import Marks, create_marks, marks_bytes
from ringbus.multicast import create_multicast, multicast_bytes, readers_bytes
from ringbus.segment import DIRECTORY, Segment, segment_name, unlink
from ringbus.status import check
from tools.topology import Topology


@dataclass(frozen=True, slots=True)
class Part:
    """One segment; `key` is the place in the topology file that decides its size."""

    name: str
    size: int
    key: tuple[str, str]


def parts(topology: Topology) -> tuple[Part, ...]:
    """All segments of an exchange."""
    lane = lane_bytes(topology.lanes.slots)
    fixed = ("core", "")
    out = [
        Part("bells", bells_bytes(), fixed),
        Part("doorbell", int(lib.rb_doorbell_bytes()), fixed),
        Part("stream", multicast_bytes(topology.stream.slots), ("stream", "slots")),
        Part("stream.readers", readers_bytes(), ("stream", "slots")),
        Part("marks", marks_bytes(), fixed),
    ]
    lanes = [f"lane.{name}" for name in topology.contributors]
    for n in range(topology.exchange.shards):
        lanes += [f"shard.{n}.in", f"shard.{n}.out"]
    out += [Part(name, lane, ("lanes", "slots")) for name in lanes]
    for core in topology.cores:
        out.append(Part(f"core.{core.name}", core_module.page_bytes(), fixed))
        out.append(Part(f"metrics.{core.name}", metrics_module.page_bytes(), fixed))
    return tuple(out)


def total_bytes(topology: Topology) -> int:
    """Shared memory that an exchange takes."""
    return sum(part.size for part in parts(topology))


def free_bytes() -> int:
    """Shared memory that is left on this host."""
    state = os.statvfs(DIRECTORY)
    return state.f_bavail * state.f_frsize


def check_room(topology: Topology, free: int) -> None:
    """Raises: ConfigurationError: the exchange does not fit into `free` bytes."""
    every = parts(topology)
    total = sum(part.size for part in every)
    if total <= free:
        return
    by_key: dict[tuple[str, str], int] = {}
    for part in every:
        by_key[part.key] = by_key.get(part.key, 0) + part.size
    (table, key), most = max(by_key.items(), key=lambda item: item[1])
    raise topology.source.error(
        (table, 0, key),
        f"the exchange takes {total:,} bytes of {DIRECTORY}, {most:,} of them by this; "
        f"{free:,} are free",
        "make it smaller, or free some (`ringbus down` removes what dead exchanges left)",
    )


def create(topology: Topology) -> None:
    """Make and lay out every segment; none is left if one cannot be made.

    Raises: LayoutError: one exists already, or there is no memory.
    """
    made: dict[str, Segment] = {}
    try:
        for part in parts(topology):
            made[part.name] = Segment.create(segment_name(topology.name, part.name), part.size)
        _lay_out(topology, made)
    except BaseException:
        for segment in made.values():
            unlink(segment.name)
        raise
    finally:
        for segment in made.values():
            segment.close()


def _lay_out(topology: Topology, made: dict[str, Segment]) -> None:
    # The bells are named after the exchange: so are the sockets of those that wait in epoll.
    create_bells(made["bells"], topology.name)
    doorbell = made["doorbell"]
    check(lib.rb_doorbell_init(doorbell.address, doorbell.size, b"doorbell"), "doorbell")
    create_multicast(made["stream"], made["stream.readers"], topology.stream.slots, "stream")
    create_marks(made["marks"], "marks")
    marks = Marks(made["marks"])
    for name in topology.journals:
        marks.place(name)
    for name, segment in made.items():
        if name.startswith(("lane.", "shard.")):
            create_lane(segment, topology.lanes.slots, name)
    for core in topology.cores:
        core_module.create_page(made[f"core.{core.name}"], core.name)
        metrics_module.Metrics.create(made[f"metrics.{core.name}"])


def tcp_counter(port: str) -> str:
    """The counter in which a core tells the TCP port of one of its ports."""
    return f"{port} tcp port"


class Attachment:
    """The segments that one process has mapped, closed together; use it with `with`."""

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange
        self._open: dict[tuple[str, bool], Segment] = {}

    def attach(self, part: str, writable: bool = False) -> Segment:
        """Map a part, once; read-only unless `writable`. Raises: NotFoundError."""
        key = (part, writable)
        if key not in self._open:
            name = segment_name(self.exchange, part)
            self._open[key] = Segment.attach(name, writable)
        return self._open[key]

    def close(self) -> None:
        """Unmap everything."""
        while self._open:
            self._open.popitem()[1].close()

    def __enter__(self) -> Attachment:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
