"""Makes what serves market data in a core: see tools/kinds/market.py."""

from __future__ import annotations

from typing import cast

from ports.authenticator import Authenticator
from ports.market import MarketData, MarketSize
from ports.tape_server import TapeServer
from tools.kinds.market import (
    DAY,
    SNAPSHOT,
    MarketOptions,
    RequestOptions,
    SnapshotOptions,
    Tape,
    place_of,
)
from tools.site import Site


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
