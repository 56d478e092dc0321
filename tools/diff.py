"""`ringbus diff`: what a new configuration would change, in words.

Of an exchange that is up (its name), or of a topology file, against a new topology file with the
instruments and participants that it names.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from ringbus.status import RingbusError
from tools.configuration import Configuration
from tools.kind import ApplicationSection
from tools.manual import Parser
from tools.state import CONFIGURATION_FILE, exchange_name, find
from tools.topology import SINGLE, ConfigurationError

SAME: Final = 0
DIFFERENT: Final = 1
UNREADABLE: Final = 2
# What may be known to whoever reads a difference is not in it.
SECRET: Final = "secret"


@dataclass(frozen=True, slots=True)
class Difference:
    """One change: of `what` ("[limits]", "instrument S1"), the `field` ("": all of it)."""

    what: str
    field: str
    before: object
    after: object

    def __str__(self) -> str:
        if self.field == "":
            return f"{self.what}: {'is new' if self.before is None else 'is gone'}"
        if self.field == SECRET:
            return f"{self.what}: another password"
        return f"{self.what}: {self.field} {_shown(self.before)} to {_shown(self.after)}"


def differences(old: Configuration, new: Configuration) -> list[Difference]:
    """All changes from one configuration to another, in the order of the files."""
    before, after = old.topology, new.topology
    out: list[Difference] = []
    for name in SINGLE:
        out += _fields(f"[{name}]", getattr(before, name), getattr(after, name))
    out += _named("port", before.ports, after.ports)
    out += _applications(before.applications, after.applications)
    out += _named("core", before.cores, after.cores)
    out += _named("instrument", old.instruments, new.instruments, "symbol")
    out += _named("user", old.participants, new.participants, "user")
    out += _named("rules of", old.owners, new.owners, "owner")
    return out


def verdict(old: Configuration, new: Configuration) -> str:
    """Whether the day that was begun with the old one can be gone on with."""
    same_shards = old.topology.exchange.shards == new.topology.exchange.shards
    if old.hash == new.hash and same_shards:
        return (
            f"the same fingerprint ({old.hash:016x}): `ringbus up --continue` goes on with the day"
        )
    shards = "" if same_shards else ", another number of shards"
    return (
        f"another fingerprint ({old.hash:016x}, new {new.hash:016x}){shards}: the next day can "
        "begin with it, a day that was begun cannot go on with it"
    )


def _fields(what: str, before: object, after: object) -> Iterator[Difference]:
    one, other = dataclasses.asdict(before), dataclasses.asdict(after)  # type: ignore[call-overload]
    for name, value in one.items():
        if value != other[name]:
            yield Difference(what, name, value, other[name])


def _named(
    kind: str, before: Iterable[object], after: Iterable[object], key: str = "name"
) -> Iterator[Difference]:
    """Of things with names: gone, changed, new."""
    old = {getattr(one, key): one for one in before}
    new = {getattr(one, key): one for one in after}
    for name, one in old.items():
        if name not in new:
            yield Difference(f"{kind} {name}", "", _plain(one), None)
        else:
            yield from _fields(f"{kind} {name}", one, new[name])
    for name, one in new.items():
        if name not in old:
            yield Difference(f"{kind} {name}", "", None, _plain(one))


def _applications(
    before: Sequence[ApplicationSection], after: Sequence[ApplicationSection]
) -> Iterator[Difference]:
    """Options of two kinds cannot be compared."""
    kinds = {one.name: one.kind for one in before}
    other = {one.name for one in after if kinds.get(one.name, one.kind) != one.kind}
    for one in after:
        if one.name in other:
            yield Difference(f"application {one.name}", "kind", kinds[one.name], one.kind)
    old, new = ([one for one in every if one.name not in other] for every in (before, after))
    for difference in _named("application", old, new):
        if difference.field == "options":
            assert isinstance(difference.before, dict)
            assert isinstance(difference.after, dict)
            for name, value in difference.before.items():
                yield from _option(difference.what, name, value, difference.after[name])
        else:
            yield difference


def _option(what: str, name: str, before: object, after: object) -> Iterator[Difference]:
    """Of a table of rules: each by its place."""
    if _is_table(before) or _is_table(after):
        rows = cast(Sequence[object], before), cast(Sequence[object], after)
        for place, (old, new) in enumerate(itertools.zip_longest(*rows), 1):
            if old != new:
                yield Difference(what, f"{name} {place}", old, new)
    elif before != after:
        yield Difference(what, name, before, after)


def _is_table(value: object) -> bool:
    return isinstance(value, tuple | list) and any(isinstance(one, dict) for one in value)


def _plain(one: object) -> dict[str, Any]:
    fields: dict[str, Any] = dataclasses.asdict(one)  # type: ignore[call-overload]
    fields.pop(SECRET, None)
    return fields


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, dict):
        return f"({', '.join(f'{name} {_shown(each)}' for name, each in value.items() if each)})"
    if isinstance(value, tuple | list):
        return ", ".join(_shown(one) for one in value) or "none"
    return str(value)


def configuration_of(target: str) -> Configuration:
    """That of an exchange that is up, or of a topology file. Raises: ConfigurationError."""
    path = Path(target)
    if path.suffix == ".toml":
        return Configuration.load(path)
    state = find(exchange_name(target))
    if state is None:
        raise ConfigurationError(f"exchange {target} is not up; name its topology file")
    return Configuration.restore(Path(state.directory) / CONFIGURATION_FILE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus diff`: 0 nothing differs, 1 something does, 2 one of them cannot be read."""
    parser = Parser(prog="ringbus diff", description=__doc__)
    parser.add_argument("old", help="an exchange that is up, or a topology file")
    parser.add_argument("new", type=Path, help="topology file")
    parser.add_argument("--json", action="store_true", help="a line of JSON a difference")
    options = parser.parse_args(argv)
    try:
        old, new = configuration_of(options.old), Configuration.load(options.new)
    except (ConfigurationError, RingbusError, OSError) as error:
        print(f"ringbus diff: {error}", file=sys.stderr)
        return UNREADABLE
    found = differences(old, new)
    for one in found:
        if options.json:
            hidden = one.field == SECRET
            before, after = ("…", "…") if hidden else (one.before, one.after)
            record = {"what": one.what, "field": one.field, "before": before, "after": after}
            print(json.dumps(record))
        else:
            print(one)
    if not options.json:
        print(verdict(old, new) if found else f"nothing differs ({old.hash:016x})")
    return DIFFERENT if found else SAME
