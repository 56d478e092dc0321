"""Publisher: merges the shards' answers in input order onto the stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine._engine import ffi, lib
from ringbus.core import Core
from ringbus.lock import ByteLocks
from ringbus.memory import Memory
from ringbus.multicast import lock_writer
from ringbus.status import check


class Publisher:
    """The agent between the shards' lanes and the stream.

    Args: core: where it runs; ring, readers: the stream; shards: lanes from the shards; lock: of
    the ring (ringbus.multicast.lock_writer) if the caller has taken it.
    Raises: UsageError: the stream has a publisher already, in this process or another.
    Thread: the core's. Source: engine/publisher.h.
    """

    def __init__(
        self,
        core: Core,
        ring: Memory,
        readers: Memory,
        shards: Sequence[Memory],
        lock: ByteLocks | None = None,
    ) -> None:
        self._locks = lock_writer(ring) if lock is None else lock
        self.state = ffi.new("eng_publisher *")
        self.work = lib.eng_publisher_work_function()
        self.check_text = ffi.cast("void *", ffi.addressof(lib, "rb_check_text"))
        self._keep: list[object] = [core, ring, readers]
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
            self.add_shard(memory)

    def add_shard(self, lane: Memory) -> None:
        """The lane from the next shard."""
        self._keep.append(lane)
        status = lib.eng_publisher_add_shard(self.state, lane.address, lane.size)
        check(status, "lane from a shard")

    def settle(self, settled: Memory) -> None:
        """Say there of which inputs everything is published (engine.risk.create_settled)."""
        self._keep.append(settled)
        check(lib.eng_publisher_settle(self.state, settled.address, settled.size), "settled")

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

    def offer(self, lines: NDArray[np.void]) -> int:
        """As a successor, before the first work: put what the dead engine owed onto the stream.

        Args: lines: shape (n,), contiguous items of 64 bytes; they get sequences and checksums.
        Returns: how many fitted without overtaking a gating reader.
        """
        pointer = ffi.from_buffer(lines)
        return check(lib.eng_publisher_offer(self.state, pointer, len(lines)), "publisher")
