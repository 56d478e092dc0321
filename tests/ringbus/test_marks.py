"""Marks: how far the journals are, and what may be promised by them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbus.marks import Marks, create_marks, marks_bytes
from ringbus.memory import Block
from ringbus.metrics import Metrics, page_bytes
from ringbus.status import CapacityError, LayoutError, UsageError

EVERYTHING = 2**64 - 1


def make() -> Marks:
    block = Block(marks_bytes())
    create_marks(block, "marks")
    return Marks(block)


@given(st.lists(st.integers(0, 2**63), max_size=8), st.integers(0, 8))
def test_what_so_many_journals_have(sequences: list[int], copies: int) -> None:
    marks = make()
    for n, sequence in enumerate(sequences):
        marks.set(marks.place(f"journal.{n}"), sequence)
    ordered = sorted(sequences, reverse=True)
    wanted = EVERYTHING if copies == 0 else ordered[copies - 1] if copies <= len(ordered) else 0
    assert marks.reached(copies) == wanted
    assert marks.durable() == {f"journal.{n}": one for n, one in enumerate(sequences)}


def test_a_mark_never_goes_back() -> None:
    marks = make()
    place = marks.place("journal")
    marks.set(place, 10)
    marks.set(place, 10)
    with pytest.raises(UsageError):
        marks.set(place, 9)
    assert marks.reached(1) == 10


def test_a_successor_has_the_place_of_its_name() -> None:
    marks = make()
    marks.set(marks.place("journal"), 7)
    other = Marks(marks.memory)
    assert other.place("journal.b") == 1
    assert other.place("journal") == 0
    assert other.durable() == {"journal": 7, "journal.b": 0}


def test_places_are_bounded_and_named() -> None:
    marks = make()
    for n in range(8):
        assert marks.place(f"journal.{n}") == n
    with pytest.raises(CapacityError):
        marks.place("one more")
    for name in ("", "x" * 32):
        with pytest.raises(UsageError):
            marks.place(name)
    with pytest.raises(UsageError):
        marks.set(8, 1)


def test_something_else_is_refused() -> None:
    block = Block(max(page_bytes(), marks_bytes()))
    Metrics.create(block)
    with pytest.raises(LayoutError):
        Marks(block)
