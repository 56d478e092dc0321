"""Instruments and participants: exact numbers, and errors that name the line and the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.instruments import load_instruments, load_participants
from tools.topology import ConfigurationError

INSTRUMENTS = """\
symbol,tick,lot,price_min,price_max,quantity_max,shard
AAPL,0.01,1,0.01,1999.99,1000000,
# a comment, and an empty line

BRK.A,0.05,10,100,214748.35,5000,0
TINY,0.0001,1,0.0001,1,4294967295,
"""
SECRET = "scrypt$1024$8$1$00112233445566778899aabbccddeeff$" + "0" * 64
PARTICIPANTS = f"""\
user,session,account,firm,secret
ALICE,1,101,ACME,{SECRET}
BOB,2,102,BETA,{SECRET}
CAROL,65534,103,ACME,{SECRET}
"""


def test_prices_are_exact_integers(tmp_path: Path) -> None:
    path = tmp_path / "i.csv"
    path.write_text(INSTRUMENTS)
    first, second, third = load_instruments(path, 2)
    assert (first.symbol, first.tick_1e4, first.lot) == ("AAPL", 100, 1)
    assert (first.price_ticks_min, first.price_ticks_max) == (1, 199999)
    assert (second.tick_1e4, second.price_ticks_min, second.price_ticks_max) == (500, 2000, 4294967)
    assert (third.tick_1e4, third.price_ticks_max, third.quantity_max) == (1, 10000, 4294967295)


def test_shards_are_dealt_in_turn_unless_chosen(tmp_path: Path) -> None:
    path = tmp_path / "i.csv"
    path.write_text(INSTRUMENTS)
    assert [(i.index, i.shard, i.shard_chosen) for i in load_instruments(path, 2)] == [
        (0, 0, False),
        (1, 0, True),
        (2, 0, False),
    ]


def test_the_shard_column_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "i.csv"
    rows = ["symbol,tick,lot,price_min,price_max,quantity_max"]
    rows += [f"S{n},0.01,1,1,2,100" for n in range(5)]
    path.write_text("\n".join(rows))
    assert [instrument.shard for instrument in load_instruments(path, 3)] == [0, 1, 2, 0, 1]


def write(path: Path, *rows: str) -> Path:
    head = "symbol,tick,lot,price_min,price_max,quantity_max,group,load,shard"
    path.write_text("\n".join([head, *(row.replace(",", ",0.01,1,1,2,100,", 1) for row in rows)]))
    return path


def test_groups_stay_together_and_loads_are_spread(tmp_path: Path) -> None:
    """What is touched atomically is on one shard; the rest goes by measured load."""
    path = write(tmp_path / "i.csv", "A,PAIR,10,", "B,,90,", "C,PAIR,20,", "D,,40,", "E,,,1")
    found = load_instruments(path, 2)
    assert [(i.group, i.load, i.shard, i.shard_chosen) for i in found] == [
        ("PAIR", 10, 1, False),
        ("", 90, 0, False),
        ("PAIR", 20, 1, False),
        ("", 40, 1, False),
        ("", 0, 1, True),
    ]


def test_a_shard_chosen_for_one_of_a_group_is_that_of_all(tmp_path: Path) -> None:
    path = write(tmp_path / "i.csv", "A,PAIR,,", "B,PAIR,,1", "C,PAIR,,1", "D,,,")
    assert [i.shard for i in load_instruments(path, 2)] == [1, 1, 1, 1]
    assert [i.shard_chosen for i in load_instruments(path, 2)] == [False, True, True, False]


def test_two_shards_for_one_group_are_an_error_that_names_both_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "i.csv", "A,PAIR,,1", "B,,,", "C,PAIR,,0")
    with pytest.raises(ConfigurationError) as error:
        load_instruments(path, 2)
    text = str(error.value)
    assert text.startswith(f"{path}:4: shard: found 0, but line 2 puts the group 'PAIR' on shard 1")


@pytest.mark.parametrize(
    ("row", "words"),
    [("A,pair,,", "group: found 'pair'"), ("A,,-1,", "load: found '-1'"), ("A,,1.5,", "load:")],
)
def test_a_wrong_group_or_load_is_named(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_instruments(write(tmp_path / "i.csv", row), 2)


def test_participants(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(PARTICIPANTS)
    alice, bob, carol = load_participants(path)
    assert (alice.user, alice.session, alice.account, alice.firm_name) == ("ALICE", 1, 101, "ACME")
    assert [alice.firm, bob.firm, carol.firm] == [1, 2, 1]
    assert carol.session == 65534
    assert alice.secret == SECRET


BROKEN_INSTRUMENTS = {
    "unknown column": (
        "quantity_max,shard",
        "quantity_max,sherd",
        1,
        ["'sherd'", "columns are", 'did you mean "shard"?'],
    ),
    "column missing": (",tick,", ",", 1, ["tick: the column is missing", "begin with symbol,"]),
    "column twice": ("quantity_max,shard", "quantity_max,lot", 1, ["lot: stands twice"]),
    "too few fields": (
        "AAPL,0.01,1,",
        "AAPL,0.01,",
        2,
        ["found 6 fields, the header has 7", "write symbol,tick"],
    ),
    "small letters": ("AAPL", "aapl", 2, ["symbol: found 'aapl'", "capital letters"]),
    "long symbol": ("AAPL", "AAPLAAPLA", 2, ["symbol: found 'AAPLAAPLA'", "1 to 8"]),
    "symbol twice": ("TINY", "AAPL", 6, ["'AAPL' is on line 2 too", "unique"]),
    "tick zero": ("AAPL,0.01", "AAPL,0.0000", 2, ["tick: found '0.0000'", "at least 0.0001"]),
    "tick as a word": ("AAPL,0.01", "AAPL,cent", 2, ["tick: found 'cent'", "such as"]),
    "exponent": ("1999.99", "1e3", 2, ["price_max: found '1e3'", "such as"]),
    "negative": ("1999.99", "-5", 2, ["price_max: found '-5'"]),
    "five decimals": ("1999.99", "1999.99000", 2, ["5 decimals", "at most 4 decimals"]),
    "off tick": ("1999.99", "1999.995", 2, ["not a multiple of the tick 0.01", "round it"]),
    "price too high": ("1999.99", "214748.37", 2, ["price_max", "below 214,748.3648"]),
    "too many ticks": ("0.0001,1,4294967295", "0.0001,120000,1", 6, ["too many ticks", "enlarge"]),
    "upside down": ("0.01,1999.99", "5.00,4.99", 2, ["'4.99' is below price_min", "exchange"]),
    "price zero": ("0.01,1999.99", "0,4.99", 2, ["price_min: found '0'", "above zero"]),
    "lot zero": ("AAPL,0.01,1", "AAPL,0.01,0", 2, ["lot: found '0'", "from 1"]),
    "quantity below lot": ("5000,0", "5,0", 5, ["quantity_max: found '5'", "from 10"]),
    "quantity too large": ("4294967295", "4294967296", 6, ["quantity_max", "to 4294967295"]),
    "no such shard": ("5000,0", "5000,2", 5, ["shard: found '2'", "from 0 to 1"]),
    "open quotes": ("AAPL", '"AAPL', 6, ["check the quotes"]),
}
BROKEN_PARTICIPANTS = {
    "long user": ("ALICE", "ALICIAX", 2, ["user: found 'ALICIAX'", "1 to 6"]),
    "user twice": ("BOB", "ALICE", 3, ["user: ALICE is on line 2 too"]),
    "session zero": ("ALICE,1,", "ALICE,0,", 2, ["session: found '0'", "from 1 to 65534"]),
    "session too large": ("65534", "65535", 4, ["session: found '65535'"]),
    "session twice": ("BOB,2", "BOB,1", 3, ["session: 1 is on line 2 too"]),
    "session twice, written otherwise": ("BOB,2", "BOB,01", 3, ["session: 1 is on line 2 too"]),
    "account": (",102,", ",65536,", 3, ["account: found '65536'", "65535"]),
    "firm": ("BETA", "BETA & SONS", 3, ["firm: found 'BETA & SONS'"]),
    "plain secret": (
        f"102,BETA,{SECRET}",
        "102,BETA,hunter2",
        3,
        ["secret: found a text that is not a hash", "`ringbus secret`"],
    ),
}


def assert_named(text: str, path: Path, line: int, parts: list[str]) -> None:
    assert text.startswith(f"{path}:{line}:"), text
    for part in parts:
        assert part in text, text
    assert ";" in text


@pytest.mark.parametrize("case", list(BROKEN_INSTRUMENTS))
def test_a_wrong_instrument_is_named(tmp_path: Path, case: str) -> None:
    old, new, line, parts = BROKEN_INSTRUMENTS[case]
    assert INSTRUMENTS.count(old) == 1, "the case must change exactly one place"
    path = tmp_path / "i.csv"
    path.write_text(INSTRUMENTS.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        load_instruments(path, 2)
    assert_named(str(caught.value), path, line, parts)


@pytest.mark.parametrize("case", list(BROKEN_PARTICIPANTS))
def test_a_wrong_participant_is_named(tmp_path: Path, case: str) -> None:
    old, new, line, parts = BROKEN_PARTICIPANTS[case]
    assert PARTICIPANTS.count(old) == 1, "the case must change exactly one place"
    path = tmp_path / "p.csv"
    path.write_text(PARTICIPANTS.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        load_participants(path)
    assert_named(str(caught.value), path, line, parts)


def test_a_plain_secret_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(PARTICIPANTS.replace(f"102,BETA,{SECRET}", "102,BETA,hunter2"))
    with pytest.raises(ConfigurationError) as caught:
        load_participants(path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"csv:1: is empty; begin with the line symbol,tick"),
        ("symbol,tick,lot,price_min,price_max,quantity_max\n", r"csv:2: symbol: no instrument"),
    ],
)
def test_a_file_with_nothing_in_it(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "i.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_instruments(path, 1)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.csv: No such file"):
        load_participants(tmp_path / "nothing.csv")
