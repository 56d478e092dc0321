"""Drop copies over FIX: reports of orders that came in by OUCH and by FIX, to somebody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ports.fix import FIX42, FIX44
from ports.ouch import CancelOrder, EnterOrder, ModifyOrder, ReplaceOrder
from tests.ports.drop import FixDropExchange
from tests.ports.exchange import Client
from tests.ports.fix_client import Client as FixClient
from tests.ports.fix_client import order
from tests.ports.quickfix_client import QuickFix
from tests.ports.venue import PASSWORD, TICK

PRICE = 150 * TICK
# What a client's own report has too, but for those that say when and to whom.
OWN = (6, 11, 14, 17, 31, 32, 37, 38, 39, 40, 41, 44, 54, 55, 59, 60, 103, 150, 151, 527, 851)


def logon(exchange: FixDropExchange, begin: str = FIX44, **changes: str | None) -> FixClient:
    """A drop copy that has logged on; its messages are still to be taken."""
    client = exchange.drop.connect("DROPA", begin)
    client.logon(30, **changes)
    exchange.settle()
    return client


def trader(exchange: FixDropExchange, user: str = "ERIN", begin: str = FIX44) -> FixClient:
    """A FIX client of the other port."""
    client = exchange.fix.connect(user, begin)
    client.logon()
    client.one("A")
    return client


def day(exchange: FixDropExchange, erin: FixClient, alice: Client, first: int = 1) -> None:
    """Orders of both, trades between them, replaces, cancels and refusals."""
    erin.send("D", *order(f"E{first}", "1", "100", "1.5"))
    exchange.settle()
    for message in (
        EnterOrder(first, "S", 40, "AAPL", PRICE, clordid="mine"),
        EnterOrder(first + 1, "S", 50, "AAPL", 2 * PRICE, clordid="mine"),
        ReplaceOrder(first + 1, first + 2, 60, 2 * PRICE, clordid="other"),
        ModifyOrder(first + 2, "S", 30),
        CancelOrder(first + 2, 20),
        EnterOrder(first + 3, "S", 10, "NONE", PRICE, clordid="bad"),
        CancelOrder(first + 2),
    ):
        alice.send(message)
        exchange.settle()
    erin.send("G", *sorted([*order(f"E{first + 1}", "1", "90", "1.4"), (41, f"E{first}")]))
    exchange.settle()
    fields = [one for one in order(f"E{first + 2}") if one[0] in (11, 54, 55, 60)]
    erin.send("F", *sorted([*fields, (41, f"E{first + 1}")]))
    erin.send("D", *order(f"E{first + 3}", "1", "100", "1.5", f55="NONE"))
    exchange.settle()


def reports(client: FixClient) -> list[dict[int, str]]:
    """The execution reports that came."""
    return [one for one in client.got if one[35] == "8"]


def own(report: dict[int, str]) -> dict[int, str]:
    """What it has in common with the client's own."""
    return {tag: text for tag, text in report.items() if tag in OWN}


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_a_copy_says_what_the_client_was_told_and_whose_it_is(begin: str) -> None:
    """A FIX client's reports, field by field; an OUCH client's by its numbers."""
    with FixDropExchange() as exchange:
        drop = logon(exchange, begin)
        erin = trader(exchange, begin=begin)
        alice = exchange.login("ALICE")
        day(exchange, erin, alice)
        copies = reports(drop)
        assert [one[34] for one in drop.got] == [str(n) for n in range(1, len(drop.got) + 1)]
        of_erin = [one for one in copies if one[115] == "ERIN"]
        assert [own(one) for one in of_erin] == [own(one) for one in reports(erin)]
        assert len(of_erin) == 5
        assert {one[116] for one in copies} == {"FRM1"}
        assert {one[1] for one in of_erin} == {"5"}
        of_alice = [one for one in copies if one[115] == "ALICE"]
        told = [tuple(one.get(tag, "") for tag in (11, 41, 150, 39, 14, 151)) for one in of_alice]
        trade, replaced = ("2", "5") if begin == FIX42 else ("F", "0")
        assert told == [
            ("1", "", "0", "0", "0", "40"),
            ("1", "", trade, "2", "40", "0"),
            ("2", "", "0", "0", "0", "50"),
            ("3", "2", "5", replaced, "0", "60"),
            ("3", "3", "5", replaced, "0", "30"),
            ("3", "", "D", "0", "0", "20"),
            ("4", "", "8", "8", "0", "0"),
            ("3", "", "4", "4", "0", "0"),
        ]
        if begin == FIX44:
            assert {one[797] for one in copies} == {"Y"}
            said = [one.get(526, "") for one in of_alice]
            assert said == ["mine"] * 3 + ["other"] * 3 + ["bad", "other"]
        else:
            assert {tag for one in copies for tag in one} & {526, 797} == set()


def test_numbers_are_the_same_after_a_kill_and_gaps_are_filled(tmp_path: Path) -> None:
    """What it missed it asks for again; its own Logons and heartbeats are gaps."""
    with FixDropExchange(tmp_path) as exchange:
        drop = logon(exchange)
        erin, alice = trader(exchange), exchange.login("ALICE")
        day(exchange, erin, alice)
        drop.send("1", (112, "there?"))
        exchange.settle()
        before = {int(one[34]): own(one) for one in reports(drop)}
        last = int(drop.got[-1][34])
        exchange.restart_drop()
        day(exchange, erin, alice, first=20)
        again = exchange.drop.connect("DROPA", FIX44)
        again.number = 3
        again.logon()
        exchange.settle()
        # It was not there for the second day: its Logon's number says so.
        answer = next(one for one in again.got if one[35] == "A")
        assert int(answer[34]) == last + len(before) + 1
        again.got.clear()
        again.send("2", (7, "1"), (16, "0"))
        exchange.settle()
        expected = 1
        seen: dict[int, dict[int, str]] = {}
        for one in again.got:
            assert int(one[34]) == expected, again.got
            assert one[43] == "Y"
            if one[35] == "4":
                expected = int(one[36])
            else:
                seen[expected] = own(one)
                expected += 1
        assert expected == int(answer[34]) + 1
        assert {number: seen[number] for number in before} == before
        assert len(seen) == 2 * len(before)


def test_who_begins_anew_hears_the_whole_day() -> None:
    """ResetSeqNumFlag: the Logon is 1, and all copies follow it."""
    with FixDropExchange() as exchange:
        erin, alice = trader(exchange), exchange.login("ALICE")
        day(exchange, erin, alice)
        drop = exchange.drop.connect("DROPA", FIX44)
        drop.logon(30, (141, "Y"))
        exchange.settle()
        assert [one[35] for one in drop.got] == ["A", *"8" * 13]
        assert [one[34] for one in drop.got] == [str(n) for n in range(1, 15)]


def test_a_drop_copy_asks_for_nothing() -> None:
    """Whatever it asks for is refused as a type of message that is not taken."""
    with FixDropExchange() as exchange:
        drop = logon(exchange)
        drop.one("A")
        drop.send("D", *order("X1"))
        assert drop.one("j")[380] == "3"
        status = [one for one in order("X1") if one[0] in (11, 54, 55)]
        drop.send("H", *status)
        assert drop.one("j")[372] == "H"


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_quickfix_hears_everything(tmp_path: Path, begin: str) -> None:
    """An independent engine with its dictionary: it takes every copy, the missed ones too."""
    with FixDropExchange(clock="real", passwords=begin == FIX44) as exchange:
        erin, alice = trader(exchange), exchange.login("ALICE")
        day(exchange, erin, alice)
        step: Callable[[], object] = exchange.step
        password = PASSWORD if begin == FIX44 else ""
        tcp = exchange.drop.tcp
        with QuickFix(tmp_path / "store", step, tcp, "DROPA", begin, password=password) as drop:
            drop.until(lambda: len(drop.reports) == 13)
            day(exchange, erin, alice, first=20)
            drop.until(lambda: len(drop.reports) == 26)
            exchange.drop.kill()
            exchange.drop.start()
            day(exchange, erin, alice, first=40)
            drop.until(lambda: len(drop.reports) == 39)
            assert [one for one in drop.sent + drop.admin if one[35] in "3j"] == []
        numbers = [int(one[34]) for one in drop.reports]
        assert numbers == sorted(set(numbers))
        assert {one[115] for one in drop.reports} == {"ERIN", "ALICE"}
