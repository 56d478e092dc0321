"""Instruments onto shards: what is chosen holds, groups stay together, load is spread."""

from __future__ import annotations

import random

import pytest

from tools.assignment import Wish, assign


def loads_of(wishes: list[Wish], placed: list[int], shards: int) -> list[int]:
    out = [0] * shards
    for wish, shard in zip(wishes, placed, strict=True):
        out[shard] += wish.load
    return out


def test_without_loads_instruments_are_dealt_in_turn_and_groups_follow_their_first() -> None:
    groups = ["", "", "PAIR", "", "", "PAIR", ""]
    assert assign([Wish(group, 0, None) for group in groups], 4) == [0, 1, 2, 3, 0, 2, 2]


def test_the_heaviest_goes_first_to_whoever_has_least() -> None:
    loads = [10, 70, 40, 30, 30, 0]
    placed = assign([Wish("", load, None) for load in loads], 2)
    # 70 | 40, 30 | 70: level, so 30 goes to the lower shard.
    assert placed == [1, 0, 1, 1, 0, 0]


def test_a_group_is_one_weight() -> None:
    wishes = [Wish("A", 30, None), Wish("", 50, None), Wish("A", 30, None), Wish("", 5, None)]
    assert assign(wishes, 2) == [0, 1, 0, 1]


def test_what_is_chosen_counts_before_anything_is_spread() -> None:
    wishes = [Wish("", 100, 1), Wish("", 60, None), Wish("", 50, None), Wish("", 20, None)]
    assert assign(wishes, 2) == [1, 0, 0, 1]


def test_a_group_of_which_one_is_chosen_is_there_with_or_without_loads() -> None:
    for load in (0, 5):
        wishes = [Wish("A", load, None), Wish("", load, None), Wish("A", load, 2)]
        assert assign(wishes, 3)[::2] == [2, 2]


def test_what_has_no_load_evens_out_the_numbers() -> None:
    wishes = [Wish("", 9, None), *[Wish("", 0, None) for _ in range(9)]]
    placed = assign(wishes, 2)
    assert sorted(placed) == [0] * 5 + [1] * 5


@pytest.mark.parametrize("seed", range(20))
def test_no_shard_is_above_another_by_more_than_what_it_got_last(seed: int) -> None:
    draw = random.Random(seed)
    shards = draw.choice((1, 2, 3, 8, 16))
    wishes = []
    for _ in range(draw.choice((1, 20, 300))):
        group = f"G{draw.randrange(5)}" if draw.random() < 0.2 else ""
        wishes.append(Wish(group, int(draw.paretovariate(1) * 100), None))
    placed = assign(wishes, shards)
    assert placed == assign(wishes, shards)
    groups: dict[str, set[int]] = {}
    weights: dict[str | int, int] = {}
    for n, (wish, shard) in enumerate(zip(wishes, placed, strict=True)):
        if wish.group:
            groups.setdefault(wish.group, set()).add(shard)
        weights[wish.group or n] = weights.get(wish.group or n, 0) + wish.load
    assert all(len(one) == 1 for one in groups.values())
    # Somebody with less would have got it.
    loads = loads_of(wishes, placed, shards)
    for shard in range(shards):
        own = {wish.group or n for n, wish in enumerate(wishes) if placed[n] == shard}
        if own:
            assert loads[shard] - min(weights[one] for one in own) <= min(loads)


def test_every_shard_gets_something_of_many() -> None:
    wishes = [Wish("", 1 + n % 3, None) for n in range(64)]
    loads = loads_of(wishes, assign(wishes, 16), 16)
    assert max(loads) - min(loads) <= 1
