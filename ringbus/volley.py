"""Volley: many proposals in flight, one a topic.

Topics are independent locks, so who speaks of many things at once (an auction of ten thousand
instruments) need not wait for one answer before the next proposal. Of each topic the rules are
those of ringbus/proposer.py: whoever takes the number that was named, nothing is in flight there
any more, and what is still wanted is said again from what is known then. All of it is arrays: a
proposal costs less than a microsecond, not twenty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import lib
from ringbus.contributor import Contributor
from ringbus.lane import Lane
from ringbus.messages import MESSAGE, Flag
from ringbus.proposer import Rings
from ringbus.status import UsageError, check
from ringbus.topics import Topics


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of proposals: `answered` are on the stream or refused there, `lost` neither."""

    answered: int = 0
    lost: int = 0


NOTHING = Landed()


class Volley:
    """A contributor's lane, and what is on its way there.

    Args: contributor: the lane; core: whose wake set it uses; topics: the numbers, which it counts.
    Memory: 4 bytes a topic and shard. Thread: the core's.
    """

    def __init__(self, contributor: Contributor, core: Rings, topics: Topics) -> None:
        self.topics = topics
        self._contributor = contributor
        self._core = core
        self._epoch = topics.epoch
        # The number in flight, 0: none; and where it is not 0, places in the flattened array.
        self._numbers: NDArray[np.uint32] = np.zeros(topics.last.size, np.uint32)
        self._flying: NDArray[np.intp] = np.zeros(0, np.intp)
        self._lane = Lane(contributor.lane)
        # A predecessor may have died half-way through a group.
        self._lane.repair()

    @property
    def publisher(self) -> int:
        """What the sequencer stamps on what it says."""
        return self._contributor.publisher

    @property
    def flying(self) -> int:
        """Proposals in flight."""
        return len(self._flying)

    @property
    def room(self) -> int:
        """Lines that the lane takes now."""
        return self._lane.capacity - self._lane.depth

    def is_free(self, topics: NDArray[np.intp], shards: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Where nothing is in flight: both of shape (n,)."""
        free: NDArray[np.bool_] = self._numbers[self._places(topics, shards)] == 0
        return free

    def hear(self, batch: NDArray[np.void]) -> Landed:
        """Count the next messages of the stream, all of them; shape (n,), dtype MESSAGE.

        Raises: CorruptionError: a number is not the next one.
        """
        self.topics.hear(batch)
        flying = self._flying
        if self.topics.epoch != self._epoch:
            self._epoch = self.topics.epoch
            return self._land(np.ones(len(flying), np.bool_), batch)
        if not len(flying):
            return NOTHING
        return self._land(self.topics.last.reshape(-1)[flying] >= self._numbers[flying], batch)

    def send(
        self, lines: NDArray[np.void], topics: NDArray[np.intp], shards: NDArray[np.intp]
    ) -> int:
        """Put proposals onto the lane, each as the next of its topic, as many as there is room for.

        Args: lines: shape (n, k), items of 64 bytes: n messages of k lines each, of whose headers
        only the template is theirs; topics, shards: of each, shape (n,), no two alike, free.
        Returns: how many went, the first ones. Raises: UsageError: one has another in flight.
        """
        each = lines.shape[1]
        count = int(min(len(lines), self.room // each))
        if not count:
            return 0
        places = self._places(topics[:count], shards[:count])
        if self._numbers[places].any():
            raise UsageError("a topic has a proposal in flight")
        numbers = self.topics.last.reshape(-1)[places] + np.uint32(1)
        out: NDArray[np.void] = np.array(lines[:count]).view(MESSAGE)
        out["topic"], out["topic_sequence"] = topics[:count, None], numbers[:, None]
        out["flags"] = Flag.CONTINUED
        out["flags"][:, -1] = Flag.LAST_OF_GROUP
        out["reserved"] = 0
        out["reserved"][:, 0] = self.topics.reign
        sent = self._lane.offer(out.reshape(-1))
        assert sent == count * each, "the lane's room can only grow"
        own = self._contributor
        check(lib.rb_doorbell_press(own.doorbell.address, own.number), "doorbell")
        self._core.ring(own.bells)
        self._numbers[places] = numbers
        self._flying = np.concatenate((self._flying, places))
        return count

    def _places(self, topics: NDArray[np.intp], shards: NDArray[np.intp]) -> NDArray[np.intp]:
        places: NDArray[np.intp] = shards * self.topics.last.shape[1] + topics
        return places

    def _land(self, is_done: NDArray[np.bool_], batch: NDArray[np.void]) -> Landed:
        """Forget those; how many of them are what took their number."""
        done = self._flying[is_done]
        if not len(done):
            return NOTHING
        own = batch[batch["publisher"] == self.publisher]
        places = self._places(own["topic"].astype(np.intp), own["shard"].astype(np.intp))
        took = self._numbers[places] == own["topic_sequence"]
        # The lines of one message share its number.
        answered = len(np.unique(places[took]))
        self._numbers[done] = 0
        self._flying = self._flying[~is_done]
        return Landed(answered, len(done) - answered)
