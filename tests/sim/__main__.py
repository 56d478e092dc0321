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
from rich.table import Table

from tests.sim.disk import disk
from tests.sim.run import STEPS, Result, run


def main() -> int:
    """Run the seeds; 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="the first; from 1048576 on a journal is lossy, from 2097152 on there are operators, "
        "from 4194304 on a day with applications, its end, and the next morning",
    )
    parser.add_argument("--count", type=int, default=1, help="how many")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the safety phase")
    parser.add_argument("--first", action="store_true", help="stop at the first that fails")
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    print(f"commit {commit or 'unknown'}, {options.steps} steps a seed", flush=True)
    results: list[Result] = []
    failed = 0
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    seeds = range(options.seed, options.seed + options.count)
    for seed in track(seeds, "simulating", console=Console(stderr=True), transient=True):
        with disk() as directory:
            try:
                results.append(run(seed, directory, options.steps))
            except Exception:
                traceback.print_exc()
                print(f"seed {seed} failed: make sim SEED={seed} STEPS={options.steps}", flush=True)
                failed += 1
                if options.first:
                    break
    if options.count == 1 and results:
        print(results[0])
    tell(results, failed, time.monotonic() - start_s, time.process_time() - start_cpu_s)
    return 1 if failed else 0


def tell(results: list[Result], failed: int, seconds: float, cpu_s: float) -> None:
    """Sums over all seeds, and a table of the faults by their kind."""
    count = len(results) + failed
    faults = sum((one.faults for one in results), Counter[str]())
    print(
        f"{count} seeds in {seconds:.1f} s ({60 * count / seconds:.0f} a minute, "
        f"{60 * count / cpu_s:.0f} a minute of CPU time), "
        f"{sum(one.messages for one in results)} messages, {faults.total()} faults, {failed} failed"
    )
    table = Table("fault", "times", "seeds with it")
    for name, times in sorted(faults.items()):
        table.add_row(name, str(times), str(sum(name in one.faults for one in results)))
    Console(width=60).print(table)


if __name__ == "__main__":
    sys.exit(main())
