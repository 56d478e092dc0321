"""What memory the client ports take of the host, known before anything starts.

A port allocates all that it will ever use when it is made, so a day that would not fit is a mistake
in the topology file and not a surprise at noon.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ports.client import Limits, PortSize, port_size
from tools.configuration import Configuration
from tools.sections import PortSection
from tools.topology import Topology

# Of [limits], what a port's memory depends on: the field of Limits, and the least that it can be.
LEAST = {
    "connections": ("connections", 1),
    "client_orders": ("orders", 1),
    "client_messages": ("messages", 1024),
}
MIB = 1 << 20


def limits_of(topology: Topology, section: PortSection) -> Limits:
    """What the topology file says to a port."""
    limits = topology.limits
    return Limits(
        connections=limits.connections,
        orders=limits.client_orders,
        messages=limits.client_messages,
        backlog=limits.backlog,
        receive_bytes=section.receive_buffer_bytes,
        socket_receive_bytes=section.receive_buffer_bytes,
        socket_send_bytes=section.send_buffer_bytes,
    )


@dataclass(frozen=True, slots=True)
class PortNeed:
    """What one port takes; `most` is the key of [limits] that most of it is for."""

    name: str
    size: PortSize
    connections: int
    sessions: int
    most: str

    @property
    def bytes(self) -> int:
        """Its own memory, and what the kernel may take for its sockets."""
        return self.size.bytes + self.connections * self.size.kernel_bytes

    def __str__(self) -> str:
        size = self.size
        return (
            f"{self.name}: {size.bytes / MIB:,.1f} MiB for {self.connections:,} connections "
            f"({size.connection_bytes:,} bytes each, and up to {size.kernel_bytes:,} of the "
            f"kernel's) and {self.sessions:,} sessions ({size.session_bytes:,} each), "
            f"their orders and messages"
        )


def port_needs(configuration: Configuration) -> tuple[PortNeed, ...]:
    """What each port takes."""
    topology = configuration.topology
    counts = len(configuration.instruments), len(configuration.participants)
    has_tokens = any(who.protocol == "ouch42" for who in configuration.participants)
    rest = (*counts, topology.exchange.shards, has_tokens)
    out = []
    for section in topology.ports:
        limits = limits_of(topology, section)
        size = port_size(limits, *rest)
        saved = {}
        for key, (name, least) in LEAST.items():
            smaller = dataclasses.replace(limits, **{name: least})
            saved[key] = size.bytes - port_size(smaller, *rest).bytes
        saved["connections"] += limits.connections * size.kernel_bytes
        most = max(saved, key=saved.__getitem__)
        out.append(PortNeed(section.name, size, limits.connections, counts[1], most))
    return tuple(out)


def check_memory(configuration: Configuration, free: int) -> tuple[PortNeed, ...]:
    """What each port takes, which `free` bytes of memory are enough for.

    Raises: ConfigurationError: they are not.
    """
    needs = port_needs(configuration)
    total = sum(need.bytes * len(configuration.topology.cores_of(need.name)) for need in needs)
    if total <= free:
        return needs
    largest = max(needs, key=lambda need: need.bytes)
    raise configuration.topology.source.error(
        ("limits", 0, largest.most),
        f"the client ports take {total:,} bytes of memory, {largest.name} alone "
        f"{largest.bytes:,}, most of it for this; {free:,} are free",
        "lower it, or have fewer ports",
    )


def free_memory() -> int:
    """Bytes that this host could still give away without swapping."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/meminfo does not say MemAvailable")
