"""The message schema: generated files are fresh, layouts agree, mistakes are named."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ringbus import messages
from tools.schema import SOURCE, SchemaError, load, main, outputs

TEXT = SOURCE.read_text()


def test_generated_files_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    """R107: C, Python and the tables say the same, whoever edited last."""
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == ""
    for path, text in outputs(load()).items():
        assert path.read_text() == text, path


def test_a_stale_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh, stale = tmp_path / "messages.h", tmp_path / "messages.py"
    fresh.write_text("fresh")
    stale.write_text("old")
    wanted = {fresh: "fresh", stale: "new"}
    monkeypatch.setattr("tools.schema.outputs", lambda schema: wanted)
    monkeypatch.setattr("tools.schema.ROOT", tmp_path)
    assert main(["--check"]) == 1
    assert capsys.readouterr().out == "stale: messages.py\n"
    assert stale.read_text() == "old"
    assert main([]) == 0
    assert (stale.read_text(), main(["--check"])) == ("new", 0)


# What is changed in messages.xml, into what, and what the error must say.
MISTAKES = {
    "overlap": ('name="price_ticks" id="2" type="int32" offset="4"',
                'name="price_ticks" id="2" type="int32" offset="2"',
                r"NewOrder\.price_ticks: offset is 34, expected 36"),
    "hole": ('name="quantity" id="3" type="uint32" offset="8"',
             'name="quantity" id="3" type="uint32" offset="12"',
             r"NewOrder\.quantity: offset is 44, expected 40"),
    "misaligned": ('name="account" id="6" type="uint16" offset="20"',
                   'name="account" id="6" type="uint64" offset="20"',
                   r"NewOrder\.account: not aligned to 8 bytes"),
    "too short": ('<field name="options" id="15" type="OrderOption" offset="31"/>', "",
                  r"NewOrder: fields end at byte 63, expected 64"),
    "reused template id": ('<sbe:message name="Cancel" id="2"', '<sbe:message name="Cancel" id="1"',
                           r"Cancel: id 1 is out of 1\.\.127 or used twice"),
    "template id too large": ('<sbe:message name="Cancel" id="2"',
                              '<sbe:message name="Cancel" id="128"', r"Cancel: id 128"),
    "reused value": ('<validValue name="Sell">2<', '<validValue name="Sell">1<',
                     r"Side\.Sell: value 1 is used twice"),
    "value too large": ('<validValue name="Sell">2<', '<validValue name="Sell">256<',
                        r"Side: a value does not fit uint8"),
    "reused bit": ('name="Continued" description="The next line belongs to this message.">1<',
                   'name="Continued" description="The next line belongs to this message.">0<',
                   r"Flag\.Continued: value 0 is used twice"),
    "unknown type": ('name="side" id="8" type="Side"', 'name="side" id="8" type="Direction"',
                     r"NewOrder\.side: unknown type 'Direction'"),
    "unknown primitive": ('<type name="Symbol" primitiveType="char"',
                          '<type name="Symbol" primitiveType="utf8"',
                          r"Symbol: unknown primitive type 'utf8'"),
    "unknown encoding": ('<enum name="Side" encodingType="uint8"',
                         '<enum name="Side" encodingType="float"',
                         r"Side: unknown primitive type 'float'"),
    "name twice": ('name="firm" id="7" type="uint16" offset="22"',
                   'name="account" id="7" type="uint16" offset="22"',
                   r"NewOrder\.account: the name is there twice"),
    "name of the header": ('name="account" id="6" type="uint16" offset="20"',
                           'name="topic" id="6" type="uint16" offset="20"',
                           r"NewOrder\.topic: the header has a field of that name"),
    "field ids not in order": ('name="quantity" id="3"', 'name="quantity" id="9"',
                               r"NewOrder: field ids must count from 1 in order"),
    "not routed": ('<field name="instrument" id="1" type="uint32" offset="0"/>',
                   '<field name="thing" id="1" type="uint32" offset="0"/>',
                   r"NewOrder: the first field must be 'instrument'"),
    "missing attribute": ('name="quantity" id="3" type="uint32" offset="8"',
                          'name="quantity" id="3" type="uint32"',
                          r"NewOrder\.quantity: attribute 'offset' is missing"),
    "hole in the header": ('name="time_ns" primitiveType="uint64" offset="8"',
                           'name="time_ns" primitiveType="uint64" offset="16"',
                           r"messageHeader\.time_ns: offset is 16, expected 8"),
    "byte order": ('byteOrder="littleEndian"', 'byteOrder="bigEndian"', "littleEndian"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(mistake: str, tmp_path: Path) -> None:
    """R107: numbers, values and flags are never reused, and layouts have no accidents."""
    old, new, expected = MISTAKES[mistake]
    assert old in TEXT
    path = tmp_path / "messages.xml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(SchemaError, match=expected):
        load(path)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("<!--", "<!-- another remark -->\n<!--", True),
        ('<validValue name="Sell">2<', '<validValue name="Sell">3<', False),
        ('name="price_ticks" id="2"', 'name="limit_ticks" id="2"', False),
    ],
)
def test_the_hash_is_of_the_meaning(old: str, new: str, same: bool, tmp_path: Path) -> None:
    """R107: two builds with the same hash understand each other."""
    path = tmp_path / "messages.xml"
    path.write_text(TEXT.replace(old, new, 1))
    assert (load(path).hash == load().hash) is same


def test_numpy_and_the_schema_agree() -> None:
    """Sizes and offsets; those of C are asserted in messages.h from the same schema."""
    schema = load()
    assert len(messages.DTYPES) == len(schema.messages)
    for message in schema.messages:
        dtype = messages.DTYPES[messages.Template(message.id)]
        assert dtype.itemsize == messages.MESSAGE_BYTES == 64
        assert dtype.fields is not None
        at = 0
        for field in (*schema.header, *message.fields):
            kind, offset = dtype.fields[field.name][:2]
            assert (offset, kind.itemsize) == (field.offset, field.size * field.length)
            assert offset == at, f"{message.name}.{field.name}: a hole or an overlap"
            at += kind.itemsize
        assert at == 64
    assert messages.MESSAGE.itemsize == 64
    assert schema.hash == messages.SCHEMA_HASH


def test_c_asserts_every_offset() -> None:
    """The compiler refuses a C struct that is laid out otherwise than the schema says."""
    header = SOURCE.with_suffix(".h").read_text()
    asserted = set(re.findall(r"offsetof\((\w+), (\w+)\) == (\d+)", header))
    schema = load()
    for field in schema.header:
        assert ("rb_header", field.name, str(field.offset)) in asserted
    structs = {name for name, _, _ in asserted}
    assert len(structs) == 1 + len(schema.messages)
    total = len(schema.header) + sum(len(message.fields) for message in schema.messages)
    assert len(asserted) == total
    assert "_Static_assert(sizeof(rb_message) == RB_MESSAGE_BYTES" in header


def test_numbers_that_are_promised_are_not_given_away() -> None:
    """R107: ids once given stay."""
    given = {message.name: message.id for message in load().messages}
    frozen = {"NewOrder": 1, "Cancel": 2, "Replace": 3, "OrderTag": 4, "Reject": 5,
              "MassCancel": 6, "SessionEvent": 7, "CrossResult": 8, "Command": 9, "Tick": 10,
              "EpochStart": 11,
              "EndOfDay": 12, "InstrumentDefinition": 13, "ParticipantDefinition": 14,
              "BuildRecord": 15,
              "OrderTerms": 16, "MultiLegOrder": 17, "Leg": 18, "StopOrder": 19, "StopCancel": 20,
              "Text": 27, "CommandAsked": 28,
              "Executed": 64, "Canceled": 65,
              "Rejected": 66, "StateChanged": 67, "Replenished": 68, "Skip": 127}  # fmt: skip
    assert given | frozen == given


def test_views_of_a_message_share_its_header() -> None:
    line: np.ndarray[tuple[int], np.dtype[np.void]] = np.zeros(1, messages.MESSAGE)
    order = line.view(messages.NEW_ORDER)
    order["sequence"] = 7
    order["price_ticks"] = -5
    assert line["sequence"][0] == 7
    assert bytes(line["body"][0])[4:8] == (-5).to_bytes(4, "little", signed=True)
