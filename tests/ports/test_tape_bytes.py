"""What no bytes may do to the SoupBinTCP servers of market data, in a login or behind it."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ports import itch
from ports.authenticator import Authenticator
from ports.soup import LoginRequest
from ports.tape_server import TapeServer
from tests.ports.test_corpus import files
from tests.ports.test_market import SECRET, Site, Tcp, until

CHANGES = 150
LOGIN = LoginRequest("MARKET", "SECRET", "", 1).encode()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Site, TapeServer]]:
    site = Site(tmp_path)
    site.trade(200)
    with site.agent() as market, TapeServer(market, lambda: site.now_ns) as server:
        yield site, server
    site.close()


def hostile() -> list[bytes]:
    """What fuzzing the same packets in C has kept, as it is, behind a good login, and changed."""
    kept = files("soup")
    draw = random.Random(9)
    out = [*kept, *(LOGIN + one for one in kept)]
    for _ in range(CHANGES):
        data = bytearray(LOGIN + draw.choice(kept))
        for _ in range(draw.randrange(1, 6)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        out.append(bytes(data))
    return out


@pytest.mark.parametrize("snapshots", [True, False])
def test_no_bytes_end_the_server_or_another_connection(
    served: tuple[Site, TapeServer], snapshots: bool
) -> None:
    """R29: each is answered or cut off; who logs in properly beside them is served."""
    site, server = served
    authenticator = Authenticator(server, {"MARKET": SECRET})
    port = server.listen(snapshots=snapshots)
    beside = Tcp(port)
    steps = (lambda: server.do_work(256), authenticator.step, beside.step)
    until(lambda: beside.session.accepted, *steps)
    for n, data in enumerate(hostile()):
        accepted = server.counts["connections"]
        one = socket.create_connection(("127.0.0.1", port))
        until(lambda accepted=accepted: server.counts["connections"] > accepted, *steps)  # type: ignore[misc]
        for at in range(0, len(data), 1 + n % 97):
            try:
                one.sendall(data[at : at + 1 + n % 97])
            except (BrokenPipeError, ConnectionResetError):
                break
            server.do_work(256)
            authenticator.step()
        one.close()
    late = Tcp(port)
    if snapshots:
        until(lambda: late.closed, *steps, late.step)
        assert late.session.ended
        assert itch.decode_snapshot_end(late.messages[-1][1]) > 1
    else:
        with site.agent() as other:
            until(lambda: other.is_live, lambda: other.do_work(256))
            until(lambda: late.session.next_sequence > other.messages, *steps, late.step)
            until(lambda: beside.session.next_sequence > other.messages, *steps)
    assert server.counts["cut"] > 10
    for client in (late, beside):
        client.close()
