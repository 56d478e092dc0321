"""Where a structure lies: a named segment, or private memory of one process with the same face."""

from __future__ import annotations

import mmap
from typing import Protocol

from ringbus._ringbus import ffi


class Memory(Protocol):
    """Zeroed, page-aligned bytes: `address` is a cffi `void *`, `size` a count of bytes."""

    @property
    def address(self) -> object:
        """The first byte."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def name(self) -> str:
        """What to call it in an error."""

    @property
    def writable(self) -> bool:
        """Whether it may be written through `address`."""

    @property
    def closed(self) -> bool:
        """Whether it was unmapped: then `address` must not be followed."""

    @property
    def mapping(self) -> mmap.mmap:
        """The mapping that it lies in: its buffer cannot be had when it was unmapped."""


class Mapped:
    """A mapping that C may be told of, until it is closed.

    `address` is the cffi pointer (void *) to its first byte, `size` its bytes.
    """

    def __init__(self, name: str, mapping: mmap.mmap, writable: bool) -> None:
        self.name = name
        self.size = len(mapping)
        self.writable = writable
        self.mapping = mapping
        self._buffer = ffi.from_buffer(mapping, require_writable=writable)
        self.address: object = ffi.cast("void *", self._buffer)

    @property
    def closed(self) -> bool:
        """Whether it was unmapped: then `address` must not be followed."""
        return self.mapping.closed

    def buffer(self) -> memoryview:
        """Its bytes; whatever is made of them keeps them mapped."""
        return memoryview(self.mapping)

    def close(self) -> None:
        """Unmap; pointers into it are dead from here on."""
        ffi.release(self._buffer)
        self.mapping.close()


class Block(Mapped):
    """Private zeroed memory of `size` bytes, for tests, replay and benchmarks in one process.

    It is an anonymous shared mapping, so that a forked child sees the same bytes.
    """

    def __init__(self, size: int) -> None:
        super().__init__("private", mmap.mmap(-1, size), writable=True)
        self.size = size
