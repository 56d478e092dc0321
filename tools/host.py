"""`[host]`, `[memory]` of a topology file: what is asked of the machine and put up with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, cast

from ringbus.backing import Backing, Pages
from tools import rules
from tools.rules import Refused, meant
from tuning.checks import SETTINGS

# What a plan may have against it and start all the same: tools/placement.py.
PROBLEMS: Final = ("sharing", "siblings", "memory")


def _require(value: object) -> object:
    names = rules.texts(r".+", "settings of the host")(value)
    for name in cast(tuple[str, ...], names):
        if name not in SETTINGS:
            raise Refused(
                f"there is no setting {name!r} of a host",
                f"`ringbus tune check --all` lists them{meant(name, list(SETTINGS))}",
            )
    return names


def _allow(value: object) -> object:
    names = cast(tuple[object, ...], rules.texts(r".+", "problems of a plan")(value))
    return tuple(rules.choice(*PROBLEMS)(name) for name in names)


@dataclass(frozen=True, slots=True)
class HostSection:
    """`[host]`: the settings of the host without which this exchange does not start.

    `allow`: which problems of a plan it starts with all the same; `partition`: whether the CPUs of
    cores that never sleep are taken from the scheduler while it is up (tools/partitions.py).
    """

    require: tuple[str, ...] = field(default=(), metadata={"rule": _require})
    allow: tuple[str, ...] = field(default=(), metadata={"rule": _allow})
    partition: str = field(
        default="auto", metadata={"rule": rules.choice("auto", "never", "required")}
    )


@dataclass(frozen=True, slots=True)
class MemorySection:
    """`[memory]`: what the shared memory is made of; see ringbus/backing.py."""

    pages: str = field(
        default="4k",
        metadata={"rule": rules.choice("4k", "transparent", "explicit", "explicit-1g")},
    )
    numa_node: int | str = field(default="any", metadata={"rule": rules.node})
    prefault: bool = field(default=True, metadata={"rule": rules.flag})
    lock: bool = field(default=False, metadata={"rule": rules.flag})
    required: bool = field(default=True, metadata={"rule": rules.flag})

    @property
    def backing(self) -> Backing:
        """The same for the library."""
        node = self.numa_node if isinstance(self.numa_node, int) else None
        return Backing(cast(Pages, self.pages), node, self.prefault, self.lock, self.required)
