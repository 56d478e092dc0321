"""`ringbus tune`: what costs latency on this host, and what to do about it."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools import jitter
from tools.manual import Parser
from tools.rules import meant
from tuning import apply, generate
from tuning.checks import SETTINGS, THEME_OF, check, look
from tuning.host import Host, cpu_list, parse_cpus
from tuning.nic import coalescing
from tuning.setting import Finding, Outcome, Setting

COLOURS = {
    Outcome.GOOD: "green",
    Outcome.WRONG: "red",
    Outcome.RECORDED: "cyan",
    Outcome.UNREADABLE: "yellow",
    Outcome.ABSENT: "bright_black",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus tune`; returns the exit status."""
    options = _parser().parse_args(argv)
    # What a card says of itself cannot be planted in a tree of files.
    asks = {"coalescing": coalescing} if options.root == Path("/") else {}
    host = Host(options.root, options.cpus, **asks)
    run: Callable[[argparse.Namespace, Host], int] = options.run
    try:
        return run(options, host)
    except OSError as error:
        print(f"ringbus tune: {error}", file=sys.stderr)
        return 1


def _check(options: argparse.Namespace, host: Host) -> int:
    findings = check(host, options.settings)
    if options.json:
        print(json.dumps(document(host, findings), indent=1, ensure_ascii=False))
    else:
        show(host, findings, Console(), options.all)
    return 1 if any(one.outcome == Outcome.WRONG for one in findings) else 0


def document(host: Host, findings: Sequence[Finding]) -> dict[str, object]:
    """Everything that was found, for a machine."""
    return {
        "kernel": host.text("/proc/sys/kernel/osrelease"),
        "virtual": host.virtual,
        "container": host.container,
        "hot": cpu_list(host.hot),
        "housekeeping": cpu_list(host.housekeeping),
        "counts": dict(Counter(one.outcome.value for one in findings)),
        "findings": [
            {
                "name": one.setting.name,
                "theme": one.theme,
                "outcome": one.outcome.value,
                "found": one.reading.found,
                "good": one.setting.good,
                "where": one.setting.where,
                "why": one.setting.why,
                "how": one.setting.ways(host),
                "undo": one.setting.undoing,
                "danger": one.setting.danger,
            }
            for one in findings
        ],
    }


def show(host: Host, findings: Sequence[Finding], console: Console, everything: bool) -> None:
    """Print what is wrong, or everything, theme by theme."""
    console.print(
        f"hot CPUs [bold]{cpu_list(host.hot) or 'none'}[/bold] (--cpus chooses others), "
        f"housekeeping {cpu_list(host.housekeeping) or 'none'}; {_kind(host)}",
        highlight=False,
    )
    shown = [one for one in findings if everything or one.outcome == Outcome.WRONG]
    for theme in dict.fromkeys(one.theme for one in shown):
        table = Table(title=theme, title_justify="left", title_style="bold", expand=True)
        for heading, ratio in (("setting", 3), ("found", 4), ("good", 4), ("how to set it", 7)):
            table.add_column(heading, ratio=ratio, overflow="fold")
        for one in shown:
            if one.theme == theme:
                colour = COLOURS[one.outcome]
                ways = one.setting.ways(host) if one.outcome == Outcome.WRONG else ()
                table.add_row(
                    one.setting.name,
                    f"[{colour}]{escape(one.reading.found)}[/]",
                    escape(one.setting.good),
                    escape("\n".join(ways)),
                )
        console.print(table)
    counts = Counter(one.outcome for one in findings)
    console.print(
        ", ".join(f"[{COLOURS[one]}]{counts[one]} {one.value}[/]" for one in Outcome if counts[one])
        + f" of {len(findings)} settings; `ringbus tune explain SETTING` says why",
        highlight=False,
    )


def _kind(host: Host) -> str:
    if not host.virtual and not host.container:
        return "bare metal"
    place = " in a ".join(kind for kind in (host.container, host.virtual) if kind)
    return f"{escape(place)}: what only its host can set is said to be absent"


def _explain(options: argparse.Namespace, host: Host) -> int:
    console = Console()
    for one in check(host, options.settings):
        setting = one.setting
        console.print(f"[bold]{setting.name}[/bold]  {THEME_OF[setting.name]}", highlight=False)
        rows = {
            "why": setting.why,
            "read from": setting.where,
            "found": f"{one.reading.found} ({one.outcome.value})",
            "good": setting.good,
            "set it": "\n".join(setting.ways(host)) or "there is nothing to set",
            "undo": setting.undoing,
            "danger": setting.danger,
        }
        table = Table(show_header=False, box=None, padding=(0, 1))
        for key, text in rows.items():
            table.add_row(key, escape(text))
        console.print(table, highlight=False)
    return 0


def _apply(options: argparse.Namespace, host: Host) -> int:
    steps = apply.plan(host, _settings(options))
    if options.dry_run:
        for step in steps:
            print(f"{step.setting}: {step.path}: {step.old or 'empty'} -> {step.new}")
        print(f"{len(steps)} files would be written; nothing was")
        return 0
    record = _record(options, host)
    failed = apply.apply(host, steps, record)
    _complain(failed)
    print(f"{len(steps) - len(failed)} of {len(steps)} files written; `ringbus tune undo` with")
    print(f"{record} takes them back")
    # Some interrupts of every machine cannot be moved, and most of them come to no hot CPU.
    still = [
        one for one in failed if look(SETTINGS[one.step.setting], host).outcome == Outcome.WRONG
    ]
    return 1 if still else 0


def _undo(options: argparse.Namespace, host: Host) -> int:
    record = _record(options, host)
    steps = apply.recorded(record)
    if not steps:
        print(f"there is nothing to take back: no record {record}")
        return 0
    failed = apply.undo(host, record, options.force)
    _complain(failed)
    if failed:
        print(f"{len(failed)} of {len(steps)} were not taken back; {record} is kept")
        return 1
    print(f"all {len(steps)} taken back")
    return 0


def _complain(failed: Sequence[apply.Failed]) -> None:
    for one in failed:
        print(f"{one.step.setting}: {one.step.path}: {one.why}", file=sys.stderr)


def _generate(options: argparse.Namespace, host: Host) -> int:
    print(generate.FILES[options.file](host, _settings(options)), end="")
    return 0


def _settings(options: argparse.Namespace) -> list[Setting]:
    return [SETTINGS[name] for name in options.settings] or list(SETTINGS.values())


def _record(options: argparse.Namespace, host: Host) -> Path:
    return options.record or host.path(apply.RECORD)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ringbus tune", description=__doc__)
    words = parser.add_subparsers(required=True, metavar="WORD")
    word = _word(words, "check", _check, "what every setting is, and what it should be")
    word.add_argument("--json", action="store_true", help="for machines")
    word.add_argument("--all", action="store_true", help="also what is good or does not apply")
    _word(words, "explain", _explain, "why, where, how, how back, and the danger of it")
    word = _word(words, "apply", _apply, "set what can be set while the host runs")
    word.add_argument("--profile", choices=["latency"], default="latency", help="there is one")
    word.add_argument("--dry-run", action="store_true", help="only say what would be written")
    _add_record(word)
    word = _word(words, "undo", _undo, "take back what `apply` has set", named=False)
    word.add_argument("--force", action="store_true", help="also what others have changed since")
    _add_record(word)
    word = words.add_parser("generate", help="files for what needs a restart, or is to stay")
    word.add_argument("file", choices=list(generate.FILES), help="for whom")
    _common(word, _generate)
    jitter.add_words(words, _common)
    return parser


def _word(
    words: argparse._SubParsersAction[Parser],
    name: str,
    run: Callable[[argparse.Namespace, Host], int],
    text: str,
    named: bool = True,
) -> argparse.ArgumentParser:
    word = words.add_parser(name, help=text)
    _common(word, run, named)
    return word


def _common(
    word: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace, Host], int],
    named: bool = True,
) -> None:
    if named:
        word.add_argument(
            "settings", nargs="*", type=_setting, metavar="SETTING", help="only these"
        )
    word.add_argument(
        "--root", type=Path, default=Path("/"), help="where /proc and /sys are, if not here"
    )
    word.add_argument(
        "--cpus", type=_cpus, metavar="LIST", help="the hot CPUs; isolated ones unless given"
    )
    word.set_defaults(run=run)


def _add_record(word: argparse.ArgumentParser) -> None:
    word.add_argument(
        "--record", type=Path, metavar="FILE", help=f"of the old values; {apply.RECORD}"
    )


def _setting(text: str) -> str:
    if text not in SETTINGS:
        raise argparse.ArgumentTypeError(
            f"there is no setting {text}{meant(text, list(SETTINGS))}; "
            "`ringbus tune check --all` lists them"
        )
    return text


def _cpus(text: str) -> frozenset[int]:
    try:
        return parse_cpus(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of CPUs such as 2-7,10") from None


if __name__ == "__main__":
    sys.exit(main())
