"""Filter against a list comprehension. Shows R55."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ringbus.filter import Filter
from ringbus.messages import MESSAGE, NEW_ORDER, ORDER_TAG, Flag, Template
from ringbus.status import UsageError

TEMPLATES = (Template.NEW_ORDER, Template.CANCEL, Template.EXECUTED)
sets = st.none() | st.sets(st.integers(0, 5), min_size=1)


def day(seed: int, count: int) -> NDArray[np.void]:
    """Random messages; some are followed by their second line."""
    draw = np.random.default_rng(seed)
    out: NDArray[np.void] = np.zeros(count, MESSAGE)
    lines = out.view(NEW_ORDER)
    lines["sequence"] = np.arange(1, count + 1)
    lines["template_id"] = draw.choice(TEMPLATES, count)
    lines["topic"] = draw.integers(0, 6, count)
    lines["shard"] = draw.integers(0, 6, count)
    lines["instrument"] = draw.integers(0, 200, count)
    lines["account"] = draw.integers(0, 6, count)
    n = 0
    while n < count - 1:
        if draw.random() < 0.3:
            lines["flags"][n] = Flag.CONTINUED
            tag = out[n + 1 : n + 2].view(ORDER_TAG)
            tag["template_id"], tag["topic"] = Template.ORDER_TAG, lines["topic"][n]
            # Its body is text, not an instrument.
            tag["text"] = b"\xff" * 24
            n += 1
        n += 1
    return out


def plain(
    messages: NDArray[np.void],
    templates: set[int] | None,
    topics: set[int] | None,
    shards: set[int] | None,
    instruments: set[int] | None,
    accounts: set[int] | None,
) -> list[int]:
    """Sequences that must be kept."""
    kept, follows, keep = [], False, False
    for line in messages.view(NEW_ORDER):
        if not follows:
            keep = all(
                wanted is None or int(line[name]) in wanted
                for name, wanted in (
                    ("template_id", templates),
                    ("topic", topics),
                    ("shard", shards),
                    ("instrument", instruments),
                    ("account", accounts),
                )
            )
        follows = bool(line["flags"] & Flag.CONTINUED)
        if keep:
            kept.append(int(line["sequence"]))
    return kept


@given(
    seed=st.integers(0, 1000),
    templates=st.none() | st.sets(st.sampled_from([int(t) for t in TEMPLATES]), min_size=1),
    topics=sets,
    shards=sets,
    instruments=st.none() | st.sets(st.integers(0, 250), min_size=1),
    accounts=sets,
    cuts=st.lists(st.integers(0, 300), max_size=6),
)
def test_a_filter_keeps_what_a_list_comprehension_keeps(
    seed: int,
    templates: set[int] | None,
    topics: set[int] | None,
    shards: set[int] | None,
    instruments: set[int] | None,
    accounts: set[int] | None,
    cuts: list[int],
) -> None:
    """R55: any sets, over batches cut anywhere, between the lines of a message too."""
    messages = day(seed, 300)
    wanted = plain(messages, templates, topics, shards, instruments, accounts)
    chosen = Filter(templates, topics, shards, instruments, accounts)
    got: list[int] = []
    edges = sorted({0, 300, *cuts})
    for start, end in pairwise(edges):
        batch = messages[start:end].copy()
        kept = chosen.keep(batch)
        got += [int(sequence) for sequence in kept["sequence"]]
        for message in kept:
            place = int(message["sequence"]) - 1
            assert message.tobytes() == messages[place].tobytes()
    assert got == wanted


def test_messages_without_an_account_are_none_of_any() -> None:
    """A definition has one elsewhere, a tag has text there."""
    messages: NDArray[np.void] = np.zeros(4, MESSAGE)
    messages.view(NEW_ORDER)["account"] = (7, 7, 8, 7)
    messages["template_id"] = (
        *(Template.NEW_ORDER, Template.PARTICIPANT_DEFINITION),
        *(Template.EXECUTED, Template.CANCELED),
    )
    kept = Filter(accounts=[7]).keep(messages)
    assert kept["template_id"].tolist() == [Template.NEW_ORDER, Template.CANCELED]


def test_messages_without_an_instrument_are_none_of_any() -> None:
    messages: NDArray[np.void] = np.zeros(2, MESSAGE)
    messages.view(NEW_ORDER)["instrument"] = (4294967295, 3)
    assert len(Filter(instruments=[3]).keep(messages.copy())) == 1
    assert len(Filter().keep(messages.copy())) == 2
    assert len(Filter().keep(messages[:0])) == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"topics": []}, "topics: an empty set lets nothing through"),
        ({"topics": [65536]}, r"topics: 65536 is outside 0\.\.65535"),
        ({"accounts": [65536]}, r"accounts: 65536 is outside 0\.\.65535"),
        ({"templates": [-1]}, r"templates: -1 is outside 0\.\.255"),
        ({"shards": [256]}, r"shards: 256 is outside 0\.\.255"),
        ({"instruments": [1 << 20]}, r"instruments: 1048576 is outside 0\.\.1048575"),
    ],
)
def test_sets_that_are_refused(arguments: dict[str, list[int]], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        Filter(**arguments)


def test_batches_that_are_refused() -> None:
    messages: NDArray[np.void] = np.zeros(4, MESSAGE)
    with pytest.raises(UsageError, match="in place"):
        Filter().keep(messages[::2])
    messages.flags.writeable = False
    with pytest.raises(UsageError, match="in place"):
        Filter().keep(messages)
