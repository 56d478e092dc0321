"""`make sim SEED=N`, `make sim-long`: runs seeds and prints what each did.

A seed that fails is printed with the command that runs it again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import traceback
from collections import Counter

from rich.console import Console
from rich.progress import track

from tests.sim.disk import disk
from tests.sim.run import STEPS, run


def main() -> int:
    """Run the seeds; 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--count", type=int, default=1, help="how many")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the safety phase")
    parser.add_argument("--first", action="store_true", help="stop at the first that fails")
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    print(f"commit {commit or 'unknown'}, {options.steps} steps a seed")
    faults: Counter[str] = Counter()
    messages, failed = 0, 0
    start_s = time.monotonic()
    seeds = range(options.seed, options.seed + options.count)
    for seed in track(seeds, "simulating", console=Console(stderr=True), transient=True):
        with disk() as directory:
            try:
                result = run(seed, directory, options.steps)
            except Exception:
                traceback.print_exc()
                print(f"seed {seed} failed: make sim SEED={seed} STEPS={options.steps}")
                failed += 1
                if options.first:
                    break
                continue
        faults += result.faults
        messages += result.messages
        if options.count == 1:
            print(result)
    seconds = time.monotonic() - start_s
    print(
        f"{options.count} seeds in {seconds:.1f} s ({60 * options.count / seconds:.0f} a minute), "
        f"{messages} messages, {faults.total()} faults, {failed} failed"
    )
    for name, count in sorted(faults.items()):
        print(f"  {count:8d} {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
