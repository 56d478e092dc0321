"""Marks: how far each journal of a stream has come, for those who promise something to a client."""

from __future__ import annotations

from ringbus._ringbus import ffi, lib
from ringbus.memory import Memory
from ringbus.status import check


def marks_bytes() -> int:
    """Bytes of the structure that holds the marks of an exchange."""
    return int(lib.rb_marks_bytes())


def create_marks(memory: Memory, name: str) -> None:
    """Lay out marks in zeroed memory."""
    check(lib.rb_marks_init(memory.address, memory.size, name.encode()), f"marks {name}")


class Marks:
    """The marks of an exchange.

    Args: memory: laid out by `create_marks`; may be mapped read-only but for `place` and `set`.
    Raises: LayoutError, CorruptionError: something else is there.
    Thread: any; a place is set by one. Source: ringbus/marks.h.
    """

    def __init__(self, memory: Memory) -> None:
        check(lib.rb_marks_verify(memory.address, memory.size), "marks")
        self.memory = memory

    def place(self, journal: str) -> int:
        """The place of a journal, made if it is not there. Raises: CapacityError: no room."""
        status = lib.rb_marks_place(self.memory.address, journal.encode())
        return check(status, f"mark {journal}")

    def set(self, place: int, sequence: int) -> None:
        """Say that a journal has everything up to `sequence` durably; it never goes back."""
        check(lib.rb_marks_set(self.memory.address, place, sequence), f"mark {place}")

    def reached(self, copies: int) -> int:
        """Last sequence that `copies` journals have durably; 2^64-1 for 0 copies."""
        return int(lib.rb_marks_reached(self.memory.address, copies))

    def durable(self) -> dict[str, int]:
        """Last durable sequence by journal."""
        out: dict[str, int] = {}
        memory = self.memory.address
        while (name := lib.rb_marks_name(memory, len(out))) != ffi.NULL:
            out[ffi.string(name).decode()] = int(lib.rb_marks_durable(memory, len(out)))
        return out
