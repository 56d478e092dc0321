"""MoldUDP64 in Python: packets, requests, and a receiver's side of a session.

No sockets and no clock: datagrams in, messages out. It shares nothing with `ports/mold.c`, which
the tests check against it. Source: Nasdaq, MoldUDP64 1.00.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ports.itch import split
from ringbus.status import FormatError

HEADER_BYTES: Final = 20
END_OF_SESSION: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Packet:
    """`number` is that of the first message, or of the next one where there is none."""

    session: str
    number: int
    messages: tuple[bytes, ...] = ()
    is_end: bool = False

    def encode(self) -> bytes:
        """The datagram."""
        count = END_OF_SESSION if self.is_end else len(self.messages)
        blocks = [len(one).to_bytes(2, "big") + one for one in self.messages]
        return _header(self.session, self.number, count) + b"".join(blocks)

    @classmethod
    def decode(cls, datagram: bytes) -> Packet:
        """From a datagram. Raises: FormatError: it is too short, or its count is not right."""
        if len(datagram) < HEADER_BYTES:
            raise FormatError(f"a MoldUDP64 packet has {HEADER_BYTES} bytes at least")
        count = int.from_bytes(datagram[18:20], "big")
        messages = tuple(split(datagram[HEADER_BYTES:]))
        if len(messages) != (0 if count == END_OF_SESSION else count):
            raise FormatError(f"a MoldUDP64 packet of {count} messages has {len(messages)}")
        session = datagram[:10].decode("latin-1").strip(" ")
        number = int.from_bytes(datagram[10:18], "big")
        return cls(session, number, messages, count == END_OF_SESSION)


def encode_request(session: str, number: int, count: int) -> bytes:
    """A request for `count` messages (1..65,535) from `number` on."""
    return _header(session, number, count)


def _header(session: str, number: int, count: int) -> bytes:
    return session.ljust(10).encode("ascii") + number.to_bytes(8, "big") + count.to_bytes(2, "big")


class MoldReceiver:
    """The messages of one session in order, from `first` on, however their packets arrive.

    What is ahead waits for what is missing. `known` is the last number that exists, as far as the
    packets have said.
    """

    def __init__(self, session: str = "", first: int = 1) -> None:
        """Args: session: "" takes the first that is heard."""
        self.session = session
        self.next_number = first
        self.known = 0
        self.ended = False
        """The session's last message is `known`."""
        self._ahead: dict[int, bytes] = {}

    @property
    def is_whole(self) -> bool:
        """Whether nothing that exists is missing."""
        return self.next_number > self.known

    def feed(self, datagram: bytes) -> list[tuple[int, bytes]]:
        """Take a packet; returns the messages that are now in order, as (number, message).

        Raises: FormatError: it is no packet. One of another session is left out.
        """
        packet = Packet.decode(datagram)
        self.session = self.session or packet.session
        if packet.session != self.session:
            return []
        self.ended |= packet.is_end
        self.known = max(self.known, packet.number + len(packet.messages) - 1)
        for n, message in enumerate(packet.messages, packet.number):
            if n >= self.next_number:
                self._ahead.setdefault(n, message)
        return self._in_order()

    def skip_to(self, number: int) -> list[tuple[int, bytes]]:
        """What is before `number` is known otherwise; returns what can follow now."""
        self.next_number = max(self.next_number, number)
        for old in [n for n in self._ahead if n < self.next_number]:
            del self._ahead[old]
        return self._in_order()

    def request(self, limit: int = 1000) -> bytes | None:
        """What to ask a request server for, None if nothing is missing."""
        if self.is_whole:
            return None
        behind = min(self._ahead, default=self.known + 1)
        count = min(behind - self.next_number, limit)
        return encode_request(self.session, self.next_number, count)

    def _in_order(self) -> list[tuple[int, bytes]]:
        out = []
        while (message := self._ahead.pop(self.next_number, None)) is not None:
            out.append((self.next_number, message))
            self.next_number += 1
        return out
