"""One FIX client's socket: what came, what goes out, and how far it has been told.

What a client is told is not stored here but in its session: a connection has a cursor into it, and
makes the bytes when the socket takes them. A client that does not read costs its cursor.
"""

from __future__ import annotations

import select

# An exception to the rule against sockets: this is where an acceptor's connections are.
import socket
from collections import deque
from collections.abc import Sequence
from typing import Final

from ports.fix import Decoder, Pair, encode, time_text
from ports.fix_desk import Client, Entry
from ports.fix_drop import CopiedReport
from ports.fix_reports import Report
from ports.fix_session import SEQUENCE_RESET, Action, Session

RECEIVE_BYTES: Final = 16384


class Connection:
    """A socket that is connected and does not block, its session's machine, and its buffers.

    Args: number: its own, of all of the port; comp_id: ours; receive_bytes, send_bytes: what is
    read and made ahead.
    Thread: the port's.
    """

    def __init__(
        self,
        one: socket.socket,
        number: int,
        session: Session,
        comp_id: str,
        receive_bytes: int,
        send_bytes: int,
        now_ns: int,
    ) -> None:
        self.socket = one
        self.fd = one.fileno()
        self.number = number
        self.session = session
        self.decoder = Decoder()
        self.client: Client | None = None
        self.action: Action | None = None  # being done
        self.is_verifying = False
        self.is_waiting = False  # for the end of its session's last connection
        self.is_closing = False  # when all is said
        self.is_draining = False  # all is said: until the client closes too
        self.is_blocked = False  # the socket takes no more
        self.since_ns = now_ns  # it is draining
        self.asked_ns = now_ns  # its action was begun
        self.wrote_ns = now_ns  # the socket took something
        self.events = select.EPOLLIN
        self.cursor = 0  # number of the next message that it is sent; 0: not logged in
        self.known = 0  # messages that it could have had
        self.contents: dict[int, tuple[str, tuple[Pair, ...]]] = {}
        self.resends: deque[list[int]] = deque()  # from, to
        self._comp_id = comp_id
        self._receive_bytes = receive_bytes
        self._send_bytes = send_bytes
        self._out = bytearray()

    @property
    def is_busy(self) -> bool:
        """Whether something is under way that the next message has to wait for."""
        return self.is_verifying or self.action is not None or bool(self.resends)

    @property
    def wants(self) -> int:
        """What epoll is to tell of it: not what it cannot take."""
        listens = self.is_draining or not (
            self.is_closing or self.is_busy or self.decoder.pending >= self._receive_bytes
        )
        return (select.EPOLLIN if listens else 0) | (select.EPOLLOUT if self.is_blocked else 0)

    @property
    def is_behind(self) -> bool:
        """Whether there is something to send."""
        return bool(self._out or self.resends) or (
            self.client is not None and 0 < self.cursor <= len(self.client.sent)
        )

    def read(self) -> bool:
        """Take what came; False: the connection is over."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not self.is_draining:
            self.decoder.feed(data)
        return bool(data)

    def write(self, allowed: int, now_ns: int) -> int:
        """Send what the socket takes of what may be shown; returns bytes, < 0: it is over."""
        self._fill(allowed, now_ns)
        if not self._out:
            return 0
        try:
            sent = self.socket.send(self._out)
        except BlockingIOError:
            self.is_blocked = True
            return 0
        except OSError:
            return -1
        del self._out[:sent]
        self.is_blocked = bool(self._out)
        self.wrote_ns = now_ns
        self.session.sent(now_ns)
        return sent

    def end_sending(self, now_ns: int) -> None:
        """All is said: tell the client that nothing follows, and wait for it to close."""
        self.is_draining = True
        self.since_ns = now_ns
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            # It closed first.
            return

    def close(self) -> None:
        """Close at once."""
        self.socket.close()

    def is_slow(self, backlog: int, allowed: int) -> bool:
        """Whether it has not taken what it could have had for so many messages."""
        if self.client is None or self.cursor == 0 or self.cursor > len(self.client.sent):
            return False
        behind = len(self.client.sent) - max(self.cursor - 1, self.known)
        return behind > backlog and self.client.sent[self.cursor - 1].sequence <= allowed

    def _fill(self, allowed: int, now_ns: int) -> None:
        """Make bytes until there are enough, or nothing is left that may be shown."""
        client = self.client
        while client is not None and len(self._out) < self._send_bytes:
            if self.resends:
                self._resend(client, now_ns)
                continue
            if not 0 < self.cursor <= len(client.sent):
                break
            entry = client.sent[self.cursor - 1]
            if entry.sequence > allowed:
                # Who waits for a mark is not slow.
                self.known = len(client.sent)
                break
            self._show(self.cursor, entry, now_ns)
            self.cursor += 1

    def _show(self, number: int, entry: Entry, now_ns: int) -> None:
        """A message for the first time."""
        content = self.contents.pop(number, None)
        type_ = "" if entry.report is None else entry.report.type(self.session.begin)
        if entry.report is not None and type_:
            self._report(entry.report, number, now_ns)
        elif content is not None:
            self._encode(content[0], number, list(content[1]), now_ns)
        else:
            self._encode(SEQUENCE_RESET, number, _gap(number + 1), now_ns)

    def _resend(self, client: Client, now_ns: int) -> None:
        """The next of what was asked for again: a report, or all else up to the next one."""
        part = self.resends[0]
        number, last = part
        if number > last:
            self.resends.popleft()
            return
        version = self.session.begin
        entry = client.sent[number - 1]
        original_ns = min(entry.time_ns, now_ns)
        if entry.report is not None and entry.report.type(version):
            self._report(entry.report, number, now_ns, original_ns)
            part[0] = number + 1
            return
        end = number + 1
        while end <= last and _is_gap(client.sent[end - 1], version):
            end += 1
        self._encode(SEQUENCE_RESET, number, _gap(end), now_ns, original_ns)
        part[0] = end

    def _report(
        self,
        report: Report | CopiedReport,
        number: int,
        now_ns: int,
        original_ns: int | None = None,
    ) -> None:
        version = self.session.begin
        header = report.header if isinstance(report, CopiedReport) else []
        fields = report.fields(version)
        self._encode(report.type(version), number, fields, now_ns, original_ns, header)

    def _encode(
        self,
        type_: str,
        number: int,
        fields: list[Pair],
        now_ns: int,
        original_ns: int | None = None,
        whose: Sequence[Pair] = (),
    ) -> None:
        header: list[Pair] = [(34, str(number))]
        if original_ns is not None:
            header.append((43, "Y"))
        header += [(49, self._comp_id), (52, time_text(now_ns)), (56, self.session.user)]
        if original_ns is not None:
            header.append((122, time_text(original_ns)))
        header += whose
        self._out += encode(self.session.begin, type_, header + fields)


def _gap(new: int) -> list[Pair]:
    return [(36, str(new)), (123, "Y")]


def _is_gap(entry: Entry, version: str) -> bool:
    return entry.report is None or not entry.report.type(version)
