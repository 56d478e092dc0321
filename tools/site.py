"""What a core process gives to an application that it makes.

An application is an agent of one of the kinds in tools/applications.py. It follows the stream, may
propose, may listen; the core that it is placed on makes it, runs it, and makes it again when its
process has died.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ringbus.contributor import Contributor
from ringbus.core import Core
from ringbus.metrics import Metrics
from ringbus.proposer import Proposer
from ringbus.replay import Stream
from ringbus.segment import Segment
from ringbus.topics import Topics
from ringbus.volley import Volley

if TYPE_CHECKING:
    from tools.configuration import Configuration


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
