"""What is refused, why, and in which order it is looked at."""

from __future__ import annotations

import numpy as np
import pytest

from ringbus.messages import NEW_ORDER, ORDER_TAG, ORDER_TERMS, Flag, RejectReason, Template
from ringbus.status import UsageError
from tests.engine.pair import (
    AT_CLOSE,
    AT_OPENING,
    BUY,
    DAY,
    DECREMENT,
    FIRM,
    GOOD_TILL_CANCEL,
    GOOD_TILL_TIME,
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
    told,
    with_terms,
)
from tests.engine.test_book import cancel, line, new, tagged

# Contradictions, and the order of checks


@pytest.mark.parametrize(
    ("options", "force", "fields", "reason"),
    [
        (POST_ONLY | SLIDE, DAY, {}, "InvalidOptions"),
        (POST_ONLY | MARKET, DAY, {}, "InvalidOptions"),
        (SLIDE | MARKET, IMMEDIATE, {}, "InvalidOptions"),
        (POST_ONLY, IMMEDIATE, {}, "InvalidOptions"),
        (POST_ONLY, AT_CLOSE, {}, "InvalidOptions"),
        (SLIDE, KILL, {}, "InvalidOptions"),
        (SLIDE, AT_OPENING, {}, "InvalidOptions"),
        (DECREMENT | NEWEST, DAY, {}, "InvalidOptions"),
        (DECREMENT | OLDEST, DAY, {}, "InvalidOptions"),
        (DECREMENT | NEWEST | OLDEST | FIRM, DAY, {}, "InvalidOptions"),
        (FIRM, DAY, {}, "InvalidOptions"),
        (MARKET, DAY, {}, "InvalidOptions"),
        (MARKET, GOOD_TILL_TIME, {}, "InvalidOptions"),
        (HIDDEN, IMMEDIATE, {}, "InvalidOptions"),
        (HIDDEN, AT_OPENING, {}, "InvalidOptions"),
        (HIDDEN, DAY, {"display_quantity": 5}, "InvalidOptions"),
        (0, DAY, {"auction": IMBALANCE_ONLY}, "InvalidOptions"),
        (0, IMMEDIATE, {"auction": IMBALANCE_ONLY}, "InvalidOptions"),
        (MARKET, AT_OPENING, {"auction": IMBALANCE_ONLY}, "InvalidOptions"),
        (0, AT_OPENING, {"auction": 2}, "InvalidOptions"),
        (0, AT_OPENING, {"auction": 3}, "InvalidOptions"),
        (NEWEST, DAY, {"options": OLDEST}, "InvalidOptions"),
        (0, DAY, {"options": HIDDEN}, "InvalidOptions"),
        (0, DAY, {"display_quantity": 11}, "InvalidDisplay"),
        (0, IMMEDIATE, {"display_quantity": 5}, "InvalidDisplay"),
        (0, AT_CLOSE, {"display_quantity": 5}, "InvalidDisplay"),
        (0, IMMEDIATE, {"minimum_quantity": 11}, "InvalidMinimumQuantity"),
        (0, DAY, {"minimum_quantity": 5}, "InvalidMinimumQuantity"),
        (0, KILL, {"minimum_quantity": 5}, "InvalidMinimumQuantity"),
        # The first of two.
        (FIRM, DAY, {"display_quantity": 11, "minimum_quantity": 11}, "InvalidOptions"),
        (0, DAY, {"display_quantity": 11, "minimum_quantity": 11}, "InvalidDisplay"),
    ],
)
def test_contradictions(
    pair: Pair, options: int, force: int, fields: dict[str, object], reason: str
) -> None:
    message = new(1, BUY, 10, 100, options=options, time_in_force=force)
    words = {
        "InvalidOptions": RejectReason.INVALID_OPTIONS,
        "InvalidDisplay": RejectReason.INVALID_DISPLAY,
        "InvalidMinimumQuantity": RejectReason.INVALID_MINIMUM_QUANTITY,
    }
    refused(pair, with_terms(message, **fields), words[reason])


@pytest.mark.parametrize(
    ("options", "force", "fields"),
    [
        (NEWEST | FIRM, DAY, {}),
        (NEWEST | OLDEST | FIRM, GOOD_TILL_CANCEL, {}),
        (DECREMENT | FIRM | HIDDEN | POST_ONLY, DAY, {}),
        (SLIDE, GOOD_TILL_TIME, {"display_quantity": 10, "expire_time_ns": 7}),
        (MARKET | NEWEST, IMMEDIATE, {"minimum_quantity": 10}),
        (MARKET, AT_CLOSE, {}),
        (DECREMENT, AT_OPENING, {"auction": IMBALANCE_ONLY}),
    ],
)
def test_what_goes_together(
    pair: Pair, options: int, force: int, fields: dict[str, object]
) -> None:
    message = with_terms(new(1, BUY, 10, 100, options=options, time_in_force=force), **fields)
    assert pair.submit(message)[0] == ("new", 1, 100)


def test_checks_are_made_in_their_order() -> None:
    """Everything wrong at once; then, one after the other, the first of it is put right."""
    wrong: dict[str, object] = {
        **{"instrument": 9, "side": 3, "quantity": 0, "price_ticks": 0},
        **{"time_in_force": 5, "options": POST_ONLY | SLIDE},
    }
    steps: list[tuple[dict[str, object], RejectReason]] = [
        ({}, RejectReason.UNKNOWN_INSTRUMENT),
        ({"instrument": 0}, RejectReason.INVALID_SIDE),
        ({"side": BUY}, RejectReason.INVALID_QUANTITY),
        ({"quantity": 10}, RejectReason.INVALID_PRICE),
        ({"price_ticks": 2**29}, RejectReason.INVALID_TIME_IN_FORCE),
        ({"time_in_force": DAY}, RejectReason.INVALID_OPTIONS),
        ({"options": POST_ONLY}, RejectReason.WOULD_TRADE),
    ]
    # Room for one order, or for one price.
    for orders, lack in ((1, RejectReason.ORDER_CAPACITY), (2, RejectReason.PRICE_CAPACITY)):
        with Pair(orders=orders, nodes=5) as pair:
            pair.submit(new(1, SELL, 10, 100))
            fields = dict(wrong)
            for right, reason in steps:
                fields |= right
                refused(pair, new(2, 0, 0, 0, **fields), reason)
            fields["options"] = NEWEST
            refused(pair, new(2, 0, 0, 0, **fields), lack)


def test_room_for_a_price_is_room_where_the_order_goes() -> None:
    with Pair(orders=2, nodes=5) as pair:
        pair.submit(new(1, SELL, 10, 100))
        # A hidden price needs nodes of its own; one that slides needs those of where it goes.
        refused(pair, new(2, SELL, 10, 100, options=HIDDEN), RejectReason.PRICE_CAPACITY)
        assert pair.submit(new(2, BUY, 10, 2**29, options=SLIDE)) == [("new", 2, 99)]


def test_capacity_is_not_asked_for_by_orders_that_cannot_rest() -> None:
    with Pair(orders=1, nodes=5) as pair:
        pair.submit(new(1, SELL, 10, 100))
        for force in (IMMEDIATE, KILL):
            fields: dict[str, object] = {"options": NEWEST, "account": 2, "time_in_force": force}
            assert pair.submit(new(2, BUY, 1, 2**29, **fields))[1][0] == "takes"
        # One that waits for a cross needs room for itself, not for its price.
        refused(pair, new(3, BUY, 1, 5, time_in_force=AT_OPENING), RejectReason.ORDER_CAPACITY)
    with Pair(orders=2, nodes=5) as pair:
        pair.submit(new(1, SELL, 10, 100), new(2, BUY, 1, 2**29, time_in_force=AT_OPENING))
        assert pair.held() == [(2, 1)]


# Groups


def test_terms_and_tag_are_said_again(pair: Pair) -> None:
    group = np.concatenate([with_terms(new(1, BUY, 10, 100), display_quantity=4)] * 1)
    group["flags"][1] = Flag.CONTINUED
    tag = line(ORDER_TAG, Template.ORDER_TAG, topic=1, text=b"mine")
    for first, template in ((group, Template.NEW_ORDER), (group.copy(), Template.REJECTED)):
        if template == Template.REJECTED:
            first.view(ORDER_TERMS)["display_quantity"][1] = 11
        answers = pair.lines(np.concatenate([first, tag]))
        assert answers["template_id"].tolist() == [template, 16, 4]
        assert answers[1:].tobytes()[8:] == np.concatenate([first, tag])[1:].tobytes()[8:]
        assert (answers["flags"] & Flag.CONTINUED != 0).tolist() == [True, True, False]
    assert pair.book.best(0, BUY) == (100, 4)


@pytest.mark.parametrize("kind", ["two terms", "tag before terms", "terms", "legs", "two tags"])
def test_lines_that_do_not_belong_there(pair: Pair, kind: str) -> None:
    pair.submit(new(1, BUY, 10, 100))
    terms = line(ORDER_TERMS, Template.ORDER_TERMS, topic=1)
    tag = line(ORDER_TAG, Template.ORDER_TAG, topic=1)
    leg = line(ORDER_TAG, Template.LEG, topic=1)
    # Before any other check: the order's side is wrong too.
    first, behind = {
        "two terms": (new(2, 7, 10, 100), [terms, terms]),
        "tag before terms": (new(2, 7, 10, 100), [tag, terms]),
        "terms": (cancel(1, 1, 5), [terms]),
        "legs": (new(2, 7, 10, 100), [leg]),
        "two tags": (cancel(1, 1, 5), [tag, tag]),
    }[kind]
    group = np.concatenate([first, *behind])
    group["flags"][:-1] |= np.uint8(Flag.CONTINUED)
    before = pair.book.hash()
    answers = pair.lines(group)
    number = int(first.view(NEW_ORDER)["client_order_id"][0])
    assert told(answers[0]) == ("rejected", number, RejectReason.INVALID_PROPOSAL)
    assert answers[1:].tobytes()[8:] == group[1:].tobytes()[8:]
    assert pair.book.hash() == before


def test_a_sink_smaller_than_a_group_is_a_mistake(pair: Pair) -> None:
    group = np.concatenate([with_terms(new(1, BUY, 10, 100)), tagged(new(2, BUY, 1, 1), b"")[1:]])
    group["flags"][1] = Flag.CONTINUED
    with pytest.raises(UsageError):
        pair.book.submit(group, 2)
    assert pair.book.open_orders == 0
    assert len(pair.book.submit(group, 3)) == 3


@pytest.mark.parametrize(("quantity", "shown", "accepted"), [
    (1024, 1, True), (1025, 1, False), (2**32 - 1, 2**22, True), (2**32 - 1, 2**22 - 1, False),
])  # fmt: skip
def test_a_reserve_shows_itself_in_a_bounded_number_of_parts(
    pair: Pair, quantity: int, shown: int, accepted: bool
) -> None:
    """R29: one order that showed 1 of 2^32 would make billions of lines of one that met it."""
    message = with_terms(new(1, BUY, quantity, 100), display_quantity=shown)
    if accepted:
        assert pair.submit(message)[0] == ("new", 1, 100)
    else:
        refused(pair, message, RejectReason.INVALID_DISPLAY)
