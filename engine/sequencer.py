"""Sequencer: puts every proposal into one order."""

from __future__ import annotations

from collections.abc import Sequence

from engine._engine import ffi, lib
from engine.risk import Admission
from ringbus.core import Core
from ringbus.memory import Memory
from ringbus.status import UsageError, check


class Sequencer:
    """The agent over contributors' lanes and lanes to shards.

    Args: core: where it runs (clock, wake-ups); doorbell: of the contributors; contributors: lanes,
    publisher ids are 1, 2, … in this order; shards: lanes to the shards with their wake masks;
    shard_of: shard by instrument; topics: topics are 0..topics-1; group_of: group by instrument, 0
    for none, empty if there are no groups; admission: keeps the limits, None: there are none.
    Raises: UsageError: a group is on two shards, or not of all instruments is the group given.
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
        group_of: Sequence[int] = (),
        admission: Admission | None = None,
    ) -> None:
        _check_groups(shard_of, group_of)
        self.state = ffi.new("eng_sequencer *")
        self.work = lib.eng_sequencer_work_function()
        self.check_text = ffi.cast("void *", ffi.addressof(lib, "rb_check_text"))
        groups = ffi.new("uint32_t[]", list(group_of)) if group_of else ffi.NULL
        placement = ffi.new("uint8_t[]", shard_of or b"\0")
        self._keep = (core, doorbell, contributors, shards, placement, groups, admission)
        check(
            lib.eng_sequencer_init(
                self.state,
                doorbell.address,
                placement,
                groups,
                len(shard_of),
                topics,
                core.clock,
                core.wake,
            ),
            "sequencer",
        )
        if admission is not None:
            lib.eng_sequencer_guard(self.state, admission.state)
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

    def begin(self, inputs: int, time_ns: int, epoch: int) -> None:
        """For a successor: go on behind input `inputs`, at `time_ns` or later, as `epoch`."""
        lib.eng_sequencer_begin(self.state, inputs, time_ns, epoch)

    @property
    def inputs(self) -> int:
        """Number of the last input."""
        return int(lib.eng_sequencer_input(self.state))


def _check_groups(shard_of: bytes, group_of: Sequence[int]) -> None:
    if group_of and len(group_of) != len(shard_of):
        raise UsageError(f"{len(group_of)} groups for {len(shard_of)} instruments")
    shards: dict[int, int] = {}
    for instrument, group in enumerate(group_of):
        if group and shards.setdefault(group, shard_of[instrument]) != shard_of[instrument]:
            raise UsageError(
                f"instrument {instrument} is on shard {shard_of[instrument]}, others of its group "
                f"{group} on shard {shards[group]}: a group must be on one shard"
            )
