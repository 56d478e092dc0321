"""Golden values: what fixed inputs are, what the book says to them, and what is left of it.

golden.toml keeps hashes, not bytes: the inputs are made again by the generator from their seeds.
The answers change when a rule or a layout does, then on purpose: `python -m tests.engine.golden`
writes the file anew, and the commit says which rule it was. Inputs change when the generator does.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from engine.book import Book
from tests.engine.mix import Mix
from tests.engine.oracle import Oracle
from tests.engine.profiles import PROFILES, Profile
from tests.engine.trial import as_lines

FILE = Path(__file__).parent / "golden.toml"
SEED = 4
MESSAGES = {"realistic": 6_000, "nasty": 6_000, "auctions": 4_000, "ends": 2_000, "legs": 3_000}
# 10 MB of book: smaller ones do not fetch ahead at all.
NODES = 20_000


@dataclass(frozen=True, slots=True)
class Hashes:
    """Of one input."""

    input: str
    answers: str
    book: str


def profile_of(name: str) -> Profile:
    """A profile whose book is large enough to be fetched ahead."""
    return replace(PROFILES[name], nodes=NODES)


@cache
def recorded(name: str) -> tuple[bytes, bytes]:
    """The lines of all messages, and the oracle's answers."""
    profile = profile_of(name)
    oracle = Oracle(profile.instruments, profile.orders, profile.nodes)
    mix = Mix(SEED, profile, oracle)
    sent, answers = b"", b""
    for _ in range(MESSAGES[name]):
        message = mix.message()
        sent += b"".join(message)
        answers += oracle.submit(message)
    return sent, answers


def book_of(name: str) -> Book:
    """An empty book of the right size."""
    profile = profile_of(name)
    return Book(profile.instruments, profile.orders, profile.nodes)


def hashes(name: str) -> Hashes:
    """What the book that is built here says."""
    sent, _ = recorded(name)
    with book_of(name) as book:
        answers = book.submit(as_lines(sent)).tobytes()
        return Hashes(digest(sent), digest(answers), f"{book.hash():016x}")


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def kept() -> dict[str, Hashes]:
    """What golden.toml says."""
    return {name: Hashes(**fields) for name, fields in tomllib.loads(FILE.read_text()).items()}


def main() -> None:
    """Write golden.toml anew."""
    text = "# Hashes of inputs, answers and the book that is left: tests/engine/golden.py.\n"
    for name in MESSAGES:
        one = hashes(name)
        text += f'\n[{name}]\ninput = "{one.input}"\n'
        text += f'answers = "{one.answers}"\nbook = "{one.book}"\n'
    FILE.write_text(text)


if __name__ == "__main__":
    main()
