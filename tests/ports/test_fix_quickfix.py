"""A real QuickFIX initiator against the FIX port: what it refuses, we do wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ports.fix import FIX42, FIX44
from tests.ports.fix_client import order
from tests.ports.fix_exchange import FixExchange, limits
from tests.ports.quickfix_client import QuickFix
from tests.ports.venue import PASSWORD


@pytest.fixture
def exchange() -> Iterator[FixExchange]:
    with FixExchange(clock="real") as made:
        yield made


def quickfix(exchange: FixExchange, store: Path, user: str, begin: str = FIX44) -> QuickFix:
    """A client that is logged on."""
    made = QuickFix(store / user, exchange.step, exchange.tcp, user, begin)
    made.until(lambda: made.logged_on)
    return made


def clean(*clients: QuickFix) -> None:
    """Nobody has rejected anything: sequence numbers, forms and types were as they must be."""
    for client in clients:
        assert [one for one in client.sent + client.admin + client.reports if one[35] in "3j"] == []


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_a_quickfix_client_trades(exchange: FixExchange, tmp_path: Path, begin: str) -> None:
    with (
        quickfix(exchange, tmp_path, "ALICE", begin) as alice,
        quickfix(exchange, tmp_path, "BOB", begin) as bob,
    ):
        alice.say("D", order("A-1"))
        alice.told(1)
        bob.say("D", order("B-1", "2", "40"))
        bob.told(2)
        alice.told(2)
        alice.say("G", order("A-2", "1", "150", "1.6", f41="A-1"))
        alice.told(3)
        alice.say("F", order("A-3", f41="A-2", f21=None, f40=None, f44=None))
        statuses = [(one[39], one[151], one[14]) for one in alice.told(4)]
        replaced = "5" if begin == FIX42 else "1"
        assert statuses == [
            ("0", "100", "0"), ("1", "60", "40"), (replaced, "110", "40"), ("4", "0", "40"),
        ]  # fmt: skip
        clean(alice, bob)
        alice.stop()
        assert [one[35] for one in alice.admin] == ["A", "5"]


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_every_report_is_what_quickfix_expects(
    exchange: FixExchange, tmp_path: Path, begin: str
) -> None:
    """Each kind of report once, past the dictionary of the other side."""
    with quickfix(exchange, tmp_path, "ALICE", begin) as alice:
        bare: dict[str, str | None] = {"f21": None, "f40": None, "f44": None}
        says = [
            ("D", order("new")),
            ("D", order("new")),
            ("D", order("symbol", f55="NONE")),
            ("D", order("lot", "1", "101")),
            ("D", order("tick", f44="1.00001")),
            ("D", order("market", f40="1", f44=None)),
            ("D", order("stop", f40="3", f99="2")),
            ("F", order("unknown", **bare, f41="nobody")),
            ("G", order("bad", f44="0", f41="new")),
            ("G", order("next", f44="2", f41="new")),
            ("G", order("late", f44="2", f41="new")),
            ("H", [(11, "next"), (54, "1"), (55, "AAPL")]),
            ("H", [(11, "nobody"), (54, "1"), (55, "AAPL")]),
        ]
        for n, (type_, fields) in enumerate(says):
            alice.say(type_, fields)
            alice.told(n + 1 + (n >= 5))
        got = [(one[35], one.get(150) or one[102], one[39], one[11]) for one in alice.reports]
        is42 = begin == FIX42
        assert got == [
            ("8", "0", "0", "new"),
            ("8", "8", "8", "new"),
            ("8", "8", "8", "symbol"),
            ("8", "8", "8", "lot"),
            ("8", "8", "8", "tick"),
            ("8", "0", "0", "market"),
            ("8", "4", "4", "market"),
            ("8", "8", "8", "stop"),
            ("9", "1", "8", "unknown"),
            ("9", "2" if is42 else "99", "0", "bad"),
            ("8", "5", "5" if is42 else "0", "next"),
            ("9", "1", "0", "late"),
            ("8", "0" if is42 else "I", "0", "next"),
            ("8", "8", "8", "nobody"),
        ]
        assert [one[41] for one in alice.reports if one[35] == "9"] == ["nobody", "new", "new"]
        assert alice.reports[2][55] == "NONE"
        clean(alice)


def test_a_mass_cancel_of_4_4(exchange: FixExchange, tmp_path: Path) -> None:
    with quickfix(exchange, tmp_path, "ALICE") as alice:
        alice.say("D", order("1"))
        alice.say("D", order("2", f55="MSFT"))
        alice.told(2)
        alice.say("q", [(11, "M"), (60, order("1")[-1][1]), (530, "7")])
        reports = alice.told(5)[2:]
        assert [(one[35], one.get(11)) for one in reports] == [("r", "M"), ("8", "1"), ("8", "2")]
        assert (reports[0][530], reports[0][531], reports[0][533]) == ("7", "7", "2")
        clean(alice)


def test_a_password_is_asked_for(tmp_path: Path) -> None:
    with FixExchange(limits(passwords=True), clock="real") as exchange:
        bad = QuickFix(
            tmp_path / "bad", exchange.step, exchange.tcp, "ALICE", FIX44, password="WRONG"
        )
        with bad:
            bad.until(lambda: exchange.port.counts["refused logons"] == 1)
            assert not bad.logged_on
        good = QuickFix(
            tmp_path / "good", exchange.step, exchange.tcp, "ALICE", FIX44, password=PASSWORD
        )
        with good:
            good.until(lambda: good.logged_on)


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_nothing_is_lost_or_doubled_when_the_port_dies_under_flow(
    exchange: FixExchange, tmp_path: Path, begin: str
) -> None:
    """The port is killed with requests on their way, at several places; QuickFIX comes back."""
    with quickfix(exchange, tmp_path, "ALICE", begin) as alice:
        count = 0
        for kill in range(4):
            for n in range(20):
                alice.say("D", order(f"{kill}-{count + n}"))
            alice.told(count + 5)
            count += 20
            for _ in range(kill):
                exchange.core.round()
            exchange.restart_port()
        reports = alice.told(count)
        exchange.settle()
        assert len(alice.reports) == count
        assert [one[39] for one in reports] == ["0"] * count
        ids = [one[11] for one in reports]
        assert sorted(ids, key=lambda one: int(one.partition("-")[2])) == ids
        assert len(set(ids)) == len({one[17] for one in reports}) == count
        clean(alice)


def test_what_happened_meanwhile_is_asked_for(exchange: FixExchange, tmp_path: Path) -> None:
    """A client that is away hears of its trades when it is back."""
    with quickfix(exchange, tmp_path, "ALICE") as alice:
        alice.say("D", order("A"))
        alice.told(1)
        alice.stop()
        with quickfix(exchange, tmp_path, "BOB") as bob:
            bob.say("D", order("B", "2", "30"))
            bob.told(2)
        alice.connect(exchange.tcp)
        assert [one[150] for one in alice.told(2)] == ["0", "F"]
        assert alice.reports[1][43] == "Y"
        clean(alice)


def test_numbers_begin_anew_when_both_agree(exchange: FixExchange, tmp_path: Path) -> None:
    with quickfix(exchange, tmp_path, "ALICE") as alice:
        alice.say("D", order("A"))
        alice.told(1)
    fresh = QuickFix(tmp_path / "fresh", exchange.step, exchange.tcp, "ALICE", FIX44, reset=True)
    with fresh:
        fresh.until(lambda: fresh.logged_on)
        assert fresh.admin[0][34] == "1"
        assert fresh.admin[0][141] == "Y"
        fresh.say("D", order("A"))
        assert fresh.told(1)[0][103] == "6"
        fresh.say("F", order("C", f41="A", f21=None, f40=None, f44=None))
        assert fresh.told(2)[1][39] == "4"
        clean(fresh)
