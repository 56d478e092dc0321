"""What fuzzing has kept: the C parsers and the Python ones say the same of all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ports._ports import lib
from ports.ouch import decode_inbound
from ports.soup import FROM_CLIENT, LOGIN_REQUEST, UNSEQUENCED, LoginRequest, SoupDecoder
from ringbus.status import FormatError, statuses
from tests.ports.test_ouch import c_decode
from tests.ports.test_soup import c_login, c_next

CORPUS = Path(__file__).resolve().parents[1] / "fuzz" / "corpus"
RB_FORMAT = {name: value for name, value, _ in statuses()}["FORMAT"]


def files(target: str) -> list[bytes]:
    """Everything that is kept for a target."""
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def compare_ouch(data: bytes) -> bool:
    """One message by both; whether it could be read."""
    try:
        expected = decode_inbound(data)
    except FormatError:
        assert c_decode(data) is None
        return False
    assert c_decode(data) == expected
    assert expected.encode() == data
    return True


def compare_login(data: bytes) -> bool:
    """One login request by both; whether it could be read."""
    try:
        expected = LoginRequest.decode(data)
    except FormatError:
        assert c_login(data) is None
        return False
    found = c_login(data)
    assert found is not None
    assert (found.user, found.password) == (expected.user.upper(), expected.password.upper())
    assert (found.session, found.sequence) == (expected.session, expected.sequence)
    return True


def compare_stream(data: bytes) -> list[tuple[bytes, bytes]]:
    """All packets at the beginning of a stream of bytes, by both."""
    out: list[tuple[bytes, bytes]] = []
    decoder = SoupDecoder(FROM_CLIENT, payload_max=lib.PRT_SOUP_PAYLOAD_MAX)
    while True:
        taken, kind, payload = c_next(data)
        if taken < 0:
            assert taken == RB_FORMAT
            with pytest.raises(FormatError):
                decoder.feed(data)
            return out
        assert decoder.feed(data[: taken or len(data)]) == ([(kind, payload)] if taken else [])
        if taken == 0:
            return out
        out.append((kind, payload))
        data = data[taken:]


def test_soup() -> None:
    packets = [packet for data in files("soup") for packet in compare_stream(data)]
    assert len(packets) > 10
    logins = [compare_login(payload) for kind, payload in packets if kind == LOGIN_REQUEST]
    assert any(logins)
    for data in files("soup"):
        compare_login(data)


def test_ouch() -> None:
    readable = [compare_ouch(data) for data in files("ouch")]
    assert sum(readable) >= 9
    assert not all(readable)


def test_port() -> None:
    """What clients of the whole port send; the first byte says in which pieces."""
    packets = [packet for data in files("port") for packet in compare_stream(data[1:])]
    readable = [compare_ouch(payload) for kind, payload in packets if kind == UNSEQUENCED]
    assert sum(readable) > 20
