"""A client port whose core sleeps in epoll is woken by whatever concerns it."""

from __future__ import annotations

import select
import threading

from ports.authenticator import Authenticator
from ports.client import ClientPort, ClientSession, Contributor, Stream
from ringbus.core import Core, CorePage, create_page, page_bytes
from ringbus.memory import Block
from tests.ports.exchange import Client, Exchange, enter
from tests.ports.venue import INSTRUMENTS, SECRET


def test_a_parked_core_is_woken_by_sockets_stream_and_verdicts() -> None:
    """The loop of production: the port's core sleeps in epoll, in a thread of its own."""
    exchange = Exchange()
    exchange.kill_port()
    engine = exchange.engine
    page = Block(page_bytes())
    create_page(page, "live")
    outer = select.epoll()
    core = Core(page, engine.bells, "live", "park", "real", epoll_fd=outer.fileno())
    # It must be woken: by itself it would look only every ten seconds.
    core.idle.set_timeout(10_000_000)
    port = ClientPort(
        core, "DAY1", 2, Contributor(engine.lane_memory[0], 0, engine.doorbell),
        Stream(engine.ring), INSTRUMENTS, [ClientSession(1, "ALICE", 1, 1)],
    )  # fmt: skip
    outer.register(port.epoll_fd, select.EPOLLIN)
    core.add("port", port)
    tcp = port.listen()
    authenticator = Authenticator(port, {"ALICE": SECRET})
    threads = [threading.Thread(target=core.run), threading.Thread(target=authenticator.run)]
    for thread in threads:
        thread.start()
    try:
        alice = Client(tcp)
        alice.login()
        poll = select.poll()
        poll.register(alice.socket, select.POLLIN)

        def wait(count: int) -> None:
            for _ in range(100_000):
                engine.step()
                if poll.poll(1):
                    alice.receive()
                if alice.session.accepted and len(alice.messages) >= count:
                    return
            raise AssertionError(f"nobody woke it: {port.counts}")

        wait(0)
        for n in range(1, 51):
            alice.send(enter(n))
            wait(n)
        alice.close()
    finally:
        authenticator.stop()
        CorePage(page).stop()
        # A connection wakes it once more, to see that.
        Client(tcp).close()
        for thread in threads:
            thread.join()
        port.close()
        core.close()
        outer.close()
        engine.close()
    assert core.idle.parks > 0
