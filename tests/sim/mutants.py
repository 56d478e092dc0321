"""Bugs planted on purpose, each of which the simulation must find: `make sim-mutants`.

A copy of the tree is built once, and for each bug what it changes is built anew; the tree itself is
not touched. 1: a bug was not found.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.sim.options import CONSOLE_SEEDS, DAY_SEEDS

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 120
# Extension modules and where they lie.
MODULES = {
    **{"_ringbus": "ringbus", "_single": "ringbus"},
    **{"_engine": "engine", "_calls": "engine"},
    "_ports": "ports",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug: in `file`, every `before` is `after`."""

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]
    seed: int = 1  # the first that looks for it


MUTANTS = (
    Mutant(
        "a journal's recovery counts the torn message too",
        "ringbus/journal.c",
        (("sequence + (uint64_t)good - 1;", "sequence + (uint64_t)good;"),),
    ),
    Mutant(
        "a shard takes proposals whatever number of their topic they name",
        "engine/shard.c",
        (
            (
                "return first->header.topic_sequence == shard->topics[first->header.topic] + 1 ||",
                "return 1 || first->header.topic_sequence == shard->topics[first->header.topic] ||",
            ),
        ),
    ),
    Mutant(
        "the publisher merges whatever group comes first",
        "engine/publisher.c",
        (
            (
                "line != NULL && line->header.checksum == (uint32_t)publisher->input",
                "line != NULL",
            ),
            ("RB_CHECK(line->header.checksum == (uint32_t)publisher->input);", ""),
        ),
    ),
    Mutant(
        "a port shows answers that no journal has yet",
        "ports/delivery.c",
        (("port->allowed = reached;", "port->allowed = UINT64_MAX;"),),
    ),
    Mutant(
        "a standby leaves out a line of a proposal that was cut off",
        "engine/standby.py",
        (("if n >= len(held):", "if n > len(held):"),),
    ),
    Mutant(
        "one journal is enough for a promise of two",
        "ringbus/marks.c",
        (("best[copies - 1]", "best[0]"),),
    ),
    Mutant(
        "a successor takes what was said to the dead engine",
        "engine/sequencer.c",
        (("first->header.reserved != sequencer->reign", "0"),),
    ),
    Mutant(
        "a journal does not notice that its disk is full",
        "ringbus/journal.c",
        (
            (
                "if (done < 0 && errno != EINTR) {\n            return RB_SYSTEM;",
                "if (done < 0 && errno != EINTR) {\n            return RB_OK;",
            ),
        ),
    ),
    Mutant(
        "a sync that failed counts as one",
        "ringbus/journal_sync.c",
        (("|| fdatasync(file) != 0;", "|| fdatasync(file) > 0;"),),
    ),
    Mutant(
        "a reader that was overtaken goes on where the ring does",
        "ringbus/replay.c",
        (
            (
                "    }\n    /* Behind the ring.",
                "        uint64_t oldest = rb_multicast_oldest(&replay->reader);\n"
                "        rb_multicast_seek(&replay->reader, oldest);\n"
                "        return 0;\n    }\n    /* Behind the ring.",
            ),
        ),
    ),
    Mutant(
        "a reduced order goes to the back of its queue",
        "engine/submit.c",
        (
            (
                "return line->price_ticks == order->price_ticks && ",
                "return line->price_ticks == order->price_ticks && line->quantity > 2 && ",
            ),
        ),
    ),
    Mutant(
        "the collar of continuous trading holds in auctions, and the other way round",
        "engine/collar.c",
        (("phases[is_continuous ? 0 : 1];", "phases[is_continuous ? 1 : 0];"),),
        CONSOLE_SEEDS,
    ),
    Mutant(
        "a finger may be fat when it sells",
        "engine/collar.c",
        (
            (
                "RB_SIDE_BUY ? price_ticks - reference : reference - price_ticks;",
                "RB_SIDE_BUY ? price_ticks - reference : 0;",
            ),
        ),
        CONSOLE_SEEDS,
    ),
    Mutant(
        "a restriction of a firm is connected to nothing",
        "engine/risk_limits.c",
        (
            (
                "is_restricted(risk, ENG_ACCOUNT, demand) || is_restricted(risk, ENG_FIRM, demand)",
                "is_restricted(risk, ENG_ACCOUNT, demand)",
            ),
        ),
        CONSOLE_SEEDS,
    ),
    Mutant(
        "a firm's rule of self-trade goes before its account's",
        "engine/risk_limits.c",
        (
            (
                "return own != 0 ? own : risk->owners[ENG_FIRM][firm].self_trade;",
                "uint8_t all = risk->owners[ENG_FIRM][firm].self_trade; "
                "return all != 0 ? all : own;",
            ),
        ),
        CONSOLE_SEEDS,
    ),
    Mutant(
        "a bust is taken back of the buyer alone",
        "engine/risk_trades.c",
        (
            (
                "    uint64_t notional_1e4 = party->notional_1e4;\n    int64_t bought",
                "    if (party->side == RB_SIDE_SELL) {\n        return RB_OK;\n    }\n"
                "    uint64_t notional_1e4 = party->notional_1e4;\n    int64_t bought",
            ),
        ),
        CONSOLE_SEEDS,
    ),
    Mutant(
        "the other party of a trade is not told of its change",
        "engine/trade_change.c",
        (
            (
                "line->header.topic = party->session;",
                "line->header.topic = eng_trade_party(group, 0)->session;",
            ),
        ),
        CONSOLE_SEEDS,
    ),
    Mutant(
        "who asks for a command may approve it",
        "tools/console/desk.py",
        (
            (
                "if request.author.casefold() == change.author.casefold():",
                "if request.author == change.reason:",
            ),
        ),
        CONSOLE_SEEDS,
    ),
    Mutant(
        "a console takes a command that is said again for a new one",
        "tools/console/desk.py",
        (("            if _is_same(done, request, user):", "            if False:"),),
        CONSOLE_SEEDS,
    ),
    Mutant(
        "a console does not hear what others made of a trade",
        "tools/console/seeker.py",
        (('self._changed[int(line["match"])] = is_void,', "_ = is_void,"),),
        CONSOLE_SEEDS,
    ),
    Mutant(
        "a fairy is a second early",
        "ports/fairy.py",
        (("self._times(places) <= self.now_ns", "self._times(places) <= self.now_ns + 10**9"),),
        DAY_SEEDS,
    ),
    Mutant(
        "an auction hands over the price of an older book",
        "ports/auction.py",
        (
            (
                "self._found_for[at] = 0\n        self._plan.moved(at)",
                "self._plan.moved(at)",
            ),
        ),
        DAY_SEEDS,
    ),
    Mutant(
        "of several prices an auction takes the lowest, wherever the reference is",
        "ports/uncross.py",
        (("distance = np.abs(price - reference)", "distance = price"),),
        DAY_SEEDS,
    ),
    Mutant(
        "a cross on its way ends a halt",
        "engine/answer.c",
        (("    book->ladders[instrument].changes++;\n}", "}"),),
        DAY_SEEDS,
    ),
    Mutant(
        "the day goes on behind its end",
        "engine/admission.c",
        (("if (eng_risk_is_over(admission->risk)) {", "if (0) {"),),
        DAY_SEEDS,
    ),
    Mutant(
        "day orders outlive the day",
        "tools/closing.py",
        (("KEEPS: Final = (", "KEEPS: Final = (int(TimeInForce.DAY), "),),
        DAY_SEEDS,
    ),
    Mutant(
        "who is carried over loses its place to those behind it",
        "tools/carry.py",
        (("own.append(one)", "own.insert(0, one)"),),
        DAY_SEEDS,
    ),
)


def copy_tree(to: Path) -> None:
    """What is in the tree, built outputs left out."""
    ignore = shutil.ignore_patterns(".git", ".venv", "build", "*.so", "__pycache__", "demo-output")
    shutil.copytree(ROOT, to, ignore=ignore)


def build(tree: Path) -> None:
    """Compile, and put the modules beside their Python."""
    where = tree / "build" / "python"
    headers = f". {ROOT / '.venv' / 'headers.env'}"
    path = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    setup = "" if where.exists() else f"meson setup {where} >/dev/null && "
    command = f"{headers}; cd {tree} && {setup}ninja -C {where} --quiet"
    subprocess.run(["bash", "-c", command], check=True, env=path)
    for name, package in MODULES.items():
        for module in where.glob(f"{name}.*.so"):
            shutil.copy2(module, tree / package)


def simulate(tree: Path, count: int, first: int = 1) -> bool:
    """Run seeds from `first` on until one fails; whether none did."""
    command = [sys.executable, "-m", "tests.sim", "--count", str(count), "--first"]
    command += ["--seed", str(first)]
    done = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, check=False, env=environment(tree)
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("seed ")]
    print(f"  {found[0] if found else 'no seed failed'}", flush=True)
    return done.returncode == 0


def environment(tree: Path) -> dict[str, str]:
    """The copy's packages come before those that are installed."""
    return {**os.environ, "PYTHONPATH": str(tree)}


def main(mutants: Sequence[Mutant] = MUTANTS) -> int:
    """Plant each bug and look for it."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="ringbus-mutants-") as directory:
        tree = Path(directory) / "tree"
        copy_tree(tree)
        build(tree)
        print("no bug", flush=True)
        if not all(simulate(tree, 20, first) for first in sorted({one.seed for one in mutants})):
            return 1
        for mutant in mutants:
            path = tree / mutant.file
            whole = path.read_text(encoding="utf-8")
            text = whole
            for before, after in mutant.changes:
                if before not in text:
                    raise ValueError(f"{mutant.file} does not say `{before}`: renew the mutant")
                text = text.replace(before, after)
            path.write_text(text, encoding="utf-8")
            build(tree)
            print(mutant.name, flush=True)
            missed += simulate(tree, SEEDS, mutant.seed)
            path.write_text(whole, encoding="utf-8")
    print(f"{len(mutants) - missed} of {len(mutants)} bugs found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
