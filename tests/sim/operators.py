"""Operators: they say through a console, the shipped one, all that operators can say.

Each wants one thing at a time, asks for its number, says it, and says it again until it is
answered: the console may die at any moment, and remembers nothing. What they were told is compared
with the stream in the end (tests/sim/checks.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from ports.authenticator import hash_secret
from ringbus.contributor import Contributor
from ringbus.memory import Memory
from ringbus.proposer import Proposer
from ringbus.replay import Stream
from ringbus.topics import Topics
from tests.sim.clients import MIDDLE, TICK
from tests.sim.draw import Draw
from tools.configuration import Configuration
from tools.console.conversation import Answer, Conversation
from tools.console.desk import Console
from tools.console.trades import WHY

PEOPLE = ("ann", "bob", "eve")
ACCOUNTS, FIRMS = 4, ("F1", "F2")
PRICE_MAX_TICKS = 1_000_000
# Trades that are spoken of: the last ones, so that two meet in one now and then.
TRADES = 6
WEIGHTS = {
    "collar": 5,
    "fat-finger": 3,
    "reference": 2,
    "bust": 6,
    "correct": 6,
    "cancel": 1,
    "approve": 8,
    "withdraw": 2,
}
# Where there are limits.
OF_OWNERS = {"limit": 2, "restrict": 4, "self-trade": 4, "kill": 1, "resume": 2}
# Verbs of a second author.
SECOND = ("approve", "withdraw")
# What only stops trading.
ALONE = ("kill", "cancel", "halt")
USUAL = {"open-orders": 8, "open-long": 10_000_000, "traded-quantity": 300}


@cache
def secret() -> str:
    """Nobody logs in with it."""
    return hash_secret("X", b"sixteen bytes ok", 1024)


def configuration_of(
    directory: Path,
    users: Sequence[str],
    shard_of: bytes,
    orders: int,
    approvals: int,
    more: str = "",
) -> Configuration:
    """What the console knows of the exchange, read from files like every day's.

    `more`: of the topology, behind its limits; "": a day that nobody opens, whose stream may end
    before a real opening would.
    """
    directory.mkdir()
    rows = ["symbol,tick,lot,price_min,price_max,quantity_max,shard"]
    top = PRICE_MAX_TICKS * TICK // 10_000
    rows += [f"S{n},0.01,1,0.01,{top},1000000,{shard}" for n, shard in enumerate(shard_of)]
    (directory / "instruments.csv").write_text("\n".join(rows))
    rows = ["user,session,account,firm,secret"]
    rows += [f"{user},{n},{n},F1,{secret()}" for n, user in enumerate(users, 1)]
    rows.append(f"DESK,{len(users) + 1},1,F2,{secret()}")
    (directory / "participants.csv").write_text("\n".join(rows))
    shards = 1 + max(shard_of)
    agents = ["sequencer", *(f"shard.{n}" for n in range(shards)), "publisher", "journal"]
    alone = list(ALONE)
    path = directory / "topology.toml"
    path.write_text(
        f'[exchange]\nname = "sim"\nsession = "DAY1"\ndirectory = "out"\nshards = {shards}\n'
        'instruments = "instruments.csv"\nparticipants = "participants.csv"\n'
        f"[limits]\norders = {orders}\npositions = 256\n{more}"
        f'[control]\napprovals = {approvals}\nalone = {alone}\nsame_user = "allowed"\n'
        f'[[core]]\nname = "engine"\nagents = {agents}\n'
    )
    read = Configuration.load(path)
    return read if more else replace(read, carried=-read.opening)


class Quiet:
    """Whoever is woken sleeps in nobody's simulation."""

    def ring(self, mask: int) -> None:
        """Nothing."""


def console_of(
    configuration: Configuration,
    lane: Memory,
    number: int,
    doorbell: Memory,
    stream: Stream,
    topics: int,
    clock: Callable[[], int],
) -> Console:
    """A console as a process makes it; a killed one is closed and made anew."""
    shards = configuration.topology.exchange.shards
    proposer = Proposer(Contributor(lane, number, doorbell), Quiet(), Topics(topics, shards))
    return Console(stream, proposer, configuration, clock)


@dataclass(frozen=True, slots=True)
class Done:
    """What an operator said and was told: its number, and the place of its line."""

    author: str
    verb: str
    number: int
    sequence: int
    waits: bool


@dataclass(slots=True)
class Operator:
    """One of them; `wanted` is what it says now, without the number."""

    name: str
    user: int
    draw: Draw
    has_limits: bool
    done: list[Done] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    wanted: Answer | None = None
    number: int | None = None
    talk: Conversation | None = None

    def act(self, trades: Sequence[int], instruments: int, waiting: Sequence[int]) -> None:
        """Want something new; `trades`: the day's matches; `waiting`: numbers of commands."""
        if self.wanted is not None:
            return
        draw = self.draw
        weights = WEIGHTS | (OF_OWNERS if self.has_limits else {})
        verb = draw.choice([verb for verb, count in weights.items() for _ in range(count)])
        if (verb in ("bust", "correct") and not trades) or (verb in SECOND and not waiting):
            return
        command: Answer = {"verb": verb, "author": self.name, "reason": f"{draw.below(100)}"}
        symbol = f"S{draw.below(instruments)}"
        if verb in SECOND:
            command["number"] = draw.choice(waiting) + draw.choice((0, 0, 0, 0, 1))
        elif verb == "bust":
            command |= {"match": draw.choice(trades[-TRADES:]), "why": draw.choice(list(WHY))}
        elif verb == "correct":
            command |= {"match": draw.choice(trades[-TRADES:]), "price": self._price()}
        elif verb in ("collar", "fat-finger", "reference"):
            command |= {"symbol": symbol, **self._rule(verb)}
        elif verb == "cancel":
            command |= {"symbol": symbol, "side": draw.choice(("buy", "sell"))}
        else:
            command |= self._of_an_owner(verb, symbol)
        self.wanted = command
        self.number = None

    def step(self, console: Console | None, durable: Callable[[], int]) -> int:
        """Go on with what it wants; returns whether there was something to do."""
        if self.wanted is None:
            return 0
        if console is None:
            self.talk = None
            return 0
        if self.talk is None:
            self.talk = Conversation(console, self.user, durable)
            answer = self.talk.begin(json.dumps(self._request()).encode())
        else:
            answer = self.talk.go_on()
        if answer is None:
            return 0
        self.talk = None
        self._take(answer)
        return 1

    def _request(self) -> Answer:
        assert self.wanted is not None
        if self.number is None:
            return {"do": "check", "command": self.wanted}
        return {"do": "say", "command": {**self.wanted, "number": self.number}}

    def _take(self, answer: Answer) -> None:
        assert self.wanted is not None
        if "error" in answer:
            text = str(answer["error"])
            if answer.get("taken"):
                # Somebody was quicker: it looks again.
                self.number = None
            elif not text.startswith("the console still reads"):
                self.refused.append(text)
                self.wanted = self.number = None
        elif self.number is None:
            self.number = int(str(answer["number"]))
        else:
            sequence, waits = int(str(answer["sequence"])), bool(answer["waits"])
            verb = str(self.wanted["verb"])
            self.done.append(Done(self.name, verb, self.number, sequence, waits))
            self.wanted = self.number = None

    def _price(self) -> str:
        return f"{(MIDDLE + self.draw.below(9) - 4) * TICK / 10_000:.2f}"

    def _rule(self, verb: str) -> Answer:
        draw = self.draw
        if verb == "reference":
            return {"price": draw.choice(("0", self._price()))}
        width = draw.choice((None, "0.01", "0.02", "0.03"))
        if verb == "fat-finger":
            return {"width": width, "value": draw.choice((None, "100000", "1500000"))}
        low, high = sorted((self._price(), self._price()), key=float)
        return {
            "state": draw.choice(("continuous", "continuous", "auction")),
            "low": draw.choice((None, low)),
            "high": draw.choice((None, high)),
            "width": width,
        }

    def _of_an_owner(self, verb: str, symbol: str) -> Answer:
        draw = self.draw
        whose: Answer = draw.choice(
            ({"account": 1 + draw.below(ACCOUNTS)}, {"firm": draw.choice(FIRMS)})
        )
        if verb == "limit":
            name, usual = draw.choice(list(USUAL.items()))
            value = draw.choice((str(usual), str(draw.below(4 * usual)), "none", "none"))
            return whose | {"limit": name, "value": value}
        if verb == "restrict":
            may = draw.choice(("everything", "everything", "sell-only", "nothing"))
            return whose | {"symbol": symbol, "may": may}
        if verb == "self-trade":
            return whose | {"mode": draw.choice(("none", "newest", "oldest", "both", "decrement"))}
        return whose
