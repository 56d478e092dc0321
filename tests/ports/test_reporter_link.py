"""The reporter's connection, to a facility that does what the test says."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest
from simplefix import FixParser

from ports.fix import FIX44, Pair, encode, time_text
from ports.fix_session import LOGON
from ports.reporter_link import WAIT_NS_MIN, Link, State
from ports.trade_reports import REPORT, Answer

SECOND_NS = 10**9


class Far:
    """The other end of a link: whatever the test says."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(10)
        self.sockets = [self.listener]
        self.link = Link(self.listener.getsockname()[:2], "DAY1", "FACILITY", 10)
        self.now_ns = 10**18
        self.number = 1
        self.got: list[dict[int, str]] = []
        self._parser = FixParser()

    def accept(self) -> None:
        self.link.work(self.now_ns)
        self.socket, _ = self.listener.accept()
        self.sockets.append(self.socket)
        self.socket.settimeout(10)
        self.number = 1
        self._parser = FixParser()
        self.work()
        assert self.take()[35] == "A"

    def work(self) -> list[Answer]:
        """Let the link see what came; it is there when its descriptor says so."""
        if self.link.state is not State.DOWN:
            select.select([self.link.epoll_fd], [], [], 1)
        out = self.link.work(self.now_ns)
        self.link.flush(self.now_ns)
        return out

    def take(self) -> dict[int, str]:
        while (message := self._parser.get_message()) is None:
            data = self.socket.recv(65536)
            assert data
            self._parser.append_buffer(data)
        return {int(tag): value.decode() for tag, value in message.pairs}

    def say(self, type_: str, *fields: Pair, number: int | None = None) -> list[Answer]:
        header: list[Pair] = [
            (34, str(number or self.number)),
            *((49, "FACILITY"), (52, time_text(self.now_ns)), (56, "DAY1")),
        ]
        self.number += 1
        self.socket.sendall(encode(FIX44, type_, [*header, *fields]))
        return self.work()

    def greet(self) -> None:
        self.accept()
        self.say(LOGON, (98, "0"), (108, "10"), (141, "Y"))
        assert self.link.state is State.LIVE


@pytest.fixture
def far() -> Iterator[Far]:
    made = Far()
    yield made
    made.link.close()
    for one in made.sockets:
        one.close()


def test_it_calls_again_after_a_wait_that_doubles_until_there_is_an_answer(far: Far) -> None:
    waits: list[int] = []
    far.link.work(far.now_ns)
    for _ in range(8):
        one, _ = far.listener.accept()
        one.close()
        while far.link.state is not State.DOWN:
            far.work()
        began_ns = far.now_ns
        while far.link.state is State.DOWN:
            far.now_ns += WAIT_NS_MIN // 10
            far.link.work(far.now_ns)
        waits.append((far.now_ns - began_ns) // WAIT_NS_MIN)
    assert waits == [1, 2, 4, 8, 16, 32, 50, 50]
    far.greet()
    assert far.say("AR", *Answer("a", "S1").fields()) == [Answer("a", "S1")]
    far.socket.close()
    while far.link.state is not State.DOWN:
        far.work()
    far.now_ns += WAIT_NS_MIN
    far.accept()


@pytest.mark.parametrize(
    ("type_", "fields", "number"),
    [
        ("AR", ((571, "a"), (939, "0")), 3),  # a number that is not the next one
        ("2", ((7, "1"), (16, "0")), None),  # it wants to hear everything again
        ("3", ((45, "2"),), None),
        ("4", ((36, "9"), (123, "Y")), None),
        ("A", ((98, "0"), (108, "10")), None),
        ("5", (), None),
        ("AR", ((939, "0"),), None),
    ],
)
def test_what_should_not_be_ends_the_connection(
    far: Far, type_: str, fields: tuple[Pair, ...], number: int | None
) -> None:
    far.greet()
    assert far.say(type_, *fields, number=number) == []
    assert far.link.state is State.DOWN
    assert far.link.generation == 1


def test_garbled_bytes_end_the_connection(far: Far) -> None:
    far.greet()
    far.socket.sendall(encode(FIX44, "0", [(34, "2")]).replace(b"10=", b"10=x"))
    far.work()
    assert far.link.state is State.DOWN


def test_a_facility_that_is_silent_is_asked_and_then_left(far: Far) -> None:
    far.greet()
    far.now_ns += 10 * SECOND_NS
    far.link.work(far.now_ns)
    far.link.flush(far.now_ns)
    assert far.take()[35] == "0"
    far.now_ns += 3 * SECOND_NS
    far.link.work(far.now_ns)
    far.link.flush(far.now_ns)
    asked = far.take()
    assert asked[35] == "1"
    far.say("0", (112, asked[112]))
    far.say("1", (112, "you?"))
    assert far.take()[112] == "you?"
    far.now_ns += 24 * SECOND_NS
    far.link.work(far.now_ns)
    assert far.link.state is State.DOWN


def test_nothing_is_put_behind_what_the_facility_does_not_take(far: Far) -> None:
    """Back-pressure: memory is bounded by what one report adds to the buffer."""
    far.greet()
    body: list[Pair] = [(571, "x" * 900)]
    sent = 0
    while far.link.has_room and sent < 100_000:
        far.link.send(REPORT, body, far.now_ns)
        sent += 1
        if not far.link.has_room:
            far.link.flush(far.now_ns)
    assert sent < 100_000
    got = 0
    while got < sent:
        assert far.take()[35] == REPORT
        got += 1
        far.link.flush(far.now_ns)
    assert far.link.has_room


def test_who_does_not_answer_a_logon_is_left(far: Far) -> None:
    far.accept()
    far.now_ns += 10 * SECOND_NS
    far.link.work(far.now_ns)
    assert far.link.state is State.DOWN
    far.listener.close()
    far.now_ns += 10 * SECOND_NS
    far.work()
    far.work()
    assert far.link.state is State.DOWN
    assert far.link.counts["refused"] == 1
