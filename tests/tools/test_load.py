"""Load through real clients, with the port shot in the head: nothing missing, nothing twice."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ringbus.journal import read_day
from ringbus.messages import NEW_ORDER, Template
from ringbus.multicast import Reader
from tests.tools.test_placement import DEMO, ROWS, placements, topology
from tests.tools.watching import PATIENCE_S
from tools.exchange import Exchange, launched
from tools.expected import (
    OrderIds,
    Resting,
    client_messages,
    compare,
    expected_trades,
    resting,
    trades,
)
from tools.load import Load, read_clients
from tools.load_session import LoadError
from tools.memory import Attachment
from tools.orders import Dealer, Row, load_orders
from tools.replay_day import replay_day
from tools.topology import ConfigurationError

ROW_COUNT = 6000


def journal_of(exchange: Exchange) -> Path:
    """The journal directory, once it holds the whole stream."""
    directory = exchange.configuration.topology.journal_directory
    with Attachment(exchange.name) as shared:
        tail = Reader(shared.attach("stream")).tail
    deadline = time.monotonic() + PATIENCE_S
    while len(read_day(directory)) < tail:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return directory


def check_against_the_record(exchange: Exchange, load: Load) -> None:
    """Trades, messages of every client, journal and replay agree."""
    instruments = exchange.configuration.instruments
    directory = journal_of(exchange)
    stream = read_day(directory)
    ids = OrderIds([session.topic for session in load.sessions], load.dealer.order_ids)
    found = list(trades(stream, ids, instruments))
    assert len(found) > 500
    wanted = expected_trades(ROWS.with_name("expected_trades.csv.gz"))
    assert compare((next(wanted) for _ in found), iter(found)).difference is None
    expected = [client_messages(stream, session.topic, instruments) for session in load.sessions]
    load.await_messages([len(one) for one in expected])
    for session, wanted_of in zip(load.sessions, expected, strict=True):
        assert compare(iter(wanted_of), iter(session.received)).difference is None, session.user
    rest: list[Resting] = []
    report = replay_day(directory, look=lambda books: rest.extend(resting(books, ids, instruments)))
    assert report.identical, report.divergence
    quantity = sum(order.quantity for order in rest)
    assert quantity == conserved(stream)


def conserved(stream: NDArray[np.void]) -> int:
    """What must rest: entered less traded less taken off, counted on the stream."""
    total = 0
    for template, sign in (
        (Template.NEW_ORDER, 1),
        (Template.EXECUTED, -1),
        (Template.CANCEL, -1),
        (Template.CANCELED, -1),
    ):
        lines = stream[stream["template_id"] == template]
        # All four have their quantity in the same place.
        total += sign * int(lines.view(NEW_ORDER)["quantity"].sum(dtype=np.int64))
    return total


@pytest.mark.xdist_group("processes")
def test_the_day_survives_a_killed_port(tmp_path: Path) -> None:
    """R33, R61, R63, R64, R30: SIGKILL of the port under load, twice; clients go on at N + 1."""
    cores = [*placements(2)["two-cores"][:1], ["journal"], ["port.0"]]
    path = topology(tmp_path, f"load-{os.getpid()}", 2, cores)
    with launched(path) as exchange, Load(exchange, read_clients(DEMO / "clients.csv")) as load:
        load.login()
        requests = load.dealer.deal(load_orders(ROWS, ROW_COUNT))

        def kill(n: int) -> None:
            if n in (2500, 4500):
                exchange.kill("core2")

        report = load.exact(requests, kill)
        assert report.answered == ROW_COUNT
        assert report.reconnects >= 2 * len(load.sessions)
        check_against_the_record(exchange, load)


@pytest.mark.xdist_group("processes")
def test_the_day_survives_a_killed_journal(tmp_path: Path) -> None:
    """R50, R33: SIGKILL of the journal under load; its files have every message all the same."""
    cores = [*placements(1)["two-cores"][:1], ["journal"], ["port.0"]]
    path = topology(tmp_path, f"load-{os.getpid()}", 1, cores)
    with launched(path) as exchange, Load(exchange, read_clients(DEMO / "clients.csv")) as load:
        load.login()
        requests = load.dealer.deal(load_orders(ROWS, ROW_COUNT))

        def kill(n: int) -> None:
            if n == 3000:
                exchange.kill("core1")

        report = load.exact(requests, kill)
        assert report.answered == ROW_COUNT
        check_against_the_record(exchange, load)


@pytest.mark.xdist_group("processes")
def test_paced_load_answers_everything(tmp_path: Path) -> None:
    """R105: open loop; every request is answered and counted once from its intended time.

    The clients' connections died before, with their port.
    """
    cores = [*placements(1)["two-cores"][:1], ["journal"], ["port.0"]]
    path = topology(tmp_path, f"load-{os.getpid()}", 1, cores)
    with launched(path) as exchange, Load(exchange, read_clients(DEMO / "clients.csv")) as load:
        load.login()
        requests = load.dealer.deal(load_orders(ROWS, 1000))
        exchange.await_restart("core2", exchange.kill("core2"))
        report = load.paced(requests, 1000.0, quiet_s=60.0)
        assert report.reconnects == len(load.sessions)
        assert report.answered == len(requests)
        assert report.latency.total == len(requests)
        assert report.latency.min > 0
        assert report.seconds >= 0.99


def test_a_client_that_nobody_knows_is_named(tmp_path: Path) -> None:
    path = topology(tmp_path, f"load-{os.getpid()}", 1, placements(1)["one-core"])
    with launched(path) as exchange:
        with pytest.raises(LoadError, match="user NOBODY is not in the exchange's participants"):
            Load(exchange, [("NOBODY", "X")])
        with (
            Load(exchange, [("CLI000", "WRONG")]) as load,
            pytest.raises(LoadError, match="CLI000: not authorised"),
        ):
            load.login()


def row(line: int, verb: str, order_id: int, quantity: int) -> Row:
    """One row at 21.70."""
    return Row(line, "600761", verb, order_id, "B", 217000 if verb == "NEW" else 0, quantity)


def test_dealer_numbers_each_session_and_names_totals() -> None:
    dealer = Dealer(2)
    first, second, third, fourth = dealer.deal(
        [
            row(2, "NEW", 8, 500),
            row(3, "NEW", 10, 100),
            row(4, "REDUCE", 8, 200),
            row(5, "NEW", 9, 1),
        ]
    )
    assert [r.session for r in (first, second, third, fourth)] == [0, 0, 0, 1]
    assert [r.user_ref for r in (first, second, third, fourth)] == [1, 2, 1, 1]
    assert third.packet.endswith((300).to_bytes(4, "big"))
    assert dealer.order_ids == [[0, 8, 10], [0, 9]]
    with pytest.raises(ConfigurationError, match="line 6: order 77 was never entered"):
        dealer.deal([row(6, "REDUCE", 77, 1)])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b\n1,2\n", ":1: no column 'symbol'"),
        ("symbol,verb,order_id,side,price_1e4,qty\nX,OLD,1,B,1,1\n", ":2: verb 'OLD'"),
        ("symbol,verb,order_id,side,price_1e4,qty\nX,NEW,1,Q,1,1\n", ":2: side 'Q'"),
        ("symbol,verb,order_id,side,price_1e4,qty\nX,NEW,1,B,,1\n", ":2: invalid literal"),
    ],
)
def test_a_broken_order_file_names_the_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        load_orders(path)
    assert problem in str(error.value)
