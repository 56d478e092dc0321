"""What a seed decides before anything else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.engine.profiles import ALL_KINDS
from tests.sim.draw import Draw

# What the desk says: nothing, all kinds, or mostly what moves many orders.
FLOWS: dict[str, dict[str, float]] = {
    "none": {},
    "all": ALL_KINDS | {"command": 1, "cross": 1},
    "auctions": ALL_KINDS | {"command": 5, "cross": 8, "legs": 2},
    "sweeps": {"new": 30, "cancel": 30, "replace": 5, "mass_cancel": 6, "legs": 20},
    # No crosses: those are the auctions' then.
    "day": ALL_KINDS | {"command": 3, "cross": 0, "mass_cancel": 0.3},
}


@dataclass(frozen=True, slots=True)
class Day:
    """A day with all applications. Seconds since its first message; 0: it does not happen."""

    opens_s: int
    closing_call_s: int
    closes_s: int
    halt_s: int  # how long an auction lasts
    resume_s: int
    day_ends_s: int  # day orders are over, for fairies
    collar_ticks: int  # how far from the reference a cross may be
    owners: bool  # the desk says limits, too
    closed_at: float  # share of the safety phase at which the day is closed; 1: it is not, there


@dataclass(frozen=True, slots=True)
class Options:
    """What a seed decides first."""

    shards: int
    copies: int  # journals that an answer waits for
    stream_slots: int
    lane_slots: int
    orders: int  # room of each shard's book
    wire_slots: int  # of lossy readers' own rings; 0: they read the stream's
    flow: str
    limits: bool  # of accounts and firms, in the sequencer
    lossy: bool = False  # the second journal does not gate
    approvals: int = 0  # authors that a command needs at the console; 0: there is none
    # It is not printed, nor in the trace: those of older seeds have no such thing.
    day: Day | None = field(default=None, repr=False)


# From here on seeds have a lossy journal: those below mean what they meant before there was one.
LOSSY_SEEDS = 1 << 20
# From here on they have a console and operators.
CONSOLE_SEEDS = 1 << 21
# From here on a trading day with fairies, auctions, stop orders and an end.
DAY_SEEDS = 1 << 22


def options_of(draw: Draw, seed: int) -> Options:
    options = Options(
        shards=draw.choice((1, 2, 4)),
        copies=draw.choice((0, 1, 2)),
        stream_slots=draw.choice((16, 64, 256, 1024)),
        lane_slots=draw.choice((16, 64, 256)),
        orders=draw.choice((512, 512, 512, 12)),
        wire_slots=draw.choice((0, 8, 32)),
        flow=draw.choice(("none", "all", "all", "auctions", "sweeps")),
        limits=draw.choice((False, True)),
        lossy=seed >= LOSSY_SEEDS,
    )
    if seed < CONSOLE_SEEDS:
        return options
    lossy, approvals = draw.choice((False, True)), draw.choice((1, 2))
    if seed < DAY_SEEDS:
        return replace(options, lossy=lossy, approvals=approvals)
    # Who closes a day does so by the sequencer, which knows of it where there are limits.
    return replace(options, lossy=lossy, limits=True, flow="day", day=_day_of(draw))


def _day_of(draw: Draw) -> Day:
    opens_s = draw.choice((0, 0, draw.between(5, 20)))
    call_s = draw.choice((0, draw.between(30, 50)))
    return Day(
        opens_s,
        call_s,
        closes_s=draw.choice((0, draw.between(50, 80))) if call_s == 0 else call_s + 10,
        halt_s=draw.between(2, 9),
        resume_s=draw.choice((0, 5)),
        day_ends_s=draw.choice((0, 0, draw.between(20, 70))),
        collar_ticks=draw.choice((0, 0, 1)),
        owners=draw.choice((False, True)),
        closed_at=draw.choice((1.0, 1.0, 0.7, 0.9)),
    )
