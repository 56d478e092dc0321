"""The opening call of the Shanghai day through the real exchange, its auctions killed meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringbus.messages import InstrumentState
from tests.ports.test_shanghai import DATA, OPENBOOK_ROWS, in_priority
from tests.tools.test_applications import stream_of
from tools.demo.calls import Calls
from tools.exchange import launched
from tools.expected import (
    CrossTrade,
    OrderIds,
    Resting,
    client_messages,
    compare,
    crosses,
    expected_crosses,
    resting,
)
from tools.load import Load, read_clients
from tools.orders import load_orders
from tools.replay_day import replay_day
from tools.state import remove

DEMO = Path(__file__).resolve().parents[2] / "tools" / "demo"
SECOND_AUCTION = """
[[application]]
name = "auction.1"
kind = "auction"
halt_s = 1

[[core]]
name = "beside"
cpu = "any"
wait = "park"
agents = ["auction.1"]
"""


@pytest.fixture
def topology(tmp_path: Path) -> Iterator[Path]:
    """The demo's, under another name, with a second auction."""
    name = f"calls-{os.getpid()}"
    text = (DEMO / "demo.toml").read_text() + SECOND_AUCTION
    text = text.replace('"demo"', f'"{name}"').replace('"../../demo-output"', '"out"')
    for file in ("instruments.csv", "participants.csv"):
        (tmp_path / file).write_text((DEMO / file).read_text())
    path = tmp_path / "calls.toml"
    path.write_text(text)
    yield path
    remove(name)


def opening() -> Iterator[CrossTrade]:
    every = expected_crosses(DATA / "expected_crosses.csv.gz")
    return (one for one in every if one.cross == "opening")


@pytest.mark.xdist_group("processes")
def test_the_opening_call_survives_killed_auctions(topology: Path) -> None:
    """One dies while orders come in, the other when the call is over: the cross is made once, and
    its trades, the book behind it and what every client was told are as they must be."""
    clients = read_clients(DEMO / "clients.csv")
    with launched(topology) as exchange, Load(exchange, clients) as load:
        load.login()
        requests = load.dealer.deal(load_orders(DATA / "opening.csv.gz"))
        with Calls(exchange) as calls:
            calls.refer()
            calls.become(InstrumentState.PRE_OPEN, "opening call")
            load.exact(requests[:1000])
            exchange.kill("applications")
            load.exact(requests[1000:])
            calls.become(InstrumentState.AUCTION, "opening ends")
            exchange.kill("beside")
            calls.await_state(InstrumentState.CONTINUOUS)
        stream = stream_of(exchange)
        instruments = exchange.configuration.instruments
        ids = OrderIds([session.topic for session in load.sessions], load.dealer.order_ids)
        assert compare(opening(), crosses(stream, ids, instruments)).difference is None
        every = [client_messages(stream, one.topic, instruments) for one in load.sessions]
        load.await_messages([len(one) for one in every])
        for session, wanted in zip(load.sessions, every, strict=True):
            assert compare(iter(wanted), iter(session.received)).difference is None
        left: list[Resting] = []
        directory = exchange.configuration.topology.journal_directory
    report = replay_day(directory, look=lambda books: left.extend(resting(books, ids, instruments)))
    assert report.identical
    book = in_priority(load_orders(DATA / "inbound.csv.gz", OPENBOOK_ROWS))
    assert compare(book, iter(left)).difference is None
