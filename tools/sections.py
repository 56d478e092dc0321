"""The sections of a topology file, each with the rule that every value of it must keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tools import rules
from tools.control import LIVE
from tools.rules import Refused

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
# Exit status of a passive engine: the active one said something that it would not have said.
DIVERGED: Final = 3
# What a client's answer waits for; the place is the number of journals that must have it durably.
ACKNOWLEDGE: Final = ("published", "journaled", "replicated")

_PATH = rules.text(r".+", "a path, relative to this file")
AGENT_NAME: Final = rules.text(
    rules.NAME, "up to 16 letters, digits, '-' and '_', as in \"port.0\""
)


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

    name: str = field(metadata={"rule": AGENT_NAME})
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
