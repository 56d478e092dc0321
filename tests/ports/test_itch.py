"""The Python codecs of ITCH 5.0 and MoldUDP64, genuine bytes, another implementation of ITCH."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itch.parser import MessageParser

from ports import itch
from ports.market_book import MarketBook
from ports.mold import MoldReceiver, Packet, encode_request
from ringbus.status import FormatError
from tests.engine.profiles import PROFILES
from tests.ports.market_day import Watched, closing

SHARED = Path(__file__).parents[3] / "shared/data"
CAPTURES = sorted((SHARED / "nasdaq_pcap").glob("*Itch*/*.pcap"))
DIRECTORY = SHARED / "itch_directory" / "nasdaq_itch50_start_of_day_1000msgs.itch"

# Whole messages as Nasdaq sent them on 2023-08-22, by type.
GENUINE = """
41020c00001f1aced02127000000000017aba5420000012c414d5a55202020200003b40c
431d8900021f1b1815a55a000000000030f543000000050000000000006d53590011f47c
44102700001f1aced2aed300000000002c493a
451e5500021f1aceeb863300000000002e0acb0000000a0000000000006bec
46029e00001f1acf0bc028000000000017ae5d5300000064415247542020202000074f7c56495254
482c3d00001f1e703b99e85a585a5a54202020482020202020
491ead00001f1acedb43f1000000000000000000000000000000004f50465441572020200000000000000000000000004f20
4a2c3d00001f1e703b4f955a585a5a5420202000020918000223440001aa9000000000
4c0e4000001f208142f8464d41584d46444c5320202020594e41
4e04ea00001f1aceceff2f42495a44202020204e
50020b00021f1ad0f51e5b00000000000000004200000001414d5a4e2020202000149ee80000000000006bf8
5103d700011f1acee1500300000000000000004241432d5120202000000000000000000003e63e4f
53000000001f1acedb3cea51
55103200001f1acecf3da5000000000024db0600000000003608c600000064000db3d0
5804e300001f1acf4b215300000000001659e1000003e8
5924bd00001f1ad5cf5cd7534f50412020202031
""".split()


@pytest.mark.parametrize("text", GENUINE)
def test_genuine_messages_are_read_and_written_byte_for_byte(text: str) -> None:
    message = bytes.fromhex(text)
    assert itch.decode(message).encode() == message


def test_a_genuine_order_says_what_it_says() -> None:
    order = itch.decode(bytes.fromhex(GENUINE[0]))
    assert (order.kind, order.locate, order.time_ns) == ("A", 524, 34_199_999_357_223)
    assert (order.number("reference"), order.number("shares")) == (1551269, 300)
    assert (order.text("side"), order.text("symbol"), order.number("price")) == (
        "B",
        "AMZU",
        242700,
    )


def payloads(capture: bytes) -> Iterator[bytes]:
    """UDP payloads of a capture file of Ethernet frames with IPv4."""
    order = "<" if capture[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = 24
    while at < len(capture):
        (length,) = struct.unpack_from(order + "I", capture, at + 8)
        frame = capture[at + 16 : at + 16 + length]
        at += 16 + length
        ip = frame.index(b"\x08\x00\x45", 12) + 2
        udp = ip + 4 * (frame[ip] & 15)
        (size,) = struct.unpack_from(">H", frame, udp + 4)
        yield frame[udp + 8 : udp + size]


@pytest.mark.skipif(not CAPTURES, reason="the captures are not here")
def test_all_genuine_packets_are_read_and_written_byte_for_byte() -> None:
    packets = messages = 0
    for path in CAPTURES:
        for payload in payloads(path.read_bytes()):
            packet = Packet.decode(payload)
            assert packet.encode() == payload
            packets += 1
            for message in packet.messages:
                assert itch.decode(message).encode() == message
                messages += 1
    assert packets == 80
    assert messages >= packets


@pytest.mark.skipif(not DIRECTORY.exists(), reason="the directory is not here")
def test_a_genuine_directory_is_read_and_written_byte_for_byte() -> None:
    data = DIRECTORY.read_bytes()
    messages = list(itch.split(data))
    assert len(messages) == 1000
    again = [itch.decode(message).encode() for message in messages]
    assert b"".join(len(one).to_bytes(2, "big") + one for one in again) == data


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """R100: what is read is written as it was; nothing else is raised."""
    for kind in (itch.decode, Packet.decode):
        try:
            assert kind(data).encode()[:2] == data[:2]
        except FormatError:
            continue


@given(st.sampled_from(sorted(itch.LAYOUTS)), st.data())
def test_every_message_comes_back(kind: str, data: st.DataObject) -> None:
    values: list[int | str] = []
    for _, width in itch.LAYOUTS[kind]:
        if width > 0:
            values.append(data.draw(st.integers(0, 2 ** (8 * width) - 1)))
        else:
            values.append(data.draw(st.text("ABCxyz09. ", max_size=-width)).rstrip(" "))
    message = itch.ItchMessage(kind, 7, 2**48 - 1, tuple(values), 9)
    assert len(message.encode()) == itch.LENGTHS[kind]
    assert itch.decode(message.encode()) == message


@pytest.mark.parametrize("values", [(2**64,), (-1,), ()])
def test_what_does_not_fit_is_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(FormatError):
        itch.ItchMessage("D", 1, 0, values).encode()
    with pytest.raises(FormatError):
        itch.ItchMessage("Y", 1, 0, ("SYMBOLTOOLONG", "0")).encode()


# --- our own messages, read by others ----------------------------------------------------------


def day() -> tuple[bytes, MarketBook]:
    watched = Watched(PROFILES["nasty"], seed=17)
    for _ in range(3500):
        watched.step()
    watched.market.hear(watched.stream.publish(closing()))
    watched.read()
    tape = b""
    number = 1
    while data := watched.market.copy(number):
        number += sum(1 for _ in itch.split(data))
        tape += data
    watched.close()
    return tape, watched.book


def test_another_implementation_reads_the_same_day() -> None:
    """PyPI itchfeed decodes every message of the tape, and a book made of that is the same."""
    tape, book = day()
    parser = MessageParser()
    orders: dict[int, tuple[int, str, int, int]] = {}
    count = 0
    for raw in itch.split(tape):
        count += 1
        message = parser.get_message_type(raw)
        assert message.to_bytes() == raw
        kind = message.message_type.decode()
        if kind == "A":
            side, price = message.buy_sell_indicator.decode(), message.price
            orders[message.order_reference_number] = (
                *(message.stock_locate, side, price, message.shares),
            )
        elif kind in "EX":
            field = "executed_shares" if kind == "E" else "cancelled_shares"
            locate, side, price, shares = orders[message.order_reference_number]
            left = shares - getattr(message, field)
            orders[message.order_reference_number] = locate, side, price, left
            if left == 0:
                del orders[message.order_reference_number]
        elif kind == "D":
            del orders[message.order_reference_number]
        elif kind == "U":
            locate, side, _, _ = orders.pop(message.order_reference_number)
            new = message.new_order_reference_number
            orders[new] = locate, side, message.price, message.shares
    assert count > 2000
    assert orders == {
        n: (one.locate, one.side, one.price, one.shares) for n, one in book.orders.items()
    }
    assert orders


# --- a receiver --------------------------------------------------------------------------------


@given(st.permutations(range(12)), st.sets(st.integers(0, 11), max_size=6))
def test_a_receiver_gives_everything_once_and_in_order(
    order: list[int], lost: frozenset[int]
) -> None:
    """Whatever order packets come in, however often; what is lost is asked for."""
    messages = [bytes([n]) * 3 for n in range(36)]
    packets = [Packet("DAY1", 3 * n + 1, tuple(messages[3 * n : 3 * n + 3])) for n in range(12)]
    receiver = MoldReceiver()
    got: list[tuple[int, bytes]] = []
    for n in [*order, *order[:4]]:
        if n not in lost:
            got += receiver.feed(packets[n].encode())
    got += receiver.feed(Packet("DAY1", 37).encode())
    for _ in range(100):
        request = receiver.request()
        if request is None:
            break
        number = int.from_bytes(request[10:18], "big")
        count = int.from_bytes(request[18:20], "big")
        assert request == encode_request("DAY1", number, count)
        answer = tuple(messages[number - 1 : number - 1 + min(count, 2)])
        got += receiver.feed(Packet("DAY1", number, answer).encode())
    assert got == list(enumerate(messages, 1))
    assert receiver.is_whole
    assert receiver.feed(Packet("OTHER", 40, (b"x",)).encode()) == []
