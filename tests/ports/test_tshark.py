"""Somebody else's decoder: what goes over loopback is captured and read by tshark.

`make test-wire` installs it. OUCH 5.0 is not known to tshark; its SoupBinTCP packets are.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ports import itch, ouch, ouch42
from ports.market import MarketData
from ports.mold import Packet, encode_request
from ports.soup import LOGOUT, encode_packet
from tests.ports.exchange import Client, Exchange
from tests.ports.market_day import closing
from tests.ports.test_market import GROUP, SECOND_NS, Site, settle
from tests.ports.venue import PRICE, TICK

TSHARK = shutil.which("tshark")
START_S = 90
needs_tshark = pytest.mark.skipif(
    TSHARK is None, reason="tshark is not installed: `make test-wire` installs it and runs this"
)


@contextmanager
def captured(ports: str, path: Path) -> Iterator[list[bytes]]:
    """Everything on these ports of loopback (a capture filter), into a pcap file; ends when the
    bytes that are put into the list are in it, one behind the other."""
    assert TSHARK is not None
    command = [TSHARK, "-i", "lo", "-f", ports, "-w", str(path), "-q", "-Q"]
    # It says what it does on stderr, and is at work once the file has its header.
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(START_S * 100):
                if path.exists() and path.stat().st_size > 0:
                    break
                try:
                    process.wait(0.01)
                except subprocess.TimeoutExpired:
                    continue
                assert process.stderr is not None
                pytest.skip(f"tshark may not capture here: {process.stderr.read().decode()[-200:]}")
            last: list[bytes] = []
            yield last
            for _ in range(START_S * 100):
                data, at = path.read_bytes(), 0
                for one in last:
                    at = data.find(one, at) if at >= 0 else at
                if at >= 0:
                    break
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGINT)


def decoded(path: Path, protocol: str, *ports: str, only: str = "udp") -> list[dict[str, Any]]:
    """The packets of these ports as tshark reads them."""
    assert TSHARK is not None
    command = [TSHARK, "-r", str(path), "-T", "json", "--no-duplicate-keys", "-Y", only]
    for port in ports:
        command += ["-d", f"{port},{protocol}"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=120)
    out: list[dict[str, Any]] = json.loads(done.stdout)
    return [packet["_source"]["layers"] for packet in out]


def found(layers: object, key: str) -> list[Any]:
    """All values under a key, wherever it is."""
    out: list[Any] = []
    if isinstance(layers, dict):
        for name, value in layers.items():
            out += [value] if name == key else []
            out += found(value, key)
    elif isinstance(layers, list):
        for value in layers:
            out += found(value, key)
    return out


def letters(layers: object, key: str) -> list[str]:
    """The same, of letters: tshark quotes them."""
    return [str(one).strip("'") for one in found(layers, key)]


def say(exchange: Exchange, client: Client, message: ouch42.Inbound, answers: int) -> None:
    before = len(client.messages)
    client.raw(client.session.unsequenced(message.encode()))
    exchange.until(lambda: len(client.messages) >= before + answers)


@needs_tshark
def test_ouch_42_is_read_by_tshark(tmp_path: Path) -> None:
    path = tmp_path / "ouch42.pcap"
    path.touch()
    rules = {"ALICE": {"protocol": "ouch42", "self_trade": "O"}}
    with Exchange(rules=rules) as exchange, captured(f"tcp port {exchange.tcp}", path) as last:
        alice = exchange.login()
        enter = ouch42.EnterOrder("order 1", "S", 100, "AAPL", PRICE, display="Y", capacity="P")
        say(exchange, alice, enter, 1)
        say(exchange, alice, ouch42.ReplaceOrder("order 1", "order 2", 90, PRICE + TICK), 1)
        say(exchange, alice, ouch42.ModifyOrder("order 2", "T", 80), 1)
        say(exchange, alice, ouch42.CancelOrder("order 2", 70), 1)
        say(exchange, alice, ouch42.CancelOrder("nothing"), 1)
        say(exchange, alice, ouch42.EnterOrder("bad", "B", 100, "NOPE", PRICE), 1)
        own = ouch42.EnterOrder("own", "B", 10, "AAPL", PRICE + TICK, time_in_force=0)
        say(exchange, alice, own, 3)
        bob = exchange.login("BOB")
        exchange.say(bob, ouch.EnterOrder(1, "S", 50, "AAPL", PRICE))
        buy = ouch42.EnterOrder("buy", "B", 20, "AAPL", PRICE, time_in_force=0)
        say(exchange, alice, buy, 2)
        told = [type(ouch42.decode_outbound(message.payload)) for message in alice.messages]
        alice.raw(alice.session.heartbeat())
        exchange.advance(2_000_000_000)
        exchange.settle()
        alice.raw(alice.session.logout())
        exchange.until(lambda: alice.closed)
        last += [alice.messages[-1].payload, encode_packet(LOGOUT)]
        tcp = exchange.tcp
    packets = decoded(path, "soupbintcp", f"tcp.port=={tcp}", only="tcp.len > 0")
    soup = letters(packets, "soupbintcp.packet_type")
    assert {"L", "A", "U", "S", "R", "H", "O"} <= set(soup)
    assert found(packets, "_ws.malformed") == []
    errors = [one for one in found(packets, "_ws.expert.severity") if int(one) >= 0x00800000]
    assert errors == []
    tokens = found(packets, "ouch.order_token")
    assert {"order 1", "order 2", "own", "buy"} <= {str(token).strip() for token in tokens}
    kinds = letters(packets, "ouch.packet_type")
    sent = ["O", "U", "M", "X", "X", "O", "O", "O"]
    # tshark tells Replaced and Modified of the exchange from those of the client by letters.
    assert len(kinds) >= len(told) + len(sent)
    assert {"A", "E", "C", "J", "I", "D"} <= set(kinds)


@needs_tshark
def test_soupbintcp_around_ouch_50_is_read_by_tshark(tmp_path: Path) -> None:
    path = tmp_path / "ouch50.pcap"
    path.touch()
    with Exchange() as exchange, captured(f"tcp port {exchange.tcp}", path) as last:
        bob = exchange.login("BOB")
        exchange.say(bob, ouch.EnterOrder(1, "S", 50, "AAPL", PRICE))
        exchange.say(bob, ouch.CancelOrder(1))
        last.append(bob.messages[-1].payload)
        tcp = exchange.tcp
    packets = decoded(path, "soupbintcp", f"tcp.port=={tcp}", only="tcp.len > 0")
    assert {"L", "A", "U", "S"} <= set(letters(packets, "soupbintcp.packet_type"))
    errors = [one for one in found(packets, "_ws.expert.severity") if int(one) >= 0x00800000]
    assert errors == []


@needs_tshark
def test_market_data_is_read_by_tshark(tmp_path: Path) -> None:
    """What the agent sends to its group and answers: packets, a heartbeat, the end, a request."""
    path = tmp_path / "mold.pcap"
    path.touch()
    site = Site(tmp_path)
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.settimeout(START_S)
    with site.agent() as sender:
        requests = sender.answer_at()
        with captured(f"udp port {site.port} or udp port {requests}", path) as last:
            sender.send_to(GROUP, site.port)
            settle(sender)
            site.trade(300)
            settle(sender)
            site.advance(SECOND_NS)
            settle(sender)
            first = sender.messages + 1
            asking.sendto(encode_request("DAY1", 5, 3), ("127.0.0.1", requests))
            answer = b""
            while not answer:
                settle(sender)
                answer = asking.recv(2048)
            site.publish(site.watched.stream.publish(closing()))
            settle(sender)
            site.advance(SECOND_NS)
            settle(sender)
            last += [answer, Packet("DAY1", sender.messages + 1, (), is_end=True).encode()]
        tape = list(itch.split(b"".join(iter_tape(sender))))
    asking.close()
    site.close()
    ports = (f"udp.port=={site.port}", f"udp.port=={requests}")
    packets = decoded(path, "moldudp64", *ports)
    assert found(packets, "_ws.malformed") == []
    assert [one for one in found(packets, "_ws.expert.severity") if int(one) >= 0x00800000] == []
    assert {one.strip() for one in found(packets, "moldudp64.session")} == {"DAY1"}
    heads = [
        (int(found(one, "moldudp64.sequence")[0]), int(found(one, "moldudp64.count")[0]))
        for one in packets
    ]
    group = [one for one in packets if found(one, "udp.dstport") == [str(site.port)]]
    said: dict[int, bytes] = {}
    for one in group:
        for block in found(one, "moldudp64.msgblock"):
            for part in block if isinstance(block, list) else [block]:
                text = str(part["moldudp64.msgdata"]).replace(":", "")
                said[int(part["moldudp64.msgseq"])] = bytes.fromhex(text)
    # The kernel loses some while a capture begins.
    joined = max(({*range(len(tape) + 1)} - said.keys()), default=0) + 1
    assert joined <= 16
    assert {n: one for n, one in said.items() if n >= joined} == {
        n: tape[n - 1] for n in range(joined, len(tape) + 1)
    }
    assert (first, 0) in heads
    assert (5, 3) in heads
    assert heads[-1] == (len(tape) + 1, 65535)


def iter_tape(market: MarketData) -> Iterator[bytes]:
    """The whole tape, piece by piece."""
    number = 1
    while data := market.copy(number):
        yield data
        number += sum(1 for _ in itch.split(data))
