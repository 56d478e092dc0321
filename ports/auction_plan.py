"""The day of every instrument, as auctions go through it: what is due, by the time of the stream.

    start ─▶ PreOpen ─opening_call─▶ Auction ─opens─▶ Opening cross ─▶ Continuous ─╮
             Auction ◀─closing_call────────────────────────────────────────────────┤
                │       Auction ◀─ Halted, by an operator ◀────────────────────────╯
             closes        ╰─▶ Halt cross ─▶ Continuous
                ╰─▶ Closing cross ─▶ Closed

Which cross an instrument in Auction is before follows from what the stream says: Opening if it has
had none and began to collect before the day opens, Closing from the closing call on, otherwise
Halt, a while after it became Auction: so an operator who sets the state begins an auction. Where no
time of opening is known, that is an Opening too if the instrument was in PreOpen before. A cross
whose price would be outside its collars is put off by an AuctionExtension, which is on the stream
like all else. Nothing here is remembered by one auction alone: any two know the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ports.open_orders import NEVER
from ringbus.messages import (
    AUCTION_EXTENSION,
    CROSS_RESULT,
    IMBALANCE,
    REJECTED,
    STATE_CHANGED,
    CrossType,
    InstrumentState,
    RejectReason,
    Template,
)

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS
# So often the book moved while a cross was on its way: now orders are refused till it is through.
STALE_MAX: Final = 8
TEMPLATES: Final = (
    *(Template.STATE_CHANGED, Template.CROSS_RESULT, Template.REJECTED),
    *(Template.IMBALANCE, Template.AUCTION_EXTENSION),
)
AUCTION, CONTINUOUS = np.uint8(InstrumentState.AUCTION), np.uint8(InstrumentState.CONTINUOUS)
HALTED, PRE_OPEN = np.uint8(InstrumentState.HALTED), np.uint8(InstrumentState.PRE_OPEN)
Which = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times of day since midnight (UTC), NEVER for what does not happen; all in nanoseconds.

    opens_ns, closes_ns: of the crosses; before opening_call_ns nothing is said of the first one;
    closing_call_ns: from when on orders are collected for the last one; halt_ns: how long an
    auction after a halt lasts; resume_ns: how long after a halt it begins by itself, 0: an operator
    begins it. every_ns: between two words about the imbalance.
    """

    opening_call_ns: int = 0
    opens_ns: int = NEVER
    closing_call_ns: int = NEVER
    closes_ns: int = NEVER
    halt_ns: int = 60 * SECOND_NS
    resume_ns: int = 0
    every_ns: int = SECOND_NS


class AuctionPlan:
    """The states of all instruments, and what is due.

    Args: instruments: how many; topic: of the first instrument, the others follow. Every `is_` is
    an array by instrument, as of the time that it is asked for. Thread: one.
    """

    def __init__(self, schedule: Schedule, instruments: int, topic: int) -> None:
        self.schedule = schedule
        self.topics = topic + np.arange(instruments)
        # Of the day, since the epoch.
        self.opening_call_ns = self.opens_ns = self.closing_call_ns = self.closes_ns = NEVER
        self._begun = False
        self.states = np.full(instruments, CONTINUOUS)
        self.since_ns = np.zeros(instruments, np.uint64)
        self.extensions = np.zeros(instruments, np.uint8)
        self.until_ns = np.zeros(instruments, np.uint64)  # of an extension
        self.is_frozen: Which = np.zeros(instruments, np.bool_)
        self._stale = np.zeros(instruments, np.uint32)
        self._is_refused: Which = np.zeros(instruments, np.bool_)
        self._is_opening: Which = np.zeros(instruments, np.bool_)
        self._had_open: Which = np.zeros(instruments, np.bool_)
        self._had_close: Which = np.zeros(instruments, np.bool_)
        self._said_ns = np.zeros(instruments, np.uint64)
        # Sequences of the last change of state, and of the last cross, which ends in one.
        self._changed = np.zeros(instruments, np.uint64)
        self._crossed = np.zeros(instruments, np.uint64)

    def begin(self, time_ns: int) -> None:
        """The day's first message."""
        if not self._begun:
            self._begun = True
            midnight_ns = time_ns // DAY_NS * DAY_NS
            for name in ("opening_call_ns", "opens_ns", "closing_call_ns", "closes_ns"):
                at = getattr(self.schedule, name)
                setattr(self, name, NEVER if at == NEVER else midnight_ns + at)

    def hear(self, batch: NDArray[np.void]) -> bool:
        """Take what the stream says of states and auctions; whether that was anything."""
        template = batch["template_id"]
        picked = {one: batch[template == one] for one in TEMPLATES if (template == one).any()}
        for one, take in (
            (Template.STATE_CHANGED, self._change),
            (Template.CROSS_RESULT, self._cross),
            (Template.REJECTED, self._refuse),
            (Template.IMBALANCE, self._say),
            (Template.AUCTION_EXTENSION, self._extend),
        ):
            if one in picked:
                take(picked[one])
        return bool(picked)

    def moved(self, instruments: NDArray[np.uint32]) -> None:
        """Their books have changed: what was refused may be right now."""
        self._is_refused[instruments] = False

    # What is due.

    @property
    def is_crossing(self) -> Which:
        """Its cross is being told; the change of state is still to come."""
        told: Which = self._crossed > self._changed
        return told

    def crosses(self, now_ns: int) -> NDArray[np.uint8]:
        """The CrossType that each instrument is before, were it in Auction."""
        kinds = np.full(len(self.states), CrossType.HALT, np.uint8)
        if now_ns >= self.closing_call_ns or now_ns >= self.closes_ns:
            kinds[:] = CrossType.CLOSING
        kinds[self._is_opening & ~self._had_open] = CrossType.OPENING
        return kinds

    def due_ns(self, now_ns: int) -> NDArray[np.uint64]:
        """When those that are in Auction are crossed."""
        kinds = self.crosses(now_ns)
        due: NDArray[np.uint64] = self.since_ns + np.uint64(self.schedule.halt_ns)
        if self.opens_ns != NEVER:
            due[kinds == CrossType.OPENING] = self.opens_ns
        due[kinds == CrossType.CLOSING] = self.closes_ns
        late: NDArray[np.uint64] = np.maximum(due, self.until_ns)
        return late

    def is_to_cross(self, now_ns: int) -> Which:
        """Now; those that are in Continuous when the day closes too."""
        due: Which = (self.states == AUCTION) & (self.due_ns(now_ns) <= now_ns)
        if now_ns >= self.closes_ns:
            due |= (self.states == CONTINUOUS) & ~self._had_close & (self.until_ns <= now_ns)
        due |= self.is_frozen
        return due & ~self._is_refused & ~self.is_crossing

    def is_to_freeze(self, now_ns: int) -> Which:
        """The book moves faster than a cross can follow it."""
        return self.is_to_cross(now_ns) & (self._stale >= STALE_MAX) & ~self.is_frozen

    def is_to_wait(self, now_ns: int) -> Which:
        """From now on orders are held, and nothing is said of them yet."""
        if now_ns >= min(self.opening_call_ns, self.opens_ns) or self.opens_ns == NEVER:
            return np.zeros(len(self.states), np.bool_)
        due: Which = (self.states == CONTINUOUS) & ~self._had_open
        return due & ~self._is_refused

    def is_to_collect(self, now_ns: int) -> Which:
        """From now on orders are held for a cross."""
        wanted = np.zeros(len(self.states), np.bool_)
        is_open = self.states == CONTINUOUS
        if self.opening_call_ns <= now_ns < self.opens_ns != NEVER:
            wanted |= is_open & ~self._had_open
        if self.opening_call_ns <= now_ns:
            wanted |= (self.states == PRE_OPEN) & (self.since_ns < self.opening_call_ns)
        if self.closing_call_ns <= now_ns < self.closes_ns:
            wanted |= is_open & ~self._had_close
        if self.schedule.resume_ns and now_ns < self.closes_ns:
            is_over = self.since_ns + np.uint64(self.schedule.resume_ns) <= now_ns
            wanted |= (self.states == HALTED) & ~self.is_frozen & is_over
        return wanted & ~self._is_refused

    def is_to_close(self, now_ns: int) -> Which:
        """Without a cross: it is halted when the day closes."""
        if now_ns < self.closes_ns:
            return np.zeros(len(self.states), np.bool_)
        due: Which = (self.states == HALTED) & ~self.is_frozen & ~self._had_close
        return due & ~self._is_refused

    def is_to_say(self, now_ns: int) -> Which:
        """The imbalance."""
        next_ns = self._said_ns + np.uint64(self.schedule.every_ns)
        due: Which = (self.states == AUCTION) & (next_ns <= now_ns)
        return due & ~self.is_crossing

    def next_ns(self, now_ns: int) -> int:
        """When the next of all that is due, if nothing is heard meanwhile."""
        times = [self.opening_call_ns, self.opens_ns, self.closing_call_ns, self.closes_ns]
        collecting = self.states == AUCTION
        if collecting.any():
            said = self._said_ns[collecting] + np.uint64(self.schedule.every_ns)
            times += [int(said.min()), int(self.due_ns(now_ns)[collecting].min())]
        if (is_put_off := self.until_ns > now_ns).any():
            times.append(int(self.until_ns[is_put_off].min()))
        halted = (self.states == HALTED) & ~self.is_frozen
        if self.schedule.resume_ns and halted.any():
            times.append(int(self.since_ns[halted].min()) + self.schedule.resume_ns)
        return min((one for one in times if one > now_ns), default=NEVER)

    # What was said: the last line about an instrument is all there is to know.

    def _change(self, batch: NDArray[np.void]) -> None:
        lines = batch.view(STATE_CHANGED)
        at, time_ns, state = lines["instrument"], lines["time_ns"], lines["state"]
        is_ours = lines["topic"] == self.topics[at]
        self.states[at] = state
        self._changed[at] = lines["sequence"]
        self._stale[at] = 0
        self._is_refused[at] = False
        self.is_frozen[at] = is_frozen = is_ours & (state == HALTED)
        # A frozen auction is still the one that it was.
        others = ~is_frozen
        self.until_ns[at[others]], self.extensions[at[others]] = 0, 0
        self.since_ns[at[others]] = self._said_ns[at[others]] = time_ns[others]
        # Ours may come a little late: orders are collected from the start of the day.
        late = is_ours & (lines["state_before"] != HALTED) & (time_ns < self.closing_call_ns)
        is_opening = (time_ns < self.opens_ns) | late
        if self.opens_ns == NEVER:
            is_opening = lines["state_before"] == PRE_OPEN
        is_opening &= state == AUCTION
        self._is_opening[at[others]] = is_opening[others]

    def _cross(self, batch: NDArray[np.void]) -> None:
        lines = batch.view(CROSS_RESULT)
        self._crossed[lines["instrument"]] = lines["sequence"]
        self._had_open[lines["instrument"][lines["cross_type"] == CrossType.OPENING]] = True
        self._had_close[lines["instrument"][lines["cross_type"] == CrossType.CLOSING]] = True

    def _refuse(self, batch: NDArray[np.void]) -> None:
        # By the topic: a refusal of the sequencer names no instrument.
        lines, at = batch.view(REJECTED), batch["topic"].astype(np.intp) - self.topics[0]
        is_ours = (at >= 0) & (at < len(self.states))
        at, reason, sequence = at[is_ours], lines["reason"][is_ours], lines["sequence"][is_ours]
        np.add.at(self._stale, at[reason == RejectReason.STALE_CROSS], np.uint32(1))
        # Who was late has heard by now what state it is in. What is refused for another reason is
        # not said again until something has changed.
        is_late = (reason == RejectReason.STALE_CROSS) | (reason == RejectReason.INSTRUMENT_STATE)
        self._is_refused[at[~is_late & (sequence > self._changed[at])]] = True

    def _say(self, batch: NDArray[np.void]) -> None:
        lines = batch.view(IMBALANCE)
        self._said_ns[lines["instrument"]] = lines["time_ns"]

    def _extend(self, batch: NDArray[np.void]) -> None:
        lines = batch.view(AUCTION_EXTENSION)
        lines = lines[lines["sequence"] > self._changed[lines["instrument"]]]
        self.until_ns[lines["instrument"]] = lines["until_ns"]
        self.extensions[lines["instrument"]] = lines["extension"]
