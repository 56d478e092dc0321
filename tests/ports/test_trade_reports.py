"""Rows of trades, and what a reporter and its facility say of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.fused import FusedEngine, Size
from ports.client import Instrument
from ports.fix import FIX44, Message, Pair, encode, parse, time_text
from ports.trade_reports import (
    ANSWER,
    BAD_PARTIES,
    BAD_TYPE,
    OTHER,
    REPORT,
    UNKNOWN_INSTRUMENT,
    Answer,
    Names,
    Report,
    Side,
    report,
)
from ports.trades import Trades
from ringbus.messages import EXECUTED, Template, TradeChangeKind
from ringbus.messages import Side as OrderSide
from ringbus.multicast import Reader
from ringbus.status import CorruptionError
from tests.engine.parts import grouped
from tests.engine.trader import new_order
from tools.console.trades import Trade, change

Lines = NDArray[np.void]
NAMES = Names("DAY1", 1_689_069_600_123_000_000)
INSTRUMENTS = [Instrument(f"S{n}", 100, 1, 10_000) for n in range(2)]
HEADER: list[Pair] = [
    (34, "2"), (49, "DAY1"), (52, time_text(10**18)), (56, "FACILITY"),
]  # fmt: skip


def day() -> Lines:
    """A trade that the buyer made, one that the seller made, a correction, a bust."""
    engine = FusedEngine(Size(instruments=2, contributors=1, topics=10))
    reader = Reader(engine.ring)

    def say(group: Lines) -> Lines:
        engine.propose(group)
        return reader.poll().copy()

    out = [
        say(new_order(1, 1, 11, 1, OrderSide.SELL, account=5, firm=6)),
        say(new_order(2, 1, 21, 1, account=7, firm=8)),
        say(new_order(2, 3, 22, 0, quantity=4, account=7, firm=8)),
        say(new_order(1, 3, 12, 0, OrderSide.SELL, quantity=4, account=5, firm=6)),
    ]
    for n, (kind, reason) in enumerate(
        ((TradeChangeKind.CORRECT, b"N"), (TradeChangeKind.BUST, b"C"))
    ):
        seen = Trade(out[3][1:].view(EXECUTED), 100, [b"", b""], [1, 1])
        group = grouped(change(seen, kind, 99, reason))
        group["topic"], group["topic_sequence"] = 9, n + 1
        out.append(say(group))
    engine.close()
    return np.concatenate(out)


def test_a_row_for_each_trade_and_each_change() -> None:
    rows = Trades().take(day())
    assert rows["kind"].tolist() == [0, 0, 2, 1]
    assert rows["sequence"].tolist() == [3, 7, 14, 23]
    assert rows["match"].tolist() == [3, 7, 7, 7]
    assert rows["last"].tolist() == [4, 8, 16, 25]
    assert rows["price_ticks"].tolist() == [100, 100, 99, 99]
    assert rows["quantity"].tolist() == [10, 4, 4, 4]
    assert rows["buyer_order"].tolist() == [21, 22, 22, 22]
    assert rows["seller_order"].tolist() == [11, 12, 12, 12]
    assert rows["buyer_removed"].tolist() == [True, False, False, False]
    assert rows["seller_removed"].tolist() == [False, True, True, True]
    names = ["buyer_session", "buyer_account", "buyer_firm"]
    assert set(rows[names].tolist()) == {(2, 7, 8)}


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7])
def test_batches_may_cut_a_trade_anywhere(step: int) -> None:
    stream, trades = day(), Trades()
    parts = [trades.take(stream[n : n + step]) for n in range(0, len(stream), step)]
    assert np.concatenate(parts).tobytes() == Trades().take(stream).tobytes()


def test_one_side_alone_is_no_trade() -> None:
    stream = day()
    at = int(np.flatnonzero(stream["template_id"] == Template.EXECUTED)[1])
    with pytest.raises(CorruptionError, match="one side of a trade"):
        Trades().take(np.delete(stream, at))


def said(number: int) -> Message:
    """The report of a row, as it comes over the wire."""
    row = Trades().take(day())[number]
    return parse(encode(FIX44, REPORT, [*HEADER, *report(NAMES, INSTRUMENTS, row)]))


@pytest.mark.parametrize(
    ("number", "name", "transaction", "refers_to", "price"),
    [
        (0, "DAY1-20230711100000123-3", "0", "", 10_000),
        (1, "DAY1-20230711100000123-7", "0", "", 10_000),
        (2, "DAY1-20230711100000123-14", "2", "DAY1-20230711100000123-7", 9900),
        (3, "DAY1-20230711100000123-23", "1", "DAY1-20230711100000123-7", 9900),
    ],
)
def test_a_report_says_all_of_a_trade(
    number: int, name: str, transaction: str, refers_to: str, price: int
) -> None:
    message = said(number)
    assert message.get(150) == "FFGH"[number]
    told = Report.read(message)
    assert isinstance(told, Report)
    assert (told.id, told.transaction, told.refers_to) == (name, transaction, refers_to)
    symbol, quantity, order = ("S1", 10, 1) if number == 0 else ("S0", 4, 2)
    assert (told.symbol, told.quantity, told.price) == (symbol, quantity, price)
    buyer, seller = Side("1", f"2-2{order}", "8", "7"), Side("2", f"1-1{order}", "6", "5")
    assert told.sides == (buyer, seller)


@pytest.mark.parametrize(
    ("tag", "text", "reason"),
    [
        (571, None, OTHER),
        (55, None, OTHER),
        (570, None, OTHER),
        (32, "0", OTHER),
        (32, "1.5", OTHER),
        (31, "-1", OTHER),
        (31, "1.23456", OTHER),
        (75, "2023", OTHER),
        (60, "now", OTHER),
        (487, "3", BAD_TYPE),
        (487, "1", OTHER),
        (54, "1", BAD_PARTIES),
        (37, "", BAD_PARTIES),
    ],
)
def test_a_report_that_is_not_whole_is_refused_with_the_reason(
    tag: int, text: str | None, reason: int
) -> None:
    right = said(0)
    pairs = [
        (one, value if one != tag else text) for one, value in right.pairs if one != tag or text
    ]
    wrong = Message(right.begin, right.type, tuple((a, b or "") for a, b in pairs))
    if tag == 37:
        wrong = Message(right.begin, right.type, tuple(p for p in right.pairs if p[0] != 37))
    answer = Report.read(wrong)
    assert isinstance(answer, Answer)
    assert answer.reason == reason
    assert answer.text


@pytest.mark.parametrize(
    "answer",
    [Answer("DAY1-20230711100000123-3", "S1"), Answer("x", "S1", UNKNOWN_INSTRUMENT, "S1 unknown")],
)
def test_an_answer_is_read_as_it_was_said(answer: Answer) -> None:
    message = parse(encode(FIX44, ANSWER, [*HEADER, *answer.fields()]))
    assert Answer.read(message) == answer


# QuickFIX ends the process over a message that it does not take: it gets one of its own.
VALIDATE = """
import sys, quickfix
dictionary = quickfix.DataDictionary(sys.argv[1])
for line in sys.stdin.read().splitlines():
    message = quickfix.Message()
    message.setString(line, True, dictionary)
    dictionary.validate(message)
    group, side = quickfix.Group(552, 54), quickfix.Side()
    if message.getHeader().getField(35) == "AE":
        message.getGroup(2, group)
        group.getField(side)
        print(side.getString(), end="")
"""


def validated(*raw: bytes) -> subprocess.CompletedProcess[str]:
    dictionary = Path(sys.prefix, "share", "quickfix", "FIX44.xml")
    return subprocess.run(
        [sys.executable, "-c", VALIDATE, str(dictionary)],
        input="\n".join(one.decode() for one in raw),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_quickfix_takes_reports_and_answers() -> None:
    """An independent implementation, by the dictionary of FIX 4.4: fields, groups, their order."""
    pytest.importorskip("quickfix", reason="QuickFIX has no wheel for this Python")
    bodies = [report(NAMES, INSTRUMENTS, row) for row in Trades().take(day())]
    answers = (Answer("a", "S1"), Answer("a", "S1", OTHER, "no"))
    raw = [encode(FIX44, REPORT, [*HEADER, *one]) for one in bodies]
    raw += [encode(FIX44, ANSWER, [*HEADER, *one.fields()]) for one in answers]
    done = validated(*raw)
    assert (done.returncode, done.stdout) == (0, "2222"), done.stderr
    wrong = [pair for pair in bodies[0] if pair[0] != 570]
    assert validated(encode(FIX44, REPORT, [*HEADER, *wrong])).returncode != 0
