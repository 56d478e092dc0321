"""Raw scripted messages against the FIX port, and what FIX says must come of each.

Every case stands for one line of the table of bad input; both versions go through all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ports.fix import FIX42, FIX44, SECOND_NS, time_text
from ports.fix_session import FAREWELL_NS, LOGON_NS, TOLERANCE_NS
from tests.ports.fix_client import Client, frame, order
from tests.ports.fix_exchange import FixExchange, limits
from tests.ports.venue import START_NS

NOW = time_text(START_NS)
LATER = time_text(START_NS + 10 * SECOND_NS)
TOO_LOW = "MsgSeqNum too low, expecting {} but received {}"


@pytest.fixture
def exchange() -> Iterator[FixExchange]:
    with FixExchange() as made:
        yield made


@pytest.fixture(params=[FIX42, FIX44])
def alice(request: pytest.FixtureRequest, exchange: FixExchange) -> Client:
    """A client that is logged on; its next message is 2, the port's too."""
    return exchange.login("ALICE", request.param)


def probe(client: Client, number: int) -> None:
    """The port's next message is `number`, and it takes the client's next one."""
    client.send("1", (112, "probe"))
    answer = client.one("0")
    assert (answer[34], answer[112]) == (str(number), "probe")


def rejected(client: Client, number: int, text: str, tag: int | None, reason: int) -> None:
    """The next message rejects the client's message `number`, as the version can say it."""
    message = client.one("3")
    assert (message[45], message[58]) == (str(number), text)
    assert message.get(371) == (None if tag is None else str(tag))
    known = client.begin == FIX44 or reason <= 11
    assert message.get(373) == (str(reason) if known else None)


# Logon.


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_a_logon_is_answered(exchange: FixExchange, begin: str) -> None:
    client = exchange.connect("ALICE", begin)
    client.logon(17)
    answer = client.one("A")
    assert (answer[8], answer[34], answer[98], answer[108]) == (begin, "1", "0", "17")
    assert 141 not in answer
    assert b"\x0135=A\x0134=1\x0149=RINGBUS\x0152=" in client.raw_got
    probe(client, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"h49": "NOBODY"},
        {"h56": "OTHER"},
        {"h49": None},
        {"h56": None},
        {"h34": None},
        {"h34": "none"},
        {"h34": "0"},
        {"h52": None},
        {"h52": time_text(START_NS - TOLERANCE_NS - SECOND_NS)},
        {"h52": time_text(START_NS + TOLERANCE_NS + SECOND_NS)},
        {"h52": "yesterday"},
    ],
)
def test_a_bad_logon_is_cut_off_without_a_word(
    exchange: FixExchange, changes: dict[str, str | None]
) -> None:
    client = exchange.connect()
    client.logon(30, **changes)
    client.ended()
    assert exchange.stream()["topic"].any() == 0


@pytest.mark.parametrize(
    ("begin", "fields"),
    [
        ("FIX.4.1", ((98, "0"), (108, "30"))),
        ("FIX.5.0", ((98, "0"), (108, "30"))),
        (FIX44, ((108, "30"),)),
        (FIX44, ((98, "0"),)),
        (FIX44, ((98, "1"), (108, "30"))),
        (FIX44, ((98, "0"), (108, "soon"))),
    ],
)
def test_a_logon_of_another_kind_is_cut_off_too(
    exchange: FixExchange, begin: str, fields: tuple[tuple[int, str], ...]
) -> None:
    client = exchange.connect("ALICE", begin)
    client.send("A", *fields)
    client.ended()


def test_the_first_message_must_be_a_logon(exchange: FixExchange) -> None:
    client = exchange.connect()
    client.send("0")
    client.ended()


def test_a_garbled_logon_is_waited_over(exchange: FixExchange) -> None:
    """Wrong length or checksum: ignored; the next one counts, or the time is over."""
    client = exchange.connect()
    body = client.body("A", (98, "0"), (108, "30"))
    client.raw(frame(FIX44, body, checksum=1))
    client.raw(frame(FIX44, body, length=len(body) - 3))
    exchange.settle()
    assert client.got == []
    client.logon()
    client.one("A")
    silent = exchange.connect("BOB")
    exchange.settle()
    exchange.advance(LOGON_NS)
    silent.ended()


def test_the_second_connection_of_a_client_is_cut_off(exchange: FixExchange, alice: Client) -> None:
    second = exchange.connect("ALICE", alice.begin)
    second.number = 2
    second.logon()
    second.ended()
    probe(alice, 2)


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_a_logon_that_is_too_high_is_answered_and_asked_behind(
    exchange: FixExchange, begin: str
) -> None:
    client = exchange.connect("ALICE", begin)
    client.number = 5
    client.logon()
    answer, request = client.take(2)
    assert (answer[35], answer[34]) == ("A", "1")
    assert (request[35], request[34], request[7], request[16]) == ("2", "2", "1", "0")
    client.send("4", (36, "6"), (123, "Y"), h34="1", h43="Y", h122=NOW)
    probe(client, 3)


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_a_logon_that_is_too_low_is_told_so(exchange: FixExchange, begin: str) -> None:
    first = exchange.login("ALICE", begin)
    probe(first, 2)
    first.close()
    exchange.settle()
    second = exchange.connect("ALICE", begin)
    second.logon()
    assert second.one("5")[58] == TOO_LOW.format(3, 1)
    second.ended()


@pytest.mark.parametrize(("is_live", "said"), [(True, "Y"), (False, "N")])
def test_a_logon_for_the_other_environment_is_told_so(is_live: bool, said: str) -> None:
    """TestMessageIndicator; who says nothing of it, as FIX 4.2 cannot, is let in."""
    here = "N" if said == "Y" else "Y"
    with FixExchange(limits=limits(is_live=is_live)) as exchange:
        other = exchange.connect()
        other.logon(30, (464, said))
        refusal = other.one("5")[58]
        assert refusal.startswith(f"This exchange is {'live' if is_live else 'test'}, the Logon")
        other.ended()
        exchange.settle()
        same = exchange.connect("BOB")
        same.logon(30, (464, here))
        assert same.one("A")[464] == here
        same.close()
        exchange.settle()
        silent = exchange.connect("CAROL")
        silent.logon(30)
        assert 464 not in silent.one("A")


def test_a_logon_can_begin_anew(alice: Client) -> None:
    alice.send("D", *order("A"))
    alice.one("8")
    alice.number = 1
    alice.logon(30, (141, "Y"))
    answer = alice.one("A")
    assert (answer[34], answer[141]) == ("1", "Y")
    probe(alice, 2)


def test_a_second_logon_ends_the_session(alice: Client) -> None:
    alice.logon()
    assert alice.one("5")[58] == "Already logged on"


# Sequence numbers.


def test_a_number_that_is_too_high_is_asked_behind_once_and_queued(alice: Client) -> None:
    alice.number = 6
    alice.send("1", (112, "six"))
    alice.send("1", (112, "seven"))
    request = alice.one("2")
    assert (request[34], request[7], request[16]) == ("2", "2", "0")
    alice.send("1", (112, "two"), h34="2", h43="Y", h122=NOW)
    alice.send("4", (36, "6"), (123, "Y"), h34="3", h43="Y", h122=NOW)
    answers = alice.take(3)
    assert [(one[34], one[112]) for one in answers] == [("3", "two"), ("4", "six"), ("5", "seven")]
    # What was queued comes again: it is a duplicate.
    alice.send("1", (112, "six"), h34="6", h43="Y", h122=NOW)
    probe(alice, 6)


def test_an_order_behind_a_gap_waits_for_it(alice: Client) -> None:
    alice.number = 3
    alice.send("D", *order("second"))
    assert alice.one("2")[7] == "2"
    alice.send("D", *order("first"), h34="2", h43="Y", h122=NOW)
    assert [one[11] for one in alice.take(2)] == ["first", "second"]


def test_a_number_that_is_too_low_ends_the_session(alice: Client) -> None:
    alice.send("0")
    alice.send("0", h34="2")
    assert alice.one("5")[58] == TOO_LOW.format(3, 2)
    alice.ended()


def test_a_duplicate_that_says_so_is_ignored(alice: Client) -> None:
    alice.send("D", *order("A"))
    alice.one("8")
    alice.send("D", *order("A"), h34="2", h43="Y", h122=NOW)
    probe(alice, 3)


def test_a_duplicate_without_its_time_is_rejected(alice: Client) -> None:
    alice.send("0")
    alice.send("0", h34="2", h43="Y")
    rejected(alice, 2, "Required tag missing", 122, 1)
    probe(alice, 3)


def test_a_duplicate_from_the_future_ends_the_session(alice: Client) -> None:
    alice.send("0")
    alice.send("0", h34="2", h43="Y", h122=LATER)
    reject, logout = alice.take(2)
    assert (reject[35], reject[58], reject[373]) == ("3", "SendingTime accuracy problem", "10")
    assert logout[35] == "5"
    alice.send("5")
    alice.ended()


def test_an_order_that_may_have_been_sent_before_is_looked_up(alice: Client) -> None:
    alice.send("D", *order("A"))
    alice.one("8")
    alice.send("D", *order("A"), h97="Y")
    alice.send("D", *order("B"), h97="Y")
    assert alice.one("8")[11] == "B"


def test_a_message_without_a_number_ends_the_session(alice: Client) -> None:
    alice.send("0", h34=None)
    assert "MsgSeqNum" in alice.one("5")[58]


# Resending.


def test_what_was_sent_is_sent_again(alice: Client) -> None:
    """Reports with their numbers, what is between as gaps; from the stream alone."""
    alice.send("1", (112, "x"))
    alice.one("0")
    alice.send("D", *order("A"))
    alice.send("D", *order("B"))
    first = alice.take(2)
    alice.send("1", (112, "y"))
    alice.one("0")
    alice.send("2", (7, "1"), (16, "0"))
    gap, *again, last = alice.take(4)
    assert (gap[35], gap[34], gap[36], gap[123], gap[43]) == ("4", "1", "3", "Y", "Y")
    assert (last[35], last[34], last[36]) == ("4", "5", "6")
    for one, two in zip(first, again, strict=True):
        assert (two[43], two[122] <= two[52]) == ("Y", True)
        changed = (9, 10, 43, 52, 122)
        assert {t: v for t, v in one.items() if t not in changed} == {
            t: v for t, v in two.items() if t not in changed
        }
    alice.send("2", (7, "3"), (16, "3"))
    assert alice.one("8")[11] == "A"
    alice.send("2", (7, "2"), (16, "2"))
    assert (alice.one("4")[36]) == "3"
    probe(alice, 6)


def test_both_may_ask_for_what_they_miss(alice: Client) -> None:
    alice.send("D", *order("A"))
    alice.one("8")
    alice.number = 6
    alice.send("0")
    assert alice.one("2")[7] == "3"
    alice.send("2", (7, "2"), (16, "2"))
    again = alice.one("8")
    assert (again[34], again[11], again[43]) == ("2", "A", "Y")
    for n in (3, 4, 5):
        alice.send("0", h34=str(n), h43="Y", h122=NOW)
    alice.send("4", (36, "8"), (123, "Y"), h34="7", h43="Y", h122=NOW)
    probe(alice, 4)


def test_nothing_is_sent_again_that_never_was(alice: Client) -> None:
    alice.send("2", (7, "7"), (16, "0"))
    probe(alice, 2)


# Sequence reset.


def test_a_gap_fill_in_its_turn(alice: Client) -> None:
    alice.send("4", (36, "20"), (123, "Y"))
    alice.number = 20
    probe(alice, 2)


def test_a_gap_fill_that_is_too_high_is_a_gap(alice: Client) -> None:
    alice.send("4", (36, "20"), (123, "Y"), h34="10")
    alice.send("1", (112, "x"), h34="20")
    assert alice.one("2")[7] == "2"
    alice.send("5")
    alice.one("5")
    alice.ended()


def test_a_gap_fill_that_is_too_low(alice: Client) -> None:
    alice.send("4", (36, "20"), (123, "Y"), h34="1", h43="Y", h122=NOW)
    probe(alice, 2)
    alice.send("4", (36, "20"), (123, "Y"), h34="1")
    assert alice.one("5")[58] == TOO_LOW.format(3, 1)
    alice.ended()


@pytest.mark.parametrize("flag", [(), ((123, "N"),)])
def test_a_reset_moves_the_number_up(alice: Client, flag: tuple[tuple[int, str], ...]) -> None:
    alice.send("4", (36, "25"), *flag, h34="0")
    alice.number = 25
    probe(alice, 2)
    alice.send("4", (36, "26"), *flag, h34="7")
    probe(alice, 3)


@pytest.mark.parametrize("flag", [(), ((123, "N"),)])
def test_a_reset_never_moves_it_down(alice: Client, flag: tuple[tuple[int, str], ...]) -> None:
    alice.send("4", (36, "1"), *flag, h34="0")
    rejected(alice, 0, "Value is incorrect (out of range) for this tag", None, 5)
    probe(alice, 3)


# Garbled messages.


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: frame(FIX44, body, checksum=(sum(body) + 1) % 256),
        lambda body: frame(FIX44, body, length=len(body) - 5),
        lambda body: frame(FIX44, body, length=len(body) + 1),
        lambda body: b"8=FIX.4.4\x0135=0\x019=5\x0134=2\x0110=000\x01",
        lambda body: b"9=5\x018=FIX.4.4\x0135=0\x0134=2\x0110=000\x01",
        lambda body: b"8=FIX.4.4\x019=abc\x0135=0\x0134=2\x0110=000\x01",
        lambda body: b"8=FIX.4.4\x019=99999999\x0135=0\x0134=2\x0110=000\x01",
        lambda body: frame(FIX44, body + b"no tag\x01"),
        lambda body: frame(FIX44, b"34=2\x01" + body),
        lambda body: b"\x00\xff" * 40 + b"8=FIX",
    ],
)
def test_a_garbled_message_is_ignored_and_its_number_missed(
    exchange: FixExchange, alice: Client, spoil: object
) -> None:
    assert callable(spoil)
    alice.raw(spoil(alice.body("0")).replace(FIX44.encode(), alice.begin.encode()))
    exchange.settle()
    assert (alice.got, alice.closed) == ([], False)
    alice.number = 3
    # One that was cut short by the garbled one's length is lost with it; the next is not.
    alice.send("0")
    alice.send("0")
    alice.send("0")
    assert alice.one("2")[7] == "2"


# What a message must be.


@pytest.mark.parametrize(
    ("type_", "fields", "changes", "text", "tag", "reason"),
    [
        ("0", [(999, "x")], {}, "Invalid tag number", 999, 0),
        ("0", [(0, "x")], {}, "Invalid tag number", 0, 0),
        ("0", [(-1, "x")], {}, "Invalid tag number", -1, 0),
        ("0", [(5000, "x")], {}, "Invalid tag number", 5000, 0),
        ("0", [], {"h56": None}, "Required tag missing", 56, 1),
        ("0", [], {"h52": None}, "Required tag missing", 52, 1),
        ("1", [], {}, "Required tag missing", 112, 1),
        ("2", [(7, "1")], {}, "Required tag missing", 16, 1),
        ("D", order("A", f55=None), {}, "Required tag missing", 55, 1),
        ("F", order("A", f21=None, f40=None, f44=None), {}, "Required tag missing", 41, 1),
        ("0", [(55, "X")], {}, "Tag not defined for this message type", 55, 2),
        ("0", [], {"h56": ""}, "Tag specified without a value", 56, 4),
        ("0", [(112, "")], {}, "Tag specified without a value", 112, 4),
        ("D", order("A", f21="4"), {}, "Value is incorrect (out of range) for this tag", 21, 5),
        ("D", order("A", f54="Z"), {}, "Value is incorrect (out of range) for this tag", 54, 5),
        ("D", order("A", f59="9"), {}, "Value is incorrect (out of range) for this tag", 59, 5),
        ("D", order("A" * 21), {}, "Value is incorrect (out of range) for this tag", 11, 5),
        ("D", order("A\xe9"), {}, "Value is incorrect (out of range) for this tag", 11, 5),
        ("D", order("A", f38="+200.00"), {}, "Incorrect data format for value", 38, 6),
        ("D", order("A", f44="1e3"), {}, "Incorrect data format for value", 44, 6),
        ("D", order("A", f60="now"), {}, "Incorrect data format for value", 60, 6),
        ("D", order("A", f54="12"), {}, "Incorrect data format for value", 54, 6),
        ("D", order("A", f126="20261122"), {}, "Incorrect data format for value", 126, 6),
        ("2", [(7, "-1"), (16, "0")], {}, "Incorrect data format for value", 7, 6),
        ("*", [], {}, "Invalid MsgType", None, 11),
        ("ZZ", [], {}, "Invalid MsgType", None, 11),
        ("D", [*order("A"), (40, "2")], {}, "Tag appears more than once", 40, 13),
        ("D", order("A"), {"order": "body first"}, "Tag specified out of required order", 34, 14),
        ("D", [*order("A"), (78, "2"), (79, "X")], {}, None, 78, 16),
    ],
)  # fmt: skip
def test_a_message_that_breaks_a_rule_is_rejected_and_its_number_used_up(
    alice: Client,
    type_: str,
    fields: list[tuple[int, str]],
    changes: dict[str, str | None],
    text: str | None,
    tag: int | None,
    reason: int,
) -> None:
    if "order" in changes:
        body = alice.body(type_, *fields)
        head, rest = body.split(b"\x0134=", 1)
        header, middle = rest[: rest.index(b"\x0111=") + 1], rest[rest.index(b"\x0111=") + 1 :]
        alice.raw(frame(alice.begin, head + b"\x01" + middle + b"34=" + header))
        alice.number += 1
    else:
        alice.send(type_, *fields, **changes)
        alice.number += "h34" in changes
    text = text or "Incorrect NumInGroup count for repeating group"
    rejected(alice, 2, text, tag, reason)
    probe(alice, 3)


@pytest.mark.parametrize("changes", [{"h49": "BOB"}, {"h56": "OTHER"}, {"h49": "B", "h56": "O"}])
def test_another_comp_id_ends_the_session(alice: Client, changes: dict[str, str | None]) -> None:
    alice.send("D", *order("A"), **changes)
    reject, logout = alice.take(2)
    assert (reject[35], reject[58], reject[373]) == ("3", "CompID problem", "9")
    assert 371 not in reject
    assert logout[35] == "5"
    alice.send("5")
    alice.ended()


@pytest.mark.parametrize("seconds", [-121, 121])
def test_a_clock_that_is_wrong_ends_the_session(alice: Client, seconds: int) -> None:
    alice.send("0", h52=time_text(START_NS + seconds * SECOND_NS))
    reject, logout = alice.take(2)
    assert (reject[35], reject[58]) == ("3", "SendingTime accuracy problem")
    assert logout[35] == "5"


def test_another_version_ends_the_session_whether_it_is_answered_or_not(
    exchange: FixExchange, alice: Client
) -> None:
    other = FIX42 if alice.begin == FIX44 else FIX44
    alice.raw(frame(other, alice.body("0")))
    assert alice.one("5")[58] == "Incorrect BeginString"
    exchange.advance(FAREWELL_NS)
    alice.ended()


@pytest.mark.parametrize("type_", ["8", "6", "R", "V"])
def test_a_type_that_is_not_taken_here_is_a_business_reject(alice: Client, type_: str) -> None:
    alice.send(type_, (58, "text"))
    reject = alice.one("j")
    assert (reject[45], reject[58], reject[372], reject[380]) == (
        "2", "Unsupported Message Type", type_, "3",
    )  # fmt: skip
    alice.send("2", (7, "2"), (16, "2"))
    again = alice.one("j")
    assert (again[34], again[45], again[372]) == ("2", "2", type_)


def test_mass_cancel_is_unknown_to_4_2(exchange: FixExchange) -> None:
    client = exchange.login("ALICE", FIX42)
    client.send("q", (11, "M"), (60, NOW), (530, "7"))
    rejected(client, 2, "Invalid MsgType", None, 11)


def test_fields_may_stand_in_any_order(alice: Client) -> None:
    alice.send("D", *reversed(order("A")))
    assert alice.one("8")[11] == "A"


def test_data_fields_may_hold_anything(alice: Client) -> None:
    """A length says how long; an SOH within is no end."""
    alice.send("D", *order("A"), (354, "3"), (355, "\x01=\x01"))
    assert alice.one("8")[11] == "A"


# Heartbeats, by simulated time.


def test_a_heartbeat_when_nothing_was_said(exchange: FixExchange, alice: Client) -> None:
    exchange.advance(30 * SECOND_NS)
    alice.send("0")
    assert alice.one("0")[34] == "2"
    exchange.advance(29 * SECOND_NS)
    exchange.settle()
    assert alice.got == []


def test_who_is_silent_is_asked_and_then_cut_off(exchange: FixExchange, alice: Client) -> None:
    exchange.advance(30 * SECOND_NS)
    alice.one("0")
    exchange.advance(6 * SECOND_NS)
    test = alice.one("1")
    assert (test[34], test[112]) == ("3", "TEST")
    alice.send("0", (112, "TEST"))
    exchange.settle()
    exchange.advance(30 * SECOND_NS)
    alice.one("0")
    exchange.advance(6 * SECOND_NS)
    alice.one("1")
    exchange.advance(36 * SECOND_NS)
    alice.ended()


def test_a_test_request_is_answered_with_its_id(alice: Client) -> None:
    alice.send("1", (112, "HELLO"))
    assert alice.one("0")[112] == "HELLO"


def test_a_reject_is_counted_and_that_is_all(alice: Client) -> None:
    alice.send("3", (45, "1"))
    probe(alice, 2)


def test_a_logout_is_answered(exchange: FixExchange, alice: Client) -> None:
    alice.send("5")
    assert alice.one("5")[34] == "2"
    alice.ended()
    again = exchange.login("ALICE", alice.begin, number=3)
    probe(again, 4)
