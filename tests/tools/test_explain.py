"""`ringbus explain`: the regulator's question, answered from the journal alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ringbus.journal import read_day
from ringbus.messages import EXECUTED, NEW_ORDER, Flag, Liquidity, Side, Template
from tests.tools.days import record
from tools import cli
from tools.explain import explain


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("day"))


def test_a_trade_with_the_book_around_it(day: Path) -> None:
    """R102: what a message was caused by, and book and session just before and after."""
    stream = read_day(day)
    trades = stream.view(EXECUTED)
    resting = np.flatnonzero(
        (stream["template_id"] == Template.EXECUTED) & (trades["liquidity"] == Liquidity.ADDED)
    )
    place = int(resting[-1])
    trade = trades[place]
    one = explain(day, place + 1)
    # The group begins with what the other side asked for and ends where it says so.
    assert one.first < place <= one.last
    assert not int(stream["flags"][one.first]) & Flag.GENERATED
    assert int(stream["flags"][one.last]) & Flag.LAST_OF_GROUP
    group = trades[one.first : one.last + 1]
    fills = group[group["template_id"] == Template.EXECUTED]
    taken = int(fills["quantity"][fills["liquidity"] == Liquidity.ADDED].sum())
    levels = "bids" if trade["side"] == Side.BUY else "asks"
    before, after = getattr(one.before, levels), getattr(one.after, levels)
    price, quantity, _ = before[0]
    assert price == int(fills["price_ticks"][0])
    left = {level[0]: level[1] for level in after}
    if int(fills["price_ticks"][-1]) == price:
        assert left.get(price, 0) == quantity - taken
    # The order that traded was entered by a line of its own session with its own number.
    assert one.origin is not None
    origin = stream.view(NEW_ORDER)[one.origin]
    assert origin["client_order_id"] == trade["client_order_id"]
    assert origin["topic"] == trade["topic"]
    assert origin["template_id"] in (Template.NEW_ORDER, Template.REPLACE)
    # Its session has one open order less, or as many when some of it remains.
    gone = int(trade["remaining"] == 0)
    mine = [fill for fill in fills if fill["topic"] == trade["topic"] and not fill["remaining"]]
    if len(mine) == 1:
        assert len(one.before.orders) - len(one.after.orders) == gone


def test_it_is_printed(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = read_day(day)
    place = int(np.flatnonzero(stream["template_id"] == Template.CANCEL)[-1])
    assert cli.main(["explain", str(place + 1), str(day)]) == 0
    out = capsys.readouterr().out
    assert f"message {place + 1} at " in out
    assert "CANCEL" in out
    assert "was entered by" in out
    assert "book I" in out
    assert "its open orders before the group" in out


def test_every_kind_of_line_can_be_explained(day: Path) -> None:
    stream = read_day(day)
    for template in np.unique(stream["template_id"]):
        places = np.flatnonzero(stream["template_id"] == template)
        one = explain(day, int(places[len(places) // 2]) + 1)
        assert one.first <= one.place <= one.last


def test_what_is_not_there_is_said(
    day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", "99999999", str(day)]) == 2
    assert "the day has messages 1 to" in capsys.readouterr().err
    assert cli.main(["explain", "1", str(tmp_path)]) == 2
    assert "no journal there" in capsys.readouterr().err
