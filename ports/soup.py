"""SoupBinTCP 3.00 in Python: framing in both directions and the client's side of a session.

No sockets and no clock: bytes in, packets out. It shares nothing with `ports/soup.c`, which the
tests check against it. Any thread, one at a time per object. Source: Nasdaq, SoupBinTCP 3.00.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ringbus.status import FormatError, UsageError

DEBUG: Final = b"+"
LOGIN_REQUEST: Final = b"L"
UNSEQUENCED: Final = b"U"
CLIENT_HEARTBEAT: Final = b"R"
LOGOUT: Final = b"O"
LOGIN_ACCEPTED: Final = b"A"
LOGIN_REJECTED: Final = b"J"
SEQUENCED: Final = b"S"
SERVER_HEARTBEAT: Final = b"H"
END_OF_SESSION: Final = b"Z"

FROM_CLIENT: Final = DEBUG + LOGIN_REQUEST + UNSEQUENCED + CLIENT_HEARTBEAT + LOGOUT
FROM_SERVER: Final = (
    DEBUG + LOGIN_ACCEPTED + LOGIN_REJECTED + SEQUENCED + SERVER_HEARTBEAT + END_OF_SESSION
)
WITHOUT_PAYLOAD: Final = CLIENT_HEARTBEAT + LOGOUT + SERVER_HEARTBEAT + END_OF_SESSION
PAYLOAD_LIMIT: Final = 65534
SEQUENCE_LIMIT: Final = 2**64 - 1

PADDING: Final = " \0"


def encode_packet(kind: bytes, payload: bytes = b"") -> bytes:
    """One packet.

    Args: kind: one of the packet types above; payload: 0..65534 bytes.
    Raises: UsageError: the type is not one byte, or the payload is too long.
    """
    if len(kind) != 1:
        raise UsageError(f"packet type {kind!r} is not one byte")
    if len(payload) > PAYLOAD_LIMIT:
        raise UsageError(f"{len(payload)} bytes do not fit into one packet of {PAYLOAD_LIMIT}")
    return (len(payload) + 1).to_bytes(2, "big") + kind + payload


class SoupDecoder:
    """Packets from a byte stream that may be split anywhere."""

    def __init__(self, types: bytes, payload_max: int = PAYLOAD_LIMIT) -> None:
        """Args: types: FROM_CLIENT or FROM_SERVER; payload_max: longest payload to take."""
        self._types = types
        self._payload_max = payload_max
        self._rest = b""

    @property
    def pending(self) -> int:
        """Bytes of a packet that is not whole yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Take what arrived; return the packets that are now whole as (type, payload).

        Raises: FormatError: a packet without length, too long, or of a type that this side's peer
        does not send, or with a payload where none may be. The stream cannot be read any further
        then.
        """
        rest = self._rest + data if self._rest else data
        packets = []
        at = 0
        end = len(rest)
        while end - at >= 2:
            length = rest[at] << 8 | rest[at + 1]
            if not 1 <= length <= self._payload_max + 1:
                raise FormatError(f"a SoupBinTCP packet says that it is {length} bytes long")
            if end - at < 3:
                break
            kind = rest[at + 2 : at + 3]
            if kind not in self._types:
                raise FormatError(f"a SoupBinTCP packet has the type {kind!r}, not expected here")
            if length > 1 and kind in WITHOUT_PAYLOAD:
                raise FormatError(f"a SoupBinTCP packet of type {kind!r} has a payload")
            behind = at + 2 + length
            if behind > end:
                break
            packets.append((kind, rest[at + 3 : behind]))
            at = behind
        self._rest = rest[at:]
        return packets


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """What a client says first.

    `session`: "" asks for the active one. `sequence`: the next message wanted; 1 is the first, 0
    only what is to come. `heartbeat_ms`: SoupBinTCP 4.x; None is a login of 3.00, which has no such
    field.
    """

    user: str
    password: str
    session: str = ""
    sequence: int = 1
    heartbeat_ms: int | None = None

    def encode(self) -> bytes:
        """The whole packet, numbers padded on the left as the specification has it.

        Raises: UsageError: a field does not fit.
        """
        payload = (
            _field("user", self.user, 6)
            + _field("password", self.password, 10)
            + _field("session", self.session, 10, left=True)
            + _number("sequence", self.sequence, 20)
        )
        if self.heartbeat_ms is not None:
            payload += _number("heartbeat_ms", self.heartbeat_ms, 5)
        return encode_packet(LOGIN_REQUEST, payload)

    @classmethod
    def decode(cls, payload: bytes) -> LoginRequest:
        """From the payload of a login request; user and password in upper case, blank is 0.

        Raises: FormatError: wrong length, text that is not printable ASCII, numbers not in digits.
        """
        if len(payload) not in (46, 51):
            raise FormatError(f"a login request has 46 or 51 bytes, not {len(payload)}")
        return cls(
            _text(payload[0:6]).upper(),
            _text(payload[6:16]).upper(),
            _text(payload[16:26]),
            _parse_number(payload[26:46]),
            _parse_number(payload[46:51]) if len(payload) == 51 else None,
        )


@dataclass(frozen=True, slots=True)
class LoginAccepted:
    """The server's yes: its session and the number of the next sequenced packet."""

    session: str
    sequence: int

    def encode(self) -> bytes:
        """The whole packet. Raises: UsageError: a field does not fit."""
        return encode_packet(
            LOGIN_ACCEPTED,
            _field("session", self.session, 10, left=True) + _number("sequence", self.sequence, 20),
        )

    @classmethod
    def decode(cls, payload: bytes) -> LoginAccepted:
        """From the payload of Login Accepted. Raises: FormatError."""
        if len(payload) != 30:
            raise FormatError(f"Login Accepted has 30 bytes, not {len(payload)}")
        return cls(_text(payload[0:10]), _parse_number(payload[10:30]))


def _field(name: str, value: str, width: int, left: bool = False) -> bytes:
    """`left`: padded on the left."""
    if not value.isascii() or not (value == "" or value.isprintable()) or len(value) > width:
        raise UsageError(f"{name} {value!r}: at most {width} printable ASCII characters")
    return (value.rjust(width) if left else value.ljust(width)).encode("ascii")


def _number(name: str, value: int, width: int) -> bytes:
    if not 0 <= value <= min(SEQUENCE_LIMIT, 10**width - 1):
        raise UsageError(f"{name} {value}: a number of at most {width} digits, below 2^64")
    return str(value).rjust(width).encode("ascii")


def _text(field: bytes) -> str:
    text = field.decode("latin-1").strip(PADDING)
    if not text.isascii() or not (text == "" or text.isprintable()):
        raise FormatError(f"the field {field!r} holds more than printable ASCII")
    return text


def _parse_number(field: bytes) -> int:
    digits = _text(field)
    if digits == "":
        return 0
    # isdecimal of ASCII text is the digits 0..9 only; int() would also take signs and underscores.
    if not digits.isdecimal() or int(digits) > SEQUENCE_LIMIT:
        raise FormatError(f"the field {field!r} is not a number below 2^64")
    return int(digits)


class SoupClientSession:
    """A client's side of one SoupBinTCP connection, without socket and clock.

    Send what `login` returns, then feed every byte that arrives. `next_sequence` is the number of
    the next message that `feed` will return; a later connection begins there. `session` is the
    server's id, once it said so. Heartbeats are the caller's: one a second when nothing else was
    sent.
    """

    def __init__(
        self, user: str, password: str, *, session: str = "", next_sequence: int = 1
    ) -> None:
        self.session = session
        self.next_sequence = next_sequence
        self.accepted = False
        self.ended = False
        """The server said that no more messages follow."""
        self.reject_code: str | None = None
        """'A' not authorised, 'S' session not available; None: not rejected."""
        self._request = LoginRequest(user, password, session, next_sequence)
        self._decoder = SoupDecoder(FROM_SERVER)

    def login(self) -> bytes:
        """The login request, to be sent first. Raises: UsageError: user or password do not fit."""
        return self._request.encode()

    def unsequenced(self, payload: bytes) -> bytes:
        """The packet that carries one message to the server."""
        return encode_packet(UNSEQUENCED, payload)

    def heartbeat(self) -> bytes:
        """A client heartbeat."""
        return encode_packet(CLIENT_HEARTBEAT)

    def logout(self) -> bytes:
        """A logout request; the server closes."""
        return encode_packet(LOGOUT)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take what arrived; return the messages in it as (sequence, payload).

        Raises: FormatError: the server broke the protocol, or answered the login with another
        number than the one asked for, which would lose or repeat messages unnoticed. What arrived
        with it is not returned, and `next_sequence` does not count it.
        """
        messages = []
        sequence = self.next_sequence
        for kind, payload in self._decoder.feed(data):
            if kind == SEQUENCED:
                self._expect(self.accepted and not self.ended, "Sequenced Data")
                messages.append((sequence, payload))
                sequence += 1
            elif kind == LOGIN_ACCEPTED:
                self._expect(not self.accepted and self.reject_code is None, "Login Accepted")
                sequence = self._accept(LoginAccepted.decode(payload))
            elif kind == LOGIN_REJECTED:
                self._expect(not self.accepted and self.reject_code is None, "Login Rejected")
                if len(payload) != 1:
                    raise FormatError(f"Login Rejected has one code, not {payload!r}")
                self.reject_code = payload.decode("latin-1")
            elif kind == END_OF_SESSION:
                self._expect(self.accepted, "End of Session")
                self.ended = True
        self.next_sequence = sequence
        return messages

    def _expect(self, allowed: bool, what: str) -> None:
        if not allowed:
            raise FormatError(f"the server sent {what} where it does not belong")

    def _accept(self, answer: LoginAccepted) -> int:
        asked = self._request.sequence
        if asked not in (0, answer.sequence):
            raise FormatError(
                f"asked for message {asked} of session '{self._request.session}', the server of "
                f"session '{answer.session}' would go on with {answer.sequence}: if this is "
                "another day's session, begin at 1; 0 takes only what is to come"
            )
        self.accepted = True
        self.session = answer.session
        return answer.sequence
