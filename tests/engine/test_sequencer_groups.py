"""The sequencer: proposals of several lines, legs of one group, and what goes to every shard."""

from __future__ import annotations

import numpy as np
import pytest

from ringbus.messages import (
    CANCEL,
    INSTRUMENT_NONE,
    LEG,
    MASS_CANCEL,
    MULTI_LEG_ORDER,
    ORDER_TAG,
    ORDER_TERMS,
    REJECTED,
    Flag,
    MassCancelScope,
    RejectReason,
    Side,
    Template,
)
from ringbus.status import UsageError
from tests.engine.parts import Lines, SequencerBench, grouped, templates, view
from tests.engine.trader import lines, new_order


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
    forged["publisher"], forged["shard"], forged["checksum"] = 9, 9, 9
    forged["reserved"][1:] = 9
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
        grouped(legs(*[0, 1, 2, 3] * 3, 0), tag())[:14],
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
    header = line[["topic", "topic_sequence", "publisher"]].tolist()
    assert header == [(3, 5, 2)]
    # All of its lines are gone.
    assert bench.lanes[1].depth == max(0, len(group) - 14)


@pytest.mark.parametrize(("slots", "longest"), [(8, 8), (16, 14)])
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
    bench = SequencerBench(contributors=3, shards=3, instruments=3, shard_slots=32)
    bench.offer(0, *(new_order(1, n, instrument=1) for n in range(1, 33)))
    bench.work()
    bench.offer(1, mass_cancel())
    assert bench.work() == 0
    assert bench.agent.inputs == 32
    assert len(bench.take(0)) == len(bench.take(2)) == 0
    bench.shards[1].take(1)
    assert bench.work() == 1
    for n in range(3):
        assert bench.take(n)["checksum"][-1] == 33


@pytest.mark.parametrize("waiting", [mass_cancel(), grouped(new_order(3, 1), terms(), tag())])
def test_shorter_groups_do_not_slip_past_one_that_waits_for_room(waiting: Lines) -> None:
    """Lanes that are always full, one line taken at a time: who has waited is the next."""
    bench = SequencerBench(contributors=6, shards=2, shard_slots=32, slots=256)
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
    bench = SequencerBench(contributors=3, shards=4, instruments=4, shard_slots=32, slots=256)
    fill = [new_order(1, n, instrument=n % 4) for n in range(160)]
    bench.offer(2, *fill)
    bench.work()
    for n in range(2):
        bench.offer(n, *([mass_cancel()] * 40))
    for turn in range(4000):
        bench.shards[turn % 4].take(1)
        bench.work()
    assert [lane.depth for lane in bench.lanes] == [0, 0, 0]
