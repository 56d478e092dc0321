"""How the CPUs of cores that never sleep are kept for them, and what is done about it.

Isolated when the host started, nothing is to be done. Where there is cgroup v2 and the rights to
write it, a cpuset partition takes them from the scheduler as long as the exchange is up; elsewhere
the cores are pinned, and others may run there too. `ringbus plan` says which it will be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from ringbus.status import UsageError
from tools.state import exchange_name, find
from tuning.host import Host, cpu_list
from tuning.partition import PartitionError, make, path_of, remove, why_not

if TYPE_CHECKING:  # `ringbus down` need not read what a topology is.
    from tools.topology import Topology


class Way(StrEnum):
    """How CPUs are kept."""

    NOTHING = "nothing to keep"
    ISOLATED = "isolated by the host"
    PARTITION = "cpuset partition"
    AFFINITY = "plain affinity"


@dataclass(frozen=True, slots=True)
class Keeping:
    """What will be done for which CPUs, and why that."""

    way: Way
    cpus: frozenset[int]
    why: str

    @property
    def words(self) -> str:
        """A line for the operator."""
        return f"{self.way}: {self.why}"


def keeping(topology: Topology, host: Host) -> Keeping:
    """Which way it will be. Raises: ConfigurationError: [host] partition asks for another."""
    cpus = topology.hot_cpus or frozenset()
    said = topology.host.partition
    if not cpus:
        return Keeping(Way.NOTHING, cpus, "no core that never sleeps has a CPU of its own")
    listed = f"CPU{'s' if len(cpus) > 1 else ''} {cpu_list(cpus)}"
    if cpus <= host.isolated:
        return Keeping(Way.ISOLATED, cpus, f"the scheduler leaves {listed} alone as it is")
    if said == "never":
        return Keeping(Way.AFFINITY, cpus, "[host] partition says never")
    if not (why := why_not(host)):
        path = path_of(topology.name)
        return Keeping(Way.PARTITION, cpus, f"{path} takes {listed} from the scheduler")
    if said == "required":
        raise _refused(topology, f"this host cannot have one: {why}")
    return Keeping(Way.AFFINITY, cpus, f"others may run on {listed} too: {why}")


def keep(topology: Topology, host: Host, say: Callable[[str], None]) -> str:
    """Make the partition, if it is to be one; returns its control group, "" for none.

    Raises: ConfigurationError: [host] partition requires one, and there is none.
    """
    # What a killed launcher has left would look like CPUs that the host isolates.
    give_back(topology.name, host, say)
    kept = keeping(topology, host)
    if kept.way != Way.PARTITION:
        return ""
    try:
        path = make(host, topology.name, kept.cpus)
    except PartitionError as error:
        if topology.host.partition == "required":
            raise _refused(topology, str(error)) from None
        say(f"warning: no cpuset partition for CPUs {cpu_list(kept.cpus)}: {error}; pinned only")
        return ""
    say(kept.words)
    return str(host.path(path))


def give_back(name: str, host: Host, say: Callable[[str], None]) -> None:
    """Undo it; what cannot be undone is said, and tried again by the next `up` or `down`."""
    try:
        remove(host, name)
    except PartitionError as error:
        say(f"warning: the cpuset partition of {name} stays: {error}")


def forget(target: Path, host: Host, say: Callable[[str], None]) -> None:
    """Before a topology is read: give back what a killed launcher of it has left.

    Its CPUs would not be this process's any more.
    """
    try:
        name = exchange_name(str(target))
    except UsageError:
        # Whoever reads it whole says what is wrong with it.
        return
    state = find(name)
    if state is None or not state.launcher.alive:
        give_back(name, host, say)


def _refused(topology: Topology, why: str) -> Exception:
    return topology.source.error(
        ("host", 0, "partition"),
        f'"required", and there is no cpuset partition: {why}',
        'give it the rights, or set partition = "auto"',
    )
