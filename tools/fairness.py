"""Fairness: is any connection of a port told first more often than chance would have it?

A throw-away exchange is started on this host. Its clients connect all at once, in an order that is
drawn anew each time; then messages that all must see are put onto the stream one by one, and the
kernel's own time stamp says when each reached each client, however slowly this program reads.
Judged (tools/ranks.py) are the place in the order of connecting, and the session.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ports.authenticator import hash_secret
from ringbus._ringbus import lib
from ringbus.idle import Idle, bell_mask
from ringbus.lane import Lane
from ringbus.messages import BUILD_RECORD, INSTRUMENT_NONE, MESSAGE, Flag, Template
from ringbus.replay import Replay
from ringbus.status import RingbusError, check
from tools.crowd import PASSWORD, Crowd, FairnessError, Server
from tools.exchange import Exchange, launched
from tools.launcher import LaunchError
from tools.manual import Parser
from tools.memory import Attachment
from tools.open_files import FILES_BESIDE, raise_files
from tools.ranks import MESSAGES_MIN, Verdict, judge
from tools.topology import ConfigurationError
from tools.units import duration

# Verified once a client at every connect: that is not what is measured.
COST = 2
ALPHA = 1e-4


class Herald:
    """A port of a throw-away exchange, and the console's way to tell all its clients something.

    Such a message stands for the beginning of a day: no exchange that anybody uses is measured so.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.address = exchange.port("port.0")
        topology = exchange.configuration.topology
        self._shared = Attachment(exchange.name)
        self._lane = Lane(self._shared.attach("lane.console", writable=True))
        self._doorbell = self._shared.attach("doorbell", writable=True)
        bells = self._shared.attach("bells", writable=True)
        self._idle = Idle(bells, f"fairness.{os.getpid()}")
        self._sequencer = bell_mask(bells, topology.core_of("sequencer").name)
        stream = Replay(self._shared.attach("stream"), None, 1, topology.journal.segment_messages)
        self._line = np.zeros(1, BUILD_RECORD)
        self._line["template_id"] = Template.BUILD_RECORD
        self._line["flags"] = Flag.LAST_OF_GROUP
        self._line["instrument"] = INSTRUMENT_NONE
        while len(batch := stream.poll()):
            own = batch[(batch["topic"] == 0) & (batch["shard"] == 0)]
            if len(own):
                self._line["topic_sequence"] = own["topic_sequence"][-1]
        stream.close()

    def tell_all(self) -> None:
        """Put one more message on the stream; does not wait for it."""
        self._line["topic_sequence"] += 1
        self._lane.offer(self._line.view(MESSAGE))
        check(lib.rb_doorbell_press(self._doorbell.address, 0), "doorbell")
        self._idle.ring(self._sequencer)

    def close(self) -> None:
        """Let go of the exchange."""
        self._idle.close()
        self._shared.close()


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured: by the place in the order of connecting, and by the session.

    `delays_us` is how long behind the first, shape (messages, places), by place.
    """

    by_place: Verdict
    by_session: Verdict
    delays_us: NDArray[np.float64]

    def is_fair(self, alpha: float = ALPHA) -> bool:
        """Whether nobody is favoured; `alpha`: the chance of saying no though nobody is."""
        return self.by_place.is_fair(alpha / 2) and self.by_session.is_fair(alpha / 2)


def measure(server: Server, users: Sequence[str], orders: int, messages: int, seed: int) -> Result:
    """Connect all users in `orders` orders, and tell them `messages` messages each time.

    Raises: FairnessError: it could not be measured.
    """
    source = np.random.default_rng(seed)
    by_place, by_session = [], []
    with Crowd(users) as crowd:
        for _ in range(orders):
            order = source.permutation(len(users))
            crowd.connect(server, order.tolist())
            times = crowd.listen(server, messages)
            by_session.append(times)
            by_place.append(times[:, order])
    places = np.concatenate(by_place)
    delays_us = (places - places.min(axis=1, keepdims=True)) / 1000
    return Result(judge(places), judge(np.concatenate(by_session)), delays_us)


def report(result: Result, alpha: float = ALPHA) -> str:
    """What to tell the operator."""
    first = result.by_place
    lines = [f"{first.messages} messages to {len(first.mean_ranks)} clients, all of them each"]
    for name, verdict in (("place", first), ("session", result.by_session)):
        ranks = verdict.mean_ranks
        lines.append(
            f"by {name}: mean rank {ranks.min():.2f} to {ranks.max():.2f} "
            f"(fair: {(len(ranks) + 1) / 2:.1f}), p = {verdict.mean_p:.3g}; "
            f"{name} {verdict.pair[0] + 1} is before {name} {verdict.pair[1] + 1} in "
            f"{verdict.before:.1%} of the messages, p = {verdict.pair_p:.3g}"
        )
    lines.append("behind the first to be told, by place in the order of connecting:")
    for name, place in (("earliest", first.best), ("latest", first.worst)):
        p50, p99 = np.percentile(result.delays_us[:, place], (50, 99))
        lines.append(
            f"  {name} on average: place {place + 1}, "
            f"p50 {duration(p50 * 1000)}, p99 {duration(p99 * 1000)}"
        )
    fair = result.is_fair(alpha)
    lines.append("nobody is favoured" if fair else "UNFAIR: somebody is systematically earlier")
    return "\n".join(lines)


def topology_text(name: str, clients: int) -> str:
    """A small exchange for so many clients, whose port has a core of its own."""
    return f"""[exchange]
name = "{name}"
session = "FAIRNESS"
directory = "out"
instruments = "instruments.csv"
participants = "participants.csv"
acknowledge = "published"
[limits]
orders = 1024
price_nodes = 1024
connections = {2 * clients}
client_orders = 1024
client_messages = 4194304
[[port]]
name = "port.0"
[[core]]
name = "engine"
agents = ["sequencer", "shard.0", "publisher", "journal"]
[[core]]
name = "edge"
agents = ["port.0"]
"""


def write_exchange(directory: Path, clients: int) -> tuple[Path, list[str]]:
    """The files of a throw-away exchange; its topology file and its users."""
    users = [f"F{n:05}" for n in range(clients)]
    secret = hash_secret(PASSWORD, cost=COST)
    rows = [f"{user},{n + 1},{n + 1},FAIR,{secret}" for n, user in enumerate(users)]
    (directory / "participants.csv").write_text(
        "\n".join(["user,session,account,firm,secret", *rows]) + "\n", encoding="ascii"
    )
    (directory / "instruments.csv").write_text(
        "symbol,tick,lot,price_min,price_max,quantity_max\nA,0.01,1,0.01,1999.99,1000000\n",
        encoding="ascii",
    )
    path = directory / "fairness.toml"
    path.write_text(topology_text(f"fairness-{os.getpid()}", clients), encoding="ascii")
    return path, users


def main(argv: Sequence[str] | None = None) -> int:
    """Measure this build on this host."""
    parser = Parser(prog="ringbus fairness", description=__doc__)
    parser.add_argument("--clients", type=int, default=64, metavar="N", help="3 or more")
    parser.add_argument("--orders", type=int, default=8, metavar="N", help="in which they connect")
    parser.add_argument(
        "--messages", type=int, default=200, metavar="N", help="after each connecting"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the orders")
    parser.add_argument(
        "--alpha",
        type=float,
        default=ALPHA,
        metavar="P",
        help="chance of a false alarm, above 0, below 1",
    )
    args = parser.parse_args(argv)
    if args.clients < 3 or args.orders * args.messages < MESSAGES_MIN or args.orders < 1:
        parser.error(f"at least 3 clients and {MESSAGES_MIN} messages in all")
    if not raise_files(args.clients + FILES_BESIDE):
        parser.error("each client is an open file, and so many are not allowed (`ulimit -Hn`)")
    try:
        with tempfile.TemporaryDirectory(prefix="ringbus-fairness-") as directory:
            path, users = write_exchange(Path(directory), args.clients)
            with launched(path) as exchange, contextlib.closing(Herald(exchange)) as herald:
                result = measure(herald, users, args.orders, args.messages, args.seed)
    except (FairnessError, LaunchError, ConfigurationError, RingbusError) as error:
        print(f"ringbus fairness: {error}", file=sys.stderr)
        return 2
    print(report(result, args.alpha))
    return 0 if result.is_fair(args.alpha) else 1


if __name__ == "__main__":
    sys.exit(main())
