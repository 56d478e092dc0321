"""How much later, or sooner, a drop copy has a message than its client: `make bench-drop`.

Real processes over loopback TCP: an engine, a client port, a drop port (OUCH) and one over FIX,
each parked on a core of its own, or the OUCH drop beside the client port in one process. One
client, one order in flight at a paced rate. The kernel stamps every segment as it comes
(SO_TIMESTAMPNS), on loopback in the sender's own call: that is when a port had sent it, and readers
that wake late are not in the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import select
import socket
import struct
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from ports.authenticator import hash_secret
from ports.fix import FIX44, Decoder, encode, time_text
from ports.ouch import EnterOrder
from ports.soup import SoupClientSession
from tools.exchange import Exchange, launched

# asm-generic/socket.h; the socket module does not name it.
SO_TIMESTAMPNS = 35
PRICE = 100_0000
TOPOLOGY = """\
[exchange]
name = "{name}"
session = "BENCH"
directory = "out"
instruments = "instruments.csv"
participants = "participants.csv"
acknowledge = "published"
[[port]]
name = "port.0"
[[application]]
name = "drop.0"
kind = "drop"
users = ["DROP"]
[[application]]
name = "drop.fix"
kind = "drop"
protocol = "fix"
comp_id = "RINGBUS"
users = ["FIXDRP"]
[[core]]
name = "engine"
agents = ["sequencer", "shard.0", "publisher"]
[[core]]
name = "files"
agents = ["journal"]
[[core]]
name = "fix"
agents = ["drop.fix"]
"""
PLACES = {
    "in processes of their own": (["port.0"], ["drop.0"]),
    "in one process": (["port.0", "drop.0"],),
}


def write(directory: Path, name: str, cores: tuple[list[str], ...]) -> Path:
    """An exchange with one who trades and two who listen."""
    secret = hash_secret("SECRET", b"sixteen bytes ok", 1024)
    (directory / "instruments.csv").write_text(
        "symbol,tick,lot,price_min,price_max,quantity_max\nS0,0.01,1,0.01,1999.99,1000000\n"
    )
    (directory / "participants.csv").write_text(
        "user,session,account,firm,secret,hears\n"
        f"ALICE,1,1,ACME,{secret},\nDROP,2,9,OPS,{secret},ALICE\nFIXDRP,3,9,OPS,{secret},ALICE\n"
    )
    text = TOPOLOGY.format(name=name)
    for n, agents in enumerate(cores):
        listed = ", ".join(f'"{one}"' for one in agents)
        text += f'[[core]]\nname = "edge-{n}"\nagents = [{listed}]\n'
    path = directory / f"{name}.toml"
    path.write_text(text)
    return path


@dataclass
class Reader:
    """One connection; `came_ns` says when its messages had been sent, `last_ns` the last bytes."""

    socket: socket.socket
    came_ns: list[int] = field(default_factory=list)
    last_ns: int = 0

    def receive(self) -> bytes:
        """Take one segment's bytes; and when it was sent."""
        data, control, _, _ = self.socket.recvmsg(1 << 16, 64)
        if not data:
            raise EOFError("a port has closed the connection")
        (_, _, stamp), *_ = control
        seconds, nanoseconds = struct.unpack("qq", stamp)
        self.last_ns = seconds * 1_000_000_000 + nanoseconds
        return data


def connect(tcp: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", tcp))
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return one


class Ouch(Reader):
    """A client of OUCH, or a drop copy of one."""

    def __init__(self, tcp: int, user: str) -> None:
        super().__init__(connect(tcp))
        self.session = SoupClientSession(user, "SECRET", next_sequence=0)
        self.payloads: list[bytes] = []
        self.socket.sendall(self.session.login())
        while not self.session.accepted:
            self.session.feed(self.socket.recv(4096))

    def take(self) -> None:
        """What has come."""
        for _, payload in self.session.feed(self.receive()):
            if payload[:1] != b"S":
                self.came_ns.append(self.last_ns)
                self.payloads.append(payload)


class Fix(Reader):
    """A drop copy over FIX."""

    def __init__(self, tcp: int) -> None:
        super().__init__(connect(tcp))
        self._decoder = Decoder()
        self._number = 0
        self._say("A", (98, "0"), (108, "3600"), (554, "SECRET"))
        while not any(message.type == "A" for message in self._decode(self.socket.recv(4096))):
            pass

    def _say(self, kind: str, *fields: tuple[int, str]) -> None:
        self._number += 1
        header = [(34, str(self._number)), (49, "FIXDRP"), (52, time_text(time.time_ns()))]
        self.socket.sendall(encode(FIX44, kind, [*header, (56, "RINGBUS"), *fields]))

    def _decode(self, data: bytes) -> Decoder:
        self._decoder.feed(data)
        return self._decoder

    def take(self) -> None:
        """What has come."""
        for message in self._decode(self.receive()):
            if message.type == "8":
                self.came_ns.append(self.last_ns)


def measure(exchange: Exchange, orders: int, rate: float) -> tuple[Ouch, Ouch, Fix]:
    """Orders that are accepted and, as nobody sells, canceled: all three hear of both."""
    ports = exchange.state.ports
    alice, drop, fix = (
        Ouch(ports["port.0"], "ALICE"),
        Ouch(ports["drop.0"], "DROP"),
        Fix(ports["drop.fix"]),
    )
    readers = {one.socket: one for one in (alice, drop, fix)}
    due = time.monotonic()
    for n in range(1, orders + 1):
        due += 1 / rate
        while time.monotonic() < due:
            pass
        order = EnterOrder(n, "B", 100, "S0", PRICE - n % 50 * 100, "3")
        alice.socket.sendall(alice.session.unsequenced(order.encode()))
        while min(len(one.came_ns) for one in readers.values()) < 2 * n:
            for one in select.select(readers, [], [], 5)[0]:
                readers[one].take()
    for one in readers:
        one.close()
    return alice, drop, fix


def report(what: str, client: list[int], drop: list[int]) -> None:
    """The distribution of what the drop copy was later than the client."""
    later = sorted((b - a) / 1000 for a, b in zip(client, drop, strict=True))

    def at(part: float) -> float:
        return later[min(len(later) - 1, int(part * len(later)))]

    first = sum(one < 0 for one in later) / len(later)
    print(
        f"{what:32} p1 {at(0.01):8.1f}  p50 {at(0.5):7.1f}  p99 {at(0.99):8.1f}  "
        f"p99.9 {at(0.999):8.1f} us; drop first {100 * first:4.1f} % of {len(later)}",
        flush=True,
    )


def main() -> int:
    """Each placement in turn, several rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("orders", nargs="?", type=int, default=3000)
    parser.add_argument("rounds", nargs="?", type=int, default=2)
    parser.add_argument("rate", nargs="?", type=float, default=1000)
    options = parser.parse_args()
    for turn in range(options.rounds):
        for n, (place, cores) in enumerate(PLACES.items()):
            with tempfile.TemporaryDirectory(prefix="ringbus-drop-") as directory:
                path = write(Path(directory), f"bench-drop-{turn}-{n}", cores)
                with launched(path) as exchange:
                    alice, drop, fix = measure(exchange, options.orders, options.rate)
            if drop.payloads != alice.payloads:
                print("the drop copy is not what the client was shown", file=sys.stderr)
                return 1
            # Times of day are in them, so only their kinds and numbers are the same each time.
            kinds = b"".join(one[:1] + one[9:13] for one in alice.payloads)
            print(f"{place}: result hash {hashlib.sha256(kinds).hexdigest()[:8]}")
            report("OUCH drop, later than client", alice.came_ns, drop.came_ns)
            report("FIX drop, later than client", alice.came_ns, fix.came_ns)
    return 0


if __name__ == "__main__":
    sys.exit(main())
