"""Makes the FIX port of a core: see tools/kinds/fix.py."""

from __future__ import annotations

from typing import cast

from ports.authenticator import Authenticator
from ports.fix_port import FixLimits, FixPort
from tools.clients import client_sessions, port_instruments
from tools.kinds.fix import Options
from tools.site import Site


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
