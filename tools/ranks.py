"""Whether one of many receivers is systematically earlier: tests on who was told first.

Every message is told to everybody, and puts them into an order; if nobody is favoured, all orders
are equally likely. Two things can be wrong with that:

- somebody is early or late on average: Friedman's test on the mean ranks;
- somebody is before a certain other one too often, though both are early as often as everybody (a
  list that is rotated does that to neighbours): a sign test for each pair.

With many messages either shows a favour that is too small to be felt, so the sizes are told too.
Source: Friedman 1937; the tail of chi-square after Wilson and Hilferty 1931; Bonferroni's bound for
the pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Below this the normal tails are not to be trusted.
MESSAGES_MIN = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the orders of many messages say about their receivers.

    `mean_ranks` are 1 (always first) to n; `mean_p` and `pair_p` are the chances of something as
    uneven if nobody is favoured; `before` of the messages reached receiver `pair[0]` before
    `pair[1]`, which is the most uneven pair.
    """

    messages: int
    mean_ranks: NDArray[np.float64]
    mean_p: float
    pair: tuple[int, int]
    before: float
    pair_p: float

    def is_fair(self, alpha: float) -> bool:
        """Whether nothing is so uneven that it would happen by chance in less than `alpha`."""
        return min(self.mean_p, self.pair_p) >= alpha / 2

    @property
    def best(self) -> int:
        """Who is earliest on average."""
        return int(np.argmin(self.mean_ranks))

    @property
    def worst(self) -> int:
        """Who is latest on average."""
        return int(np.argmax(self.mean_ranks))


def judge(times: NDArray[np.int64]) -> Verdict:
    """Judge by when each message came to each receiver.

    Args: times: shape (messages, receivers), in any unit; at least 20 messages, 3 receivers.
    """
    messages, receivers = times.shape
    if messages < MESSAGES_MIN or receivers < 3:
        raise ValueError(f"{messages} messages to {receivers} receivers are too few to judge by")
    ranks = rank(times)
    mean = ranks.mean(axis=0)
    middle = (receivers + 1) / 2
    # Ties make the ranks of a message vary less; dividing by what they do vary allows for it.
    variance = ((ranks - middle) ** 2).sum() / (messages * (receivers - 1))
    friedman = messages * ((mean - middle) ** 2).sum() / variance if variance else 0.0
    pair, before, pair_p = _most_uneven_pair(ranks)
    return Verdict(messages, mean, chi_square_tail(friedman, receivers - 1), pair, before, pair_p)


def rank(times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Ranks within each message, 1 is first; who is equal shares."""
    first = times.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    last = times[:, ::-1].argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")[:, ::-1]
    shared: NDArray[np.float64] = (first + last) / 2 + 1
    return shared


def _most_uneven_pair(ranks: NDArray[np.float64]) -> tuple[tuple[int, int], float, float]:
    messages, receivers = ranks.shape
    before = np.zeros((receivers, receivers))
    for n in range(receivers):
        ahead = ranks[:, n : n + 1]
        before[n] = ((ahead < ranks) + 0.5 * (ahead == ranks)).sum(axis=0)
    one, other = np.unravel_index(int(np.argmax(before)), before.shape)
    share = float(before[one, other]) / messages
    sigmas = abs(share - 0.5) * 2 * math.sqrt(messages)
    pairs = receivers * (receivers - 1) / 2
    return (int(one), int(other)), share, min(1.0, pairs * math.erfc(sigmas / math.sqrt(2)))


def chi_square_tail(value: float, degrees: int) -> float:
    """Chance that chi-square with so many degrees of freedom is above the value."""
    scale = 2 / (9 * degrees)
    sigmas = ((value / degrees) ** (1 / 3) - (1 - scale)) / math.sqrt(scale)
    return 0.5 * math.erfc(sigmas / math.sqrt(2))
