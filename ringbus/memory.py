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


class Block:
    """Private zeroed memory of `size` bytes, for tests, replay and benchmarks in one process.

    It is an anonymous shared mapping, so that a forked child sees the same bytes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.name = "private"
        self.writable = True
        self.mapping = mmap.mmap(-1, size)
        self._buffer = ffi.from_buffer(self.mapping, require_writable=True)
        self.address: object = ffi.cast("void *", self._buffer)

    @property
    def closed(self) -> bool:
        """Whether it was unmapped."""
        return self.mapping.closed

    def buffer(self) -> memoryview:
        """Its bytes; whatever is made of them keeps them mapped."""
        return memoryview(self.mapping)

    def close(self) -> None:
        """Unmap; pointers into it are dead from here on."""
        ffi.release(self._buffer)
        self.mapping.close()
