"""Drop copies as their readers see them: the messages of others, and whose each of them is.

A drop copy is a session that is shown what others are (ports/hearing.h), byte for byte where they
speak OUCH 5.0. OUCH names no client: before the first message, and whenever the next one is another
client's, the port sends a debug packet that names it. Any reader may pass over those; they have no
numbers, so that message n is the same whoever reads it, from wherever.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ports.ouch import Outbound, SystemEvent, decode_outbound
from ports.soup import DEBUG, FROM_SERVER, SEQUENCED, SoupClientSession, SoupDecoder
from ports.whose import Whose


class Copy(NamedTuple):
    """A message, its number on the list, and its client's name; None: it is for everybody."""

    sequence: int
    whose: Whose | None
    payload: bytes

    @property
    def ouch(self) -> Outbound:
        """What it says."""
        return decode_outbound(self.payload)


class DropReader:
    """The reading side of one connection, without socket and clock: bytes in, copies out.

    Args: session: of its login (`session.login()` is sent first).
    """

    def __init__(self, session: SoupClientSession) -> None:
        self.session = session
        self._decoder = SoupDecoder(FROM_SERVER)
        self._whose: Whose | None = None

    def feed(self, data: bytes) -> Iterator[Copy]:
        """Take what arrived. Raises: FormatError: as SoupClientSession.feed."""
        messages = iter(self.session.feed(data))
        for kind, payload in self._decoder.feed(data):
            if kind == DEBUG:
                self._whose = Whose.read(payload.decode("latin-1")) or self._whose
            elif kind == SEQUENCED:
                sequence, said = next(messages)
                is_for_all = said[:1] == SystemEvent.TYPE
                yield Copy(sequence, None if is_for_all else self._whose, said)
