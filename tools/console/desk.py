"""The console: checks commands, sequences them, and believes only what the stream says.

    request ─▶ checked ─▶ its words and a number, which the operator confirms
                               │
                      said with that number ─▶ lane ─▶ engine ─▶ stream ─▶ acknowledged
                               │
             one that needs two: CommandAsked ─▶ waits ─▶ `approve` by another ─▶ the command itself

A command has a number before it is said: the one behind the last that the stream knows. Said twice
with the same number, because an answer was lost or the console was killed, it happens once. A
number that another command has taken is asked for anew. What waits, and who said it, is on the
stream, so that a console that is started again knows it: it remembers nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ringbus.application import Application
from ringbus.messages import (
    COMMAND,
    COMMAND_ASKED,
    INSTRUMENT_NONE,
    MESSAGE,
    TRADE_CHANGE,
    Template,
    TradeChangeKind,
)
from ringbus.proposer import Proposal, Proposer
from ringbus.replay import Stream
from ringbus.texts import texts
from tools.console.names import Names, asked_of, command_of, outcome
from tools.console.record import OPERATOR, Change, Record
from tools.console.seeker import Seeker
from tools.console.trades import order_of_change, wanted
from tools.console.verbs import OF_A_TRADE, OF_ANOTHER, kind_of, order_of
from tools.console.words import CommandError, Order, Request

if TYPE_CHECKING:
    from tools.configuration import Configuration

# A command is asked after within seconds of its being said.
REMEMBERED_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Checked:
    """A command that may be said: under which number, and what it is in words.

    `waits`: it will wait for a second author.
    """

    number: int
    words: str
    waits: bool


class TakenError(CommandError):
    """Another command has this number: check it again, which gives the next one."""


class Console(Application):
    """The operators' contributor.

    Args: configuration: of the day; clock: nanoseconds since the epoch, for what waits only: the
    stream's time stands still while nobody speaks.
    """

    def __init__(
        self,
        stream: Stream,
        proposer: Proposer,
        configuration: Configuration,
        clock: Callable[[], int],
    ) -> None:
        self._configuration = configuration
        self._control = configuration.topology.control
        self._names = Names.of(configuration)
        self._clock = clock
        self._record = Record()
        self._seeker = Seeker(configuration, stream)
        self._last = 0
        # By number: a command, or one that was asked for, and what a second author made of it.
        self._changes: OrderedDict[int, list[Change]] = OrderedDict()
        self._asked: dict[int, Change] = {}
        self._job: tuple[int, Proposal] | None = None
        # Numbers of commands count over all shards, locks only in one.
        proposer.marks_all = True
        super().__init__(stream, None, proposer, configuration.opening)

    # --- what operators ask for

    def check(self, request: Request, user: int) -> Checked | None:
        """Whether a command may be said now, by whom `user` is on this host.

        Returns: None: ask again; the trade that it is about is being looked for.
        Raises: CommandError.
        """
        made = self._order(request, user)
        if made is None:
            return None
        order, number = made
        words = self._names.words(order.raw) + order.was
        if request.verb in OF_ANOTHER:
            change = self._asked[number]
            what = self._names.words(change.raw) if request.verb == "withdraw" else words
            words = f"{request.verb} {number}: {what} (asked by {change.author}: {change.reason})"
        return Checked(number, words, self._needs_two(request, order))

    def say(self, request: Request, user: int) -> Change | None:
        """Say a command that was checked, under its number; say it again until it is answered.

        Returns: what came of it; None: it is on its way, or its trade is being looked for.
        Raises: CommandError; TakenError: another command came first.
        """
        number = request.number
        if number is None:
            raise CommandError("a command is said with the number that its check gave")
        for done in self._changes.get(number, ()):
            if _is_same(done, request, user):
                return done
        if self._job is not None:
            if self._job[0] == number:
                return None
            raise TakenError(f"command {self._job[0]} is on its way")
        made = self._order(request, user)
        if made is None:
            return None
        order, due = made
        if number != due:
            raise TakenError(f"command {number} is taken")
        raw = order.raw
        if self._needs_two(request, order):
            waiting = len(self.waiting())
            if waiting >= self._control.waiting:
                raise CommandError(
                    f"{waiting} commands wait for approval already; approve or withdraw one"
                )
            raw = asked_of(raw)
        first: NDArray[np.void] = np.frombuffer(raw, MESSAGE).copy()
        # Where a MassCancel has its number too.
        first.view(COMMAND)["client_order_id"] = number
        said = texts(request.author, user, request.reason)
        behind = np.frombuffer(order.behind if raw is order.raw else b"", MESSAGE)
        lines = np.concatenate((first, behind, said))
        self._job = number, Proposal(OPERATOR, order.shard, lines)
        return None

    def waiting(self) -> list[Change]:
        """The commands that wait for a second author, and have not waited too long."""
        now_ns = max(self.now_ns, self._clock())
        oldest_ns = now_ns - self._control.wait_seconds * 1_000_000_000
        return [one for one in self._asked.values() if one.time_ns >= oldest_ns]

    @property
    def banner(self) -> str:
        """What an operator has to see first; "" of a test."""
        return self._configuration.topology.exchange.banner

    def told(self, change: Change) -> dict[str, object]:
        """What came of a command, for its operator."""
        return {
            "number": change.number,
            "sequence": change.sequence,
            "last": change.last,
            "words": self._names.words(change.raw),
            "author": change.author,
            "reason": change.reason,
            "refused": change.refused,
            "waits": change.is_asked,
            "outcome": outcome(change, self._names),
        }

    # --- the application

    def do_work(self, limit: int) -> int:
        """As every application, and look for trades."""
        return super().do_work(limit) + self._seeker.do_work()

    def close(self) -> None:
        """Close the files."""
        self._seeker.close()
        super().close()

    def on_batch(self, batch: NDArray[np.void]) -> None:
        """Hear what the stream says of commands."""
        for change in self._record.hear(batch):
            self._note(change)

    def wish(self) -> Proposal | None:
        """The command that is on its way; not while an answer comes, which may be its own."""
        return self._job[1] if self._job is not None and not self._record.is_open else None

    def gave_up(self, proposal: Proposal) -> None:
        """Others are always quicker: who waits for it will ask again."""
        self._job = None

    def _note(self, change: Change) -> None:
        number, job = change.number, self._job
        assert self.proposer is not None
        is_own = change.publisher == self.proposer.publisher
        if job is not None and is_own and number == 0 and change.refused:
            # A refusal for the form repeats no field.
            number = change.number = job[0]
        match = self._seeker.hear(change)
        if match and job is not None and match == _match_of(job[1]) and number != job[0]:
            # What was checked is so no more.
            self._job = None
        if number == 0:
            return
        self._last = max(self._last, number)
        self._changes.setdefault(number, []).append(change)
        if len(self._changes) > REMEMBERED_MAX:
            self._changes.popitem(last=False)
        if change.is_asked:
            self._asked[number] = change
            if len(self._asked) > REMEMBERED_MAX:
                # It has waited too long for sure: no more than [control] waiting do not.
                del self._asked[min(self._asked)]
        else:
            self._asked.pop(number, None)
        if job is not None and job[0] == number:
            self._job = None

    def _order(self, request: Request, user: int) -> tuple[Order, int] | None:
        """The lines of a request, and the number that it has to have now; None as in `check`."""
        configuration = self._configuration
        if request.verb in OF_A_TRADE:
            trade = self._seeker.find(int(request.match or 0))
            if trade is None:
                return None
            change = wanted(configuration, request, trade)
            return order_of_change(configuration, trade, *change), self._last + 1
        if request.verb not in OF_ANOTHER:
            return order_of(configuration, request), self._last + 1
        return self._of_another(request, user)

    def _of_another(self, request: Request, user: int) -> tuple[Order, int] | None:
        """The same of what approves or withdraws a command that waits."""
        number = int(request.number or 0)
        change = self._asked.get(number)
        if change is None:
            raise CommandError(f"no command {number} waits{self._what_waits()}")
        if request.verb == "withdraw":
            line = np.zeros(1, COMMAND_ASKED)
            line["template_id"], line["instrument"] = Template.COMMAND_ASKED, INSTRUMENT_NONE
            return Order(line.tobytes(), 0), number
        if change not in self.waiting():
            raise CommandError(
                f"command {number} waited longer than {self._control.wait_seconds} s; "
                "ask for it again"
            )
        self._check_second(change, request, user)
        raw = command_of(change.raw)
        if raw[24] == Template.TRADE_CHANGE:
            line = np.frombuffer(raw, TRADE_CHANGE)[0]
            trade = self._seeker.find(int(line["match"]))
            if trade is None:
                return None
            kind, price_ticks = TradeChangeKind(int(line["kind"])), int(line["price_ticks"])
            return order_of_change(
                self._configuration, trade, kind, price_ticks, bytes(line["reason"])
            ), number
        instrument = int(np.frombuffer(raw, COMMAND)[0]["instrument"])
        shards = self._configuration.shard_of
        return Order(raw, shards[instrument] if instrument < len(shards) else 0), number

    def _check_second(self, change: Change, request: Request, user: int) -> None:
        """Raises: CommandError: it is the first author again."""
        if request.author.casefold() == change.author.casefold():
            raise CommandError(
                f"command {change.number} was asked for by {change.author}: another author has to "
                "approve it"
            )
        if self._control.same_user == "refused" and str(user) == change.user:
            raise CommandError(
                f"command {change.number} was asked for by the same local user ({user}): another "
                'has to approve it ([control] same_user = "refused")'
            )

    def _what_waits(self) -> str:
        numbers = ", ".join(str(one.number) for one in self.waiting())
        return f"; {numbers} wait" if numbers else "; none does"

    def _needs_two(self, request: Request, order: Order) -> bool:
        return (
            self._control.approvals > 1
            and request.verb not in OF_ANOTHER
            and kind_of(order) not in self._control.alone
        )


def _match_of(proposal: Proposal) -> int:
    """The trade that it would change, 0 if none."""
    if proposal.template != Template.TRADE_CHANGE:
        return 0
    return int(proposal.lines[:1].view(TRADE_CHANGE)["match"][0])


def _is_same(done: Change, request: Request, user: int) -> bool:
    """Whether a number's change is what this request says once more."""
    said = (done.author, done.user, done.reason) == (request.author, str(user), request.reason)
    # `approve` has the number of what it approves, `withdraw` too: theirs are other changes of it.
    is_second = request.verb in OF_ANOTHER
    return said and (not is_second or not done.is_asked)
