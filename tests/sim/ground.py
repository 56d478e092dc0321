"""What a killed process of the simulation leaves behind: rings, lanes, marks, wires and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.fused import FusedEngine, Size
from engine.risk import Risk, RiskInstrument, RiskSize
from engine.standby import Estate
from ringbus.marks import Marks, create_marks, marks_bytes
from ringbus.memory import Block, Memory
from ringbus.messages import MESSAGE
from ringbus.multicast import Reader
from ringbus.replay import Replay
from tests.engine.plain_risk import PlainRisk
from tests.sim.archive import SEGMENT, Archive
from tests.sim.auditor import Auditor
from tests.sim.clients import TICK
from tests.sim.draw import Draw
from tests.sim.operators import configuration_of
from tests.sim.options import Options, options_of
from tests.sim.processes import USERS
from tests.sim.staff import STAFF, sections
from tests.sim.wire import Wire
from tools.configuration import Configuration

START_NS = 1_700_000_000_000_000_000
INSTRUMENTS = 8
# Neighbours that may trade together or not at all; they are in one shard.
GROUP = 2
PORTS = 2
DESK = PORTS
# Lanes of contributors, and wires of lossy readers.
CONSOLE = PORTS + 1
FOLLOWER_WIRE, CONSOLE_WIRE = PORTS + 1, PORTS + 2
DESK_TOPIC = len(USERS) + 1
PRICE_NODES = 256
RISKS = [RiskInstrument(TICK, 1_000_000) for _ in range(INSTRUMENTS)]


class Ground:
    """An exchange without its processes, and the auditor beside it."""

    def __init__(self, seed: int, directory: Path, options: Options | None = None) -> None:
        self.draw = draw = Draw(seed)
        self.options = options or options_of(draw, seed)
        shards = self.options.shards
        group_of = [1 + n // GROUP for n in range(INSTRUMENTS)]
        self.shard_of = bytes((group - 1) % shards for group in group_of)
        day = self.options.day
        self._configuration = (
            configuration_of(
                directory / "console", USERS, self.shard_of, self.options.orders,
                self.options.approvals or 1, sections(PRICE_NODES) if day is not None else "",
            )
            if self.has_console or day is not None
            else None
        )  # fmt: skip
        self.size = size = Size(
            INSTRUMENTS, shards,
            DESK_TOPIC + 1 if day is None else self.configuration.topics,
            PORTS + 1 + self.has_console + (len(STAFF) if day is not None else 0),
            self.options.stream_slots,
            self.options.lane_slots, self.options.orders, price_nodes=PRICE_NODES,
        )  # fmt: skip
        self.group_of = group_of
        self.now_ns = START_NS
        self.memory = FusedEngine(
            size, "manual", self.shard_of, group_of=group_of, risk=self.new_risk()
        )
        self.memory.core.set_time(self.now_ns)
        marks = Block(marks_bytes())
        create_marks(marks, "marks")
        self.marks = Marks(marks)
        ring, readers = self.memory.ring, self.memory.readers
        first, second = directory / "journal", directory / "copy"
        self.archives = [
            Archive(first, ring, readers, self.marks, None),
            Archive(second, ring, readers, self.marks, first if self.options.lossy else None),
        ]
        for one in self.archives:
            one.peers = [other for other in self.archives if other is not one]
        self.directories = [one.directory for one in self.archives]
        self.auditor = Auditor(
            INSTRUMENTS, size.orders, size.price_nodes, self.shard_of, group_of,
            PlainRisk(RISKS) if self.options.limits else None,
        )  # fmt: skip
        self._ears = Reader(ring)
        wire_slots = self.options.wire_slots
        self.wires = [
            Wire(ring, self.directories, SEGMENT, wire_slots)
            for _ in range(size.contributors + 1 if wire_slots else 0)
        ]

    @property
    def has_console(self) -> bool:
        """Whether operators speak through one."""
        return self.options.approvals > 0

    @property
    def configuration(self) -> Configuration:
        """Of a world that was read from files."""
        assert self._configuration is not None
        return self._configuration

    def promised(self) -> int:
        """Up to where so many journals as promised are durable, by what they did, not by marks."""
        copies = self.options.copies
        if copies == 0:
            return 1 << 63
        return sorted((one.durable for one in self.archives), reverse=True)[copies - 1]

    def seen_by(self, n: int) -> Memory:
        """The ring that a lossy reader has: the stream's, or its own wire."""
        return self.wires[n].memory if self.wires else self.memory.ring

    def new_risk(self) -> Risk | None:
        """Of all owners, as it is before the first message."""
        if not self.options.limits:
            return None
        owners = RiskSize(accounts=8, firms=4, positions=256)
        return Risk(RISKS, self.size.shards, self.size.orders, owners, self.size.topics)

    def _estate(self) -> Estate:
        memory = self.memory
        return Estate(
            memory.doorbell, memory.lane_memory, memory.inward, memory.outward, memory.ring,
            memory.readers, self.size.topics, self.group_of, memory.settled,
        )  # fmt: skip

    def stream(self) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """Everything that was published, from files and ring, as a newcomer gets it."""
        replay = Replay(self.memory.ring, self.directories, 1, SEGMENT)
        parts = []
        while len(part := replay.poll()):
            parts.append(part.copy())
        replay.close()
        return np.concatenate(parts) if parts else np.zeros(0, MESSAGE)
