"""A ring: one program publishes records of any numpy dtype, any number of others see all of them.

For programs that are no exchange. README.md in this directory says when to use it, what it
promises, and how, by examples.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from ringbus._ringbus import lib
from ringbus.attachment import Attachment, type_text
from ringbus.backing import Backing, Mapped, mapped
from ringbus.places import Place
from ringbus.publisher import Publisher
from ringbus.segment import Segment, segment_name, segment_path, unlink
from ringbus.status import LayoutError, UsageError, check
from ringbus.subscriber import OnGap, Start, Subscriber

PART = "ring"
PAYLOAD_BYTES_MAX = 65528


def ring_segment(name: str) -> str:
    """Name of a ring's shared memory.

    Raises: UsageError: other characters than letters, digits, '-' and '_', or more than 24.
    """
    if "." in name:
        raise UsageError(f"'{name}' cannot name a ring: a dot separates the parts of an exchange")
    return segment_name(name, PART)


class BackingWarning(UserWarning):
    """A ring's memory is not of the kind that was wished for; the text says why."""


def _warn(unmet: tuple[str, ...]) -> None:
    for text in unmet:
        warnings.warn(text, BackingWarning, stacklevel=3)


@dataclass(frozen=True, slots=True)
class RingStatistics:
    """A ring at one moment: last sequence, records it holds at most, publisher's process or 0.

    `gates` are the subscribers that it waits for and `waits` how often they made it wait; `lossy`
    are the others, of which 64 can be seen.
    """

    tail: int
    capacity: int
    publisher_pid: int
    gates: tuple[Place, ...]
    lossy: tuple[Place, ...]
    waits: int


class Ring:
    """A ring as this process has it mapped; `with` unmaps it. It stays until Ring.remove.

    It can be handed to other processes: pickled, it attaches there by name.
    Thread: any; publishers and subscribers made of it are of one thread each.
    """

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment

    @classmethod
    def create(
        cls,
        name: str,
        dtype: DTypeLike,
        capacity: int = 1024,
        mode: int = 0o600,
        backing: Backing | None = None,
    ) -> Ring:
        """Make a ring and map it.

        Args: name: 1 to 24 letters, digits, '-' and '_'; dtype: of a record, without Python
        objects; capacity: records, a power of two in 8..2^28; mode: permissions; backing:
        what its memory is to be made of. What is wished for and cannot be had is a BackingWarning.
        Raises: UsageError; LayoutError: it exists already, or there is no memory for it;
        BackingError: not of the kind that is required.
        """
        segment = ring_segment(name)
        kind = np.dtype(dtype)
        text = type_text(kind)
        size = int(lib.rb_ring_bytes(capacity, kind.itemsize))
        if not 1 <= kind.itemsize <= PAYLOAD_BYTES_MAX:
            raise UsageError(f"a record has 1 to {PAYLOAD_BYTES_MAX} bytes, not {kind.itemsize}")
        if size == 0:
            raise UsageError(f"capacity {capacity}: a power of two in 8..268435456 is needed")
        if segment_path(segment).exists():
            raise LayoutError(f"ring {name} exists already: attach to it, or Ring.remove it first")
        backing = backing or Backing()
        # Locked where it is used: below, and in whoever attaches.
        with Segment.create(segment, size, mode, backing.without("lock")) as memory:
            try:
                check(
                    lib.rb_ring_init(
                        memory.address, size, capacity, kind.itemsize, text.encode(), name.encode()
                    ),
                    f"ring {name}",
                )
                ring = cls.attach(name, kind, backing)
            except BaseException:
                unlink(segment)
                raise
        _warn(memory.unmet)
        return ring

    @classmethod
    def attach(
        cls, name: str, dtype: DTypeLike | None = None, backing: Backing | None = None
    ) -> Ring:
        """Map a ring that somebody made.

        Args: dtype: what its records must be, None for whatever they are; backing: whether to
        prefault and to lock them in this process.
        Raises: NotFoundError: there is none; LayoutError: something else lies there, or records of
        another dtype; BackingError: they cannot be locked.
        """
        attachment = Attachment(ring_segment(name), name, backing)
        _warn(attachment.unmet)
        if dtype is not None and np.dtype(dtype) != attachment.dtype:
            attachment.close()
            raise LayoutError(
                f"ring {name} has records of {attachment.dtype}, not of {np.dtype(dtype)}"
            )
        return cls(attachment)

    @staticmethod
    def remove(name: str) -> bool:
        """Remove a ring's name; who has it mapped keeps it. False: there was none."""
        return unlink(ring_segment(name))

    @property
    def name(self) -> str:
        """What it is attached by."""
        return self._attachment.name

    @property
    def dtype(self) -> np.dtype[np.void]:
        """Of its records."""
        return self._attachment.dtype

    @property
    def capacity(self) -> int:
        """Records that it holds."""
        return self._attachment.capacity

    @property
    def record_bytes(self) -> int:
        """What a record takes of the ring: with its sequence, whole cache lines."""
        return self._attachment.record_bytes

    @property
    def memory(self) -> Mapped | None:
        """What this process has got of its memory; None: the kernel does not say."""
        return mapped(self._attachment.path)

    def publisher(self) -> Publisher:
        """Become its publisher, or that of a dead one's successor, behind its last whole record.

        Raises: UsageError: it has one.
        """
        return Publisher(self._attachment)

    def subscriber(
        self,
        start: Start = "newest",
        gating: bool = False,
        name: str | None = None,
        on_gap: OnGap = "raise",
    ) -> Subscriber:
        """Subscribe.

        Args: start: with what is published from now on, with the oldest that is there, or a
        sequence; gating: the publisher waits rather than overwrite what this one has not done with;
        name: of a gating one, so that a successor of a dead one goes on where it stopped, if it
        comes before the publisher has freed itself; on_gap: what an overtaken one does, raise
        Lapped or skip and count.
        Raises: UsageError; CapacityError: 63 gate or wait already.
        """
        return Subscriber(self._attachment, start, gating, name, on_gap)

    def statistics(self) -> RingStatistics:
        """How it is."""
        it = self._attachment
        return RingStatistics(
            *(it.tail(), it.capacity, it.publisher_pid()), it.gates(), it.shown(), it.waits()
        )

    def close(self) -> None:
        """Close its publisher and subscribers of this process, and unmap."""
        self._attachment.close()

    def __reduce__(self) -> tuple[object, ...]:
        return Ring.attach, (self.name, self.dtype, self._attachment.backing)

    def __enter__(self) -> Ring:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()
