"""Market data of a real exchange: its processes killed and started again, the book's picture."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from ports.itch import decode
from ports.ouch import OrderAccepted
from ports.ouch_client import OuchClient
from ports.soup import SoupClientSession
from tests.tools.conftest import Maker
from tests.tools.test_launcher import ringbus, until
from tests.tools.watching import PATIENCE_S
from tools.book import follower
from tools.exchange import Exchange, launched
from tools.units import price_text

MARKET = """\
[[application]]
name = "itch"
kind = "market"
group = "239.255.77.2:{port}"
[[application]]
name = "again"
kind = "request"
[[application]]
name = "glimpse"
kind = "snapshot"
[[core]]
name = "market"
agents = ["itch"]
[[core]]
name = "servers"
agents = ["again", "glimpse"]
"""


def topology(make: Maker) -> Path:
    # Of the group, so nobody else's unless it is asked for twice within one run of the tests.
    return make(ports=1, extra=MARKET.format(port=20000 + os.getpid() % 20000))


async def enter(
    exchange: Exchange, orders: list[tuple[str, int, int]], user: str = "ALICE"
) -> None:
    """The first orders of a user, for S0: side, quantity, price."""
    host, tcp = exchange.port("port.0")
    client = OuchClient(host, tcp, user, "SECRET")
    await client.connect()
    for side, quantity, price in orders:
        await client.enter(symbol="S0", side=side, quantity=quantity, price=price)
        async for _, message in client.events():
            if isinstance(message, OrderAccepted):
                break
    await client.close()


def day_of(exchange: Exchange, messages: int) -> list[bytes]:
    """The first messages of the day over TCP."""
    session = SoupClientSession("BOB", "SECRET")
    out: list[bytes] = []
    with socket.create_connection(("127.0.0.1", exchange.state.ports["glimpse.day"])) as one:
        one.settimeout(PATIENCE_S)
        one.sendall(session.login())
        while len(out) < messages:
            out += [message for _, message in session.feed(one.recv(1 << 16))]
    return out[:messages]


ORDERS = [("B", 100, 100_000), ("B", 200, 99_900), ("S", 300, 100_100), ("S", 50, 100_000)]


def test_market_data_of_real_processes_survives_their_deaths(make: Maker) -> None:
    """R33, R39: a client goes on through kill -9 of sender and servers; the day stays the same."""
    with launched(topology(make)) as exchange:
        asyncio.run(enter(exchange, ORDERS))
        client = follower(exchange, "ALICE", "SECRET")
        book = client.client.book
        locate = book.find("S0")

        def has(shares: int) -> bool:
            client.receive(0.01)
            depth = book.depth(locate, "B", 1)
            return bool(depth) and (depth[0].price, depth[0].shares) == (100_000, shares)

        assert until(lambda: has(50))
        before = day_of(exchange, client.client.next_number - 1)
        assert [decode(one).kind for one in before[-4:]] == list("AAAE")
        for core in ("market", "servers", "market"):
            former = exchange.kill(core)
            exchange.await_restart(core, former)
        asyncio.run(enter(exchange, [("B", 7, 100_000)], "BOB"))
        assert until(lambda: has(57))
        after = day_of(exchange, client.client.next_number - 1)
        assert after[: len(before)] == before
        client.close()


def test_the_book_is_shown_with_both_sides(make: Maker) -> None:
    """R03: bids beside offers, each from its best price on with what is there; not a ladder."""
    with launched(topology(make)) as exchange:
        asyncio.run(enter(exchange, ORDERS))
        told = [exchange.name, "S0", "--user", "BOB", "--password", "SECRET", "--once"]
        assert until(lambda: "9.99" in ringbus("book", *told).stdout)
        rows = [line.split("│") for line in ringbus("book", *told).stdout.splitlines()]
        cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
        assert ["10.00", "50", "1", "50", "10.01", "300", "1", "300"] in cells
        assert ["9.99", "200", "1", "250"] in cells
        done = ringbus("book", *told[:4], "--password", "WRONG", "--once")
        assert (done.returncode, done.stderr.count("refused")) == (1, 1)
        done = ringbus("book", exchange.name, "S9", *told[2:])
        assert "no symbol 'S9'" in done.stderr


@pytest.mark.parametrize(("price", "text"), [(0, "0.00"), (10_000, "1.00"), (12_345, "1.2345")])
def test_prices_are_shown_in_the_currency(price: int, text: str) -> None:
    assert price_text(price) == text
