"""The help of every word is a manual page, and its examples are what the word takes."""

from __future__ import annotations

import argparse
import shlex

import pytest

from tools import cli
from tools.completion import commands
from tools.manual import Parser, pages, parser_of

KNOWN = list(commands())
WORDS = [one.words[0] for one in KNOWN if len(one.words) == 1]


def example_words(command: str) -> list[str]:
    """An example's words behind `ringbus`, without what the shell does with its output."""
    _, _, behind = command.partition("ringbus ")
    out = []
    for word in shlex.split(behind):
        if word.startswith((">", "|")):
            break
        out.append(word)
    return out


def test_every_word_of_the_command_has_its_page() -> None:
    """Of the command's own, and of every module: a new one fails here until it has one."""
    assert set(cli.DELEGATED) < set(WORDS)
    assert set(pages()) == set(WORDS)
    assert {"up", "down", "status", "secret", "tune", "bench", "completion"} <= set(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_help_says_what_how_examples_and_status(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([word, "--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: ringbus {word}")
    about = said.partition("\n\n")[2]
    assert not about.startswith(("options:", "positional")), "it does not say what it does"
    for part in ("\nexamples:\n  ", "\nexit status:\n  0  "):
        assert said.count(part) == 1, part
    assert "  2  " in said


@pytest.mark.parametrize("word", WORDS)
def test_the_examples_are_what_it_takes(word: str) -> None:
    """Words and options of each exist, and nothing that must be said is left out."""
    parser = parser_of(cli.main, [word])
    for command, _ in pages()[word].examples:
        first, *rest = example_words(command)
        assert first == word
        # The settings of a host are compared with a list; all else is only read.
        options = parser.parse_args(rest)
        assert isinstance(options, argparse.Namespace)


@pytest.mark.parametrize("one", KNOWN, ids=lambda one: " ".join(one.words))
def test_every_argument_says_what_it_is(one: object) -> None:
    from tools.completion import Command

    assert isinstance(one, Command)
    assert one.about
    for argument in (*one.options, *one.places):
        assert argument.about, f"{one.words}: {argument.flags or argument.words}"


@pytest.mark.parametrize("one", [one for one in KNOWN if len(one.words) > 1], ids=str)
def test_a_subword_has_examples_of_its_own(one: object) -> None:
    from tools.completion import Command

    assert isinstance(one, Command)
    word, subword = one.words
    examples = [command for command, _ in pages()[word].examples]
    assert any(subword in example_words(command) for command in examples), one.words


def test_defaults_are_said_once() -> None:
    parser = Parser(prog="ringbus nothing")
    parser.add_argument("--rate", type=float, default=2.5, help="a second")
    parser.add_argument("--depth", type=int, default=10, help="10 unless given")
    parser.add_argument("--flag", action="store_true", help="on")
    parser.add_argument("--path", help="of it")
    said = parser.format_help()
    assert "a second (default: 2.5)" in said
    assert "10 unless given\n" in said
    assert said.count("default") == 1


def test_who_asks_for_no_help_is_not_found() -> None:
    with pytest.raises(LookupError, match="nothing: "):
        parser_of(lambda words: 0, ["nothing"])
    with pytest.raises(LookupError, match="another: "):
        parser_of(argparse.ArgumentParser().parse_args, ["another"])
