"""Makes the console of a core: see tools/kinds/console.py."""

from __future__ import annotations

from typing import cast

from tools import rules
from tools.console.desk import Console
from tools.console.service import ConsoleService, clock_of, socket_of
from tools.kinds.console import Options
from tools.site import Site


def make(site: Site) -> ConsoleService:
    """The console over its socket in the exchange's directory."""
    topology = site.configuration.topology
    clock = clock_of(topology, lambda: site.core.now_ns)
    console = Console(site.stream, site.proposer(), site.configuration, clock)
    console.show(site.lossy, site.name)
    service = ConsoleService(console, site.stream, lambda: site.core.now_ns)
    site.stack.callback(service.close)
    place, group = socket_of(topology), cast(Options, site.options).group
    assert place is not None
    try:
        service.listen(place, group)
    except KeyError:
        raise rules.ConfigurationError(f"{site.name}: this host has no group {group!r}") from None
    site.watch(service.epoll_fd)
    return service
