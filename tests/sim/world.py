"""The simulated exchange: real agents over real rings in private memory, stepped by one seed.

    clients ═socketpairs═ ports ─lanes─ sequencer, shards, publisher ─stream─ journals, standby
              desk, staff ─lanes─┘                           └wires─ ports, desk, staff, follower

Nothing runs unless the scheduler steps it, and time is what the scheduler says. Processes are what
can be killed: the engine, the standby, each journal, port and client, the desk, the follower, each
application of a trading day, and who closes it (staff.py). A killed one loses its private memory at
once; rings, lanes, marks and files (ground.py) stay as they were at that instruction of the
schedule. Disks tear and run full. Beside it all sits an auditor, who hears every proposal and every
message and is never wrong (auditor.py).
"""

from __future__ import annotations

from pathlib import Path

from engine.standby import Reign, Standby
from ringbus.core import Core, create_page, page_bytes
from ringbus.memory import Block
from ringbus.messages import Template
from ringbus.replay import Stream
from ringbus.status import Lapped, UsageError
from tests.engine.mix import Mix
from tests.engine.profiles import ALL_KINDS, Profile
from tests.sim.archive import SEGMENT
from tests.sim.clients import FORCES, FORCES_OF_A_DAY, MIDDLE, Client
from tests.sim.desk import Desk, Ideas
from tests.sim.ground import (
    CONSOLE,
    CONSOLE_WIRE,
    DESK,
    DESK_TOPIC,
    FOLLOWER_WIRE,
    GROUP,
    INSTRUMENTS,
    PORTS,
    Ground,
)
from tests.sim.operators import PEOPLE, Operator, console_of
from tests.sim.options import FLOWS, Options
from tests.sim.processes import USERS, Engine, Port, Tap
from tests.sim.staff import Staff, open_day
from tests.sim.wire import Follower
from tools.console.desk import Console

BUILD = 0x51
# Locates that the desk's dice look for: the lowest are given first.
LOCATES = 24
# Than time is elsewhere: a day of a minute or two, and orders that are good till some seconds.
QUICKER = 20_000


class World(Ground):
    """An exchange, its files in `directory`, and everything that can happen to it."""

    def __init__(self, seed: int, directory: Path, options: Options | None = None) -> None:
        super().__init__(seed, directory, options)
        memory, size = self.memory, self.size
        reign = Reign(memory.sequencer, memory.shards, memory.publisher)
        self.engine: Engine | None = Engine(memory.core, reign, None)
        self.engine_agents = self.engine.count
        self.standby: Standby | None = self._open_standby()
        taps = (*range(PORTS), CONSOLE) if self.has_console else range(PORTS)
        self._taps = {n: Tap(memory.lanes[n]) for n in taps}
        day = self.options.day
        self.staff = Staff(self, day, CONSOLE, CONSOLE_WIRE) if day is not None else None
        if self.staff is not None:
            open_day(self, self.staff, BUILD)
            self.staff.start_all()
        self.ports: list[Port | None] = [Port(self, n, self.seen_by(n)) for n in range(PORTS)]
        self.clients = [
            Client(user, n + 1, INSTRUMENTS, self.draw, FORCES if day is None else FORCES_OF_A_DAY)
            for n, user in enumerate(USERS)
        ]
        kinds = FLOWS[self.options.flow]
        profile = Profile(
            kinds or ALL_KINDS, INSTRUMENTS, GROUP, LOCATES * size.shards, size.price_nodes,
            prices=tuple(range(MIDDLE - 3, MIDDLE + 4)), topics=DESK_TOPIC, accounts=4,
        )  # fmt: skip
        mix = Mix(self.draw.below(1 << 30), profile, self.auditor.markets)  # type: ignore[arg-type]
        has_owners = self.options.limits if day is None else day.owners
        self._ideas = Ideas(
            mix, DESK_TOPIC, self.shard_of, has_owners, self.has_console or day is not None,
            None if day is None else lambda: self.now_ns,
        )  # fmt: skip
        self.desk: Desk | None = self._open_desk()
        self.follower: Follower | None = None
        self.followers: list[Follower] = []
        self.start_follower()
        self.console: Console | None = None
        self.operators: list[Operator] = []
        if self.has_console:
            self.start_console()
            self.operators = [
                Operator(name, n, self.draw, self.options.limits) for n, name in enumerate(PEOPLE)
            ]

    @property
    def is_over(self) -> bool:
        """Whether the day has its end: nothing is said any more."""
        return self.auditor.kinds[Template.END_OF_DAY] > 0

    @property
    def lets_in(self) -> bool:
        """Whether who logs in is let in: a day that ends hears nobody."""
        return self.staff is None or not self.staff.is_closing

    # What happens when nothing is wrong.

    def advance(self, nanoseconds: int) -> None:
        """Let time pass; a day's is quicker."""
        if self.staff is not None:
            nanoseconds *= QUICKER
            self.staff.advance(self.now_ns + nanoseconds)
        self.now_ns += nanoseconds
        if self.engine is not None:
            self.engine.core.set_time(self.now_ns)
        for port in self.ports:
            if port is not None:
                port.core.set_time(self.now_ns)

    def step_engine(self, n: int, limit: int) -> int:
        """One of its agents; what the last one publishes is heard at once."""
        if self.engine is None:
            return 0
        work = self.engine.step(n, limit)
        if work and n == self.engine.count - 1:
            self.listen()
        return work

    def listen(self) -> None:
        """The auditor hears what was published."""
        while len(lines := self._ears.poll()):
            self.auditor.hear(lines)

    def step_standby(self) -> int:
        if self.standby is None:
            return 0
        try:
            return self.standby.follow()
        except Lapped:
            return 0

    def step_port(self, n: int, limit: int) -> int:
        port = self.ports[n]
        if port is None:
            return 0
        work = port.step()
        for proposal in self._taps[n].hear():
            self.auditor.propose(n, proposal)
        return work

    def step_desk(self, limit: int) -> int:
        return 0 if self.desk is None else self.desk.follow(limit)

    def act_desk(self) -> None:
        if self.desk is not None and FLOWS[self.options.flow]:
            self.desk.act()

    def step_console(self, limit: int) -> int:
        """The console, and who speaks to it."""
        if self.console is None:
            return 0
        work = self.console.do_work(limit)
        for proposal in self._taps[CONSOLE].hear():
            self.auditor.propose(CONSOLE, proposal)
        return work + sum(one.step(self.console, self.promised) for one in self.operators)

    def act_operators(self) -> None:
        """Let one of them want something."""
        one = self.draw.choice(self.operators)
        one.act(self.auditor.trades, INSTRUMENTS, list(self.auditor.waiting))

    def step_follower(self, limit: int) -> int:
        return 0 if self.follower is None else self.follower.step(limit)

    def hear(self, client: Client) -> int:
        """Let a client take what has come."""
        return client.receive(self.promised())

    def act_some(self) -> None:
        """Let one of them ask for something."""
        self.draw.choice(self.clients).act()

    def connect_some(self, limit: int) -> None:
        """Let one of them log in somewhere."""
        self.connect(self.draw.choice(self.clients), limit)

    def connect(self, client: Client, number: int) -> None:
        """Log in at a port, whichever."""
        port = self.ports[number % PORTS]
        if port is not None and client.wire is None:
            port.agent.adopt(client.connect())

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
        try:
            reign = standby.promote(core, self._estate(), BUILD, self.now_ns, self._make_room)
        except UsageError:
            # Nobody reigns over a day that is over; it may have had its end half-said.
            self.listen()
            assert self.is_over, "a standby that could not be promoted"
            core.close()
            self.kill_standby()
            return
        self.listen()
        self.engine = Engine(core, reign, standby)
        self.standby = self._open_standby()

    def kill_standby(self) -> None:
        if self.standby is not None:
            self.standby.close()
            self.standby = None

    def start_standby(self) -> None:
        if self.standby is None:
            self.standby = self._open_standby()

    def kill_port(self, n: int) -> None:
        port = self.ports[n]
        if port is not None:
            port.close()
            self.ports[n] = None

    def start_port(self, n: int) -> None:
        if self.ports[n] is None:
            self.ports[n] = Port(self, n, self.seen_by(n))

    def kill_desk(self) -> None:
        if self.desk is not None:
            self.desk.close()
            self.desk = None

    def start_desk(self) -> None:
        if self.desk is None:
            self.desk = self._open_desk()

    def kill_console(self) -> None:
        if self.console is not None:
            self.console.close()
            self.console = None
            for one in self.operators:
                one.step(None, self.promised)

    def start_console(self) -> None:
        if self.console is None and self.has_console:
            memory = self.memory
            self.console = console_of(
                self.configuration, memory.lane_memory[CONSOLE], CONSOLE, memory.doorbell,
                Stream(self.seen_by(CONSOLE_WIRE), self.directories, SEGMENT),
                self.size.topics, lambda: self.now_ns,
            )  # fmt: skip

    def kill_follower(self) -> None:
        if self.follower is not None:
            self.follower.close()
            self.follower = None

    def start_follower(self) -> None:
        """From the beginning, or where the last one was."""
        if self.follower is None:
            start = self.draw.choice((1, self.followers[-1].next if self.followers else 1))
            self.follower = Follower(self.seen_by(FOLLOWER_WIRE), self.directories, SEGMENT, start)
            self.followers.append(self.follower)

    def close(self) -> None:
        """Give everything back."""
        for client in self.clients:
            client.hang_up()
        for n in range(PORTS):
            self.kill_port(n)
        for one in self.archives:
            one.kill()
        self.kill_desk()
        self.kill_console()
        if self.staff is not None:
            self.staff.close()
        self.kill_follower()
        for wire in self.wires:
            wire.close()
        self.kill_standby()
        self.kill_engine()

    def _open_standby(self) -> Standby:
        return Standby(
            self.size, self.shard_of, self.memory.ring, self.directories, SEGMENT, self.new_risk()
        )

    def _open_desk(self) -> Desk:
        memory = self.memory
        return Desk(
            memory.lane_memory[DESK], memory.doorbell, DESK,
            (self.seen_by(DESK), self.directories, SEGMENT),
            (self.size.topics, self.size.shards), self._ideas, self.auditor.propose,
        )  # fmt: skip

    def _make_room(self) -> None:
        """Whoever promotes sees to it that the journals run."""
        self.listen()
        for one in self.archives:
            one.limit = None
            one.start()
            one.step(256)
