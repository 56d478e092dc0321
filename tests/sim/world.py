"""The simulated exchange: real agents over real rings in private memory, stepped by one seed.

    clients ═socketpairs═ ports ─lanes─ sequencer, shards, publisher ─stream─ journals, standby

Nothing runs unless the scheduler steps it, and time is what the scheduler says. Processes are what
can be killed: the engine, the standby, each journal, each port, each client. A killed one loses its
private memory at once; rings, lanes, marks and files stay as they were at that instruction of the
schedule. Disks tear: what was not synced when a journal died may be cut off or garbled.
"""

from __future__ import annotations

import errno
import random
import socket
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine._engine import lib as engine_lib
from engine.fused import FusedEngine, Size
from engine.standby import Estate, Standby
from ports.client import ClientPort, ClientSession, Contributor, Limits, Stream
from ports.client import Instrument as PortInstrument
from ports.ouch import CancelOrder, EnterOrder, Inbound, Outbound, ReplaceOrder, decode_outbound
from ports.soup import SoupClientSession
from ringbus.core import Core, create_page, page_bytes
from ringbus.journal import HEADER_BYTES, Journal
from ringbus.marks import Marks, create_marks, marks_bytes
from ringbus.memory import Block
from ringbus.messages import MESSAGE
from ringbus.repair import repair
from ringbus.replay import Replay
from ringbus.status import DataError, Lapped, check

SEGMENT = 1 << 10
START_NS = 1_700_000_000_000_000_000
BUILD = 0x51
TICK = 100
MIDDLE = 1000
INSTRUMENTS = 4
USERS = ("ALICE", "BOB", "CAROL", "DAVE")
SESSION = "DAY1"
AGENTS = {
    "sequencer": engine_lib.eng_sequencer_work,
    "publisher": engine_lib.eng_publisher_work,
}
LIMITS = Limits(
    connections=16, orders=4096, messages=1 << 16, backlog=1 << 16, dead_ns=1 << 62,
    heartbeat_ns=1 << 62, receive_bytes=4096, send_bytes=4096,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What a seed decides first."""

    shards: int
    copies: int  # journals that an answer waits for
    stream_slots: int
    lane_slots: int


@dataclass(slots=True)
class Client:
    """A client session: what it asked, what it was told, over however many connections."""

    user: str
    topic: int
    sent: list[Inbound] = field(default_factory=list)
    got: list[bytes] = field(default_factory=list)
    durable: list[int] = field(default_factory=list)  # what was promised when each came
    user_ref: int = 0
    known: int = 0  # messages of `got` that `mine` was told of
    mine: dict[int, int] = field(default_factory=dict)  # open orders: number, instrument
    soup: SoupClientSession | None = None
    wire: socket.socket | None = None
    unsent: bytes = b""

    def messages(self) -> list[Outbound]:
        return [decode_outbound(one) for one in self.got]

    def hang_up(self) -> None:
        if self.wire is not None:
            self.wire.close()
        self.wire, self.soup, self.unsent = None, None, b""


class Port:
    """One client port process."""

    def __init__(self, world: World, number: int) -> None:
        engine = world.memory
        self._page = Block(page_bytes())
        create_page(self._page, f"port.{number}")
        self.core = Core(self._page, engine.bells, f"port.{number}", "spin", "manual")
        self.core.set_time(world.now_ns)
        self.agent = ClientPort(
            self.core,
            SESSION,
            world.options.shards,
            Contributor(engine.lane_memory[number], number, engine.doorbell),
            Stream(
                engine.ring, world.directories, SEGMENT, world.marks.memory, world.options.copies
            ),
            world.instruments,
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

    def __init__(self, core: Core, agents: list[tuple[str, object]], owner: object) -> None:
        self.core = core
        self.agents = agents
        self._owner = owner

    def step(self, n: int, limit: int) -> int:
        name, state = self.agents[n]
        work = {
            "sequencer": engine_lib.eng_sequencer_work,
            "publisher": engine_lib.eng_publisher_work,
        }
        function = work.get(name, engine_lib.eng_shard_work)
        return check(function(state, limit), name, engine_lib)

    def close(self) -> None:
        """Gone: whoever owned the memory of its books gives it back."""
        if isinstance(self._owner, Standby):
            self._owner.close()
        self.core.close()


class World:
    """An exchange, its files in `directory`, and everything that can happen to it."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.draw = random.Random(seed)
        draw = self.draw
        self.options = Options(
            shards=draw.choice((1, 2, 4)),
            copies=draw.choice((0, 1, 2)),
            stream_slots=draw.choice((64, 256, 1024)),
            lane_slots=draw.choice((16, 64, 256)),
        )
        size = Size(
            INSTRUMENTS, self.options.shards, len(USERS) + 1, 2, self.options.stream_slots,
            self.options.lane_slots, orders=512, price_nodes=256,
        )  # fmt: skip
        self.size = size
        self.now_ns = START_NS
        self.memory = FusedEngine(size, "manual")
        self.memory.core.set_time(self.now_ns)
        self.shard_of = self.memory.shard_of
        self.instruments = [
            PortInstrument(f"S{n}", TICK, 100, 1_000_000, shard=self.shard_of[n])
            for n in range(INSTRUMENTS)
        ]
        marks = Block(marks_bytes())
        create_marks(marks, "marks")
        self.marks = Marks(marks)
        self.directories = [directory / name for name in ("journal", "journal.b")]
        self.places = []
        for path in self.directories:
            path.mkdir()
            self.places.append(self.marks.place(path.name))
        self.journals: list[Journal | None] = [self._open_journal(n) for n in range(2)]
        agents: list[tuple[str, object]] = [("sequencer", self.memory.sequencer.state)]
        agents += [(f"shard.{n}", one.state) for n, one in enumerate(self.memory.shards)]
        agents.append(("publisher", self.memory.publisher.state))
        self.engine: Engine | None = Engine(self.memory.core, agents, self.memory)
        self.standby: Standby | None = self._open_standby()
        self.ports: list[Port | None] = [Port(self, 0), Port(self, 1)]
        self.clients = [Client(user, n + 1) for n, user in enumerate(USERS)]

    # What happens when nothing is wrong.

    def advance(self, nanoseconds: int) -> None:
        """Let time pass."""
        self.now_ns += nanoseconds
        if self.engine is not None:
            self.engine.core.set_time(self.now_ns)
        for port in self.ports:
            if port is not None:
                port.core.set_time(self.now_ns)

    def step_engine(self, limit: int) -> int:
        """One of its agents, whichever."""
        if self.engine is None:
            return 0
        return self.engine.step(self.draw.randrange(len(self.engine.agents)), limit)

    def step_journal(self, n: int, limit: int) -> int:
        journal = self.journals[n]
        if journal is None:
            return 0
        try:
            return journal.step(limit)
        except Lapped:
            # Torn below its gate, it came back for what the writer was free to overwrite: its
            # process ends, and the next one asks the other journal.
            self.kill_journal(n, False)
            return 1

    def sync_journal(self, n: int) -> None:
        journal = self.journals[n]
        if journal is not None:
            self.marks.set(self.places[n], journal.sync())

    def step_standby(self) -> int:
        if self.standby is None:
            return 0
        try:
            return self.standby.follow()
        except Lapped:
            return 0

    def step_port(self, n: int) -> int:
        port = self.ports[n]
        return 0 if port is None else port.step()

    def connect(self, client: Client, number: int) -> None:
        """Log in at a port, from the message behind the last one that was seen."""
        port = self.ports[number]
        if port is None or client.wire is not None:
            return
        ours, theirs = socket.socketpair()
        for one in (ours, theirs):
            one.setblocking(False)
        port.agent.adopt(theirs.detach())
        client.wire = ours
        client.soup = SoupClientSession(client.user, "X", next_sequence=len(client.got) + 1)
        self._send(client, client.soup.login())

    def receive(self, client: Client) -> int:
        """Take what has come."""
        if client.wire is None or client.soup is None:
            return 0
        self._send(client, b"")
        if client.wire is None:
            return 1
        try:
            data = client.wire.recv(1 << 16)
        except BlockingIOError:
            return 0
        except ConnectionResetError:
            data = b""
        if not data:
            client.hang_up()
            return 1
        before = client.soup.accepted
        for sequence, payload in client.soup.feed(data):
            assert sequence == len(client.got) + 1, "a message came twice or not at all"
            client.got.append(payload)
            client.durable.append(self.marks.reached(self.options.copies))
        if client.soup.accepted and not before:
            self._ask_again(client)
        return len(data)

    def act(self, client: Client) -> None:
        """Ask for something new, if the last was answered or at random."""
        if client.wire is None or client.soup is None or not client.soup.accepted:
            return
        request = self._request(client)
        client.sent.append(request)
        self._send(client, client.soup.unsequenced(request.encode()))

    # What goes wrong.

    def kill_engine(self) -> None:
        if self.engine is not None:
            self.engine.close()
            self.engine = None

    def promote(self) -> None:
        """The standby takes the dead engine's place, and another one begins to follow."""
        if self.engine is not None or self.standby is None:
            return
        page = Block(page_bytes())
        create_page(page, "engine")
        core = Core(page, self.memory.bells, "engine", "spin", "manual")
        core.set_time(self.now_ns)
        standby = self.standby
        reign = standby.promote(core, self.estate(), BUILD, self.now_ns, self._make_room)
        agents: list[tuple[str, object]] = [("sequencer", reign.sequencer.state)]
        agents += [(f"shard.{n}", one.state) for n, one in enumerate(reign.shards)]
        agents.append(("publisher", reign.publisher.state))
        self.engine = Engine(core, agents, standby)
        self.standby = self._open_standby()

    def estate(self) -> Estate:
        memory = self.memory
        return Estate(
            memory.doorbell, memory.lane_memory, memory.inward, memory.outward, memory.ring,
            memory.readers, self.size.topics,
        )  # fmt: skip

    def kill_standby(self) -> None:
        if self.standby is not None:
            self.standby.close()
            self.standby = None

    def start_standby(self) -> None:
        if self.standby is None:
            self.standby = self._open_standby()

    def kill_journal(self, n: int, tear: bool) -> None:
        """A journal dies; what it had not synced may be torn, as when its host died too."""
        journal = self.journals[n]
        if journal is None:
            return
        written = journal.written
        durable = self.marks.durable()[self.directories[n].name]
        journal.close()
        self.journals[n] = None
        if tear and written > durable:
            first = self.draw.randrange(durable, written) + 1
            for sequence in range(first, written + 1):
                self._garble(n, sequence, self.draw.choice((bytes(64), self.draw.randbytes(64))))

    def start_journal(self, n: int) -> None:
        """Its successor; damage is fetched from the other one."""
        if self.journals[n] is not None:
            return
        try:
            self.journals[n] = self._open_journal(n)
        except (DataError, Lapped):
            self._mend(n)
            self.journals[n] = self._open_journal(n)

    def damage_journal(self, n: int) -> None:
        """Some bytes of a dead journal's file rot, of a message that the other one has whole."""
        if self.journals[n] is not None or self.journals[1 - n] is None:
            return
        most = min(self.marks.durable().values())
        if most > 0:
            self._garble(n, self.draw.randrange(1, most + 1), self.draw.randbytes(64))

    def kill_port(self, n: int) -> None:
        port = self.ports[n]
        if port is not None:
            port.close()
            self.ports[n] = None

    def start_port(self, n: int) -> None:
        if self.ports[n] is None:
            self.ports[n] = Port(self, n)

    def close(self) -> None:
        """Give everything back."""
        for client in self.clients:
            client.hang_up()
        for n in range(2):
            self.kill_port(n)
            self.kill_journal(n, False)
        self.kill_standby()
        self.kill_engine()

    # Inside.

    def _open_journal(self, n: int) -> Journal:
        return Journal(
            self.directories[n], self.memory.ring, self.memory.readers, SEGMENT,
            self.directories[n].name,
        )  # fmt: skip

    def _open_standby(self) -> Standby:
        return Standby(self.size, self.shard_of, self.memory.ring, self.directories, SEGMENT)

    def _mend(self, n: int) -> None:
        """With the other one at rest, as a restarted process finds it or not: it may write on."""
        repair(
            self.directories[n], [self.directories[1 - n]], self.memory.ring, SEGMENT,
            self.directories[n].name,
        )  # fmt: skip

    def _make_room(self) -> None:
        for n, journal in enumerate(self.journals):
            if journal is None:
                self.start_journal(n)
            self.step_journal(n, 256)

    def _garble(self, n: int, sequence: int, data: bytes) -> None:
        file, place = divmod(sequence - 1, SEGMENT)
        path = self.directories[n] / f"stream-{file:08d}.rbj"
        if path.exists():
            with path.open("r+b") as out:
                out.seek(HEADER_BYTES + place * MESSAGE.itemsize)
                out.write(data)

    def _send(self, client: Client, data: bytes) -> None:
        if client.wire is None:
            return
        client.unsent += data
        try:
            done = client.wire.send(client.unsent) if client.unsent else 0
            client.unsent = client.unsent[done:]
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            client.hang_up()

    def _request(self, client: Client) -> Inbound:
        draw = self.draw
        self._learn(client)
        kind = draw.random()
        mine = sorted(client.mine)
        if mine and kind < 0.3:
            return CancelOrder(draw.choice(mine), draw.choice((0, 0, 1)))
        client.user_ref += 1
        price = (MIDDLE + draw.randrange(-3, 4)) * TICK
        quantity = draw.randrange(1, 20)
        if mine and kind < 0.45:
            original = draw.choice(mine)
            return ReplaceOrder(original, client.user_ref, quantity, price, clordid="replaced")
        symbol = f"S{draw.randrange(INSTRUMENTS)}"
        side, time = draw.choice("BS"), draw.choice("0003")
        tag = draw.choice(("", "tag"))
        return EnterOrder(client.user_ref, side, quantity, symbol, price, time, clordid=tag)

    def _learn(self, client: Client) -> None:
        """Which of its orders may be open; a wrong guess is answered by a refusal."""
        for payload in client.got[client.known :]:
            message = decode_outbound(payload)
            name = type(message).__name__
            if name == "OrderAccepted":
                client.mine[message.user_ref] = 1  # type: ignore[union-attr]
            elif name == "OrderReplaced":
                client.mine[message.user_ref] = 1  # type: ignore[union-attr]
                client.mine.pop(message.original_user_ref, None)  # type: ignore[union-attr]
        client.known = len(client.got)
        while len(client.mine) > 12:
            client.mine.pop(next(iter(client.mine)))

    def _ask_again(self, client: Client) -> None:
        """After a login, what may not have been taken is sent once more, as a careful client does.

        Numbers that were used are ignored by the port; cancels have none, and do no harm twice.
        """
        for request in client.sent[-32:]:
            if client.soup is not None and not isinstance(request, CancelOrder):
                self._send(client, client.soup.unsequenced(request.encode()))

    def stream(self) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """Everything that was published, from files and ring, as a newcomer gets it."""
        replay = Replay(self.memory.ring, self.directories, 1, SEGMENT)
        parts = []
        while len(part := replay.poll()):
            parts.append(part.copy())
        replay.close()
        return np.concatenate(parts) if parts else np.zeros(0, MESSAGE)
