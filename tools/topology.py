"""The topology file: what an exchange consists of, and which agents share a core.

A mistake in it is found before anything starts, and its error names the file, the line, what was
found there and the cure.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar, cast

from tools import rules
from tools.applications import KINDS
from tools.control import LIVE, ControlSection, session_fault
from tools.host import HostSection, MemorySection
from tools.rules import ConfigurationError as ConfigurationError
from tools.rules import Refused, kind_of, meant
from tools.site import ApplicationSection
from tools.source import Source
from tuning.host import Host, cpu_list
from tuning.machine import Machine

SHARDS_MAX: Final = 16
AGENTS_MAX: Final = 32
# One bell each in shared memory (64); the launcher and each journal's syncing thread have one too.
CORES_MAX: Final = 59
# A doorbell has as many lanes.
CONTRIBUTORS_MAX: Final = 256
CONSOLE: Final = "console"
LAUNCHER: Final = "launcher"
ENGINE_AGENTS: Final = ("sequencer", "publisher")
JOURNALS: Final = ("journal", "journal.b", "journal.c", "journal.d")
# Follows the stream in a process of its own, to take a dead engine's place.
PASSIVE: Final = "passive"
# What a client's answer waits for; the place is the number of journals that must have it durably.
ACKNOWLEDGE: Final = ("published", "journaled", "replicated")


_Section = TypeVar("_Section")
_PATH = rules.text(r".+", "a path, relative to this file")
_NAME = rules.text(rules.NAME, "up to 16 letters, digits, '-' and '_', as in \"port.0\"")


def _agents(value: object) -> object:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Refused(f"found {value!r}", 'write a list of agents, such as ["sequencer"]')
    if not 1 <= len(value) <= AGENTS_MAX:
        raise Refused(f"found {len(value)} agents", f"a core runs 1 to {AGENTS_MAX}")
    return tuple(value)


@dataclass(frozen=True, slots=True)
class ExchangeSection:
    """`[exchange]`: what it is called and where its files are."""

    name: str = field(
        metadata={
            "rule": rules.text(
                r"[A-Za-z0-9][A-Za-z0-9_-]{0,23}",
                "1 to 24 letters, digits, '-' and '_'",
            )
        }
    )
    session: str = field(
        metadata={"rule": rules.text(r"[A-Za-z0-9]{1,10}", "1 to 10 letters and digits")}
    )
    directory: str = field(metadata={"rule": _PATH})
    instruments: str = field(metadata={"rule": _PATH})
    participants: str = field(metadata={"rule": _PATH})
    # Rules of accounts and firms; "": none.
    owners: str = field(default="", metadata={"rule": _PATH})
    environment: str = field(default="test", metadata={"rule": rules.choice("test", LIVE)})
    shards: int = field(default=1, metadata={"rule": rules.whole(1, SHARDS_MAX)})
    clock: str = field(default="real", metadata={"rule": rules.choice("real", "stopped")})
    failover: str = field(
        default="operator", metadata={"rule": rules.choice("operator", "automatic")}
    )
    # A record of tools/release.py that the build must have, and the key of its seal.
    require_release: str = field(default="", metadata={"rule": _PATH})
    release_key: str = field(default="", metadata={"rule": _PATH})
    acknowledge: str = field(default="journaled", metadata={"rule": rules.choice(*ACKNOWLEDGE)})

    @property
    def banner(self) -> str:
        """What a tool says before it does anything to it; "" of a test."""
        return f"*** LIVE: orders at {self.name} are meant ***" if self.environment == LIVE else ""


@dataclass(frozen=True, slots=True)
class StreamSection:
    """`[stream]`: the multicast ring."""

    slots: int = field(default=65536, metadata={"rule": rules.power_of_two(1 << 10, 1 << 28)})


@dataclass(frozen=True, slots=True)
class LanesSection:
    """`[lanes]`: every lane from a contributor and from a shard, and those to a shard.

    What is in a lane to a shard has its place in the order, and all that comes behind it waits: of
    a shard that is slow, as much as its lane holds. So these are short, and those from a shard are
    long, for the others to go on meanwhile (tests/bench/RESULTS.md).
    """

    slots: int = field(default=4096, metadata={"rule": rules.power_of_two(64, 1 << 26)})
    shard_slots: int = field(default=256, metadata={"rule": rules.power_of_two(32, 1 << 26)})


@dataclass(frozen=True, slots=True)
class LimitsSection:
    """`[limits]`: everything that is allocated before the first message."""

    orders: int = field(default=1 << 20, metadata={"rule": rules.whole(1, (1 << 28) - 1)})
    price_nodes: int = field(default=65536, metadata={"rule": rules.whole(64, 1 << 26)})
    connections: int = field(default=256, metadata={"rule": rules.whole(1, 65536)})
    client_orders: int = field(default=1 << 20, metadata={"rule": rules.whole(1, 1 << 28)})
    client_messages: int = field(default=1 << 24, metadata={"rule": rules.whole(1024, 1 << 32)})
    backlog: int = field(default=65536, metadata={"rule": rules.whole(1, (1 << 32) - 1)})
    # Pairs of an account or a firm and an instrument that it trades.
    positions: int = field(default=65536, metadata={"rule": rules.power_of_two(16, 1 << 28)})


@dataclass(frozen=True, slots=True)
class JournalSection:
    """`[journal]`: the stream's files.

    `copies` agents write them, each into its own directory: journal, journal.b, … They sync at once
    when clients wait for it, at least every `sync_ms` when not. The engine waits for all but the
    last `lossy` of them, which fetch from the others what they missed.
    """

    segment_messages: int = field(
        default=1 << 20, metadata={"rule": rules.power_of_two(1 << 10, 1 << 26)}
    )
    sync_ms: int = field(default=5, metadata={"rule": rules.whole(1, 1000)})
    copies: int = field(default=1, metadata={"rule": rules.whole(1, len(JOURNALS))})
    lossy: int = field(default=0, metadata={"rule": rules.whole(0, len(JOURNALS) - 1)})


@dataclass(frozen=True, slots=True)
class PortSection:
    """`[[port]]`: one client port; `tcp` 0 is any free one.

    On two cores, which needs a fixed one, the second process stands by for the first.
    """

    name: str = field(metadata={"rule": _NAME})
    host: str = field(default="127.0.0.1", metadata={"rule": rules.address})
    tcp: int = field(default=0, metadata={"rule": rules.whole(0, 65535)})
    receive_buffer_bytes: int = field(default=4096, metadata={"rule": rules.whole(2056, 1 << 24)})
    send_buffer_bytes: int = field(default=65536, metadata={"rule": rules.whole(2048, 1 << 24)})


@dataclass(frozen=True, slots=True)
class CoreSection:
    """`[[core]]`: one process and the agents that it runs.

    `cpu` "auto" is chosen by tools/placement.py, "any" is not pinned.
    """

    name: str = field(
        metadata={
            "rule": rules.text(r"[A-Za-z0-9_-]{1,20}", "1 to 20 letters, digits, '-' and '_'")
        }
    )
    agents: tuple[str, ...] = field(metadata={"rule": _agents})
    cpu: int | str = field(default="any", metadata={"rule": rules.cpu})
    wait: str = field(
        default="park", metadata={"rule": rules.choice("spin", "yield", "park", "adaptive")}
    )

    @property
    def pinned(self) -> int | None:
        """The CPU it is pinned to, if it is."""
        return self.cpu if isinstance(self.cpu, int) else None

    @property
    def is_hot(self) -> bool:
        """Whether it never sleeps."""
        return self.wait in ("spin", "yield")


@dataclass(frozen=True, slots=True)
class Topology:
    """A topology file that holds no mistake that can be seen without starting it."""

    path: Path
    exchange: ExchangeSection
    stream: StreamSection
    lanes: LanesSection
    memory: MemorySection
    host: HostSection
    limits: LimitsSection
    journal: JournalSection
    control: ControlSection
    ports: tuple[PortSection, ...]
    applications: tuple[ApplicationSection, ...]
    cores: tuple[CoreSection, ...]
    source: Source = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """Names the shared memory."""
        return self.exchange.name

    @property
    def directory(self) -> Path:
        """Where journal, logs and state are written."""
        return (self.path.parent / self.exchange.directory).resolve()

    @property
    def hot_cpus(self) -> frozenset[int] | None:
        """The CPUs of cores that never sleep; None if there are none."""
        hot = (core.pinned for core in self.cores if core.is_hot)
        return frozenset(cpu for cpu in hot if cpu is not None) or None

    @property
    def journals(self) -> tuple[str, ...]:
        """The agents that write the stream's files."""
        return JOURNALS[: self.journal.copies]

    @property
    def gating_journals(self) -> tuple[str, ...]:
        """Those that the engine waits for."""
        return self.journals[: self.journal.copies - self.journal.lossy]

    @property
    def copies_awaited(self) -> int:
        """Journals that must have a message durably before a client is shown it."""
        return ACKNOWLEDGE.index(self.exchange.acknowledge)

    @property
    def journal_directory(self) -> Path:
        """The stream's files, of the first journal."""
        return self.journal_path(self.journals[0])

    @property
    def journal_paths(self) -> tuple[Path, ...]:
        """The directories of all journals."""
        return tuple(self.journal_path(one) for one in self.journals)

    def journal_path(self, journal: str) -> Path:
        """The directory of one journal's files."""
        return self.directory / journal

    @property
    def instruments(self) -> Path:
        """The file of instruments."""
        return self.path.parent / self.exchange.instruments

    @property
    def participants(self) -> Path:
        """The file of participants."""
        return self.path.parent / self.exchange.participants

    @property
    def owners(self) -> Path | None:
        """The file of rules of accounts and firms, if there is one."""
        return self.path.parent / self.exchange.owners if self.exchange.owners else None

    @property
    def contributors(self) -> tuple[str, ...]:
        """Who may propose; publisher ids are 1, 2, … in this order."""
        proposing = (one.name for one in self.applications if KINDS[one.kind].proposes)
        return (CONSOLE, *(port.name for port in self.ports), *proposing)

    @property
    def endpoints(self) -> tuple[tuple[str, str], ...]:
        """Where clients connect: the agent that listens there, and what the place is called."""
        own = [(port.name, port.name) for port in self.ports]
        for one in self.applications:
            own += [(one.name, endpoint) for endpoint in one.endpoints(KINDS[one.kind])]
        return tuple(own)

    def application(self, name: str) -> ApplicationSection:
        """The application called `name`; KeyError if there is none."""
        for one in self.applications:
            if one.name == name:
                return one
        raise KeyError(name)

    def port(self, name: str) -> PortSection:
        """The port called `name`; KeyError if there is none."""
        for port in self.ports:
            if port.name == name:
                return port
        raise KeyError(name)

    def core(self, name: str) -> CoreSection:
        """The core called `name`; KeyError if there is none."""
        for core in self.cores:
            if core.name == name:
                return core
        raise KeyError(name)

    def core_of(self, agent: str) -> CoreSection:
        """The core that runs `agent`; KeyError if none does."""
        for core in self.cores:
            if agent in core.agents:
                return core
        raise KeyError(agent)

    @property
    def edge(self) -> tuple[str, ...]:
        """The agents between the stream and the world: ports and applications."""
        return (*(one.name for one in self.ports), *(one.name for one in self.applications))

    def cores_of(self, agent: str) -> tuple[CoreSection, ...]:
        """The cores that run `agent`: a port that has somebody to stand by for it has two."""
        return tuple(core for core in self.cores if agent in core.agents)

    @property
    def has_passive(self) -> bool:
        """Whether a passive engine follows."""
        return any(PASSIVE in core.agents for core in self.cores)

    def restartable(self, core: CoreSection) -> bool:
        """Whether it runs only agents that rebuild themselves: all but the engine's."""
        own = {*self.journals, *self.edge, PASSIVE}
        return own.issuperset(core.agents)


def is_engine(agent: str) -> bool:
    """Whether an agent is part of the engine."""
    return agent in ENGINE_AGENTS or re.fullmatch(r"shard\.\d+", agent) is not None


SINGLE: Final[dict[str, type[object]]] = {
    "exchange": ExchangeSection,
    "stream": StreamSection,
    "lanes": LanesSection,
    "memory": MemorySection,
    "host": HostSection,
    "limits": LimitsSection,
    "journal": JournalSection,
    "control": ControlSection,
}
REPEATED: Final[dict[str, type[object]]] = {
    "port": PortSection,
    "application": ApplicationSection,
    "core": CoreSection,
}


def load_topology(
    path: Path | str, cpus: frozenset[int] | None = None, host: Host | None = None
) -> Topology:
    """Read and check a topology file.

    Args: path: the file; cpus: CPUs that may be used, those of this process unless given; host:
    the machine that it is for, this one unless given.
    Raises: ConfigurationError.
    """
    path = Path(path)
    machine = Machine.of(host or Host(), cpus)
    document, source = _read(path)
    sections = {name: _single(source, document, name) for name in SINGLE}
    topology = Topology(
        path=path.resolve(),
        exchange=cast(ExchangeSection, sections["exchange"]),
        stream=cast(StreamSection, sections["stream"]),
        lanes=cast(LanesSection, sections["lanes"]),
        memory=cast(MemorySection, sections["memory"]),
        host=cast(HostSection, sections["host"]),
        limits=cast(LimitsSection, sections["limits"]),
        journal=cast(JournalSection, sections["journal"]),
        control=cast(ControlSection, sections["control"]),
        ports=cast(tuple[PortSection, ...], _repeated(source, document, "port")),
        applications=cast(
            tuple[ApplicationSection, ...], _repeated(source, document, "application")
        ),
        cores=cast(tuple[CoreSection, ...], _repeated(source, document, "core")),
        source=source,
    )
    _check_files(topology)
    _check_environment(topology)
    _check_promise(topology)
    _check_release(topology)
    _check_lossy(topology)
    _check_failover(topology)
    _check_names(topology)
    _check_addresses(topology)
    _check_cores(topology, machine)
    _check_placement(topology)
    return topology


def _read(path: Path) -> tuple[dict[str, object], Source]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name a topology file") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 ({error.reason}); save it so") from None
    try:
        document: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", str(error))
        lines = max(1, len(text.splitlines()))
        line, problem = (int(match[2]), match[1]) if match else (lines, str(error))
        raise ConfigurationError(
            f"{path}:{line}: not valid TOML: {problem}; texts stand in quotes, "
            "each table and each key stands once"
        ) from None
    source = Source(path, text)
    known = [*SINGLE, *REPEATED]
    for name in document:
        if name not in known:
            raise source.error(
                (name, 0, ""),
                "no such table or key",
                f"tables are {', '.join(known)}{meant(name, known)}",
            )
    return document, source


def _single(source: Source, document: dict[str, object], name: str) -> object:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise source.error((name, 0, ""), f"found {kind_of(table)}", f"write one table [{name}]")
    return _section(source, cast(dict[str, object], table), (name, 0), SINGLE[name])


def _repeated(source: Source, document: dict[str, object], name: str) -> tuple[object, ...]:
    tables = document.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise source.error(
            (name, 0, ""), f"found {kind_of(tables)}", f"write [[{name}]] for each {name}"
        )
    if name == "application":
        return tuple(_application(source, table, nth) for nth, table in enumerate(tables))
    return tuple(
        _section(source, table, (name, nth), REPEATED[name]) for nth, table in enumerate(tables)
    )


def _application(source: Source, table: dict[str, object], nth: int) -> ApplicationSection:
    """Its name and kind, and whatever that kind of application wants to know."""
    place = ("application", nth)
    head = {key: table[key] for key in _Head.__slots__ if key in table}
    named = _section(source, head, place, _Head)
    rest = {key: value for key, value in table.items() if key not in head}
    options = _section(source, rest, place, KINDS[named.kind].options, _Head.__slots__)
    return ApplicationSection(named.name, named.kind, options)


@dataclass(frozen=True, slots=True)
class _Head:
    """What every `[[application]]` has."""

    name: str = field(metadata={"rule": _NAME})
    kind: str = field(metadata={"rule": rules.choice(*KINDS)})


def _section(
    source: Source,
    table: dict[str, object],
    place: tuple[str, int],
    kind: type[_Section],
    others: tuple[str, ...] = (),
) -> _Section:
    """The section of that kind; `others` are keys of the table that were read before."""
    name, nth = place
    fields = {entry.name: entry for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in table:
        if key not in fields:
            raise source.error(
                (name, nth, key),
                "no such key",
                f"keys are {', '.join((*others, *fields))}{meant(key, (*others, *fields))}",
            )
    values: dict[str, object] = {}
    for key, entry in fields.items():
        if key in table:
            try:
                values[key] = entry.metadata["rule"](table[key])
            except Refused as refused:
                raise source.error((name, nth, key), refused.problem, refused.cure) from None
        elif entry.default is dataclasses.MISSING:
            raise source.error((name, nth, key), "is missing", f"add {key} = … to [{name}]")
    return kind(**values)


def _check_files(topology: Topology) -> None:
    for key, path in (
        ("instruments", topology.instruments),
        ("participants", topology.participants),
        ("owners", topology.owners),
    ):
        if path is not None and not path.is_file():
            raise topology.source.error(
                ("exchange", 0, key), f"there is no file {path}", "paths are relative to this file"
            )
    if topology.directory.exists() and not topology.directory.is_dir():
        raise topology.source.error(
            ("exchange", 0, "directory"), f"{topology.directory} is a file", "name a directory"
        )


def _check_names(topology: Topology) -> None:
    """Ports and applications are agents, each with a name of its own."""
    error = topology.source.error
    if len(topology.contributors) > CONTRIBUTORS_MAX:
        raise error(
            ("port", CONTRIBUTORS_MAX - 1, ""),
            f"{len(topology.contributors)} would propose",
            f"the console, ports and applications together are {CONTRIBUTORS_MAX} at most",
        )
    names: dict[str, tuple[str, int]] = {}
    places = [("port", nth, one.name) for nth, one in enumerate(topology.ports)]
    places += [("application", nth, one.name) for nth, one in enumerate(topology.applications)]
    for table, nth, name in places:
        if name in ("sequencer", "publisher", *JOURNALS, PASSIVE, CONSOLE) or re.fullmatch(
            r"shard\.\d+", name
        ):
            raise error((table, nth, "name"), f'"{name}" names another agent', f"name it {table}.N")
        if name in names:
            first = topology.source.line(*names[name], "name")
            raise error(
                (table, nth, "name"), f'"{name}" is on line {first} too', "names are unique"
            )
        names[name] = (table, nth)


def _check_addresses(topology: Topology) -> None:
    taken: dict[tuple[str, int], str] = {}
    for nth, port in enumerate(topology.ports):
        address = (port.host, port.tcp)
        if port.tcp != 0 and address in taken:
            raise topology.source.error(
                ("port", nth, "tcp"),
                f"{port.host}:{port.tcp} is that of {taken[address]} too",
                "give each port its own, or 0 for any free one",
            )
        taken[address] = port.name


def _check_failover(topology: Topology) -> None:
    for nth, core in enumerate(topology.cores):
        if PASSIVE in core.agents and len(core.agents) > 1:
            raise topology.source.error(
                ("core", nth, "agents"),
                f'"{PASSIVE}" shares its core',
                "give it one of its own: it becomes the engine when the engine dies",
            )
    if topology.exchange.failover == "automatic" and not topology.has_passive:
        raise topology.source.error(
            ("exchange", 0, "failover"),
            "there is no passive engine to fail over to",
            f'add a [[core]] with agents = ["{PASSIVE}"]',
        )


def _check_environment(topology: Topology) -> None:
    fault = session_fault(topology.exchange.environment, topology.exchange.session)
    if fault is not None:
        raise topology.source.error(("exchange", 0, "session"), *fault)


def _check_promise(topology: Topology) -> None:
    if topology.copies_awaited > topology.journal.copies:
        raise topology.source.error(
            ("exchange", 0, "acknowledge"),
            f'"{topology.exchange.acknowledge}" needs {topology.copies_awaited} journals, '
            f"there is {topology.journal.copies}",
            'set [journal] copies = 2 and place "journal.b", on another disk if you can',
        )


def _check_release(topology: Topology) -> None:
    exchange = topology.exchange
    for key in ("require_release", "release_key"):
        if exchange.environment == "live" and not getattr(exchange, key):
            raise topology.source.error(
                ("exchange", 0, "environment"),
                f'"live" without {key}',
                "`ringbus verify-release DIR... --record FILE --key FILE` signs a build; "
                "name both files",
            )


def _check_lossy(topology: Topology) -> None:
    if topology.journal.lossy >= topology.journal.copies:
        raise topology.source.error(
            ("journal", 0, "lossy"),
            f"all {topology.journal.copies} journals would be lossy: nobody would have what the "
            "ring has lost",
            "let one at least gate",
        )


def _check_cores(topology: Topology, machine: Machine) -> None:
    error = topology.source.error
    if len(topology.cores) > CORES_MAX:
        raise error(("core", CORES_MAX, ""), "too many cores", f"{CORES_MAX} at most")
    names: dict[str, int] = {}
    spinning: dict[int, str] = {}
    for nth, core in enumerate(topology.cores):
        if core.name == LAUNCHER:
            raise error(("core", nth, "name"), f'"{LAUNCHER}" is taken', "choose another name")
        if core.name in names:
            first = topology.source.line("core", names[core.name], "name")
            raise error(
                ("core", nth, "name"), f'"{core.name}" is on line {first} too', "names are unique"
            )
        names[core.name] = nth
        if core.pinned is None:
            continue
        if why := machine.why_not(core.pinned):
            raise error(
                ("core", nth, "cpu"),
                f"CPU {core.pinned} {why}",
                f'choose among {cpu_list(machine.allowed)}, "auto" or "any"',
            )
        if core.wait == "spin":
            if core.pinned in spinning and "sharing" not in topology.host.allow:
                raise error(
                    ("core", nth, "cpu"),
                    f'"{core.name}" and "{spinning[core.pinned]}" both spin on CPU {core.pinned}',
                    'give each spinning core its own CPU, or let one wait = "park"',
                )
            spinning[core.pinned] = core.name


def _check_spare(topology: Topology, port: int, nth: int) -> None:
    """A port on two cores: the second process stands by for the first."""
    section = topology.ports[port]
    if section.tcp == 0:
        raise topology.source.error(
            ("port", port, "tcp"),
            f'"{section.name}" is on two cores and may listen anywhere',
            "give it a number: who takes over must be where its clients look for it",
        )
    cores = topology.cores_of(section.name)
    if len(cores) > 2 or not all(topology.restartable(core) for core in cores):
        raise topology.source.error(
            ("core", nth, "agents"),
            f'"{section.name}" stands by here for another core',
            "two cores at most have it, and neither runs any of the engine",
        )


def _check_placement(topology: Topology) -> None:
    error = topology.source.error
    expected = [
        "sequencer",
        *(f"shard.{n}" for n in range(topology.exchange.shards)),
        "publisher",
        *topology.journals,
        *topology.edge,
    ]
    if topology.has_passive:
        expected.append(PASSIVE)
    placed: dict[str, str] = {}
    ports = {port.name: number for number, port in enumerate(topology.ports)}
    for nth, core in enumerate(topology.cores):
        for agent in core.agents:
            if agent not in expected:
                shard = re.fullmatch(r"shard\.\d+", agent)
                cure = (
                    f"[exchange] shards = {topology.exchange.shards}: "
                    f"the last one is shard.{topology.exchange.shards - 1}"
                    if shard
                    else f"agents are {', '.join(expected)}{meant(agent, expected)}"
                )
                raise error(("core", nth, "agents"), f'there is no agent "{agent}"', cure)
            if agent in ports and placed.get(agent, core.name) != core.name:
                _check_spare(topology, ports[agent], nth)
            elif agent in placed:
                where = "twice" if placed[agent] == core.name else f'on core "{placed[agent]}" too'
                raise error(("core", nth, "agents"), f'"{agent}" is {where}', "place it once")
            placed[agent] = core.name
    for agent in expected:
        if agent not in placed:
            raise error(
                ("core", max(0, len(topology.cores) - 1), "agents"),
                f'no core runs "{agent}"',
                "add it to the agents of a [[core]]",
            )
