"""Many proposals in flight, one a topic: what goes out, and what becomes of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ringbus.contributor import Contributor
from ringbus.messages import (
    CANCEL,
    EPOCH_START,
    MESSAGE,
    NEW_ORDER,
    ORDER_TAG,
    Flag,
    Template,
)
from ringbus.status import CorruptionError, UsageError
from ringbus.topics import Topics
from ringbus.volley import Landed, Volley
from tests.engine.trader import Lines, lines
from tests.ringbus.support import make_doorbell
from tests.ringbus.test_application import OTHER, OWN, SHARDS, TOPICS, Stage


class Range(Stage):
    """A stage with a volley; `hear` gives it what was published since."""

    def __init__(self) -> None:
        super().__init__()
        way = Contributor(self.lane_memory, OWN - 1, make_doorbell())
        self.volley = Volley(way, self.core, Topics(TOPICS, SHARDS))
        self.replay = self.stream.replay()

    def hear(self) -> Landed:
        return self.volley.hear(self.replay.poll().copy())

    def send(self, topics: list[int], tagged: bool = False) -> int:
        """A NewOrder on each topic, of shard topic % SHARDS."""
        out: Lines = np.zeros((len(topics), 1 + tagged), MESSAGE)
        out["template_id"] = Template.NEW_ORDER
        out[:, 1:]["template_id"] = Template.ORDER_TAG
        out[:, :1].view(NEW_ORDER)["client_order_id"][:, 0] = topics
        return self.volley.send(out, *places(topics))


def places(topics: list[int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.array(topics), np.array(topics) % SHARDS


def cancel(number: int) -> Lines:
    return lines(CANCEL, Template.CANCEL, client_order_id=number)


def test_each_names_the_next_number_of_its_topic() -> None:
    """R68, R76: whatever the message, in the shard that it is for."""
    at = Range()
    at.publish(cancel(1), topic=4, shard=1, publisher=OTHER)
    at.publish(cancel(2), topic=4, shard=1, publisher=OTHER)
    assert at.hear() == Landed()
    assert at.send([2, 4, 6]) == 3
    assert at.volley.flying == 3
    said = at.lane.take()
    assert said["topic"].tolist() == [2, 4, 6]
    assert said["topic_sequence"].tolist() == [1, 3, 1]
    assert (said["flags"] == Flag.LAST_OF_GROUP).all()
    assert at.volley.is_free(*places([2, 3, 4, 5, 6])).tolist() == [False, True, False, True, False]


def test_a_message_of_several_lines_is_one() -> None:
    at = Range()
    assert at.send([1, 2], tagged=True) == 2
    said = at.lane.take()
    assert said["topic"].tolist() == [1, 1, 2, 2]
    assert said["flags"].tolist() == [Flag.CONTINUED, Flag.LAST_OF_GROUP] * 2
    one = lines(NEW_ORDER, Template.NEW_ORDER)
    at.publish(one, lines(ORDER_TAG, Template.ORDER_TAG), topic=1, shard=1, publisher=OWN)
    assert at.hear() == Landed(answered=1)
    assert at.volley.flying == 1


def test_what_is_answered_and_what_is_lost_may_be_said_again() -> None:
    """R69, R72: by the publisher of the line that took the number."""
    at = Range()
    at.send([1, 2, 3, 4])
    at.publish(cancel(1), topic=1, shard=1, publisher=OWN)
    at.publish(cancel(2), topic=2, shard=2, publisher=OTHER)
    at.publish(cancel(3), topic=3, shard=1, publisher=OTHER)  # of another shard
    assert at.hear() == Landed(answered=1, lost=1)
    assert at.volley.is_free(*places([1, 2, 3, 4])).tolist() == [True, True, False, False]
    at.lane.take()
    assert at.send([1, 2]) == 2
    assert at.lane.take()["topic_sequence"].tolist() == [2, 2]
    with pytest.raises(UsageError, match="in flight"):
        at.send([3])


def test_a_broadcast_takes_the_number_in_every_shard() -> None:
    at = Range()
    at.send([4])
    whole = lines(CANCEL, Template.MASS_CANCEL, flags=Flag.BROADCAST)
    at.publish(whole, topic=4, shard=0, publisher=OTHER)
    assert at.hear() == Landed(lost=1)
    assert at.volley.flying == 0


def test_another_engine_is_told_again() -> None:
    at = Range()
    at.send([1, 2, 3])
    at.publish(cancel(1), topic=1, shard=1, publisher=OWN)
    at.publish(lines(EPOCH_START, Template.EPOCH_START, epoch=2), topic=0)
    assert at.hear() == Landed(answered=1, lost=2)
    assert at.volley.flying == 0
    at.lane.take()
    assert at.send([2]) == 1
    assert at.lane.take()["reserved"].tolist() == [at.volley.topics.reign]


def test_as_many_as_there_is_room_for() -> None:
    """The lane takes 16 lines: whole messages, the first ones."""
    at = Range()
    at.send([1, 2], tagged=True)
    assert at.volley.room == 12
    shards = np.zeros(7, np.intp)
    out: Lines = np.zeros((7, 2), MESSAGE)
    assert at.volley.send(out, np.arange(1, 8), shards) == 6
    assert at.volley.room == 0
    assert at.volley.send(out[6:], np.array([7]), shards[6:]) == 0
    assert at.volley.flying == 8
    at.lane.take()
    assert at.volley.send(out[6:], np.array([7]), shards[6:]) == 1


def test_a_number_that_is_left_out_is_a_broken_invariant() -> None:
    at = Range()
    at.numbers[0, 1] += 1
    at.publish(cancel(1), topic=1)
    with pytest.raises(CorruptionError):
        at.hear()
