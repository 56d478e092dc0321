"""The FIX port over real TCP sockets, with the real engine behind it: orders and their reports."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ports.client import ClientSession
from ports.fix import FIX42, FIX44, Pair, time_text
from ports.fix_account import Account
from ports.fix_desk import Desk
from ports.fix_lines import Line, Tag, line, tag_text
from ports.fix_port import STALLED_NS
from ringbus.messages import (
    CANCEL,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    ORDER_TAG,
    REJECTED,
    SESSION_EVENT,
    Flag,
    MassCancelScope,
    RejectReason,
    SessionEventKind,
    Template,
)
from ringbus.status import UsageError
from tests.ports.fix_client import Client, frame, order
from tests.ports.fix_exchange import FixExchange, limits
from tests.ports.venue import INSTRUMENTS, PASSWORD, START_NS

NOW = time_text(START_NS)
# Of a message that is sent again, what may differ.
ENVELOPE = (9, 10, 43, 52, 122)


@pytest.fixture
def exchange() -> Iterator[FixExchange]:
    with FixExchange() as made:
        yield made


def cancel(clordid: str, original: str, symbol: str = "AAPL", side: str = "1") -> list[Pair]:
    """The fields of an OrderCancelRequest."""
    return [(11, clordid), (38, "100"), (41, original), (54, side), (55, symbol), (60, NOW)]


def content(message: dict[int, str]) -> dict[int, str]:
    """What must be the same whenever it is sent."""
    return {tag: text for tag, text in message.items() if tag not in ENVELOPE}


def resent(client: Client, begin: int = 1) -> list[dict[int, str]]:
    """All reports from `begin` on, as they are when they are asked for again."""
    client.send("2", (7, str(begin)), (16, "0"))
    client.stage.settle()
    out, client.got = client.got, []
    return [content(one) for one in out if one[35] != "4"]


# What a client asks and what it is told.


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_an_order_lives_and_dies(exchange: FixExchange, begin: str) -> None:
    alice, bob = exchange.login("ALICE", begin), exchange.login("BOB", begin)
    alice.send("D", *order("A-1"))
    new = alice.one("8")
    expected = {
        6: "0", 11: "A-1", 14: "0", 37: new[37], 38: "100", 39: "0", 40: "2", 44: "1.5", 54: "1",
        55: "AAPL", 59: "0", 60: NOW, 150: "0", 151: "100",
    }  # fmt: skip
    assert {tag: new[tag] for tag in expected} == expected
    bob.send("D", *order("B-1", "5", "40", "1.45"))
    sold, traded = bob.take(2)
    assert (sold[39], sold[54], traded[39], traded[31]) == ("0", "5", "2", "1.5")
    bought = alice.one("8")
    assert [bought[tag] for tag in (31, 32, 6, 14, 151, 39)] == [
        "1.5",
        "40",
        "1.5",
        "40",
        "60",
        "1",
    ]
    assert bought[150] == ("1" if begin == FIX42 else "F")
    assert bought[37] == new[37]
    if begin == FIX44:
        assert (bought[527], bought[851], traded[851]) == (traded[527], "1", "2")
    alice.send("F", *cancel("A-2", "A-1"))
    canceled = alice.one("8")
    assert [canceled[tag] for tag in (11, 41, 39, 151, 14)] == ["A-2", "A-1", "4", "0", "40"]
    assert len({new[17], bought[17], canceled[17]}) == 3


def test_average_prices_are_exact(exchange: FixExchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    for n, (quantity, price) in enumerate((("10", "1.5"), ("10", "1.51"), ("10", "1.55"))):
        alice.send("D", *order(f"A{n}", "2", quantity, price))
    alice.take(3)
    bob.send("D", *order("B", "1", "30", "2"))
    reports = bob.take(4)
    assert [one[6] for one in reports] == ["0", "1.5", "1.505", "1.52"]
    assert [one[14] for one in reports] == ["0", "10", "20", "30"]
    assert len({one[17] for one in reports}) == 4


def test_a_replace_moves_the_order_and_its_name(exchange: FixExchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    alice.send("D", *order("A"))
    first = alice.one("8")
    bob.send("D", *order("X", "2", "30"))
    bob.take(2)
    alice.one("8")
    alice.send("G", *order("B", "1", "200", "1.4", f41="A"))
    moved = alice.one("8")
    assert [moved[tag] for tag in (11, 41, 37, 38, 44, 14, 151, 39, 150)] == [
        "B", "A", first[37], "200", "1.4", "30", "170", "1", "5",
    ]  # fmt: skip
    # By its name before it is not known any more.
    alice.send("F", *cancel("C", "A"))
    assert alice.one("9")[102] == "1"
    # So much has executed already: what is left goes.
    alice.send("G", *order("D", "1", "30", "1.4", f41="B"))
    gone = alice.one("8")
    assert [gone[tag] for tag in (11, 41, 39, 151)] == ["D", "B", "4", "0"]
    alice.send("F", *cancel("E", "D"))
    late = alice.one("9")
    assert (late[102], late[39], late[41], late[37]) == ("0", "4", "D", first[37])


REFUSED: dict[str, tuple[dict[str, str | None], str, str, str]] = {
    "symbol": ({"f55": "NONE"}, "1", "1", "unknown instrument"),
    "quantity": ({"f38": "0"}, "0", "13", "invalid quantity"),
    "fraction": ({"f38": "10.5"}, "0", "13", "invalid quantity"),
    "too many": ({"f38": "100010"}, "3", "3", "quantity exceeded"),
    "no quantity": ({"f38": None}, "0", "13", "invalid quantity"),
    "lot": ({"f38": "15"}, "0", "13", "off lot"),
    "no price": ({"f44": None}, "0", "99", "invalid price"),
    "negative": ({"f44": "-1"}, "0", "99", "invalid price"),
    "collar": ({"f44": "10000.01"}, "0", "99", "invalid price"),
    "tick": ({"f44": "1.505"}, "0", "99", "off tick"),
    "too fine": ({"f44": "1.50001"}, "0", "99", "off tick"),
    "kind": ({"f40": "4", "f99": "1.4"}, "0", "11", "not supported"),
    "stop price": ({"f99": "1.4"}, "0", "11", "not supported"),
    "time": ({"f59": "5"}, "0", "11", "invalid time in force"),
    "no end": ({"f59": "6"}, "0", "11", "invalid time in force"),
    "instruction": ({"f18": "G"}, "0", "11", "not supported"),
    "post only": ({"f18": "6", "f59": "3"}, "0", "11", "invalid options"),
    "display": ({"f111": "200"}, "0", "11", "invalid display"),
    "minimum": ({"f110": "50"}, "0", "11", "invalid minimum quantity"),
    "side": ({"f54": "8"}, "0", "99", "invalid side"),
}


@pytest.mark.parametrize("case", list(REFUSED))
@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_what_an_order_may_not_be(exchange: FixExchange, begin: str, case: str) -> None:
    changes, reason42, reason44, text = REFUSED[case]
    alice = exchange.login("ALICE", begin)
    alice.send("D", *order("A", **changes))
    report = alice.one("8")
    assert (report[39], report[150], report[11], report[151]) == ("8", "8", "A", "0")
    assert report[103] == (reason42 if begin == FIX42 else reason44)
    assert report[58] == text
    assert report[55] == dict(order("A", **changes))[55]
    assert report[54] == dict(order("A", **changes))[54]
    assert resent(alice, 2) == [content(report)]
    # The name is used up.
    alice.send("D", *order("A"))
    assert alice.one("8")[103] == "6"


ACCEPTED: dict[str, tuple[dict[str, str | None], str, list[str]]] = {
    "good till cancel": ({"f59": "1"}, "1", ["0"]),
    "immediate": ({"f59": "3"}, "3", ["0", "4"]),
    "fill or kill": ({"f59": "4"}, "4", ["0", "4"]),
    "good till date": ({"f59": "6", "f126": "20291122-21:00:00"}, "6", ["0"]),
    "market": ({"f40": "1", "f44": None}, "3", ["0", "4"]),
    "hidden": ({"f111": "0"}, "0", ["0"]),
    "reserve": ({"f111": "10"}, "0", ["0"]),
    "minimum": ({"f110": "50", "f59": "3"}, "3", ["0", "4"]),
    "post only": ({"f18": "6"}, "0", ["0"]),
    "sell short exempt": ({"f54": "6"}, "0", ["0"]),
    "zeros": ({"f38": "000100.00", "f44": "01.5000"}, "0", ["0"]),
    "what is not looked at": ({"f1": "me", "f15": "USD", "f58": "hello", "f18": "1 5"}, "0", ["0"]),
}


@pytest.mark.parametrize("case", list(ACCEPTED))
def test_what_an_order_may_be(exchange: FixExchange, case: str) -> None:
    changes, time_in_force, statuses = ACCEPTED[case]
    alice = exchange.login()
    alice.send("D", *order("A", **changes))
    reports = alice.take(len(statuses))
    assert [one[39] for one in reports] == statuses
    assert (reports[0][59], reports[0][38], reports[0].get(44, "1.5")) == (
        time_in_force, "100", "1.5",
    )  # fmt: skip
    assert reports[0][54] == dict(order("A", **changes))[54]


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_a_change_that_cannot_be_is_refused_with_what_the_client_said(
    exchange: FixExchange, begin: str
) -> None:
    alice = exchange.login("ALICE", begin)
    alice.send("D", *order("A"))
    alice.send("D", *order("B"))
    alice.take(2)
    cases = [
        ("F", cancel("1", "nobody"), "nobody", "1", "8", "NONE"),
        ("G", order("2", f41="nobody too"), "nobody too", "1", "8", "NONE"),
        ("F", cancel("B", "A"), "A", "2", "0", None),
        ("F", cancel("3", "A", symbol="MSFT"), "A", "2", "0", None),
        ("F", cancel("4", "A", side="2"), "A", "2", "0", None),
        ("G", order("5", f41="A", f38="7"), "A", "2", "0", None),
        ("G", order("6", f41="A", f44="1.001"), "A", "2", "0", None),
    ]  # fmt: skip
    said = []
    for type_, fields, original, reason, status, order_id in cases:
        alice.send(type_, *fields)
        reject = alice.one("9")
        said.append(content(reject))
        assert (reject[11], reject[41], reject[39]) == (dict(fields)[11], original, status)
        assert reject[434] == ("1" if type_ == "F" else "2")
        late = {"2": "99" if dict(fields)[11] != "B" else "6"}.get(reason, reason)
        assert reject[102] == (reason if begin == FIX42 else late)
        assert order_id is None or reject[37] == order_id
    alice.send("F", *cancel("7", "A"))
    assert alice.one("8")[39] == "4"
    alice.send("F", *cancel("8", "A"))
    closed = alice.one("9")
    assert (closed[102], closed[39], closed[41]) == ("0", "4", "A")
    assert resent(alice, 4)[: len(said)] == said


def test_a_mass_cancel_says_how_many(exchange: FixExchange) -> None:
    alice, bob = exchange.login(), exchange.login("BOB")
    bob.send("D", *order("B"))
    bob.one("8")
    for n, (symbol, side) in enumerate(
        (("AAPL", "1"), ("AAPL", "2"), ("MSFT", "1"), ("MSFT", "5"))
    ):
        price = "1.6" if side != "1" else "1.4"
        alice.send("D", *order(f"A{n}", side, "10", price, f55=symbol))
    alice.take(4)
    alice.send("q", (11, "M1"), (54, "1"), (55, "AAPL"), (60, NOW), (530, "1"))
    report, gone = alice.take(2)
    assert [report[tag] for tag in (35, 11, 530, 531, 533, 55, 54)] == [
        "r", "M1", "1", "1", "1", "AAPL", "1",
    ]  # fmt: skip
    assert (gone[11], gone[39], gone[58]) == ("A0", "4", "mass cancel")
    assert 41 not in gone
    alice.send("q", (11, "M2"), (60, NOW), (530, "7"))
    report, *gone_too = alice.take(4)
    assert (report[531], report[533]) == ("7", "3")
    assert [one[11] for one in gone_too] == ["A1", "A2", "A3"]
    for fields, response, reason in (
        ([(11, "M3"), (60, NOW), (530, "3")], "0", "0"),
        ([(11, "M4"), (55, "NONE"), (60, NOW), (530, "1")], "0", "1"),
        ([(11, "M2"), (60, NOW), (530, "7")], "0", "99"),
    ):
        alice.send("q", *fields)
        refused = alice.one("r")
        assert (refused[530], refused[531], refused[532]) == (dict(fields)[530], response, reason)
    exchange.settle()
    assert bob.got == []


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_the_state_of_an_order_can_be_asked(exchange: FixExchange, begin: str) -> None:
    alice = exchange.login("ALICE", begin)
    alice.send("D", *order("A"))
    alice.one("8")
    alice.send("H", (11, "A"), (54, "1"), (55, "AAPL"))
    status = alice.one("8")
    assert (status[11], status[39], status[151]) == ("A", "0", "100")
    assert (status[150], status.get(20)) == (("0", "3") if begin == FIX42 else ("I", None))
    alice.send("H", (11, "B"), (54, "2"), (55, "WHAT"))
    unknown = alice.one("8")
    assert [unknown[tag] for tag in (11, 39, 37, 55, 54, 103)] == [
        "B", "8", "NONE", "WHAT", "2", "5",
    ]  # fmt: skip
    assert len(resent(alice)) == 3


def test_two_clients_of_one_port_do_not_wait_for_each_other(exchange: FixExchange) -> None:
    alice, bob = exchange.login(), exchange.login("BOB")
    for n in range(50):
        alice.send("D", *order(f"A{n}"))
    bob.send("D", *order("B"))
    exchange.until(lambda: len(bob.got) == 1)
    assert len(alice.got) < 50
    exchange.until(lambda: len(alice.got) == 50)
    assert [one[11] for one in alice.got] == [f"A{n}" for n in range(50)]
    assert [one[34] for one in alice.got] == [str(n + 2) for n in range(50)]


def test_a_session_has_its_own_bounds() -> None:
    with FixExchange(rate=2, notional_max_1e4=150 * 10_000, self_trade="W") as exchange:
        alice = exchange.login()
        alice.send("D", *order("A", "1", "110"))
        alice.send("D", *order("B", "1", "100"))
        alice.send("D", *order("C", "1", "100"))
        too_big, fine, too_many = alice.take(3)
        assert (too_big[103], too_big[58]) == ("3", "notional exceeded")
        assert fine[39] == "0"
        assert (too_many[103], too_many[58]) == ("3", "throttled")
        exchange.advance(10**9)
        # Its own orders do not meet: the incoming one goes.
        alice.send("D", *order("D", "2", "100"))
        assert [(one[39], one.get(58)) for one in alice.take(2)] == [
            ("0", None),
            ("4", "self trade"),
        ]


# Others on the session's topic.


def test_what_somebody_else_cancels_is_told_without_being_asked(exchange: FixExchange) -> None:
    alice = exchange.login()
    alice.send("D", *order("A"))
    alice.one("8")
    entered = exchange.stream()[-2:]
    taken = Line.read(entered[0].tobytes())
    one = line(
        CANCEL, Template.CANCEL, 1, topic_sequence=taken.topic_sequence + 1, quantity=100,
        instrument=0, locate=taken.locate, client_order_id=taken.client_order_id, reason=1,
        flags=Flag.LAST_OF_GROUP,
    )  # fmt: skip
    # The client asks for the same, and is late.
    alice.send("F", *cancel("B", "A"))
    exchange.until(lambda: exchange.port.counts["proposals"] == 2, engine=False)
    exchange.intrude(one)
    exchange.settle()
    canceled, refused = alice.take(2)
    assert [canceled.get(tag) for tag in (35, 11, 41, 39)] == ["8", "A", None, "4"]
    assert [refused[tag] for tag in (35, 11, 41, 39, 102)] == ["9", "B", "A", "4", "0"]


def test_a_request_that_lost_its_number_is_proposed_again(exchange: FixExchange) -> None:
    alice = exchange.login()
    for n in range(5):
        number = Line.read(exchange.stream()[-1].tobytes()).topic_sequence
        one = line(
            MASS_CANCEL, Template.MASS_CANCEL, 1, topic_sequence=1, instrument=INSTRUMENT_NONE,
            session=1, scope=MassCancelScope.SESSION, flags=Flag.LAST_OF_GROUP,
        )  # fmt: skip
        assert number >= 1
        exchange.intrude(one)
        alice.send("D", *order(f"A{n}"))
        exchange.until(lambda: bool(alice.got))
    exchange.settle()
    assert len({one[11] for one in alice.got}) == 5


def test_a_session_that_is_logged_in_elsewhere_is_not_taken(exchange: FixExchange) -> None:
    one = line(
        SESSION_EVENT, Template.SESSION_EVENT, 1, topic_sequence=1, instrument=INSTRUMENT_NONE,
        kind=SessionEventKind.LOGIN, flags=Flag.LAST_OF_GROUP,
    )  # fmt: skip
    exchange.intrude(one)
    client = exchange.connect()
    client.logon()
    client.ended()
    assert exchange.port.counts["refused logons"] == 1


# Crashes.


def test_every_number_is_the_same_message_after_a_crash(exchange: FixExchange) -> None:
    """All of a session's reports, of every kind, made again by a port that was not there."""
    alice, bob = exchange.login(), exchange.login("BOB")
    alice.send("D", *order("A"))
    bob.send("D", *order("B", "2", "40"))
    bob.take(2)
    alice.send("1", (112, "x"))
    alice.send("G", *order("C", "1", "150", "1.4", f41="A"))
    alice.send("F", *cancel("D", "nobody"))
    alice.send("D", *order("E", f55="NONE"))
    alice.send("R", (58, "x"))
    alice.send("H", (11, "C"), (54, "1"), (55, "AAPL"))
    alice.send("q", (11, "F"), (60, NOW), (530, "7"))
    exchange.settle()
    live = [content(one) for one in alice.got if one[35] not in "A0"]
    assert [one[35] for one in live] == ["8", "8", "8", "9", "8", "j", "8", "r", "8"]
    number = alice.number
    exchange.restart_port()
    alice = exchange.connect()
    alice.number = number
    alice.logon()
    answer = alice.one("A")
    assert int(answer[34]) == len(live) + 3
    assert resent(alice) == live


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_a_port_that_dies_between_any_two_rounds_loses_and_doubles_nothing(begin: str) -> None:
    """A client that keeps to FIX: it sends again what it is asked for, and nothing else."""
    ends = []
    for rounds in range(12):
        with FixExchange() as exchange:
            alice = exchange.login("ALICE", begin)
            wanted = [f"A{n}" for n in range(4)]
            for clordid in wanted:
                alice.send("D", *order(clordid))
            for n in range(rounds):
                exchange.step(engine=n % 2 == 0)
            before = {one[11]: content(one) for one in alice.got if one[35] == "8"}
            number = alice.number
            exchange.restart_port()
            alice = exchange.connect("ALICE", begin)
            alice.number = number
            alice.logon()
            exchange.settle()
            assert alice.got[0][35] == "A"
            for asked in [one for one in alice.got if one[35] == "2"]:
                first = int(asked[7])
                for n in range(first, number):
                    alice.send("D", *order(wanted[n - 2]), h34=str(n), h43="Y", h122=NOW)
                alice.send("4", (36, str(number + 1)), (123, "Y"), h34=str(number), h43="Y")
                ends.append(first)
            exchange.settle()
            alice.got.clear()
            reports = [one for one in resent(alice) if one[35] == "8"]
            assert [one[11] for one in reports] == wanted
            assert {one[39] for one in reports} == {"0"}
            for one in reports:
                assert before.get(one[11], one) == one
            entered = exchange.stream()["template_id"] == Template.NEW_ORDER
            assert int(entered.sum()) == len(wanted)
    # Some died before, some behind the first order.
    assert len(set(ends)) >= 3


def test_who_was_logged_in_when_the_port_died_is_logged_out(exchange: FixExchange) -> None:
    exchange.login()
    exchange.restart_port()
    day = exchange.stream().view(SESSION_EVENT)
    assert day["kind"].tolist() == [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]


@pytest.mark.parametrize("dies", [False, True])
def test_orders_go_with_their_client_if_that_is_wanted(dies: bool) -> None:
    with FixExchange(cancels_on_disconnect=True) as exchange:
        alice = exchange.login()
        alice.send("D", *order("A"))
        alice.send("D", *order("B", f55="MSFT"))
        alice.take(2)
        if dies:
            exchange.restart_port()
        else:
            alice.close()
            exchange.settle()
        kinds = exchange.stream()["template_id"].tolist()
        assert kinds[-4:] == [
            Template.MASS_CANCEL, Template.CANCELED, Template.CANCELED, Template.SESSION_EVENT,
        ]  # fmt: skip
        alice = exchange.connect()
        alice.number = 4
        alice.logon()
        alice.one("A")
        assert [one[39] for one in resent(alice)] == ["0", "0", "4", "4"]


def test_what_is_said_waits_for_the_journal(tmp_path: Path) -> None:
    with FixExchange(directory=tmp_path, copies=1) as exchange:
        place = exchange.marks.place("journal")
        client = exchange.connect()
        client.logon()
        exchange.settle()
        assert client.got == []
        last = len(exchange.stream())
        exchange.marks.set(place, last)
        client.one("A")
        client.send("D", *order("A"))
        exchange.settle()
        assert client.got == []
        exchange.marks.set(place, last + 1)
        exchange.settle()
        # The order's second line is not there yet.
        assert client.got == []
        exchange.marks.set(place, last + 2)
        client.one("8")


# Bad clients.


def test_who_does_not_read_is_cut_off_and_can_come_back() -> None:
    with FixExchange(limits(backlog=50, send_bytes=2048, socket_send_bytes=4096)) as exchange:
        alice, bob = exchange.login(), exchange.login("BOB")
        alice.send("D", *order("A", "1", "100000"))
        alice.one("8")
        alice.reading = False
        alice.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        count = 0
        for count in range(1, 5000):
            bob.send("D", *order(f"B{count}", "2", "10"))
            exchange.until(lambda: len(bob.got) >= 2)
            bob.got.clear()
            if exchange.port.counts["slow connections"]:
                break
        assert exchange.port.counts["slow connections"] == 1
        alice = exchange.connect()
        alice.number = 3
        alice.logon()
        alice.one("A")
        reports = resent(alice)
        assert len(reports) == count + 1
        assert reports[-1][14] == str(10 * count)


def test_who_takes_nothing_is_cut_off_in_time() -> None:
    """One that asks for everything again and again, and reads nothing of it."""
    with FixExchange(limits(socket_send_bytes=4096)) as exchange:
        alice = exchange.login()
        for n in range(50):
            alice.send("D", *order(f"A{n}"))
        exchange.settle()
        alice.reading = False
        for _ in range(300):
            alice.send("2", (7, "1"), (16, "0"))
        exchange.settle()
        exchange.advance(STALLED_NS)
        exchange.until(lambda: exchange.port.counts["silent connections"] == 1)


def test_a_flood_is_left_in_the_socket(exchange: FixExchange) -> None:
    """While a request is under way nothing more is taken, and the client's socket fills up."""
    alice = exchange.login()
    alice.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    flood = b"".join(_numbered(alice, "D", order(f"A{n}")) for n in range(2000))
    sent = 0
    for _ in range(200):
        try:
            sent += alice.socket.send(flood[sent : sent + 65536])
        except BlockingIOError:
            break
        exchange.step(engine=False)
    assert sent < len(flood)
    assert exchange.port.counts["messages"] == 2
    # What was left is taken when the engine goes on.
    exchange.until(lambda: len(alice.got) > 10)


def _numbered(client: Client, type_: str, fields: list[Pair]) -> bytes:
    body = client.body(type_, *fields)
    client.number += 1
    return frame(client.begin, body)


def test_there_are_only_so_many_connections() -> None:
    with FixExchange(limits(connections=2)) as exchange:
        first, second = exchange.login(), exchange.login("BOB")
        third = exchange.connect("CAROL")
        third.ended()
        first.close()
        exchange.settle()
        assert exchange.login("CAROL").closed is False
        assert second.closed is False


def test_a_password_is_asked_for() -> None:
    with FixExchange(limits(passwords=True)) as exchange:
        for fields in ((), ((554, "WRONG"),), ((554, "X" * 500),), ((95, "3"), (96, "ABC"))):
            client = exchange.connect()
            client.logon(30, *fields)
            client.ended()
        assert exchange.port.counts["refused logons"] == 4
        assert len(exchange.stream()) == 0
        for fields in (((554, PASSWORD),), ((95, str(len(PASSWORD))), (96, PASSWORD))):
            client = exchange.connect("BOB", FIX42)
            client.number = int(exchange.port.counts["logons"]) + 1
            client.logon(30, *fields)
            client.one("A")
            client.close()
            exchange.settle()


def test_a_session_stands_once() -> None:
    one = ClientSession(1, "A", 1, 1)
    for other in (ClientSession(1, "B", 1, 1), ClientSession(2, "A", 1, 1)):
        with pytest.raises(UsageError):
            Desk(1, 1, INSTRUMENTS, [one, other])


# A copy for somebody else.


def test_a_drop_copy_needs_nothing_but_the_stream(exchange: FixExchange) -> None:
    alice, bob = exchange.login(), exchange.login("BOB")
    alice.send("D", *order("A"))
    bob.send("D", *order("B", "2", "40"))
    alice.send("G", *order("C", "1", "150", "1.4", f41="A"))
    alice.send("F", *cancel("D", "nobody"))
    exchange.settle()
    account = Account(1, INSTRUMENTS)
    copies = []
    day = exchange.stream()
    day = day[day["topic"] == 1]
    at = 0
    while at < len(day):
        first, tag = Line.read(day[at].tobytes()), None
        while day["flags"][at] & Flag.CONTINUED:
            at += 1
            if day["template_id"][at] == Template.ORDER_TAG:
                tag = Tag.read(day[at].tobytes())
        report = account.apply(first, tag)
        if report is not None:
            copies.append(dict(report.fields(FIX44)))
        at += 1
    told = [one for one in alice.got if one[35] != "A"]
    header = (8, 9, 10, 34, 35, 49, 52, 56)
    assert copies == [{t: v for t, v in one.items() if t not in header} for one in told]
    assert len(copies) == 4
    assert np.all(day["topic"] == 1)


def test_a_refusal_of_the_sequencer_names_the_instrument() -> None:
    """Its line does not; the tag behind it does."""
    refused = line(
        REJECTED, Template.REJECTED, 1, instrument=INSTRUMENT_NONE, quantity=5, side=1,
        client_order_id=1, refused_template=Template.NEW_ORDER, flags=Flag.REFUSED | Flag.CONTINUED,
        reason=RejectReason.OPEN_LONG_LIMIT,
    )  # fmt: skip
    tag = line(
        ORDER_TAG, Template.ORDER_TAG, 1, text=tag_text("A", 7), total_quantity=2, original_side="B"
    )
    report = Account(1, INSTRUMENTS).apply(Line.read(refused.tobytes()), Tag.read(tag.tobytes()))
    assert report is not None
    fields = dict(report.fields(FIX44))
    assert [fields[one] for one in (11, 55, 54, 103, 58)] == [
        "A", "MSFT", "1", "3", "open long limit",
    ]  # fmt: skip
