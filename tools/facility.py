"""`ringbus facility`: takes trade reports over FIX 4.4 and keeps each of them once, in a file.

What an exchange reports its trades to, to try with. A report is in the file, synced, before it is
answered; one whose name is there already is answered again and not written again. So it can be
killed at any moment, and a reporter may say everything twice.
"""

from __future__ import annotations

import argparse
import select
import signal

# Exceptions to the rules against sockets and time: a program of its own, with real clients.
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ports.fix import FIX44, SECOND_NS, Decoder, Message, Pair, encode, time_text
from ports.fix_session import SEQUENCE_RESET, Action, Do, Session, State
from ports.trade_reports import ANSWER, REPORT, Answer, Report
from tools.facility_book import Book
from tools.manual import Parser

COMP_ID: Final = "FACILITY"
RECEIVE_BYTES: Final = 65536
# No more is read of a reporter that has not taken so much of its answers.
OUT_BYTES_MAX: Final = 65536
TICK_SECONDS: Final = 0.1
PEERS_MAX: Final = 16


class Peer:
    """One reporter's connection."""

    def __init__(self, one: socket.socket, comp_id: str, now_ns: int) -> None:
        self.socket = one
        self.session = Session(comp_id, lambda user: bool(user), now_ns)
        self.decoder = Decoder()
        self.out = bytearray()
        self.events = select.EPOLLIN
        self.is_over = False
        self._comp_id = comp_id
        self._number = 1

    def say(self, type_: str, fields: Sequence[Pair], now_ns: int) -> None:
        """Put a message behind all others."""
        header: list[Pair] = [
            (34, str(self._number)),
            (49, self._comp_id),
            (52, time_text(now_ns)),
            (56, self.session.user),
        ]
        self._number += 1
        self.out += encode(FIX44, type_, [*header, *fields])
        self.session.sent(now_ns)

    def work(self, book: Book, now_ns: int) -> None:
        """Deal with what came, until something is missing or its answers are not taken."""
        session = self.session
        while not self.is_over and len(self.out) < OUT_BYTES_MAX:
            if session.todo:
                self._do(session.todo.popleft(), book, now_ns)
            elif not session.resume(now_ns):
                message = self.decoder.next()
                if message is None:
                    return
                session.receive(message, now_ns)

    def _do(self, action: Action, book: Book, now_ns: int) -> None:
        session = self.session
        if action.do is Do.ENTER:
            # Numbers begin anew with each connection; without that there is a gap to explain.
            if session.begin != FIX44 or session.admit(1) != 1 or not session.is_reset:
                self.is_over = True
                return
            self._number = 1
            session.entered(2, now_ns)
            self.say("A", session.answer(), now_ns)
        elif action.do in (Do.SAY, Do.LEAVE):
            self.say(action.type, action.fields, now_ns)
        elif action.do is Do.RESEND:
            self._fill(action.begin, now_ns)
        elif action.do is Do.DROP:
            self.is_over = True
        elif action.message is not None:
            self._answer(action.message, action.number, book, now_ns)

    def _answer(self, message: Message, number: int, book: Book, now_ns: int) -> None:
        if message.type != REPORT:
            fields = [(45, str(number)), (372, message.type), (380, "3")]
            self.say("j", fields, now_ns)
            return
        report = Report.read(message)
        answer = report if isinstance(report, Answer) else book.take(report)
        self.say(ANSWER, answer.fields(), now_ns)

    def _fill(self, begin: int, now_ns: int) -> None:
        """What was said is not said again: reports are, and their answers with them."""
        after, self._number = self._number, begin
        self.say(SEQUENCE_RESET, [(36, str(after)), (43, "Y"), (123, "Y")], now_ns)
        self._number = after


class Facility:
    """Listens, and serves its reporters; of two with one name the later one counts.

    Thread: one.
    """

    def __init__(self, host: str, tcp: int, comp_id: str, book: Book) -> None:
        self._book = book
        self._comp_id = comp_id
        self._peers: dict[int, Peer] = {}
        self._epoll = select.epoll()
        self._listener = socket.create_server((host, tcp))
        self._listener.setblocking(False)
        self._epoll.register(self._listener, select.EPOLLIN)
        self._ticked_ns = 0

    @property
    def tcp(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def turn(self) -> None:
        """Wait for something, take all that came, sync it, then answer."""
        ready = self._epoll.poll(TICK_SECONDS)
        now_ns = time.time_ns()
        for fd, events in ready:
            peer = self._peers.get(fd)
            if peer is None:
                self._accept(now_ns)
            elif events & ~select.EPOLLOUT:
                self._read(peer)
        for peer in list(self._peers.values()):
            was = peer.session.state
            peer.work(self._book, now_ns)
            if was is State.NEW and peer.session.state is State.LIVE:
                self._is_later(peer)
        self._book.sync()
        if now_ns - self._ticked_ns >= SECOND_NS:
            self._ticked_ns = now_ns
            for peer in self._peers.values():
                if not peer.session.todo:
                    peer.session.tick(now_ns)
        for peer in list(self._peers.values()):
            self._write(peer)

    def close(self) -> None:
        """Close all connections, and the file."""
        for peer in self._peers.values():
            peer.socket.close()
        self._listener.close()
        self._epoll.close()
        self._book.close()

    def _accept(self, now_ns: int) -> None:
        try:
            one, _ = self._listener.accept()
        except OSError:
            return
        if len(self._peers) >= PEERS_MAX:
            one.close()
            return
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(one, self._comp_id, now_ns)
        self._peers[one.fileno()] = peer
        self._epoll.register(one, peer.events)

    def _is_later(self, peer: Peer) -> None:
        """Another connection of the same name is one whose end was not heard of yet."""
        for other in self._peers.values():
            if other is not peer and other.session.user == peer.session.user:
                other.is_over = True

    def _read(self, peer: Peer) -> None:
        try:
            data = peer.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        peer.decoder.feed(data)
        if not data:
            peer.is_over = True

    def _write(self, peer: Peer) -> None:
        try:
            if peer.out:
                del peer.out[: peer.socket.send(peer.out)]
        except BlockingIOError:
            pass
        except OSError:
            peer.is_over = True
        if peer.is_over:
            self._epoll.unregister(peer.socket)
            del self._peers[peer.socket.fileno()]
            peer.socket.close()
            return
        is_full = len(peer.out) >= OUT_BYTES_MAX
        events = (0 if is_full else select.EPOLLIN) | (select.EPOLLOUT if peer.out else 0)
        if events != peer.events:
            peer.events = events
            self._epoll.modify(peer.socket, events)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until it is told to stop: 0; 2: it cannot listen or write."""
    options = _parser().parse_args(argv)
    is_told = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: is_told.append(1))
    try:
        book = Book(options.output, options.unknown)
        facility = Facility(options.host, options.tcp, options.comp_id, book)
    except (OSError, ValueError) as error:
        print(f"ringbus facility: {error}", file=sys.stderr)
        return 2
    print(
        f"{options.comp_id} at {options.host}:{facility.tcp}; {len(book)} reports in "
        f"{options.output}",
        flush=True,
    )
    while not is_told:
        facility.turn()
    facility.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ringbus facility", description="Takes trade reports and keeps each of them once."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--tcp", type=int, default=26500, metavar="PORT", help="0: any that is free"
    )
    parser.add_argument("--comp-id", default=COMP_ID, help="what it calls itself")
    parser.add_argument("--output", type=Path, required=True, help="file of reports, one a line")
    parser.add_argument(
        "--unknown", action="append", default=[], metavar="SYMBOL", help="refuse its reports"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
