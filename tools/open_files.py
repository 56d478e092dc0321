"""How many open files each core needs, known before anything starts: a connection is one."""

from __future__ import annotations

import resource

from tools.sections import CoreSection
from tools.topology import ConfigurationError, Topology

# Open files of a core besides its clients: segments and their locks, log, bells, journal, epoll.
FILES_BESIDE = 256


def files_needed(topology: Topology, core: CoreSection) -> int:
    """Open files of a core: each connection is one, those of applications too."""
    ports = sum(1 for port in topology.ports if port.name in core.agents)
    placed = [one.options for one in topology.applications if one.name in core.agents]
    connections = sum(getattr(options, "connections", 0) for options in placed)
    connections += ports * topology.limits.connections
    return connections + FILES_BESIDE if connections else 0


def check_files(topology: Topology) -> None:
    """Raises: ConfigurationError: a core would need more open files than it may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for core in topology.cores:
        needed = files_needed(topology, core)
        if hard != resource.RLIM_INFINITY and needed > hard:
            raise _too_many(topology, core, needed, hard)


def allow_files(topology: Topology, core: CoreSection) -> None:
    """Let this process have the open files that the core needs, where the host lets it.

    Raises: ConfigurationError: it does not.
    """
    needed = files_needed(topology, core)
    if not raise_files(needed):
        raise _too_many(topology, core, needed, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def raise_files(needed: int) -> bool:
    """Let this process have so many open files; False: the host does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return True
    if hard != resource.RLIM_INFINITY and needed > hard:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return True


def _too_many(topology: Topology, core: CoreSection, needed: int, hard: int) -> ConfigurationError:
    return topology.source.error(
        ("limits", 0, "connections"),
        f'core "{core.name}" needs {needed:,} open files, {hard:,} are allowed',
        "lower it, spread the ports over more cores, or allow more "
        "(`ulimit -Hn`, LimitNOFILE= of a service)",
    )
