"""The one map from a C status to an exception."""

from __future__ import annotations

import os
from typing import Protocol

from ringbus._ringbus import ffi, lib


class RingbusError(Exception):
    """A C function of this project failed; `status` is its number."""

    status = 0

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        if status is not None:
            self.status = status


class UsageError(RingbusError):
    """The caller's fault: an argument is outside what the function takes."""


class CorruptionError(RingbusError):
    """An invariant does not hold: end the process and rebuild it from the stream."""


class SystemCallError(RingbusError):
    """A system call failed; the text holds errno's meaning."""


class LayoutError(RingbusError):
    """Shared memory or a file does not hold what was expected there."""


class BackingError(LayoutError):
    """The host does not give memory of the kind that is wanted; the text says how to allow it.

    `wish` is the setting that could not be met: pages, numa_node or lock.
    """

    def __init__(self, text: str, wish: str) -> None:
        super().__init__(text)
        self.wish = wish


class Lapped(RingbusError):
    """The writer overtook this reader; what was missed can be fetched from a journal.

    A ring's subscriber says which sequences are missing: `first` to `last`; elsewhere both are 0.
    """

    first = 0
    last = 0


class CapacityError(RingbusError):
    """No room is left."""


class DataError(RingbusError):
    """Stored messages are damaged: wrong checksum or sequence, or cut off."""


class FormatError(RingbusError):
    """Bytes do not follow their wire format."""


class NotFoundError(RingbusError):
    """The name, id or number is not known."""


EXCEPTIONS: dict[str, type[RingbusError]] = {
    "USAGE": UsageError,
    "CORRUPT": CorruptionError,
    "SYSTEM": SystemCallError,
    "NOT_RINGBUS": LayoutError,
    "VERSION": LayoutError,
    "SCHEMA": LayoutError,
    "KIND": LayoutError,
    "SIZE": LayoutError,
    "LAPPED": Lapped,
    "FULL": CapacityError,
    "CHECKSUM": DataError,
    "SEQUENCE": DataError,
    "TORN": DataError,
    "FORMAT": FormatError,
    "UNKNOWN": NotFoundError,
}


class Library(Protocol):
    """A cffi library of this project: each has its own record of broken invariants."""

    def rb_check_text(self) -> object:
        """Text of the last broken invariant."""


def statuses() -> list[tuple[str, int, str]]:
    """Every status as (name, value, text), in the order of `status.h`."""
    out = []
    for n in range(256):
        value = lib.rb_status_at(n)
        if value > 0:
            break
        name = ffi.string(lib.rb_status_name(value)).decode()
        out.append((name, value, ffi.string(lib.rb_status_text(value)).decode()))
    return out


def check(status: int, what: str = "", library: Library = lib) -> int:
    """Return `status` if it is a count or ok, raise its exception otherwise.

    Args: status: what a C function returned; what: prefix of the error text, the thing concerned;
    library: where it was called, for the text of a broken invariant.
    Raises: a RingbusError of the class that EXCEPTIONS names.
    """
    if status >= 0:
        return status
    name_c = lib.rb_status_name(status)
    name = ffi.string(name_c).decode() if name_c != ffi.NULL else "?"
    text = ffi.string(lib.rb_status_text(status)).decode()
    if name == "CORRUPT":
        text += ": " + bytes(ffi.string(library.rb_check_text())).decode()
    if name == "SYSTEM":
        text += f": {os.strerror(ffi.errno)}"
    prefix = f"{what}: " if what else ""
    raise EXCEPTIONS.get(name, RingbusError)(f"{prefix}{text}", status)
