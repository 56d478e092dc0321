"""The topology file: what an exchange consists of, and which agents share a core.

A mistake in it is found before anything starts, and its error names the file, the line, what was
found there and the cure: what a section may say is in tools/sections.py, what must hold between
them in tools/topology_checks.py.
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
from tools.control import ControlSection
from tools.host import HostSection, MemorySection
from tools.kind import ApplicationSection
from tools.rules import ConfigurationError as ConfigurationError
from tools.rules import Refused, kind_of, meant
from tools.sections import (
    ACKNOWLEDGE,
    AGENT_NAME,
    CONSOLE,
    ENGINE_AGENTS,
    JOURNALS,
    PASSIVE,
    CoreSection,
    ExchangeSection,
    JournalSection,
    LanesSection,
    LimitsSection,
    PortSection,
    StreamSection,
)
from tools.source import Source
from tools.topology_checks import check
from tuning.host import Host
from tuning.machine import Machine

_Section = TypeVar("_Section")


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
    check(topology, machine)
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

    name: str = field(metadata={"rule": AGENT_NAME})
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
