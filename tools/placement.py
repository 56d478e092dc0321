"""Who sits where: gives each core that says cpu = "auto" a CPU of the real machine, and says why.

Cores that never sleep get isolated CPUs first, each a physical core of its own, on the memory's
NUMA node, side by side under one cache in the order in which messages flow. Cores that sleep,
Python and the launcher share what is left: the housekeeping CPUs, of which the first core of the
machine is always one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from tools import memory
from tools.sections import CoreSection
from tools.topology import Topology
from tuning.host import Host, cpu_list
from tuning.machine import Cpu, Machine

FLOW = ("sequencer", "shard", "publisher", "port", "journal", "passive")


@dataclass(frozen=True, slots=True)
class Seat:
    """One core, where it runs (None: wherever the kernel likes), and why there."""

    core: CoreSection
    cpu: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What is against a plan; `name` is that of `[host] allow`, empty if nothing allows it."""

    name: str
    place: tuple[str, int, str]
    text: str
    cure: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everybody sits; `topology` has numbers in place of "auto"."""

    topology: Topology
    machine: Machine
    seats: tuple[Seat, ...]
    housekeeping: frozenset[int]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def hot(self) -> frozenset[int]:
        """CPUs on which a core never sleeps."""
        return frozenset(one.cpu for one in self.seats if one.core.is_hot and one.cpu is not None)

    def refuse(self) -> None:
        """Raises: ConfigurationError: there is a problem that `[host] allow` does not allow."""
        allowed = self.topology.host.allow
        for problem in self.problems:
            if problem.name not in allowed or not problem.name:
                cure = problem.cure
                if problem.name:
                    cure += f'; or go on all the same: [host] allow = ["{problem.name}"]'
                raise self.topology.source.error(problem.place, problem.text, cure)


def place(topology: Topology, machine: Machine) -> Plan:
    """Find everybody a CPU."""
    return _Placement(topology, machine).plan()


def placed(topology: Topology, machine: Machine | None = None) -> Topology:
    """The topology with a CPU for each core that says "auto". Raises: ConfigurationError."""
    if not any(core.cpu == "auto" or _roams(core) for core in topology.cores):
        return topology
    plan = place(topology, machine or Machine.of(Host()))
    plan.refuse()
    return plan.topology


class _Placement:
    """A plan in the making."""

    def __init__(self, topology: Topology, machine: Machine) -> None:
        self.topology = topology
        self.machine = machine
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.seats: dict[int, Seat] = {}
        self.hot: dict[int, str] = {}  # CPU: the core that never sleeps there
        self.unpinned = 0  # cores that spin wherever the kernel likes
        self.node = self._node()
        self.reserve = self._reserve()

    def plan(self) -> Plan:
        cores = list(enumerate(self.topology.cores))
        for nth, core in cores:
            if core.pinned is not None:
                self._pinned(nth, core, core.pinned)
        for nth, core in sorted(cores, key=lambda one: (_flow(one[1]), one[0])):
            if core.cpu == "auto" and core.is_hot:
                self._find_hot(nth, core)
        housekeeping = self._housekeeping()
        for nth, core in cores:
            if core.cpu == "auto" and not core.is_hot:
                self._find_cool(nth, core, housekeeping)
            elif core.cpu == "any":
                self._anywhere(nth, core, housekeeping)
        self._look_at_siblings()
        self._look_at_memory()
        self._look_at_load(housekeeping)
        seats = tuple(self.seats[nth] for nth, _ in cores)
        resolved = dataclasses.replace(
            self.topology,
            cores=tuple(
                dataclasses.replace(seat.core, cpu=seat.cpu)
                if seat.core.cpu == "auto" and seat.cpu is not None
                else seat.core
                for seat in seats
            ),
        )
        return Plan(
            resolved,
            self.machine,
            seats,
            housekeeping,
            tuple(self.problems),
            tuple(self.notes),
        )

    def _node(self) -> int:
        """The node on which the hot cores are to be: the memory's, or that with most to offer."""
        wanted = self.topology.memory.numa_node
        if isinstance(wanted, int):
            return wanted
        offer: dict[int, tuple[int, int]] = {}
        for one in self.machine.cpus.values():
            if one.allowed:
                isolated, all_of = offer.get(one.node, (0, 0))
                offer[one.node] = (isolated + one.isolated, all_of + 1)
        return max(offer, key=lambda node: (offer[node], -node), default=0)

    def _reserve(self) -> frozenset[int]:
        """The core that is kept for housekeeping, if there is more than one."""
        usable = [one for one in self.machine.cpus.values() if one.allowed and not one.isolated]
        cores = {one.core for one in self.machine.cpus.values() if one.allowed}
        if not usable or len(cores) < 2:
            return frozenset()
        first = min(usable, key=lambda one: one.number)
        return frozenset({first.number} | self.machine.siblings(first.number))

    def _pinned(self, nth: int, core: CoreSection, cpu: int) -> None:
        if why := self.machine.why_not(cpu):
            listed = cpu_list(self.machine.allowed)
            self._problem("", nth, f"CPU {cpu} {why}", f'choose among {listed}, or "auto"')
        elif core.is_hot and cpu in self.hot:
            both = f'"{core.name}" and "{self.hot[cpu]}" both spin on CPU {cpu}'
            self._problem("sharing", nth, both, "give each spinning core its own CPU")
        if core.is_hot:
            self.hot.setdefault(cpu, core.name)
        self.seats[nth] = Seat(core, cpu, "as the file says")

    def _find_hot(self, nth: int, core: CoreSection) -> None:
        free = [
            one
            for one in self.machine.cpus.values()
            if one.allowed and one.number not in self.hot and one.number not in self.reserve
        ]
        alone = [one for one in free if not self.machine.siblings(one.number) & self.hot.keys()]
        if alone:
            best = min(alone, key=self._preference)
            self._sit(nth, core, best, self._why(best))
        elif free:
            best = min(free, key=self._preference)
            (other, *_) = sorted(self.machine.siblings(best.number) & self.hot.keys())
            self._sit(nth, core, best, f"shares its physical core with {self.hot[other]}")
            self._problem(
                "siblings",
                nth,
                f'"{core.name}" never sleeps, and has only a sibling of CPU {other} left, on which '
                f'"{self.hot[other]}" never sleeps either',
                "have fewer cores that spin, or put several agents on one",
            )
        else:
            self._share(nth, core)

    def _share(self, nth: int, core: CoreSection) -> None:
        usable = sorted(self.machine.allowed - self.reserve) or sorted(self.machine.allowed)
        if not usable:
            self._problem("", nth, "there is no CPU for this process", "widen its cpuset")
            self.seats[nth] = Seat(core, None, "there is no CPU")
            return
        counts = {cpu: sum(seat.cpu == cpu for seat in self.seats.values()) for cpu in usable}
        cpu = min(usable, key=lambda one: (counts[one], one))
        hot = sum(one.is_hot for one in self.topology.cores)
        self._problem(
            "sharing",
            nth,
            f"{hot} cores never sleep, and {len(usable)} CPUs are fit for them: "
            f'"{core.name}" would share CPU {cpu} with another',
            'have fewer of them, let some wait = "park", or put several agents on one core',
        )
        self._sit(nth, core, self.machine.cpus[cpu], "shares its CPU: there are too few")

    def _preference(self, one: Cpu) -> tuple[bool, bool, int, int]:
        used = [self.machine.cpus[cpu].cache for cpu in self.hot if cpu in self.machine.cpus]
        return (not one.isolated, one.node != self.node, -used.count(one.cache), one.number)

    def _why(self, one: Cpu) -> str:
        said = ["isolated" if one.isolated else "not isolated, as no isolated one is left"]
        if not self.machine.host.isolated:
            said = ["a physical core of its own"]
        near = "the memory's node" if self.topology.memory.numa_node == one.node else "node"
        said.append(f"{near} {one.node}" if one.node == self.node else f"on node {one.node}: far")
        neighbours = [
            name
            for cpu, name in self.hot.items()
            if cpu in self.machine.cpus and self.machine.cpus[cpu].cache == one.cache
        ]
        if neighbours:
            said.append(f"one cache with {neighbours[-1]}")
        return ", ".join(said)

    def _sit(self, nth: int, core: CoreSection, one: Cpu, why: str) -> None:
        self.hot.setdefault(one.number, core.name)
        self.seats[nth] = Seat(core, one.number, why)

    def _housekeeping(self) -> frozenset[int]:
        """What no hot core, nor a sibling of one, uses; isolated CPUs are nobody's else."""
        busy = frozenset(self.hot) & frozenset(self.machine.cpus)
        near = busy.union(*(self.machine.siblings(cpu) for cpu in busy))
        plain = frozenset(n for n in self.machine.allowed if not self.machine.cpus[n].isolated)
        return (plain - near) or (plain - busy) or (self.machine.allowed - busy) or plain

    def _find_cool(self, nth: int, core: CoreSection, housekeeping: frozenset[int]) -> None:
        if not housekeeping:
            self.seats[nth] = Seat(core, None, "there is no CPU of its own for it")
            return
        counts = {cpu: sum(seat.cpu == cpu for seat in self.seats.values()) for cpu in housekeeping}
        cpu = min(sorted(housekeeping), key=lambda one: counts[one])
        has_python = any(one.name in core.agents for one in self.topology.applications)
        what = "Python" if has_python else "it sleeps when it has nothing to do"
        self.seats[nth] = Seat(core, cpu, f"housekeeping: {what}")

    def _anywhere(self, nth: int, core: CoreSection, housekeeping: frozenset[int]) -> None:
        where = f"anywhere on {cpu_list(housekeeping)}" if self.hot else "anywhere"
        if core.is_hot:
            self.notes.append(
                f'core "{core.name}" never sleeps and is not pinned: the kernel moves it about'
            )
        if _roams(core):
            self._anywhere_spins(nth, core)
        self.seats[nth] = Seat(core, None, where)

    def _anywhere_spins(self, nth: int, core: CoreSection) -> None:
        """A CPU for each that spins, though nobody says which."""
        self.unpinned += 1
        cpus = len(self.machine.allowed)
        if self.unpinned + len(self.hot) > cpus:
            spinning = sum(one.wait == "spin" for one in self.topology.cores)
            self._problem(
                "sharing",
                nth,
                f'{spinning} cores spin, and there are {cpus} CPUs: "{core.name}" would share one '
                "with another",
                'have fewer of them, let some wait = "park", or put several agents on one core',
            )

    def _look_at_siblings(self) -> None:
        for seat in self.seats.values():
            if seat.cpu is None or not seat.core.is_hot or seat.cpu not in self.machine.cpus:
                continue
            near = self.machine.siblings(seat.cpu) & self.hot.keys()
            self.notes += [
                f'"{seat.core.name}" on CPU {seat.cpu} and "{self.hot[cpu]}" on CPU {cpu} share '
                "one physical core"
                for cpu in sorted(near)
                if seat.cpu < cpu
            ]

    def _look_at_memory(self) -> None:
        node = self.topology.memory.numa_node
        if not isinstance(node, int) or not self.topology.memory.backing.in_tmpfs:
            return
        free_kib, needed = self.machine.free_kib(node), memory.total_bytes(self.topology)
        if free_kib is not None and needed > free_kib << 10:
            self.problems.append(
                Problem(
                    "memory",
                    ("memory", 0, "numa_node"),
                    f"the exchange takes {needed >> 20:,} MiB, and node {node} has "
                    f"{free_kib >> 10:,} MiB free",
                    "make its rings smaller, or choose another node",
                )
            )

    def _look_at_load(self, housekeeping: frozenset[int]) -> None:
        if self.hot and not housekeeping - frozenset(self.hot):
            self.notes.append(
                "no CPU is left for the launcher, Python and interrupts: they take turns with "
                "cores that never sleep, some milliseconds each"
            )

    def _problem(self, name: str, nth: int, text: str, cure: str) -> None:
        self.problems.append(Problem(name, ("core", nth, "cpu"), text, cure))


def _roams(core: CoreSection) -> bool:
    """Whether it spins on whatever CPU the kernel likes."""
    return core.wait == "spin" and core.cpu == "any"


def _flow(core: CoreSection) -> int:
    """Where in the flow of messages a core is, by the first of its agents there."""
    return min((_rank(agent) for agent in core.agents), default=len(FLOW))


def _rank(agent: str) -> int:
    kind = agent.partition(".")[0]
    return FLOW.index(kind) if kind in FLOW else len(FLOW)


def explain(plan: Plan) -> Iterator[str]:
    """One line a core: where it sits and why."""
    for seat in plan.seats:
        where = "any CPU" if seat.cpu is None else f"CPU {seat.cpu}"
        yield f"core {seat.core.name}: {where}: {seat.why}"
