"""`kind = "market"`, `"request"` and `"snapshot"`: market data, all made of the same stream.

One sends packets to a group, any number answer who lost some, and any number give snapshots and the
whole day over TCP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tools import rules

PLACE: Final = r"\d{1,3}(\.\d{1,3}){3}:\d{1,5}"
ADDRESS: Final = 'an address and a port such as "239.255.0.1:26400"'
SNAPSHOT: Final = "snapshot"
DAY: Final = "day"


@dataclass(frozen=True, slots=True)
class Tape:
    """What every one of them holds: `tape_bytes` of messages, 33 each on average."""

    tape_bytes: int = field(default=1 << 28, metadata=rules.local(rules.whole(1 << 16, 1 << 40)))


@dataclass(frozen=True, slots=True)
class MarketOptions(Tape):
    """`group`: where packets go, from the interface with the address `interface`.

    `packet_bytes`: of UDP payload.
    """

    group: str = field(
        default="239.255.0.1:26400", metadata=rules.local(rules.text(PLACE, ADDRESS))
    )
    interface: str = field(default="127.0.0.1", metadata=rules.local(rules.address))
    packet_bytes: int = field(default=1400, metadata=rules.local(rules.whole(128, 1472)))


@dataclass(frozen=True, slots=True)
class RequestOptions(Tape):
    """`udp`: where it is asked, 0 is any; `peers`: others like it, asked while it is behind."""

    host: str = field(default="127.0.0.1", metadata=rules.local(rules.address))
    udp: int = field(default=0, metadata=rules.local(rules.whole(0, 65535)))
    peers: tuple[str, ...] = field(
        default=(), metadata=rules.local(rules.texts(PLACE, "addresses and ports"))
    )


@dataclass(frozen=True, slots=True)
class SnapshotOptions(Tape):
    """`tcp`: where snapshots are given, `day_tcp`: where the whole day is; 0 is any."""

    host: str = field(default="127.0.0.1", metadata=rules.local(rules.address))
    tcp: int = field(default=0, metadata=rules.local(rules.whole(0, 65535)))
    day_tcp: int = field(default=0, metadata=rules.local(rules.whole(0, 65535)))
    connections: int = field(default=256, metadata=rules.local(rules.whole(1, 65536)))


def place_of(text: str) -> tuple[str, int]:
    """Address and port of a text that the rules have taken."""
    host, _, port = text.rpartition(":")
    return host, int(port)
