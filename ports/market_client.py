"""A market data client, without sockets: packets, snapshot and answers in, a book out.

As a client of the exchange would do it: join the group and keep what comes; take a snapshot over
SoupBinTCP; go on with the first message that is not in it; ask a request server for what is
missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from ports.itch import SNAPSHOT_END, ItchMessage, decode, decode_snapshot_end
from ports.market_book import MarketBook
from ports.mold import MoldReceiver

EARLY_MAX: Final = 1 << 16


class MarketClient:
    """Args: from_start: the book is made of the packets alone, from message 1 on; otherwise of a
    snapshot first. heard: is called behind each message with its number.

    Thread: one.
    """

    def __init__(
        self,
        from_start: bool = False,
        heard: Callable[[int, ItchMessage], None] = lambda number, message: None,
    ) -> None:
        self.book = MarketBook()
        self.receiver = MoldReceiver()
        self.has_book = from_start
        self._heard = heard
        # What came before there was a book; what is forgotten here is asked for again.
        self._early: deque[bytes] = deque(maxlen=EARLY_MAX)

    @property
    def next_number(self) -> int:
        """The message that comes next, once there is a book."""
        return self.receiver.next_number

    @property
    def is_current(self) -> bool:
        """Whether all that is known to exist is in the book."""
        return self.has_book and self.receiver.is_whole

    def on_packet(self, datagram: bytes) -> None:
        """Take a packet of the group, or an answer to a request. Raises: FormatError, DataError."""
        if self.has_book:
            self._apply(self.receiver.feed(datagram))
        else:
            self._early.append(datagram)

    def on_snapshot(self, messages: Iterable[bytes]) -> bool:
        """Take messages of a snapshot; True: that was all of it. Raises: FormatError, DataError."""
        for message in messages:
            if message[:1] == SNAPSHOT_END:
                self.has_book = True
                self._apply(self.receiver.skip_to(decode_snapshot_end(message)))
                while self._early:
                    self._apply(self.receiver.feed(self._early.popleft()))
                return True
            self.book.apply(decode(message))
        return False

    def request(self) -> bytes | None:
        """What to send to a request server now; None: nothing is missing."""
        return self.receiver.request() if self.has_book else None

    def _apply(self, messages: Iterable[tuple[int, bytes]]) -> None:
        for number, message in messages:
            decoded = decode(message)
            self.book.apply(decoded)
            self._heard(number, decoded)
