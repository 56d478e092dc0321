"""What a book says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from engine.book import Book
from ringbus.messages import EXECUTED, InstrumentState
from ringbus.status import NotFoundError, UsageError
from tests.engine.pair import (
    AT_CLOSE,
    AT_OPENING,
    BUY,
    DECREMENT,
    GOOD_TILL_CANCEL,
    HIDDEN,
    IMBALANCE_ONLY,
    IMMEDIATE,
    NEWEST,
    POST_ONLY,
    SELL,
    Pair,
    reserve,
    with_terms,
)
from tests.engine.test_book import Line, cancel, new, replace

# What a book says of itself


def test_changes_count_what_an_auction_has_to_have_seen(pair: Pair) -> None:
    def changes_by(*messages: Line) -> int:
        before = pair.book.changes(0)
        pair.submit(*messages)
        return pair.book.changes(0) - before

    assert pair.book.changes(0) == pair.book.changes(1) == 0
    assert changes_by(new(1, SELL, 10, 100)) == 1
    assert changes_by(new(2, SELL, 0, 100), cancel(7, 7, 1)) == 0
    assert changes_by(cancel(1, 1, 1), replace(1, 1, 3, 8, 100), replace(1, 3, 4, 9, 101)) == 3
    assert changes_by(new(5, BUY, 4, 101)) == 3
    assert changes_by(new(6, BUY, 9, 101, time_in_force=IMMEDIATE)) == 4
    assert changes_by(reserve(7, SELL, 20, 100, 5)) == 1
    assert changes_by(new(8, BUY, 20, 100)) == 1 + 4 * 2
    assert changes_by(new(9, BUY, 5, 90), new(10, SELL, 5, 90, options=DECREMENT)) == 4
    assert pair.book.changes(1) == 0
    assert pair.book.state(0) == InstrumentState.CONTINUOUS


def test_depth(pair: Pair) -> None:
    for n in range(1, 7):
        pair.submit(new(n, BUY, n, 100 - n // 2), new(10 + n, SELL, n, 200 + n // 2))
    pair.submit(reserve(20, BUY, 50, 98, 5), new(21, BUY, 50, 98, options=HIDDEN))
    pair.submit(new(22, BUY, 9, 150, options=HIDDEN))
    bids = [(100, 1, 1), (99, 2, 5), (98, 3, 14), (97, 1, 6)]
    assert pair.book.depth(0, BUY).tolist() == bids
    assert pair.book.depth(0, BUY, 2).tolist() == bids[:2]
    assert pair.book.depth(0, BUY, 0).tolist() == []
    assert [row[0] for row in pair.book.depth(0, SELL).tolist()] == [200, 201, 202, 203]
    assert pair.book.depth(1, SELL).tolist() == []
    with pytest.raises(UsageError):
        pair.book.depth(0, BUY, -1)
    with pytest.raises(UsageError):
        pair.book.depth(0, 0)
    for question in (pair.book.walk_held, pair.book.state, pair.book.changes):
        with pytest.raises(NotFoundError):
            question(2)
    with pytest.raises(NotFoundError):
        pair.book.depth(2, BUY)


def test_hash_tells_what_answers_would_tell(pair: Pair) -> None:
    def hash_of(*messages: Line) -> int:
        with Book(1, 10, 50) as book:
            book.submit(np.concatenate(messages))
            return book.hash()

    plain = new(1, BUY, 10, 100)
    variants = [
        plain,
        new(1, BUY, 10, 100, options=HIDDEN),
        new(1, BUY, 10, 100, options=NEWEST),
        reserve(1, BUY, 10, 100, 4),
        reserve(1, BUY, 10, 100, 5),
        new(1, BUY, 10, 100, time_in_force=AT_OPENING),
        new(1, BUY, 10, 100, time_in_force=AT_CLOSE),
        with_terms(new(1, BUY, 10, 100, time_in_force=AT_CLOSE), auction=IMBALANCE_ONLY),
        np.concatenate([plain, cancel(1, 1, 10), plain]),
    ]
    assert len({hash_of(one) for one in variants}) == len(variants)
    # What only the entry needed is forgotten.
    assert hash_of(plain) == hash_of(new(1, BUY, 10, 100, options=POST_ONLY))
    assert hash_of(plain) == hash_of(new(1, BUY, 10, 100, time_in_force=GOOD_TILL_CANCEL))


def test_executed_lines_name_all_that_is_open(pair: Pair) -> None:
    pair.submit(reserve(1, SELL, 30, 100, 10))
    lines = pair.lines(new(2, BUY, 4, 100))[1:].view(EXECUTED)
    assert lines["remaining"].tolist() == [0, 26]
    assert lines["quantity"].tolist() == [4, 4]


def test_ten_thousand_instruments_fit(pair: Pair) -> None:
    """10,000 instruments with everything take at most 100 MB, an order at most 64 bytes."""
    orders, nodes = 200_000, 100_000
    with Book(10_000, orders, nodes) as book, Book(10_000, 2 * orders, nodes) as twice:
        assert book.size_bytes <= 100_000_000
        assert (twice.size_bytes - book.size_bytes) / orders <= 64
