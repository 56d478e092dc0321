"""The FIX port in a process of its own: a QuickFIX client, and a port that is killed under it."""

from __future__ import annotations

import select
from pathlib import Path

import numpy as np

from ports.fix import FIX44, time_text
from ports.fix_lines import Tag
from ringbus.messages import NEW_ORDER, ORDER_TAG, Template
from tests.ports.quickfix_client import QuickFix
from tests.tools.conftest import Maker
from tests.tools.test_applications import stream_of
from tools.exchange import launched

FIX = """\
[[application]]
name = "fix.0"
kind = "fix"
comp_id = "RINGBUS"
users = ["ALICE"]
[[core]]
name = "clients"
agents = ["fix.0"]
"""
STOPS = """\
[[application]]
name = "stops.0"
kind = "stops"
[[application]]
name = "stops.1"
kind = "stops"
[[core]]
name = "stops-0"
agents = ["stops.0"]
[[core]]
name = "stops-1"
agents = ["stops.1"]
"""
KILLS = 3
ORDERS = 40


def pause() -> None:
    """The exchange goes on by itself; this thread lets QuickFIX's have the interpreter."""
    select.select([], [], [], 0.0005)


def test_quickfix_and_a_port_that_is_killed_under_flow(make: Maker, tmp_path: Path) -> None:
    """Nothing is lost, nothing is said twice, and the numbers go on: over SIGKILL and restart."""
    with launched(make(extra=FIX)) as exchange:
        tcp = exchange.state.ports["fix.0"]
        alice = QuickFix(
            tmp_path / "store", pause, tcp, "ALICE", FIX44, password="SECRET", heartbeat=1
        )
        with alice:
            alice.until(lambda: alice.logged_on)
            sent = 0
            for _ in range(KILLS):
                for n in range(ORDERS):
                    now = time_text(0)
                    fields = [(11, f"ID{sent + n}"), (21, "1"), (38, "1"), (40, "2"), (44, "10")]
                    alice.say("D", [*fields, (54, "1"), (55, "S0"), (60, now)])
                alice.told(sent + ORDERS // 4)
                former = exchange.kill("clients")
                exchange.await_restart("clients", former)
                assert exchange.state.ports["fix.0"] == tcp
                sent += ORDERS
            reports = alice.told(sent)
            assert [one[11] for one in reports] == [f"ID{n}" for n in range(sent)]
            assert {one[150] for one in reports} == {"0"}
            # With a second between heartbeats, some were said by both; numbers fit all the time.
            alice.until(lambda: len([one for one in alice.admin if one[35] == "0"]) >= 2)
            assert [one for one in alice.sent + alice.admin if one[35] in "3j"] == []
        assert len(alice.reports) == sent
        day = stream_of(exchange)
    entered = day[day["template_id"] == Template.NEW_ORDER].view(NEW_ORDER)
    tags = day[day["template_id"] == Template.ORDER_TAG].view(ORDER_TAG)
    assert len(entered) == len(tags) == sent
    assert [Tag.read(one.tobytes()).text for one in tags] == [f"ID{n}" for n in range(sent)]
    numbers = [Tag.read(one.tobytes()).number or 0 for one in tags]
    assert (np.diff(numbers) > 0).all()


def test_stop_orders_while_everybody_who_has_to_do_with_them_dies(
    make: Maker, tmp_path: Path
) -> None:
    """Port and both holders are killed in turn: each stop order comes in once, when it should."""
    with launched(make(extra=FIX + STOPS)) as exchange:
        tcp = exchange.state.ports["fix.0"]
        with QuickFix(
            tmp_path / "store", pause, tcp, "ALICE", FIX44, password="SECRET", heartbeat=1
        ) as alice:
            alice.until(lambda: alice.logged_on)
            count = 0

            def say(name: str, side: str, price: str, *more: tuple[int, str]) -> None:
                fields = [(11, name), (21, "1"), (38, "1"), (44, price), (54, side), (55, "S0")]
                alice.say("D", sorted([*fields, (60, time_text(0)), *more]))

            for turn, victim in enumerate(("clients", "stops-0", "stops-1", "clients")):
                for n in range(ORDERS):
                    at = str(20 + n % 5)
                    say(f"STOP{turn}-{n}", "1", at, (40, "4"), (99, at))
                count += ORDERS
                alice.told(count)
                # All are reached; in the middle of it somebody dies.
                say(f"S{turn}", "2", "24", (40, "2"))
                say(f"B{turn}", "1", "24", (40, "2"))
                former = exchange.kill(victim)
                exchange.await_restart(victim, former)
                # Two orders and their trade, and of each stop order that it came in.
                count += 4 + ORDERS
                reports = alice.told(count)
            assert [one for one in alice.sent + alice.admin if one[35] in "3j"] == []
        came = [one[11] for one in reports if one[150] == "D"]
        assert came == [f"STOP{turn}-{n}" for turn in range(4) for n in range(ORDERS)]
        assert len(alice.reports) == count
