"""Replace: what stays, what is new, and when the place is lost."""

from __future__ import annotations

import pytest

from ringbus.messages import CANCEL, NEW_ORDER, CancelReason, RejectReason, TimeInForce
from tests.engine.pair import (
    AT_CLOSE,
    AT_OPENING,
    BUY,
    DAY,
    FIRM,
    GOOD_TILL_CANCEL,
    HIDDEN,
    IMBALANCE_ONLY,
    IMMEDIATE,
    KILL,
    MARKET,
    NEWEST,
    OLDEST,
    POST_ONLY,
    SELL,
    SLIDE,
    Pair,
    refused,
    reserve,
    with_terms,
)
from tests.engine.test_book import cancel, new, replace

# Replace


@pytest.mark.parametrize(
    ("quantity", "price", "fields", "kept"),
    [
        (10, 100, {}, True),
        (4, 100, {}, True),
        (11, 100, {}, False),
        (10, 99, {}, False),
        (10, 101, {}, False),
        (4, 100, {"time_in_force": GOOD_TILL_CANCEL}, True),
    ],
)
def test_replace_keeps_or_loses_its_place(
    pair: Pair, quantity: int, price: int, fields: dict[str, object], kept: bool
) -> None:
    pair.submit(new(1, BUY, 10, 100, options=NEWEST), new(2, BUY, 10, 100))
    event = pair.submit(replace(1, 1, 3, quantity, price, **fields))
    assert event == [("kept" if kept else "moved", 3, price)]
    first = (3, quantity, price)
    rest = (2, 10, 100)
    assert pair.queue(BUY) == ([first, rest] if kept or price > 100 else [rest, first])
    # The option stayed; account and firm are new.
    rows = pair.book.walk(0, BUY)
    row = rows[rows["client_order_id"] == 3]
    assert row[["options", "account", "firm"]].tolist() == [(NEWEST, 13, 14)]


@pytest.mark.parametrize(
    ("terms", "kept"),
    [
        ({"options": HIDDEN}, True),
        ({"options": HIDDEN | OLDEST}, True),
        ({"options": 0}, False),
        ({"options": 0, "display_quantity": 5}, False),
    ],
)
def test_replace_of_hidden(pair: Pair, terms: dict[str, object], kept: bool) -> None:
    pair.submit(*(new(n, BUY, 10, 100, options=HIDDEN) for n in (1, 2)))
    assert pair.submit(with_terms(replace(1, 1, 3, 10, 100), **terms))[0][0] == (
        "kept" if kept else "moved"
    )
    # Displayed now, it is before the other.
    assert pair.queue(BUY) == [(3, 10, 100), (2, 10, 100)]
    assert pair.book.best(0, BUY)[0] == (0 if kept else 100)
    assert pair.submit(new(9, SELL, 12, 100))[-1] == ("gives", 2, 2, 100, 8)


def test_replace_without_terms_keeps_hidden(pair: Pair) -> None:
    pair.submit(new(1, BUY, 10, 100, options=HIDDEN), replace(1, 1, 2, 20, 101))
    assert pair.book.best(0, BUY) == (0, 0)
    assert pair.queue(BUY) == [(2, 20, 101)]
    # Hidden does not go with a time in force that does not rest, unless it is given up.
    message = replace(1, 2, 3, 20, 101, time_in_force=IMMEDIATE)
    refused(pair, message, RejectReason.INVALID_OPTIONS)
    assert pair.submit(with_terms(message, minimum_quantity=1)) == [
        ("moved", 3, 101),
        ("canceled", 3, 20, 0, CancelReason.MINIMUM_QUANTITY),
    ]


@pytest.mark.parametrize(
    ("quantity", "terms", "kept", "shown"),
    [
        (30, None, True, 10),
        (20, None, True, 10),
        (6, None, True, 6),
        (31, None, False, 10),
        (6, {"display_quantity": 6}, True, 6),
        (30, {"display_quantity": 10}, True, 10),
        (30, {"display_quantity": 9}, False, 9),
        (30, {"display_quantity": 11}, False, 11),
        (30, {}, False, 30),
        (6, {}, False, 6),
    ],
)
def test_replace_of_reserve(
    pair: Pair, quantity: int, terms: dict[str, object] | None, kept: bool, shown: int
) -> None:
    pair.submit(reserve(1, SELL, 30, 100, 10), new(2, SELL, 5, 100))
    message = replace(1, 1, 3, quantity, 100)
    message = message if terms is None else with_terms(message, **terms)
    assert pair.submit(message) == [("kept" if kept else "moved", 3, 100)]
    order = [(3, quantity, 100), (2, 5, 100)]
    assert pair.queue(SELL) == (order if kept else order[::-1])
    assert pair.book.best(0, SELL) == (100, 5 + shown)


def test_replace_into_a_cross_with_its_options(pair: Pair) -> None:
    pair.submit(new(1, SELL, 10, 105), new(2, BUY, 10, 100, options=OLDEST))
    assert pair.submit(replace(2, 2, 3, 15, 110, account=11)) == [
        ("moved", 3, 110),
        ("canceled", 1, 10, 0, CancelReason.SELF_TRADE),
    ]
    assert pair.queue(BUY) == [(3, 15, 110)]


def test_replace_post_only_and_slide(pair: Pair) -> None:
    pair.submit(new(1, SELL, 10, 105), new(2, BUY, 10, 100, options=POST_ONLY))
    # PostOnly was of its entry only.
    message = replace(2, 2, 3, 10, 110)
    refused(pair, with_terms(message, options=POST_ONLY), RejectReason.WOULD_TRADE)
    assert pair.submit(with_terms(message, options=SLIDE)) == [("moved", 3, 104)]
    # Slid to where it is: it stays there.
    assert pair.submit(
        new(5, BUY, 5, 104), with_terms(replace(2, 3, 4, 9, 120), options=SLIDE)
    ) == [
        ("new", 5, 104),
        ("kept", 4, 104),
    ]
    assert pair.queue(BUY) == [(4, 9, 104), (5, 5, 104)]
    assert pair.submit(replace(2, 4, 6, 10, 110))[1][0] == "takes"


@pytest.mark.parametrize("force", [KILL, AT_OPENING, AT_CLOSE, 5, 200])
def test_replace_to_a_time_in_force_that_it_cannot_have(pair: Pair, force: int) -> None:
    pair.submit(new(1, BUY, 10, 100))
    message = replace(1, 1, 2, 10, 100, time_in_force=force)
    refused(pair, message, RejectReason.INVALID_TIME_IN_FORCE)


def test_checks_of_replace_are_made_in_their_order() -> None:
    with Pair(orders=2, nodes=5) as pair:
        pair.submit(new(1, SELL, 10, 100), new(2, BUY, 10, 99))
        fields: dict[str, object] = {"instrument": 5, "quantity": 0, "price_ticks": 0}
        fields |= {"time_in_force": 9, "topic": 4}
        steps: list[tuple[dict[str, object], int, RejectReason]] = [
            ({}, FIRM, RejectReason.UNKNOWN_INSTRUMENT),
            ({"instrument": 0}, FIRM, RejectReason.UNKNOWN_ORDER),
            ({"topic": 1}, FIRM, RejectReason.INVALID_QUANTITY),
            ({"quantity": 10}, FIRM, RejectReason.INVALID_PRICE),
            ({"price_ticks": 2**29}, FIRM, RejectReason.INVALID_TIME_IN_FORCE),
            ({"time_in_force": DAY}, FIRM, RejectReason.INVALID_OPTIONS),
            ({}, POST_ONLY, RejectReason.WOULD_TRADE),
            ({}, 0, RejectReason.PRICE_CAPACITY),
        ]
        for right, options, reason in steps:
            fields |= right
            refused(pair, with_terms(replace(2, 2, 3, 0, 0, **fields), options=options), reason)
        # Its own place cannot be full.
        assert pair.submit(replace(2, 2, 3, 10, 99)) == [("kept", 3, 99)]


# Orders for a cross


@pytest.mark.parametrize("force", [AT_OPENING, AT_CLOSE])
def test_orders_for_a_cross_are_held(pair: Pair, force: TimeInForce) -> None:
    pair.submit(new(1, SELL, 10, 100))
    held: dict[str, object] = {"time_in_force": force}
    lines = pair.lines(new(2, BUY, 10, 200, **held), new(3, SELL, 5, 1, options=MARKET, **held))
    assert lines.view(NEW_ORDER)["locate"].tolist() == [2, 3]
    assert pair.held() == [(2, 10), (3, 5)]
    rows = pair.book.walk_held(0)
    assert rows["time_in_force"].tolist() == [force, force]
    assert rows["options"].tolist() == [0, MARKET]
    # Nobody trades with them.
    assert pair.submit(new(4, BUY, 10, 99), new(5, SELL, 10, 101)) == [
        ("new", 4, 99),
        ("new", 5, 101),
    ]
    assert pair.book.open_orders == 5
    assert pair.submit(cancel(2, 2, 4)) == [("cancel", 2, 6)]
    answer = pair.lines(cancel(3, 3, 5)).view(CANCEL)[0]
    assert (answer["price_ticks"], answer["side"], answer["remaining"]) == (1, SELL, 0)
    assert pair.held() == [(2, 6)]


def test_replace_of_held_orders(pair: Pair) -> None:
    held: dict[str, object] = {"time_in_force": AT_CLOSE}
    pair.submit(*(new(n, BUY, 10, 100, **held) for n in (1, 2, 3)))
    for force in (DAY, IMMEDIATE, AT_OPENING):
        message = replace(1, 1, 4, 10, 100, time_in_force=force)
        refused(pair, message, RejectReason.INVALID_TIME_IN_FORCE)
    assert pair.submit(replace(1, 1, 4, 5, 100, **held)) == [("kept", 4, 100)]
    assert pair.held() == [(4, 5), (2, 10), (3, 10)]
    assert pair.submit(replace(1, 4, 5, 5, 101, **held)) == [("moved", 5, 101)]
    assert pair.held() == [(2, 10), (3, 10), (5, 5)]
    message = with_terms(replace(2, 2, 6, 10, 100, **held), auction=IMBALANCE_ONLY)
    assert pair.submit(message) == [("moved", 6, 100)]
    # ImbalanceOnly stays until it is taken back.
    assert pair.submit(replace(2, 6, 7, 9, 100, **held)) == [("kept", 7, 100)]
    assert pair.submit(with_terms(replace(2, 7, 8, 9, 100, **held))) == [("moved", 8, 100)]
    message = with_terms(replace(3, 3, 9, 10, 100, **held), options=MARKET)
    assert pair.submit(message) == [("moved", 9, 100)]
    assert pair.held() == [(5, 5), (8, 9), (9, 10)]
