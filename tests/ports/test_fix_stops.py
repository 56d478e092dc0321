"""Stop orders over FIX: taken, held elsewhere, taken back, and reported when they come in."""

from __future__ import annotations

from pathlib import Path

import pytest

from ports.fix import FIX42, FIX44, Pair, time_text
from ports.fix_port import FixLimits
from ports.stops import StopOrders
from ringbus.contributor import Contributor
from ringbus.messages import INSTRUMENT_NONE, MASS_CANCEL, MassCancelScope, Template
from ringbus.proposer import Proposer
from ringbus.replay import Stream
from ringbus.topics import Topics
from tests.ports.fix_client import Client, order
from tests.ports.fix_exchange import FixExchange, limits
from tests.ports.quickfix_client import QuickFix
from tests.ports.venue import START_NS, USERS, line

LANE = 2
TOPICS = len(USERS) + 1


class StopsExchange(FixExchange):
    """With an application that holds stop orders."""

    def __init__(
        self, allowed: FixLimits | None = None, room: int = 100, clock: str = "manual"
    ) -> None:
        self.holder: StopOrders | None = None
        super().__init__(allowed or limits(stops=True), clock=clock, contributors=3)
        way = Contributor(self.engine.lane_memory[LANE], LANE, self.engine.doorbell)
        proposer = Proposer(way, self.engine.core, Topics(TOPICS, 2))
        self.holder = StopOrders(Stream(self.engine.ring), proposer, 2, room)

    def step(self, engine: bool = True) -> int:
        held = 0 if self.holder is None else self.holder.do_work(100)
        return super().step(engine) + held

    def trade(self, client: Client, price: str, name: str, quantity: str = "10") -> None:
        """Two orders of one client meet there; what it is told of them is put aside."""
        client.send("D", *order(f"{name}S", "2", quantity, price))
        client.send("D", *order(f"{name}B", "1", quantity, price))
        self.settle()
        client.got.clear()


def stop(name: str, at: str, side: str = "1", /, **changes: str | None) -> list[Pair]:
    """A stop order at `at`; with f44 a stop-limit order."""
    kind = "4" if "f44" in changes else "3"
    fields = dict(order(name, side, "50", "1.5", **{"f44": None, "f40": kind, "f99": at}))
    for tag, text in changes.items():
        fields[int(tag[1:])] = text or ""
    return sorted((tag, text) for tag, text in fields.items() if text)


def cancel(name: str, original: str, side: str = "1") -> list[Pair]:
    """The fields of F for AAPL."""
    return [(11, name), (41, original), (54, side), (55, "AAPL"), (60, time_text(START_NS))]


def told(one: dict[int, str], *tags: int) -> list[str]:
    return [one.get(tag, "") for tag in tags]


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_a_stop_limit_order_waits_for_a_trade_and_comes_in(begin: str) -> None:
    """New when it is taken, Restated when a trade has reached it, then as any order."""
    with StopsExchange() as exchange:
        alice, bob = exchange.login("ALICE", begin), exchange.login("BOB")
        alice.send("D", *stop("A1", "1.6", f44="1.7"))
        new = alice.one("8")
        assert told(new, 11, 150, 39, 40, 44, 99, 151) == ["A1", "0", "0", "4", "1.7", "1.6", "50"]
        assert new.get(636) == ("N" if begin == FIX44 else None)
        exchange.trade(bob, "1.59", "X")
        assert alice.got == []
        exchange.trade(bob, "1.6", "Y")
        came = alice.one("8")
        reason = "4" if begin == FIX42 else "99"
        assert told(came, 11, 150, 39, 378, 151, 58) == ["A1", "D", "0", reason, "50", "triggered"]
        assert came[37] == new[37]
        assert came.get(636) == ("Y" if begin == FIX44 else None)
        bob.send("D", *order("Z", "2", "20", "1.65"))
        exchange.settle()
        filled = alice.one("8")
        assert told(filled, 11, 39, 14, 151, 31, 40) == ["A1", "1", "20", "30", "1.7", "4"]
        alice.send("F", *cancel("A2", "A1"))
        gone = alice.one("8")
        assert told(gone, 11, 41, 150, 39, 14) == ["A2", "A1", "4", "4", "20"]


def test_a_stop_order_is_a_market_order_when_it_comes_in() -> None:
    """OrdType 3: what it cannot get at once is canceled."""
    with StopsExchange() as exchange:
        alice, bob = exchange.login("ALICE"), exchange.login("BOB")
        alice.send("D", *stop("A1", "1.4", "2"))
        assert told(alice.one("8"), 150, 40, 44, 99, 54) == ["0", "3", "", "1.4", "2"]
        bob.send("D", *order("B1", "1", "20", "1.2"))
        exchange.trade(bob, "1.39", "X")
        came, trade, rest = alice.take(3)
        assert told(came, 150, 39) == ["D", "0"]
        assert told(trade, 150, 39, 31, 32) == ["F", "1", "1.2", "20"]
        assert told(rest, 150, 39, 14) == ["4", "4", "20"]


def test_it_is_taken_back_before_it_comes_in() -> None:
    """Its cancel is sequenced on the client's topic; what comes later finds nothing."""
    with StopsExchange() as exchange:
        alice, bob = exchange.login("ALICE"), exchange.login("BOB")
        alice.send("D", *stop("A1", "1.6"))
        new = alice.one("8")
        alice.send("H", (11, "A1"), (54, "1"), (55, "AAPL"))
        status = alice.one("8")
        assert told(status, 150, 39, 40, 99, 636) == ["I", "0", "3", "1.6", "N"]
        changed = sorted([*stop("A2", "1.7"), (41, "A1")])
        alice.send("G", *changed)
        assert told(alice.one("9"), 41, 58, 434) == ["A1", "not supported", "2"]
        alice.send("F", *cancel("A3", "A1"))
        gone = alice.one("8")
        assert told(gone, 11, 41, 37, 150, 39, 151) == ["A3", "A1", new[37], "4", "4", "0"]
        assert exchange.holder is not None
        assert exchange.holder.held == 0
        exchange.trade(bob, "1.8", "X")
        alice.send("F", *cancel("A4", "A1"))
        assert told(alice.one("9"), 39, 102) == ["4", "0"]


def test_a_cancel_that_races_with_the_trade_takes_what_there_is() -> None:
    """The entry takes the topic's number first: the cancel is made again, of an order then."""
    with StopsExchange() as exchange:
        alice, bob = exchange.login("ALICE"), exchange.login("BOB")
        alice.send("D", *stop("A1", "1.6", f44="1.7"))
        alice.one("8")
        bob.send("D", *order("XS", "2", "10", "1.6"))
        bob.send("D", *order("XB", "1", "10", "1.6"))
        exchange.until(lambda: len(bob.got) == 4)
        assert exchange.holder is not None
        # The holder has heard the trade, and proposed, before the cancel is read.
        while exchange.holder.do_work(100):
            pass
        alice.send("F", *cancel("A2", "A1"))
        came, gone = alice.take(2)
        assert told(came, 150, 11) == ["D", "A1"]
        assert told(gone, 150, 11, 41) == ["4", "A2", "A1"]


REFUSED: dict[str, tuple[dict[str, str | None], str, str]] = {
    "no stop price": ({"f99": None}, "99", "invalid price"),
    "stop off tick": ({"f99": "1.605"}, "99", "off tick"),
    "stop beyond": ({"f99": "20000"}, "99", "invalid price"),
    "no limit": ({"f40": "4"}, "99", "invalid price"),
    "limit with a stop price": ({"f40": "2", "f44": "1.5"}, "11", "not supported"),
    "for an opening": ({"f44": "1.5", "f59": "2"}, "11", "invalid time in force"),
    "until a time": (
        {"f44": "1.5", "f59": "6", "f126": "20300101-00:00:00"},
        "11",
        "not supported",
    ),
    "a reserve": ({"f44": "1.5", "f111": "10"}, "11", "not supported"),
}


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED)
def test_what_no_stop_order_can_be(row: tuple[dict[str, str | None], str, str]) -> None:
    """Refused as orders are, with a reason each."""
    changes, reason, text = row
    with StopsExchange() as exchange:
        alice = exchange.login("ALICE")
        alice.send("D", *stop("A1", "1.6", **changes))
        assert told(alice.one("8"), 150, 39, 103, 58) == ["8", "8", reason, text]


def test_without_anybody_to_hold_them_they_are_refused() -> None:
    """Nothing is acknowledged that nobody would ever let in."""
    with StopsExchange(limits()) as exchange:
        alice = exchange.login("ALICE")
        alice.send("D", *stop("A1", "1.6"))
        assert told(alice.one("8"), 150, 58) == ["8", "not supported"]


def test_one_too_many_is_rejected_after_it_was_taken() -> None:
    """Its holder has no room: the client hears of it, by the number that it was given."""
    with StopsExchange(room=1) as exchange:
        alice = exchange.login("ALICE")
        for name in ("A1", "A2"):
            alice.send("D", *stop(name, "1.6"))
        first, second, refused = alice.take(3)
        assert [one[150] for one in (first, second, refused)] == ["0", "0", "8"]
        assert told(refused, 11, 37, 39, 58) == ["A2", second[37], "8", "order capacity"]


@pytest.mark.parametrize("by", ["client", "operator"])
def test_a_mass_cancel_takes_those_that_wait(by: str) -> None:
    """Each is reported; those of others wait on."""
    with StopsExchange() as exchange:
        alice, bob = exchange.login("ALICE"), exchange.login("BOB")
        for client in (alice, bob):
            client.send("D", *stop("A1", "1.6"))
            client.send("D", *stop("A2", "1.4", "2"))
            client.take(2)
        if by == "client":
            alice.send("q", (11, "M1"), (60, time_text(START_NS)), (530, "7"))
            exchange.settle()
            summary = alice.got.pop(0)
            assert told(summary, 35, 531, 533) == ["r", "7", "2"]
        else:
            kill = line(
                MASS_CANCEL,
                Template.MASS_CANCEL,
                0,
                1,
                instrument=INSTRUMENT_NONE,
                account=1,
                scope=MassCancelScope.ACCOUNT | MassCancelScope.KILL,
            )
            exchange.intrude(kill)
        gone = alice.take(2)
        assert [told(one, 11, 150, 39, 58) for one in gone] == [
            [name, "4", "4", "mass cancel"] for name in ("A1", "A2")
        ]
        assert bob.got == []
        assert exchange.holder is not None
        assert exchange.holder.held == 2


def test_a_port_that_is_killed_knows_its_stop_orders(tmp_path: Path) -> None:
    """R63: they are on the stream; the numbers of the reports go on."""
    with StopsExchange() as exchange:
        alice = exchange.login("ALICE")
        alice.send("D", *stop("A1", "1.6"))
        alice.one("8")
        number = alice.number
        exchange.restart_port()
        bob = exchange.login("BOB")
        exchange.trade(bob, "1.7", "X")
        again = exchange.login("ALICE", number=number)
        again.send("2", (7, "2"), (16, "0"))
        exchange.settle()
        reports = [told(one, 11, 150, 39) for one in again.got if one[35] == "8"]
        assert reports == [["A1", "0", "0"], ["A1", "D", "0"], ["A1", "4", "4"]]


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_quickfix_takes_the_reports_of_a_stop_order(tmp_path: Path, begin: str) -> None:
    """An independent engine with its dictionary finds nothing wrong with them."""
    with (
        StopsExchange(clock="real") as exchange,
        QuickFix(tmp_path / "store", exchange.step, exchange.tcp, "ALICE", begin) as alice,
    ):
        alice.until(lambda: alice.logged_on)
        alice.say("D", stop("A1", "1.6", f44="1.7"))
        alice.say("D", stop("A2", "1.7", f44="1.7"))
        alice.told(2)
        alice.say("D", order("S", "2", "10", "1.6"))
        alice.say("D", order("B", "1", "10", "1.6"))
        reports = alice.told(7)
        assert told(reports[-1], 11, 150, 39, 40, 99) == ["A1", "D", "0", "4", "1.6"]
        alice.say("F", cancel("C2", "A2"))
        alice.say("F", cancel("C1", "A1"))
        gone = [told(one, 11, 41, 39) for one in alice.told(9)[-2:]]
        assert gone == [["C2", "A2", "4"], ["C1", "A1", "4"]]
        assert [one for one in alice.sent + alice.admin if one[35] in "3j"] == []
