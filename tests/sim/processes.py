"""Processes that can be killed: client ports and the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine._engine import lib as engine_lib
from engine.standby import Reign, Standby
from ports.client import ClientPort, ClientSession, Contributor, Limits, Stream
from ports.client import Instrument as PortInstrument
from ringbus._ringbus import ffi, lib
from ringbus.core import Core, create_page, page_bytes
from ringbus.lane import Lane
from ringbus.memory import Block, Memory
from ringbus.messages import MESSAGE, Flag
from ringbus.status import check
from tests.engine.mix import Message
from tests.sim.archive import SEGMENT
from tests.sim.clients import TICK

if TYPE_CHECKING:
    from tests.sim.world import World

USERS = ("ALICE", "BOB", "CAROL", "DAVE")
LIMITS = Limits(
    connections=16, orders=4096, messages=1 << 16, backlog=1 << 16, dead_ns=1 << 62,
    heartbeat_ns=1 << 62, receive_bytes=4096, send_bytes=4096,
)  # fmt: skip
LINE = MESSAGE.itemsize
CONTINUED = int(Flag.CONTINUED)


class Tap:
    """Hears what is put on a lane: whoever calls it often enough misses nothing."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._bytes = ffi.buffer(lib.rb_lane_slots(lane.handle), lane.capacity * LINE)
        self._mask = lane.capacity - 1
        self._next = 0

    def hear(self) -> list[Message]:
        """The proposals since the last time."""
        out: list[Message] = []
        lines: Message = []
        while True:
            at = (self._next & self._mask) * LINE
            line = self._bytes[at : at + LINE]
            if int.from_bytes(line[:8], "little") != self._next + 1:
                assert not lines, "half a proposal"
                return out
            self._next += 1
            lines.append(line)
            if not line[25] & CONTINUED:
                out.append(lines)
                lines = []


class Port:
    """One client port process."""

    def __init__(self, world: World, number: int, ring: Memory) -> None:
        engine = world.memory
        self._page = Block(page_bytes())
        create_page(self._page, f"port.{number}")
        self.core = Core(self._page, engine.bells, f"port.{number}", "spin", "manual")
        self.core.set_time(world.now_ns)
        marks, copies = world.marks.memory, world.options.copies
        self.agent = ClientPort(
            self.core,
            "DAY1",
            world.options.shards,
            Contributor(engine.lane_memory[number], number, engine.doorbell),
            Stream(ring, world.directories, SEGMENT, marks, copies),
            [
                PortInstrument(f"S{n}", TICK, 100, 1_000_000, shard=shard)
                for n, shard in enumerate(world.shard_of)
            ],
            [ClientSession(n + 1, user, n + 1, 1) for n, user in enumerate(USERS)],
            LIMITS,
        )
        self.core.add("port", self.agent)

    def step(self) -> int:
        work = self.core.round()
        # Every password is right: it is not the authenticator that is simulated.
        while (login := self.agent.next_login()) is not None:
            self.agent.answer_login(login[0], login[1], True)
            work += 1
        return work

    def close(self) -> None:
        self.core.close()
        self.agent.close()


class Engine:
    """The active engine: its agents one by one."""

    def __init__(self, core: Core, reign: Reign, standby: Standby | None) -> None:
        self.core = core
        self.shards = reign.shards
        self._states = [
            (engine_lib.eng_sequencer_work, reign.sequencer.state),
            *((engine_lib.eng_shard_work, one.state) for one in reign.shards),
            (engine_lib.eng_publisher_work, reign.publisher.state),
        ]
        self._reign = reign
        self._standby = standby

    def step(self, n: int, limit: int) -> int:
        """Agent 0 is the sequencer, the last one the publisher."""
        function, state = self._states[n]
        return check(function(state, limit), f"agent {n}", engine_lib)

    @property
    def count(self) -> int:
        return len(self._states)

    def close(self) -> None:
        """Gone: whoever owned the memory of its books gives it back."""
        if self._standby is not None:
            self._standby.close()
        self.core.close()
