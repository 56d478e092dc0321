"""The machine as the scheduler sees it: sockets, NUMA nodes, caches, cores and their siblings."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tuning.host import CPU_DIRECTORY, Host, parse_cpus


@dataclass(frozen=True, slots=True)
class Cpu:
    """One CPU; `core` is the lowest of its physical core, `cache` of those that share its L3."""

    number: int
    socket: int
    node: int
    core: int
    cache: int
    isolated: bool
    allowed: bool


@dataclass(frozen=True, slots=True)
class Machine:
    """All CPUs that run, and those that are there and do not."""

    host: Host
    cpus: dict[int, Cpu]
    offline: frozenset[int]

    @classmethod
    def of(cls, host: Host, allowed: frozenset[int] | None = None) -> Machine:
        """See how a host is built; `allowed`: CPUs for this process, found out unless given."""
        allowed = allowed_cpus(host) if allowed is None else allowed
        node_of = {cpu: node for node, cpus in host.nodes.items() for cpu in cpus}
        cpus = {}
        # CPUs that are said to be allowed are believed to be there.
        for number in sorted(host.online | allowed):
            base = f"{CPU_DIRECTORY}/cpu{number}"
            shared = host.cpus(_last_cache(host, base))
            node = node_of.get(number, 0)
            cpus[number] = Cpu(
                number=number,
                socket=int(host.text(f"{base}/topology/physical_package_id") or 0),
                node=node,
                core=min(host.siblings(number)),
                cache=min(shared or host.nodes.get(node) or host.online),
                isolated=number in host.isolated,
                allowed=number in allowed,
            )
        return cls(host, cpus, host.cpus(f"{CPU_DIRECTORY}/offline"))

    @property
    def allowed(self) -> frozenset[int]:
        """CPUs that this process may use."""
        return frozenset(one.number for one in self.cpus.values() if one.allowed)

    def siblings(self, number: int) -> frozenset[int]:
        """The other CPUs of its physical core."""
        core = self.cpus[number].core
        return frozenset(n for n, one in self.cpus.items() if one.core == core) - {number}

    def cache_of(self, number: int) -> str:
        """Size of the cache that the CPU shares with most others: 32768K."""
        path = _last_cache(self.host, f"{CPU_DIRECTORY}/cpu{number}")
        return self.host.text(path.replace("shared_cpu_list", "size"))

    def free_kib(self, node: int) -> int | None:
        """Free memory of a node; None where the kernel does not say."""
        text = self.host.text(f"/sys/devices/system/node/node{node}/meminfo")
        for line in text.splitlines():
            words = line.split()
            if "MemFree:" in words:
                return int(words[words.index("MemFree:") + 1])
        return None

    def why_not(self, number: int) -> str:
        """Why a CPU cannot be used, as the end of a sentence; empty if it can."""
        if number in self.offline:
            return "is offline"
        if number not in self.cpus:
            return "is not there"
        return "" if self.cpus[number].allowed else "is outside of this process's cpuset"


def _last_cache(host: Host, base: str) -> str:
    """The file that lists who shares the largest cache of a CPU."""
    paths = host.glob(f"{base}/cache/index[0-9]*/shared_cpu_list")
    return paths[-1] if paths else f"{base}/cache"


def cpuset(host: Host) -> frozenset[int]:
    """The CPUs that the control groups of this process leave to it."""
    for line in host.text("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = "/sys/fs/cgroup", "cpuset.cpus.effective"
        elif "cpuset" in controllers.split(","):
            base, name = "/sys/fs/cgroup/cpuset", "cpuset.effective_cpus"
        else:
            continue
        # Within a container the path may be the host's: whatever is found nearest.
        place = path.rstrip("/")
        while True:
            cpus = parse_cpus(host.text(f"{base}{place}/{name}"))
            if cpus:
                return cpus
            if not place:
                break
            place = place.rpartition("/")[0]
    return host.online


def allowed_cpus(host: Host) -> frozenset[int]:
    """CPUs that a process of ours may be pinned to.

    Its affinity and, of its cpuset, what is isolated: a process starts without those, since the
    scheduler does not balance over them, and may still choose them.
    """
    return frozenset(os.sched_getaffinity(0)) | (host.isolated & cpuset(host) & host.online)
