"""The base of applications: what it hears, in which order, and what becomes of its wishes."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ringbus.application import TRIES_MAX, Application
from ringbus.contributor import Contributor
from ringbus.core import Core, CorePage, CoreState, create_page, page_bytes
from ringbus.filter import Filter
from ringbus.lane import Lane
from ringbus.lines import Canceled, Executed, Line, NewOrder
from ringbus.memory import Block
from ringbus.messages import (
    CANCEL,
    CANCELED,
    EPOCH_START,
    EXECUTED,
    MASS_CANCEL,
    MESSAGE,
    NEW_ORDER,
    ORDER_TAG,
    REJECTED,
    Flag,
    Template,
)
from ringbus.multicast import Writer
from ringbus.proposer import Outcome, Proposal, Proposer
from ringbus.replay import Stream
from ringbus.status import CorruptionError, UsageError
from ringbus.topics import Topics
from tests.engine.trader import lines
from tests.ringbus.support import Recorded, make_bells, make_doorbell, make_lane, make_ring

Lines = NDArray[np.void]
TOPICS, SHARDS = 8, 3
OWN, OTHER = 4, 5  # publisher ids


class Stage:
    """A stream that the test writes, and a lane that it reads."""

    def __init__(self, slots: int = 1024) -> None:
        self.ring, self.readers = make_ring(slots)
        self.writer = Writer(self.ring, self.readers)
        self.lane_memory = make_lane(16)
        self.lane = Lane(self.lane_memory)
        self.stream = Stream(self.ring)
        self.numbers = np.zeros((SHARDS, TOPICS), np.uint32)
        self.time_ns = 0
        page = Block(page_bytes())
        create_page(page, "stage")
        self.page = CorePage(page)
        self.core = Core(page, make_bells(), "stage", "spin", "manual")

    def proposer(self) -> Proposer:
        way = Contributor(self.lane_memory, OWN - 1, make_doorbell())
        return Proposer(way, self.core, Topics(TOPICS, SHARDS))

    def publish(self, *parts: Lines, topic: int = 1, shard: int = 0, publisher: int = 0) -> None:
        """One message, of one line or several, with the next number of its topic."""
        group = np.concatenate(parts)
        self.time_ns += 10
        is_for_all = bool(group["flags"][0] & Flag.BROADCAST)
        self.numbers[slice(None) if is_for_all else shard, topic] += 1
        group["topic"], group["shard"], group["publisher"] = topic, shard, publisher
        group["topic_sequence"] = self.numbers[shard, topic]
        group["time_ns"] = self.time_ns
        group["flags"][:-1] |= np.uint8(Flag.CONTINUED)
        assert self.writer.publish(group) == len(group)

    def say(self, proposal: Lines, publisher: int = OWN) -> None:
        """What the engine makes of a proposal that it accepts."""
        topic, shard = int(proposal["topic"][0]), 0
        self.publish(proposal.copy(), topic=topic, shard=shard, publisher=publisher)


def new_order(number: int, **fields: object) -> Lines:
    return lines(NEW_ORDER, Template.NEW_ORDER, client_order_id=number, **fields)


def tag(text: bytes) -> Lines:
    return lines(ORDER_TAG, Template.ORDER_TAG, text=text)


class Noting(Application):
    """Notes what it hears, with the time at which it does."""

    def __init__(self, *arguments: object, **more: object) -> None:
        self.notes: list[tuple[object, ...]] = []
        super().__init__(*arguments, **more)  # type: ignore[arg-type]

    def on_new_order(self, line: NewOrder, *behind: Line) -> None:
        self.notes.append((self.now_ns, line.client_order_id, *(one.sequence for one in behind)))

    def on_executed(self, line: Executed) -> None:
        self.notes.append((self.now_ns, "executed", line.quantity))

    def caught_up(self) -> None:
        self.notes.append(("live",))


class Wishing(Application):
    """Wants order 7 canceled for as long as it is there; hears it on topic 1."""

    def __init__(self, stage: Stage, opening: int = 0) -> None:
        self.open = False
        self.events: list[str] = []
        super().__init__(stage.stream, None, stage.proposer(), opening)

    def on_new_order(self, line: NewOrder) -> None:
        self.open = True

    def on_canceled(self, line: Canceled) -> None:
        self.open = False

    def on_cancel(self, line: Line) -> None:
        self.open = False

    def wish(self) -> Proposal | None:
        self.events.append("asked")
        if not self.open:
            return None
        return Proposal(1, 0, lines(CANCEL, Template.CANCEL, client_order_id=7, quantity=5))

    def answered(self, proposal: Proposal) -> None:
        self.events.append("answered")

    def gave_up(self, proposal: Proposal) -> None:
        self.events.append("gave up")


def work(application: Application, limit: int = 4096) -> None:
    """Until nothing is new."""
    while application.lag or application.do_work(limit):
        application.do_work(limit)


# --- hearing -----------------------------------------------------------------------------------


def test_each_template_has_its_method() -> None:
    """A line comes with those that belong to it; what has no method is not heard of."""
    stage = Stage()
    app = Noting(stage.stream)
    stage.publish(new_order(1))
    stage.publish(new_order(2), tag(b"two"))
    stage.publish(lines(CANCEL, Template.CANCEL))
    stage.publish(lines(EXECUTED, Template.EXECUTED, quantity=9))
    work(app)
    assert app.notes == [(10, 1), (20, 2, 3), (40, "executed", 9), ("live",)]
    assert (app.counts.heard, app.counts.wanted, app.now_ns, app.next) == (5, 4, 40, 6)


def test_a_filter_of_topics_instruments_or_accounts() -> None:
    stage = Stage()
    apps = [
        Noting(stage.stream, Filter(topics=[2])),
        Noting(stage.stream, Filter(instruments=[5])),
        Noting(stage.stream, Filter(accounts=[77])),
    ]
    stage.publish(new_order(1, instrument=5), topic=1)
    stage.publish(new_order(2, account=77), topic=2)
    stage.publish(lines(CANCEL, Template.CANCEL, account=77, instrument=5), topic=2)
    # 77 at the place of the account, in a line that has none.
    text = tag(b"")
    text.view(NEW_ORDER)["account"] = 77
    stage.publish(text, topic=3)
    for app in apps:
        work(app)
    assert [app.notes[0][1] for app in apps] == [2, 1, 2]
    assert [app.counts.wanted for app in apps] == [2, 2, 2]


def test_whole_batches() -> None:
    class Batches(Application):
        got: list[list[int]]

        def on_batch(self, batch: Lines) -> None:
            self.got.append(batch.view(EXECUTED)["quantity"].tolist())

    stage = Stage()
    app = Batches(stage.stream, Filter(templates=[Template.EXECUTED]))
    app.got = []
    for n in range(10):
        stage.publish(new_order(n + 1))
        stage.publish(lines(EXECUTED, Template.EXECUTED, quantity=n))
    app.do_work(8)
    app.do_work(8)
    assert app.got == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert app.now_ns == 160


@given(st.lists(st.integers(1, 7), min_size=1, max_size=40), st.integers(0, 1000))
def test_where_batches_are_cut_changes_nothing(limits: list[int], seed: int) -> None:
    """The same calls at the same times, however much it takes at a time."""
    draw = random.Random(seed)
    stage = Stage()
    for n in range(60):
        behind = [tag(b"x") for _ in range(draw.choice((0, 0, 1, 2)))]
        if draw.random() < 0.3:
            stage.publish(lines(CANCEL, Template.CANCEL), *behind)
        stage.publish(new_order(n + 1), *behind, topic=draw.randrange(TOPICS))
    whole, cut = Noting(stage.stream), Noting(stage.stream)
    work(whole)
    for limit in limits:
        cut.do_work(limit)
    work(cut)
    assert cut.notes == whole.notes
    assert cut.now_ns == whole.now_ns == stage.time_ns


def test_from_the_files_then_live(tmp_path: Path) -> None:
    """It starts late, on a ring that has forgotten most of the day, and misses nothing."""
    recorded = Recorded(tmp_path, capacity=64)
    for n in range(500):
        assert recorded.writer.publish(new_order(n + 1)) == 1
        recorded.journal.step()
    app = Noting(Stream(recorded.ring, tmp_path, 1024))
    work(app)
    recorded.writer.publish(new_order(501))
    work(app)
    assert [note[-1] for note in app.notes] == [*range(1, 501), "live", 501]
    app.close()


class Nothing(Application):
    pass


class Both(Application):
    def on_batch(self, batch: Lines) -> None:
        pass

    def on_cancel(self, line: Line) -> None:
        pass


class Misspelt(Application):
    def on_new_ordr(self, line: Line) -> None:
        pass


@pytest.mark.parametrize(
    ("kind", "problem"),
    [(Nothing, "on_batch, or a method"), (Both, "not both"), (Misspelt, "on_new_ordr: there is")],
)
def test_methods_that_cannot_be(kind: type[Application], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        kind(Stage().stream)


# --- proposing ---------------------------------------------------------------------------------


def test_one_proposal_is_in_flight_until_the_stream_says_it() -> None:
    """It waits for its own words to come back, and believes nothing before."""
    stage = Stage()
    app = Wishing(stage)
    stage.publish(new_order(7))
    work(app)
    said = stage.lane.take(8)
    assert said["template_id"].tolist() == [Template.CANCEL]
    assert said["topic_sequence"].tolist() == [2]
    assert (said["topic"][0], said["flags"][0], said["reserved"][0]) == (1, Flag.LAST_OF_GROUP, 0)
    stage.publish(new_order(1), topic=2)
    work(app)
    assert len(stage.lane.take(8)) == 0
    assert app.open
    stage.say(said)
    work(app)
    assert not app.open
    # Asked once; not while it was in flight; after the answer, whether there is more.
    assert "".join(one[1] for one in app.events) == "snss"
    assert (app.counts.proposals, app.counts.answered, app.counts.lost) == (1, 1, 0)


def test_the_loser_hears_the_winner_and_then_looks_again() -> None:
    """Another took the number: said again with the next one if it is still wanted."""
    stage = Stage()
    app = Wishing(stage)
    stage.publish(new_order(7))
    work(app)
    stage.lane.take(8)
    stage.publish(lines(EXECUTED, Template.EXECUTED, quantity=1), publisher=0)
    work(app)
    assert stage.lane.take(8)["topic_sequence"].tolist() == [3]
    # The same words from another mouth are not its own.
    stage.publish(lines(CANCEL, Template.CANCEL), publisher=OTHER)
    work(app)
    assert len(stage.lane.take(8)) == 0
    assert (app.counts.proposals, app.counts.answered, app.counts.lost) == (2, 0, 2)
    assert "answered" not in app.events


def test_a_reason_that_is_gone_is_given_up() -> None:
    """What is remembered of a lost proposal is nothing."""
    stage = Stage()
    app = Wishing(stage)
    stage.publish(new_order(7))
    work(app)
    stage.lane.take(8)
    stage.publish(lines(CANCELED, Template.CANCELED))
    work(app)
    assert len(stage.lane.take(8)) == 0
    assert (app.open, app.counts.lost, app.proposer is not None) == (False, 1, True)


def test_a_refusal_of_the_engine_is_an_answer() -> None:
    stage = Stage()
    app = Wishing(stage)
    stage.publish(new_order(7))
    work(app)
    refused = lines(REJECTED, Template.REJECTED, refused_template=Template.CANCEL)
    stage.publish(refused, publisher=OWN)
    app.do_work(10)
    assert "answered" in app.events


def test_an_answer_is_one_when_all_its_lines_have_come() -> None:
    """Whoever were asked between its lines would wish for the same again."""

    class Tagging(Wishing):
        def wish(self) -> Proposal | None:
            wished = super().wish()
            return wished and Proposal(1, 0, np.concatenate((wished.lines, tag(b"why"))))

        def on_cancel(self, line: Line, *behind: Line) -> None:
            super().on_cancel(line)

    stage = Stage()
    app = Tagging(stage)
    stage.publish(new_order(7))
    work(app)
    stage.say(stage.lane.take(8))
    app.do_work(1)
    assert app.open
    assert app.counts.proposals == 1
    app.do_work(1)
    assert not app.open
    assert (app.counts.proposals, app.counts.answered) == (1, 1)
    assert app.events.index("answered") == len(app.events) - 2


def test_retries_have_a_bound() -> None:
    """Who loses so often in a row is told, and may wish for something else."""
    stage = Stage()
    app = Wishing(stage)
    stage.publish(new_order(7))
    for _ in range(TRIES_MAX):
        work(app)
        assert len(stage.lane.take(8)) == 1
        stage.publish(lines(EXECUTED, Template.EXECUTED))
    app.do_work(4096)
    assert app.events.count("gave up") == 1
    assert (app.counts.lost, app.counts.given_up) == (TRIES_MAX, 1)


def test_a_broadcast_takes_the_number_in_every_shard() -> None:
    stage = Stage()
    app = Wishing(stage)
    stage.publish(new_order(7), topic=1, shard=0)
    stage.publish(new_order(7), topic=1, shard=2)
    work(app)
    stage.lane.take(8)
    stage.publish(lines(MASS_CANCEL, Template.MASS_CANCEL, flags=Flag.BROADCAST), publisher=OWN)
    work(app)
    assert app.counts.lost == 1
    assert stage.lane.take(8)["topic_sequence"].tolist() == [3]
    assert app.proposer is not None
    assert app.proposer.topics.last[:, 1].tolist() == [2, 1, 2]


def test_what_is_for_all_shards_is_lost_to_nobody() -> None:
    """A broadcast takes no lock: others' messages do not unsay it, only another engine does."""
    stage = Stage()
    proposer = stage.proposer()
    everywhere = lines(MASS_CANCEL, Template.MASS_CANCEL, instrument=4294967295)
    broadcast = lines(MASS_CANCEL, Template.MASS_CANCEL, flags=Flag.BROADCAST)
    replay = stage.stream.replay()
    assert proposer.send(Proposal(1, 0, everywhere))
    stage.publish(new_order(7), topic=1)
    stage.publish(broadcast.copy(), topic=1, publisher=OWN + 1)
    assert proposer.hear(replay.poll()) is None
    stage.publish(lines(EPOCH_START, Template.EPOCH_START, epoch=2), topic=0)
    assert proposer.hear(replay.poll()) is Outcome.LOST
    assert proposer.send(Proposal(1, 0, everywhere))
    stage.publish(broadcast.copy(), topic=1, publisher=OWN)
    assert proposer.hear(replay.poll()) is Outcome.ANSWERED


def test_another_engine_is_told_again() -> None:
    """EpochStart: what the dead engine had is forgotten there, and said to the new one."""
    stage = Stage()
    app = Wishing(stage)
    stage.publish(new_order(7))
    work(app)
    stage.lane.take(8)
    stage.publish(lines(EPOCH_START, Template.EPOCH_START, epoch=2), topic=0)
    work(app)
    said = stage.lane.take(8)
    assert (said["topic_sequence"].tolist(), said["reserved"].tolist()) == ([2], [1])
    assert app.counts.lost == 1


def test_nobody_speaks_before_the_day_is_open() -> None:
    stage = Stage()
    app = Wishing(stage, opening=3)
    stage.publish(new_order(7))
    stage.publish(new_order(8))
    for _ in range(3):
        app.do_work(10)
    assert (app.is_live, len(stage.lane.take(8))) == (False, 0)
    stage.publish(new_order(9))
    app.do_work(10)
    assert (app.is_live, len(stage.lane.take(8))) == (True, 1)


def test_a_full_lane_is_waited_for() -> None:
    stage = Stage()
    filling = np.zeros(stage.lane.capacity, MESSAGE)
    assert stage.lane.offer(filling) == len(filling)
    app = Wishing(stage)
    stage.publish(new_order(7))
    app.do_work(10)
    assert (app.counts.proposals, app.proposer and app.proposer.flying) == (0, None)
    stage.lane.take(1)
    app.do_work(10)
    assert app.counts.proposals == 1


def test_a_successor_is_where_the_dead_one_was() -> None:
    """Killed half-way through a group on its lane, with a proposal under way."""
    stage = Stage()
    dead = Wishing(stage)
    stage.publish(new_order(7))
    work(dead)
    successor = Wishing(stage)
    work(successor)
    # Both named the same number: the stream takes one of the two.
    first, second = stage.lane.take(1), stage.lane.take(1)
    assert first["topic_sequence"].tolist() == second["topic_sequence"].tolist() == [2]
    stage.say(first)
    work(successor)
    assert not successor.open
    assert len(stage.lane.take(8)) == 0


def test_a_successor_knows_its_own_mark_from_a_predecessors() -> None:
    """Two died before it, each with its mark on the lane, under the same number."""
    stage = Stage()
    everywhere = lines(MASS_CANCEL, Template.MASS_CANCEL, instrument=4294967295)
    wished = Proposal(1, 0, everywhere)
    assert stage.proposer().send(wished)
    for _ in range(3):
        heir = stage.proposer()
        mark = heir.mark(wished)
        assert mark is not None
        assert heir.send(mark)
    said = stage.lane.take(8)
    marks = said[said["template_id"] == Template.TICK]
    assert marks["topic_sequence"].tolist() == [1, 1, 1]
    replay = stage.stream.replay()
    stage.say(marks[:1])
    assert heir.hear(replay.poll()) is Outcome.LOST
    again = heir.mark(wished)
    assert again is not None
    assert heir.send(again)
    stage.say(stage.lane.take(1))
    assert heir.hear(replay.poll()) is Outcome.ANSWERED
    assert heir.mark(wished) is None


def test_a_number_that_is_left_out_is_a_broken_invariant() -> None:
    stage = Stage()
    app = Wishing(stage)
    stage.publish(new_order(7))
    stage.numbers[0, 1] += 1
    stage.publish(new_order(8))
    with pytest.raises(CorruptionError, match=r"topics\.c"):
        app.do_work(10)


def test_proposals_that_cannot_be() -> None:
    stage = Stage()
    proposer = stage.proposer()
    with pytest.raises(UsageError, match="1 to 14 lines, not 15"):
        proposer.send(Proposal(1, 0, np.concatenate([new_order(n) for n in range(15)])))
    assert proposer.send(Proposal(1, 0, new_order(1)))
    with pytest.raises(UsageError, match="in flight"):
        proposer.send(Proposal(1, 0, new_order(2)))


# --- on a core ---------------------------------------------------------------------------------


def test_a_core_runs_workers_and_says_what_they_do() -> None:
    """Between its rounds in C; what one raises is latched like the failure of an agent in C."""
    stage = Stage()
    app = Noting(stage.stream)
    stage.core.host("noting", app)
    stage.publish(new_order(1))
    assert stage.core.round() == 1
    assert stage.page.agents == {"noting": 1}

    class Broken(Noting):
        def on_new_order(self, line: NewOrder, *behind: Line) -> None:
            raise ValueError("no such account")

    stage.core.host("broken", Broken(stage.stream))
    with pytest.raises(ValueError, match="no such account"):
        stage.core.run()
    assert stage.page.state == CoreState.FAILED
    assert stage.page.failure == "broken: ValueError: no such account"
    with pytest.raises(CorruptionError, match="no such account"):
        stage.core.round()


def test_a_core_with_workers_stops_when_it_is_told_to() -> None:
    stage = Stage()

    class Stopping(Noting):
        def on_new_order(self, line: NewOrder, *behind: Line) -> None:
            stage.page.stop()

    stage.core.host("stopping", Stopping(stage.stream))
    stage.publish(new_order(1))
    stage.core.run()
    assert stage.page.state == CoreState.STOPPED
