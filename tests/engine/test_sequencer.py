"""The sequencer: order, fairness, stamps, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from ringbus.messages import (
    CANCEL,
    INSTRUMENT_NONE,
    LEG,
    MASS_CANCEL,
    MULTI_LEG_ORDER,
    NEW_ORDER,
    ORDER_TAG,
    ORDER_TERMS,
    REJECTED,
    SESSION_EVENT,
    Flag,
    MassCancelScope,
    RejectReason,
    Side,
    Template,
)
from ringbus.status import CapacityError, UsageError
from tests.engine.parts import Lines, SequencerBench, count, grouped, templates, view
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
    bench = SequencerBench(shards=1, shard_slots=16)
    bench.offer(0, *(new_order(1, n) for n in range(1, 18)))
    for _ in range(2 * COOL_TURNS):
        bench.work()
    assert len(bench.take()) == 16
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
    bench = SequencerBench(shard_slots=16)
    bench.offer(0, *(new_order(1, n) for n in range(1, 16)), tagged(new_order(1, 16), b"x"))
    assert bench.work() == 15
    assert len(bench.take()) == 15
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


def test_nobody_can_speak_for_another_or_mark_lines() -> None:
    bench = SequencerBench()
    forged = new_order(1, 1)
    forged["publisher"] = 1
    forged["flags"] = Flag.REPLAYED | Flag.REFUSED | Flag.GENERATED
    forged["shard"], forged["reserved"], forged["checksum"] = 9, 9, 9
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
    [0, 10, 11, 19, 63, 64, 66, 127, 255, Template.ORDER_TAG, Template.ORDER_TERMS, Template.LEG],
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


def terms(**fields: object) -> Lines:
    return lines(ORDER_TERMS, Template.ORDER_TERMS, **fields)


def tag(text: bytes = b"x") -> Lines:
    return lines(ORDER_TAG, Template.ORDER_TAG, text=text)


def leg(instrument: int) -> Lines:
    return lines(LEG, Template.LEG, instrument=instrument, side=Side.BUY, price_ticks=5, quantity=1)


def legs(*instruments: int, count: int | None = None, first: int | None = None) -> Lines:
    """A MultiLegOrder on topic 3."""
    head = lines(
        MULTI_LEG_ORDER,
        Template.MULTI_LEG_ORDER,
        topic=3,
        topic_sequence=5,
        client_order_id=8,
        instrument=instruments[0] if first is None else first,
        leg_count=len(instruments) if count is None else count,
    )
    return grouped(head, *(leg(one) for one in instruments))


def mass_cancel(**fields: object) -> Lines:
    fields = {"topic": 3, "scope": MassCancelScope.EVERYTHING, **fields}
    fields.setdefault("instrument", INSTRUMENT_NONE)
    return lines(MASS_CANCEL, Template.MASS_CANCEL, **fields)


LONG = [
    grouped(new_order(3, 5), terms(display_quantity=2)),
    grouped(new_order(3, 5), terms(display_quantity=2), tag()),
    legs(0, 1),
    grouped(legs(0, 1, 2, 3, 0, 1, 2, 3), tag()),
    grouped(mass_cancel(instrument=1), tag()),
]


@pytest.mark.parametrize("group", LONG)
def test_every_line_of_a_group_is_stamped_alike_and_has_its_place(group: Lines) -> None:
    bench = SequencerBench(group_of=(1, 1, 1, 1))
    forged = group.copy()
    forged["publisher"], forged["shard"], forged["reserved"], forged["checksum"] = 9, 9, 9, 9
    forged["topic"][1:], forged["topic_sequence"][1:] = 7, 77
    marks = Flag.GENERATED | Flag.REPLAYED | Flag.REFUSED | Flag.BROADCAST
    forged["flags"] |= np.uint8(marks)
    bench.offer(1, forged)
    assert bench.work() == 1
    out = bench.take()
    assert templates(out) == templates(group)
    assert (out["flags"][:-1] == Flag.CONTINUED).all()
    assert out["flags"][-1] == Flag.LAST_OF_GROUP
    for name, value in (("topic", 3), ("publisher", 2), ("checksum", 1), ("shard", 0)):
        assert set(out[name]) == {value}, name
    assert set(out["topic_sequence"]) == {group["topic_sequence"][0]}
    assert out["body"].tobytes() == group["body"].tobytes()


@pytest.mark.parametrize("group", LONG)
def test_a_group_of_which_a_line_is_missing_is_not_taken(group: Lines) -> None:
    bench = SequencerBench(group_of=(1, 1, 1, 1))
    for n in range(len(group) - 1):
        bench.offer(0, group[n : n + 1])
        assert bench.work() == 0
    bench.offer(0, group[-1:])
    assert bench.work() == 1
    assert len(bench.take()) == len(group)


@pytest.mark.parametrize(
    "group",
    [
        grouped(new_order(3, 5), new_order(3, 6)),
        grouped(new_order(3, 5), tag(), tag()),
        grouped(new_order(3, 5), tag(), terms()),
        grouped(new_order(3, 5), terms(), terms()),
        grouped(new_order(3, 5), leg(0)),
        grouped(lines(CANCEL, Template.CANCEL, topic=3, topic_sequence=5), terms()),
        grouped(mass_cancel(topic_sequence=5), leg(0)),
        grouped(legs(0, 1), terms()),
        grouped(legs(0, 1), tag(), leg(2)),
        grouped(legs(0, 1), tag(), tag()),
        grouped(legs(0, 1, 2, 3, 0, 1, 2, 3, 0), tag())[:10],
    ],
)
def test_lines_that_do_not_belong_together_are_refused_by_one_line(group: Lines) -> None:
    bench = SequencerBench(group_of=(1, 1, 1, 1))
    bench.offer(1, group)
    assert bench.work() == 1
    line = view(bench.take(), REJECTED)
    assert len(line) == 1
    assert line["template_id"] == Template.REJECTED
    assert line["reason"] == RejectReason.INVALID_PROPOSAL
    assert line["refused_template"] == group["template_id"][0]
    assert line["flags"] == Flag.REFUSED | Flag.LAST_OF_GROUP
    assert (line["topic"], line["topic_sequence"], line["publisher"]) == (3, 5, 2)
    # All of its lines are gone.
    assert bench.lanes[1].depth == max(0, len(group) - 10)


@pytest.mark.parametrize(("slots", "longest"), [(8, 8), (16, 10)])
def test_a_group_without_end_is_refused_and_holds_up_nothing(slots: int, longest: int) -> None:
    bench = SequencerBench(slots=slots)
    endless = grouped(*[new_order(3, 5)] * (longest + 1))[:longest]
    bench.offer(0, endless)
    bench.offer(1, new_order(2, 1))
    assert bench.work() == 2
    out = view(bench.take(), REJECTED)
    assert templates(out) == [Template.REJECTED, Template.NEW_ORDER]
    assert out["reason"][0] == RejectReason.INVALID_PROPOSAL
    assert bench.lanes[0].depth == 0


@pytest.mark.parametrize("shards", [1, 2, 4])
@pytest.mark.parametrize(
    "group",
    [
        legs(0, 3),  # of two groups
        legs(4, 5),  # of none
        legs(0, 4),
        legs(0, 9),  # no such instrument
        legs(9, 0),
        legs(0),
        legs(0, 1, count=3),
        legs(0, 1, 2, count=2),
        legs(0, 1, 2, 0, 1, 2, 0, 1, 2, count=9),
        legs(0, 1, first=1),
        legs(0, 1, first=INSTRUMENT_NONE),
    ],
)
def test_legs_that_are_not_of_one_group_are_refused_whatever_the_shards(
    group: Lines, shards: int
) -> None:
    """A multi-leg order is of one group, which is a rule of the market and not of shards."""
    bench = SequencerBench(
        shards=shards,
        instruments=6,
        group_of=(1, 1, 1, 2, 0, 0),
        shard_of=bytes((0, 0, 0, 1 % shards, 2 % shards, 3 % shards)),
    )
    bench.offer(0, group)
    assert bench.work() == 1
    out = np.concatenate([bench.take(n) for n in range(shards)])
    assert templates(out) == [Template.REJECTED, *[Template.LEG] * (len(group) - 1)]
    first = view(out[:1], REJECTED)
    assert first["reason"] == RejectReason.INVALID_LEGS
    assert first["refused_template"] == Template.MULTI_LEG_ORDER
    assert first["client_order_id"] == 8


def test_a_refusal_goes_to_the_shard_whose_number_it_names() -> None:
    bench = SequencerBench(shards=2, group_of=(1, 2, 1, 2))
    bench.offer(0, legs(1, 2), grouped(new_order(3, 5, instrument=3), leg(0)))
    bench.offer(0, new_order(3, 5, instrument=9))
    assert bench.work() == 3
    assert list(bench.take(0)["checksum"]) == [3]
    assert list(bench.take(1)["checksum"]) == [1, 1, 1, 2]


def test_a_group_of_instruments_is_on_one_shard() -> None:
    with pytest.raises(UsageError, match="instrument 1 is on shard 1, others of its group 7"):
        SequencerBench(shards=2, group_of=(7, 7, 0, 0))
    with pytest.raises(UsageError, match="3 groups for 4 instruments"):
        SequencerBench(group_of=(7, 7, 0))


@pytest.mark.parametrize("shards", [1, 2, 16])
def test_a_mass_cancel_of_no_instrument_goes_to_every_shard_under_one_number(shards: int) -> None:
    bench = SequencerBench(shards=shards, instruments=16)
    bench.offer(0, new_order(1, 1), grouped(mass_cancel(topic_sequence=6), tag(b"why")))
    bench.offer(0, mass_cancel(instrument=0), new_order(1, 2))
    assert bench.work() == 4
    for n in range(shards):
        out = bench.take(n)[1:3] if n == 0 else bench.take(n)
        assert templates(out) == [Template.MASS_CANCEL, Template.ORDER_TAG]
        assert list(out["checksum"]) == [2, 2]
        assert list(out["flags"]) == [Flag.CONTINUED | Flag.BROADCAST, Flag.LAST_OF_GROUP]
        assert len(set(out["time_ns"])) == 1
    assert bench.agent.inputs == 4


def test_a_mass_cancel_of_an_instrument_is_no_broadcast() -> None:
    bench = SequencerBench(shards=2)
    bench.offer(0, mass_cancel(instrument=1))
    bench.work()
    assert len(bench.take(0)) == 0
    assert bench.take(1)["flags"] == [Flag.LAST_OF_GROUP]


def test_a_broadcast_waits_until_all_lanes_have_room() -> None:
    bench = SequencerBench(contributors=3, shards=3, instruments=3, shard_slots=16)
    bench.offer(0, *(new_order(1, n, instrument=1) for n in range(1, 17)))
    bench.work()
    bench.offer(1, mass_cancel())
    assert bench.work() == 0
    assert bench.agent.inputs == 16
    assert len(bench.take(0)) == len(bench.take(2)) == 0
    bench.shards[1].take(1)
    assert bench.work() == 1
    for n in range(3):
        assert bench.take(n)["checksum"][-1] == 17


@pytest.mark.parametrize("waiting", [mass_cancel(), grouped(new_order(3, 1), terms(), tag())])
def test_shorter_groups_do_not_slip_past_one_that_waits_for_room(waiting: Lines) -> None:
    """Lanes that are always full, one line taken at a time: who has waited is the next."""
    bench = SequencerBench(contributors=6, shards=2, shard_slots=16, slots=256)
    for n in range(5):
        bench.offer(n, *(new_order(1, number, instrument=n % 2) for number in range(1, 101)))
    bench.work()
    bench.offer(5, waiting)
    taken = 0
    while bench.lanes[5].depth:
        for shard in bench.shards:
            taken += len(shard.take(1))
        bench.work()
        assert taken < 20
    # And nobody is shut out behind it.
    for _ in range(600):
        for shard in bench.shards:
            shard.take(1)
        bench.work()
    assert [lane.depth for lane in bench.lanes] == [0] * 6


def test_broadcasts_of_two_contributors_do_not_wait_for_each_other() -> None:
    bench = SequencerBench(contributors=3, shards=4, instruments=4, shard_slots=16, slots=256)
    fill = [new_order(1, n, instrument=n % 4) for n in range(160)]
    bench.offer(2, *fill)
    bench.work()
    for n in range(2):
        bench.offer(n, *([mass_cancel()] * 40))
    for turn in range(4000):
        bench.shards[turn % 4].take(1)
        bench.work()
    assert [lane.depth for lane in bench.lanes] == [0, 0, 0]


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
    bench = SequencerBench(shards=2, shard_slots=16)
    bench.offer(0, *(new_order(1, n, instrument=0) for n in range(1, 41)))
    bench.offer(1, *(new_order(2, n, instrument=1) for n in range(1, 17)))
    bench.work()
    assert len(bench.take(1)) == 16
    first = bench.take(0)
    assert len(first) == 16
    # What waits has no input number yet, so that the publisher does not wait for it.
    assert bench.agent.inputs == 32
    bench.offer(1, new_order(2, 17, instrument=1))
    bench.work()
    assert list(bench.take(0)["topic_sequence"]) == list(range(17, 33))
    assert list(bench.take(1)["topic_sequence"]) == [17]


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
