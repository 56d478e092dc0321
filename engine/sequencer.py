"""Sequencer: puts every proposal into one order."""

from __future__ import annotations

from collections.abc import Sequence

from engine._engine import ffi, lib
from ringbus.core import Core
from ringbus.memory import Memory
from ringbus.status import check


class Sequencer:
    """The agent over contributors' lanes and lanes to shards.

    Args: core: where it runs (clock, wake-ups); doorbell: of the contributors; contributors: lanes,
    publisher ids are 1, 2, … in this order; shards: lanes to the shards with their wake masks;
    shard_of: shard by instrument; topics: topics are 0..topics-1.
    Thread: the core's. Source: engine/sequencer.h.
    """

    def __init__(
        self,
        core: Core,
        doorbell: Memory,
        contributors: Sequence[Memory],
        shards: Sequence[tuple[Memory, int]],
        shard_of: bytes,
        topics: int,
    ) -> None:
        self.state = ffi.new("eng_sequencer *")
        self.work = lib.eng_sequencer_work_function()
        self.check_text = ffi.cast("void *", ffi.addressof(lib, "rb_check_text"))
        self._keep = (core, doorbell, contributors, shards, ffi.new("uint8_t[]", shard_of or b"\0"))
        check(
            lib.eng_sequencer_init(
                self.state,
                doorbell.address,
                self._keep[4],
                len(shard_of),
                topics,
                core.clock,
                core.wake,
            ),
            "sequencer",
        )
        for memory in contributors:
            check(
                lib.eng_sequencer_add_contributor(self.state, memory.address, memory.size),
                "contributor's lane",
            )
        for memory, mask in shards:
            check(
                lib.eng_sequencer_add_shard(self.state, memory.address, memory.size, mask),
                "lane to a shard",
            )

    def measure(self, hop: object, refused: object, dropped: object) -> None:
        """Record and count into a metrics page (pointers from ringbus.metrics)."""
        lib.eng_sequencer_measure(
            self.state,
            ffi.cast("void *", hop),
            ffi.cast("uint64_t *", refused),
            ffi.cast("uint64_t *", dropped),
        )

    @property
    def inputs(self) -> int:
        """Number of the last input."""
        return int(lib.eng_sequencer_input(self.state))
