"""Publisher: merges the shards' answers in input order onto the stream."""

from __future__ import annotations

from collections.abc import Sequence

from engine._engine import ffi, lib
from ringbus.core import Core
from ringbus.memory import Memory
from ringbus.multicast import lock_writer
from ringbus.status import check


class Publisher:
    """The agent between the shards' lanes and the stream.

    Raises: UsageError: the stream has a publisher already, in this process or another.
    Thread: the core's. Source: engine/publisher.h.
    """

    def __init__(self, core: Core, ring: Memory, readers: Memory, shards: Sequence[Memory]) -> None:
        self._locks = lock_writer(ring)
        self.state = ffi.new("eng_publisher *")
        self.work = lib.eng_publisher_work_function()
        self.check_text = ffi.cast("void *", ffi.addressof(lib, "rb_check_text"))
        self._keep = (core, ring, readers, shards)
        check(
            lib.eng_publisher_init(
                self.state,
                ring.address,
                ring.size,
                readers.address,
                readers.size,
                core.clock,
                core.wake,
            ),
            "publisher",
        )
        for memory in shards:
            check(
                lib.eng_publisher_add_shard(self.state, memory.address, memory.size),
                "lane from a shard",
            )

    def measure(self, hop: object) -> None:
        """Record into a metrics page (a pointer from ringbus.metrics)."""
        lib.eng_publisher_measure(self.state, ffi.cast("void *", hop))

    def close(self) -> None:
        """Let another one publish."""
        if self._locks is not None:
            self._locks.close()

    @property
    def next(self) -> int:
        """Sequence of the next message."""
        return int(lib.eng_publisher_next(self.state))
