"""Topology files: a right one is read whole, a wrong one is an error with line and cure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ringbus.backing import Backing
from tools.topology import ConfigurationError, Topology, load_topology

CPUS = frozenset({0, 1})
Writer = Callable[[str], Path]
GOOD = """\
[exchange]
name = "demo"
session = "20230711"
directory = "demo-output"
instruments = "instruments.csv"
participants = "participants.csv"
shards = 2
[stream]
slots = 4096
[lanes]
slots = 1024
[[port]]
name = "port.0"
tcp = 7001
[[port]]
name = "port.1"
tcp = 7002
[[core]]
name = "engine"
cpu = 0
wait = "spin"
agents = ["sequencer", "shard.0", "shard.1", "publisher"]
[[core]]
name = "edge"
cpu = 1
wait = "spin"
agents = [
    "journal", "port.0",
    "port.1",
]
"""


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    (tmp_path / "instruments.csv").write_text("")
    (tmp_path / "participants.csv").write_text("")

    def write(text: str) -> Path:
        path = tmp_path / "topology.toml"
        path.write_text(text)
        return path

    return write


def test_everything_is_read(write: Writer, tmp_path: Path) -> None:
    topology: Topology = load_topology(write(GOOD), CPUS)
    assert topology.name == "demo"
    assert topology.exchange.shards == 2
    assert topology.exchange.environment == "test"
    assert topology.stream.slots == 4096
    assert topology.journal.segment_messages == 1 << 20
    assert topology.directory == tmp_path / "demo-output"
    assert topology.contributors == ("console", "port.0", "port.1")
    assert topology.port("port.1").tcp == 7002
    assert topology.core("edge").agents == ("journal", "port.0", "port.1")
    assert topology.core_of("shard.1").name == "engine"
    assert topology.restartable(topology.core("edge"))
    assert not topology.restartable(topology.core("engine"))


def test_what_the_memory_is_made_of(write: Writer) -> None:
    assert load_topology(write(GOOD), CPUS).memory.backing == Backing()
    said = '[memory]\npages = "transparent"\nnuma_node = 1\nlock = true\nrequired = false\n'
    topology = load_topology(write(GOOD + said), CPUS)
    assert topology.memory.backing == Backing("transparent", 1, True, True, False)


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ('pages = "huge"', 'write "4k" or "transparent" or "explicit" or "explicit-1g"'),
        ("numa_node = -1", 'write the number of a NUMA node, or "any"'),
        ("lock = 1", "write true or false"),
    ],
)
def test_what_the_memory_cannot_be_made_of(write: Writer, line: str, cure: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\[memory\]") as caught:
        load_topology(write(f"{GOOD}[memory]\n{line}\n"), CPUS)
    assert cure in str(caught.value)


def test_defaults_fill_what_is_left_out(write: Writer) -> None:
    text = GOOD.replace("[stream]\nslots = 4096\n", "").replace("cpu = 1\n", "")
    topology = load_topology(write(text), CPUS)
    assert topology.stream.slots == 65536
    assert topology.core("edge").cpu == "any"
    assert topology.core("edge").pinned is None
    assert topology.limits.connections == 256


@pytest.mark.parametrize("wait", ["park", "yield"])
def test_cores_that_do_not_both_spin_share_a_cpu(write: Writer, wait: str) -> None:
    text = GOOD.replace('cpu = 1\nwait = "spin"', f'cpu = 0\nwait = "{wait}"')
    assert load_topology(write(text), CPUS).core("edge").pinned == 0


# What is replaced in GOOD, by what; the line that the error names; what its text holds.
BROKEN = {
    "syntax": ('name = "demo"', "name = demo", 2, ["not valid TOML", "texts stand in quotes"]),
    "syntax at the end": ('    "port.1",\n]', '    "port.1",', 29, ["not valid TOML"]),
    "table twice": ("[stream]", "[exchange]", 8, ["not valid TOML", "stands once"]),
    "key twice": ("shards = 2", "shards = 2\nshards = 3", 8, ["not valid TOML"]),
    "unknown table": ("[lanes]", "[lane]", 10, ["no such table", 'did you mean "lanes"?']),
    "unknown key": (
        "shards = 2",
        "shard = 2",
        7,
        ["[exchange] shard: no such key", 'did you mean "shards"?'],
    ),
    "unknown key of the second port": (
        "tcp = 7002",
        "tpc = 7002",
        17,
        ["[port] tpc", 'did you mean "tcp"?'],
    ),
    "missing key": (
        'session = "20230711"\n',
        "",
        1,
        ["[exchange] session: is missing", "add session ="],
    ),
    "number for text": (
        'name = "demo"',
        "name = 7",
        2,
        ["[exchange] name: found a number (7)", "in quotes"],
    ),
    "text for number": (
        "shards = 2",
        'shards = "2"',
        7,
        ["shards: found a text ('2')", "write a whole number, no quotes"],
    ),
    "true for number": ("shards = 2", "shards = true", 7, ["shards: found true/false"]),
    "float for number": ("shards = 2", "shards = 2.0", 7, ["shards: found a decimal number (2.0)"]),
    "name with blanks": (
        'name = "demo"',
        'name = "my demo"',
        2,
        ["found 'my demo'", "1 to 24 letters"],
    ),
    "name with a dot": ('name = "demo"', 'name = "my.demo"', 2, ["found 'my.demo'"]),
    "session too long": ("20230711", "20230711001", 3, ["1 to 10 letters and digits"]),
    "no shards": ("shards = 2", "shards = 0", 7, ["shards: found 0", "from 1 to 16"]),
    "too many shards": ("shards = 2", "shards = 17", 7, ["shards: found 17", "from 1 to 16"]),
    "environment": (
        "shards = 2",
        'shards = 2\nenvironment = "tst"',
        8,
        ["found 'tst'", 'write "test" or "live"; did you mean "test"?'],
    ),
    "test session of a live one": (
        "shards = 2",
        'shards = 2\nenvironment = "live"',
        3,
        ["session: found", 'begins with "L" where it is "live", and only there'],
    ),
    "live session of a test": ("20230711", "L2023", 3, ['found "L2023"', 'is "test"']),
    "control": ("[stream]", "[control]\naprovals = 2\n[stream]", 9, ['mean "approvals"?']),
    "word of a list": (
        "[stream]",
        '[control]\nalone = ["kil"]\n[stream]',
        9,
        ["found 'kil'", 'did you mean "kill"?'],
    ),
    "clock": ("shards = 2", 'shards = 2\nclock = "fast"', 8, ['write "real" or "stopped"']),
    "not a power of two": (
        "slots = 4096",
        "slots = 5000",
        9,
        ["found 5000, which is not a power of two", "write 4096 or 8192"],
    ),
    "lane too small": ("slots = 1024", "slots = 8", 11, ["[lanes] slots: found 8", "from 64 to"]),
    "port out of range": ("tcp = 7002", "tcp = 70020", 17, ["[port] tcp: found 70020", "65535"]),
    "port taken": (
        "tcp = 7002",
        "tcp = 7001",
        17,
        ["127.0.0.1:7001 is that of port.0 too", "or 0 for any free one"],
    ),
    "host": (
        "tcp = 7002",
        'tcp = 7002\nhost = "localhost"',
        18,
        ["found 'localhost'", "127.0.0.1"],
    ),
    "port twice": (
        'name = "port.1"',
        'name = "port.0"',
        16,
        ['"port.0" is on line 13 too', "names are unique"],
    ),
    "port named as an agent": (
        'name = "port.1"',
        'name = "shard.1"',
        16,
        ['"shard.1" names another agent', "name it port.N"],
    ),
    "core twice": ('name = "edge"', 'name = "engine"', 24, ['"engine" is on line 19 too']),
    "core of the launcher": ('name = "edge"', 'name = "launcher"', 24, ['"launcher" is taken']),
    "cpu that is not ours": (
        "cpu = 1\n",
        "cpu = 64\n",
        25,
        ["CPU 64 is not there", 'choose among 0-1, "auto" or "any"'],
    ),
    "cpu as a word": ("cpu = 1\n", 'cpu = "one"\n', 25, ["found 'one'", "number of a CPU"]),
    "negative cpu": ("cpu = 1\n", "cpu = -1\n", 25, ["found -1", "number of a CPU"]),
    "two spin on one cpu": (
        "cpu = 1\n",
        "cpu = 0\n",
        25,
        ['"edge" and "engine" both spin on CPU 0', 'wait = "park"'],
    ),
    "wait": ('wait = "spin"\nagents = [\n', 'wait = "parc"\nagents = [\n', 26, ['mean "park"?']),
    "unknown agent": (
        '"sequencer", ',
        '"sequenser", ',
        22,
        ['no agent "sequenser"', 'did you mean "sequencer"?'],
    ),
    "shard too many": (
        '"shard.1"',
        '"shard.1", "shard.2"',
        22,
        ['no agent "shard.2"', "shards = 2: the last one is shard.1"],
    ),
    "shard missing": ('"shard.1", ', "", 27, ['no core runs "shard.1"', "agents of a [[core]]"]),
    "journal missing": ('"journal", ', "", 27, ['no core runs "journal"']),
    "agent on two cores": (
        '"journal", ',
        '"journal", "publisher", ',
        27,
        ['"publisher" is on core "engine" too', "place it once"],
    ),
    "agent twice on a core": ('"journal", ', '"journal", "journal", ', 27, ['"journal" is twice']),
    "no agents": (
        '["sequencer", "shard.0", "shard.1", "publisher"]',
        "[]",
        22,
        ["found 0 agents", "1 to 32"],
    ),
    "agents as a text": (
        '["sequencer", "shard.0", "shard.1", "publisher"]',
        '"sequencer"',
        22,
        ["found 'sequencer'", "write a list of agents"],
    ),
    "file missing": (
        '"instruments.csv"',
        '"instrument.csv"',
        5,
        ["there is no file", "relative to this file"],
    ),
    "directory is a file": (
        '"demo-output"',
        '"participants.csv"',
        4,
        ["participants.csv is a file", "name a directory"],
    ),
    "sync never": (
        "[stream]",
        "[journal]\nsync_ms = 0\n[stream]",
        9,
        ["[journal] sync_ms: found 0", "from 1 to 1000"],
    ),
}


@pytest.mark.parametrize("case", list(BROKEN))
def test_a_mistake_is_named_with_line_and_cure(write: Writer, case: str) -> None:
    old, new, line, parts = BROKEN[case]
    assert GOOD.count(old) == 1, "the case must change exactly one place"
    path = write(GOOD.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        load_topology(path, CPUS)
    text = str(caught.value)
    assert text.startswith(f"{path}:{line}:"), text
    for part in parts:
        assert part in text, text
    assert ";" in text


def test_a_table_where_tables_are_wanted(write: Writer) -> None:
    path = write(GOOD[: GOOD.index("[[port]]")] + '[port]\nname = "port.0"\n')
    with pytest.raises(ConfigurationError, match=r":12: \[port\]: found a table; write \[\[port"):
        load_topology(path, CPUS)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.toml: No such file"):
        load_topology(tmp_path / "nothing.toml", CPUS)


def test_bytes_that_are_no_text(write: Writer) -> None:
    path = write("")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        load_topology(path, CPUS)
