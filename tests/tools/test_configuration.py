"""What is saved comes back; the fingerprint changes with the stream's content and nothing else."""

from __future__ import annotations

import stat
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import pytest

from ports.authenticator import hash_secret
from ringbus.messages import PARTICIPANT_DEFINITION, Template
from tests.tools.conftest import SECRET, Maker
from tools.applications import KINDS
from tools.configuration import Configuration
from tools.kind import ApplicationSection
from tools.opening import opening_lines
from tools.topology import ConfigurationError


def test_what_is_saved_comes_back(make: Maker, tmp_path: Path) -> None:
    before = Configuration.load(make(ports=2))
    path = tmp_path / "saved.json"
    before.save(path)
    after = Configuration.restore(path)
    assert after == before
    assert after.topology.core("edge").agents == ("journal", "port.0", "port.1")
    assert after.topology.directory == before.topology.directory
    # Hashed passwords are in it.
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"path": "x", "exchange": {"nme": 1}}'])
def test_what_was_not_saved_does_not_come_back(tmp_path: Path, text: str) -> None:
    path = tmp_path / "saved.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="not a saved configuration"):
        Configuration.restore(path)


def test_topics_and_shards(make: Maker) -> None:
    configuration = Configuration.load(make(shards=2, instruments=3))
    assert configuration.topics == 8
    assert configuration.shard_of == b"\x00\x01\x00"


SAME = {
    "placement": ("t.toml", 'name = "edge"', 'name = "edge"\ncpu = 0\nwait = "yield"'),
    "name": ("t.toml", 'name = "t', 'name = "another-t'),
    "shards": ("t.toml", "shards = 1", "shards = 1 # one"),
    "rings": ("t.toml", "slots = 4096", "slots = 8192"),
    "ports": ("t.toml", "connections = 16", "connections = 32"),
    "password": ("participants.csv", SECRET + "\nBOB", hash_secret("OTHER", cost=1024) + "\nBOB"),
}
OTHER = {
    "environment": (
        "t.toml",
        '"20230711"',
        '"L20230711"\nenvironment = "live"\nrequire_release = "r"\nrelease_key = "k"',
    ),
    "control": ("t.toml", "[journal]", "[control]\napprovals = 2\n[journal]"),
    "session": ("t.toml", "20230711", "20230712"),
    "orders": ("t.toml", "\norders = 1024", "\norders = 2048"),
    "tick": ("instruments.csv", "S1,0.01", "S1,0.0001"),
    "symbol": ("instruments.csv", "S1,", "S1A,"),
    "account": ("participants.csv", "7,102", "7,103"),
    "firm": ("participants.csv", "BETA", "GAMMA"),
}


def changed(path: Path, change: tuple[str, str, str]) -> Configuration:
    file, old, new = change
    target = path if file == "t.toml" else path.with_name(file)
    text = target.read_text()
    assert text.count(old) == 1
    target.write_text(text.replace(old, new))
    return Configuration.load(path, frozenset({0}))


@pytest.mark.parametrize("case", list(SAME))
def test_the_fingerprint_does_not_depend_on(make: Maker, case: str) -> None:
    path = make(shards=1)
    before = Configuration.load(path)
    assert changed(path, SAME[case]).hash == before.hash


@pytest.mark.parametrize("case", list(OTHER))
def test_the_fingerprint_depends_on(make: Maker, case: str) -> None:
    path = make(shards=1)
    before = Configuration.load(path)
    assert changed(path, OTHER[case]).hash != before.hash


# Where an application is reached and how much it holds; all its other options bind the day.
LOCAL = {
    "drop": {"host", "tcp", "connections", "messages", "backlog"},
    "fix": {"host", "tcp", "connections", "backlog"},
    "market": {"tape_bytes", "group", "interface", "packet_bytes"},
    "reporter": {"host", "tcp", "heartbeat_s", "window"},
    "request": {"tape_bytes", "host", "udp", "peers"},
    "snapshot": {"tape_bytes", "host", "tcp", "day_tcp", "connections"},
}


def another(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return value + "x" if isinstance(value, str) else (*cast(tuple[object, ...], value), "x")


@pytest.mark.parametrize("kind", list(KINDS))
def test_all_options_of_an_application_are_in_the_fingerprint_but_local_ones(
    make: Maker, kind: str
) -> None:
    """R107: and the part of the configuration that differs is called by the application's name."""
    plain = Configuration.load(make())

    def of(options: object) -> Configuration:
        sections = (ApplicationSection("one", kind, options),)
        return replace(plain, topology=replace(plain.topology, applications=sections))

    options = cast(Any, KINDS[kind].options())
    before, unnoticed = of(options), set()
    for one in fields(options):
        after = of(replace(options, **{one.name: another(getattr(options, one.name))}))
        differing = {name for name, found in after.prints.items() if found != before.prints[name]}
        if after.hash == before.hash:
            unnoticed.add(one.name)
        assert differing == {f"application one ({plain.topology.path})"} or one.name in unnoticed
    assert unnoticed == LOCAL.get(kind, set())


def test_the_number_of_shards_is_not_in_the_fingerprint_but_a_chosen_one_is(make: Maker) -> None:
    one, two = (Configuration.load(make(shards=n)) for n in (1, 2))
    assert one.hash == two.hash
    path = make(shards=2)
    file = path.with_name("instruments.csv")
    rows = file.read_text().splitlines()
    file.write_text("\n".join([rows[0] + ",shard", *(row + ",1" for row in rows[1:])]))
    assert Configuration.load(path).hash != two.hash


def test_groups_and_loads_are_in_the_fingerprint(make: Maker) -> None:
    path = make(shards=2)
    file = path.with_name("instruments.csv")
    rows = file.read_text().splitlines()
    hashes, found = set(), []
    for extra in (("", "", ""), ("P,", "P,", ""), ("P,", "", "P,"), (",7", "", ""), (",8", "", "")):
        cells = [rows[0] + ",group,load"]
        cells += [row + "," + (one or ",") for row, one in zip(rows[1:], extra, strict=True)]
        file.write_text("\n".join(cells))
        found.append(Configuration.load(path))
        hashes.add(found[-1].hash)
    assert len(hashes) == 5
    assert [one.group_of for one in found[:3]] == [[0, 0, 0], [1, 1, 0], [1, 0, 1]]
    assert found[2].shard_of == b"\x00\x01\x00"
    assert found[1].shard_of == b"\x00\x00\x00"


def test_the_first_lines_of_a_day(make: Maker) -> None:
    lines = opening_lines(Configuration.load(make(shards=2, instruments=3)), 0xABCD)
    assert lines["template_id"].tolist() == [
        Template.BUILD_RECORD,
        *([Template.INSTRUMENT_DEFINITION] * 3),
        *([Template.PARTICIPANT_DEFINITION] * 2),
    ]
    # Shards by line: 0, then 0 1 0 of the instruments, then 0 0; numbers count in each shard.
    assert lines["topic_sequence"].tolist() == [1, 2, 1, 3, 4, 5]
    assert not lines["topic"].any()
    assert lines[4:].view(PARTICIPANT_DEFINITION)["account"].tolist() == [101, 102]
