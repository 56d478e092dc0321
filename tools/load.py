"""Load: an order file through real TCP clients, in exact order or at a given rate.

*Exact*: the next row goes when the answer to the last is on the stream, whichever session it
belongs to, so the market is told what the file says, in its order. *Paced*: open loop; row n is due
at start + n / rate, and latency counts from then, not from when the client got round to sending it
(coordinated omission).
"""

from __future__ import annotations

import argparse
import csv
import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import Progress

from ringbus.histogram import Histogram
from ringbus.idle import Idle
from ringbus.messages import NEW_ORDER, Template
from ringbus.replay import Replay
from tools.configuration import Configuration
from tools.exchange import Exchange
from tools.hops import table
from tools.load_latency import HOP, recorded, shown
from tools.load_session import LoadError, LoadSession
from tools.manual import Parser
from tools.memory import Attachment
from tools.orders import Dealer, Request, load_orders
from tools.state import find
from tools.topology import ConfigurationError

ANSWER_SECONDS = 60.0
LOOKS_BEFORE_SOCKETS = 64
# What a client's request can come back as, by its verb.
ANSWERS = {
    "NEW": (Template.NEW_ORDER, Template.REJECT, Template.REJECTED),
    "REDUCE": (Template.CANCEL, Template.REJECT, Template.REJECTED),
}


@dataclass(slots=True)
class Report:
    """What a load did; `latency` is in ns, of paced load only."""

    requests: int = 0
    answered: int = 0
    seconds: float = 0.0
    reconnects: int = 0
    resent: int = 0
    latency: Histogram = field(default_factory=Histogram)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0


def read_clients(path: Path) -> list[tuple[str, str]]:
    """Users and passwords of the load's own sessions (CSV: user,password).

    Raises: ConfigurationError: not readable, or not these columns.
    """
    try:
        with path.open(newline="", encoding="ascii") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames is None or set(reader.fieldnames) != {"user", "password"}:
                raise ConfigurationError(f"{path}:1: the columns user,password were expected")
            return [(record["user"], record["password"]) for record in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None


class Load:
    """The clients of a load and their view of the stream; use it with `with`.

    Args: exchange: a running one; clients: user and password of each session; port: its name.
    """

    def __init__(
        self, exchange: Exchange, clients: Sequence[tuple[str, str]], port: str = "port.0"
    ) -> None:
        configuration = exchange.configuration
        topics = {who.user: who.session for who in configuration.participants}
        unknown = [user for user, _ in clients if user not in topics]
        if unknown:
            raise LoadError(f"user {unknown[0]} is not in the exchange's participants file")
        self.dealer = Dealer(len(clients))
        # A live one has to be named.
        session = configuration.topology.exchange.session
        self.sessions = [
            LoadSession(exchange.port(port), user, password, topics[user], session)
            for user, password in clients
        ]
        self._attachment = Attachment(exchange.name)
        topology = configuration.topology
        self._stream = Replay(
            self._attachment.attach("stream"),
            topology.journal_directory,
            1,
            topology.journal.segment_messages,
        )
        self._idle = Idle(self._attachment.attach("bells", True), f"load.{os.getpid()}")
        self._epoll = select.epoll()
        self._registered: dict[int, LoadSession] = {}
        self._beaten_at = 0.0
        self._shown = ExitStack()
        self._latency = self._shown.enter_context(shown(exchange.name))

    def login(self) -> None:
        """Connect all sessions, one after the other."""
        for session in self.sessions:
            self._connect(session)

    def _connect(self, session: LoadSession) -> None:
        session.connect()
        self._epoll.register(session.fileno(), select.EPOLLIN)
        self._registered[session.fileno()] = session

    def _look_at_sockets(self, timeout_s: float = 0.0) -> bool:
        """Take what the sessions were sent. True: one lost its connection."""
        lost = False
        for fileno, _ in self._epoll.poll(timeout_s):
            session = self._registered[fileno]
            if not session.receive():
                # Closing the socket has taken it out of the epoll set.
                del self._registered[fileno]
                lost = True
        return lost

    def _reconnect(self) -> int:
        """Connect the sessions that are not; returns how many."""
        away = [session for session in self.sessions if not session.logged_in]
        for session in away:
            self._connect(session)
        return len(away)

    def exact(
        self,
        requests: Sequence[Request],
        on_row: Callable[[int], None] = lambda n: None,
    ) -> Report:
        """Send `requests` in their order, each when the last one's answer is on the stream.

        Args: on_row: called with the number of rows done, before each row.
        Raises: LoadError: no answer in a minute, or a session that does not come back.
        """
        report = Report(requests=len(requests))
        self._catch_up()
        start = time.monotonic()
        for n, request in enumerate(requests):
            on_row(n)
            session = self.sessions[request.session]
            if not session.logged_in:
                report.reconnects += self._reconnect()
            session.send(request.packet)
            self._await_answer(request, report)
            report.answered += 1
            if n % 16 == 0 and self._look_at_sockets():
                report.reconnects += self._reconnect()
            self._beat()
        report.seconds = time.monotonic() - start
        return report

    def _beat(self) -> None:
        """Every second all sessions say that they live."""
        now = time.monotonic()
        if now > self._beaten_at + 1:
            self._beaten_at = now
            for session in self.sessions:
                session.heartbeat()

    def _catch_up(self) -> None:
        while len(self._stream.poll()):
            pass

    def _await_answer(self, request: Request, report: Report) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        looks = 0
        while not self._answer_came(request):
            looks += 1
            if looks % LOOKS_BEFORE_SOCKETS:
                continue
            # A connection can be found dead by a look at it, or by the send that failed.
            if self._look_at_sockets() or not self.sessions[request.session].logged_in:
                report.reconnects += self._reconnect()
                # The login came behind all that the dead port had proposed, and it is on the stream
                # by now: what is not there either was never proposed.
                if self._answer_came(request):
                    return
                self.sessions[request.session].send(request.packet)
                report.resent += 1
                deadline = time.monotonic() + ANSWER_SECONDS
            if time.monotonic() > deadline:
                raise LoadError(
                    f"no answer to line {request.row.line} (order {request.row.order_id}) on the "
                    f"stream within {ANSWER_SECONDS:.0f} s: see `ringbus status`"
                )

    def _answer_came(self, request: Request) -> bool:
        batch = self._stream.poll()
        self._idle.step(len(batch))
        if not len(batch):
            return False
        lines = batch.view(NEW_ORDER)
        mine = np.flatnonzero(lines["topic"] == self.sessions[request.session].topic)
        return any(
            lines["template_id"][n] in ANSWERS[request.row.verb]
            and lines["client_order_id"][n] == request.user_ref
            for n in mine
        )

    def paced(
        self,
        requests: Sequence[Request],
        rate: float,
        on_row: Callable[[int], None] = lambda n: None,
        quiet_s: float = ANSWER_SECONDS,
    ) -> Report:
        """Send `requests` open loop at `rate` a second; latency from the intended time.

        Returns when all is answered, or nothing came for `quiet_s` behind the last.
        """
        report = Report(requests=len(requests))
        # Whoever's silence was taken for death, while nobody loaded, comes back.
        self.settle(0)
        report.reconnects += self._reconnect()
        before = self._latency.snapshot()
        due: dict[tuple[int, bytes, int], list[float]] = {}
        start = time.monotonic()
        sent = 0
        last = start
        while report.answered < len(requests):
            now = time.monotonic()
            while sent < len(requests) and start + sent / rate <= now:
                request = requests[sent]
                kind = b"A" if request.row.verb == "NEW" else b"C"
                key = (request.session, kind, request.user_ref)
                due.setdefault(key, []).append(start + sent / rate)
                self.sessions[request.session].send(request.packet)
                sent += 1
                on_row(sent)
            for session in self.sessions:
                if session.out:
                    session.flush()
            self._beat()
            answered = report.answered
            self._receive_paced(report, due)
            if report.answered > answered:
                last = time.monotonic()
            if sent == len(requests) and time.monotonic() > last + quiet_s:
                break
        report.seconds = last - start
        report.latency = self._latency - before
        return report

    def _receive_paced(
        self, report: Report, due: dict[tuple[int, bytes, int], list[float]]
    ) -> None:
        for fileno, _ in self._epoll.poll(0.0002):
            session = self._registered[fileno]
            number = self.sessions.index(session)
            came: list[bytes] = []
            if not session.receive(came.append):
                raise LoadError(f"session {session.user} lost its connection under paced load")
            now = time.monotonic()
            for payload in came:
                kind = payload[:1]
                # A refused order answers the order, a refused cancel the cancel.
                kind = {b"J": b"A", b"I": b"C"}.get(kind, kind)
                waiting = due.get((number, kind, int.from_bytes(payload[9:13], "big")))
                if waiting:
                    self._latency.record(round((now - waiting.pop(0)) * 1e9))
                    report.answered += 1

    def settle(self, quiet_s: float = 0.3) -> None:
        """Take what the sessions are still sent, until no message came for `quiet_s`.

        Heartbeats are none: where the sessions were told something at different times, one of them
        has a heartbeat all the time.
        """
        heard, since = -1, 0.0
        while True:
            while self._epoll.poll(0):
                self._look_at_sockets()
            now, count = time.monotonic(), sum(len(one.received) for one in self.sessions)
            if count != heard:
                heard, since = count, now
            if now - since >= quiet_s:
                return
            self._epoll.poll(since + quiet_s - now)

    def await_messages(self, counts: Sequence[int]) -> None:
        """Take what the sessions are still sent, until each has had so many messages in all.

        Returns: after ANSWER_SECONDS too: what is missing then, whoever compares will say.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline and any(
            len(one.received) < count for one, count in zip(self.sessions, counts, strict=True)
        ):
            # Whoever's silence was taken for death comes back.
            self._reconnect()
            self._look_at_sockets(0.05)
            self._beat()

    def close(self) -> None:
        """Log all sessions out and let go of the stream."""
        for session in self.sessions:
            session.logout()
        self._shown.close()
        self._epoll.close()
        self._stream.close()
        self._idle.close()
        self._attachment.close()

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def main(argv: list[str] | None = None) -> int:
    """Run a load against an exchange that is up; 0 when everything was answered."""
    parser = Parser(prog="ringbus load", description=__doc__)
    parser.add_argument("exchange", help="name of a running exchange")
    parser.add_argument("orders", type=Path, help="order file (CSV or CSV.gz)")
    parser.add_argument("--clients", type=Path, required=True, help="CSV of user,password")
    parser.add_argument("--port", default="port.0", help="client port")
    parser.add_argument(
        "--mode",
        choices=("exact", "paced"),
        default="exact",
        help="one after the other in the order of the file, or at a rate",
    )
    parser.add_argument(
        "--rate", type=float, default=2000.0, metavar="N", help="paced: requests a second"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="first rows of the file only")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="record every hop meanwhile (`ringbus hist DIR`)"
    )
    parser.add_argument("--note", default="", help="what is recorded, in your words")
    parser.add_argument("--live", action="store_true", help="send it at a live exchange too")
    args = parser.parse_args(argv)
    if args.rate <= 0:
        parser.error("--rate must be above 0")
    try:
        state = find(args.exchange)
        if state is None:
            raise LoadError(f"exchange {args.exchange} is not up: `ringbus up TOPOLOGY` starts one")
        exchange = Exchange(Configuration.load(state.topology))
        if state.banner:
            print(state.banner, file=sys.stderr)
            if not args.live:
                raise LoadError(f"{state.name} is live, and a load sends orders; --live means it")
        report = _run(exchange, args)
    except (LoadError, ConfigurationError) as error:
        print(f"ringbus load: {error}", file=sys.stderr)
        return 1
    print(
        f"{report.requests:,} requests, {report.answered:,} answered in {report.seconds:.1f} s "
        f"({report.rate:,.0f}/s), {report.reconnects} reconnects"
    )
    if args.mode == "paced":
        print(table({HOP: report.latency}))
    return 0 if report.answered == report.requests else 1


def _run(exchange: Exchange, args: argparse.Namespace) -> Report:
    rows = load_orders(args.orders, args.limit)
    with ExitStack() as stack:
        load = stack.enter_context(Load(exchange, read_clients(args.clients), args.port))
        progress = stack.enter_context(Progress())
        requests = load.dealer.deal(rows)
        load.login()
        if args.output is not None:
            stack.enter_context(recorded(exchange.name, args.output, args.note))
        task = progress.add_task(args.mode, total=len(requests))

        def on_row(n: int) -> None:
            if n % 256 == 0:
                progress.update(task, completed=n)

        if args.mode == "exact":
            report = load.exact(requests, on_row)
        else:
            report = load.paced(requests, args.rate, on_row)
        progress.update(task, completed=len(requests))
        load.settle()
    return report


if __name__ == "__main__":
    sys.exit(main())
