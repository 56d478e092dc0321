"""OUCH 5.0: every message in Python, the C codec against it, genuine bytes through both."""

from __future__ import annotations

import struct
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ports._ports import ffi, lib
from ports.ouch import (
    INBOUND,
    OUTBOUND,
    REJECT_REASONS,
    TAG_FORMATS,
    AccountQuery,
    AccountQueryResponse,
    AiqCanceled,
    Appendage,
    BrokenTrade,
    CancelOrder,
    CancelPending,
    CancelReject,
    DisableOrderEntry,
    DisableOrderEntryResponse,
    EnableOrderEntry,
    EnableOrderEntryResponse,
    EnterOrder,
    Inbound,
    MassCancel,
    MassCancelResponse,
    Message,
    ModifyOrder,
    OrderAccepted,
    OrderCanceled,
    OrderExecuted,
    OrderModified,
    OrderPriorityUpdate,
    OrderRejected,
    OrderReplaced,
    OrderRestated,
    Outbound,
    ReplaceOrder,
    SystemEvent,
    Tag,
    TradeCorrection,
    decode_appendage,
    decode_inbound,
    decode_outbound,
    encode_appendage,
    find_option,
    option,
)
from ports.soup import FROM_CLIENT, FROM_SERVER, SEQUENCED, UNSEQUENCED, SoupDecoder
from ringbus.messages import RejectReason
from ringbus.status import FormatError, UsageError, statuses

RB_FORMAT = {name: value for name, value, _ in statuses()}["FORMAT"]

# Captured from Nasdaq, without the SoupBinTCP header.
GENUINE: dict[str, Inbound | Outbound] = {
    "4f0000007154000000e143564c54202020200000000000099db83059414e4e"
    "4838465542384956202020202020000605024c494d45": EnterOrder(
        user_ref=113,
        side="T",
        quantity=225,
        symbol="CVLT",
        price=63_0200,
        clordid="H8FUB8IV",
        appendage=((2, b"LIME"),),
    ),
    "5800752e7100000000": CancelOrder(user_ref=7679601, quantity=0),
    "410000289b4d64af8700753a8d420000002841444245202020200000000000"
    "48e7483559000000000f56b4f5414e4e4c37363832373031202020202020200009"
    "05024d4c524f021230": OrderAccepted(
        timestamp_ns=44_647_483_486_087,
        user_ref=7682701,
        side="B",
        quantity=40,
        symbol="ADBE",
        price=477_7800,
        time_in_force="5",
        display="Y",
        order_reference=257340661,
        capacity="A",
        sweep="N",
        cross_type="N",
        state="L",
        clordid="7682701",
        appendage=((2, b"MLRO"), (18, b"0")),
    ),
    "430000289b4d68131700753a8d0000002855": OrderCanceled(
        timestamp_ns=44_647_483_708_183, user_ref=7682701, quantity=40, reason="U"
    ),
}

CAPTURES = Path(__file__).parents[3] / "shared/data/nasdaq_pcap/Nasdaq.Nsm.Ouch.v5.0"

U16 = st.integers(0, 2**16 - 1)
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
# Letters, and what never ends in a space, since a trailing space is padding.
CHAR = st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\xa0")


def text(width: int) -> st.SearchStrategy[str]:
    return st.text(CHAR, max_size=width)


def element(tag: int) -> st.SearchStrategy[tuple[int, bytes]]:
    size = struct.calcsize(TAG_FORMATS[tag]) if tag in TAG_FORMATS else None
    values = st.binary(max_size=20) if size is None else st.binary(min_size=size, max_size=size)
    return st.tuples(st.just(tag), values)


APPENDAGES = st.lists(st.integers(0, 255).flatmap(element), max_size=6).map(tuple)
ORDER = {
    "side": CHAR,
    "quantity": U32,
    "symbol": text(8),
    "price": U64,
    "time_in_force": CHAR,
    "display": CHAR,
    "capacity": CHAR,
    "sweep": CHAR,
    "cross_type": CHAR,
    "clordid": text(14),
    "appendage": APPENDAGES,
}
OPEN = {"timestamp_ns": U64, "user_ref": U32}

ENTERS = st.builds(EnterOrder, user_ref=U32, **ORDER)
REPLACES = st.builds(
    ReplaceOrder,
    original_user_ref=U32,
    user_ref=U32,
    quantity=U32,
    price=U64,
    time_in_force=CHAR,
    display=CHAR,
    sweep=CHAR,
    clordid=text(14),
    appendage=APPENDAGES,
)
LATE = st.one_of(st.none(), APPENDAGES)
CANCELS = st.builds(CancelOrder, user_ref=U32, quantity=U32, appendage=LATE)
MODIFIES = st.builds(ModifyOrder, user_ref=U32, side=CHAR, quantity=U32, appendage=LATE)
ENTRY = {"user_ref": U32, "firm": text(4), "appendage": APPENDAGES}
REQUESTS: st.SearchStrategy[Inbound] = st.one_of(
    ENTERS,
    REPLACES,
    CANCELS,
    MODIFIES,
    st.builds(AccountQuery, appendage=LATE),
    st.builds(MassCancel, **ENTRY, symbol=text(8)),
    st.builds(DisableOrderEntry, **ENTRY),
    st.builds(EnableOrderEntry, **ENTRY),
)

SYSTEM_EVENTS = st.builds(SystemEvent, timestamp_ns=U64, event=CHAR)
ACCEPTEDS = st.builds(OrderAccepted, **OPEN, **ORDER, order_reference=U64, state=CHAR)
REPLACEDS = st.builds(
    OrderReplaced, **OPEN, **ORDER, order_reference=U64, state=CHAR, original_user_ref=U32
)
CANCELEDS = st.builds(OrderCanceled, **OPEN, quantity=U32, reason=CHAR)
EXECUTEDS = st.builds(
    OrderExecuted,
    **OPEN,
    quantity=U32,
    price=U64,
    liquidity=CHAR,
    match_number=U64,
    appendage=APPENDAGES,
)
REJECTEDS = st.builds(OrderRejected, **OPEN, reason=U16, clordid=text(14))
CANCEL_REJECTS = st.builds(CancelReject, **OPEN)
QUERY_RESPONSES = st.builds(AccountQueryResponse, timestamp_ns=U64, next_user_ref=U32)
FIRMS = {**OPEN, "firm": text(4)}
ANSWERS_OF_C: st.SearchStrategy[Outbound] = st.one_of(
    st.builds(
        AiqCanceled,
        **OPEN,
        quantity=U32,
        reason=st.just("Q"),
        quantity_prevented=U32,
        price=U64,
        liquidity=CHAR,
    ),
    st.builds(OrderModified, **OPEN, side=CHAR, quantity=U32),
    st.builds(OrderRestated, **OPEN, reason=CHAR, appendage=APPENDAGES),
    st.builds(MassCancelResponse, **FIRMS, symbol=text(8)),
    st.builds(DisableOrderEntryResponse, **FIRMS),
    st.builds(EnableOrderEntryResponse, **FIRMS),
    SYSTEM_EVENTS,
    ACCEPTEDS,
    REPLACEDS,
    CANCELEDS,
    EXECUTEDS,
    REJECTEDS,
    CANCEL_REJECTS,
    QUERY_RESPONSES,
)
ANSWERS: st.SearchStrategy[Outbound] = st.one_of(
    ANSWERS_OF_C,
    st.builds(
        AiqCanceled,
        **OPEN,
        quantity=U32,
        reason=CHAR,
        quantity_prevented=U32,
        price=U64,
        liquidity=CHAR,
    ),
    st.builds(BrokenTrade, **OPEN, match_number=U64, reason=CHAR, clordid=text(14)),
    st.builds(
        TradeCorrection,
        **OPEN,
        quantity=U32,
        price=U64,
        liquidity=CHAR,
        match_number=U64,
        reason=CHAR,
        clordid=text(14),
    ),
    st.builds(CancelPending, **OPEN),
    st.builds(OrderPriorityUpdate, **OPEN, price=U64, display=CHAR, order_reference=U64),
    st.builds(MassCancelResponse, **FIRMS, symbol=text(8), appendage=APPENDAGES),
    st.builds(DisableOrderEntryResponse, **FIRMS, appendage=APPENDAGES),
    st.builds(EnableOrderEntryResponse, **FIRMS, appendage=APPENDAGES),
)

C_ENCODERS: dict[type[Message], tuple[str, object]] = {
    SystemEvent: ("prt_ouch_system_event", lib.prt_ouch_encode_system_event),
    OrderAccepted: ("prt_ouch_accepted", lib.prt_ouch_encode_accepted),
    OrderReplaced: ("prt_ouch_replaced", lib.prt_ouch_encode_replaced),
    OrderCanceled: ("prt_ouch_canceled", lib.prt_ouch_encode_canceled),
    OrderExecuted: ("prt_ouch_executed", lib.prt_ouch_encode_executed),
    OrderRejected: ("prt_ouch_rejected", lib.prt_ouch_encode_rejected),
    CancelReject: ("prt_ouch_cancel_reject", lib.prt_ouch_encode_cancel_reject),
    AccountQueryResponse: ("prt_ouch_query_response", lib.prt_ouch_encode_query_response),
    AiqCanceled: ("prt_ouch_aiq_canceled", lib.prt_ouch_encode_aiq_canceled),
    OrderModified: ("prt_ouch_modified", lib.prt_ouch_encode_modified),
    OrderRestated: ("prt_ouch_restated", lib.prt_ouch_encode_restated),
    MassCancelResponse: (
        "prt_ouch_mass_cancel_response",
        lib.prt_ouch_encode_mass_cancel_response,
    ),
    DisableOrderEntryResponse: ("prt_ouch_entry_response", lib.prt_ouch_encode_entry_response),
    EnableOrderEntryResponse: ("prt_ouch_entry_response", lib.prt_ouch_encode_entry_response),
}
# The exchange has no options to say there.
WITHOUT_APPENDAGE = (MassCancelResponse, DisableOrderEntryResponse, EnableOrderEntryResponse)
WIDTHS = {"symbol": 8, "clordid": 14, "firm": 4}
# Where a later revision put an appendage behind.
LATE_BYTES = {b"X": 9, b"M": 10, b"Q": 1}
# Fields that C calls otherwise.
RENAMED = {"quantity_prevented": "prevented"}


def c_decode(data: bytes) -> Inbound | None:
    """prt_ouch_decode as the Python class; None for RB_FORMAT."""
    request = ffi.new("prt_ouch_request *")
    status = lib.prt_ouch_decode(ffi.from_buffer("uint8_t[]", data), len(data), request)
    if status == RB_FORMAT:
        return None
    assert status == 0
    appendage: Appendage = c_elements(request.appendage, request.appendage_bytes)

    def char(value: int) -> str:
        return chr(value).rstrip(" ")

    def padded(value: object) -> str:
        return bytes(ffi.buffer(value)).decode("latin-1").rstrip(" ")

    if request.kind == lib.PRT_OUCH_ENTER:
        return EnterOrder(
            user_ref=request.user_ref,
            side=char(request.side),
            quantity=request.quantity,
            symbol=padded(request.symbol),
            price=request.price,
            time_in_force=char(request.time_in_force),
            display=char(request.display),
            capacity=char(request.capacity),
            sweep=char(request.sweep),
            cross_type=char(request.cross_type),
            clordid=padded(request.clordid),
            appendage=appendage,
        )
    if request.kind == lib.PRT_OUCH_REPLACE:
        return ReplaceOrder(
            original_user_ref=request.original_user_ref,
            user_ref=request.user_ref,
            quantity=request.quantity,
            price=request.price,
            time_in_force=char(request.time_in_force),
            display=char(request.display),
            sweep=char(request.sweep),
            clordid=padded(request.clordid),
            appendage=appendage,
        )
    late = None if len(data) == LATE_BYTES.get(data[:1]) else appendage
    if request.kind == lib.PRT_OUCH_CANCEL:
        return CancelOrder(request.user_ref, request.quantity, late)
    if request.kind == lib.PRT_OUCH_MODIFY:
        return ModifyOrder(request.user_ref, char(request.side), request.quantity, late)
    if request.kind == lib.PRT_OUCH_MASS_CANCEL:
        firm, symbol = padded(request.firm), padded(request.symbol)
        return MassCancel(request.user_ref, firm, symbol, appendage)
    if request.kind == lib.PRT_OUCH_DISABLE:
        return DisableOrderEntry(request.user_ref, padded(request.firm), appendage)
    if request.kind == lib.PRT_OUCH_ENABLE:
        return EnableOrderEntry(request.user_ref, padded(request.firm), appendage)
    assert request.kind == lib.PRT_OUCH_QUERY
    return AccountQuery(late)


def c_elements(appendage: object, count: int) -> Appendage:
    """The elements as prt_ouch_next_element finds them."""
    found = []
    one = ffi.new("prt_ouch_element *")
    at = 0
    while at < count:
        taken = lib.prt_ouch_next_element(ffi.cast("uint8_t *", appendage) + at, count - at, one)
        assert taken > 0
        found.append((one.tag, bytes(ffi.buffer(one.value, one.value_bytes))))
        at += taken
    assert at == count
    return tuple(found)


def c_encode(message: Outbound, room: int = 4096) -> bytes:
    """The message by the C encoder of its kind."""
    name, encode = C_ENCODERS[type(message)]
    struct_ = ffi.new(f"{name} *")
    alive = []
    for field in (one.name for one in fields(message)):
        value = getattr(message, field)
        target = struct_
        field = RENAMED.get(field, field)
        if isinstance(message, AiqCanceled) and field == "reason":
            continue
        if isinstance(message, WITHOUT_APPENDAGE) and field == "appendage":
            continue
        if isinstance(message, OrderReplaced) and field != "original_user_ref":
            target = struct_.order
        if field == "appendage":
            raw = encode_appendage(value)
            alive.append(ffi.from_buffer("uint8_t[]", raw))
            target.appendage = alive[-1] if raw else ffi.NULL
            target.appendage_bytes = len(raw)
        elif field in WIDTHS:
            setattr(target, field, value.encode("latin-1").ljust(WIDTHS[field]))
        else:
            setattr(target, field, ord(value) if isinstance(value, str) else value)
    if isinstance(message, EnableOrderEntryResponse):
        struct_.is_enabled = 1
    out = ffi.new("uint8_t[]", room)
    assert callable(encode)
    return bytes(ffi.buffer(out, encode(out, room, struct_)))


def captured_segments(path: Path) -> list[bytes]:
    """TCP payloads of a pcap of Ethernet frames, with or without nanoseconds and VLAN."""
    data = path.read_bytes()
    assert data[:4] in (b"\x4d\x3c\xb2\xa1", b"\xd4\xc3\xb2\xa1")
    segments = []
    at = 24
    while at < len(data):
        size = int.from_bytes(data[at + 8 : at + 12], "little")
        frame = data[at + 16 : at + 16 + size]
        at += 16 + size
        ip = frame[18:] if frame[12:14] == b"\x81\x00" else frame[14:]
        tcp = ip[(ip[0] & 15) * 4 : int.from_bytes(ip[2:4], "big")]
        segments.append(tcp[(tcp[12] >> 4) * 4 :])
    return segments


def assert_both_understand(data: bytes, message: Inbound | Outbound) -> None:
    assert message.encode() == data
    if type(message).TYPE in INBOUND and isinstance(message, Inbound):
        assert decode_inbound(data) == message
        assert c_decode(data) == message
    else:
        assert not isinstance(message, Inbound)
        assert decode_outbound(data) == message
        assert c_encode(message) == data


@pytest.mark.parametrize("data", GENUINE)
def test_genuine_messages(data: str) -> None:
    assert_both_understand(bytes.fromhex(data), GENUINE[data])


def test_genuine_captures() -> None:
    """Every OUCH message of the captures, where this machine has them; four are also above."""
    for path in sorted(CAPTURES.glob("*.pcap")):
        for segment in captured_segments(path):
            side = FROM_CLIENT if segment[2:3] in (UNSEQUENCED, b"R") else FROM_SERVER
            for kind, payload in SoupDecoder(side).feed(segment):
                if kind == UNSEQUENCED:
                    assert_both_understand(payload, decode_inbound(payload))
                elif kind == SEQUENCED:
                    assert_both_understand(payload, decode_outbound(payload))
                else:
                    assert payload == b""


# A message of every kind, written out from the tables of the specification.
BYTES: dict[str, Inbound | Outbound] = {
    "55 00000001 00000002 000000c8 0000000000002710 33 4e 59"
    + b"again         ".hex()
    + "0006 05 05 00000064": ReplaceOrder(
        1, 2, 200, 10000, "3", "N", "Y", "again", ((5, b"\0\0\0d"),)
    ),
    "4d 00000003 54 00000009": ModifyOrder(3, "T", 9),
    "51": AccountQuery(),
    "53 0000000000000001 45": SystemEvent(1, "E"),
    "55 0000000000000001 00000002 00000003 53 00000004"
    + b"IBM     ".hex()
    + "0000000000000005 30 59 0000000000000006 41 4e 4e 4c"
    + b"              ".hex()
    + "0000": OrderReplaced(1, 2, 3, "S", 4, "IBM", 5, "0", "Y", 6, "A", "N", "N", "L"),
    "44 0000000000000001 00000002 00000003 51 00000004 0000000000000005 52": AiqCanceled(
        1, 2, 3, "Q", 4, 5, "R"
    ),
    "45 0000000000000001 00000002 00000003 0000000000000004 41 0000000000000005"
    "000d 09 13 0000000000000006 02 14 49": OrderExecuted(
        1, 2, 3, 4, "A", 5, ((19, bytes(7) + b"\x06"), (20, b"I"))
    ),
    "42 0000000000000001 00000002 0000000000000003 45" + b"x             ".hex(): BrokenTrade(
        1, 2, 3, "E", "x"
    ),
    "46 0000000000000001 00000002 00000003 0000000000000004 41 0000000000000005 4e"
    + b"              ".hex(): TradeCorrection(1, 2, 3, 4, "A", 5, "N"),
    "4a 0000000000000001 00000002 0017" + b"bad symbol    ".hex(): OrderRejected(
        1, 2, 23, "bad symbol"
    ),
    "50 0000000000000001 00000002": CancelPending(1, 2),
    "49 0000000000000001 00000002": CancelReject(1, 2),
    "54 0000000000000001 00000002 0000000000000003 4e 0000000000000004": OrderPriorityUpdate(
        1, 2, 3, "N", 4
    ),
    "4d 0000000000000001 00000002 45 00000003": OrderModified(1, 2, "E", 3),
    "52 0000000000000001 00000002 52 0006 05 16 00000064": OrderRestated(
        1, 2, "R", ((22, b"\0\0\0d"),)
    ),
    "51 0000000000000001 00000002": AccountQueryResponse(1, 2),
    "43 00000009 46524d31" + b"IBM     ".hex() + "0003 02 1b 42": MassCancel(
        9, "FRM1", "IBM", ((27, b"B"),)
    ),
    "44 0000000a 20202020 0000": DisableOrderEntry(10),
    "45 0000000b 46524d31 0000": EnableOrderEntry(11, "FRM1"),
    "58 0000000000000001 00000009 46524d31" + b"IBM     ".hex() + "0000": MassCancelResponse(
        1, 9, "FRM1", "IBM"
    ),
    "47 0000000000000001 0000000a 20202020 0000": DisableOrderEntryResponse(1, 10),
    "4b 0000000000000001 0000000b 46524d31 0000": EnableOrderEntryResponse(1, 11, "FRM1"),
}


@pytest.mark.parametrize("data", BYTES)
def test_every_layout(data: str) -> None:
    raw = bytes.fromhex(data)
    message = BYTES[data]
    assert message.encode() == raw
    if isinstance(message, Inbound):
        assert decode_inbound(raw) == message
        assert c_decode(raw) == message
    else:
        assert decode_outbound(raw) == message
        if type(message) in C_ENCODERS:
            assert c_encode(message) == raw


def test_every_kind_has_its_bytes() -> None:
    known = {type(message) for message in [*BYTES.values(), *GENUINE.values()]}
    assert known == {*INBOUND.values(), *OUTBOUND.values()}


@given(REQUESTS)
def test_requests_python_to_c(message: Inbound) -> None:
    data = message.encode()
    assert decode_inbound(data) == message
    assert c_decode(data) == message


@given(ANSWERS)
def test_answers_round_trip(message: Outbound) -> None:
    assert decode_outbound(message.encode()) == message


@given(ANSWERS_OF_C)
def test_answers_c_to_python(message: Outbound) -> None:
    data = c_encode(message)
    assert decode_outbound(data) == message
    assert data == message.encode()
    assert c_encode(message, room=len(data)) == data
    assert c_encode(message, room=len(data) - 1) == b""


@given(REQUESTS, st.data())
def test_truncated_requests(message: Inbound, draw: st.DataObject) -> None:
    data = message.encode()
    cut = data[: draw.draw(st.integers(0, len(data) - 1))]
    if len(cut) == LATE_BYTES.get(cut[:1]):
        assert c_decode(cut) == decode_inbound(cut)
        return
    assert c_decode(cut) is None
    with pytest.raises(FormatError):
        decode_inbound(cut)


@given(ANSWERS, st.data())
def test_truncated_answers(message: Outbound, draw: st.DataObject) -> None:
    data = message.encode()
    with pytest.raises(FormatError):
        decode_outbound(data[: draw.draw(st.integers(0, len(data) - 1))])
    with pytest.raises(FormatError):
        decode_outbound(data + b"\0")


@given(
    st.one_of(
        st.binary(max_size=80),
        st.builds(
            lambda head, options: head + len(options).to_bytes(2, "big") + options,
            st.sampled_from([b"O" + bytes(44), b"U" + bytes(37)]),
            st.lists(st.integers(0, 30), max_size=12).map(bytes),
        ),
    )
)
def test_c_and_python_agree_on_garbage(data: bytes) -> None:
    try:
        expected = decode_inbound(data)
    except FormatError:
        assert c_decode(data) is None
    else:
        assert c_decode(data) == expected
        assert expected.encode() == data


@given(st.binary(max_size=80))
def test_garbage_answers(data: bytes) -> None:
    try:
        message = decode_outbound(data)
    except FormatError:
        return
    assert message.encode() == data


def enter(options: bytes) -> bytes:
    """An Enter Order with these bytes as its appendage."""
    return b"O" + bytes(44) + len(options).to_bytes(2, "big") + options


@pytest.mark.parametrize("tag", TAG_FORMATS)
def test_a_known_tag_of_another_size_is_refused(tag: int) -> None:
    size = struct.calcsize(TAG_FORMATS[tag])
    for wrong in {0, size - 1, size + 1} - {size}:
        options = bytes([wrong + 1, tag]) + bytes(wrong)
        assert c_decode(enter(options)) is None
        with pytest.raises(FormatError):
            decode_appendage(options)
        with pytest.raises(UsageError):
            encode_appendage(((tag, bytes(wrong)),))
    right = bytes([size + 1, tag]) + bytes(size)
    decoded = c_decode(enter(right))
    assert isinstance(decoded, EnterOrder)
    assert decoded.appendage == ((tag, bytes(size)),) == decode_appendage(right)


def test_unknown_tags_are_passed_over() -> None:
    options = bytes.fromhex("0108 0315beef 05024c494d45")
    decoded = c_decode(enter(options))
    assert isinstance(decoded, EnterOrder)
    assert decoded.appendage == ((8, b""), (21, b"\xbe\xef"), (2, b"LIME"))
    assert find_option(decoded.appendage, Tag.FIRM) == "LIME"


@pytest.mark.parametrize("options", ["00", "01", "0002", "0502414243", "05024142434400"])
def test_broken_appendages(options: str) -> None:
    data = enter(bytes.fromhex(options))
    assert c_decode(data) is None
    with pytest.raises(FormatError):
        decode_inbound(data)


@pytest.mark.parametrize(
    ("tag", "value", "raw"),
    [
        (Tag.FIRM, "AB", b"AB  "),
        (Tag.MIN_QUANTITY, 100, b"\0\0\0d"),
        (Tag.PEG_OFFSET, -100, b"\xff\xff\xff\x9c"),
        (Tag.DISCRETION_PRICE, 2**40, b"\0\0\x01\0\0\0\0\0"),
        (Tag.POST_ONLY, "P", b"P"),
        (Tag.GROUP_ID, 513, b"\x02\x01"),
    ],
)
def test_options(tag: int, value: int | str, raw: bytes) -> None:
    assert option(tag, value) == (tag, raw)
    assert find_option(((200, b""), option(tag, value)), tag) == value
    assert find_option((), tag) is None


@pytest.mark.parametrize(
    ("tag", "value"),
    [(8, 1), (Tag.FIRM, 7), (Tag.FIRM, "FIVEE"), (Tag.MIN_QUANTITY, "1"), (Tag.GROUP_ID, 65536)],
)
def test_options_that_do_not_fit(tag: int, value: int | str) -> None:
    with pytest.raises(UsageError):
        option(tag, value)


@pytest.mark.parametrize(
    "message",
    [
        EnterOrder(2**32, "B", 1, "A", 1),
        EnterOrder(1, "BB", 1, "A", 1),
        EnterOrder(1, "B", -1, "A", 1),
        EnterOrder(1, "B", 1, "NINECHARS", 1),
        EnterOrder(1, "B", 1, "€", 1),
        EnterOrder(1, "B", 1, "A", 1, appendage=((256, b""),)),
        EnterOrder(1, "B", 1, "A", 1, appendage=((200, bytes(255)),)),
        EnterOrder(1, "B", 1, "A", 1, appendage=((200, bytes(254)),) * 257),
    ],
)
def test_messages_that_cannot_be_said(message: Inbound) -> None:
    with pytest.raises(UsageError):
        message.encode()


def test_decode_of_another_kind() -> None:
    with pytest.raises(FormatError, match="CancelOrder begins with b'X'"):
        CancelOrder.decode(AccountQuery().encode())


REASONS = {
    RejectReason.UNKNOWN_INSTRUMENT: "invalid symbol",
    RejectReason.INVALID_SIDE: "invalid side",
    RejectReason.INVALID_QUANTITY: "invalid quantity",
    RejectReason.INVALID_PRICE: "invalid price",
    RejectReason.OFF_TICK: "invalid price",
    RejectReason.OFF_LOT: "invalid quantity",
    RejectReason.INVALID_TIME_IN_FORCE: "other",
    RejectReason.INVALID_DISPLAY: "invalid display",
    RejectReason.UNKNOWN_ORDER: "replace not allowed",
    RejectReason.NOT_SUPPORTED: "other",
    RejectReason.ORDER_CAPACITY: "processing error",
    RejectReason.PRICE_CAPACITY: "processing error",
    RejectReason.INVALID_PROPOSAL: "processing error",
    RejectReason.INVALID_CLIENT_ORDER_ID: "other",
    RejectReason.INVALID_OPTIONS: "other",
    RejectReason.INVALID_MINIMUM_QUANTITY: "invalid min quantity",
    RejectReason.WOULD_TRADE: "crossed market",
    RejectReason.INSTRUMENT_STATE: "halted",
    RejectReason.INVALID_LEGS: "other",
    RejectReason.INVALID_CROSS: "invalid cross order",
    RejectReason.STALE_CROSS: "invalid cross order",
    RejectReason.QUANTITY_EXCEEDED: "shares exceed threshold",
    RejectReason.NOTIONAL_EXCEEDED: "exceeds maximum notional",
    RejectReason.ENTRY_DISABLED: "firm not authorised",
    RejectReason.THROTTLED: "other",
    RejectReason.INVALID_DISPLAY_QUANTITY: "invalid max floor",
    RejectReason.INVALID_PEG_TYPE: "invalid peg type",
    RejectReason.PEGGING_NOT_SUPPORTED: "pegging not allowed",
    RejectReason.ROUTING_NOT_SUPPORTED: "routing not allowed",
    RejectReason.RETAIL_NOT_SUPPORTED: "retail not allowed",
    RejectReason.UNKNOWN_FIRM: "firm not authorised",
    RejectReason.INVALID_TRADE: "other",
    RejectReason.PRICE_COLLAR: "invalid price",
    RejectReason.FAT_FINGER: "fat finger",
    RejectReason.RESTRICTED: "firm not authorised",
    RejectReason.DAY_CLOSED: "halted",
    RejectReason.OPEN_LONG_LIMIT: "shares exceed threshold",
    RejectReason.OPEN_SHORT_LIMIT: "shares exceed threshold",
    RejectReason.NET_POSITION_LIMIT: "shares exceed threshold",
    RejectReason.GROSS_POSITION_LIMIT: "shares exceed threshold",
    RejectReason.TRADED_QUANTITY_LIMIT: "shares exceed threshold",
    RejectReason.TRADED_NOTIONAL_LIMIT: "exceeds maximum notional",
    RejectReason.OPEN_ORDERS_LIMIT: "other",
    RejectReason.MESSAGE_RATE_LIMIT: "other",
    RejectReason.KILLED: "firm not authorised",
    RejectReason.UNKNOWN_OWNER: "firm not authorised",
    RejectReason.RISK_CAPACITY: "processing error",
}


@pytest.mark.parametrize("reason", RejectReason)
def test_reject_reasons(reason: RejectReason) -> None:
    number = lib.prt_ouch_reject_reason(reason)
    assert REJECT_REASONS[number] == OrderRejected(1, 2, number).reason_text == REASONS[reason]


def test_unknown_reject_reasons() -> None:
    assert lib.prt_ouch_reject_reason(0) == lib.prt_ouch_reject_reason(65535) == 15
    assert OrderRejected(1, 2, 99).reason_text == "reason 99"
