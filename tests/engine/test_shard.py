"""The shard: topic locks, flags, and sweeps through lanes that are too small for them."""

from __future__ import annotations

import numpy as np
import pytest

from engine.fused import FusedEngine, Size
from ringbus.messages import (
    COMMAND,
    INSTRUMENT_NONE,
    LEG,
    MASS_CANCEL,
    ORDER_TAG,
    ORDER_TERMS,
    REJECTED,
    REPLACE,
    SESSION_EVENT,
    CommandKind,
    Flag,
    MassCancelScope,
    RejectReason,
    Side,
    Template,
    TimeInForce,
)
from ringbus.multicast import Reader
from ringbus.status import CorruptionError, LayoutError, UsageError
from tests.engine.parts import (
    EMPTY,
    Lines,
    ShardBench,
    count,
    grouped,
    is_sealed,
    templates,
    view,
)
from tests.engine.trader import Trader, cancel, lines, new_order, tagged

NEW, CANCELLATION = Template.NEW_ORDER, Template.CANCEL
EXECUTED, CANCELED, REJECTION = Template.EXECUTED, Template.CANCELED, Template.REJECTED
SKIP = Template.SKIP


def event(topic: int, number: int) -> Lines:
    return lines(
        SESSION_EVENT,
        Template.SESSION_EVENT,
        topic=topic,
        topic_sequence=number,
        instrument=INSTRUMENT_NONE,
    )


@pytest.mark.parametrize("kind", [0, max(CommandKind) + 1, 255])
def test_a_command_that_nobody_knows_is_refused_and_not_said_back(kind: int) -> None:
    asked = lines(
        COMMAND, Template.COMMAND, topic=1, topic_sequence=1, instrument=1, kind=kind, state=1
    )
    answer = ShardBench().answer(asked)
    assert templates(answer) == [REJECTION]
    assert view(answer, REJECTED)["reason"][0] == RejectReason.INVALID_PROPOSAL


@pytest.mark.parametrize("number", [0, 1, 3, 1000, 2**32 - 1])
def test_a_number_that_is_not_the_next_of_its_topic_is_dropped_without_a_word(number: int) -> None:
    bench = ShardBench()
    bench.answer(new_order(1, 1))
    before = bench.book.hash()
    answer = bench.answer(new_order(1, number, client_order_id=2))
    assert templates(answer) == [SKIP]
    assert answer["flags"][0] == Flag.LAST_OF_GROUP
    assert answer["checksum"][0] == 2
    assert not answer["topic"][0] and not answer["topic_sequence"][0]
    assert bench.book.hash() == before
    assert count(bench.dropped) == 1
    # The number that was not taken is still the next.
    assert templates(bench.answer(new_order(1, 2, client_order_id=2))) == [NEW]


def test_a_stale_message_of_two_lines_is_answered_by_one_skip() -> None:
    bench = ShardBench()
    assert templates(bench.answer(tagged(new_order(1, 9), b"x"))) == [SKIP]
    assert templates(bench.answer(new_order(1, 1))) == [NEW]


def test_every_template_takes_a_number() -> None:
    bench = ShardBench()
    assert templates(bench.answer(event(1, 1))) == [Template.SESSION_EVENT]
    assert templates(bench.answer(event(1, 1))) == [SKIP]
    refused = lines(REJECTED, REJECTION, topic=1, topic_sequence=2, flags=Flag.REFUSED)
    assert templates(bench.answer(refused)) == [REJECTION]
    refused["topic_sequence"] = 2
    assert templates(bench.answer(refused)) == [SKIP]
    assert templates(bench.answer(new_order(1, 3, quantity=0))) == [REJECTION]
    assert templates(bench.answer(new_order(1, 4))) == [NEW]


def test_topics_are_independent() -> None:
    bench = ShardBench()
    for topic in (1, 2, 15):
        for number in (1, 2):
            answer = bench.answer(event(topic, number))
            assert list(answer["topic_sequence"]) == [number]


def test_a_topic_has_numbers_of_its_own_in_each_shard() -> None:
    engine = FusedEngine(Size(instruments=2, shards=2))
    reader = Reader(engine.ring)
    engine.propose(np.concatenate([new_order(1, 1, 1, 0), new_order(1, 1, 2, 1)]))
    engine.propose(np.concatenate([new_order(1, 2, 3, 0), new_order(1, 1, 4, 1)]))
    engine.propose(new_order(1, 2, 5, 1))
    stream = reader.poll()
    assert list(stream["topic_sequence"]) == [1, 1, 2, 2]
    assert list(stream["shard"]) == [0, 1, 0, 1]


def test_both_lines_of_a_message_carry_one_number() -> None:
    bench = ShardBench()
    answer = bench.answer(tagged(new_order(1, 1), b"mine"))
    assert templates(answer) == [NEW, Template.ORDER_TAG]
    assert list(answer["topic_sequence"]) == [1, 1]
    assert list(answer["flags"]) == [Flag.CONTINUED, Flag.LAST_OF_GROUP]
    assert view(answer[1:], ORDER_TAG)["text"][0] == b"mine"
    assert list(bench.answer(event(1, 2))["topic_sequence"]) == [2]


def test_a_tag_stays_between_its_message_and_the_trades() -> None:
    bench = ShardBench()
    bench.answer(new_order(1, 1, side=Side.SELL))
    answer = bench.answer(tagged(new_order(2, 1), b"mine"))
    assert templates(answer) == [NEW, Template.ORDER_TAG, EXECUTED, EXECUTED]
    assert list(answer["topic_sequence"]) == [1, 1, 2, 2]
    made = Flag.GENERATED
    last = made | Flag.LAST_OF_GROUP
    assert list(answer["flags"]) == [Flag.CONTINUED, 0, made, last]
    assert list(answer["publisher"]) == [7, 7, 0, 0]
    assert list(answer["topic"]) == [2, 2, 2, 1]
    assert set(answer["time_ns"]) == {2000}
    assert set(answer["checksum"]) == {2}
    assert set(answer["shard"]) == {3}


def test_all_lines_of_a_proposal_carry_one_number() -> None:
    bench = ShardBench()
    bench.answer(new_order(1, 1, side=Side.SELL))
    terms = lines(ORDER_TERMS, Template.ORDER_TERMS, minimum_quantity=1)
    order = new_order(2, 1, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    tag = lines(ORDER_TAG, Template.ORDER_TAG, text=b"mine")
    answer = bench.answer(grouped(order, terms, tag))
    assert templates(answer) == [NEW, Template.ORDER_TERMS, Template.ORDER_TAG, EXECUTED, EXECUTED]
    assert list(answer["topic_sequence"]) == [1, 1, 1, 2, 2]
    made = Flag.GENERATED
    first = Flag.CONTINUED
    assert list(answer["flags"]) == [first, first, 0, made, made | Flag.LAST_OF_GROUP]
    assert answer[1].tobytes()[32:] == terms.tobytes()[32:]
    assert set(answer["checksum"]) == {2}
    assert list(bench.answer(event(2, 3))["topic_sequence"]) == [3]


def refused_legs(number: int, legs: int = 8) -> Lines:
    """As the sequencer passes them on: the longest group that there is."""
    head = lines(
        REJECTED,
        REJECTION,
        topic=1,
        topic_sequence=number,
        instrument=INSTRUMENT_NONE,
        refused_template=Template.MULTI_LEG_ORDER,
        reason=RejectReason.INVALID_LEGS,
        flags=Flag.REFUSED,
    )
    leg = lines(LEG, Template.LEG, topic=1, topic_sequence=number)
    tag = lines(ORDER_TAG, Template.ORDER_TAG, topic=1, topic_sequence=number, text=b"mine")
    return grouped(head, *[leg] * legs, tag)


def test_a_refusal_of_many_lines_is_said_as_it_is() -> None:
    bench = ShardBench()
    answer = bench.answer(refused_legs(1))
    assert templates(answer) == [REJECTION, *[Template.LEG] * 8, Template.ORDER_TAG]
    assert set(answer["topic_sequence"]) == {1}
    continued = Flag.CONTINUED
    assert list(answer["flags"]) == [
        Flag.GENERATED | continued,
        *[continued] * 8,
        Flag.LAST_OF_GROUP,
    ]
    assert list(bench.answer(event(1, 2))["topic_sequence"]) == [2]


@pytest.mark.parametrize("length", range(2, 9))
def test_a_long_group_goes_through_whatever_is_free_in_a_short_lane(length: int) -> None:
    for before in range(33):
        bench = ShardBench(slots=64, out_slots=32)
        for n in range(1, before + 1):
            bench.offer(event(3, n))
        bench.work()
        bench.offer(refused_legs(1, length))
        parts = []
        for _ in range(20):
            bench.work()
            parts.append(bench.out.take(3))
        answer = np.concatenate(parts)[before:]
        assert templates(answer) == [REJECTION, *[Template.LEG] * length, Template.ORDER_TAG]


def test_a_replace_that_keeps_its_place_says_so() -> None:
    bench = ShardBench()
    order = view(bench.answer(new_order(1, 1)), REJECTED)
    change = lines(
        REPLACE,
        Template.REPLACE,
        topic=1,
        topic_sequence=2,
        client_order_id=2,
        original_client_order_id=1,
        locate=int(order["locate"][0]),
        price_ticks=100,
        quantity=5,
    )
    answer = bench.answer(change)
    assert templates(answer) == [Template.REPLACE]
    assert answer["flags"][0] == Flag.KEPT_PRIORITY | Flag.LAST_OF_GROUP


def everything(number: int) -> Lines:
    """A broadcast as the sequencer passes it on."""
    return lines(
        MASS_CANCEL,
        Template.MASS_CANCEL,
        topic=1,
        topic_sequence=number,
        instrument=INSTRUMENT_NONE,
        scope=MassCancelScope.EVERYTHING,
        flags=Flag.BROADCAST,
    )


@pytest.mark.parametrize("number", [0, 1, 77])
def test_a_broadcast_takes_no_lock_but_a_number(number: int) -> None:
    bench = ShardBench()
    answer = bench.answer(everything(number))
    assert len(answer) == 1
    assert answer["flags"][0] & ~np.uint8(Flag.GENERATED) == Flag.BROADCAST | Flag.LAST_OF_GROUP
    assert (answer["topic_sequence"][0], answer["publisher"][0]) == (1, 7)
    # Who did not see it is late, as with any other message.
    assert templates(bench.answer(new_order(1, 1))) == [SKIP]
    assert templates(bench.answer(new_order(1, 2))) == [NEW]


def test_how_far_the_shard_looks_ahead_changes_no_answer() -> None:
    """Messages of one, two and three lines; a book that is large enough to be fetched."""
    groups = []
    terms = lines(ORDER_TERMS, Template.ORDER_TERMS)
    for n in range(1, 400):
        order = new_order(1, n, client_order_id=n, side=1 + n % 2, price_ticks=100 + n % 7)
        kinds = (order, tagged(order, b"\xff" * 24), grouped(order, terms), event(1, n))
        groups.append(kinds[n % 4])
    answers = []
    for limit in (1, 256):
        bench = ShardBench(slots=1024, out_slots=4096, orders=1 << 18)
        for group in groups:
            bench.offer(group)
        while bench.work(limit):
            pass
        answers.append(bench.out.take())
        bench.book.verify()
    assert len(answers[0]) > 700
    assert answers[0].tobytes() == answers[1].tobytes()


def test_a_rejection_carries_who_asked_and_keeps_the_tag() -> None:
    bench = ShardBench()
    answer = bench.answer(tagged(new_order(1, 1, quantity=0), b"mine"), publisher=9)
    assert templates(answer) == [REJECTION, Template.ORDER_TAG]
    assert list(answer["flags"]) == [Flag.GENERATED | Flag.CONTINUED, Flag.LAST_OF_GROUP]
    assert list(answer["publisher"]) == [9, 9]
    assert view(answer, REJECTED)["reason"][0] == RejectReason.INVALID_QUANTITY


def test_a_refusal_of_the_sequencer_is_said_as_it_is() -> None:
    bench = ShardBench()
    refused = lines(
        REJECTED,
        REJECTION,
        topic=1,
        topic_sequence=1,
        instrument=INSTRUMENT_NONE,
        reason=RejectReason.INVALID_PROPOSAL,
        flags=Flag.REFUSED,
    )
    answer = bench.answer(refused, publisher=9)
    assert answer["flags"][0] == Flag.GENERATED | Flag.LAST_OF_GROUP
    assert answer["publisher"][0] == 9
    assert answer[0].tobytes()[32:] == refused.tobytes()[32:]


def test_a_group_ends_with_one_last_line_and_no_other() -> None:
    bench = ShardBench()
    for n in range(1, 4):
        bench.answer(new_order(1, n, client_order_id=n, side=Side.SELL))
    answer = bench.answer(
        new_order(2, 1, quantity=99, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    )
    assert templates(answer) == [NEW, *[EXECUTED] * 6, CANCELED]
    assert list(answer["flags"] & Flag.LAST_OF_GROUP) == [0] * 7 + [1]
    assert list(answer["topic_sequence"]) == [1, 2, 4, 3, 5, 4, 6, 5]


def test_a_trade_takes_a_number_of_the_resting_side_whose_proposal_is_then_stale() -> None:
    """The contributor of topic 1 cancels while its order trades: it must see that first."""
    bench = ShardBench()
    locate = int(view(bench.answer(new_order(1, 1, side=Side.SELL)), REJECTED)["locate"][0])
    trade = new_order(2, 1, quantity=4)
    late = cancel(1, 2, 1, locate, 10)
    assert templates(bench.answer(trade)) == [NEW, EXECUTED, EXECUTED]
    assert templates(bench.answer(late)) == [SKIP]
    # It has seen that 6 remain, and asks again.
    assert templates(bench.answer(cancel(1, 3, 1, locate, 6))) == [CANCELLATION]
    assert bench.book.open_orders == 0


def test_a_contributor_behaves_so_by_itself() -> None:
    engine = FusedEngine(Size(instruments=1, contributors=2))
    reader = Reader(engine.ring)
    one, other = Trader(1, [1], engine.shard_of), Trader(2, [2], engine.shard_of)

    def exchange(*traders: Trader) -> Lines:
        for trader in traders:
            for group in trader.outgoing():
                engine.offer(group, trader.publisher - 1)
        engine.settle()
        news = reader.poll().copy()
        one.take(news)
        other.take(news)
        return news

    order = one.new_order(1, 0, Side.SELL, 100, 10)
    exchange(one)
    one.cancel(1, order, 10)
    other.new_order(2, 0, Side.BUY, 100, 10)
    # The other's order is taken first: the cancel is stale, then given up.
    for group in other.outgoing():
        engine.propose(group, 1)
    assert templates(exchange(one)) == [NEW, EXECUTED, EXECUTED]
    assert (one.lost, one.gave_up) == (1, 0)
    assert templates(exchange(one)) == [Template.REJECT]
    assert one.gave_up == 1
    assert one.idle and other.idle


@pytest.mark.parametrize(("slots", "limit"), [(32, 1), (32, 256), (64, 3)])
def test_a_sweep_of_thousands_goes_through_a_short_lane(slots: int, limit: int) -> None:
    depth = 3000
    bench = ShardBench(slots=32, out_slots=slots)
    for n in range(1, depth + 1):
        bench.answer(new_order(1, n, client_order_id=n, side=Side.SELL, price_ticks=100 + n % 7))
    bench.offer(tagged(new_order(2, 1, quantity=10 * depth + 5, price_ticks=200), b"all"))
    bench.offer(event(3, 1))
    parts = [EMPTY]
    for _ in range(3 * depth):
        bench.work(limit)
        parts.append(bench.out.take())
    answer = np.concatenate(parts)
    assert templates(answer) == [
        NEW,
        Template.ORDER_TAG,
        *[EXECUTED] * (2 * depth),
        Template.SESSION_EVENT,
    ]
    group = answer[:-1]
    assert set(group["checksum"]) == {depth + 1}
    assert list(np.flatnonzero(group["flags"] & Flag.LAST_OF_GROUP)) == [len(group) - 1]
    assert (group["flags"][2:] & Flag.GENERATED).all()
    own = group["topic_sequence"][group["topic"] == 2]
    assert np.array_equal(own, [1, 1, *range(2, depth + 2)])
    others = group["topic_sequence"][group["topic"] == 1]
    assert np.array_equal(others, np.arange(depth + 1, 2 * depth + 1))
    assert bench.book.open_orders == 1
    bench.book.verify()


def test_a_sweep_that_ends_exactly_with_the_lane_is_whole() -> None:
    """Every length of a group against every free space of a lane of 32."""
    for depth in range(1, 33, 2):
        for before in range(32):
            bench = ShardBench(out_slots=32)
            for n in range(1, depth + 1):
                bench.answer(new_order(1, n, client_order_id=n, side=Side.SELL))
            for n in range(1, before + 1):
                bench.offer(event(3, n))
            bench.work()
            bench.offer(
                new_order(2, 1, quantity=1000, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
            )
            parts = []
            for _ in range(40):
                bench.work()
                parts.append(bench.out.take(3))
            answer = np.concatenate(parts)[before:]
            assert templates(answer) == [NEW, *[EXECUTED] * (2 * depth), CANCELED]
            assert list(answer["flags"] & Flag.LAST_OF_GROUP) == [0] * (2 * depth + 1) + [1]


def test_what_a_contributor_learns_on_the_stream_is_enough_for_it() -> None:
    """Two contributors with three proposals in flight each, on one instrument."""
    engine = FusedEngine(Size(instruments=1, contributors=2, lane_slots=64))
    reader = Reader(engine.ring)
    traders = [Trader(n + 1, [2 * n + 1, 2 * n + 2], engine.shard_of, 3) for n in range(2)]
    parts = []
    for turn in range(400):
        for trader in traders:
            for topic, session in trader.sessions.items():
                side = Side.BUY if (turn + topic) % 2 else Side.SELL
                if turn % 3 == 2 and session.orders:
                    trader.cancel(topic, next(iter(session.orders)), 1000)
                elif turn < 390:
                    trader.new_order(topic, 0, side, 100 + (turn * topic) % 5, 1 + turn % 9)
            for group in trader.outgoing():
                engine.offer(group, trader.publisher - 1)
        engine.settle()
        parts.append(reader.poll().copy())
        for trader in traders:
            trader.take(parts[-1])
    assert all(trader.idle for trader in traders)
    assert all(trader.lost > 10 for trader in traders)
    assert is_sealed(np.concatenate(parts))
    open_orders = sum(len(s.orders) for trader in traders for s in trader.sessions.values())
    assert open_orders == engine.books[0].open_orders


def test_a_topic_beyond_its_table_is_a_broken_invariant() -> None:
    bench = ShardBench()
    bench.offer(new_order(16, 1))
    with pytest.raises(CorruptionError, match="topic_count"):
        bench.work()


def test_a_shard_needs_its_parts() -> None:
    with pytest.raises(UsageError):
        ShardBench(out_slots=4)
    for slots in ({"slots": 8}, {"out_slots": 8}):
        with pytest.raises(LayoutError):
            ShardBench(**slots)
