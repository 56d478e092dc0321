"""The shared memory of an exchange: which parts there are, how large, and who maps them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType

from engine.risk import create_settled, settled_bytes
from ringbus import core as core_module
from ringbus import metrics as metrics_module
from ringbus._ringbus import lib
from ringbus.backing import TMPFS, Backing
from ringbus.idle import bells_bytes, create_bells
from ringbus.lane import create_lane, lane_bytes
from ringbus.marks import Marks, create_marks, marks_bytes
from ringbus.multicast import create_multicast, multicast_bytes, readers_bytes
from ringbus.places import create_readers
from ringbus.segment import Segment, segment_name, unlink
from ringbus.status import BackingError, check
from tools.sections import PASSIVE
from tools.topology import Topology


@dataclass(frozen=True, slots=True)
class Part:
    """One segment; `key` is the place in the topology file that decides its size."""

    name: str
    size: int
    key: tuple[str, str]


def parts(topology: Topology) -> tuple[Part, ...]:
    """All segments of an exchange."""
    fixed = ("core", "")
    out = [
        Part("bells", bells_bytes(), fixed),
        Part("doorbell", int(lib.rb_doorbell_bytes()), fixed),
        Part("stream", multicast_bytes(topology.stream.slots), ("stream", "slots")),
        Part("stream.readers", readers_bytes(), ("stream", "slots")),
        Part("marks", marks_bytes(), fixed),
        Part("settled", settled_bytes(), fixed),
        Part("stream.lossy", readers_bytes(), ("stream", "slots")),
    ]
    lanes = {f"lane.{name}": "slots" for name in topology.contributors}
    for n in range(topology.exchange.shards):
        lanes |= {f"shard.{n}.in": "shard_slots", f"shard.{n}.out": "slots"}
    for name, key in lanes.items():
        out.append(Part(name, lane_bytes(getattr(topology.lanes, key)), ("lanes", key)))
    for core in topology.cores:
        out.append(Part(f"core.{core.name}", core_module.page_bytes(), fixed))
        # A passive engine may become the whole engine.
        more = 2 + topology.exchange.shards if PASSIVE in core.agents else 0
        room = core_module.histograms_of(len(core.agents) + more)
        out.append(Part(f"metrics.{core.name}", metrics_module.page_bytes(room), fixed))
    return tuple(out)


def total_bytes(topology: Topology) -> int:
    """Shared memory that an exchange takes."""
    return sum(part.size for part in parts(topology))


def free_bytes() -> int:
    """Shared memory that is left on this host."""
    state = os.statvfs(TMPFS)
    return state.f_bavail * state.f_frsize


def check_room(topology: Topology, free: int) -> None:
    """Raises: ConfigurationError: the exchange does not fit into `free` bytes."""
    every = [part for part in parts(topology) if backing_of(topology, part).in_tmpfs]
    total = sum(part.size for part in every)
    if total <= free:
        return
    by_key: dict[tuple[str, str], int] = {}
    for part in every:
        by_key[part.key] = by_key.get(part.key, 0) + part.size
    (table, key), most = max(by_key.items(), key=lambda item: item[1])
    raise topology.source.error(
        (table, 0, key),
        f"the exchange takes {total:,} bytes of {TMPFS}, {most:,} of them by this; "
        f"{free:,} are free",
        "make it smaller, or free some (`ringbus down` removes what dead exchanges left)",
    )


def backing_of(topology: Topology, part: Part) -> Backing:
    """What a part is to be made of: rings as [memory] says, unless they are smaller than a page.

    Locked it is in the cores: the launcher's mapping goes as soon as it has laid everything out.
    """
    backing = topology.memory.backing.without("lock")
    is_ring = part.key[0] in ("stream", "lanes")
    return backing if is_ring and part.size >= backing.unit else backing.without("pages")


def create(topology: Topology) -> tuple[str, ...]:
    """Make and lay out every segment; none is left if one cannot be made.

    Returns: which wishes of [memory] were not met, and why.
    Raises: LayoutError: one exists already, or there is no memory; ConfigurationError: not of the
    kind that [memory] requires.
    """
    made: dict[str, Segment] = {}
    unmet: dict[str, None] = {}
    try:
        for part in parts(topology):
            name, backing = segment_name(topology.name, part.name), backing_of(topology, part)
            made[part.name] = segment = Segment.create(name, part.size, backing=backing)
            unmet |= dict.fromkeys(segment.unmet)
        _lay_out(topology, made)
        return tuple(unmet)
    except BackingError as error:
        for segment in made.values():
            unlink(segment.name)
        raise topology.source.error(
            ("memory", 0, error.wish), str(error), "or go on without: [memory] required = false"
        ) from None
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
    create_settled(made["settled"])
    marks = Marks(made["marks"])
    for name in topology.journals:
        marks.place(name)
    create_readers(made["stream.lossy"], "stream")
    for part in parts(topology):
        if part.key[0] == "lanes":
            create_lane(made[part.name], getattr(topology.lanes, part.key[1]), part.name)
    for core in topology.cores:
        core_module.create_page(made[f"core.{core.name}"], core.name)
        metrics_module.Metrics.create(made[f"metrics.{core.name}"])


def tcp_counter(port: str) -> str:
    """The counter in which a core tells the TCP port of one of its ports."""
    return f"{port} tcp port"


class Attachment:
    """The segments that one process has mapped, closed together; use it with `with`.

    Args: backing: whether to fill the page tables when it maps them.
    """

    def __init__(self, exchange: str, backing: Backing | None = None) -> None:
        self.exchange = exchange
        self._backing = backing
        self._open: dict[tuple[str, bool], Segment] = {}

    def attach(self, part: str, writable: bool = False) -> Segment:
        """Map a part, once; read-only unless `writable`. Raises: NotFoundError."""
        key = (part, writable)
        if key not in self._open:
            name = segment_name(self.exchange, part)
            self._open[key] = Segment.attach(name, writable, self._backing)
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
