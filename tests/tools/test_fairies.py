"""Cancel fairies in processes of their own, killed while clients trade."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ports.ouch import (
    OrderAccepted,
    OrderCanceled,
    OrderExecuted,
    OrderRejected,
    Outbound,
    Tag,
    option,
)
from ports.ouch_client import OuchClient
from ringbus._ringbus import lib
from ringbus.lane import Lane
from ringbus.messages import (
    CANCEL,
    COMMAND,
    CancelReason,
    CommandKind,
    Flag,
    InstrumentState,
    Template,
)
from ringbus.status import check
from tests.engine.trader import lines
from tests.tools.conftest import Maker
from tests.tools.test_applications import stream_of
from tests.tools.test_launcher import ringbus
from tools.configuration import Configuration
from tools.exchange import Exchange, launched
from tools.memory import Attachment

FAIRIES = 3
TICKER = (
    '[[application]]\nname = "ticker.0"\nkind = "ticker"\nevery_ms = 20\n'
    '[[core]]\nname = "clock"\nagents = ["ticker.0"]\n'
)
KILLS = 3  # of each; the launcher gives up on a core that dies more often than five times a minute
ORDERS = 150  # of each client, at least
PATIENCE_S = 90
FOR_A_SECOND = (option(Tag.EXPIRE_TIME, 1),)
EXTRA = "".join(
    f'[[application]]\nname = "fairy.{n}"\nkind = "fairy"\n'
    f'[[core]]\nname = "fairy-{n}"\nagents = ["fairy.{n}"]\n'
    for n in range(FAIRIES)
)


def test_what_a_fairy_is_told(make: Maker) -> None:
    topology = Configuration.load(make(ports=1, extra=EXTRA)).topology
    assert topology.contributors == ("console", "port.0", "fairy.0", "fairy.1", "fairy.2")
    assert all(topology.restartable(topology.core(f"fairy-{n}")) for n in range(FAIRIES))


@dataclass(slots=True)
class Trader:
    """A client that enters orders for the day and for a second, and keeps its books.

    Now and then it meets the other one's.
    """

    client: OuchClient
    side: str
    draw: random.Random
    open: dict[int, int] = field(default_factory=dict)
    ends: Counter[int] = field(default_factory=Counter)
    asked: int = 0
    refused: int = 0
    timed: set[int] = field(default_factory=set)
    reasons: Counter[tuple[bool, str]] = field(
        default_factory=Counter
    )  # of what went; timed or not

    async def trade(self, stop: asyncio.Event) -> None:
        """Enter one after the other until it is told to stop."""
        while not stop.is_set():
            self.asked += 1
            symbol, price = f"S{self.draw.randrange(3)}", 100 * self.draw.randrange(1000, 1004)
            # Each side keeps to its own prices but for one in ten, which trades.
            away = 0 if self.draw.random() < 0.1 else 1000 * (1 if self.side == "S" else -1)
            is_timed = self.draw.random() < 0.3
            number = await self.client.enter(
                symbol=symbol, side=self.side, quantity=10, price=price + away * 10,
                tif="6" if is_timed else "0", appendage=FOR_A_SECOND if is_timed else (),
            )  # fmt: skip
            if is_timed:
                self.timed.add(number)
            await asyncio.sleep(0.002)

    async def listen(self) -> None:
        """Take every event."""
        async for _, event in self.client.events():
            self.hear(event)

    def hear(self, event: Outbound) -> None:
        if isinstance(event, OrderAccepted):
            assert event.user_ref not in self.open
            self.open[event.user_ref] = event.quantity
        elif isinstance(event, OrderRejected):
            self.refused += 1
        elif isinstance(event, OrderExecuted | OrderCanceled):
            if isinstance(event, OrderCanceled):
                self.reasons[event.user_ref in self.timed, event.reason] += 1
            self.open[event.user_ref] -= event.quantity
            assert self.open[event.user_ref] >= 0
            if self.open[event.user_ref] == 0:
                del self.open[event.user_ref]
                self.ends[event.user_ref] += 1


def close(exchange: Exchange, instrument: int) -> None:
    """The operator's command, on the console's lane."""
    shard = exchange.configuration.shard_of[instrument]
    day = stream_of(exchange)
    own = day[(day["topic"] == 0) & (day["shard"] == shard)]
    line = lines(
        COMMAND, Template.COMMAND, instrument=instrument, kind=CommandKind.INSTRUMENT_STATE,
        state=InstrumentState.CLOSED, topic_sequence=int(own["topic_sequence"].max()) + 1,
        flags=Flag.LAST_OF_GROUP,
    )  # fmt: skip
    with Attachment(exchange.name) as shared:
        assert Lane(shared.attach("lane.console", writable=True)).offer(line) == 1
        doorbell = shared.attach("doorbell", writable=True)
        check(lib.rb_doorbell_press(doorbell.address, 0), "doorbell")


async def day_of(exchange: Exchange) -> list[Trader]:
    """Two clients trade, fairies are killed, one instrument after the other is closed."""
    host, tcp = exchange.port("port.0")
    traders = [
        Trader(OuchClient(host, tcp, user, "SECRET"), side, random.Random(user))
        for user, side in (("ALICE", "B"), ("BOB", "S"))
    ]
    stop = asyncio.Event()
    for trader in traders:
        await trader.client.connect()
    listening = [asyncio.create_task(trader.listen()) for trader in traders]
    trading = [asyncio.create_task(trader.trade(stop)) for trader in traders]

    def torment() -> None:
        for _ in range(KILLS):
            for n in range(FAIRIES):
                # The next one dies while this one is on its way back.
                former = exchange.kill(f"fairy-{n}")
                exchange.await_restart(f"fairy-{n}", former)

    killing = asyncio.create_task(asyncio.to_thread(torment))
    for instrument in range(2):
        target = ORDERS * (instrument + 1) // 3
        while min(trader.asked for trader in traders) < target:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(close, exchange, instrument)
    await killing
    while min(trader.asked for trader in traders) < ORDERS:
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.gather(*trading)
    await asyncio.to_thread(close, exchange, 2)
    async with asyncio.timeout(PATIENCE_S):
        while any(
            trader.open or sum(trader.ends.values()) + trader.refused < trader.asked
            for trader in traders
        ):
            await asyncio.sleep(0.02)
    for trader in traders:
        await trader.client.logout()
    await asyncio.gather(*listening)
    return traders


def test_killing_them_changes_nothing_that_a_client_can_see(make: Maker) -> None:
    """Every order is accepted or refused once, and ends once, with all of its quantity.

    Whoever died meanwhile: nine kills with SIGKILL, three of each fairy.
    """
    with launched(make(ports=1, extra=EXTRA + TICKER)) as exchange:
        traders = asyncio.run(day_of(exchange))
        restarts = [exchange.state.cores[f"fairy-{n}"].restarts for n in range(FAIRIES)]
        day = stream_of(exchange)
    # What fairies and the ticker said goes through the engine again, byte for byte.
    replayed = ringbus("replay", exchange.directory / "journal")
    assert replayed.returncode == 0, replayed.stdout
    assert restarts == [KILLS] * FAIRIES
    for trader in traders:
        assert set(trader.ends.values()) == {1}
        # Timeout, of both kinds, and nothing else.
        assert set(trader.reasons) == {(False, "T"), (True, "T")}
        assert trader.refused + len(trader.ends) == trader.asked
    said = day.view(CANCEL)
    own = np.isin(said["publisher"], [3, 4, 5])
    assert set(said["template_id"][own].tolist()) == {Template.CANCEL}
    assert set(said["reason"][own].tolist()) == {CancelReason.EXPIRED}
    gone = list(zip(said["topic"][own], said["client_order_id"][own], strict=True))
    assert len(gone) == len(set(gone)) > 0
    # Nothing was refused but what was entered too late.
    refused = day[day["template_id"] == Template.REJECTED]
    assert set(refused["publisher"].tolist()) <= {2}
