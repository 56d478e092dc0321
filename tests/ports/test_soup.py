"""SoupBinTCP: the Python framing, the client's session, and the C parser against both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ports._ports import ffi, lib
from ports.soup import (
    CLIENT_HEARTBEAT,
    DEBUG,
    END_OF_SESSION,
    FROM_CLIENT,
    FROM_SERVER,
    LOGIN_REJECTED,
    LOGIN_REQUEST,
    LOGOUT,
    SEQUENCED,
    SERVER_HEARTBEAT,
    UNSEQUENCED,
    LoginAccepted,
    LoginRequest,
    SoupClientSession,
    SoupDecoder,
    encode_packet,
)
from ringbus.status import FormatError, UsageError, check, statuses

RB_FORMAT = {name: value for name, value, _ in statuses()}["FORMAT"]

# Captured from Nasdaq: heartbeats of both sides, an OUCH 5.0 Cancel Order and a Canceled.
GENUINE_CLIENT = ("000152", "000a555800752e7100000000")
GENUINE_SERVER = ("000148", "001353430000289b4d68131700753a8d0000002855")

TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=6)
SEQUENCES = st.integers(0, 2**64 - 1)
CLIENT_PACKETS = st.one_of(
    st.tuples(st.sampled_from([UNSEQUENCED, DEBUG, LOGIN_REQUEST]), st.binary(max_size=1024)),
    st.tuples(st.sampled_from([CLIENT_HEARTBEAT, LOGOUT]), st.just(b"")),
)


def c_next(data: bytes) -> tuple[int, bytes, bytes]:
    """One call of prt_soup_next: (result, type, payload)."""
    packet = ffi.new("prt_soup_packet *")
    buffer = ffi.from_buffer("uint8_t[]", data)
    taken = lib.prt_soup_next(buffer, len(data), packet)
    if taken <= 0:
        return taken, b"", b""
    return taken, bytes([packet.type]), bytes(ffi.buffer(packet.payload, packet.payload_bytes))


def c_login(payload: bytes) -> LoginRequest | None:
    """prt_soup_parse_login as the Python class; None for RB_FORMAT."""
    login = ffi.new("prt_soup_login *")
    if lib.prt_soup_parse_login(ffi.from_buffer("uint8_t[]", payload), len(payload), login) < 0:
        return None
    text = [ffi.string(field).decode() for field in (login.user, login.password, login.session)]
    heartbeat_ms = login.heartbeat_ms if len(payload) == 51 else None
    return LoginRequest(text[0], text[1], text[2], login.sequence, heartbeat_ms)


def c_write(write: object, *arguments: object, room: int = 128) -> bytes:
    """What a writer of the C library wrote."""
    out = ffi.new("uint8_t[]", room)
    assert callable(write)
    return bytes(ffi.buffer(out, write(out, room, *arguments)))


@pytest.mark.parametrize("packet", GENUINE_CLIENT)
def test_genuine_client_packets(packet: str) -> None:
    data = bytes.fromhex(packet)
    [(kind, payload)] = SoupDecoder(FROM_CLIENT).feed(data)
    assert encode_packet(kind, payload) == data
    assert c_next(data) == (len(data), kind, payload)


@pytest.mark.parametrize("packet", GENUINE_SERVER)
def test_genuine_server_packets(packet: str) -> None:
    data = bytes.fromhex(packet)
    [(kind, payload)] = SoupDecoder(FROM_SERVER).feed(data)
    assert encode_packet(kind, payload) == data
    if kind == SEQUENCED:
        assert c_write(lib.prt_soup_write_sequenced_header, len(payload)) + payload == data
    else:
        assert c_write(lib.prt_soup_write_heartbeat) == data


@given(st.lists(CLIENT_PACKETS, max_size=5), st.lists(st.integers(1, 40), max_size=30))
def test_any_split_gives_the_same_packets(
    packets: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    data = b"".join(encode_packet(*packet) for packet in packets)
    decoder = SoupDecoder(FROM_CLIENT)
    found = []
    at = 0
    for cut in [*cuts, len(data)]:
        found += decoder.feed(data[at : at + cut])
        at = min(at + cut, len(data))
    assert found == packets
    assert decoder.pending == 0


def test_the_longest_packet_in_pieces() -> None:
    payload = bytes(n % 251 for n in range(65534))
    data = encode_packet(SEQUENCED, payload)
    decoder = SoupDecoder(FROM_SERVER)
    found = [p for at in range(0, len(data), 1000) for p in decoder.feed(data[at : at + 1000])]
    assert found == [(SEQUENCED, payload)]


@given(st.lists(CLIENT_PACKETS, max_size=5), st.integers(0, 3000))
def test_c_finds_what_python_wrote(packets: list[tuple[bytes, bytes]], cut: int) -> None:
    data = b"".join(encode_packet(*packet) for packet in packets)[:cut]
    found = []
    at = 0
    while True:
        taken, kind, payload = c_next(data[at:])
        assert taken >= 0
        if taken == 0:
            break
        found.append((kind, payload))
        at += taken
    assert found == SoupDecoder(FROM_CLIENT).feed(data)


@given(
    st.one_of(
        st.binary(max_size=100),
        st.builds(
            lambda length, kind, rest: bytes([0, length]) + kind + rest,
            st.integers(0, 6),
            st.sampled_from([b"L", b"U", b"R", b"O", b"+", b"S"]),
            st.binary(max_size=6),
        ),
    )
)
def test_c_and_python_agree_on_garbage(data: bytes) -> None:
    taken, kind, payload = c_next(data)
    decoder = SoupDecoder(FROM_CLIENT, payload_max=lib.PRT_SOUP_PAYLOAD_MAX)
    try:
        found = decoder.feed(data[:taken] if taken > 0 else data)
    except FormatError:
        assert taken == RB_FORMAT
    else:
        assert found == ([(kind, payload)] if taken > 0 else [])
        assert taken >= 0


@pytest.mark.parametrize(
    "data", ["0000", "040255", "000253", "0002ff", "000252", "00024f", "ffff55", "04ff"]
)
def test_c_refuses(data: str) -> None:
    with pytest.raises(FormatError):
        check(c_next(bytes.fromhex(data))[0], "packet", lib)


@pytest.mark.parametrize("data", ["0000", "040255", "000253", "000252", "00024f", "ffff"])
def test_python_refuses(data: str) -> None:
    with pytest.raises(FormatError):
        SoupDecoder(FROM_CLIENT, payload_max=1024).feed(bytes.fromhex(data))


def test_packets_that_cannot_be_said() -> None:
    with pytest.raises(UsageError):
        encode_packet(b"UU")
    with pytest.raises(UsageError):
        encode_packet(UNSEQUENCED, bytes(65535))
    assert encode_packet(UNSEQUENCED, bytes(65534))[:3] == b"\xff\xffU"


@given(TEXT, TEXT, TEXT, SEQUENCES, st.none() | st.integers(0, 99999))
def test_login_round_trip(
    user: str, password: str, session: str, sequence: int, heartbeat_ms: int | None
) -> None:
    data = LoginRequest(user, password, session, sequence, heartbeat_ms).encode()
    expected = LoginRequest(user.upper(), password.upper(), session, sequence, heartbeat_ms)
    assert LoginRequest.decode(data[3:]) == expected
    assert c_login(data[3:]) == expected


def test_login_bytes() -> None:
    data = LoginRequest("alice", "secret", "DAY1", 17).encode()
    assert data == b"\x00\x2fLalice secret          DAY1                  17"


def test_login_padded_on_the_other_side() -> None:
    """As nasdaq-protocols pads it: text and numbers on the left of their fields."""
    payload = b"ALICE secret    DAY1      17                  "
    assert LoginRequest.decode(payload) == LoginRequest("ALICE", "SECRET", "DAY1", 17)
    assert c_login(payload) == LoginRequest("ALICE", "SECRET", "DAY1", 17)


def test_login_padded_with_nuls() -> None:
    payload = b"ALICE\0secret\0\0\0\0" + bytes(10) + b"1".ljust(20, b"\0")
    assert c_login(payload) == LoginRequest.decode(payload) == LoginRequest("ALICE", "SECRET")


def test_blank_login() -> None:
    expected = LoginRequest("", "", "", 0)
    assert c_login(b" " * 46) == LoginRequest.decode(b" " * 46) == expected


@given(
    st.one_of(
        st.binary(max_size=60),
        st.builds(
            lambda text, number: text + number,
            st.text("aZ9 \0\x07", min_size=26, max_size=26).map(str.encode),
            st.text("0189 \0+_", min_size=20, max_size=25).map(str.encode),
        ),
    )
)
def test_c_and_python_agree_on_logins(payload: bytes) -> None:
    try:
        expected = LoginRequest.decode(payload)
    except FormatError:
        assert c_login(payload) is None
    else:
        assert c_login(payload) == expected


def test_every_truncation_of_a_login() -> None:
    data = LoginRequest("ALICE", "SECRET").encode()
    for count in range(len(data)):
        assert c_next(data[:count])[0] == 0
    for count in range(46):
        assert c_login(data[3 : 3 + count]) is None


@pytest.mark.parametrize(
    "request_",
    [
        LoginRequest("SEVENCH", ""),
        LoginRequest("", "ELEVENCHARS"),
        LoginRequest("", "", "ELEVENCHARS"),
        LoginRequest("é", ""),
        LoginRequest("a\n", ""),
        LoginRequest("", "", "", -1),
        LoginRequest("", "", "", 2**64),
        LoginRequest("", "", "", 1, 100000),
    ],
)
def test_logins_that_cannot_be_said(request_: LoginRequest) -> None:
    with pytest.raises(UsageError):
        request_.encode()


@given(TEXT.filter(bool), SEQUENCES)
def test_login_accepted(session: str, sequence: int) -> None:
    data = LoginAccepted(session, sequence).encode()
    assert c_write(lib.prt_soup_write_login_accepted, session.encode(), sequence) == data
    assert LoginAccepted.decode(data[3:]) == LoginAccepted(session, sequence)


@given(st.binary(max_size=40))
def test_login_accepted_garbage(payload: bytes) -> None:
    try:
        LoginAccepted.decode(payload)
    except FormatError:
        return
    assert len(payload) == 30


@pytest.mark.parametrize(
    ("expected", "written"),
    [
        ((LOGIN_REJECTED, b"S"), (lib.prt_soup_write_login_rejected, ord("S"))),
        ((SERVER_HEARTBEAT, b""), (lib.prt_soup_write_heartbeat,)),
        ((END_OF_SESSION, b""), (lib.prt_soup_write_end_of_session,)),
        ((DEBUG, b"hello"), (lib.prt_soup_write_debug, b"hello", 5)),
    ],
)
def test_c_writers(expected: tuple[bytes, bytes], written: tuple[object, ...]) -> None:
    data = encode_packet(*expected)
    assert c_write(*written) == data
    assert c_write(*written, room=len(data)) == data
    for room in range(len(data)):
        assert c_write(*written, room=room) == b""


@given(st.integers(0, 70000))
def test_sequenced_header(count: int) -> None:
    expected = encode_packet(SEQUENCED, bytes(count))[:3] if count <= 65534 else b""
    assert c_write(lib.prt_soup_write_sequenced_header, count) == expected


# The client's side of a session.


def accepted(sequence: int, session: str = "DAY1") -> bytes:
    return LoginAccepted(session, sequence).encode()


def test_session_numbers_the_messages() -> None:
    session = SoupClientSession("ALICE", "SECRET", next_sequence=5)
    assert LoginRequest.decode(session.login()[3:]).sequence == 5
    stream = (
        encode_packet(SERVER_HEARTBEAT)
        + accepted(5)
        + encode_packet(SEQUENCED, b"five")
        + encode_packet(DEBUG, b"ignored")
        + encode_packet(SERVER_HEARTBEAT)
        + encode_packet(SEQUENCED, b"six")
    )
    found = []
    for at in range(len(stream)):
        found += session.feed(stream[at : at + 1])
    assert found == [(5, b"five"), (6, b"six")]
    assert session.accepted
    assert session.session == "DAY1"
    assert session.next_sequence == 7


def test_session_from_what_is_to_come() -> None:
    session = SoupClientSession("ALICE", "SECRET", next_sequence=0)
    assert session.feed(accepted(1000) + encode_packet(SEQUENCED, b"x")) == [(1000, b"x")]
    assert session.next_sequence == 1001


def test_session_refuses_another_number() -> None:
    session = SoupClientSession("ALICE", "SECRET", next_sequence=50)
    with pytest.raises(FormatError, match="asked for message 50 .* go on with 10"):
        session.feed(accepted(10))


def test_session_rejected_and_ended() -> None:
    session = SoupClientSession("ALICE", "SECRET")
    assert session.feed(encode_packet(LOGIN_REJECTED, b"A")) == []
    assert session.reject_code == "A"
    assert not session.accepted
    session = SoupClientSession("ALICE", "SECRET")
    assert session.feed(accepted(1) + encode_packet(END_OF_SESSION)) == []
    assert session.ended


@pytest.mark.parametrize(
    "stream",
    [
        encode_packet(SEQUENCED, b"early"),
        encode_packet(END_OF_SESSION),
        accepted(1) + accepted(1),
        accepted(1) + encode_packet(LOGIN_REJECTED, b"A"),
        encode_packet(LOGIN_REJECTED, b"A") + accepted(1),
        encode_packet(LOGIN_REJECTED, b"AA"),
        accepted(1) + encode_packet(END_OF_SESSION) + encode_packet(SEQUENCED, b"late"),
        encode_packet(UNSEQUENCED, b"a client's"),
    ],
)
def test_session_refuses_what_does_not_belong(stream: bytes) -> None:
    with pytest.raises(FormatError):
        SoupClientSession("ALICE", "SECRET").feed(stream)


def test_session_does_not_count_what_it_did_not_return() -> None:
    session = SoupClientSession("ALICE", "SECRET")
    session.feed(accepted(1))
    with pytest.raises(FormatError):
        session.feed(encode_packet(SEQUENCED, b"lost") + accepted(1))
    assert session.next_sequence == 1


def test_session_packets() -> None:
    session = SoupClientSession("ALICE", "SECRET")
    assert session.heartbeat() == bytes.fromhex("000152")
    assert session.logout() == b"\x00\x01O"
    assert session.unsequenced(b"Q") == b"\x00\x02UQ"
