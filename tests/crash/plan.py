"""What a seed decides: the exchange, who is killed and when."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from tests.tools.conftest import SECRET, instruments_text
from tools.sections import ACKNOWLEDGE, JOURNALS

INSTRUMENTS = 4
USERS = ("ALICE", "BOB", "CAROL", "DAVE")
KILLS_MAX = 6
# Targets beside the cores.
LAUNCHER, EVERYTHING, HOST = "launcher", "everything", "host"
# Of one core no more than the launcher starts again; a pair of deaths may be of one process.
PAUSE_SECONDS = (0.0, 0.7)
# An `up` takes one to three seconds here, a `down` some tenths.
UP_SECONDS = (0.1, 3.0)
DOWN_SECONDS = (0.1, 0.8)
CUTS = 0.4
# With sockets of every kind: a Unix socket in the directory, TCP, UDP.
APPLICATIONS = {"console": "", "snapshot": "tape_bytes = 16777216", "fairy": ""}


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL of `target`, `pause_s` seconds behind the kill before it."""

    pause_s: float
    target: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One round; the kills are the same for a seed, what they hit in the processes is not."""

    seed: int
    acknowledge: str
    failover: str
    copies: int
    ports: int
    shards: int
    has_passive: bool
    kills: tuple[Kill, ...]
    # Seconds into the first `up` and the last `down` at which one of their processes is killed.
    cut_up_s: float | None
    cut_down_s: float | None
    has_applications: bool

    def __str__(self) -> str:
        kills = ", ".join(kill.target for kill in self.kills)
        passive = f"passive ({self.failover})" if self.has_passive else "no passive"
        cuts = "".join(
            f", {word} cut after {cut_s:.2f} s"
            for word, cut_s in (("up", self.cut_up_s), ("down", self.cut_down_s))
            if cut_s is not None
        )
        return (
            f"seed {self.seed}: {self.acknowledge}, journals {self.copies}, ports {self.ports}, "
            f"shards {self.shards}, {passive}, "
            f"{'with' if self.has_applications else 'no'} applications; kills: {kills}{cuts}"
        )


def plan(seed: int) -> Plan:
    """The round of a seed."""
    draw = random.Random(seed)
    acknowledge = draw.choice(ACKNOWLEDGE)
    copies = 2 if acknowledge == "replicated" else draw.choice((1, 2))
    ports = draw.choice((1, 2))
    has_passive = draw.random() < 0.8
    failover = draw.choice(("operator", "automatic")) if has_passive else "operator"
    targets = [f"port-{n}" for n in range(ports)]
    targets += [journal.replace(".", "-") for journal in JOURNALS[:copies]]
    targets += ["engine", "engine", "passive"] if has_passive else ["engine"]
    # What was only published is in memory: it survives every process, and no host.
    targets += draw.sample([LAUNCHER, EVERYTHING if acknowledge == "published" else HOST], 1)
    kills = [
        Kill(draw.choice((0.0, draw.uniform(*PAUSE_SECONDS))), draw.choice(targets))
        for _ in range(draw.randrange(1, KILLS_MAX + 1))
    ]
    shards = draw.choice((1, 2))
    # Behind all that was drawn before there were these, so that kept seeds are what they were.
    cut_up_s = draw.uniform(*UP_SECONDS) if draw.random() < CUTS else None
    cut_down_s = draw.uniform(*DOWN_SECONDS) if draw.random() < CUTS else None
    has_applications = draw.random() < CUTS
    if has_applications:
        kills.insert(draw.randrange(len(kills) + 1), Kill(draw.uniform(*PAUSE_SECONDS), "others"))
    return Plan(
        seed, acknowledge, failover, copies, ports, shards, has_passive, tuple(kills), cut_up_s,
        cut_down_s, has_applications,
    )  # fmt: skip


def write_topology(plan: Plan, directory: Path, name: str) -> Path:
    """The files of the exchange; returns the topology file. Each agent but the engine's has its
    own process."""
    (directory / "instruments.csv").write_text(instruments_text(INSTRUMENTS))
    rows = [f"{user},{n + 1},{n + 1},F{n % 2},{SECRET}" for n, user in enumerate(USERS)]
    (directory / "participants.csv").write_text(
        "\n".join(["user,session,account,firm,secret", *rows]) + "\n"
    )
    engine = ["sequencer", *(f"shard.{n}" for n in range(plan.shards)), "publisher"]
    agents = [f"port.{n}" for n in range(plan.ports)] + list(JOURNALS[: plan.copies])
    agents += ["passive"] if plan.has_passive else []
    lines = [
        "[exchange]",
        f'name = "{name}"',
        'session = "DAY1"',
        'directory = "out"',
        'instruments = "instruments.csv"',
        'participants = "participants.csv"',
        f"shards = {plan.shards}",
        f'acknowledge = "{plan.acknowledge}"',
        f'failover = "{plan.failover}"',
        "[stream]",
        "slots = 1024",
        "[lanes]",
        "slots = 256",
        "[limits]",
        "orders = 65536",
        "price_nodes = 4096",
        "connections = 32",
        "client_orders = 65536",
        "client_messages = 1048576",
        "[journal]",
        "segment_messages = 4096",
        f"copies = {plan.copies}",
        *(f'[[port]]\nname = "port.{n}"' for n in range(plan.ports)),
        f'[[core]]\nname = "engine"\nagents = {engine}',
        *(f'[[core]]\nname = "{one.replace(".", "-")}"\nagents = ["{one}"]' for one in agents),
    ]
    if plan.has_applications:
        for kind, options in APPLICATIONS.items():
            lines += ["[[application]]", f'name = "{kind}.0"', f'kind = "{kind}"', options]
        others = [f"{kind}.0" for kind in APPLICATIONS]
        lines += ["[[core]]", 'name = "others"', f"agents = {others}"]
    path = directory / f"{name}.toml"
    path.write_text("\n".join(lines) + "\n")
    return path
