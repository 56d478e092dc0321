"""One seed: a safety phase in which everything fails, a liveness phase in which nothing does."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.sim.archive import FILE_BYTES
from tests.sim.checks import check_all
from tests.sim.disk import disk
from tests.sim.ground import PORTS
from tests.sim.night import check_night
from tests.sim.options import Options
from tests.sim.staff import KINDS, STAFF, Staff
from tests.sim.world import World

STEPS = 1500
QUIET = 60
ROUNDS_MAX = 40_000
ROUND_NS = 1000
# In the evening of a day: so often so long, as `World.advance` has it, and then all is over.
TURNS, TURN_NS = 3, 1_000_000
LIMITS = (1, 1, 2, 8, 64)
# Steps that a stalled agent misses.
STALL_MIN, STALL_MAX = 10, 200
Step = Callable[[int], object]
Fault = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Result:
    """What a seed made: equal for equal seeds, commits and options."""

    seed: int
    options: Options
    messages: int
    proposals: int
    faults: Counter[str]
    trace: str

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.messages} messages, {self.faults.total()} faults, "
            f"{self.options}, trace {self.trace}"
        )


def run(seed: int, directory: Path, steps: int = STEPS, options: Options | None = None) -> Result:
    """Run a seed to the end; `options` are drawn unless they are given.

    Raises: AssertionError: a broken promise; and what agents raise.
    """
    world = World(seed, directory, options)
    faults: Counter[str] = Counter()
    try:
        _live(world, steps, faults)
        if world.staff is None:
            _newcomers(world)
        stream = check_all(world)
        if world.staff is not None:
            check_night(world, world.staff, stream)
    finally:
        world.close()
    trace = hashlib.blake2b(stream.tobytes(), digest_size=8)
    for client in world.clients:
        trace.update(b"".join(client.got))
    trace.update(repr((sorted(faults.items()), world.options, world.now_ns)).encode())
    if world.options.day is not None:
        trace.update(repr(world.options.day).encode())
    return Result(seed, world.options, len(stream), world.auditor.groups, faults, trace.hexdigest())


@contextmanager
def lived(seed: int, steps: int, options: Options) -> Iterator[World]:
    """An exchange at rest behind all that a seed does to it, and its day's end, to be looked at."""
    with disk() as directory:
        world = World(seed, directory, options)
        try:
            _live(world, steps, Counter())
            yield world
        finally:
            world.close()


def _live(world: World, steps: int, faults: Counter[str]) -> None:
    _safety(world, steps, faults)
    _liveness(world)
    if world.staff is not None:
        _evening(world, world.staff)


def _safety(world: World, steps: int, faults: Counter[str]) -> None:
    draw = world.draw
    rate = draw.choice((0.0, 0.02, 0.05, 0.1, 0.3))
    kinds = faults_of(world)
    chosen = draw.some([name for name in kinds if name not in UNDOING])
    # The undoing of a fault is no fault: without it little would happen.
    chosen += UNDOING
    agents = agents_of(world)
    names = sorted({name for name, _ in agents})
    stalled = dict.fromkeys(names, 0)
    day = world.options.day
    closed_at = steps if day is None else int(day.closed_at * steps)
    for step in range(steps):
        if step == closed_at and world.staff is not None:
            world.staff.close_day()
        world.advance(draw.between(1, 5000))
        if draw.share() < rate:
            kind = draw.choice(chosen)
            if kind == "stall":
                until = step + draw.between(STALL_MIN, STALL_MAX)
                stalled[draw.choice(names)] = until
                faults[kind] += 1
            elif kinds[kind]() and kind not in UNDOING:
                faults[kind] += 1
        for _ in range(draw.between(1, 11)):
            # One draw for whose turn it is and for how much.
            which, limit = divmod(int(draw.share() * len(agents) * len(LIMITS)), len(LIMITS))
            name, agent = agents[which]
            if stalled[name] <= step:
                agent(LIMITS[limit])
    faults["disk said no"] += sum(one.failures for one in world.archives)
    faults += Counter()


def agents_of(world: World) -> list[tuple[str, Step]]:
    """Everything that can take a step, and what it is called; some more often than others."""
    out: list[tuple[str, Step]] = []

    def add(name: str, step: Step, times: int = 1) -> None:
        out.extend([(name, step)] * times)

    for n in range(world.engine_agents):
        add(f"engine {n}", partial(world.step_engine, n), 2)
    for n, one in enumerate(world.archives):
        add(f"journal {n}", one.step)
        add(f"journal {n} sync", _plain(one.sync))
        add(f"journal {n} sync", _plain(one.mark))
    for n in range(PORTS):
        add(f"port {n}", partial(world.step_port, n), 2)
    # Few messages at a time cost it as much as many: it is slow on most days.
    add("standby", lambda limit: world.draw.below(3) or world.step_standby())
    add("desk", world.step_desk)
    add("desk asks", _plain(world.act_desk))
    add("follower", world.step_follower)
    if world.has_console:
        add("console", world.step_console)
        add("operators ask", _plain(world.act_operators))
    if world.staff is not None:
        for name in STAFF:
            add(name, partial(world.staff.step, name))
    for n, wire in enumerate(world.wires):
        add(f"wire {n}", wire.step)
    for client in world.clients:
        add(f"{client.user} hears", _plain(partial(world.hear, client)))
    add("clients ask", _plain(world.act_some), 2)
    add("clients connect", world.connect_some)
    return out


def _plain(do: Callable[[], object]) -> Step:
    """A step that knows no limit."""
    return lambda limit: do()


UNDOING = ["promote", "start standby", "start journal", "empty disk", "start port", "start reader"]


def faults_of(world: World) -> dict[str, Fault]:
    """Everything that can go wrong, and its undoing; False: there was nothing to do it to."""
    draw, archives, wires = world.draw, world.archives, world.wires

    def kill(name: str) -> Fault:
        def do() -> bool:
            was = getattr(world, name) is not None
            getattr(world, f"kill_{name}")()
            return was

        return do

    def kill_journal() -> bool:
        one = draw.choice(archives)
        return one.journal is not None and one.kill() >= 0

    def tear_journal() -> bool:
        one = draw.choice(archives)
        one.kill()
        return one.tear(draw)

    def fill_disk() -> bool:
        draw.choice(archives).limit = draw.choice((0, FILE_BYTES, draw.below(FILE_BYTES)))
        return True

    def empty_disk() -> bool:
        draw.choice(archives).limit = None
        return True

    def kill_port() -> bool:
        n = draw.below(PORTS)
        was = world.ports[n] is not None
        world.kill_port(n)
        return was

    def start_port() -> bool:
        world.start_port(draw.below(PORTS))
        return True

    readers = [world.start_desk, world.start_follower]
    readers += [world.start_console] if world.has_console else []
    if world.staff is not None:
        readers += [partial(world.staff.start, name) for name in STAFF]

    def start_reader() -> bool:
        draw.choice(readers)()
        return True

    def kill_client() -> bool:
        client = draw.choice(world.clients)
        was = client.wire is not None
        client.hang_up()
        return was

    def promote() -> bool:
        world.promote()
        return True

    def start_standby() -> bool:
        world.start_standby()
        return True

    faults: dict[str, Fault] = {
        "kill engine": kill("engine"), "promote": promote,
        "kill standby": kill("standby"), "start standby": start_standby,
        "kill journal": kill_journal, "tear journal": tear_journal,
        "damage journal": lambda: draw.choice(archives).damage(draw),
        "fail sync": lambda: draw.choice(archives).fail_sync(draw),
        "start journal": lambda: draw.choice(archives).start(),
        "fill disk": fill_disk, "empty disk": empty_disk,
        "kill port": kill_port, "start port": start_port, "kill client": kill_client,
        "kill desk": kill("desk"), "kill follower": kill("follower"), "start reader": start_reader,
        "stall": lambda: False,
    }  # fmt: skip
    if world.has_console:
        faults["kill console"] = kill("console")
    if world.staff is not None:
        for kind, names in KINDS.items():
            faults[f"kill {kind}"] = partial(world.staff.kill_one, names)
    if wires:
        faults["drop"] = lambda: draw.choice(wires).drop(draw)
        faults["duplicate"] = lambda: draw.choice(wires).duplicate(draw)
    return faults


def _liveness(world: World) -> None:
    """Everything is started again and left alone: all that was asked must be answered."""
    for one in world.archives:
        one.limit = None
    for one in world.archives:
        assert one.start() or one.journal is not None
    for one in world.archives:
        one.scrub()
    for n in range(PORTS):
        world.start_port(n)
    world.start_standby()
    world.start_desk()
    world.start_follower()
    world.start_console()
    if world.staff is not None:
        world.staff.start_all()
    world.promote()
    # Nobody is promoted when the day is over.
    world.start_standby()
    _settle(world)
    assert world.standby is not None
    assert world.desk is not None
    assert world.standby.lag == 0
    assert world.is_over or not world.desk.in_flight, f"never answered: {world.desk.in_flight}"
    for who in world.operators:
        assert who.wanted is None, f"{who.name} was never answered: {who.wanted}"


def _newcomers(world: World) -> None:
    """Ports that begin now tell clients that have lost everything what the old ones told them."""
    told = [(client.got, client.durable) for client in world.clients]
    for n in range(PORTS):
        world.kill_port(n)
        world.start_port(n)
    for client in world.clients:
        client.begin()
    _settle(world)
    for client, (got, durable) in zip(world.clients, told, strict=True):
        assert client.got == got, f"{client.user} is told something else today"
        # When it was told the first time is still to be judged.
        client.got, client.durable = got, durable


def _evening(world: World, staff: Staff) -> None:
    """Whatever is due comes; then the day is closed, unless it was among all the faults."""
    if not staff.is_closing:
        for _ in range(TURNS):
            world.advance(TURN_NS)
            _settle(world)
        staff.at_rest()
        _newcomers(world)
        staff.close_day()
        _settle(world)
    assert world.is_over, "the day does not come to its end"
    staff.at_the_end()


def _settle(world: World) -> None:
    """Rounds until everybody is in and nothing moves."""
    for client in world.clients if world.lets_in else ():
        client.hang_up()
    quiet = 0
    for turn in range(ROUNDS_MAX):
        quiet = 0 if _round(world, turn) else quiet + 1
        if quiet == QUIET:
            break
    assert quiet == QUIET, "the exchange does not come to rest"
    assert not world.lets_in or all(client.is_in for client in world.clients)


def _round(world: World, turn: int) -> int:
    """Everybody once; returns the work done."""
    world.advance(ROUND_NS)
    work = sum(world.step_engine(n, 64) for n in range(world.engine_agents))
    for one in world.archives:
        one.start()
        work += one.step(64)
        one.sync()
        one.mark()
    work += sum(wire.step(64) for wire in world.wires)
    work += sum(world.step_port(n, 64) for n in range(PORTS))
    work += world.step_standby() + world.step_desk(64) + world.step_follower(64)
    work += world.step_console(64)
    work += sum(world.staff.step(name, 64) for name in STAFF) if world.staff else 0
    for client in world.clients:
        # A session may be held by a port that is gone, or by the other one: try again.
        if client.wire is None and world.lets_in:
            world.connect(client, turn // 7 + client.topic)
            work += 1
        work += world.hear(client)
    return work
