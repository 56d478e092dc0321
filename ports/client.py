"""Client port: the agent that clients talk to, OUCH 5.0 over SoupBinTCP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from ports._ports import ffi, lib
from ports.whose import Whose
from ringbus.contributor import Contributor as Contributor
from ringbus.core import Core
from ringbus.metrics import Metrics
from ringbus.multicast import show_reader
from ringbus.replay import Stream as Stream
from ringbus.replay import journals
from ringbus.segment import Segment
from ringbus.status import UsageError, check

SYMBOL_BYTES = 8
FIRM_BYTES = 4
COUNTS_MAX = 64
PROTOCOLS = {"ouch50": lib.PRT_OUCH50, "ouch42": lib.PRT_OUCH42}


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument of the day; prices in ticks, the tick in 1/10,000 of the currency."""

    symbol: str
    tick_1e4: int
    price_ticks_min: int
    price_ticks_max: int
    lot: int = 1
    quantity_max: int = 999_999
    shard: int = 0


@dataclass(frozen=True, slots=True)
class ClientSession:
    """One client: its topic on the stream, whom its orders belong to, and what it may do.

    `firm_name` is what it may write as its firm; `rate` bounds its new orders and replaces in a
    second, `notional_max_1e4` quantity times price of one order, 0 is no bound; `self_trade` is the
    letter (OUCH's AIQ strategy) of orders that name none, "N" is none; `protocol` is a key of
    PROTOCOLS. One that `hears` sessions of other ports is a drop copy: it is shown what they are,
    and asks for nothing.
    """

    topic: int
    user: str
    account: int
    firm: int
    firm_name: str = ""
    rate: int = 0
    notional_max_1e4: int = 0
    cancels_on_disconnect: bool = False
    self_trade: str = "N"
    protocol: str = "ouch50"
    hears: tuple[ClientSession, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a port allocates and allows.

    `tokens` are names of orders in a day, where a session speaks OUCH 4.2; `messages` are shown to
    all clients together in a day; `backlog` is how many a connection may be behind. A socket's
    buffer of 0 bytes is the kernel's choice.
    """

    connections: int = 256
    orders: int = 1 << 20
    tokens: int = 1 << 20
    messages: int = 1 << 24
    backlog: int = 65536
    receive_bytes: int = 4096
    send_bytes: int = 16384
    socket_receive_bytes: int = 4096
    socket_send_bytes: int = 65536
    heartbeat_ns: int = 1_000_000_000
    dead_ns: int = 15_000_000_000


@dataclass(frozen=True, slots=True)
class PortSize:
    """What a port takes, in bytes: all of its own memory; of that, one more connection and one more
    session without its messages; and the kernel's for a connection, besides (0: not bounded).
    """

    bytes: int
    connection_bytes: int
    session_bytes: int
    kernel_bytes: int


def port_size(
    limits: Limits, instruments: int, sessions: int, shards: int = 1, has_tokens: bool = False
) -> PortSize:
    """What a port with these limits takes; `has_tokens`: some of its sessions speak OUCH 4.2.

    Source: prt_client_size_of.
    """
    size = ffi.new("prt_client_size *")
    config = _config("SIZE", shards, 0, instruments, sessions, limits, has_tokens)
    lib.prt_client_size_of(config, size)
    return PortSize(
        int(size.bytes), int(size.connection_bytes), int(size.session_bytes), int(size.kernel_bytes)
    )


class ClientPort:
    """An agent for `Core.add`; use it with `with`.

    Args: core: whose clock and wake set it uses; session: SoupBinTCP session, 1..10 characters;
    shards: of the engine; contributor, stream: its ways in and out; instruments: in the day's
    order; sessions: its clients; stands_by: it follows the stream and touches neither lane nor
    address until `take_over`; opening: messages that the day begins with: it lets nobody in before.
    Raises: UsageError: a value is outside its range or occurs twice.
    Thread: made by one, then the core's; the login functions by one other, the authenticator's.
    Source: ports/client.h.
    """

    def __init__(
        self,
        core: Core,
        session: str,
        shards: int,
        contributor: Contributor,
        stream: Stream,
        instruments: Sequence[Instrument],
        sessions: Sequence[ClientSession],
        limits: Limits | None = None,
        stands_by: bool = False,
        opening: int = 0,
    ) -> None:
        self._keep = (core, contributor, stream)
        self._has_lane = not stands_by
        config = _config(
            session,
            shards,
            contributor.number,
            len(instruments),
            len(sessions),
            limits or Limits(),
            any(who.protocol == "ouch42" for who in sessions),
            sum(len(who.hears) for who in sessions),
            opening,
        )
        handle = ffi.new("prt_client **")
        check(lib.prt_client_create(config, handle), "client port", lib)
        self._port = handle[0]
        self.state: object = ffi.cast("void *", self._port)
        self.work: object = lib.prt_client_work_function()
        self.check_text: object = ffi.cast("void *", ffi.addressof(lib, "rb_check_text"))
        # Of the last login that was asked about; the authenticator's.
        self._login = ffi.new("prt_client_login *")
        self._populates_no_more = ffi.new("uint32_t *")
        try:
            self._attach(core, stream)
            if stands_by:
                lib.prt_client_stand_by(self._port)
            else:
                self._attach_lane(contributor)
            self._fill(instruments, sessions)
        except BaseException:
            self.close()
            raise

    def _attach_lane(self, contributor: Contributor) -> None:
        lane, doorbell = contributor.lane, contributor.doorbell
        status = lib.prt_client_attach_lane(
            self._port, lane.address, lane.size, doorbell.address, doorbell.size, contributor.number
        )
        check(status, f"lane {contributor.number} of the client port", lib)

    def _attach(self, core: Core, stream: Stream) -> None:
        directories = journals(stream.directory)
        bells = self._keep[1].bells
        status = lib.prt_client_attach_core(self._port, core.clock, core.wake, bells)
        check(status, "client port", lib)
        status = lib.prt_client_attach_stream(
            self._port,
            stream.ring.address,
            stream.ring.size,
            directories[0] if directories else b"",
            stream.segment_messages,
        )
        check(status, "stream of the client port", lib)
        for directory in directories[1:]:
            status = lib.prt_client_add_journal(self._port, directory)
            check(status, "journal of the client port", lib)
        if stream.marks is not None:
            marks = stream.marks
            status = lib.prt_client_attach_marks(
                self._port, marks.address, marks.size, stream.copies
            )
            check(status, "marks of the client port", lib)

    def _fill(self, instruments: Sequence[Instrument], sessions: Sequence[ClientSession]) -> None:
        row = ffi.new("prt_instrument *")
        for one in instruments:
            symbol = one.symbol.encode("ascii", "replace")
            if not 1 <= len(symbol) <= SYMBOL_BYTES:
                raise UsageError(f"symbol {one.symbol!r} has not 1 to {SYMBOL_BYTES} characters")
            row.symbol = symbol.ljust(SYMBOL_BYTES)
            row.tick_1e4, row.lot, row.quantity_max = one.tick_1e4, one.lot, one.quantity_max
            row.price_ticks_min, row.price_ticks_max = one.price_ticks_min, one.price_ticks_max
            row.shard = one.shard
            check(lib.prt_client_add_instrument(self._port, row), f"instrument {one.symbol}", lib)
        for who in sessions:
            status = lib.prt_client_add_session(self._port, _session(who))
            check(status, f"session of {who.user}", lib)
        for who in sessions:
            for other in who.hears:
                whose = Whose(other.user, other.account, other.firm_name).text.encode()
                status = lib.prt_client_add_hearing(self._port, who.topic, other.topic, whose)
                check(status, f"{other.user}, heard by {who.user}", lib)

    def listen(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Take connections from now on; returns the TCP port.

        Raises: SystemCallError: the address is taken; UsageError: it is no address, or the port
        listens already.
        """
        return check(lib.prt_client_listen(self._port, host.encode(), port), f"{host}:{port}", lib)

    def take_over(self, host: str, port: int) -> int:
        """Be what a port that stood by stood by for: take its lane, its address and its sessions.

        Returns: the TCP port. Raises: as `listen`: the address is not free yet, try again.
        Thread: any one; what it stood by for must be dead.
        """
        if not self._has_lane:
            self._attach_lane(self._keep[1])
            self._has_lane = True
        tcp = self.listen(host, port)
        lib.prt_client_speak(self._port)
        return tcp

    def adopt(self, descriptor: int) -> None:
        """Serve a connected socket that does not block; the descriptor is the port's then.

        Raises: CapacityError: no room for another connection; the socket is closed.
        Thread: the core's.
        """
        check(lib.prt_client_adopt(self._port, descriptor), "connection", lib)

    @property
    def epoll_fd(self) -> int:
        """The epoll set of its sockets; a core can wait in it, or in one that holds it."""
        return int(lib.prt_client_epoll(self._port))

    @property
    def is_live(self) -> bool:
        """Whether it has caught up with the stream and takes logins."""
        return bool(lib.prt_client_is_live(self._port))

    @property
    def open_orders(self) -> int:
        """Open orders of all its sessions."""
        return int(lib.prt_client_open_orders(self._port))

    def messages(self, topic: int) -> int:
        """Messages of a session so far. Raises: NotFoundError: it has no such session."""
        return check(lib.prt_client_messages(self._port, topic), f"topic {topic}", lib)

    def validate(self) -> None:
        """Check its tables, between rounds. Raises: CorruptionError."""
        check(lib.prt_client_valid(self._port), "client port", lib)

    @property
    def counts(self) -> dict[str, int]:
        """Everything that it counts, by name."""
        return {
            name: int(lib.prt_client_count(self._port, n)) for n, name in enumerate(_count_names())
        }

    def show(self, table: Segment, name: str) -> None:
        """Let watchers see how its reader of the stream does. Raises: as show_reader."""
        self._shown = show_reader(lib.prt_client_reader(self._port), table, name)

    def measure(self, metrics: Metrics, name: str = "") -> None:
        """Record into a metrics page; counters are called `name connections` and so on."""
        lib.prt_client_measure(
            self._port,
            metrics.histogram_address("publisher to reader"),
            metrics.histogram_address("whole"),
        )
        for n, count in enumerate(_count_names()):
            address = metrics.counter_address(f"{name} {count}".strip())
            status = lib.prt_client_count_into(self._port, n, ffi.cast("uint64_t *", address))
            check(status, f"counter {count}", lib)

    @property
    def login_fd(self) -> int:
        """Readable when a login waits to be verified."""
        return int(lib.prt_client_login_fd(self._port))

    def next_login(self) -> tuple[int, int, str, str] | None:
        """Connection, generation, user and password of the next login; None: none waits."""
        login = self._login
        if not lib.prt_client_login_next(self._port, login):
            return None
        user = ffi.string(login.user).decode("ascii")
        password = ffi.string(login.password).decode("ascii")
        ffi.memmove(login.password, bytes(len(login.password)), len(login.password))
        return int(login.connection), int(login.generation), user, password

    def answer_login(self, connection: int, generation: int, good: bool) -> bool:
        """Say whether the login was good; False: no room now, try again."""
        return bool(lib.prt_client_login_verdict(self._port, connection, generation, int(good)))

    def hush_logins(self) -> None:
        """Make `login_fd` unreadable; before looking for logins."""
        lib.prt_client_login_hush(self._port)

    def wake_logins(self) -> None:
        """Make `login_fd` readable, though there may be none."""
        lib.prt_client_login_wake(self._port)

    def populate(self) -> None:
        """Get the table of orders its pages, so that no order has to wait for one.

        Thread: one of its own, while the port works; ends when it is done, or after
        `leave_unpopulated`.
        """
        lib.prt_client_populate(self._port, self._populates_no_more)

    def leave_unpopulated(self) -> None:
        """End `populate`, from any thread."""
        self._populates_no_more[0] = 1

    def close(self) -> None:
        """Close all connections at once and free everything; not while its core runs."""
        lib.prt_client_destroy(self._port)
        self._port = ffi.NULL

    def __enter__(self) -> ClientPort:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _config(
    session: str,
    shards: int,
    lane: int,
    instruments: int,
    sessions: int,
    limits: Limits,
    has_tokens: bool,
    ears: int = 0,
    opening: int = 0,
) -> object:
    name = session.encode("ascii", "replace")
    if not 1 <= len(name) <= 10:
        raise UsageError(f"session {session!r} has not 1 to 10 characters")
    try:
        return ffi.new(
            "prt_client_config *",
            {
                "messages": limits.messages,
                "backlog_max": limits.backlog,
                "heartbeat_ns": limits.heartbeat_ns,
                "dead_ns": limits.dead_ns,
                "opening": opening,
                "publisher": lane + 1,
                "shards": shards,
                "instruments": instruments,
                "sessions": sessions,
                "tokens": limits.tokens if has_tokens else 0,
                "ears": ears,
                "orders": limits.orders,
                "connections": limits.connections,
                "receive_bytes": limits.receive_bytes,
                "send_bytes": limits.send_bytes,
                "socket_receive_bytes": limits.socket_receive_bytes,
                "socket_send_bytes": limits.socket_send_bytes,
                "session": name,
            },
        )
    except OverflowError as error:
        raise UsageError(f"client port: {error}") from None


def _session(who: ClientSession) -> object:
    try:
        return ffi.new(
            "prt_client_session *",
            {
                "notional_max_1e4": who.notional_max_1e4,
                "rate": who.rate,
                "protocol": PROTOCOLS[who.protocol],
                "topic": who.topic,
                "account": who.account,
                "firm": who.firm,
                "cancels_on_disconnect": who.cancels_on_disconnect,
                "self_trade": who.self_trade.encode("ascii", "replace"),
                "firm_name": who.firm_name[:FIRM_BYTES]
                .ljust(FIRM_BYTES)
                .encode("ascii", "replace"),
                "user": who.user.upper().encode("ascii", "replace"),
            },
        )
    except (OverflowError, IndexError, KeyError, TypeError) as error:
        raise UsageError(f"session of {who.user}: {error}") from None


def _count_names() -> list[str]:
    out: list[str] = []
    for n in range(COUNTS_MAX):
        name = lib.prt_client_count_name(n)
        if name == ffi.NULL:
            break
        out.append(ffi.string(name).decode())
    return out
