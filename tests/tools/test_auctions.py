"""Auctions in processes of their own, killed before, during and after their crosses."""

from __future__ import annotations

import asyncio
import io
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from itch.parser import MessageParser
from numpy.typing import NDArray
from rich.console import Console

from ports import itch
from ports.market_book import MarketBook
from ports.ouch import OrderAccepted, OrderCanceled, OrderExecuted, OrderRejected
from ports.ouch_client import OuchClient
from ringbus.application import line_of
from ringbus.lines import Cancel, Canceled, CrossResult, Executed, NewOrder
from ringbus.messages import (
    CROSS_RESULT,
    IMBALANCE,
    STATE_CHANGED,
    InstrumentState,
    Side,
    Template,
)
from tests.tools.conftest import Maker
from tests.tools.test_applications import stream_of
from tests.tools.test_command import command
from tests.tools.test_launcher import ringbus, until
from tests.tools.test_market import day_of
from tools.book import picture
from tools.configuration import Configuration
from tools.exchange import Exchange, launched
from tools.topology import ConfigurationError

INSTRUMENTS = 3
HALT_S, SAY_MS = 1, 50
AUCTIONS = "".join(
    f'[[application]]\nname = "auction.{n}"\nkind = "auction"\n'
    f"halt_s = {HALT_S}\nimbalance_ms = {SAY_MS}\n"
    f'[[core]]\nname = "auction-{n}"\nagents = ["auction.{n}"]\n'
    for n in range(2)
)
BESIDE = (
    '[[application]]\nname = "ticker.0"\nkind = "ticker"\nevery_ms = 20\n'
    '[[application]]\nname = "glimpse"\nkind = "snapshot"\n'
    '[[core]]\nname = "beside"\nagents = ["ticker.0", "glimpse"]\n'
)
OPEN_MAX = 300
ROUNDS = 5  # a core that dies more often than five times a minute is given up
# When which of them die, in seconds after an instrument began to collect.
KILLS = ((0.3, 0.9), (0.95, 1.0), (1.0, 1.0), (1.02, 1.1), (1.3, 0.7))
SCHEDULE = """\
[[application]]
name = "auction.0"
kind = "auction"
opens = "09:30:00"
closing_call = "14:57:00"
closes = "15:00:00"
[[core]]
name = "auctions"
agents = ["auction.0"]
"""


def test_what_an_auction_is_told(make: Maker) -> None:
    configuration = Configuration.load(make(ports=1, extra=AUCTIONS))
    topology = configuration.topology
    assert topology.contributors == ("console", "port.0", "auction.0", "auction.1")
    assert all(topology.restartable(topology.core(f"auction-{n}")) for n in range(2))
    # Sessions have topics 1 to 7; instruments theirs behind, whoever of the auctions speaks.
    assert [configuration.topic_of_instrument(n) for n in range(3)] == [8, 9, 10]
    assert configuration.topics == 11
    with pytest.raises(ConfigurationError, match="opens: found '9:30'"):
        Configuration.load(make(extra=SCHEDULE.replace("09:30:00", "9:30")))


@pytest.mark.parametrize(
    ("direction", "text"),
    [
        ("B", "would match 1,200 at 10.05, 300 left to buy"),
        ("S", "would match 1,200 at 10.05, 300 left to sell"),
        ("N", "would match 1,200 at 10.05"),
        ("O", "nothing can be matched yet"),
    ],
)
def test_the_view_of_a_book_says_what_its_cross_would_come_to(direction: str, text: str) -> None:
    """R03: above both sides, until the instrument trades."""
    book = MarketBook()
    row = ("S0", " ", " ", 1, "N", "C", "Z", "P", " ", "N", "1", "N", 0, "N")
    book.apply(itch.ItchMessage("R", 1, 0, row))
    book.apply(itch.ItchMessage("H", 1, 0, ("S0", "Q", "", "")))
    said = (1200, 300, direction, "S0", 100_500, 100_500, 100_500, "O", "L")
    book.apply(itch.ItchMessage("I", 1, 0, said))
    screen = Console(file=io.StringIO(), width=100)
    with screen.capture() as shown:
        screen.print(picture(book, 1, 1))
    assert text in shown.get().splitlines()
    book.apply(itch.ItchMessage("H", 1, 0, ("S0", "T", "", "")))
    with screen.capture() as shown:
        screen.print(picture(book, 1, 1))
    assert "match" not in shown.get()


@dataclass(slots=True)
class Trader:
    """A client that enters day orders round one price, and keeps its books.

    It cancels the oldest when many are open: a session may not have more than 1,024.
    """

    client: OuchClient
    side: str
    draw: random.Random
    open: dict[int, int] = field(default_factory=dict)
    asked: int = 0

    async def trade(self, stop: asyncio.Event) -> None:
        """Enter one after the other until it is told to stop."""
        while not stop.is_set():
            self.asked += 1
            symbol = f"S{self.draw.randrange(INSTRUMENTS)}"
            price = 100 * self.draw.randrange(1000, 1020)
            quantity = self.draw.randrange(1, 100)
            await self.client.enter(symbol=symbol, side=self.side, quantity=quantity, price=price)
            rest = [user_ref for user_ref, left in self.open.items() if left]
            if len(rest) > OPEN_MAX:
                await self.client.cancel(rest[0])
            await asyncio.sleep(0.01)

    async def listen(self) -> None:
        """Take every event."""
        async for _, event in self.client.events():
            assert not isinstance(event, OrderRejected)
            if isinstance(event, OrderAccepted):
                assert event.user_ref not in self.open
                self.open[event.user_ref] = event.quantity
            elif isinstance(event, OrderExecuted | OrderCanceled):
                self.open[event.user_ref] -= event.quantity
                assert self.open[event.user_ref] >= 0


def begin_auction(exchange: Exchange, instrument: int) -> None:
    """The operator's command."""
    done = command(exchange, "state", f"S{instrument}", "auction")
    assert done.returncode == 0, done.stderr


def crosses(day: NDArray[np.void]) -> NDArray[np.void]:
    said: NDArray[np.void] = day[day["template_id"] == Template.CROSS_RESULT].view(CROSS_RESULT)
    return said


def crossed(exchange: Exchange, count: int) -> Callable[[], bool]:
    """Whether there were so many crosses."""
    return lambda: len(crosses(stream_of(exchange))) >= count


async def day_with_deaths(exchange: Exchange) -> list[Trader]:
    """Clients trade on and on; round by round all instruments go through an auction."""
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

    async def kill(number: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        former = await asyncio.to_thread(exchange.kill, f"auction-{number}")
        await asyncio.to_thread(exchange.await_restart, f"auction-{number}", former)

    for n in range(ROUNDS):
        for instrument in range(INSTRUMENTS):
            await asyncio.to_thread(begin_auction, exchange, instrument)
        await asyncio.gather(*(kill(number, after_s) for number, after_s in enumerate(KILLS[n])))
        assert await asyncio.to_thread(until, crossed(exchange, (n + 1) * INSTRUMENTS))
    stop.set()
    await asyncio.gather(*trading)
    for trader in traders:
        await trader.client.logout()
    await asyncio.gather(*listening)
    return traders


Book = dict[tuple[int, int], NewOrder]


def most(book: Book, instrument: int) -> int:
    """What can be matched at most: by trying the price of every order."""
    own = [one for one in book.values() if one.instrument == instrument]
    tried = [0]
    for price in [one.price_ticks for one in own]:
        buys = [one for one in own if one.side == Side.BUY and one.price_ticks >= price]
        sells = [one for one in own if one.side == Side.SELL and one.price_ticks <= price]
        tried.append(min(sum(one.quantity for one in side) for side in (buys, sells)))
    return max(tried)


def check_crosses(day: NDArray[np.void]) -> list[NewOrder]:
    """Each matched all that can be matched in the book that the stream tells of up to there.

    Returns: what is open at the end.
    """
    book: Book = {}
    for n in range(len(day)):
        line = line_of(day, n)
        if isinstance(line, CrossResult):
            assert line.quantity == most(book, line.instrument)
        elif isinstance(line, NewOrder):
            book[line.shard, line.locate] = line
        elif isinstance(line, Cancel | Canceled | Executed):
            place = line.shard, line.locate
            book[place] = book[place]._replace(quantity=line.remaining)
            if not line.remaining:
                del book[place]
    return [*book.values()]


def test_killing_them_changes_nothing_that_a_client_can_see(make: Maker) -> None:
    """R69-R72: ten deaths round five crosses of each instrument, with orders coming in all along.

    Each auction is crossed once, at its best price; clients hear what was executed, and the tape
    says imbalances and crosses that another implementation reads.
    """
    with launched(make(ports=1, instruments=INSTRUMENTS, extra=AUCTIONS + BESIDE)) as exchange:
        traders = asyncio.run(day_with_deaths(exchange))
        restarts = [exchange.state.cores[f"auction-{n}"].restarts for n in range(2)]
        day = stream_of(exchange)
        kinds = np.isin(day["template_id"], (Template.IMBALANCE, Template.CROSS_RESULT))
        tape = tape_of(exchange, int(np.count_nonzero(kinds)))
    replayed = ringbus("replay", exchange.directory / "journal")
    assert replayed.returncode == 0, replayed.stdout
    assert restarts == [ROUNDS] * 2
    said = crosses(day)
    assert Counter(said["instrument"].tolist()) == dict.fromkeys(range(INSTRUMENTS), ROUNDS)
    assert set(said["publisher"].tolist()) <= {3, 4}
    rest = check_crosses(day)
    states = day[day["template_id"] == Template.STATE_CHANGED].view(STATE_CHANGED)
    for instrument in range(INSTRUMENTS):
        own = states[states["instrument"] == instrument]
        order = [s for s in own["state"] if s != InstrumentState.HALTED]
        assert order == [InstrumentState.AUCTION, InstrumentState.CONTINUOUS] * ROUNDS
        # Not before its time, by the stream's clock.
        began, ended = own["time_ns"][own["state"] == 2], own["time_ns"][own["state"] == 1]
        assert (ended - began >= HALT_S * 1_000_000_000).all()
    # What each client holds is what the stream says of it.
    for trader, topic in zip(traders, (1, 7), strict=True):
        asked = day[(day["template_id"] == Template.NEW_ORDER) & (day["topic"] == topic)]
        assert len(asked) == len(trader.open) == trader.asked
        held = {user_ref: left for user_ref, left in trader.open.items() if left}
        assert held == {one.client_order_id: one.quantity for one in rest if one.topic == topic}
    check_tape(tape, day)


def tape_of(exchange: Exchange, auctions: int) -> list[bytes]:
    """The day's ITCH messages, once all that auctions said is on it."""
    count = auctions
    while True:
        tape = day_of(exchange, count)
        found = sum(one[:1] in (b"I", b"Q") for one in tape)
        if found == auctions:
            return tape
        count += auctions - found


def check_tape(tape: list[bytes], day: NDArray[np.void]) -> None:
    """PyPI itchfeed reads I and Q, and they say what the stream does."""
    parser = MessageParser()
    read = [parser.get_message_type(raw) for raw in tape]
    assert [one.to_bytes() for one in read] == tape
    shown = [one for one in read if one.message_type == b"I"]
    said = day[day["template_id"] == Template.IMBALANCE].view(IMBALANCE)
    assert len(shown) == len(said) > 0
    for one, line in zip(shown, said, strict=True):
        assert (one.stock_locate, one.paired_shares) == (line["instrument"] + 1, line["paired"])
        assert one.imbalance_shares == line["imbalance"]
        assert one.near_price == line["near_ticks"] * 100
        assert one.current_reference_price == line["reference_ticks"] * 100
        assert one.cross_type == b"H"
        assert one.imbalance_direction in (b"B", b"S", b"N", b"O")
    crossed = [itch.decode(raw) for raw in tape if raw[:1] == b"Q"]
    told = [(one.number("shares"), one.number("price"), one.number("match")) for one in crossed]
    lines_of = crosses(day)
    assert told == [
        (int(one["quantity"]), int(one["price_ticks"]) * 100, int(one["sequence"]))
        for one in lines_of
    ]
