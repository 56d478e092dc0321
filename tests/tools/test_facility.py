"""The facility: one report of each name, on the disk before it is answered."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from simplefix import FixParser

from ports.fix import FIX44, Pair, encode, time_text
from ports.fix_session import LOGON
from ports.trade_reports import (
    CANCEL,
    NEW,
    OTHER,
    REPLACE,
    REPORT,
    UNKNOWN_INSTRUMENT,
    Answer,
    Report,
    Side,
)
from tools.facility import Facility
from tools.facility_book import Book

TRADE = Report(
    *("a", NEW, "", "S1", 10, 10_000, "20230711", "20230711-10:00:00"),
    (Side("1", "2-1", "8", "7"), Side("2", "1-1", "6", "5")),
)
BODY: list[Pair] = [
    *((571, "a"), (570, "N"), (55, "S1"), (32, "10"), (31, "1"), (75, "20230711")),
    *((60, "20230711-10:00:00"), (552, "2"), (54, "1"), (37, "2-1"), (54, "2"), (37, "1-1")),
]


# The file.


def test_what_is_there_is_answered_again_and_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "reports"
    for _ in range(3):
        book = Book(path)
        assert book.take(TRADE) == Answer("a", "S1")
        assert book.take(TRADE) == Answer("a", "S1")
        book.sync()
        book.close()
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["id"] == "a"


def test_another_report_of_the_same_name_is_refused(tmp_path: Path) -> None:
    book = Book(tmp_path / "reports")
    book.take(TRADE)
    answer = book.take(replace(TRADE, quantity=11))
    assert (answer.reason, answer.text) == (OTHER, "another report has that TradeReportID")
    book.close()


def test_a_line_that_was_not_finished_is_gone(tmp_path: Path) -> None:
    """It was killed while it wrote: at every byte."""
    path = tmp_path / "reports"
    book = Book(path)
    book.take(TRADE)
    book.take(replace(TRADE, id="b"))
    book.sync()
    book.close()
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        book = Book(path)
        assert len(book) == (end >= first) + (end == len(whole))
        book.take(TRADE)
        book.take(replace(TRADE, id="b"))
        book.sync()
        book.close()
        assert path.read_bytes() == whole


def test_what_changes_a_report_names_one_that_is_there(tmp_path: Path) -> None:
    book = Book(tmp_path / "reports", unknown=("S9",))
    change = replace(TRADE, id="b", transaction=REPLACE, refers_to="a")
    assert book.take(change).reason == OTHER
    assert book.take(TRADE).reason == 0
    assert book.take(change).reason == 0
    assert book.take(replace(change, id="c", transaction=CANCEL)).reason == 0
    assert book.take(replace(change, id="d")).text == "a is void"
    assert book.take(replace(TRADE, id="e", symbol="S9")).reason == UNKNOWN_INSTRUMENT
    book.close()


# Its sessions.


class Wire:
    """A facility and connections to it, in one thread."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "reports"
        self.book = Book(self.path)
        self.facility = Facility("127.0.0.1", 0, "FACILITY", self.book)
        self.reporters: list[Reporter] = []

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(200):
            if condition():
                return
            self.facility.turn()
        raise AssertionError("it never came to that")


class Reporter:
    """A connection by hand."""

    def __init__(self, wire: Wire, user: str = "DAY1") -> None:
        self.wire, self.user = wire, user
        self.number = 1
        self.got: list[dict[int, str]] = []
        self.is_closed = False
        self._parser = FixParser()
        self.socket = socket.create_connection(("127.0.0.1", wire.facility.tcp))
        self.socket.setblocking(False)
        wire.reporters.append(self)

    def send(self, type_: str, *fields: Pair, number: int | None = None) -> None:
        header: list[Pair] = [
            (34, str(number or self.number)),
            *((49, self.user), (52, time_text(time.time_ns())), (56, "FACILITY")),
        ]
        self.socket.sendall(encode(FIX44, type_, [*header, *fields]))
        self.number += 1

    def logon(self, *fields: Pair) -> None:
        self.send(LOGON, (98, "0"), (108, "30"), *(fields or ((141, "Y"),)))

    def receive(self) -> None:
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self.is_closed |= not data
        self._parser.append_buffer(data)
        while (message := self._parser.get_message()) is not None:
            self.got.append({int(tag): value.decode() for tag, value in message.pairs})

    def one(self, type_: str) -> dict[int, str]:
        def is_there() -> bool:
            self.receive()
            return bool(self.got)

        self.wire.until(is_there)
        message = self.got.pop(0)
        assert message[35] == type_, message
        return message

    def ends(self) -> None:
        def is_over() -> bool:
            self.receive()
            return self.is_closed

        self.wire.until(is_over)
        assert self.got == []


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    made = Wire(tmp_path)
    yield made
    for one in made.reporters:
        one.socket.close()
    made.facility.close()


def test_a_report_is_synced_before_it_is_answered(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        synced.append(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    one = Reporter(wire)
    one.logon()
    assert one.one("A")[141] == "Y"
    one.send(REPORT, *BODY)
    answer = one.one("AR")
    assert (answer[571], answer[939], answer[55]) == ("a", "0", "S1")
    assert len(synced) == 1
    assert len(wire.path.read_text().splitlines()) == 1
    one.send(REPORT, *BODY)
    assert one.one("AR")[939] == "0"
    one.send(REPORT, *(pair for pair in BODY if pair[0] != 32))
    refused = one.one("AR")
    assert (refused[571], refused[939], refused[751]) == ("a", "1", "99")
    assert len(synced) == 1
    one.send("D", (11, "x"), (55, "S1"), (54, "1"), (60, "20230711-10:00:00"), (40, "1"))
    assert one.one("j")[372] == "D"
    one.send("5")
    assert one.one("5")
    one.ends()


def test_numbers_begin_anew_with_each_connection_and_the_later_one_counts(wire: Wire) -> None:
    without, first, second = Reporter(wire), Reporter(wire), Reporter(wire)
    without.logon((58, "x"))
    without.ends()
    first.logon()
    first.one("A")
    second.logon()
    second.one("A")
    first.ends()
    # One that jumps is asked for what is missing.
    second.send(REPORT, *BODY, number=9)
    assert second.one("2")[7] == "2"
