"""Messages for people and other programs: fields by name, numbers by what they stand for."""

from __future__ import annotations

from enum import IntEnum, IntFlag

import numpy as np

from ringbus.messages import DTYPES, ENUMS, Template

# Bytes that mean nothing.
UNNAMED = ("spare", "reserved")
Value = int | str


def shown(name: str) -> bool:
    """Whether a field means anything."""
    return not name.startswith(UNNAMED)


def named(kind: type[IntEnum] | type[IntFlag], value: int) -> str:
    """What a number stands for: a name, names joined by `|`, or the number if it has none."""
    if issubclass(kind, IntFlag):
        known = [one for one in kind if value & one]
        rest = value - sum(known)
        return "|".join([*(str(one.name) for one in known), *([str(rest)] if rest else [])])
    try:
        return kind(value).name
    except ValueError:
        return str(value)


def record(line: np.void) -> dict[str, Value]:
    """One message: its sequence, its template's name, its other fields in the order of the bytes.

    Args: line: a scalar of 64 bytes, dtype MESSAGE or any of a template.
    Returns: enums by name, text without its padding; of an unknown template the header's fields
    and the body in hexadecimal.
    """
    number = int(line["template_id"])
    if number not in DTYPES:
        sequence = int(line["sequence"])
        return {
            "sequence": sequence,
            "template": f"TEMPLATE_{number}",
            "bytes": line.tobytes().hex(),
        }
    template = Template(number)
    body = np.frombuffer(line.tobytes(), DTYPES[template])[0]
    kinds = ENUMS[template]
    out: dict[str, Value] = {"sequence": int(line["sequence"]), "template": template.name}
    for name in body.dtype.names or ():
        value = body[name].item()
        if name in ("sequence", "template_id") or not shown(name):
            continue
        if name in kinds:
            out[name] = named(kinds[name], value)
        elif isinstance(value, bytes):
            out[name] = value.decode("latin-1").rstrip(" \0")
        else:
            out[name] = int(value)
    return out


def describe(line: np.void | None) -> str:
    """One message as a line of text: sequence, template, the fields; None is nothing."""
    if line is None:
        return "nothing"
    fields = record(line)
    words = [str(fields.pop("sequence")), str(fields.pop("template"))]
    words += [f"{name}={'-' if value == '' else value}" for name, value in fields.items()]
    return " ".join(words)
