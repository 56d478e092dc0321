"""What a kind of application is, and how a topology file places one.

Every process of an exchange reads the whole topology, so what it says about applications is light;
the code of a kind is loaded by the core that runs it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ringbus.core import Agent, Worker
    from tools.site import Site


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of application.

    `options`: frozen dataclass of what its section may say, fields with rules (tools/rules.py);
    `maker`: the function that makes one in a core process, as "module:function". `proposes`: it
    gets a lane, and a publisher id behind the ports'. `topics`: how many topics of its own it gets;
    `instruments`: each instrument has a topic, which all applications of such kinds share.
    `listens`: its TCP ports, "" if it has one that needs no name of its own. `sockets`: its core
    waits for descriptors too (see Site.watch).
    """

    options: type[object]
    maker: str
    proposes: bool = False
    topics: int = 0
    instruments: bool = False
    listens: tuple[str, ...] = ()
    sockets: bool = False

    @property
    def watches(self) -> bool:
        """Whether its core waits in an epoll set."""
        return self.sockets or bool(self.listens)

    def make(self, site: Site) -> Agent | Worker:
        """One of them; an agent in C runs in the core's loop, a worker between its rounds."""
        return cast("Agent | Worker", load(self.maker)(site))


@dataclass(frozen=True, slots=True)
class ApplicationSection:
    """`[[application]]`: one application; `options` are of its kind's class."""

    name: str
    kind: str
    options: object

    @property
    def bound(self) -> dict[str, object]:
        """The options that a day goes on with as it began: all but those of `rules.local`."""
        return {
            one.name: getattr(self.options, one.name)
            for one in fields(cast(Any, self.options))
            if "local" not in one.metadata
        }

    def endpoints(self, kind: Kind) -> tuple[str, ...]:
        """What its TCP ports are called where clients look for them."""
        return tuple(f"{self.name}.{one}" if one else self.name for one in kind.listens)


def load(place: str) -> Any:
    """What "module:name" names; its module is imported now.

    The one way in which a core comes to code that other cores do not need: of a core's start, most
    is importing.
    """
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
