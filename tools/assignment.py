"""Which shard each instrument is on.

What the file of instruments chooses, holds. A group of instruments is on one shard, so that what
must be touched atomically can be. The rest goes by measured load, if any was given: the heaviest
group or instrument first, each to the shard that has least so far. That is never above 4/3 of the
best there is (Graham 1969), but for one instrument that is heavier than a shard's share, which
nothing helps. Without loads instruments are dealt in turn. Equal input gives equal shards.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """What is said of an instrument: its group or "", messages a day, a shard or None."""

    group: str
    load: int
    shard: int | None


def assign(wishes: Sequence[Wish], shards: int) -> list[int]:
    """Shard by instrument.

    Args: wishes: by instrument; those of one group that name a shard name the same one.
    """
    chosen = {wish.group: wish.shard for wish in wishes if wish.group and wish.shard is not None}
    placed: list[int | None] = [
        wish.shard if wish.shard is not None else chosen.get(wish.group) for wish in wishes
    ]
    units: dict[str | int, list[int]] = {}
    for index, wish in enumerate(wishes):
        if placed[index] is None:
            units.setdefault(wish.group or index, []).append(index)
    if any(wish.load for wish in wishes):
        where = _by_load(wishes, placed, list(units.values()), shards)
    else:
        where = [unit[0] % shards for unit in units.values()]
    for unit, shard in zip(units.values(), where, strict=True):
        for index in unit:
            placed[index] = shard
    return [shard for shard in placed if shard is not None]


def _by_load(
    wishes: Sequence[Wish], placed: Sequence[int | None], units: list[list[int]], shards: int
) -> list[int]:
    """Shard by unit. Ties go to the unit named first and to the lowest shard.

    What has no load is dealt last, to whichever shard has the fewest instruments.
    """
    loads, counts = [0] * shards, [0] * shards
    for wish, shard in zip(wishes, placed, strict=True):
        if shard is not None:
            loads[shard] += wish.load
            counts[shard] += 1
    weights = [sum(wishes[index].load for index in unit) for unit in units]
    order = sorted(range(len(units)), key=lambda n: (-weights[n], n))
    out = [0] * len(units)
    heavy = [n for n in order if weights[n]]
    queue = [(load, shard) for shard, load in enumerate(loads)]
    heapq.heapify(queue)
    for n in heavy:
        load, out[n] = queue[0]
        counts[out[n]] += len(units[n])
        heapq.heapreplace(queue, (load + weights[n], out[n]))
    queue = [(count, shard) for shard, count in enumerate(counts)]
    heapq.heapify(queue)
    for n in order[len(heavy) :]:
        count, out[n] = queue[0]
        heapq.heapreplace(queue, (count + len(units[n]), out[n]))
    return out
