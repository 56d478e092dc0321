"""Risk: what every account and firm has at stake, from the stream alone, and who may add to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine._engine import ffi, lib
from ringbus.memory import Memory
from ringbus.messages import MESSAGE, RiskLimit
from ringbus.multicast import lock_gate
from ringbus.status import CapacityError, UsageError, check

# What a limit is when there is none, and what sets one back to that.
UNLIMITED = 1 << 61
NO_LIMIT = (1 << 64) - 1
# Pairs of an owner and an instrument, unless more are asked for.
POSITIONS = 1 << 16


@dataclass(frozen=True, slots=True)
class RiskInstrument:
    """The size of a tick in 1/10,000 of the currency, and the highest price in ticks."""

    tick_1e4: int
    price_ticks_max: int


@dataclass(frozen=True, slots=True)
class RiskSize:
    """Bounds: accounts and firms are numbered below these; positions is a power of two."""

    accounts: int
    firms: int
    positions: int = POSITIONS


@dataclass(frozen=True, slots=True)
class Exposure:
    """What an account or a firm has, notional in 1/10,000 of the currency, and its limits.

    net, gross: of the position; gross is the worst case over what is open. traded: of the day.
    messages: accepted orders and replaces of the second in which the last one was.
    """

    open_long: int
    open_short: int
    net: int
    gross: int
    traded: int
    traded_quantity: int
    open_quantity: int
    open_orders: int
    messages: int
    limits: dict[RiskLimit, int]


class Risk:
    """The state of all accounts and firms.

    Args: instruments: by number; shards, orders: locates are up to `orders` in each shard; size:
    bounds; topics: sessions are topics below it.
    Raises: CapacityError: out of range or out of memory.
    Thread: one. Source: engine/risk.h.
    """

    def __init__(
        self,
        instruments: Sequence[RiskInstrument],
        shards: int,
        orders: int,
        size: RiskSize,
        topics: int,
    ) -> None:
        table = ffi.new("eng_risk_instrument[]", len(instruments))
        for at, one in zip(table, instruments, strict=True):
            at.tick_1e4, at.price_ticks_max = one.tick_1e4, one.price_ticks_max
        self.handle = lib.eng_risk_create(
            table,
            len(instruments),
            shards,
            orders,
            size.accounts,
            size.firms,
            topics,
            size.positions,
        )
        if self.handle == ffi.NULL:
            raise CapacityError(
                f"no risk state of {len(instruments)} instruments, {shards} shards of {orders} "
                f"orders and {size}: out of range (engine/risk.h) or out of memory"
            )
        self.handle = ffi.gc(self.handle, lib.eng_risk_destroy)

    @property
    def bytes(self) -> int:
        """Bytes that it takes."""
        return int(lib.eng_risk_bytes(self.handle))

    def apply(self, lines: NDArray[np.void]) -> None:
        """Take published lines, all of them and in order.

        Args: lines: shape (n,), contiguous items of 64 bytes.
        Raises: CorruptionError: they contradict what came before.
        """
        if lines.dtype.itemsize != MESSAGE.itemsize or not lines.flags.c_contiguous:
            raise UsageError(f"messages must be contiguous items of 64 bytes, not {lines.dtype}")
        pointer = ffi.from_buffer("rb_message[]", lines)
        check(lib.eng_risk_apply(self.handle, pointer, len(lines)), "risk", lib)

    def account(self, number: int) -> Exposure:
        """What an account has. Raises: NotFoundError: there is none of that number."""
        return self._exposure(lib.eng_risk_account, number, "account")

    def firm(self, number: int) -> Exposure:
        """The same of a firm."""
        return self._exposure(lib.eng_risk_firm, number, "firm")

    def is_killed(self, session: int, account: int, firm: int) -> bool:
        """Whether new orders of a session, an account and a firm are refused."""
        return bool(lib.eng_risk_is_killed(self.handle, session, account, firm))

    @property
    def hash(self) -> int:
        """Hash of everything that the lines have made."""
        return int(lib.eng_risk_hash(self.handle))

    def verify(self) -> None:
        """Check every sum. Raises: CorruptionError."""
        check(lib.eng_risk_verify(self.handle), "risk", lib)

    def _exposure(self, ask: object, number: int, what: str) -> Exposure:
        now, limits = ffi.new("eng_exposure *"), ffi.new("uint64_t[]", len(RiskLimit))
        assert callable(ask)
        check(ask(self.handle, number, now, limits), f"{what} {number}", lib)
        return Exposure(
            int(now.open[0]),
            int(now.open[1]),
            int(now.net),
            int(now.gross),
            int(now.traded),
            int(now.traded_quantity),
            int(now.open_quantity),
            int(now.open_orders),
            int(now.messages),
            {limit: int(limits[limit - 1]) for limit in RiskLimit},
        )


class Admission:
    """Keeps the limits for a sequencer: the state, and where it hears what became of things.

    Args: risk: settled up to the message before `next`; settled: shared with the publisher; ring,
    readers: the stream, of which it is the gating reader "sequencer" from now on.
    Raises: LayoutError; CapacityError: no gate is free; UsageError: another sequencer is alive.
    Thread: the sequencer's. Source: engine/admission.h.
    """

    def __init__(
        self, risk: Risk, settled: Memory, ring: Memory, readers: Memory, next_: int = 1
    ) -> None:
        self._keep = (risk, settled, ring, readers)
        self.state = ffi.new("eng_admission *")
        self._locks = lock_gate(readers, "sequencer", lambda: self._attach(next_))

    def _attach(self, next_: int) -> int:
        risk, settled, ring, readers = self._keep
        status = lib.eng_admission_init(
            self.state,
            risk.handle,
            settled.address,
            settled.size,
            ring.address,
            ring.size,
            readers.address,
            readers.size,
            next_,
        )
        check(status, "the sequencer's gate on the stream")
        return int(lib.eng_admission_gate(self.state))

    def settle(self) -> int:
        """Read what the stream has new; the sequencer does so too. Raises: CorruptionError."""
        return check(lib.eng_admission_settle(self.state), "risk", lib)

    def close(self) -> None:
        """Let another sequencer have the gate."""
        if self._locks is not None:
            self._locks.close()


def settled_bytes() -> int:
    """Bytes of what publisher and sequencer share."""
    return int(lib.eng_settled_bytes())


def create_settled(memory: Memory) -> None:
    """Lay it out in zeroed memory."""
    check(lib.eng_settled_init(memory.address, memory.size), "settled")
