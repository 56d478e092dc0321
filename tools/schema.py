"""Makes the C structs, the numpy dtypes and the tables of the messages from `ringbus/messages.xml`.

`python -m tools.schema` writes the files; `python -m tools.schema --check` says whether they
are fresh. The XML is a strict subset of SBE; what is outside of it is an error that names the
place.
"""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tools.manual import Parser

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "ringbus" / "messages.xml"
SBE = "{http://fixprotocol.io/2016/sbe}"
LINE_BYTES = 64
HEADER_BYTES = 32

# primitive → (bytes, C type, numpy format)
PRIMITIVES = {
    "uint8": (1, "uint8_t", "u1"),
    "uint16": (2, "uint16_t", "<u2"),
    "uint32": (4, "uint32_t", "<u4"),
    "uint64": (8, "uint64_t", "<u8"),
    "int32": (4, "int32_t", "<i4"),
    "int64": (8, "int64_t", "<i8"),
    "char": (1, "char", "S1"),
}
CONTRIBUTED_MAX = 63
# Where all templates that have an account have it, but for those that define one.
ACCOUNT_OFFSET = 52
ENGINE_MAX = 127


class SchemaError(Exception):
    """The schema is outside the subset; the text says where."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its offset is from the start of the 64-byte line."""

    name: str
    offset: int
    size: int
    length: int
    c_type: str
    format: str
    type_name: str
    description: str


@dataclass(frozen=True, slots=True)
class Enumeration:
    """An enum or a set (values of a set are bits)."""

    name: str
    primitive: str
    is_set: bool
    description: str
    values: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One template."""

    name: str
    id: int
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything that the file says."""

    id: int
    version: int
    hash: int
    header: tuple[Field, ...]
    enums: tuple[Enumeration, ...]
    messages: tuple[Message, ...]


def snake(name: str) -> str:
    """NewOrder → new_order."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _get(element: ElementTree.Element, key: str, where: str) -> str:
    value = element.get(key)
    if value is None:
        raise SchemaError(f"{where}: attribute '{key}' is missing")
    return value


def _primitive(name: str, where: str) -> tuple[int, str, str]:
    if name not in PRIMITIVES:
        raise SchemaError(f"{where}: unknown primitive type '{name}'")
    return PRIMITIVES[name]


def _check_layout(fields: list[Field], start: int, end: int, where: str) -> None:
    """Fields fill start..end without a hole or an overlap, each naturally aligned."""
    at = start
    names: set[str] = set()
    for field in fields:
        if field.offset != at:
            raise SchemaError(f"{where}.{field.name}: offset is {field.offset}, expected {at}")
        if field.offset % field.size:
            raise SchemaError(f"{where}.{field.name}: not aligned to {field.size} bytes")
        if field.name in names:
            raise SchemaError(f"{where}.{field.name}: the name is there twice")
        names.add(field.name)
        at += field.size * field.length
    if at != end:
        raise SchemaError(f"{where}: fields end at byte {at}, expected {end}")


def _values(element: ElementTree.Element, name: str, is_set: bool) -> list[tuple[str, int, str]]:
    out: list[tuple[str, int, str]] = []
    seen: set[int] = set()
    for item in element.findall("choice" if is_set else "validValue"):
        label = _get(item, "name", name)
        number = int(item.text or "")
        if number in seen:
            raise SchemaError(f"{name}.{label}: value {number} is used twice")
        seen.add(number)
        out.append((label, 1 << number if is_set else number, item.get("description", "")))
    return out


def load(path: Path = SOURCE) -> Schema:
    """Read and check the schema.

    Raises: SchemaError: outside the subset, overlapping, reused or out of range, with the place.
    """
    text = path.read_bytes()
    root = ElementTree.fromstring(text)
    if root.get("byteOrder") != "littleEndian":
        raise SchemaError("messageSchema: byteOrder must be littleEndian")
    types = root.find("types")
    if types is None:
        raise SchemaError("messageSchema: no <types>")
    known: dict[str, tuple[int, str, str, int]] = {
        name: (size, c_type, fmt, 1) for name, (size, c_type, fmt) in PRIMITIVES.items()
    }
    for item in types.findall("type"):
        name = _get(item, "name", "types")
        size, c_type, fmt = _primitive(_get(item, "primitiveType", name), name)
        length = int(item.get("length", "1"))
        known[name] = (size, c_type, f"S{length}" if fmt == "S1" else fmt, length)
    enums: list[Enumeration] = []
    for tag in ("set", "enum"):
        for item in types.findall(tag):
            name = _get(item, "name", "types")
            primitive = _get(item, "encodingType", name)
            size, c_type, fmt = _primitive(primitive, name)
            values = _values(item, name, tag == "set")
            limit = 1 << (8 * size)
            if any(value >= limit for _, value, _ in values):
                raise SchemaError(f"{name}: a value does not fit {primitive}")
            known[name] = (size, c_type, fmt, 1)
            description = item.get("description", "")
            enums.append(Enumeration(name, primitive, tag == "set", description, tuple(values)))

    def field(item: ElementTree.Element, type_key: str, where: str, base: int) -> Field:
        name = _get(item, "name", where)
        type_name = _get(item, type_key, f"{where}.{name}")
        if type_name not in known:
            raise SchemaError(f"{where}.{name}: unknown type '{type_name}'")
        size, c_type, fmt, length = known[type_name]
        offset = base + int(_get(item, "offset", f"{where}.{name}"))
        return Field(
            name, offset, size, length, c_type, fmt, type_name, item.get("description", "")
        )

    composite = types.find("composite")
    if composite is None:
        raise SchemaError("types: no composite messageHeader")
    header = [field(item, "primitiveType", "messageHeader", 0) for item in composite]
    _check_layout(header, 0, HEADER_BYTES, "messageHeader")

    messages: list[Message] = []
    ids: set[int] = set()
    for item in root.findall(f"{SBE}message"):
        name = _get(item, "name", "message")
        number = int(_get(item, "id", name))
        if not 1 <= number <= ENGINE_MAX or number in ids:
            raise SchemaError(f"{name}: id {number} is out of 1..{ENGINE_MAX} or used twice")
        ids.add(number)
        fields = [field(child, "type", name, HEADER_BYTES) for child in item.findall("field")]
        numbers = [int(_get(child, "id", name)) for child in item.findall("field")]
        if numbers != list(range(1, len(numbers) + 1)):
            raise SchemaError(f"{name}: field ids must count from 1 in order (append only)")
        _check_layout(fields, HEADER_BYTES, LINE_BYTES, name)
        for clash in {f.name for f in fields} & {f.name for f in header}:
            raise SchemaError(f"{name}.{clash}: the header has a field of that name")
        if name != "OrderTag" and fields[0].name != "instrument":
            raise SchemaError(f"{name}: the first field must be 'instrument', which routes")
        messages.append(Message(name, number, item.get("description", ""), tuple(fields)))
    # The hash is of the meaning, not of comments or white space.
    meaning = repr((header, enums, messages)).encode()
    digest = int.from_bytes(hashlib.sha256(meaning).digest()[:8], "little")
    return Schema(
        int(_get(root, "id", "messageSchema")),
        int(_get(root, "version", "messageSchema")),
        digest,
        tuple(header),
        tuple(enums),
        tuple(messages),
    )


NOTICE = "Generated from messages.xml by `python -m tools.schema`; do not edit."


def _with_account(schema: Schema) -> str:
    bits = sum(
        1 << message.id
        for message in schema.messages
        if any(f.name == "account" and f.offset == ACCOUNT_OFFSET for f in message.fields)
    )
    words = (bits >> shift & (1 << 64) - 1 for shift in range(0, 256, 64))
    return "{" + ", ".join(f"UINT64_C(0x{word:016x})" for word in words) + "}"


def to_c(schema: Schema) -> str:
    """The C header."""
    out = [
        f"/* {NOTICE} */",
        "#ifndef RINGBUS_MESSAGES_H",
        "#define RINGBUS_MESSAGES_H",
        "",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "",
        f"#define RB_SCHEMA_ID {schema.id}u",
        f"#define RB_SCHEMA_VERSION {schema.version}u",
        f"#define RB_SCHEMA_HASH UINT64_C(0x{schema.hash:016x})",
        f"#define RB_MESSAGE_BYTES {LINE_BYTES}u",
        "#define RB_INSTRUMENT_NONE UINT32_C(4294967295)",
        f"#define RB_TEMPLATE_CONTRIBUTED_MAX {CONTRIBUTED_MAX}u",
        "/* Templates that have an account, by bit, and where. */",
        f"#define RB_ACCOUNT_TEMPLATES {_with_account(schema)}",
        f"#define RB_ACCOUNT_OFFSET {ACCOUNT_OFFSET}u",
        "",
        "enum rb_template {",
    ]
    out += [f"    RB_TEMPLATE_{snake(m.name).upper()} = {m.id}," for m in schema.messages]
    out += ["};", ""]
    for enum in schema.enums:
        prefix = f"RB_{snake(enum.name).upper()}_"
        out.append(f"enum rb_{snake(enum.name)} {{")
        for label, value, description in enum.values:
            tail = f" /* {description} */" if description else ""
            out.append(f"    {prefix}{snake(label).upper()} = {value},{tail}")
        out += ["};", ""]

    def struct(name: str, fields: tuple[Field, ...], with_header: bool) -> None:
        out.append(f"typedef struct {name} {{")
        if with_header:
            out.append("    rb_header header;")
        for field in fields:
            size = f"[{field.length}]" if field.length > 1 else ""
            tail = f" /* {field.description} */" if field.description else ""
            out.append(f"    {field.c_type} {field.name}{size};{tail}")
        out.extend([f"}} {name};", ""])

    struct("rb_header", schema.header, with_header=False)
    for message in schema.messages:
        struct(f"rb_{snake(message.name)}", message.fields, with_header=True)
    out += [
        "/* What every template but OrderTag begins with. */",
        "typedef struct rb_any {",
        "    rb_header header;",
        "    uint32_t instrument;",
        "    uint32_t rest[7];",
        "} rb_any;",
        "",
        "/* One message: one cache line. */",
        "typedef union rb_message {",
        "    rb_header header;",
        "    rb_any any;",
        "    uint64_t words[8];",
    ]
    out += [f"    rb_{snake(m.name)} {snake(m.name)};" for m in schema.messages]
    out += ["} rb_message;", ""]
    out += ['_Static_assert(sizeof(rb_message) == RB_MESSAGE_BYTES, "one cache line");']
    for name, fields in [("rb_header", schema.header)] + [
        (f"rb_{snake(m.name)}", m.fields) for m in schema.messages
    ]:
        for field in fields:
            text = f'_Static_assert(offsetof({name}, {field.name}) == {field.offset}, "layout");'
            out.append(text)
    out += ["", "#endif", ""]
    return "\n".join(out)


def _dtype(fields: tuple[Field, ...]) -> list[str]:
    out = ["    {", '        "names": [']
    out += [f'            "{field.name}",' for field in fields]
    out += ["        ],", '        "formats": [']
    out += [f'            "{field.format}",' for field in fields]
    out += ["        ],", '        "offsets": [']
    out += [f"            {field.offset}," for field in fields]
    out += ["        ],", f'        "itemsize": {LINE_BYTES},', "    }"]
    return out


def to_python(schema: Schema) -> str:
    """The Python module."""
    out = [
        f'"""{NOTICE}"""',
        "",
        "from __future__ import annotations",
        "",
        "from enum import IntEnum, IntFlag",
        "from typing import Final",
        "",
        "import numpy as np",
        "",
        f"SCHEMA_ID: Final = {schema.id}",
        f"SCHEMA_VERSION: Final = {schema.version}",
        f"SCHEMA_HASH: Final = 0x{schema.hash:016x}",
        f"MESSAGE_BYTES: Final = {LINE_BYTES}",
        "INSTRUMENT_NONE: Final = 4294967295",
        f"TEMPLATE_CONTRIBUTED_MAX: Final = {CONTRIBUTED_MAX}",
        "",
        "",
        "class Template(IntEnum):",
        '    """Message templates."""',
        "",
    ]
    out += [f"    {snake(m.name).upper()} = {m.id}" for m in schema.messages]
    for enum in schema.enums:
        base = "IntFlag" if enum.is_set else "IntEnum"
        text = enum.description or f"Values of {enum.name}."
        out += ["", "", f"class {enum.name}({base}):", f'    """{text}"""', ""]
        out += [f"    {snake(label).upper()} = {value}" for label, value, _ in enum.values]
    out += ["", ""]
    header = schema.header

    def constant(name: str, fields: tuple[Field, ...]) -> None:
        lines = _dtype(fields)
        out.append(f"{name}: Final[np.dtype[np.void]] = np.dtype(")
        out.extend(lines)
        out.append(")")

    body = Field("body", HEADER_BYTES, 32, 1, "", "V32", "", "")
    constant("MESSAGE", (*header, body))
    for message in schema.messages:
        constant(snake(message.name).upper(), header + message.fields)
    out.append("DTYPES: Final[dict[Template, np.dtype[np.void]]] = {")
    for message in schema.messages:
        name = snake(message.name).upper()
        out.append(f"    Template.{name}: {name},")
    out.append("}")
    out.append("# By template: what the numbers of a field stand for.")
    out.append("ENUMS: Final[dict[Template, dict[str, type[IntEnum] | type[IntFlag]]]] = {")
    kinds = {enum.name for enum in schema.enums}
    for message in schema.messages:
        named = [f for f in message.fields if f.type_name in kinds]
        out.append(f"    Template.{snake(message.name).upper()}: {{")
        out.append('        "flags": Flag,')
        out += [f'        "{f.name}": {f.type_name},' for f in named]
        if any(f.name == "refused_template" for f in message.fields):
            out.append('        "refused_template": Template,')
        out.append("    },")
    out += ["}", ""]
    return "\n".join(out)


def to_lines(schema: Schema) -> str:
    """The module of the lines as plain Python tuples, for those who take them one by one."""
    out = [f'"""{NOTICE}"""', "", "from __future__ import annotations", ""]
    out += ["from typing import Final, NamedTuple", ""]
    out += ["from ringbus.messages import Template", ""]
    for message in schema.messages:
        out += ["", f"class {message.name}(NamedTuple):", f'    """{message.description}"""', ""]
        for field in (*schema.header, *message.fields):
            kind = "bytes" if "S" in field.format else "int"
            out.append(f"    {field.name}: {kind}")
        out.append("")
    names = [message.name for message in schema.messages]
    out += ["", f"Line = {' | '.join(names)}"]
    out += ["LINES: Final[dict[Template, type[Line]]] = {"]
    out += [f"    Template.{snake(name).upper()}: {name}," for name in names]
    out += ["}", ""]
    return "\n".join(out)


def to_markdown(schema: Schema) -> str:
    """The tables of the docs."""
    out = [f"<!-- {NOTICE} -->", "# Messages", ""]
    out += [
        f"Schema {schema.id}, version {schema.version}, hash `{schema.hash:016x}`. "
        "Every message is one 64-byte line, little-endian.",
        "",
        "## Header",
        "",
    ]

    def table(fields: tuple[Field, ...]) -> None:
        out.extend(["| offset | size | field | type | |", "|---|---|---|---|---|"])
        for f in fields:
            size = f.size * f.length
            out.append(f"| {f.offset} | {size} | `{f.name}` | {f.type_name} | {f.description} |")
        out.append("")

    table(schema.header)
    for message in schema.messages:
        who = "contributed" if message.id <= CONTRIBUTED_MAX else "engine"
        out += [f"## {message.id} {message.name} ({who})", "", message.description, ""]
        table(message.fields)
    out += ["## Values", ""]
    for enum in schema.enums:
        out += [f"### {enum.name} ({enum.primitive})", "", "| value | name | |", "|---|---|---|"]
        out += [f"| {value} | {label} | {text} |" for label, value, text in enum.values]
        out.append("")
    return "\n".join(out)


def outputs(schema: Schema) -> dict[Path, str]:
    """Every generated file and what must be in it."""
    return {
        SOURCE.with_suffix(".h"): to_c(schema),
        SOURCE.with_suffix(".py"): to_python(schema),
        SOURCE.with_suffix(".md"): to_markdown(schema),
        SOURCE.with_name("lines.py"): to_lines(schema),
    }


def main(argv: list[str] | None = None) -> int:
    """Write, or with --check compare; 0 when all is fresh."""
    parser = Parser(prog="ringbus schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when stale")
    args = parser.parse_args(argv)
    stale = []
    for path, text in outputs(load()).items():
        if not path.exists() or path.read_text() != text:
            stale.append(path)
            if not args.check:
                path.write_text(text)
    for path in stale:
        print(("stale: " if args.check else "wrote ") + str(path.relative_to(ROOT)))
    return 1 if stale and args.check else 0


if __name__ == "__main__":
    sys.exit(main())
