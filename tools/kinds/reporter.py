"""`kind = "reporter"`: reports every trade, bust and correction to a facility."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, cast

from ports.reporter import WINDOW, TradeReporter
from ports.reporter_link import Link
from tools import rules
from tools.clients import port_instruments
from tools.site import Site

_COMP_ID: Final = rules.text(r"[!-~]{1,20}", "1 to 20 printable characters")


@dataclass(frozen=True, slots=True)
class Options:
    """`host`, `tcp`: where the facility is; `facility` is its CompID, `comp_id` ours.

    Without a `comp_id` it is the exchange's session. `window`: reports that may wait for answers.
    """

    host: str = field(default="127.0.0.1", metadata=rules.local(rules.address))
    tcp: int = field(default=26500, metadata=rules.local(rules.whole(1, 65535)))
    comp_id: str = field(default="", metadata={"rule": _COMP_ID})
    facility: str = field(default="FACILITY", metadata={"rule": _COMP_ID})
    heartbeat_s: int = field(default=10, metadata=rules.local(rules.whole(1, 3600)))
    window: int = field(default=WINDOW, metadata=rules.local(rules.whole(1, 1 << 16)))


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
