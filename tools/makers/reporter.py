"""Makes the trade reporter of a core: see tools/kinds/reporter.py."""

from __future__ import annotations

from typing import cast

from ports.reporter import TradeReporter
from ports.reporter_link import Link
from tools.clients import port_instruments
from tools.kinds.reporter import Options
from tools.site import Site


def make(site: Site) -> TradeReporter:
    """A reporter of all instruments."""
    options = cast(Options, site.options)
    configuration = site.configuration
    session = configuration.topology.exchange.session
    link = Link(
        (options.host, options.tcp),
        options.comp_id or session,
        options.facility,
        options.heartbeat_s,
    )
    reporter = TradeReporter(
        site.stream,
        site.proposer(),
        site.core,
        site.topic,
        session,
        port_instruments(configuration),
        link,
        options.window,
        configuration.opening,
    )
    site.stack.callback(reporter.close)
    reporter.show(site.lossy, site.name)
    reporter.measure(site.metrics, site.name)
    site.watch(link.epoll_fd)
    return reporter
