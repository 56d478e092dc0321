"""Waiting: how a process without work waits, and how others wake it."""

from __future__ import annotations

from enum import IntEnum

from ringbus._ringbus import ffi, lib
from ringbus.memory import Memory
from ringbus.status import NotFoundError, check


class Strategy(IntEnum):
    """What a core does when none of its agents has work."""

    SPIN = 0
    YIELD = 1
    PARK = 2
    ADAPTIVE = 3


def bells_bytes() -> int:
    """Bytes of the structure that holds the bells of an exchange."""
    return int(lib.rb_bells_bytes())


def create_bells(memory: Memory, name: str) -> None:
    """Lay out bells in zeroed memory; `name` is that of the exchange."""
    check(lib.rb_bells_init(memory.address, memory.size, name.encode()), f"bells {name}")


def bell_mask(memory: Memory, name: str) -> int:
    """The wake mask of the bell `name`. Raises: NotFoundError: nobody has claimed it."""
    index = int(lib.rb_bells_find(memory.address, name.encode()))
    if index < 0:
        raise NotFoundError(f"no core or reader called {name} waits on these bells", index)
    return 1 << index


class Idle:
    """One process's way to wait; use it with `with`, so that its bell is given back.

    Args: bells: of the exchange; name: of the bell; epoll_fd: the epoll set in which a core with
    sockets waits, -1 for none; stream_reader: ring it whenever something was published.
    Raises: CapacityError: all 64 bells are taken.
    Thread: one. Source: ringbus/idle.h; an eventcount.
    """

    def __init__(
        self,
        bells: Memory,
        name: str,
        strategy: Strategy = Strategy.PARK,
        epoll_fd: int = -1,
        stream_reader: bool = True,
    ) -> None:
        self._memory = bells
        self.handle = ffi.new("rb_idle *")
        check(
            lib.rb_idle_attach(
                self.handle,
                bells.address,
                bells.size,
                name.encode(),
                int(strategy),
                epoll_fd,
                int(stream_reader),
            ),
            f"bell {name}",
        )
        self._open = True

    @property
    def bell(self) -> int:
        """Index of the bell."""
        return int(lib.rb_idle_bell(self.handle))

    @property
    def parks(self) -> int:
        """Times it slept."""
        return int(lib.rb_idle_parks(self.handle))

    def set_spin(self, nanoseconds: int) -> None:
        """How long it looks for work before it yields or parks."""
        lib.rb_idle_set_spin(self.handle, nanoseconds)

    def set_timeout(self, microseconds: int) -> None:
        """How long it sleeps at most."""
        lib.rb_idle_set_timeout(self.handle, microseconds)

    def step(self, work: int) -> None:
        """Wait a little if `work` is 0; call it after every look for work, in a loop."""
        lib.rb_idle_step(self.handle, work)

    def ring(self, mask: int, stream: bool = False) -> None:
        """Wake who sleeps among `mask`, and the stream's readers if `stream`; after publishing."""
        lib.rb_idle_ring(self.handle, mask, int(stream))

    def close(self) -> None:
        """Give the bell back."""
        if self._open:
            lib.rb_idle_close(self.handle)
            self._open = False

    def __enter__(self) -> Idle:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()
