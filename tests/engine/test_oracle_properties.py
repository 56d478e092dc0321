"""What must hold of every answer, whatever the rules are: told from the lines and walks alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ringbus.messages import CancelReason, InstrumentState, Liquidity, OrderOption, Template
from ringbus.messages import TimeInForce as Force
from tests.engine.mix import Message, Mix
from tests.engine.oracle import BUY, LINE_BYTES, SELL
from tests.engine.oracle.wire import LAYOUTS, Fields, decode
from tests.engine.profiles import PROFILES, Profile
from tests.engine.trial import Trial

MESSAGES = 3_000
SELF_TRADE = 16 | 32 | 64
AT_ONCE = (Force.IMMEDIATE_OR_CANCEL, Force.FILL_OR_KILL)


@dataclass(slots=True)
class Kept:
    """An order as its owner knows it."""

    side: int
    limit: int
    entered: int
    is_market: bool = False
    executed: int = 0
    canceled: int = 0

    @property
    def open(self) -> int:
        """What can still trade."""
        return self.entered - self.executed - self.canceled


@dataclass(slots=True)
class Ledger:
    """Keeps books of all orders from the lines, and asserts what must hold of each line."""

    orders: dict[int, Kept] = field(default_factory=dict)
    # Without a locate, by instrument: they live for one answer.
    passing: dict[int, Kept] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def hear(self, answer: bytes) -> None:
        """One answer of the book."""
        raw = [answer[at : at + LINE_BYTES] for at in range(0, len(answer), LINE_BYTES)]
        lines = [decode(one) for one in raw if one[24] in LAYOUTS]
        first = lines[0]
        self.passing = {}
        if first["template_id"] == Template.REJECTED:
            assert {one["template_id"] for one in lines[1:]} <= {Template.ORDER_TERMS, Template.LEG}
            return
        if first["template_id"] in (Template.NEW_ORDER, Template.REPLACE):
            self._enter(first)
        for line in lines:
            if line["template_id"] == Template.LEG:
                self._enter(line)
            elif line["template_id"] in (Template.CANCEL, Template.CANCELED, Template.EXECUTED):
                self._take_off(line)
        self._check_pairs(lines)
        self._check_whole(lines)

    def _enter(self, line: Fields) -> None:
        is_market = bool(line.get("options", 0) & OrderOption.MARKET)
        kept = Kept(line["side"], line["price_ticks"], line["quantity"], is_market)
        if line["locate"] == 0:
            self.passing[line["instrument"]] = kept
        else:
            self.orders[line["locate"]] = kept

    def _take_off(self, line: Fields) -> None:
        """Entered = open + executed + canceled; no trade is worse than the limit."""
        locate, is_trade = line["locate"], line["template_id"] == Template.EXECUTED
        kept = self.orders[locate] if locate else self.passing[line["instrument"]]
        assert line["quantity"] > 0
        if is_trade:
            kept.executed += line["quantity"]
            worse = line["price_ticks"] - kept.limit if kept.side == BUY else 0
            worse = kept.limit - line["price_ticks"] if kept.side == SELL else worse
            assert worse <= 0 or line["liquidity"] == Liquidity.CROSS
        else:
            kept.canceled += line["quantity"]
            # A prevented self-trade shows the price that it would have had.
            prevented = line.get("reason") == CancelReason.SELF_TRADE
            better = (
                line["price_ticks"] < kept.limit
                if kept.side == BUY
                else (line["price_ticks"] > kept.limit)
            )
            assert line["price_ticks"] == kept.limit or (prevented and better)
        assert kept.open >= 0
        assert line["remaining"] == kept.open
        assert line["side"] == kept.side
        if kept.open == 0 and locate:
            del self.orders[locate]

    def _check_pairs(self, lines: list[Fields]) -> None:
        """Two sides, one price, one quantity; nobody trades with himself who asked not to."""
        trades = [one for one in lines if one["template_id"] == Template.EXECUTED]
        first = lines[0]
        options = first.get("options", 0)
        for one, other in zip(trades[::2], trades[1::2], strict=True):
            assert {one["side"], other["side"]} == {BUY, SELL}
            for name in ("instrument", "price_ticks", "quantity"):
                assert one[name] == other[name]
            liquidity = one["liquidity"], other["liquidity"]
            if liquidity == (Liquidity.CROSS, Liquidity.CROSS):
                assert one["side"] == BUY
                continue
            assert liquidity == (Liquidity.REMOVED, Liquidity.ADDED)
            if first["template_id"] in (Template.NEW_ORDER, Template.MULTI_LEG_ORDER):
                assert not options & (OrderOption.POST_ONLY | OrderOption.SLIDE)
                name = "firm" if options & OrderOption.SELF_TRADE_FIRM else "account"
                assert not options & SELF_TRADE or one[name] != other[name]

    def _check_whole(self, lines: list[Fields]) -> None:
        """All or nothing, and nothing that must not rest is left."""
        first = lines[0]
        assert all(kept.open == 0 for kept in self.passing.values())
        done = [kept.executed for kept in self.passing.values()]
        if first["template_id"] == Template.MULTI_LEG_ORDER:
            wanted = [kept.entered for kept in self.passing.values()]
            assert done in (wanted, [0] * len(wanted))
            self._saw("legs traded" if any(done) else "legs canceled")
        if first["template_id"] != Template.NEW_ORDER:
            return
        if first["time_in_force"] == Force.FILL_OR_KILL:
            assert done[0] in (0, first["quantity"])
            self._saw("filled" if done[0] else "killed")
        minimum = lines[1]["minimum_quantity"] if len(lines) > 1 and is_terms(lines[1]) else 0
        if minimum:
            assert done[0] == 0 or done[0] >= minimum
            self._saw("minimum reached" if done[0] else "minimum missed")

    def _saw(self, what: str) -> None:
        self.seen[what] = self.seen.get(what, 0) + 1


def is_terms(line: Fields) -> bool:
    return line["template_id"] == Template.ORDER_TERMS


def check_book(trial: Trial, ledger: Ledger) -> None:
    """What must hold of the book between two messages."""
    opened: dict[int, int] = {}
    for instrument in range(len(trial.oracle.market.instruments)):
        bids, asks = (trial.book.walk(instrument, side).tolist() for side in (BUY, SELL))
        names = trial.book.walk(instrument, BUY).dtype.names or ()
        price, options = names.index("price_ticks"), names.index("options")
        # A continuous book is not crossed, hidden orders included; nor is a halted one.
        if bids and asks:
            assert bids[0][price] < asks[0][price]
        if trial.book.state(instrument) in (InstrumentState.AUCTION, InstrumentState.PRE_OPEN):
            assert not bids
            assert not asks
        for side, worse in ((bids, -1), (asks, 1)):
            # Hidden never stands in front of displayed at a price.
            ranks = [(worse * one[price], one[options] & OrderOption.HIDDEN) for one in side]
            assert ranks == sorted(ranks)
        held = trial.book.walk_held(instrument).tolist()
        locate, quantity = names.index("locate"), names.index("quantity")
        opened |= {one[locate]: one[quantity] for one in (*bids, *asks, *held)}
    assert opened == {number: kept.open for number, kept in ledger.orders.items()}


def followed(profile: Profile, seed: int) -> tuple[Ledger, list[Message]]:
    """A run of messages one by one, each checked."""
    ledger, sent = Ledger(), []
    with Trial(profile) as trial:
        mix = Mix(seed, profile, trial.oracle)
        for _ in range(MESSAGES):
            sent.append(mix.message())
            ledger.hear(trial.send(sent[-1]))
            check_book(trial, ledger)
    return ledger, sent


@pytest.mark.parametrize("profile", ["nasty", "ends", "tiny", "auctions", "legs", "reserve"])
def test_it_holds_in_a_random_run(profile: str) -> None:
    ledger, _ = followed(PROFILES[profile], 31)
    assert min(ledger.seen.get(what, 0) for what in ("killed", "filled")) >= 3
    if profile in ("legs", "nasty", "reserve"):
        assert ledger.seen["minimum reached"] >= 3
        assert ledger.seen["minimum missed"] >= 3
    if profile in ("legs", "nasty"):
        assert ledger.seen["legs traded"] >= 3
        assert ledger.seen["legs canceled"] >= 3
