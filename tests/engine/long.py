"""Long random runs of the book against its oracle, in pieces: `make test-long SEED=1 N=10000000`.

A piece is a profile, a seed and a number of messages; pieces take the profiles in turn and the
seeds one after the other, so that any part of a run can be done again or elsewhere. A piece that
fails says by which command it is done again, and the fewest of its messages that show it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.engine.mix import Message
from tests.engine.profiles import PROFILES
from tests.engine.trial import described, replayed, run, shrink

MESSAGES = 10_000_000
PIECE_MESSAGES = 50_000
# State is compared about every so many messages; every line always.
STATE_EVERY = 1_000
SEEDS = Path(__file__).parent / "seeds.txt"


@dataclass(frozen=True, slots=True)
class Piece:
    """One run that starts with an empty book."""

    profile: str
    seed: int
    messages: int

    @property
    def command(self) -> str:
        """By which it is done again."""
        return f"make test-long PROFILE={self.profile} SEED={self.seed} N={self.messages}"

    def run(self, every: int = STATE_EVERY) -> str:
        """What went wrong, for people; nothing if all was well."""
        sent: list[Message] = []
        try:
            run(
                PROFILES[self.profile],
                self.seed,
                self.messages,
                every,
                lambda _, message, __: sent.append(message),
            )
        except Exception as error:  # Whatever it is, its messages are wanted.
            text = f"{self.command}\n{type(error).__name__}: {error}"
            return text + self._least(sent)
        return ""

    def _least(self, sent: list[Message]) -> str:
        """The fewest messages that show it, given one by one."""
        profile = PROFILES[self.profile]
        if not replayed(profile, sent):
            return "\n(not seen when the messages come one by one)"
        least = shrink(sent, lambda messages: bool(replayed(profile, messages)))
        lines = "".join(described(b"".join(message)) for message in least)
        return f"\nthe fewest messages:\n{lines}{replayed(profile, least)}"


def pieces(seed: int, messages: int, profile: str = "") -> Iterator[Piece]:
    """What `messages` messages from `seed` on are made of."""
    profiles = [profile] if profile else list(PROFILES)
    for n, at in enumerate(range(0, messages, PIECE_MESSAGES)):
        count = min(PIECE_MESSAGES, messages - at)
        yield Piece(profiles[n % len(profiles)], seed + n, count)


def read_seeds() -> list[Piece]:
    """Pieces that ever failed: `profile seed messages why` in a line each."""
    lines = SEEDS.read_text().splitlines()
    words = [line.split(maxsplit=3) for line in lines if line and not line.startswith("#")]
    assert all(len(one) == 4 for one in words), "a seed is kept with its reason"
    return [Piece(one[0], int(one[1]), int(one[2])) for one in words]


def main(arguments: list[str]) -> int:
    """Run pieces with a bar on stderr; the first difference ends it."""
    parser = argparse.ArgumentParser(prog="make test-long", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--profile", choices=("", *PROFILES), default="")
    asked = parser.parse_args(arguments)
    columns = TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn()
    progress = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
    with progress:
        task = progress.add_task("", total=asked.messages)
        for piece in pieces(asked.seed, asked.messages, asked.profile):
            progress.update(task, description=piece.profile)
            wrong = piece.run()
            if wrong:
                progress.stop()
                sys.stdout.write(f"{wrong}\n")
                return 1
            progress.update(task, advance=piece.messages)
    sys.stdout.write(f"{asked.messages} messages from seed {asked.seed}: no difference\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
