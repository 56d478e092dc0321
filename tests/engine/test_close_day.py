"""CloseDay and EndOfDay: from one input on no order comes in, and behind the other nothing does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.fused import FusedEngine, Size
from engine.passive import PassiveEngine
from engine.risk import Risk, RiskInstrument, RiskSize
from engine.standby import Estate, Standby
from ringbus.messages import (
    CANCEL,
    COMMAND,
    END_OF_DAY,
    INSTRUMENT_NONE,
    REJECTED,
    REPLACE,
    STOP_ORDER,
    CommandKind,
    RejectReason,
    Side,
    Template,
)
from ringbus.multicast import Reader
from ringbus.status import UsageError
from tests.engine.parts import Lines, bells_block, make_core
from tests.engine.trader import lines, new_order


def order(number: int) -> Lines:
    """The next of session 1, in instrument 0."""
    return new_order(1, number, number)


def operator(number: int, dtype: np.dtype[np.void], template: Template, **fields: int) -> Lines:
    line = lines(dtype, template, instrument=INSTRUMENT_NONE, **fields)
    line["topic_sequence"] = number
    return line


def close_day(number: int) -> Lines:
    return operator(number, COMMAND, Template.COMMAND, kind=CommandKind.CLOSE_DAY)


def end_of_day(number: int) -> Lines:
    return operator(number, END_OF_DAY, Template.END_OF_DAY)


@pytest.fixture
def engine() -> Iterator[FusedEngine]:
    size = Size(instruments=2, shards=2, topics=4, contributors=2, stream_slots=1024)
    risk = Risk([RiskInstrument(100, 1000)] * 2, 2, size.orders, RiskSize(16, 16), size.topics)
    engine = FusedEngine(size, shard_of=bytes([0, 1]), risk=risk)
    yield engine
    engine.close()


def stream(engine: FusedEngine) -> Lines:
    return Reader(engine.ring, 1).poll()


def reason(line: np.void) -> int:
    return int(np.array([line]).view(REJECTED)["reason"][0])


def test_no_order_comes_in_behind_the_close(engine: FusedEngine) -> None:
    """R56: whoever's it is, wherever it goes, from that input on; what takes away still does."""
    engine.propose(order(1))
    engine.propose(close_day(1))
    engine.propose(order(2))
    replace = lines(
        REPLACE, Template.REPLACE, quantity=5, price_ticks=99, locate=1, client_order_id=3,
        original_client_order_id=1, topic=1, topic_sequence=3,
    )  # fmt: skip
    engine.propose(replace)
    stop = lines(
        STOP_ORDER, Template.STOP_ORDER, quantity=5, price_ticks=99, stop_ticks=98, topic=1,
        client_order_id=4, topic_sequence=4, side=Side.BUY,
    )  # fmt: skip
    engine.propose(stop)
    # On the other shard, of another session.
    engine.propose(new_order(2, 1, 1, instrument=1))
    engine.propose(
        lines(CANCEL, Template.CANCEL, quantity=10, locate=1, client_order_id=1, topic=1,
              topic_sequence=5)
    )  # fmt: skip
    said = stream(engine)
    templates = [Template(int(one)) for one in said["template_id"]]
    assert templates == [
        *(Template.NEW_ORDER, Template.COMMAND),
        *(Template.REJECTED,) * 4,
        Template.CANCEL,
    ]
    assert [reason(line) for line in said[2:6]] == [RejectReason.DAY_CLOSED] * 4


def test_who_comes_at_once_with_the_close_is_in_or_out_for_good(engine: FusedEngine) -> None:
    """On the lane of another contributor at the same moment: before the close or refused."""
    engine.offer(np.concatenate([order(n) for n in range(1, 9)]), 1)
    engine.offer(close_day(1))
    engine.settle()
    said = stream(engine)["template_id"].tolist()
    at = said.index(Template.COMMAND)
    assert set(said[:at]) <= {Template.NEW_ORDER}
    assert set(said[at + 1 :]) == {Template.REJECTED}
    assert len(said) == 9


def test_the_end_is_the_last_line(engine: FusedEngine) -> None:
    """R56: nothing is taken behind it, however long it waits; a replay and limits are alike."""
    engine.propose(order(1))
    engine.offer(np.concatenate([order(n) for n in range(2, 9)]), 1)
    engine.offer(np.concatenate((end_of_day(1), close_day(2))))
    for _ in range(10_000):
        engine.step()
    said = stream(engine)
    assert int(said["template_id"][-1]) == Template.END_OF_DAY
    assert engine.lanes[1].depth + len(said) == 1 + 7 + 1
    risk = Risk([RiskInstrument(100, 1000)] * 2, 2, engine.size.orders, RiskSize(16, 16), 4)
    risk.apply(said)
    with PassiveEngine(engine.size, engine.shard_of) as passive:
        passive.feed(said)
        assert passive.lines == len(said)
    # What a successor knows from the stream: it takes nothing either.
    open_still = Risk([RiskInstrument(100, 1000)] * 2, 2, engine.size.orders, RiskSize(16, 16), 4)
    open_still.apply(said[:-1])
    assert risk.hash != open_still.hash


def test_an_end_that_comes_too_late_ends_nothing(engine: FusedEngine) -> None:
    """Its number was taken: it is dropped as any proposal, and the day goes on."""
    engine.propose(close_day(1))
    engine.propose(end_of_day(1))
    engine.propose(end_of_day(2))
    assert stream(engine)["template_id"].tolist() == [Template.COMMAND, Template.END_OF_DAY]


def test_nobody_reigns_over_a_day_that_is_over(engine: FusedEngine, tmp_path: Path) -> None:
    """R80, R81: an engine that dies behind its last line has no successor."""
    engine.propose(order(1))
    engine.propose(end_of_day(1))
    standby = Standby(engine.size, engine.shard_of, engine.ring, tmp_path, 1024)
    # The dead one's lock is free.
    engine.publisher.close()
    left = Estate(
        engine.doorbell, engine.lane_memory, engine.inward, engine.outward, engine.ring,
        engine.readers, engine.size.topics,
    )  # fmt: skip
    with pytest.raises(UsageError, match="the day is over"):
        standby.promote(make_core(bells_block()), left, 1, 1, lambda: None)
    assert int(stream(engine)["template_id"][-1]) == Template.END_OF_DAY
    standby.close()
