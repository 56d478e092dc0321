"""Market data over real sockets: packets lost, late joiners, dead processes, hostile requests."""

from __future__ import annotations

import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ports.authenticator import Authenticator, hash_secret
from ports.itch import ItchMessage
from ports.market import MarketData, MarketSize
from ports.market_book import Imbalance, MarketBook
from ports.market_client import MarketClient
from ports.mold import END_OF_SESSION, Packet, encode_request
from ports.soup import SoupClientSession
from ports.tape_server import TapeServer
from ringbus.core import Core, create_page, page_bytes
from ringbus.idle import bells_bytes, create_bells
from ringbus.journal import Journal
from ringbus.marks import Marks, create_marks, marks_bytes
from ringbus.memory import Block
from ringbus.messages import IMBALANCE, CrossType, Side, Template
from ringbus.multicast import Writer, create_multicast, multicast_bytes, readers_bytes
from ringbus.replay import Stream
from tests.engine.profiles import PROFILES
from tests.engine.trader import Lines, lines
from tests.ports import market_day
from tests.ports.market_day import Watched, closing
from tests.ports.venue import rounds

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
SEGMENT = 1024
PROFILE = PROFILES["nasty"]
ROUNDS_MAX = 20_000
GROUP = "239.255.77.1"


def group_socket(port: int = 0) -> socket.socket:
    """A socket that has joined the group on the loopback interface."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    out.bind((GROUP if port else "", port))
    membership = socket.inet_aton(GROUP) + socket.inet_aton("127.0.0.1")
    out.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    out.setblocking(False)
    return out


def datagrams(one: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield one.recv(2048)
        except BlockingIOError:
            return


class Receiver:
    """A client with real sockets: the group's, of which it loses a share, and one for requests."""

    def __init__(self, port: int, server: int, loss: float, from_start: bool, seed: int) -> None:
        self.joined = group_socket(port)
        self.asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.asking.bind(("127.0.0.1", 0))
        self.asking.setblocking(False)
        self.server = server
        self.heard: Callable[[int, ItchMessage], None] = lambda number, message: None
        self.client = MarketClient(from_start, lambda number, message: self.heard(number, message))
        self.lost = 0
        self.asked = 0
        self._loss = loss
        self._draw = random.Random(seed)

    def step(self) -> None:
        for datagram in datagrams(self.joined):
            if self._draw.random() < self._loss:
                self.lost += 1
            else:
                self.client.on_packet(datagram)
        for datagram in datagrams(self.asking):
            self.client.on_packet(datagram)
        request = self.client.request()
        if request is not None:
            self.asked += 1
            self.asking.sendto(request, ("127.0.0.1", self.server))

    def close(self) -> None:
        self.joined.close()
        self.asking.close()


class Site:
    """A ring and a journal with the lines of a day, and a core with a manual clock."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ring, readers = Block(multicast_bytes(1 << 14)), Block(readers_bytes())
        create_multicast(self.ring, readers, 1 << 14, "stream")
        self.bells, self.page = Block(bells_bytes()), Block(page_bytes())
        create_bells(self.bells, "market")
        create_page(self.page, "market")
        self.core = Core(self.page, self.bells, "market", "spin", "manual")
        self.now_ns = START_NS
        self.core.set_time(self.now_ns)
        self.journal = Journal(directory, self.ring, readers, SEGMENT)
        self.core.add("journal", self.journal)
        self.writer = Writer(self.ring, readers)
        self.watched = Watched(PROFILE, seed=21)
        self.publish(market_day.Stream().publish(market_day.opening(PROFILE.instruments)))
        probe = group_socket()
        self.port = int(probe.getsockname()[1])
        probe.close()

    def publish(self, lines: Lines) -> None:
        assert self.writer.publish(np.ascontiguousarray(lines)) == len(lines)
        self.core.round()

    def stream(self, **fields: object) -> Stream:
        return Stream(self.ring, self.directory, SEGMENT, **fields)  # type: ignore[arg-type]

    def agent(self, **fields: object) -> MarketData:
        size = MarketSize(PROFILE.instruments, 1, PROFILE.orders, 1 << 24, 1 << 19)
        return MarketData("DAY1", size, self.core, self.stream(**fields), 512)

    def advance(self, nanoseconds: int) -> None:
        self.now_ns += nanoseconds
        self.core.set_time(self.now_ns)

    def trade(self, messages: int) -> None:
        for _ in range(messages):
            self.publish(self.watched.step())

    def close(self) -> None:
        self.writer.close()
        self.journal.close()
        self.core.close()
        self.watched.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


def settle(*agents: MarketData | TapeServer) -> None:
    """Rounds until nobody has anything to do."""
    for _ in range(ROUNDS_MAX):
        if sum(one.do_work(256) for one in agents) == 0:
            return
    raise AssertionError("it never came to rest")


def until(condition: Callable[[], bool], *steps: Callable[[], object]) -> None:
    for _ in rounds():
        if condition():
            return
        for step in steps:
            step()
    raise AssertionError("it never came to that")


def catch_up(agent: MarketData) -> None:
    until(lambda: agent.is_live, lambda: agent.do_work(256))


def state_of(book: MarketBook) -> dict[int, list[tuple[str, int, int, int]]]:
    """Every order of every instrument in the order of time."""
    return {
        locate: [(one.side, one.reference, one.price, one.shares) for one in row.orders.values()]
        for locate, row in book.instruments.items()
    }


def imbalances(book: MarketBook) -> dict[int, Imbalance | None]:
    """What was said last of each instrument's auction."""
    return {locate: row.imbalance for locate, row in book.instruments.items()}


def say_imbalance(site: Site, draw: random.Random) -> None:
    """As an auction would; what it says is its own affair."""
    line = lines(
        IMBALANCE,
        Template.IMBALANCE,
        instrument=draw.randrange(PROFILE.instruments),
        reference_ticks=100,
        near_ticks=draw.randrange(90, 110),
        paired=draw.randrange(1000),
        imbalance=draw.randrange(1, 1000),
        side=draw.choice((Side.BUY, Side.SELL)),
        cross_type=draw.choice(list(CrossType)),
    )
    said = site.watched.stream.publish(line)
    site.watched.market.hear(said)
    site.publish(said)


def test_books_of_lossy_packets_equal_the_engines_at_every_1000th_message(site: Site) -> None:
    """R26, R39, R48: 5 % of the packets dropped at random, one late joiner with a snapshot.

    Auctions with their crosses and imbalances among them.
    """
    with site.agent() as sender, site.agent() as server, site.agent() as tapes:
        sender.send_to(GROUP, site.port)
        requests = server.answer_at()
        receivers = [Receiver(site.port, requests, 0.05, from_start=True, seed=1)]
        marks: dict[int, tuple[object, object]] = {}
        truth, read = MarketBook(), 0
        checked = [0, 0]
        kinds: Counter[str] = Counter()
        draw = random.Random(5)

        def listen(which: int, receiver: Receiver) -> None:
            def heard(number: int, message: ItchMessage) -> None:
                kinds[message.kind] += which == 0
                if number % 1000 == 0:
                    orders, auctions = marks[number]
                    assert state_of(receiver.client.book) == orders
                    # Who comes late hears of an auction when it is spoken of again.
                    assert which == 1 or imbalances(receiver.client.book) == auctions
                    checked[which] += 1

            receiver.heard = heard

        listen(0, receivers[0])
        for step in range(400):
            if step == 150:
                # The late joiner: it hears packets, and then gets a snapshot.
                receivers.append(Receiver(site.port, requests, 0.05, from_start=False, seed=2))
                listen(1, receivers[1])
            if step == 160:
                assert not receivers[1].client.has_book
                snapshot = tapes.snapshot()
                assert snapshot is not None
                assert receivers[1].client.on_snapshot(
                    message for _, message in snapshot_session(snapshot)
                )
            site.trade(25)
            say_imbalance(site, draw)
            settle(sender, server, tapes)
            while read < tapes.messages:
                number, message = read + 1, market_day.decoded(tapes.copy(read + 1, 1))
                truth.apply(message)
                read = number
                if number % 1000 == 0:
                    marks[number] = state_of(truth), imbalances(truth)
            site.watched.read()
            site.watched.compare()
            assert state_of(truth) == state_of(site.watched.book)
            site.advance(SECOND_NS // 10)
            for receiver in receivers:
                receiver.step()
        site.advance(SECOND_NS)
        settle(sender)
        for receiver in receivers:
            steps = receiver.step, lambda: settle(sender, server), lambda: site.advance(SECOND_NS)
            until(lambda receiver=receiver: receiver.client.is_current, *steps)  # type: ignore[misc]
            assert receiver.client.next_number == sender.messages + 1
            assert state_of(receiver.client.book) == state_of(truth)
            assert receiver.lost > 20
            assert receiver.asked > 10
            receiver.close()
        assert sender.messages > 7000
        assert (kinds["I"], kinds["Q"] > 20) == (400, True)
        assert checked[0] == sender.messages // 1000
        assert checked[1] >= checked[0] // 2
        assert server.counts["answers"] > 20


def snapshot_session(packets: bytes) -> list[tuple[int, bytes]]:
    """What a client of SoupBinTCP makes of a snapshot."""
    session = SoupClientSession("MARKET", "SECRET")
    accepted = (31).to_bytes(2, "big") + b"A" + b"DAY1".rjust(10) + b"1".rjust(20)
    return session.feed(accepted + packets)


def test_packets_are_full_numbered_and_end_with_the_day(site: Site) -> None:
    """Heartbeats when nothing is said, the end of the session again and again behind the last."""
    joined = group_socket(site.port)
    with site.agent() as sender:
        sender.send_to(GROUP, site.port)
        settle(sender)
        assert [Packet.decode(one) for one in datagrams(joined)] == [
            Packet("DAY1", sender.messages + 1)
        ]
        first = sender.messages + 1
        lines = [site.watched.step() for _ in range(40)]
        site.publish(np.concatenate(lines))
        settle(sender)
        packets = [Packet.decode(one) for one in datagrams(joined)]
        assert packets[0].number == first
        for packet, after in pairwise(packets):
            assert after.number == packet.number + len(packet.messages)
            size = len(packet.encode())
            assert size <= 512
            assert size + 2 + len(after.messages[0]) > 512, "another one had room"
        last = packets[-1]
        assert last.number + len(last.messages) == sender.messages + 1
        said = b"".join(len(m).to_bytes(2, "big") + m for p in packets for m in p.messages)
        assert said == sender.copy(first)
        site.advance(SECOND_NS)
        settle(sender)
        heartbeat = Packet("DAY1", sender.messages + 1)
        assert [Packet.decode(one) for one in datagrams(joined)] == [heartbeat]
        site.publish(site.watched.stream.publish(closing()))
        for _ in range(3):
            settle(sender)
            site.advance(SECOND_NS)
        packets = [Packet.decode(one) for one in datagrams(joined)]
        assert [one.is_end for one in packets] == [False, True, True]
        assert packets[-1].number == sender.messages + 1
    joined.close()


def test_a_restarted_agent_numbers_as_the_dead_one_did(site: Site) -> None:
    """R33: killed between two rounds; its clients lose nothing that they cannot ask for."""
    with site.agent() as server:
        requests = server.answer_at()
        receiver = Receiver(site.port, requests, 0.0, from_start=True, seed=3)
        for _ in range(4):
            site.trade(50)
            sender = site.agent()
            sender.send_to(GROUP, site.port)
            # It dies without having sent all.
            catch_up(sender)
            site.trade(50)
            sender.do_work(20)
            sender.close()
            receiver.step()
        with site.agent() as sender:
            sender.send_to(GROUP, site.port)
            until(
                lambda: sender.is_live and receiver.client.next_number > sender.messages,
                lambda: settle(sender, server),
                receiver.step,
                lambda: site.advance(SECOND_NS),
            )
            site.watched.read()
            assert state_of(receiver.client.book) == state_of(site.watched.book)
            assert sender.copy(1) == server.copy(1)
        receiver.close()


def ask(asking: socket.socket, server: MarketData, port: int, request: bytes) -> list[bytes]:
    asking.sendto(request, ("127.0.0.1", port))
    settle(server)
    return list(datagrams(asking))


def test_requests_are_answered_and_nonsense_is_not(site: Site) -> None:
    """R29: what is asked for and there, in one packet; nothing for the rest, which is counted."""
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.setblocking(False)
    with site.agent() as server:
        port = server.answer_at()
        site.trade(100)
        settle(server)
        for number, count in ((1, 3), (2, 1), (server.messages, 5), (5, 65535)):
            (answer,) = ask(asking, server, port, encode_request("DAY1", number, count))
            packet = Packet.decode(answer)
            assert (packet.session, packet.number) == ("DAY1", number)
            most = min(count, server.messages - number + 1)
            assert 1 <= len(packet.messages) <= most
            assert len(packet.messages) == most or len(answer) > 512 - 52
            framed = b"".join(len(m).to_bytes(2, "big") + m for m in packet.messages)
            assert framed == server.copy(number, len(packet.messages))
        before = server.counts["ignored"]
        nonsense = [
            *(b"", b"x", bytes(19), encode_request("OTHER", 1, 1), encode_request("DAY1", 0, 1)),
            *(encode_request("DAY1", 1, 0), encode_request("DAY1", server.messages + 1, 1)),
            *(encode_request("DAY1", 2**64 - 1, END_OF_SESSION), encode_request("DAY1", 1, 9)[:18]),
        ]
        for request in nonsense:
            assert ask(asking, server, port, request) == []
        assert server.counts["ignored"] == before + len(nonsense)
        # A packet from somebody who is no peer goes nowhere.
        assert ask(asking, server, port, Packet("DAY1", 1, (b"abc",)).encode()) == []
    asking.close()


def test_a_server_that_is_behind_asks_another(site: Site) -> None:
    """R51: the answer of the peer reaches who asked the one that does not have it."""
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.setblocking(False)
    with site.agent() as whole, site.agent() as behind:
        behind.add_peer("127.0.0.1", whole.answer_at())
        port = behind.answer_at()
        site.trade(400)
        settle(whole)
        # One round of a few lines: it is not live.
        behind.do_work(4)
        assert not behind.is_live
        assert behind.messages < 20
        got: list[bytes] = []
        asking.sendto(encode_request("DAY1", 300, 4), ("127.0.0.1", port))
        for _ in range(3):
            behind.do_work(1)
            settle(whole)
            got += datagrams(asking)
        (answer,) = got
        assert Packet.decode(answer).number == 300
        assert answer[20:] == whole.copy(300, 4)
        assert behind.counts["relayed"] == 1
    asking.close()


def test_nothing_is_said_that_the_journals_do_not_have(site: Site) -> None:
    """R30, R31: market data waits for the marks as clients' answers do."""
    marks = Block(marks_bytes())
    create_marks(marks, "marks")
    kept = Marks(marks)
    place = kept.place("journal")
    with site.agent(marks=marks, copies=1) as held, site.agent() as free:
        site.trade(200)
        settle(held, free)
        assert held.messages == 0
        kept.set(place, 150)
        settle(held, free)
        assert 0 < held.messages < free.messages
        kept.set(place, 1 << 40)
        settle(held, free)
        assert held.copy(1) == free.copy(1)


# --- SoupBinTCP ----------------------------------------------------------------------------------

SECRET = hash_secret("SECRET", b"salt", cost=2)


class Tcp:
    """A client of the tape server."""

    def __init__(self, port: int, password: str = "SECRET", session: str = "", start: int = 1):
        self.session = SoupClientSession("MARKET", password, session=session, next_sequence=start)
        self.messages: list[tuple[int, bytes]] = []
        self.closed = False
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.socket.sendall(self.session.login())

    def step(self) -> None:
        if self.closed:
            return
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        self.closed = not data
        self.messages += self.session.feed(data)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def served(site: Site) -> Iterator[tuple[Site, TapeServer, Authenticator]]:
    with site.agent() as market, TapeServer(market, lambda: site.now_ns) as server:
        yield site, server, Authenticator(server, {"MARKET": SECRET})


Served = tuple[Site, TapeServer, Authenticator]


def test_the_whole_day_comes_over_tcp_from_any_message_on(served: Served) -> None:
    site, server, authenticator = served
    port = server.listen(snapshots=False)
    site.trade(2000)
    steps = (lambda: server.do_work(256), authenticator.step)
    clients = [Tcp(port), Tcp(port, start=700, session="DAY1")]
    with site.agent() as other:
        catch_up(other)
        for client, start in zip(clients, (1, 700), strict=True):
            until(
                lambda client=client: client.session.next_sequence > other.messages,  # type: ignore[misc]
                *steps,
                client.step,
            )
            assert client.messages[0][0] == start
            framed = b"".join(len(m).to_bytes(2, "big") + m for _, m in client.messages)
            assert framed[: 1 << 16] == other.copy(start)[: 1 << 16]
        site.publish(site.watched.stream.publish(closing()))
        for client in clients:
            until(lambda client=client: client.closed, *steps, client.step)  # type: ignore[misc]
            assert client.session.ended
            client.close()


def test_a_snapshot_over_tcp_and_the_packets_behind_it_make_a_book(served: Served) -> None:
    """The client's way in: join, log in, read until G, fill the gap, go on."""
    site, server, authenticator = served
    port = server.listen(snapshots=True)
    with site.agent() as sender, site.agent() as requests:
        sender.send_to(GROUP, site.port)
        answers = requests.answer_at()
        receiver = Receiver(site.port, answers, 0.05, from_start=False, seed=4)
        tcp = Tcp(port)
        steps = (lambda: server.do_work(256), authenticator.step, tcp.step, receiver.step)
        site.trade(1000)
        settle(sender, requests)
        until(lambda: tcp.closed, *steps, lambda: site.trade(1), lambda: settle(sender, requests))
        assert tcp.session.ended
        assert receiver.client.on_snapshot(message for _, message in tcp.messages)
        site.trade(200)
        settle(sender, requests)
        until(
            lambda: receiver.client.is_current
            and receiver.client.next_number == sender.messages + 1,
            *(*steps, lambda: settle(sender, requests), lambda: site.advance(SECOND_NS)),
        )
        site.watched.read()
        assert state_of(receiver.client.book) == state_of(site.watched.book)
        tcp.close()
        receiver.close()


def test_logins_to_the_tape_are_checked_and_bad_clients_cut_off(served: Served) -> None:
    """R29: a wrong password, another session, nonsense, silence."""
    site, server, authenticator = served
    port = server.listen(snapshots=False)
    steps = (lambda: server.do_work(256), authenticator.step)
    for password, session, code in (("WRONG", "", "A"), ("SECRET", "DAY2", "S")):
        client = Tcp(port, password, session)
        until(lambda client=client: client.closed, *steps, client.step)  # type: ignore[misc]
        assert client.session.reject_code == code
        client.close()
    bad = socket.create_connection(("127.0.0.1", port))
    bad.sendall(struct.pack(">H", 5000) + b"U")
    silent = Tcp(port)
    until(lambda: server.counts["cut"] == 1, *steps)
    until(lambda: silent.session.accepted, *steps, silent.step)
    site.advance(16 * SECOND_NS)
    until(lambda: silent.closed, *steps, silent.step)
    for one in (bad, silent):
        one.close()
    assert server.counts["refused"] == 2


def test_who_goes_with_the_last_byte_hurts_nobody(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R29: closed with something unread, the connection is reset while the server says farewell."""
    site, server, authenticator = served
    port = server.listen(snapshots=True)
    steps = (lambda: server.do_work(256), authenticator.step)
    gone = Tcp(port)
    shutdown = socket.socket.shutdown

    def after_a_reset(one: socket.socket, how: int) -> None:
        gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()
        shutdown(one, how)

    monkeypatch.setattr(socket.socket, "shutdown", after_a_reset)
    until(lambda: gone.socket.fileno() < 0, *steps)
    monkeypatch.undo()
    other = Tcp(port)
    until(lambda: other.closed, *steps, other.step)
    assert other.session.ended
    other.close()
