"""Market data: ITCH 5.0 made of the stream, sent as MoldUDP64, and given again to who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from ports._ports import ffi, lib
from ringbus.core import Core
from ringbus.metrics import Metrics
from ringbus.multicast import show_reader
from ringbus.replay import Stream, journals
from ringbus.segment import Segment
from ringbus.status import UsageError, check

COUNTS_MAX = 64
# What a single copy gives out: some thousand messages.
COPY_BYTES = 1 << 17


@dataclass(frozen=True, slots=True)
class MarketSize:
    """What the day has: instruments, shards, orders of a shard's pool; and what the tape takes.

    Memory of the tape is used as it is filled; a message has 33 bytes on average.
    """

    instruments: int
    shards: int = 1
    orders: int = 65536
    tape_bytes: int = 1 << 30
    tape_messages: int = 1 << 25


class MarketData:
    """An agent for `Core.add`, or fed by hand with `hear`; use it with `with`.

    Args: session: MoldUDP64 session, 1..10 characters; size: bounds; core, stream: whose clock it
    uses and what it follows, None if it is fed; packet_bytes: of UDP payload, 128..1,472;
    heartbeat_ns: longest time without a packet.
    Raises: UsageError: a value is outside its range.
    Thread: made by one, then the core's. Source: ports/market.h.
    """

    def __init__(
        self,
        session: str,
        size: MarketSize,
        core: Core | None = None,
        stream: Stream | None = None,
        packet_bytes: int = 1400,
        heartbeat_ns: int = 1_000_000_000,
    ) -> None:
        self._keep = (core, stream)
        handle = ffi.new("prt_market **")
        config = _config(session, size, packet_bytes, heartbeat_ns)
        check(lib.prt_market_create(config, handle), "market data", lib)
        self._market = handle[0]
        self.session = session
        self.state: object = ffi.cast("void *", self._market)
        self.work: object = lib.prt_market_work_function()
        self.check_text: object = ffi.cast("void *", ffi.addressof(lib, "rb_check_text"))
        self._copy = ffi.new("uint8_t[]", COPY_BYTES)
        self._next = ffi.new("uint64_t *")
        try:
            if core is not None:
                check(lib.prt_market_attach_core(self._market, core.clock), "market data", lib)
            if stream is not None:
                self._attach(stream)
        except BaseException:
            self.close()
            raise

    def _attach(self, stream: Stream) -> None:
        directories = journals(stream.directory)
        status = lib.prt_market_attach_stream(
            self._market,
            stream.ring.address,
            stream.ring.size,
            directories[0] if directories else b"",
            stream.segment_messages,
        )
        check(status, "stream of the market data", lib)
        for directory in directories[1:]:
            status = lib.prt_market_add_journal(self._market, directory)
            check(status, "journal of the market data", lib)
        if stream.marks is not None:
            marks = stream.marks
            status = lib.prt_market_attach_marks(
                self._market, marks.address, marks.size, stream.copies
            )
            check(status, "marks of the market data", lib)

    def send_to(self, group: str, port: int, interface: str = "127.0.0.1") -> None:
        """Send packets to an IPv4 group from now on, from the interface with that address.

        Raises: UsageError: these are no addresses; SystemCallError.
        """
        status = lib.prt_market_send_to(self._market, group.encode(), port, interface.encode())
        check(status, f"group {group}:{port} from {interface}", lib)

    def answer_at(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Answer requests for messages; returns the UDP port.

        Raises: UsageError: no address; SystemCallError: it is taken.
        """
        return check(
            lib.prt_market_answer_at(self._market, host.encode(), port), f"{host}:{port}", lib
        )

    def add_peer(self, host: str, port: int) -> None:
        """Ask that one too for what is not here. Raises: UsageError, CapacityError."""
        check(lib.prt_market_add_peer(self._market, host.encode(), port), f"{host}:{port}", lib)

    def do_work(self, limit: int) -> int:
        """One round, for whoever runs it in Python. Raises: CorruptionError, CapacityError."""
        return check(lib.prt_market_work(self.state, limit), "market data", lib)

    def hear(self, lines: NDArray[np.void]) -> None:
        """Apply lines of the stream, shape (n,), 64 bytes each, in the place of following it.

        Raises: CapacityError: the tape is full; CorruptionError: they are not the next ones.
        """
        pointer = ffi.from_buffer(np.ascontiguousarray(lines))
        check(lib.prt_market_hear(self._market, pointer, len(lines)), "market data", lib)

    @property
    def epoll_fd(self) -> int:
        """Readable when somebody asks."""
        return int(lib.prt_market_epoll(self._market))

    @property
    def is_live(self) -> bool:
        """Whether it has caught up with the stream."""
        return bool(lib.prt_market_is_live(self._market))

    @property
    def is_over(self) -> bool:
        """Whether the day's last message is there."""
        return bool(lib.prt_market_is_over(self._market))

    @property
    def messages(self) -> int:
        """Messages of the day so far, and the number of the last."""
        return int(lib.prt_market_messages(self._market))

    def copy(self, number: int, limit: int = 1 << 30) -> bytes:
        """Messages from `number` on, each with its length before it; b"" if it is not there.

        As many as fit into COPY_BYTES, `limit` at most.
        """
        got = lib.prt_market_copy(self._market, number, limit, self._copy, COPY_BYTES)
        return bytes(ffi.buffer(self._copy, check(got, "market data", lib)))

    def copy_soup(self, number: int) -> tuple[bytes, int]:
        """The same as packets of Sequenced Data; with the number that comes next."""
        got = lib.prt_market_copy_soup(self._market, number, self._copy, COPY_BYTES, self._next)
        return bytes(ffi.buffer(self._copy, check(got, "market data", lib))), int(self._next[0])

    def snapshot(self) -> bytes | None:
        """What is shown now, as GLIMPSE 5.0 says it, in packets of Sequenced Data.

        Returns: None: not now, the lines of the last input have not all come.
        """
        count = check(lib.prt_market_snapshot(self._market), "snapshot", lib)
        parts = []
        number = 1
        while number <= count:
            got = lib.prt_market_copy_snapshot(
                self._market, number, self._copy, COPY_BYTES, self._next
            )
            parts.append(bytes(ffi.buffer(self._copy, check(got, "snapshot", lib))))
            number = int(self._next[0])
        return b"".join(parts) if count else None

    def validate(self) -> None:
        """Check its tables, between rounds. Raises: CorruptionError."""
        check(lib.prt_market_valid(self._market), "market data", lib)

    @property
    def counts(self) -> dict[str, int]:
        """Everything that it counts, by name."""
        return {n: int(lib.prt_market_count(self._market, i)) for i, n in enumerate(_names())}

    def show(self, table: Segment, name: str) -> None:
        """Let watchers see how its reader of the stream does. Raises: as show_reader."""
        self._shown = show_reader(lib.prt_market_reader(self._market), table, name)

    def measure(self, metrics: Metrics, name: str) -> None:
        """Count into a metrics page; counters are called `name packets` and so on."""
        for n, count in enumerate(_names()):
            address = ffi.cast("uint64_t *", metrics.counter_address(f"{name} {count}"))
            check(lib.prt_market_count_into(self._market, n, address), f"counter {count}", lib)

    def close(self) -> None:
        """Close its sockets and free everything; not while its core runs."""
        lib.prt_market_destroy(self._market)
        self._market = ffi.NULL

    def __enter__(self) -> MarketData:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _config(session: str, size: MarketSize, packet_bytes: int, heartbeat_ns: int) -> object:
    name = session.encode("ascii", "replace")
    if not 1 <= len(name) <= 10:
        raise UsageError(f"session {session!r} has not 1 to 10 characters")
    try:
        return ffi.new(
            "prt_market_config *",
            {
                "tape_bytes": size.tape_bytes,
                "tape_messages": size.tape_messages,
                "heartbeat_ns": heartbeat_ns,
                "instruments": size.instruments,
                "shards": size.shards,
                "orders": size.orders,
                "packet_bytes": packet_bytes,
                "session": name,
            },
        )
    except OverflowError as error:
        raise UsageError(f"market data: {error}") from None


def _names() -> Sequence[str]:
    out: list[str] = []
    for n in range(COUNTS_MAX):
        name = lib.prt_market_count_name(n)
        if name == ffi.NULL:
            break
        out.append(ffi.string(name).decode())
    return out
