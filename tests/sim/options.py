"""What a seed decides before anything else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.engine.profiles import ALL_KINDS
from tests.sim.draw import Draw

# What the desk says: nothing, all kinds, or mostly what moves many orders.
FLOWS: dict[str, dict[str, float]] = {
    "none": {},
    "all": ALL_KINDS | {"command": 1, "cross": 1},
    "auctions": ALL_KINDS | {"command": 5, "cross": 8, "legs": 2},
    "sweeps": {"new": 30, "cancel": 30, "replace": 5, "mass_cancel": 6, "legs": 20},
}


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


# From here on seeds have a lossy journal: those below mean what they meant before there was one.
LOSSY_SEEDS = 1 << 20
# From here on they have a console and operators.
CONSOLE_SEEDS = 1 << 21


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
    return replace(options, lossy=lossy, approvals=approvals)
