"""`kind = "console"`: takes the operators' commands over a Unix socket; one of an exchange."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools import rules


@dataclass(frozen=True, slots=True)
class Options:
    """`group`: of users who may command, beside the exchange's own; "": the process's group."""

    group: str = field(
        default="",
        metadata={"rule": rules.text(r"[A-Za-z0-9_.-]{0,32}", "the name of a group of this host")},
    )
