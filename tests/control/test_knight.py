"""What ended Knight Capital in 45 minutes, tried for real: README.md here has the table."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from ports.ouch import OrderAccepted, OrderCanceled, OrderRejected
from ports.ouch_client import OuchClient
from ringbus._ringbus import lib
from ringbus.journal import read_day
from ringbus.lane import Lane
from ringbus.messages import (
    ALARM,
    CANCELED,
    COMMAND,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    MESSAGE,
    NEW_ORDER,
    REJECTED,
    CommandKind,
    Flag,
    GuardianRule,
    MassCancelScope,
    OrderOption,
    RejectReason,
    RiskLimit,
    Side,
    Template,
)
from ringbus.status import check
from tests.control.test_runaway import Runaway, accepted, of
from tests.engine.trader import lines
from tests.tools.conftest import Maker
from tests.tools.test_applications import stream_of
from tests.tools.test_command import command, order
from tests.tools.test_fairies import TICKER
from tests.tools.test_launcher import journal_holds, ringbus, until
from tests.tools.test_owner_rules import ruled
from tools.exchange import Exchange, launched
from tools.memory import Attachment

pytestmark = pytest.mark.xdist_group("processes")
PATIENCE_S = 120
# No contributor may say them: numbers without a name, and what only the engine says.
UNSAID = [one for one in range(256) if one >= Template.EXECUTED or one not in list(Template)]
REASON_OF = {
    RiskLimit.OPEN_LONG: RejectReason.OPEN_LONG_LIMIT,
    RiskLimit.OPEN_SHORT: RejectReason.OPEN_SHORT_LIMIT,
    RiskLimit.NET_POSITION: RejectReason.NET_POSITION_LIMIT,
    RiskLimit.GROSS_POSITION: RejectReason.GROSS_POSITION_LIMIT,
    RiskLimit.TRADED_NOTIONAL: RejectReason.TRADED_NOTIONAL_LIMIT,
    RiskLimit.TRADED_QUANTITY: RejectReason.TRADED_QUANTITY_LIMIT,
    RiskLimit.OPEN_ORDERS: RejectReason.OPEN_ORDERS_LIMIT,
    RiskLimit.MESSAGES_PER_SECOND: RejectReason.MESSAGE_RATE_LIMIT,
}


def last_refusal(exchange: Exchange) -> int:
    """Reason of the last Rejected on the stream."""
    refused = of(stream_of(exchange), Template.REJECTED, REJECTED)
    return int(refused["reason"][-1])


# --- a reused number -----------------------------------------------------------------------------


def test_messages_of_another_schema_are_not_taken_apart(make: Maker) -> None:
    """R107: a release in which a number means something else neither joins a day nor goes on."""
    path = make()
    with launched(path) as exchange:
        # Something to go on with.
        assert until(lambda: journal_holds(exchange, 1), PATIENCE_S)
        with Attachment(exchange.name) as shared:
            stream = shared.attach("stream").path
        # As the other release would have made it: the schema's hash is in every segment and file.
        with stream.open("r+b") as file:
            file.seek(16)
            schema = file.read(8)
            file.seek(16)
            file.write(bytes(byte ^ 0x5A for byte in schema))
        edge = exchange.kill("edge")
        log = exchange.directory / "logs" / "edge.log"
        assert until(lambda: not edge.alive)
        assert until(lambda: "schema" in log.read_text(), PATIENCE_S)
        status = ringbus("status", exchange.name)
        assert status.returncode != 0
        exchange.process("engine").send(signal.SIGKILL)
        exchange.state.launcher.send(signal.SIGKILL)
    for one in sorted((exchange.directory / "journal").glob("*.rbj")):
        with one.open("r+b") as file:
            file.seek(16)
            file.write(bytes(byte ^ 0x5A for byte in schema))
    up = ringbus("up", "--detach", path)
    assert up.returncode == 1
    up = ringbus("up", "--detach", "--continue", path)
    assert up.returncode == 1
    assert "another message schema" in up.stderr


# --- dead code that can be reached ---------------------------------------------------------------


@contextmanager
def console(exchange: Exchange) -> Iterator[Lane]:
    """The console's lane, in the hands of a contributor that says anything."""
    with Attachment(exchange.name) as shared:
        yield Lane(shared.attach("lane.console", writable=True))


def propose(exchange: Exchange, lane: Lane, groups: list[NDArray[np.void]]) -> None:
    """Put groups onto the lane one by one, each with the next number of its topic and shard 0."""
    with Attachment(exchange.name) as shared:
        doorbell = shared.attach("doorbell", writable=True)
        for group in groups:
            day = stream_of(exchange)
            own = day[(day["topic"] == 0) & (day["shard"] == 0)]
            group["topic_sequence"] = int(own["topic_sequence"].max()) + 1
            group["flags"] = Flag.CONTINUED
            group["flags"][-1] = Flag.LAST_OF_GROUP
            count = len(day)
            assert lane.offer(group) == len(group)
            check(lib.rb_doorbell_press(doorbell.address, 0), "doorbell")
            assert until(lambda count=count: len(stream_of(exchange)) > count)  # type: ignore[misc]


def test_what_nobody_says_any_more_does_nothing(make: Maker) -> None:
    """R107: each template, command and option without a name is refused; nothing else happens."""
    with launched(make(shards=1, ports=1)) as exchange, console(exchange) as lane:
        raw: NDArray[np.void] = np.zeros(len(UNSAID), MESSAGE)
        raw["template_id"] = UNSAID
        propose(exchange, lane, [raw[n : n + 1] for n in range(len(raw))])
        day = stream_of(exchange)
        said = of(day, Template.REJECTED, REJECTED)
        assert said["refused_template"].tolist() == UNSAID
        assert set(said["reason"].tolist()) == {RejectReason.INVALID_PROPOSAL}
        kinds = [one for one in range(256) if one not in list(CommandKind)]
        commands = [lines(COMMAND, Template.COMMAND, kind=kind) for kind in kinds[::8]]
        scopes = [
            lines(MASS_CANCEL, Template.MASS_CANCEL, scope=scope, instrument=INSTRUMENT_NONE)
            for scope in (0, 128, MassCancelScope.EVERYTHING | 128, MassCancelScope.KILL)
        ]
        contradicting = OrderOption.MARKET | OrderOption.POST_ONLY | OrderOption.SLIDE
        orders = [
            lines(
                NEW_ORDER, Template.NEW_ORDER, side=Side.BUY, price_ticks=100, quantity=1,
                account=101, firm=1, time_in_force=force, options=options,
            )
            for force, options in ((5, 0), (8, 0), (255, 0), (0, contradicting))
        ]  # fmt: skip
        propose(exchange, lane, [*commands, *scopes, *orders])
        new = stream_of(exchange)[len(day) :]
        assert set(new["template_id"].tolist()) == {Template.REJECTED}
        assert len(new) == len(commands) + len(scopes) + len(orders)
        assert isinstance(order(exchange, 1), OrderAccepted)
    assert ringbus("replay", exchange.directory / "journal").returncode == 0


# --- a limit that is connected to nothing --------------------------------------------------------


def test_every_limit_is_connected(make: Maker) -> None:
    """R107: each in turn set to nothing refuses the next order, for its reason, and no longer."""
    with launched(make(ports=1, extra=TICKER)) as exchange:
        account = str(exchange.configuration.participants[0].account)
        ref = 0
        for limit in RiskLimit:
            word = limit.name.lower().replace("_", "-")
            assert command(exchange, "limit", "--account", account, word, "0").returncode == 0
            ref += 1
            side = "S" if limit == RiskLimit.OPEN_SHORT else "B"
            answer = asyncio.run(asyncio.wait_for(one_order(exchange, ref, side), PATIENCE_S))
            assert isinstance(answer, OrderRejected), limit.name
            assert last_refusal(exchange) == REASON_OF[limit]
            assert command(exchange, "limit", "--account", account, word, "none").returncode == 0
        answer = asyncio.run(asyncio.wait_for(one_order(exchange, ref + 1, "B"), PATIENCE_S))
        assert isinstance(answer, OrderAccepted)


async def one_order(
    exchange: Exchange, ref: int, side: str, user: str = "ALICE", symbol: str = "S1", price: int = 0
) -> object:
    """An order of that number, and the answer."""
    host, tcp = exchange.port("port.0")
    async with OuchClient(host, tcp, user, "SECRET", next_user_ref=ref) as client:
        price = price or (10_000 if side == "B" else 20_000)
        await client.enter(symbol=symbol, side=side, quantity=1, price=price)
        async for _, event in client.events():
            is_answer = isinstance(event, OrderAccepted | OrderRejected)
            if is_answer and getattr(event, "user_ref", 0) == ref:
                return event
    raise AssertionError("no answer")


# What is asked, in order, and why it is refused: user, symbol, side, price.
OF_THE_FILES = (
    ("ALICE", "S1", "B", 10_000, None),
    ("ALICE", "S1", "B", 10_000, RejectReason.OPEN_ORDERS_LIMIT),
    ("BOB", "S1", "B", 10_000, RejectReason.RESTRICTED),
    ("BOB", "S0", "B", 10_600, RejectReason.PRICE_COLLAR),
    ("BOB", "S2", "B", 20_000, RejectReason.FAT_FINGER),
    ("BOB", "S0", "B", 10_000, None),
    ("BOB", "S0", "B", 10_100, RejectReason.OPEN_LONG_LIMIT),
)


def test_what_the_files_say_is_connected(make: Maker) -> None:
    """R107: each kind of rule in the files refuses the first order above it; nobody said a word.

    Also behind a restart of port and console, and the day's log has all of it.
    """
    path = ruled(
        make(ports=1, extra=TICKER),
        "account:101,1,,,",
        "firm:BETA,,2,oldest,S1",
        head=("owner", "open_orders", "open_long", "self_trade", "no_orders"),
    )
    file = path.with_name("instruments.csv")
    head, *rows = file.read_text().splitlines()
    more = (",0.95,1.05,,", ",,,,", ",,,1,0.5")
    rows = [row + one for row, one in zip(rows, more, strict=True)]
    columns = ",collar_min,collar_max,reference,finger_width"
    file.write_text("\n".join([head + columns, *rows]) + "\n")
    refs = {"ALICE": 0, "BOB": 0}
    with launched(path) as exchange:
        for n, (user, symbol, side, price, reason) in enumerate(OF_THE_FILES):
            if n == 1:
                former = exchange.kill("edge")
                exchange.await_restart("edge", former, PATIENCE_S)
            refs[user] += 1
            asked = one_order(exchange, refs[user], side, user, symbol, price)
            answer = asyncio.run(asyncio.wait_for(asked, PATIENCE_S))
            assert isinstance(answer, OrderAccepted) == (reason is None), (user, symbol)
            assert reason is None or last_refusal(exchange) == reason
        assert "the configuration" in ringbus("log", exchange.name).stdout
        said = ringbus("log", exchange.name, "--json").stdout
        assert "limit open-orders of account 101 to 1" in said
        assert "collar of S0 in continuous: at least 0.95, at most 1.05" in said
        diff = ringbus(
            "diff", exchange.name, ruled(path, "account:101,2", head=("owner", "open_orders"))
        )
        assert "rules of account:101: open_orders 1 to 2" in diff.stdout
    assert ringbus("replay", exchange.directory / "journal").returncode == 0


# --- no way to stop it ---------------------------------------------------------------------------


async def run_until_killed(exchange: Exchange) -> None:
    """Both users send without end; the operator says one word."""
    host, tcp = exchange.port("port.0")
    async with (
        OuchClient(host, tcp, "ALICE", "SECRET") as alice,
        OuchClient(host, tcp, "BOB", "SECRET") as bob,
    ):
        running = [asyncio.create_task(Runaway(one).run()) for one in (alice, bob)]
        while len(of(stream_of(exchange), Template.NEW_ORDER, NEW_ORDER)) < 200:
            await asyncio.sleep(0.01)
        done = await asyncio.to_thread(command, exchange, "kill", "--everybody")
        assert done.returncode == 0, done.stderr
        await asyncio.wait_for(asyncio.gather(*running), PATIENCE_S)


def test_one_command_stops_everybody_until_another_lets_them_in(make: Maker) -> None:
    """R107: all open orders go in one group, nothing comes in behind it, also after a restart."""
    with launched(make(ports=1, extra=TICKER)) as exchange:
        asyncio.run(run_until_killed(exchange))
        day = stream_of(exchange)
        kill = of(day, Template.MASS_CANCEL, MASS_CANCEL)[0]
        entered = of(day, Template.NEW_ORDER, NEW_ORDER)
        canceled = of(day, Template.CANCELED, CANCELED)
        assert entered["sequence"].max() < kill["sequence"]
        assert len(canceled) == len(entered) >= 200
        assert set(canceled["time_ns"].tolist()) == {int(kill["time_ns"])}
        former = exchange.kill("edge")
        exchange.await_restart("edge", former, PATIENCE_S)
        ref = 1 + int(entered["client_order_id"].max()) + 10_000
        assert isinstance(order(exchange, ref), OrderRejected)
        assert last_refusal(exchange) == RejectReason.KILLED
        assert command(exchange, "resume", "--everybody").returncode == 0
        assert isinstance(order(exchange, ref + 1), OrderAccepted)


# --- orders before the open ----------------------------------------------------------------------

PRE_OPEN_GUARDIAN = (
    '[[application]]\nname = "guardian.0"\nkind = "guardian"\nevery_ms = 20\nrules = [\n'
    '  { rule = "open-orders", scope = "account", bound = 3, action = "kill" },\n]\n'
    '[[core]]\nname = "watch"\nagents = ["guardian.0"]\n'
)


async def before_the_open(exchange: Exchange) -> list[int]:
    """ALICE's orders into an auction, until she is killed; her orders that are gone."""
    host, tcp = exchange.port("port.0")
    gone: list[int] = []
    async with OuchClient(host, tcp, "ALICE", "SECRET") as client:
        for _ in range(5):
            await client.enter(symbol="S2", side="B", quantity=5, price=9_000)
        async for _, event in client.events():
            if isinstance(event, OrderCanceled):
                gone.append(event.user_ref)
            if len(gone) == 5:
                return gone
    return gone


def test_orders_before_the_open_are_checked_like_all(make: Maker) -> None:
    """R107: held for an auction they count for limits and guardian, and a kill takes them away."""
    with launched(make(ports=1, extra=PRE_OPEN_GUARDIAN + TICKER)) as exchange:
        for symbol in ("S0", "S1", "S2"):
            assert command(exchange, "state", symbol, "auction").returncode == 0
        account = str(exchange.configuration.participants[1].account)
        assert command(exchange, "limit", "--account", account, "open-orders", "1").returncode == 0
        host, tcp = exchange.port("port.0")

        async def limited() -> list[bool]:
            async with OuchClient(host, tcp, "BOB", "SECRET") as bob:
                return [await accepted(bob) for _ in range(2)]

        assert asyncio.run(asyncio.wait_for(limited(), PATIENCE_S)) == [True, False]
        assert last_refusal(exchange) == RejectReason.OPEN_ORDERS_LIMIT
        gone = asyncio.run(asyncio.wait_for(before_the_open(exchange), PATIENCE_S))
        assert sorted(gone) == [1, 2, 3, 4, 5]
        alarms = of(stream_of(exchange), Template.ALARM, ALARM)
        assert [(int(one["kind"]), int(one["account"])) for one in alarms] == [
            (GuardianRule.OPEN_ORDERS, 101)
        ]
        assert len(read_day(exchange.directory / "journal")) > 0
