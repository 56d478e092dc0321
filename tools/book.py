"""`ringbus book NAME SYMBOL`: one instrument's book as market data shows it, both sides with depth.

Built as any client of the exchange would: a snapshot over SoupBinTCP, then the packets of the
group, and requests for those that were lost. Each side is a table of its own, best price first,
bids beside offers; prices have no fixed rows, so that the best ones are always on top.
"""

from __future__ import annotations

import getpass
import select
import socket
import sys
import time
from collections.abc import Sequence
from typing import cast

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from ports.market_book import Imbalance, Level, MarketBook
from ports.market_client import MarketClient
from ports.soup import SoupClientSession
from ringbus.status import RingbusError
from tools.exchange import Exchange
from tools.kinds.market import SNAPSHOT, MarketOptions, RequestOptions, SnapshotOptions, place_of
from tools.launcher import LaunchError
from tools.manual import Parser
from tools.units import price_text

RECEIVE_BYTES = 1 << 16
PATIENCE_S = 10.0
REFRESH_S = 0.25
STATES = {"T": "trading", "Q": "auction", "H": "halted", "P": "paused"}


class BookError(Exception):
    """The book cannot be shown; the text says why."""


class Follower:
    """A client's sockets: the group, the snapshot server, and request servers in turn."""

    def __init__(self, group: tuple[str, int], interface: str, servers: list[tuple[str, int]]):
        self.client = MarketClient()
        self._servers = servers
        self._asked = 0
        self._joined = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._joined.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._joined.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._joined.bind(group)
        membership = socket.inet_aton(group[0]) + socket.inet_aton(interface)
        self._joined.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        self._asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def take_snapshot(self, place: tuple[str, int], user: str, password: str) -> None:
        """Log in and read until all is there; what the group says meanwhile is kept."""
        session = SoupClientSession(user, password)
        with socket.create_connection(place, PATIENCE_S) as connection:
            connection.sendall(session.login())
            while not self.client.has_book:
                data = connection.recv(RECEIVE_BYTES)
                messages = [message for _, message in session.feed(data)]
                if session.reject_code is not None:
                    raise BookError(f"the login of {user} was refused ({session.reject_code})")
                if not data:
                    raise BookError("the snapshot server closed the connection")
                self.receive(0.0)
                self.client.on_snapshot(messages)

    def receive(self, timeout_s: float) -> None:
        """Take what comes within so long, and ask for what is missing."""
        ready, _, _ = select.select([self._joined, self._asking], [], [], timeout_s)
        for one in ready:
            self.client.on_packet(one.recv(RECEIVE_BYTES))
        request = self.client.request()
        if request is not None and self._servers:
            self._asked += 1
            self._asking.sendto(request, self._servers[self._asked % len(self._servers)])

    def close(self) -> None:
        """Leave the group."""
        self._joined.close()
        self._asking.close()


def picture(book: MarketBook, locate: int, depth: int) -> Group:
    """Bids and offers beside each other, what was traded last above them."""
    row = book.instruments[locate]
    title = f"{row.symbol}  {STATES.get(row.state, row.state)}"
    if row.volume:
        title += (
            f"  last {row.last_shares:,} at {price_text(row.last_price)}  {row.volume:,} traded"
        )
    if row.imbalance is not None:
        title += f"\n{_auction(row.imbalance)}"
    sides = Table.grid(padding=(0, 2))
    sides.add_row(
        _side("bids", book.depth(locate, "B", depth), depth),
        _side("offers", book.depth(locate, "S", depth), depth),
    )
    return Group(title, sides)


def _auction(of: Imbalance) -> str:
    """What its cross would come to."""
    if of.side == "O":
        return "nothing can be matched yet"
    text = f"would match {of.paired:,} at {price_text(of.price)}"
    left = {"B": "to buy", "S": "to sell"}.get(of.side)
    return text if left is None else f"{text}, {of.shares:,} left {left}"


def _side(name: str, levels: list[Level], depth: int) -> Table:
    table = Table(title=name)
    for column in ("price", "shares", "orders", "total"):
        table.add_column(column, justify="right")
    total = 0
    for level in levels:
        total += level.shares
        counts = f"{level.shares:,}", f"{level.orders:,}", f"{total:,}"
        table.add_row(price_text(level.price), *counts)
    for _ in range(depth - len(levels)):
        table.add_row("", "", "", "")
    return table


def follower(exchange: Exchange, user: str, password: str) -> Follower:
    """A client of the exchange's market data. Raises: BookError: it has none."""
    applications = exchange.configuration.topology.applications
    of = {
        kind: [one for one in applications if one.kind == kind]
        for kind in ("market", "request", "snapshot")
    }
    if not of["market"] or not of["snapshot"]:
        raise BookError(
            f'exchange {exchange.name} has no [[application]] of kind "market" and "snapshot"'
        )
    ports = exchange.state.ports
    servers = [(cast(RequestOptions, one.options).host, ports[one.name]) for one in of["request"]]
    market = cast(MarketOptions, of["market"][0].options)
    snapshot = of["snapshot"][0]
    out = Follower(place_of(market.group), market.interface, servers)
    host = cast(SnapshotOptions, snapshot.options).host
    out.take_snapshot((host, ports[f"{snapshot.name}.{SNAPSHOT}"]), user, password)
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Show it until interrupted, or once; returns the exit status."""
    parser = Parser(prog="ringbus book", description=__doc__)
    parser.add_argument("exchange", help="name of the running exchange")
    parser.add_argument("symbol", help="of the instrument")
    parser.add_argument("--user", required=True, help="a participant")
    parser.add_argument("--password", default="", help="asked for if not given")
    parser.add_argument(
        "--depth", type=int, default=10, metavar="N", help="prices of each side; 10"
    )
    parser.add_argument("--once", action="store_true", help="print it once and end")
    options = parser.parse_args(argv)
    password = options.password or getpass.getpass("password: ")
    try:
        following = follower(Exchange.running(options.exchange), options.user, password)
        book = following.client.book
        locate = book.find(options.symbol)
        if options.once:
            Console().print(picture(book, locate, options.depth))
        else:
            _watch(following, locate, options.depth)
        following.close()
    except (BookError, LaunchError, RingbusError, OSError) as error:
        print(f"ringbus book: {error}", file=sys.stderr)
        return 1
    return 0


def _watch(following: Follower, locate: int, depth: int) -> None:
    shown_s = 0.0
    with Live(auto_refresh=False) as live:
        try:
            while True:
                following.receive(REFRESH_S)
                if time.monotonic() - shown_s >= REFRESH_S:
                    shown_s = time.monotonic()
                    live.update(picture(following.client.book, locate, depth), refresh=True)
        except KeyboardInterrupt:
            return
