"""The sequencer: order, fairness, stamps, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from ringbus.messages import (
    INSTRUMENT_NONE,
    NEW_ORDER,
    ORDER_TAG,
    REJECTED,
    SESSION_EVENT,
    Flag,
    RejectReason,
    Template,
)
from ringbus.status import CapacityError, UsageError
from tests.engine.parts import Lines, SequencerBench, count, templates, view
from tests.engine.trader import lines, new_order, tagged

# More than the turns after which an empty lane is no longer looked at.
COOL_TURNS = 5000


def cooled(bench: SequencerBench) -> SequencerBench:
    for _ in range(COOL_TURNS):
        assert bench.work() == 0
    return bench


def test_a_flooding_contributor_takes_no_turn_of_a_modest_one() -> None:
    bench = SequencerBench(slots=256)
    bench.offer(0, *(new_order(1, n) for n in range(1, 201)))
    bench.offer(1, *(new_order(2, n) for n in range(1, 21)))
    bench.work()
    first = bench.take()[:40]
    assert np.array_equal(np.sort(first["publisher"].reshape(20, 2)), [[1, 2]] * 20)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7])
def test_a_turn_that_the_limit_cuts_goes_on_where_it_was_cut(limit: int) -> None:
    # Of ten lanes two have something, and they are not neighbours.
    bench = SequencerBench(contributors=10, slots=256)
    bench.offer(0, *(new_order(1, n) for n in range(1, 201)))
    bench.offer(9, *(new_order(2, n) for n in range(1, 201)))
    for _ in range(100):
        bench.work(limit)
    publishers = bench.take()["publisher"][: 2 * 50]
    lead = np.cumsum(np.where(publishers == 1, 1, -1))
    assert np.abs(lead).max() == 1


def test_the_messages_of_one_contributor_keep_their_order() -> None:
    bench = SequencerBench(contributors=200, slots=16, shard_slots=4096)
    for n in range(200):
        bench.offer(n, *(new_order(1, number) for number in range(1, 9)))
    bench.work(3000)
    out = bench.take()
    assert len(out) == 1600
    for publisher in range(1, 201):
        own = out["topic_sequence"][out["publisher"] == publisher]
        assert np.array_equal(own, np.arange(1, 9))
    turns = np.sort(out["publisher"].reshape(8, 200))
    assert np.array_equal(turns, [np.arange(1, 201)] * 8)


def test_a_lane_that_cooled_is_found_by_its_bell_only() -> None:
    bench = cooled(SequencerBench(contributors=130))
    bench.offer(129, new_order(1, 1), ring=False)
    assert bench.work() == 0
    bench.ring(129)
    assert bench.work() == 1
    assert bench.take()["publisher"] == [130]


def test_a_lane_cools_and_wakes_again_and_again() -> None:
    bench = SequencerBench()
    for number in range(1, 4):
        cooled(bench)
        bench.offer(1, new_order(1, number), ring=False)
        assert bench.work() == 0
        bench.ring(1)
        assert bench.work() == 1
    assert list(bench.take()["topic_sequence"]) == [1, 2, 3]


def test_what_a_dead_producer_did_not_ring_for_is_found_by_the_sweep() -> None:
    bench = cooled(SequencerBench())
    bench.offer(0, new_order(1, 1), ring=False)
    found = sum(bench.work() for _ in range(70_000))
    assert found == 1


def test_a_lane_with_a_message_does_not_cool_while_its_shard_has_no_room() -> None:
    bench = SequencerBench(shards=1, shard_slots=32)
    bench.offer(0, *(new_order(1, n) for n in range(1, 34)))
    for _ in range(2 * COOL_TURNS):
        bench.work()
    assert len(bench.take()) == 32
    assert bench.work() == 1


def test_both_lines_of_a_message_stay_together() -> None:
    bench = SequencerBench()
    bench.offer(0, *(tagged(new_order(1, n), b"mine %d" % n) for n in range(1, 6)))
    bench.offer(1, *(new_order(2, n) for n in range(1, 6)))
    bench.work()
    out = bench.take()
    first = np.flatnonzero(out["publisher"] == 1)[::2]
    tags = view(out[first + 1], ORDER_TAG)
    assert list(tags["text"]) == [b"mine %d" % n for n in range(1, 6)]
    assert np.array_equal(tags["checksum"], out["checksum"][first])
    assert np.array_equal(tags["topic_sequence"], out["topic_sequence"][first])
    assert np.array_equal(tags["topic"], out["topic"][first])
    assert (out["flags"][first] == Flag.CONTINUED).all()
    assert (tags["flags"] == Flag.LAST_OF_GROUP).all()


def test_both_lines_go_or_none() -> None:
    bench = SequencerBench(shard_slots=32)
    bench.offer(0, *(new_order(1, n) for n in range(1, 32)), tagged(new_order(1, 32), b"x"))
    assert bench.work() == 31
    assert len(bench.take()) == 31
    assert bench.work() == 1
    assert templates(bench.take()) == [Template.NEW_ORDER, Template.ORDER_TAG]


def test_a_first_line_waits_for_its_second() -> None:
    bench = SequencerBench()
    whole = tagged(new_order(1, 1), b"late")
    bench.offer(0, whole[:1])
    assert bench.work() == 0
    bench.offer(0, whole[1:])
    assert bench.work() == 1
    assert len(bench.take()) == 2


def test_what_was_proposed_to_another_reign_is_dropped() -> None:
    """Who made it has seen the EpochStart, and makes it again."""
    bench = SequencerBench()
    line = new_order(1, 1)
    line["reserved"] = 1
    bench.offer(0, line)
    assert bench.work() == 1
    assert len(bench.take()) == 0
    bench.agent.begin(40, 7, 2)
    bench.offer(0, new_order(1, 1))
    bench.offer(0, line)
    assert bench.work() == 2
    (taken,) = bench.take()
    assert (taken["checksum"], taken["reserved"]) == (41, 0)


def test_nobody_can_speak_for_another_or_mark_lines() -> None:
    bench = SequencerBench()
    forged = new_order(1, 1)
    forged["publisher"] = 1
    forged["flags"] = Flag.REPLAYED | Flag.REFUSED | Flag.GENERATED
    forged["shard"], forged["checksum"] = 9, 9
    bench.offer(1, forged)
    bench.work()
    line = bench.take()[0]
    assert (line["publisher"], line["flags"], line["shard"]) == (2, Flag.LAST_OF_GROUP, 0)
    assert (line["reserved"], line["checksum"]) == (0, 1)


def test_the_second_line_is_stamped_like_the_first() -> None:
    bench = SequencerBench()
    forged = tagged(new_order(1, 1), b"x")
    forged["topic"][1], forged["topic_sequence"][1], forged["publisher"][1] = 5, 77, 9
    forged["flags"][1] = Flag.LAST_OF_GROUP | Flag.GENERATED | Flag.REPLAYED
    bench.offer(0, forged)
    bench.work()
    tag = bench.take()[1]
    assert (tag["topic"], tag["topic_sequence"], tag["publisher"]) == (1, 1, 1)
    assert tag["flags"] == Flag.LAST_OF_GROUP


def test_time_is_the_sequencers_and_never_goes_back() -> None:
    bench = SequencerBench()
    seen = []
    for now in (500, 900, 200, 901):
        bench.core.set_time(now)
        bench.offer(0, new_order(1, 1, time_ns=123))
        bench.work()
        seen += list(bench.take()["time_ns"])
    assert seen == [500, 900, 900, 901]


def test_a_counted_clock_moves_with_the_inputs() -> None:
    one, other = SequencerBench(clock="counted"), SequencerBench(clock="counted")
    one.offer(0, *(new_order(1, n) for n in range(1, 11)))
    one.work()
    for n in range(1, 11):
        other.offer(0, new_order(1, n))
        other.work()
        other.work()
    times = one.take()["time_ns"]
    assert np.array_equal(times, other.take()["time_ns"])
    assert (np.diff(times.astype(np.int64)) == 1000).all()


def test_inputs_are_numbered_and_routed_by_instrument() -> None:
    bench = SequencerBench(shards=2)
    bench.offer(0, *(new_order(1, 1, instrument=n) for n in (0, 1, 2, 3)))
    bench.offer(0, lines(SESSION_EVENT, Template.SESSION_EVENT, instrument=INSTRUMENT_NONE))
    bench.work()
    assert list(bench.take(0)["checksum"]) == [1, 3, 5]
    assert list(bench.take(1)["checksum"]) == [2, 4]
    assert bench.agent.inputs == 5


def refusal(bench: SequencerBench, group: Lines) -> Lines:
    """What the shard is told of a proposal that may not be made: shape (1,)."""
    bench.offer(1, group)
    assert bench.work() == 1
    out = bench.take()
    assert len(out) == len(group)
    first = view(out[:1], REJECTED)
    assert first["template_id"] == Template.REJECTED
    assert first["flags"][0] & Flag.REFUSED
    assert first["topic"] == group["topic"][0]
    assert first["topic_sequence"] == group["topic_sequence"][0]
    assert first["publisher"] == 2
    assert first["instrument"] == INSTRUMENT_NONE
    assert count(bench.refused) == 1
    return first


@pytest.mark.parametrize(
    "template",
    [0, 11, 62, 63, 64, 66, 127, 255, Template.ORDER_TAG, Template.ORDER_TERMS, Template.LEG],
)
def test_a_template_that_nobody_may_propose_is_refused(template: int) -> None:
    group = new_order(3, 5, instrument=2, quantity=77)
    group["template_id"] = template
    line = refusal(SequencerBench(), group)
    assert line["reason"] == RejectReason.INVALID_PROPOSAL
    assert line["refused_template"] == template
    # No field of it can be trusted, so none is repeated.
    assert line["quantity"] == 0
    assert line["client_order_id"] == 0


@pytest.mark.parametrize("instrument", [4, 1000, INSTRUMENT_NONE])
def test_an_instrument_that_does_not_exist_is_refused(instrument: int) -> None:
    line = refusal(SequencerBench(), new_order(3, 5, client_order_id=8, instrument=instrument))
    assert line["reason"] == RejectReason.UNKNOWN_INSTRUMENT
    assert line["refused_template"] == Template.NEW_ORDER
    assert line["client_order_id"] == 8


def test_a_refused_order_keeps_its_tag() -> None:
    bench = SequencerBench()
    bench.offer(0, tagged(new_order(3, 5, instrument=9), b"FIX id"))
    bench.work()
    out = bench.take()
    assert templates(out) == [Template.REJECTED, Template.ORDER_TAG]
    assert out["flags"][0] == Flag.CONTINUED | Flag.REFUSED
    assert view(out[1:], ORDER_TAG)["text"] == b"FIX id"


def test_a_topic_that_does_not_exist_is_counted_and_dropped() -> None:
    bench = SequencerBench(topics=16)
    bench.offer(0, tagged(new_order(16, 1), b"x"), new_order(15, 1))
    bench.work()
    out = bench.take()
    assert list(out["topic"]) == [15]
    # It got no input number: the publisher would wait for it for ever.
    assert list(out["checksum"]) == [1]
    assert (count(bench.dropped), count(bench.refused)) == (1, 0)


def test_a_shard_without_room_holds_up_only_its_own() -> None:
    bench = SequencerBench(shards=2, shard_slots=32)
    bench.offer(0, *(new_order(1, n, instrument=0) for n in range(1, 65)))
    bench.offer(1, *(new_order(2, n, instrument=1) for n in range(1, 33)))
    bench.work()
    assert len(bench.take(1)) == 32
    first = bench.take(0)
    assert len(first) == 32
    # What waits has no input number yet, so that the publisher does not wait for it.
    assert bench.agent.inputs == 64
    bench.offer(1, new_order(2, 33, instrument=1))
    bench.work()
    assert list(bench.take(0)["topic_sequence"]) == list(range(33, 65))
    assert list(bench.take(1)["topic_sequence"]) == [33]


def test_bounds_are_checked() -> None:
    with pytest.raises(UsageError):
        SequencerBench(topics=0)
    with pytest.raises(UsageError):
        SequencerBench(topics=65537)
    with pytest.raises(CapacityError):
        SequencerBench(contributors=257, slots=8)
    with pytest.raises(CapacityError):
        SequencerBench(shards=17, instruments=17)


def test_fields_of_a_proposal_are_passed_on_as_they_are() -> None:
    bench = SequencerBench()
    order = new_order(1, 1, account=5, firm=6, capacity=b"P", cross_type=b"N", sweep=b"y")
    bench.offer(0, order)
    bench.work()
    assert view(bench.take(), NEW_ORDER)[0].tobytes()[32:] == order.tobytes()[32:]
