"""A client that sends orders without end, and whoever stops it."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from ports.ouch import OrderAccepted, OrderCanceled, OrderRejected
from ports.ouch_client import OuchClient
from ringbus.messages import (
    ALARM,
    CANCELED,
    MASS_CANCEL,
    NEW_ORDER,
    GuardianAction,
    GuardianRule,
    MassCancelScope,
    Template,
)
from tests.tools.conftest import Maker
from tests.tools.test_applications import stream_of
from tests.tools.test_fairies import TICKER
from tests.tools.test_launcher import ringbus, until
from tools.exchange import Exchange, launched

pytestmark = pytest.mark.xdist_group("processes")
# In a second: what a runaway exceeds on any machine.
BOUND = 50
PATIENCE_S = 120
SECOND_NS = 1_000_000_000
SLOT_NS = 50_000_000
GUARDIAN = (
    '[[application]]\nname = "guardian.0"\nkind = "guardian"\nevery_ms = 50\nrules = [\n'
    f'  {{ rule = "orders", scope = "session", bound = {BOUND}, action = "kill" }},\n'
    '  { rule = "crossed-book" }, { rule = "trade-through" }, { rule = "balance" },\n]\n'
    '[[core]]\nname = "watch"\nagents = ["guardian.0"]\n'
)


@dataclass(slots=True)
class Runaway:
    """Enters order after order and heeds no answer, until it is told that nothing is taken."""

    client: OuchClient
    open: set[int] = field(default_factory=set)
    refused: int = 0

    async def run(self) -> None:
        """Returns when an order of it was refused."""
        listening = asyncio.create_task(self.listen())
        while not self.refused:
            # Several at a time: too many in a second also where this has no CPU for most of it.
            for _ in range(4):
                await self.client.enter(symbol="S1", side="B", quantity=1, price=10_000)
            await asyncio.sleep(0.002)
        while self.open:
            await asyncio.sleep(0.005)
        listening.cancel()

    async def listen(self) -> None:
        """Take every event."""
        async for _, event in self.client.events():
            if isinstance(event, OrderAccepted):
                self.open.add(event.user_ref)
            elif isinstance(event, OrderCanceled):
                self.open.discard(event.user_ref)
            elif isinstance(event, OrderRejected):
                self.refused += 1


async def accepted(client: OuchClient) -> bool:
    """Whether an order is taken."""
    number = await client.enter(symbol="S2", side="B", quantity=5, price=9_000)
    async for _, event in client.events():
        if isinstance(event, OrderAccepted | OrderRejected) and event.user_ref == number:
            return isinstance(event, OrderAccepted)
    raise AssertionError("no answer")


async def run_away(exchange: Exchange, draw: random.Random, kills: int) -> None:
    """BOB trades as one should, ALICE runs; the guardian dies so many times meanwhile."""
    host, tcp = exchange.port("port.0")

    def torment() -> None:
        for _ in range(kills):
            former = exchange.kill("watch")
            exchange.await_restart("watch", former, PATIENCE_S)

    async with OuchClient(host, tcp, "BOB", "SECRET") as bob:
        assert await accepted(bob)
        async with OuchClient(host, tcp, "ALICE", "SECRET") as alice:
            killing = asyncio.create_task(asyncio.to_thread(torment))
            await asyncio.sleep(draw.random() * 0.05)
            await asyncio.wait_for(Runaway(alice).run(), PATIENCE_S)
            await killing
        assert await accepted(bob)


def of(day: NDArray[np.void], template: Template, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """The lines of one template."""
    found: NDArray[np.void] = day[day["template_id"] == template].view(dtype)
    return found


def decided(times_ns: NDArray[np.uint64]) -> int:
    """How many orders there were within a second, at the end of the first slot with too many."""
    slots = times_ns.astype(np.int64) // SLOT_NS
    window = SECOND_NS // SLOT_NS
    for slot in np.unique(slots).tolist():
        value = int(((slots <= slot) & (slots > slot - window)).sum())
        if value > BOUND:
            return value
    raise AssertionError("it did not run away")


@pytest.mark.parametrize("kills", [0, 3])
def test_a_guardian_kills_a_client_that_runs_away(make: Maker, kills: int) -> None:
    """R107: for what it did in a stream second, alone of all sessions, whatever happens to the
    guardian."""
    path = make(ports=1, extra=GUARDIAN + TICKER)
    # Nothing else stops it: who has stopped by itself, a second before the guardian is there, is
    # not killed any more.
    text = path.read_text().replace("orders = 1024", "orders = 65536")
    path.write_text(text.replace("client_messages = 65536", "client_messages = 524288"))
    with launched(path) as exchange:
        asyncio.run(run_away(exchange, random.Random(kills), kills))
        assert until(lambda: ringbus("status", exchange.name).returncode == 2)
        status = ringbus("status", exchange.name).stdout
        day = stream_of(exchange)
        text = ringbus("log", exchange.name, "--json").stdout
        log = [json.loads(one) for one in text.splitlines()[1:]]
    alarms, killed = of(day, Template.ALARM, ALARM), of(day, Template.MASS_CANCEL, MASS_CANCEL)
    assert len(alarms) == 1
    alarm, kill = alarms[0], killed[0]
    session = next(
        who.session for who in exchange.configuration.participants if who.user == "ALICE"
    )
    assert (alarm["kind"], alarm["action"]) == (GuardianRule.ORDERS, GuardianAction.KILL)
    assert (alarm["session"], alarm["bound"]) == (session, BOUND)
    assert kill["scope"] == MassCancelScope.SESSION | MassCancelScope.KILL
    assert alarm["sequence"] < kill["sequence"]
    assert f"rule 1, orders of session {session}" in status
    # From the order that was too many.
    entered = of(day, Template.NEW_ORDER, NEW_ORDER)
    own = entered[entered["topic"] == session]
    # By the stream's time, to the order: how soon it is said depends on the host, and on who has to
    # be started again.
    assert alarm["value"] == decided(own["time_ns"])
    assert own["sequence"].max() < kill["sequence"]
    canceled = of(day, Template.CANCELED, CANCELED)
    assert set(canceled["topic"].tolist()) == {session}
    assert len(canceled) == len(own)
    assert set(entered["topic"].tolist()) == {1, 7}
    # The day's log has both, in words: who, why, and what came of it.
    told = ("author", "user", "what", "why", "effect", "message")
    value = f"{int(alarm['value'])}, bound {BOUND}"
    assert [[one[name] for name in told] for one in log] == [
        ["guardian", None, f"alarm, orders of user ALICE: {value}", "rule 1", "kills",
         int(alarm["sequence"])],
        ["guardian", None, "kill user ALICE: cancel all open orders, take nothing new",
         f"rule 1, orders: {value}", f"{len(own):,} orders canceled", int(kill["sequence"])],
    ]  # fmt: skip
    # And it all goes through the engine again, byte for byte.
    replayed = ringbus("replay", exchange.directory / "journal")
    assert replayed.returncode == 0, replayed.stdout
