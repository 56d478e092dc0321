"""A contributor's way to the sequencer: its lane, and whom to wake."""

from __future__ import annotations

from dataclasses import dataclass

from ringbus.memory import Memory


@dataclass(frozen=True, slots=True)
class Contributor:
    """The lane, its number, the doorbell of all lanes, the wake mask of the sequencer's core."""

    lane: Memory
    number: int
    doorbell: Memory
    bells: int = 0

    @property
    def publisher(self) -> int:
        """What the sequencer stamps on everything that comes by this lane."""
        return self.number + 1
