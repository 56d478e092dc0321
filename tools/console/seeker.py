"""Where a console finds the trade that an operator names.

Both parties, the texts of their orders and what the trade counted at risk stand in the day's
messages up to the trade: they are read some at a time, between the console's other work. What
became of trades since, the console hears like everything else.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import (
    EXECUTED,
    MESSAGE,
    NEW_ORDER,
    ORDER_TAG,
    TRADE_CHANGE,
    Liquidity,
    Side,
    Template,
    TradeChangeKind,
)
from ringbus.replay import Stream
from ringbus.status import Lapped, RingbusError
from tools.console.record import Change
from tools.console.trades import Trade
from tools.console.words import CommandError

if TYPE_CHECKING:
    from tools.configuration import Configuration

# Messages that a search reads a turn.
STEP: Final = 1 << 14
# A trade is asked for again within seconds: to be checked, to be changed, to be approved.
FOUND_MAX: Final = 64


class Seeker:
    """Finds trades, one at a time. Thread: the console's."""

    def __init__(self, configuration: Configuration, stream: Stream) -> None:
        self._configuration = configuration
        self._stream = stream
        self._search: Search | None = None
        self._found: OrderedDict[int, Trade] = OrderedDict()
        # By match number: whether it is void, and its price.
        self._changed: dict[int, tuple[bool, int]] = {}

    def find(self, match: int) -> Trade | None:
        """A trade as it is now; None: ask again, it is being looked for.

        Raises: CommandError: there is none, or it is void.
        """
        trade = self._found.get(match)
        if trade is None:
            if self._search is None:
                self._search = Search(self._configuration, self._stream, match)
            return None
        is_void, price_ticks = self._changed.get(match, (False, trade.price_ticks))
        if is_void:
            raise CommandError(f"trade {match} is void already")
        return dataclasses.replace(trade, price_ticks=price_ticks)

    def hear(self, change: Change) -> int:
        """A change of the stream; returns the trade that it was of, 0 if of none."""
        if change.template != Template.TRADE_CHANGE or change.refused:
            return 0
        line = np.frombuffer(change.raw, TRADE_CHANGE)[0]
        is_void = int(line["kind"]) == TradeChangeKind.BUST
        self._changed[int(line["match"])] = is_void, int(line["price_ticks"])
        return int(line["match"])

    def do_work(self) -> int:
        """Read on; returns how many messages."""
        search = self._search
        if search is None:
            return 0
        heard = search.step()
        if search.is_done:
            self._found[search.trade.match] = search.trade
            if len(self._found) > FOUND_MAX:
                self._found.popitem(last=False)
            self.close()
        return heard

    def close(self) -> None:
        """Look for nothing any more."""
        if self._search is not None:
            self._search.close()
            self._search = None


class Search:
    """Reads the day up to a trade.

    Thread: its maker's. Memory: that of the limits of all accounts, until it is done or closed.
    Raises: CommandError: message `match` is not a trade.
    """

    def __init__(self, configuration: Configuration, stream: Stream, match: int) -> None:
        self.trade = _executed(stream, match)
        self.is_done = False
        self._risk = configuration.risk()
        self._replay = stream.replay()
        # A tag, and terms before it, may be in the batch behind that of their order.
        self._tail: NDArray[np.void] = np.zeros(0, MESSAGE)

    def step(self) -> int:
        """Read some; returns how many messages."""
        try:
            batch = self._replay.poll(STEP)
        except Lapped:
            # What the ring has lost will be in the files in a moment.
            return 0
        first = self.trade.match - int(batch["sequence"][0]) if len(batch) else 1
        self._hear_texts(np.concatenate((self._tail, batch[: max(0, first)])))
        self._tail = batch[-2:].copy()
        if first > 0:
            self._risk.apply(batch[:first])
        for n, side in enumerate(self.trade.sides):
            if 0 <= first + n < len(batch):
                self._count(n, side, batch[first + n : first + n + 1])
        self.is_done |= first + 1 < len(batch)
        return len(batch)

    def close(self) -> None:
        """Close the files."""
        self._replay.close()

    def _count(self, n: int, side: np.void, line: NDArray[np.void]) -> None:
        """What a line adds to what its account has traded is what it counts."""
        account = int(side["account"])
        before = self._risk.account(account).traded
        self._risk.apply(line)
        self.trade.notional_1e4[n] = self._risk.account(account).traded - before

    def _hear_texts(self, batch: NDArray[np.void]) -> None:
        """The tag behind each side's order, or behind the Replace that gave it its number."""
        orders = batch.view(NEW_ORDER)
        entered = np.isin(batch["template_id"], (Template.NEW_ORDER, Template.REPLACE))
        for n, side in enumerate(self.trade.sides):
            own = entered & (batch["topic"] == side["topic"])
            own &= orders["client_order_id"] == side["client_order_id"]
            for at in np.flatnonzero(own):
                # Terms may be between.
                for line in batch[at + 1 : at + 3]:
                    if int(line["template_id"]) == Template.ORDER_TAG and _same(batch[at], line):
                        self.trade.texts[n] = bytes(np.array([line]).view(ORDER_TAG)["text"][0])


def _same(first: np.void, line: np.void) -> bool:
    """Whether a line stands behind `first` in one message."""
    return all(first[name] == line[name] for name in ("topic", "topic_sequence", "shard"))


def _executed(stream: Stream, match: int) -> Trade:
    no_trade = CommandError(
        f"message {match} is not a trade; its number is what the clients were told, and what "
        "`ringbus trades` prints"
    )
    if match < 1:
        raise no_trade
    replay = stream.replay(match)
    try:
        # One may end a file, and the other begin the next.
        pair = np.concatenate([replay.poll(1).copy() for _ in range(2)]).view(EXECUTED)
    except Lapped:
        raise CommandError(f"message {match} is on its way to the journals; ask again") from None
    except RingbusError:
        raise no_trade from None
    finally:
        replay.close()
    if len(pair) < 2:
        raise CommandError(f"there is no message {match} yet")
    if set(pair["template_id"].tolist()) != {Template.EXECUTED}:
        raise no_trade
    is_first = int(pair["liquidity"][0]) == Liquidity.REMOVED or (
        int(pair["liquidity"][0]) == Liquidity.CROSS and int(pair["side"][0]) == Side.BUY
    )
    if not is_first:
        raise no_trade
    return Trade(pair, int(pair["price_ticks"][0]))
