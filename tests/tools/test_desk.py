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
from tools.console.desk import Checked, Console, TakenError
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

    def trade(self, client_order_id: int) -> int:
        """ALICE has bought 5 of BOB; the trade's number."""
        for topic, side, account in ((7, Side.SELL, 102), (1, Side.BUY, 101)):
            number = int((self.day()["topic"] == topic).sum()) + 1
            order = lines(
                NEW_ORDER, Template.NEW_ORDER, topic=topic, topic_sequence=number, instrument=0,
                quantity=5, price_ticks=100, side=side, client_order_id=client_order_id,
                account=account, firm=account - 100, time_in_force=TimeInForce.DAY,
            )  # fmt: skip
            self.engine.propose(order)
            self.work()
        day = self.day()
        return int(day["sequence"][day["template_id"] == Template.EXECUTED][-2])

    def check(self, request: Request, user: int = ANN) -> Checked:
        """Check a command until there is an answer."""
        (console, *_) = self.consoles
        while (checked := console.check(request, user)) is None:
            self.work()
        return checked

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
    assert stage.check(approval, BOB).number == 1
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


def test_what_was_asked_for_is_not_asked_again_when_it_was_approved(make: Maker) -> None:
    """R103: its first author may have lost the answer, and says it once more."""
    stage = Stage(make)
    asking = request("reference", 1, symbol="S1", price="1")
    asked = stage.say(asking)
    approval = request("approve", 1, author="bob")
    approved = stage.say(approval, BOB)
    assert (asked.is_asked, approved.is_asked) == (True, False)
    assert stage.say(asking) is asked
    assert stage.say(approval, BOB) is approved
    day = stage.day()
    said = (day["template_id"] == Template.COMMAND_ASKED) | (day["template_id"] == Template.COMMAND)
    assert said.sum() == 2


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
        checked = console.check(first if console is one else second, ANN)
        assert checked is not None
        assert checked.number == 2


@pytest.mark.parametrize("limit", [1, 2, 4096])
@pytest.mark.parametrize("verb", ["bust", "correct"])
def test_a_change_of_a_trade_is_not_said_behind_another(make: Maker, limit: int, verb: str) -> None:
    """R103: what was checked holds of the trade as it was: the loser has to look again."""
    stage = Stage(make, "", consoles=2)
    match = stage.trade(1)
    one, other = stage.consoles
    change = {"why": "consent"} if verb == "bust" else {"price": "1.05"}
    first, second = (
        request(verb, 1, match=match, **change),
        request("correct", 1, match=match, price="1.07"),
    )
    while one.check(first, ANN) is None or other.check(second, BOB) is None:
        stage.work()
    assert other.say(second, BOB) is None
    assert one.say(first, ANN) is None
    stage.work(limit)
    changes = stage.day()["template_id"] == Template.TRADE_CHANGE
    assert changes.sum() == 1
    winner = int(stage.day()["publisher"][changes][0])
    loser, said, user = ((other, second, BOB), (one, first, ANN))[winner - 2]
    with pytest.raises(CommandError, match="is void already|command 1 is taken"):
        loser.say(said, user)


def test_a_trade_is_looked_for_once_and_follows_its_changes(make: Maker) -> None:
    stage = Stage(make, "")
    (console,) = stage.consoles
    matches = [stage.trade(n) for n in (1, 2)]
    checks = [request("correct", match=match, price="1.05") for match in matches]
    # Two are asked for at once: one after the other.
    assert [console.check(one, ANN) for one in checks] == [None, None]
    for match, one in zip(matches, checks, strict=True):
        words = f"give trade {match} of 5 S0 the price 1.05, which was 1"
        assert stage.check(one).words == words
    assert console.check(checks[0], ANN) is not None
    stage.say(request("correct", 1, match=matches[0], price="1.05"))
    with pytest.raises(CommandError, match="1.05 is the price that it has"):
        console.check(checks[0], ANN)
    assert stage.check(request("bust", match=matches[0], why="external")).words == (
        f"make trade {matches[0]} of 5 S0 at 1.05 void: external"
    )
    for match in (0, 1, matches[0] + 1, 2**62):
        with pytest.raises(CommandError, match=rf"message {match} is not a trade|{match} yet"):
            stage.check(request("bust", match=match, why="external"))
    with pytest.raises(CommandError, match='did you mean "consent"'):
        stage.check(request("bust", match=matches[0], why="consnt"))


def test_a_console_says_nothing_while_it_hears_half_of_a_message(make: Maker) -> None:
    """R103: the number is counted with the first line; whose it is and what it says comes later."""
    stage = Stage(make, "", consoles=2)
    match = stage.trade(1)
    one, other = stage.consoles
    first = request("correct", 1, match=match, price="1.05")
    second = request("correct", 1, match=match, price="1.07")
    while one.check(first, ANN) is None or other.check(second, BOB) is None:
        stage.work()
    while one.say(first, ANN) is None:
        one.do_work(4096)
        stage.engine.core.round()
    changes = int((stage.day()["template_id"] == Template.TRADE_CHANGE).sum())
    with pytest.raises(TakenError):
        # It begins to say its own at every line of what it hears.
        while other.say(second, BOB) is None:
            other.do_work(1)
            stage.engine.core.round()
    assert int((stage.day()["template_id"] == Template.TRADE_CHANGE).sum()) == changes == 1


def test_a_successor_says_no_kill_beside_its_predecessors(make: Maker) -> None:
    """R103: killed with its kill on the lane; the operator says it once more to the next one."""
    stage = Stage(make)
    stage.say(request("kill", 1, everybody=True))
    killed = stage.consoles.pop()
    again = request("kill", 2, everybody=True)
    assert killed.check(again, ANN) is not None
    while killed.say(again, ANN) is None and killed.counts.proposals != 2:
        killed.do_work(4096)
    # The engine has not read it yet.
    stage.consoles.append(stage.console(0))
    (console,) = stage.consoles
    while not console.is_live:
        console.do_work(4096)
    assert console.say(again, ANN) is None
    console.do_work(4096)
    change = stage.say(again)
    stage.work()
    assert change.number == 2
    day = stage.day()
    assert (day["template_id"] == Template.MASS_CANCEL).sum() == 2
