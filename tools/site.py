"""Applications as a topology file places them: what a kind is, and what a core process gives it.

An application is an agent of one of the kinds in tools/applications.py. It follows the stream, may
propose, may listen; the core that it is placed on makes it, runs it, and makes it again when its
process has died.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from ringbus.contributor import Contributor
from ringbus.core import Agent, Core, Worker
from ringbus.metrics import Metrics
from ringbus.proposer import Proposer
from ringbus.replay import Stream
from ringbus.segment import Segment
from ringbus.topics import Topics
from ringbus.volley import Volley

if TYPE_CHECKING:
    from tools.configuration import Configuration


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of application.

    `options`: frozen dataclass of what its section may say, fields with rules (tools/rules.py);
    `make`: makes one in a core process; an agent in C runs in the core's loop in C, a worker in
    Python between its rounds. `proposes`: it gets a lane, and a publisher id behind the ports'.
    `topics`: how many topics of its own it gets; `instruments`: each instrument has a topic, which
    all applications of such kinds share. `listens`: its TCP ports, "" if it has one that
    needs no name of its own. `sockets`: its core waits for descriptors too (see Site.watch).
    """

    options: type[object]
    make: Callable[[Site], Agent | Worker]
    proposes: bool = False
    topics: int = 0
    instruments: bool = False
    listens: tuple[str, ...] = ()
    sockets: bool = False

    @property
    def watches(self) -> bool:
        """Whether its core waits in an epoll set."""
        return self.sockets or bool(self.listens)


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


@dataclass(slots=True)
class Site:
    """What a core process gives to an application that it makes; see tools/core.py.

    `contributor` is None for a kind that does not propose; `topic` is the first of its own topics.
    What has to be closed goes onto `stack`. `lossy` is for Reader.show. `tcp` says which port an
    endpoint had before its process died (0: none), `listening` is told which one it has now;
    `watch` adds a descriptor whose readiness wakes the core. `beside` takes a function that runs in
    a thread of its own while the core does, and one that makes it return.
    """

    name: str
    options: object
    configuration: Configuration
    core: Core
    stream: Stream
    contributor: Contributor | None
    topic: int
    metrics: Metrics
    lossy: Segment
    stack: ExitStack
    tcp: Callable[[str], int]
    listening: Callable[[str, int], None]
    watch: Callable[[int], None]
    beside: Callable[[Callable[[], None], Callable[[], None]], None]

    @property
    def proposing(self) -> Contributor:
        """Its lane, of a kind that proposes."""
        assert self.contributor is not None
        return self.contributor

    def proposer(self) -> Proposer:
        """The same for the base class of applications."""
        return Proposer(self.proposing, self.core, self._topics())

    def volley(self) -> Volley:
        """The same for one that speaks of many topics at once."""
        return Volley(self.proposing, self.core, self._topics())

    def _topics(self) -> Topics:
        return Topics(self.configuration.topics, self.configuration.topology.exchange.shards)
