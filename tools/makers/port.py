"""Makes a client port in a core: the one that speaks, or the one that stands by for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ports.authenticator import Authenticator
from ports.client import ClientPort
from tools.clients import client_sessions, port_instruments
from tools.edge import limits_of
from tools.memory import tcp_counter
from tools.seat import Seat
from tools.topology import ConfigurationError

if TYPE_CHECKING:
    from tools.core import CoreProcess


def add_port(process: CoreProcess, name: str) -> None:
    """The one of that name. Raises: ConfigurationError: another process speaks for it."""
    topology, configuration = process.topology, process.configuration
    section = topology.port(name)
    seat = Seat(process.lane(f"lane.{name}"), section, process.listening)
    process.stack.callback(seat.close)
    stands_by = not seat.take()
    if stands_by and len(topology.cores_of(name)) == 1:
        raise ConfigurationError(f"another process speaks for {name}")
    port = process.stack.enter_context(
        ClientPort(
            process.core,
            topology.exchange.session,
            topology.exchange.shards,
            process.contributor(name),
            process.stream(),
            port_instruments(configuration),
            client_sessions(configuration),
            limits_of(topology, section),
            stands_by,
            configuration.opening,
        )
    )
    reader = name if len(topology.cores_of(name)) == 1 else f"{name} {process.section.name}"
    port.show(process.shared.attach("stream.lossy", writable=True), reader)
    port.measure(process.metrics, name)
    process.core.add(name, port)
    authenticator = Authenticator(
        port, {who.user: who.secret for who in configuration.participants}
    )
    process.beside(name, authenticator.run, authenticator.stop)
    process.watch(port.epoll_fd)
    process.aside(f"{name}, pages", port.populate, port.leave_unpopulated)
    if stands_by:
        process.metrics.counter(tcp_counter(name))
        process.beside(f"{name}, standing by", partial(seat.wait, port, process.pause), seat.stop)
    else:
        tcp = port.listen(section.host, process.former_tcp(name) or section.tcp)
        process.listening(name, tcp)
