"""What a shell needs to complete `ringbus`: made from the parsers of all its words.

Words, subwords, options, the choices of an option, files where one is wanted, and the exchanges
that are up. Nothing of ringbus runs when a key is pressed: the exchanges are names in /dev/shm.
For the shell that you are in: source <(ringbus completion bash).
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.manual import Parser, parser_of

# Arguments of these names are an exchange that is up, or a file that names one.
EXCHANGES: Final = ("exchange", "name", "old", "day", "target", "sources")
FILES: Final = "files"
RUNNING: Final = "running"


@dataclass(frozen=True, slots=True)
class Argument:
    """What can stand in a place: words, files, exchanges; `flags` of an option, () of a place."""

    flags: tuple[str, ...]
    takes: bool
    words: tuple[str, ...]
    kinds: tuple[str, ...]
    about: str


@dataclass(frozen=True, slots=True)
class Command:
    """A word, or a word and a subword, and what can stand behind it."""

    words: tuple[str, ...]
    about: str
    options: tuple[Argument, ...]
    places: tuple[Argument, ...]
    subwords: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus completion`; returns the exit status."""
    parser = Parser(prog="ringbus completion", description=__doc__)
    parser.add_argument("shell", choices=list(SHELLS), help="which")
    options = parser.parse_args(argv)
    print("\n".join(SHELLS[options.shell](list(commands()))))
    return 0


def commands() -> Iterator[Command]:
    """Everything that can be said to `ringbus`."""
    from tools import cli

    root = parser_of(cli.main)
    for word, about in _subparsers(root):
        parser = parser_of(cli.main, [word])
        yield _command((word,), about, parser)
        for subword, sub_about in _subparsers(parser):
            yield _command((word, subword), sub_about, _subparser(parser, subword))


def _action_of(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[Parser] | None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action
    return None


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    action = _action_of(parser)
    for choice in action._get_subactions() if action else ():
        yield choice.dest, choice.help or ""


def _subparser(parser: argparse.ArgumentParser, word: str) -> argparse.ArgumentParser:
    action = _action_of(parser)
    assert action is not None
    return action.choices[word]


def _command(words: tuple[str, ...], about: str, parser: argparse.ArgumentParser) -> Command:
    known = [_argument(action) for action in parser._actions if _is_shown(action)]
    return Command(
        words,
        about,
        tuple(one for one in known if one.flags),
        tuple(one for one in known if not one.flags),
        tuple(name for name, _ in _subparsers(parser)),
    )


def _is_shown(action: argparse.Action) -> bool:
    return action.help != argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction)


def _argument(action: argparse.Action) -> Argument:
    kinds = []
    if action.type is Path:
        kinds.append(FILES)
    if not action.option_strings and action.dest in EXCHANGES:
        # Its topology file does as well.
        kinds += [RUNNING] if FILES in kinds else [RUNNING, FILES]
    return Argument(
        tuple(action.option_strings),
        action.nargs != 0,
        tuple(map(str, action.choices or ())),
        tuple(kinds),
        (action.help or "").replace("%%", "%"),
    )


# --- bash -----------------------------------------------------------------------------------------


def _bash(known: Sequence[Command]) -> Iterator[str]:
    yield "# Completion of ringbus for bash, and zsh by bashcompinit: made by `ringbus completion`."
    yield "_ringbus_running() {"
    yield "  local pointer"
    yield "  for pointer in /dev/shm/ringbus.*.launcher; do"
    yield "    pointer=${pointer#/dev/shm/ringbus.}"
    yield '    [ "$pointer" = "*.launcher" ] || printf "%s\\n" "${pointer%.launcher}"'
    yield "  done"
    yield "}"
    yield "_ringbus() {"
    yield "  local cur=${COMP_WORDS[COMP_CWORD]} prev= key= words= kinds= word n"
    yield "  COMPREPLY=()"
    yield '  [ "$COMP_CWORD" -gt 1 ] && prev=${COMP_WORDS[COMP_CWORD-1]}'
    yield "  for ((n = 1; n < COMP_CWORD; n++)); do"
    yield "    word=${COMP_WORDS[n]}"
    subwords = [one.words for one in known if len(one.words) > 1]
    yield '    if [ "$n" = 1 ]; then key=$word; continue; fi'
    yield '    case "$key $word" in'
    for first, second in subwords:
        yield f'      "{first} {second}") key="{first} {second}";;'
    yield "    esac"
    yield "  done"
    yield '  case "$key,$prev" in'
    for one in known:
        for option in one.options:
            if option.takes:
                at = "|".join(f'"{" ".join(one.words)},{flag}"' for flag in option.flags)
                yield f"    {at}) {_reply(option.words, option.kinds)} return;;"
    yield "  esac"
    yield '  case "$key" in'
    yield f"    '') words={_quoted(one.words[0] for one in known if len(one.words) == 1)};;"
    for one in known:
        flags = [flag for option in one.options for flag in option.flags]
        places = [word for place in one.places for word in place.words]
        kinds = sorted({kind for place in one.places for kind in place.kinds})
        yield f'    "{" ".join(one.words)}")'
        yield f"      case $cur in -*) words={_quoted(flags)};; *)"
        yield f"        words={_quoted([*one.subwords, *places])} kinds={_quoted(kinds)};; esac;;"
    yield "  esac"
    yield '  case " $kinds " in *" running "*) words="$words $(_ringbus_running)";; esac'
    yield '  COMPREPLY=($(compgen -W "$words" -- "$cur"))'
    yield '  case " $kinds " in *" files "*) COMPREPLY+=($(compgen -f -- "$cur"));; esac'
    yield "}"
    yield "complete -o filenames -F _ringbus ringbus"


def _quoted(words: Iterator[str] | Sequence[str]) -> str:
    return shlex.quote(" ".join(words))


def _reply(words: Sequence[str], kinds: Sequence[str]) -> str:
    if words:
        return f'COMPREPLY=($(compgen -W {_quoted(words)} -- "$cur"));'
    return 'COMPREPLY=($(compgen -f -- "$cur"));' if FILES in kinds else ""


def _zsh(known: Sequence[Command]) -> Iterator[str]:
    yield "#compdef ringbus"
    yield "autoload -U +X bashcompinit && bashcompinit"
    yield from _bash(known)


# --- fish -----------------------------------------------------------------------------------------


def _fish(known: Sequence[Command]) -> Iterator[str]:
    yield "# Completion of ringbus for fish: made by `ringbus completion`."
    yield "function __ringbus_running"
    yield "  for pointer in /dev/shm/ringbus.*.launcher"
    yield "    string replace -r '^/dev/shm/ringbus\\.(.*)\\.launcher$' '$1' $pointer"
    yield "  end"
    yield "end"
    yield "complete -c ringbus -f"
    for one in known:
        if len(one.words) == 1:
            about = shlex.quote(one.about)
            yield f"complete -c ringbus -n __fish_use_subcommand -a {one.words[0]} -d {about}"
        when = shlex.quote("; and ".join(f"__fish_seen_subcommand_from {w}" for w in one.words))
        if one.subwords:
            yield f"complete -c ringbus -n {when} -a {_quoted(one.subwords)}"
        for argument in (*one.options, *one.places):
            yield f"complete -c ringbus -n {when}{_fish_of(argument)}"


def _fish_of(argument: Argument) -> str:
    text = ""
    for flag in argument.flags:
        text += f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}"
    if argument.flags and argument.takes:
        text += " -r"
    if FILES in argument.kinds:
        text += " -F"
    words = list(argument.words)
    if RUNNING in argument.kinds:
        words.append("(__ringbus_running)")
    if words:
        text += f" -a {shlex.quote(' '.join(words))}"
    return f"{text} -d {shlex.quote(argument.about)}"


SHELLS: Final = {"bash": _bash, "zsh": _zsh, "fish": _fish}


if __name__ == "__main__":
    sys.exit(main())
