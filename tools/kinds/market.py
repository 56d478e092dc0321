"""`kind = "market"`, `"request"` and `"snapshot"`: market data, all made of the same stream.

One sends packets to a group, any number answer who lost some, and any number give snapshots and the
whole day over TCP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, cast

from ports.authenticator import Authenticator
from ports.market import MarketData, MarketSize
from ports.tape_server import TapeServer
from tools import rules
from tools.site import Site

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


def _market(site: Site, packet_bytes: int = 1400) -> MarketData:
    topology = site.configuration.topology
    tape_bytes = cast(Tape, site.options).tape_bytes
    size = MarketSize(
        len(site.configuration.instruments),
        topology.exchange.shards,
        topology.limits.orders,
        tape_bytes,
        # The shortest message has 12 bytes and the length before it.
        tape_bytes // 14,
    )
    market = MarketData(topology.exchange.session, size, site.core, site.stream, packet_bytes)
    site.stack.callback(market.close)
    market.show(site.lossy, site.name)
    market.measure(site.metrics, site.name)
    return market


def make_market(site: Site) -> MarketData:
    """The one that sends."""
    options = cast(MarketOptions, site.options)
    market = _market(site, options.packet_bytes)
    market.send_to(*place_of(options.group), options.interface)
    return market


def make_request(site: Site) -> MarketData:
    """One that answers."""
    options = cast(RequestOptions, site.options)
    market = _market(site)
    udp = market.answer_at(options.host, site.tcp(site.name) or options.udp)
    site.listening(site.name, udp)
    for peer in options.peers:
        market.add_peer(*place_of(peer))
    site.watch(market.epoll_fd)
    return market


def make_snapshot(site: Site) -> TapeServer:
    """One that serves over TCP; its clients are the participants."""
    options = cast(SnapshotOptions, site.options)
    server = TapeServer(_market(site), lambda: site.core.now_ns, options.connections)
    site.stack.callback(server.close)
    for name, port in ((SNAPSHOT, options.tcp), (DAY, options.day_tcp)):
        endpoint = f"{site.name}.{name}"
        tcp = server.listen(name == SNAPSHOT, options.host, site.tcp(endpoint) or port)
        site.listening(endpoint, tcp)
    secrets = {who.user: who.secret for who in site.configuration.participants}
    authenticator = Authenticator(server, secrets)
    site.beside(authenticator.run, authenticator.stop)
    site.watch(server.epoll_fd)
    return server
