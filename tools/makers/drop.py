"""Makes the drop port of a core: see tools/kinds/drop.py."""

from __future__ import annotations

from typing import cast

from ports.authenticator import Authenticator, LoginQueue
from ports.client import ClientPort, ClientSession, Limits
from ports.fix_port import FixLimits, FixPort
from ringbus.core import Agent, Worker
from tools.clients import drop_sessions, port_instruments
from tools.kinds.drop import FIX, Options
from tools.rules import ConfigurationError
from tools.site import Site


def make(site: Site) -> Agent | Worker:
    """The client port's agent, over sessions that only listen."""
    options = cast(Options, site.options)
    sessions = drop_sessions(site.configuration, options.users)
    if not sessions:
        raise ConfigurationError(
            f"{site.name}: no participant hears anybody; fill the column hears of "
            f"{site.configuration.topology.participants}"
        )
    port = (
        _fix(site, options, sessions) if options.protocol == FIX else _ouch(site, options, sessions)
    )
    users = {who.user for who in sessions}
    authenticator = Authenticator(
        cast(LoginQueue, port if isinstance(port, ClientPort) else port.logins),
        {who.user: who.secret for who in site.configuration.participants if who.user in users},
    )
    site.beside(authenticator.run, authenticator.stop)
    site.watch(port.epoll_fd)
    site.listening(site.name, port.listen(options.host, site.tcp(site.name) or options.tcp))
    return port


def _ouch(site: Site, options: Options, sessions: list[ClientSession]) -> ClientPort:
    topology = site.configuration.topology
    limits = Limits(
        connections=options.connections,
        orders=1,
        messages=options.messages,
        backlog=options.backlog,
        socket_receive_bytes=0,
    )
    port = site.stack.enter_context(
        ClientPort(
            site.core,
            topology.exchange.session,
            topology.exchange.shards,
            site.proposing,
            site.stream,
            port_instruments(site.configuration),
            sessions,
            limits,
            opening=site.configuration.opening,
        )
    )
    port.show(site.lossy, site.name)
    port.measure(site.metrics, site.name)
    return port


def _fix(site: Site, options: Options, sessions: list[ClientSession]) -> FixPort:
    topology = site.configuration.topology
    return site.stack.enter_context(
        FixPort(
            site.core,
            options.comp_id or topology.exchange.session,
            topology.exchange.shards,
            site.proposing,
            site.stream,
            port_instruments(site.configuration),
            sessions,
            FixLimits(connections=options.connections, backlog=options.backlog),
            site.configuration.opening,
        )
    )
