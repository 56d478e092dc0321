"""Shard: one matching core's instruments, with the topic locks of what it answers."""

from __future__ import annotations

from engine._engine import ffi, lib
from engine.book import Book
from ringbus.core import Core
from ringbus.memory import Memory
from ringbus.status import check


class Shard:
    """The agent between the sequencer's lane and the publisher's.

    Args: core: where it runs; number: of the shard; book: its own; topics: topics are 0..topics-1;
    publisher_bell: wake mask of the publisher's core, 0 if it is this one.
    Thread: the core's. Source: engine/shard.h.
    """

    def __init__(
        self,
        core: Core,
        number: int,
        incoming: Memory,
        outgoing: Memory,
        book: Book,
        topics: int,
        publisher_bell: int = 0,
    ) -> None:
        self.book = book
        self.state = ffi.new("eng_shard *")
        self.work = lib.eng_shard_work_function()
        self.check_text = ffi.cast("void *", ffi.addressof(lib, "rb_check_text"))
        self._keep = (core, incoming, outgoing, ffi.new("uint32_t[]", topics))
        check(
            lib.eng_shard_init(
                self.state,
                number,
                incoming.address,
                incoming.size,
                outgoing.address,
                outgoing.size,
                book.handle,
                self._keep[3],
                topics,
                core.clock,
                core.wake,
                publisher_bell,
            ),
            f"shard {number}",
        )

    def move(self, core: Core, incoming: Memory, outgoing: Memory) -> None:
        """Run in another core of this process, on other lanes, from now on."""
        self._moved = (core, incoming, outgoing)
        status = lib.eng_shard_move(
            self.state,
            incoming.address,
            incoming.size,
            outgoing.address,
            outgoing.size,
            core.clock,
            core.wake,
        )
        check(status, "shard")

    def measure(self, hop: object, dropped: object) -> None:
        """Record and count into a metrics page (pointers from ringbus.metrics)."""
        lib.eng_shard_measure(self.state, ffi.cast("void *", hop), ffi.cast("uint64_t *", dropped))
