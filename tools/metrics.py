"""`ringbus metrics NAME`: what `ringbus top` shows, for Prometheus, at http://HOST:PORT/metrics.

It outlives the exchange: while none of that name is up it says `ringbus_up 0`, and follows the next
one. One request at a time, each with a limit of time and size; nothing is asked of the exchange.
"""

from __future__ import annotations

import argparse
import socketserver
import sys

# An exception to the rule against time: a sample is of the moment when it is asked for.
import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, make_wsgi_app
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from ringbus.status import UsageError
from tools.manual import Parser
from tools.state import exchange_name
from tools.watch.aside import stand_aside
from tools.watch.families import metrics
from tools.watch.lookout import Lookout
from tools.watch.sample import Sample

LISTEN = ("127.0.0.1", 9464)
# A request, head and answer, may take so long, and its head so much.
REQUEST_S = 2.0
HEAD_BYTES_MAX = 8192
# Who asks again within this time is told the same.
FRESH_NS = 250_000_000
FOLLOW_S = 0.1
FOLLOW_MESSAGES = 1 << 16
FIND_NS = 1_000_000_000
EVERYTHING = 1 << 40


class ExchangeCollector(Collector):
    """The metrics of one exchange, as it is when they are asked for."""

    def __init__(self, lookout: Lookout, now_ns: Callable[[], int]) -> None:
        self._lookout = lookout
        self._now_ns = now_ns
        self._sample: Sample | None = None
        self._found_ns = 0

    def follow(self) -> None:
        """Hear what the stream has new; look for the exchange once a second."""
        if self._lookout.why and self._now_ns() - self._found_ns > FIND_NS:
            self._found_ns = self._now_ns()
            if (sampler := self._lookout.find()) is not None:
                stand_aside(sampler.topology.hot_cpus)
        self._lookout.follow(FOLLOW_MESSAGES)

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        now_ns = self._now_ns()
        if self._sample is None or now_ns - self._sample.time_ns > FRESH_NS:
            self._sample = self._lookout.look(now_ns)
        yield from metrics(self._lookout.name, self._sample)


class Handler(WSGIRequestHandler):
    """One request."""

    def handle(self) -> None:
        """Read its head within the limits, then as usual."""
        head = self._head()
        if head is not None:
            self.rfile = BytesIO(head)
            self.connection.settimeout(REQUEST_S)
            super().handle()

    def _head(self) -> bytes | None:
        """All up to the empty line; None: it does not come, or is too long."""
        head, end = b"", time.monotonic() + REQUEST_S
        while b"\r\n\r\n" not in head:
            left = end - time.monotonic()
            if left <= 0 or len(head) > HEAD_BYTES_MAX:
                return None
            self.connection.settimeout(left)
            try:
                piece = self.connection.recv(4096)
            except OSError:
                return None
            if not piece:
                return None
            head += piece
        return head

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a scrape every few seconds is no news."""


class Server(WSGIServer):
    """The endpoint; between requests it hears the stream."""

    def __init__(self, listen: tuple[str, int], collector: ExchangeCollector) -> None:
        super().__init__(listen, Handler)
        self._collector = collector
        registry = CollectorRegistry(auto_describe=False)
        registry.register(collector)
        answer = make_wsgi_app(registry)

        def application(environ: dict[str, object], start: Callable[..., object]) -> object:
            if environ["PATH_INFO"] == "/metrics":
                return answer(environ, start)
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"what there is stands at /metrics\n"]

        self.set_app(application)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        """Without asking a name server who this host is."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def service_actions(self) -> None:
        """Between requests."""
        self._collector.follow()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone, or takes nothing, is no error of ours."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus metrics`: 0; 1: the address cannot be had, or with --once no exchange."""
    options = _parser().parse_args(argv)
    try:
        lookout = Lookout(exchange_name(options.exchange))
    except UsageError as error:
        print(f"ringbus metrics: {error}", file=sys.stderr)
        return 1
    collector = ExchangeCollector(lookout, time.time_ns)
    try:
        if options.once:
            return _once(lookout, collector)
        with Server(options.listen, collector) as server:
            host, port = server.server_address[:2]
            print(f"metrics of {lookout.name} at http://{host!s}:{port}/metrics", flush=True)
            server.serve_forever(FOLLOW_S)
    except KeyboardInterrupt:
        pass
    except OSError as error:
        print(f"ringbus metrics: {error}", file=sys.stderr)
        return 1
    finally:
        lookout.close()
    return 0


def _once(lookout: Lookout, collector: ExchangeCollector) -> int:
    if lookout.find() is None:
        print(f"ringbus metrics: {lookout.why}", file=sys.stderr)
        return 1
    lookout.follow(EVERYTHING)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    print(generate_latest(registry).decode(), end="")
    return 0


def _parser() -> Parser:
    parser = Parser(prog="ringbus metrics", description=__doc__.partition(":")[2])
    parser.add_argument("exchange", help="name of an exchange, up or not, or its topology file")
    parser.add_argument(
        "--listen",
        type=_address,
        default=LISTEN,
        metavar="HOST:PORT",
        help="where to listen, port 0 is any; 127.0.0.1:9464; whoever reaches it may read",
    )
    parser.add_argument(
        "--once", action="store_true", help="print them once, for a file of the node exporter"
    )
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text}: an address and a port, as in 127.0.0.1:9464")
    return host, int(port)
