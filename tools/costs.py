"""What is said before an exchange is started: who sits where, and what the plan costs.

Which cores share CPUs, and what it takes to wake those that sleep: in words, so that nobody finds
it out in a histogram.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from tools.placement import Plan, explain, place
from tools.sections import CoreSection
from tools.topology import Topology, load_topology
from tuning.host import Host, cpu_list
from tuning.machine import Machine

# 10 µs of the waker and 29 until the sleeper runs (ringbus/idle.c); `make bench-idle` measures it.
WAKE_US: Final = 40


def plan_of(path: Path) -> Plan:
    """The plan of a topology file on this machine. Raises: ConfigurationError."""
    return place(load_topology(path), Machine.of(Host()))


def foretell(plan: Plan) -> Iterator[str]:
    """What is to be said of a plan before it is started: a line each."""
    if plan.hot or any("housekeeping" in seat.why for seat in plan.seats):
        yield from explain(plan)
    yield from (f"note: {text}" for text in (*plan.notes, *costs(plan)))


def keep_off(plan: Plan) -> None:
    """Let this process, and those that it starts, keep off the CPUs of cores that never sleep."""
    # Who is pinned chooses for himself all the same.
    if plan.hot and plan.housekeeping:
        os.sched_setaffinity(0, plan.housekeeping)


def costs(plan: Plan) -> Iterator[str]:
    """A sentence for each thing that this placement costs; none if it costs nothing."""
    shared = list(_shared(plan))
    yield from shared
    if shared:
        yield (
            "whoever is handed a message there waits until the CPU is free: 2 to 5 µs for a switch "
            "of processes, milliseconds while another has work"
        )
    for port in plan.topology.ports[:1]:
        yield from _way(plan.topology, port.name)


def _shared(plan: Plan) -> Iterator[str]:
    """Who takes turns with whom."""
    by_cpu: dict[int, list[str]] = {}
    for seat in plan.seats:
        if seat.cpu is not None:
            by_cpu.setdefault(seat.cpu, []).append(seat.core.name)
    for cpu, names in sorted(by_cpu.items()):
        if len(names) > 1:
            yield f"{len(names)} cores share CPU {cpu}: {', '.join(names)}"
    anywhere = [seat.core.name for seat in plan.seats if seat.cpu is None]
    cpus = plan.housekeeping or plan.machine.allowed
    if len(anywhere) > len(cpus):
        where = f"CPU{'s' if len(cpus) > 1 else ''} {cpu_list(cpus)}"
        listed = ", ".join(anywhere)
        yield f"{len(anywhere)} cores share {where}, wherever the kernel likes: {listed}"


def _way(topology: Topology, port: str) -> Iterator[str]:
    """What an order through that port pays for cores that sleep when it comes."""
    agents = [port, "sequencer", "shard.0", "publisher"]
    agents += topology.journals[:1] if topology.copies_awaited else []
    cores = [topology.core_of(agent) for agent in (*agents, port)]
    changes = [(one, other) for one, other in pairwise(cores) if one is not other]
    # The port is woken by its client; a journal that is waited for has a thread that syncs.
    asleep = [cores[0], *(other for _, other in changes)]
    asleep += [cores[-2]] if topology.copies_awaited else []
    wakes = sum(not one.is_hot for one in asleep)
    if wakes:
        yield (
            f"an order through {port} changes cores {len(changes)} times ({_path(changes)}), and "
            f"{wakes} that sleep have to be woken for it when all is quiet: about {WAKE_US} µs "
            f"each, {wakes * WAKE_US:,} µs more than with cores that spin"
        )


def _path(changes: list[tuple[CoreSection, CoreSection]]) -> str:
    if not changes:
        return "one core"
    return " → ".join([changes[0][0].name, *(other.name for _, other in changes)])
