"""`kind = "fix"`: a port for FIX 4.2 and 4.4 clients, whose CompIDs are their users' names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from ports.authenticator import Authenticator
from ports.fix_port import FixLimits, FixPort
from tools import rules
from tools.clients import client_sessions, port_instruments
from tools.site import Site


@dataclass(frozen=True, slots=True)
class Options:
    """`comp_id`: ours, the exchange's session if it is not named; `users`: all if none is named."""

    host: str = field(default="127.0.0.1", metadata=rules.local(rules.address))
    tcp: int = field(default=0, metadata=rules.local(rules.whole(0, 65535)))
    comp_id: str = field(
        default="", metadata={"rule": rules.text(r"[!-~]{1,20}", "1 to 20 printable characters")}
    )
    users: tuple[str, ...] = field(
        default=(), metadata={"rule": rules.texts(r"[A-Z0-9]{1,6}", "users of the participants")}
    )
    passwords: bool = field(default=True, metadata={"rule": rules.flag})
    connections: int = field(default=256, metadata=rules.local(rules.whole(1, 4096)))
    backlog: int = field(default=65536, metadata=rules.local(rules.whole(1, (1 << 32) - 1)))


def make(site: Site) -> FixPort:
    """A port over the day's instruments and participants."""
    options = cast(Options, site.options)
    configuration = site.configuration
    assert site.contributor is not None
    port = site.stack.enter_context(
        FixPort(
            site.core,
            options.comp_id or configuration.topology.exchange.session,
            configuration.topology.exchange.shards,
            site.contributor,
            site.stream,
            port_instruments(configuration),
            client_sessions(configuration, options.users),
            FixLimits(
                connections=options.connections,
                backlog=options.backlog,
                passwords=options.passwords,
                is_live=configuration.topology.exchange.environment == "live",
                stops=any(one.kind == "stops" for one in configuration.topology.applications),
            ),
            configuration.opening,
        )
    )
    authenticator = Authenticator(
        port.logins, {who.user: who.secret for who in configuration.participants}
    )
    site.beside(authenticator.run, authenticator.stop)
    site.listening(site.name, port.listen(options.host, site.tcp(site.name) or options.tcp))
    site.watch(port.epoll_fd)
    return port
