"""What must hold between the sections of a topology file, and between it and this host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tools.control import session_fault
from tools.rules import meant
from tools.sections import CONSOLE, CONTRIBUTORS_MAX, CORES_MAX, JOURNALS, LAUNCHER, PASSIVE
from tuning.host import cpu_list
from tuning.machine import Machine

if TYPE_CHECKING:
    from tools.topology import Topology


def check(topology: Topology, machine: Machine) -> None:
    """Raises: ConfigurationError: something does not hold."""
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
