"""The console over an engine in this process: told times, batches of any size, a rival."""

from __future__ import annotations

import numpy as np
import pytest

from engine.fused import FusedEngine, Size
from ringbus.contributor import Contributor
from ringbus.messages import COMMAND, NEW_ORDER, Side, Template, TimeInForce
from ringbus.multicast import Reader
from ringbus.proposer import Proposer
from ringbus.replay import Stream
from ringbus.topics import Topics
from tests.engine.trader import lines
from tests.tools.conftest import Maker
from tools.configuration import Configuration
from tools.console.desk import Console, TakenError
from tools.console.record import Change
from tools.console.words import CommandError, Request
from tools.opening import opening_lines

ANN, BOB = 1000, 1001
SECOND_NS = 1_000_000_000
TWO = "[control]\napprovals = 2\nwait_seconds = 60\n"


class Stage:
    """An exchange of one process with consoles, which work a step at a time."""

    def __init__(self, make: Maker, extra: str = TWO, consoles: int = 1) -> None:
        self.configuration = Configuration.load(make(extra=extra))
        contributors = 1 + consoles
        size = Size(3, 2, self.configuration.topics, contributors, orders=1024, price_nodes=1024)
        self.engine = FusedEngine(size, shard_of=self.configuration.shard_of, clock="manual")
        self.now_ns = 10**18
        self.engine.core.set_time(self.now_ns)
        self.engine.propose(opening_lines(self.configuration, 7))
        self.consoles = [self.console(n) for n in range(consoles)]
        self.work()

    def console(self, number: int) -> Console:
        engine, own = self.engine, number + 1
        way = Contributor(engine.lane_memory[own], own, engine.doorbell)
        proposer = Proposer(way, engine.core, Topics(self.configuration.topics, 2))
        return Console(Stream(engine.ring), proposer, self.configuration, lambda: self.now_ns)

    def later(self, by_ns: int) -> None:
        """Time goes on, for all of them."""
        self.now_ns += by_ns
        self.engine.core.set_time(self.now_ns)

    def work(self, limit: int = 4096) -> None:
        """Until nothing moves."""
        moved = 1
        while moved:
            moved = self.engine.core.round()
            moved += sum(console.do_work(limit) for console in self.consoles)

    def say(self, request: Request, user: int = ANN, limit: int = 4096) -> Change:
        """Say a command until it is answered."""
        (console, *_) = self.consoles
        while (change := console.say(request, user)) is None:
            self.work(limit)
        return change

    def day(self) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        return Reader(self.engine.ring).poll(4096).copy()


def request(verb: str, number: int | None = None, **more: object) -> Request:
    said = {"verb": verb, "author": "ann", "reason": "INC-7", "number": number, **more}
    return Request.read(said)


def test_what_waits_too_long_is_void(make: Maker) -> None:
    """R103: by the later of the stream's time and the clock; its place is free again."""
    stage = Stage(make, TWO + "waiting = 1\n")
    (console,) = stage.consoles
    assert stage.say(request("reference", 1, symbol="S1", price="1")).is_asked
    stage.later(60 * SECOND_NS)
    approval = request("approve", 1, author="bob")
    assert console.check(approval, BOB).number == 1
    with pytest.raises(CommandError, match="1 commands wait for approval already"):
        console.say(request("reference", 2, symbol="S1", price="2"), ANN)
    stage.later(1)
    with pytest.raises(CommandError, match="waited longer than 60 s"):
        console.check(approval, BOB)
    assert console.waiting() == []
    assert stage.say(request("reference", 2, symbol="S1", price="2")).is_asked
    assert [one.number for one in console.waiting()] == [2]
    # One that starts now knows the same.
    other = stage.console(0)
    while not other.is_live:
        other.do_work(4096)
    assert [one.number for one in other.waiting()] == [2]
    assert (stage.day()["template_id"] == Template.COMMAND).sum() == 0


def test_a_kill_is_said_once_however_its_answer_is_cut(make: Maker) -> None:
    """R103: one line of the stream at a time: hundreds of cancels belong to one command."""
    stage = Stage(make)
    for n in range(1, 101):
        order = lines(
            NEW_ORDER, Template.NEW_ORDER, topic=1, topic_sequence=n, instrument=0, quantity=5,
            price_ticks=100, side=Side.BUY, client_order_id=n, account=101, firm=1,
            time_in_force=TimeInForce.DAY,
        )  # fmt: skip
        stage.engine.propose(order)
        stage.work()
    change = stage.say(request("kill", 1, everybody=True), limit=1)
    assert (change.canceled, change.author) == (100, "ann")
    day = stage.day()
    assert (day["template_id"] == Template.MASS_CANCEL).sum() == 1
    assert (day["template_id"] == Template.CANCELED).sum() == 100


@pytest.mark.parametrize("limit", [1, 2, 4096])
def test_two_consoles_give_no_number_twice(make: Maker, limit: int) -> None:
    """The loser is told that its number is taken, and asks for the next one."""
    stage = Stage(make, "", consoles=2)
    one, other = stage.consoles
    first, second = (request("reference", 1, symbol="S1", price=price) for price in ("1", "2"))
    assert one.say(first, ANN) is None
    assert other.say(second, BOB) is None
    stage.work(limit)
    outcomes = []
    for console, said, user in ((one, first, ANN), (other, second, BOB)):
        try:
            outcomes.append(console.say(said, user))
        except TakenError:
            outcomes.append(None)
    assert sorted(change is None for change in outcomes) == [False, True]
    day = stage.day()
    commands = day[day["template_id"] == Template.COMMAND].view(COMMAND)
    assert commands["client_order_id"].tolist() == [1]
    for console in stage.consoles:
        assert console.check(first if console is one else second, ANN).number == 2
