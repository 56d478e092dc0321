"""One seed: a safety phase in which everything fails, a liveness phase in which nothing does."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.sim.checks import check_all
from tests.sim.world import Options, World

STEPS = 1500
QUIET = 60
ROUNDS_MAX = 20_000
FAULTS = (
    "kill engine", "promote", "kill standby", "start standby", "kill journal", "tear journal",
    "damage journal", "start journal", "kill port", "start port", "kill client", "stall",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """What a seed made: equal for equal seeds, commits and options."""

    seed: int
    options: Options
    messages: int
    faults: Counter[str]
    trace: str

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.messages} messages, {self.faults.total()} faults, "
            f"{self.options}, trace {self.trace}"
        )


def run(seed: int, directory: Path, steps: int = STEPS) -> Result:
    """Run a seed to the end. Raises: AssertionError: a broken promise; and what agents raise."""
    world = World(seed, directory)
    faults: Counter[str] = Counter()
    try:
        _safety(world, steps, faults)
        _liveness(world)
        stream = check_all(world)
    finally:
        world.close()
    trace = hashlib.blake2b(stream.tobytes(), digest_size=8)
    for client in world.clients:
        trace.update(b"".join(client.got))
    trace.update(repr(sorted(faults.items())).encode())
    return Result(seed, world.options, len(stream), faults, trace.hexdigest())


def _safety(world: World, steps: int, faults: Counter[str]) -> None:
    draw = world.draw
    rate = draw.choice((0.0, 0.01, 0.05, 0.15))
    kinds = draw.sample(FAULTS, draw.randrange(1, len(FAULTS) + 1))
    # The undoing of a fault is no fault: without it little would happen.
    kinds += ["promote", "start standby", "start journal", "start port"]
    agents = _agents(world)
    stalled: dict[int, int] = {}
    for step in range(steps):
        world.advance(draw.randrange(1, 5000))
        if draw.random() < rate:
            kind = draw.choice(kinds)
            if kind == "stall":
                stalled[draw.randrange(len(agents))] = step + draw.randrange(10, 200)
                faults[kind] += 1
            elif _fault(world, kind):
                faults[kind] += 1
        for _ in range(draw.randrange(1, 12)):
            n = draw.randrange(len(agents))
            if stalled.get(n, 0) <= step:
                agents[n](draw.choice((1, 1, 2, 8, 64)))


def _agents(world: World) -> list[Callable[[int], object]]:
    """Everything that can take a step; the engine more often than the others."""
    out: list[Callable[[int], object]] = [world.step_engine] * 6
    for n in range(2):
        out.append(lambda limit, n=n: world.step_journal(n, limit))  # type: ignore[misc]
        out.append(lambda limit, n=n: world.sync_journal(n))  # type: ignore[misc]
        out += [lambda limit, n=n: world.step_port(n)] * 2  # type: ignore[misc]
    out.append(lambda limit: world.step_standby())
    for client in world.clients:
        out.append(lambda limit, one=client: world.receive(one))  # type: ignore[misc]
        out.append(lambda limit, one=client: world.act(one))  # type: ignore[misc]
        out.append(lambda limit, one=client: world.connect(one, limit & 1))  # type: ignore[misc]
    return out


def _fault(world: World, kind: str) -> bool:
    """Do it; False: there was nothing to do it to."""
    n = world.draw.randrange(2)
    client = world.draw.choice(world.clients)
    alive = {
        "kill engine": world.engine, "promote": world.standby if world.engine is None else None,
        "kill standby": world.standby, "start standby": None if world.standby else world,
        "kill journal": world.journals[n], "tear journal": world.journals[n],
        "damage journal": None if world.journals[n] else world.journals[1 - n],
        "start journal": None if world.journals[n] else world,
        "kill port": world.ports[n], "start port": None if world.ports[n] else world,
        "kill client": client.wire,
    }[kind]  # fmt: skip
    if alive is None:
        return False
    actions: dict[str, Callable[[], None]] = {
        "kill engine": world.kill_engine,
        "promote": world.promote,
        "kill standby": world.kill_standby,
        "start standby": world.start_standby,
        "kill journal": lambda: world.kill_journal(n, False),
        "tear journal": lambda: world.kill_journal(n, True),
        "damage journal": lambda: world.damage_journal(n),
        "start journal": lambda: world.start_journal(n),
        "kill port": lambda: world.kill_port(n),
        "start port": lambda: world.start_port(n),
        "kill client": client.hang_up,
    }
    actions[kind]()
    return not kind.startswith(("start", "promote"))


def _liveness(world: World) -> None:
    """Everything is started again and left alone: all that was asked must be answered."""
    for n in range(2):
        world.start_journal(n)
        world.start_port(n)
    world.start_standby()
    world.promote()
    for client in world.clients:
        client.hang_up()
    quiet = 0
    for turn in range(ROUNDS_MAX):
        world.advance(1000)
        work = 0
        if world.engine is not None:
            work += sum(world.engine.step(n, 64) for n in range(len(world.engine.agents)))
        for n in range(2):
            world.start_journal(n)
            work += world.step_journal(n, 64)
            world.sync_journal(n)
            work += world.step_port(n)
        work += world.step_standby()
        for client in world.clients:
            # A session may be held by a port that is gone, or by the other one: try again.
            if client.wire is None:
                world.connect(client, (turn // 7 + client.topic) % 2)
                work += 1
            work += world.receive(client)
        quiet = 0 if work else quiet + 1
        if quiet == QUIET:
            break
    assert quiet == QUIET, "the exchange does not come to rest"
    assert all(client.soup and client.soup.accepted for client in world.clients)
    assert world.standby is not None
    assert world.standby.lag == 0
    assert np.uint64(world.standby.passive.lines) == len(world.stream())
