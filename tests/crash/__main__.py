"""`make crash`, `make soak`: rounds of real kills; a seed that fails says how to run it again.

    make crash [SEED=1] [ROUNDS=200]
    make soak [SEED=1] [ROUNDS=1000]

What a seed decides is who is killed and when; where that hits is the machine's business, so a seed
that failed may have to be run a few times.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.crash.plan import plan
from tests.crash.round import Result, RoundError, run


def main() -> int:
    """Run the rounds; 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=1, help="how often to run each seed")
    parser.add_argument("--show", action="store_true", help="say what each round does")
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    total, failed, start_s = Result(), 0, time.monotonic()
    columns = (TextColumn("crashing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rounds", total=options.rounds * options.repeat)
        for n in range(options.rounds * options.repeat):
            seed = options.seed + n // options.repeat
            if options.show:
                print(plan(seed), flush=True)
            try:
                _add(total, run(plan(seed)))
            except RoundError as error:
                failed += 1
                print(f"{error}\nseed {seed} failed: make soak SEED={seed} ROUNDS=1", flush=True)
            bar.advance(task)
    seconds = time.monotonic() - start_s
    print(
        f"commit {commit or 'unknown'}: {options.rounds * options.repeat} rounds from seed "
        f"{options.seed} in {seconds:.0f} s, {total.messages:,} messages, {total.told:,} told to "
        f"clients over {total.logins:,} logins, {total.kills.total():,} kills, "
        f"{total.continued} days gone on with, {failed} failed"
    )
    for name, count in sorted(total.kills.items()):
        print(f"  {count:6d} {name}")
    return 1 if failed else 0


def _add(total: Result, one: Result) -> None:
    total.messages += one.messages
    total.told += one.told
    total.logins += one.logins
    total.continued += one.continued
    total.kills = Counter(total.kills) + Counter(one.kills)


if __name__ == "__main__":
    sys.exit(main())
