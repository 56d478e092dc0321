"""The help of every word of `ringbus` as a manual page, made in one way.

A word's module makes a `Parser` in the place of argparse's; what it does, its arguments and their
defaults are said there. Examples, exit status and files stand in `manual.toml`, one table a word;
a test parses each example and refuses a word without a table.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

PAGES: Final = Path(__file__).with_name("manual.toml")
USAGE: Final = "wrong usage"
_is_asked: ContextVar[bool] = ContextVar("_is_asked", default=False)


@dataclass(frozen=True, slots=True)
class Page:
    """What a word's help says behind its options; an example is a command and what it is for."""

    examples: tuple[tuple[str, str], ...]
    status: dict[int, str]
    files: dict[str, str]


class Several(tuple[str, ...]):
    """Choices of an argument with nargs="*": Python 3.11 looks up the empty list among them too."""

    __slots__ = ()

    def __contains__(self, value: object) -> bool:
        return value == [] or super().__contains__(value)


class _Found(BaseException):
    """A parser was asked for its help: not an error, so that nobody catches it on its way."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser


class Parser(argparse.ArgumentParser):
    """As argparse's; `prog` is "ringbus WORD", and of its subparsers "ringbus WORD ... SUBWORD"."""

    def _get_formatter(self) -> argparse.HelpFormatter:
        return _Formatter(prog=self.prog)

    def format_help(self) -> str:
        """The manual page."""
        _, word, *rest = [*self.prog.split(), ""]
        page = pages().get(word)
        subword = rest[-2] if len(rest) > 1 else ""
        behind = "" if page is None else "\n".join(_sections(page, subword)) + "\n"
        return super().format_help() + behind

    def print_help(self, file: IO[str] | None = None) -> None:
        """Print it; whoever looks for this parser has found it."""
        if _is_asked.get():
            raise _Found(self)
        super().print_help(file or sys.stdout)


def parser_of(run: Callable[[Sequence[str]], object], words: Sequence[str] = ()) -> Parser:
    """The parser of a command line: the one that answers when it is asked for help.

    Args: run: a `main`; words: before the question, such as a subword. Raises: LookupError.
    """
    token = _is_asked.set(True)
    try:
        run([*words, "--help"])
    except _Found as found:
        return found.parser
    except SystemExit:
        pass
    finally:
        _is_asked.reset(token)
    raise LookupError(f"{' '.join(words)}: it is not read by a tools.manual.Parser")


@cache
def pages() -> dict[str, Page]:
    """All tables of manual.toml, by word."""
    import tomllib  # Every word has a parser, and few are asked for help: 4 ms of `ringbus down`.

    document = tomllib.loads(PAGES.read_text(encoding="utf-8"))
    return {word: _page(table) for word, table in document.items()}


def _page(table: dict[str, Any]) -> Page:
    lines = [line.partition(" # ") for line in table["examples"].strip().splitlines()]
    status = {int(number): str(text) for number, text in table["status"].items()}
    # argparse's own: every word has it.
    if USAGE not in status.setdefault(2, USAGE):
        status[2] += f"; {USAGE}"
    return Page(
        examples=tuple((command.strip(), about.strip()) for command, _, about in lines),
        status=dict(sorted(status.items())),
        files=dict(table.get("files", {})),
    )


def _sections(page: Page, subword: str) -> Iterator[str]:
    yield ""
    yield "examples:"
    of_it = [one for one in page.examples if subword in shlex.split(one[0])]
    for command, about in of_it or page.examples:
        yield f"  {command}"
        if about:
            yield f"      {about}"
    yield ""
    yield "exit status:"
    for number, text in page.status.items():
        yield f"  {number}  {text}"
    if page.files:
        yield ""
        yield "files:"
        for path, text in page.files.items():
            yield f"  {path}"
            yield f"      {text}"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written, and every default that the help does not say itself."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help
        value = action.default
        if not text or not action.option_strings or value in (None, False, True, argparse.SUPPRESS):
            return text
        if isinstance(value, list | tuple) or not str(value):
            return text
        said = f"{value:g}" if isinstance(value, float) else str(value)
        return text if said in text or "%(default)" in text else f"{text} (default: {said})"
