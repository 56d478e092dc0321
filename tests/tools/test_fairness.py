"""Who is told first: the tests on ranks, ports that are unfair on purpose, and the real one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from ports.soup import LOGIN_ACCEPTED, SEQUENCED, encode_packet
from tools import fairness
from tools.fairness import measure, report
from tools.ranks import chi_square_tail, judge, rank

CLIENTS = 16
USERS = [f"F{n:05}" for n in range(CLIENTS)]
# A false alarm once in a million runs of these tests.
ALPHA = 1e-6
# Order of the clients for message n.
Order = Callable[[int], Sequence[int] | NDArray[np.int64]]
SOURCE = np.random.default_rng(7)
ORDERS: dict[str, Order] = {
    "list": lambda n: np.arange(CLIENTS),
    "rotated": lambda n: np.roll(np.arange(CLIENTS), -n),
    # In every other message.
    "one favoured": lambda n: sorted(
        SOURCE.permutation(CLIENTS), key=lambda who: n % 2 and who != 3
    ),
    "drawn": lambda n: SOURCE.permutation(CLIENTS),
}


def times_of(order: Order, messages: int) -> NDArray[np.int64]:
    """When each is told if the n-th of the order is at n."""
    return np.array([np.argsort(order(n)) for n in range(messages)])


def test_ranks_share_ties() -> None:
    times = np.array([[30, 10, 20], [5, 5, 1], [7, 7, 7]])
    assert rank(times).tolist() == [[3, 1, 2], [2.5, 2.5, 1], [2, 2, 2]]


@pytest.mark.parametrize(
    ("value", "degrees", "tail"),
    [(18.307, 10, 0.05), (37.566, 20, 0.01), (124.342, 100, 0.05), (149.449, 100, 0.001)],
)
def test_the_tail_of_chi_square(value: float, degrees: int, tail: float) -> None:
    """Values of the tables."""
    assert chi_square_tail(value, degrees) == pytest.approx(tail, rel=0.02)


def test_what_is_wrong_is_told_apart() -> None:
    in_order = judge(times_of(ORDERS["list"], 100))
    assert in_order.mean_p < ALPHA
    assert (in_order.best, in_order.worst, in_order.before) == (0, CLIENTS - 1, 1.0)
    # Everybody is as often early as the others, but behind the same one nearly always.
    rotated = judge(times_of(ORDERS["rotated"], 160))
    assert rotated.mean_p == pytest.approx(1.0)
    assert rotated.pair_p < ALPHA
    assert rotated.before == pytest.approx(1 - 1 / CLIENTS)
    assert (rotated.pair[1] - rotated.pair[0]) % CLIENTS == 1
    favoured = judge(times_of(ORDERS["one favoured"], 400))
    assert favoured.mean_p < ALPHA
    assert favoured.best == 3


def test_chance_is_not_taken_for_a_favour() -> None:
    """Of 200 fair ports at most a few are suspected at 1 %; their p-values are spread evenly."""
    source = np.random.default_rng(1)
    fair = [judge(source.random((100, 12)).argsort(axis=1)) for _ in range(200)]
    assert sum(not one.is_fair(0.01) for one in fair) <= 8
    assert 0.4 < np.mean([one.mean_p for one in fair]) < 0.6


def test_too_little_to_judge_by() -> None:
    for shape in ((19, 10), (100, 2)):
        with pytest.raises(ValueError, match="too few"):
            judge(np.zeros(shape, np.int64))


class FakePort:
    """A port that takes every login and tells everybody in an order of its own; use it with `with`.

    The order is that of a list of connections, which they join as they connect.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=CLIENTS)
        self.address = self._listener.getsockname()
        self._list: list[socket.socket] = []
        self._told = 0
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            wire, _ = self._listener.accept()
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not wire.recv(1000):
                wire.close()
                return
            self._list.append(wire)
            wire.sendall(encode_packet(LOGIN_ACCEPTED, f"{'FAKE':>10}{1:>20}".encode()))

    def tell_all(self) -> None:
        for n in self._order(self._told):
            self._list[n - CLIENTS].send(encode_packet(SEQUENCED, b"something"))
        self._told += 1

    def __enter__(self) -> FakePort:
        return self

    def __exit__(self, *unused: object) -> None:
        socket.create_connection(self.address).close()
        self._thread.join()
        self._listener.close()
        for wire in self._list:
            wire.close()


@pytest.mark.parametrize("kind", ORDERS)
def test_a_port_that_favours_somebody_is_found(kind: str) -> None:
    with FakePort(ORDERS[kind]) as port:
        result = measure(port, USERS, 3, 100, 1)
    said = report(result, ALPHA)
    assert result.delays_us.shape == (300, CLIENTS)
    assert result.delays_us.min() == 0
    if kind == "drawn":
        assert result.is_fair(ALPHA)
        assert said.endswith("nobody is favoured")
        return
    assert not result.is_fair(ALPHA)
    assert said.endswith("UNFAIR: somebody is systematically earlier")
    # By the place in its list, which is the order of connecting; not by who somebody is.
    assert not result.by_place.is_fair(ALPHA)
    if kind == "list":
        assert result.by_place.mean_ranks.tolist() == list(range(1, CLIENTS + 1))
        assert result.by_place.before == 1.0


@pytest.mark.xdist_group("processes")
def test_nobody_is_favoured_by_the_real_port(capsys: pytest.CaptureFixture[str]) -> None:
    """Real processes, all clients connect at once, in orders that are drawn."""
    told = ["--clients", "48", "--orders", "4", "--messages", "100", "--alpha", str(ALPHA)]
    status = fairness.main(told)
    said = capsys.readouterr()
    assert status == 0, said.out + said.err
    assert "400 messages to 48 clients" in said.out
    assert said.out.endswith("nobody is favoured\n")


def test_too_few_clients_are_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    for told in (["--clients", "2"], ["--orders", "1", "--messages", "19"]):
        with pytest.raises(SystemExit):
            fairness.main(told)
    assert "at least 3 clients" in capsys.readouterr().err
