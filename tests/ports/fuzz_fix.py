"""What no bytes may do to the FIX port: `one_input` for a fuzzer, and for a seeded share of tests.

`python -m tests.ports.fuzz_fix SECONDS CORPUS` runs it under atheris, guided by coverage; what it
finds worth keeping goes into the folder CORPUS.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ports.fix import FIX42, FIX44, SECOND_NS, VERSIONS, Decoder, Message, encode, parse, time_text
from ports.fix_dictionary import check
from ports.fix_session import Do, Session, State

USER, COMP_ID = "ALICE", "RINGBUS"
NOW_NS = 1_700_000_000 * SECOND_NS
NOW = time_text(NOW_NS)


def message(type_: str, number: int, *fields: tuple[int, str], begin: str = FIX44) -> bytes:
    """A good message of Alice's."""
    header = [(34, str(number)), (49, USER), (52, NOW), (56, COMP_ID)]
    return encode(begin, type_, header + list(fields))


# Tags that an encoder puts where they belong, whoever gives them.
FRAME = frozenset((8, 9, 35, 10))
ORDER = ((11, "A"), (21, "1"), (38, "100"), (40, "2"), (44, "1.5"), (54, "1"), (55, "AAPL"))
SEEDS = (
    message("A", 1, (98, "0"), (108, "30")),
    message("A", 1, (98, "0"), (108, "30"), (141, "Y"), begin=FIX42),
    message("0", 2),
    message("1", 2, (112, "X")),
    message("2", 2, (7, "1"), (16, "0")),
    message("3", 2, (45, "1")),
    message("4", 2, (36, "9"), (123, "Y")),
    message("4", 2, (36, "9")),
    message("5", 2),
    message("D", 2, *ORDER, (60, NOW)),
    message("D", 2, *ORDER, (60, NOW), (354, "3"), (355, "\1=\1")),
    message("F", 3, (11, "B"), (41, "A"), (54, "1"), (55, "AAPL"), (60, NOW)),
    message("q", 3, (11, "M"), (60, NOW), (530, "7"), (453, "1"), (448, "x")),
)


def one_input(data: bytes) -> None:
    """Bytes of a connection: nothing may raise, and how they are cut makes no difference."""
    whole = Decoder()
    whole.feed(data)
    messages = list(whole)
    pieces = Decoder()
    again: list[Message] = []
    for at in range(0, len(data), max(1, len(data) // 3)):
        pieces.feed(data[at : at + max(1, len(data) // 3)])
        again += pieces
    assert again == messages
    assert whole.garbled == pieces.garbled
    for one in messages:
        if one.begin in VERSIONS:
            check(one)
        if not FRAME.intersection(tag for tag, _ in one.pairs):
            assert parse(encode(one.begin, one.type, one.pairs)) == one
    serve(messages)


def serve(messages: list[Message]) -> None:
    """The machine of a connection that gets these messages, logged on before or not."""
    for first in ([], [parse(SEEDS[0])]):
        session = Session(COMP_ID, USER.__eq__, NOW_NS)
        for one in [*first, *messages]:
            drain(session)
            if session.state is not State.GONE:
                session.receive(one, NOW_NS)
        drain(session)
        session.tick(NOW_NS + 60 * SECOND_NS)


def drain(session: Session) -> None:
    """Do what is to be done as the port would, but for the stream."""
    for _ in range(1000):
        if not session.todo:
            if not session.resume(NOW_NS):
                return
            continue
        action = session.todo.popleft()
        if action.do is Do.ENTER:
            number = session.admit(1)
            if number is not None:
                session.entered(number + 1 if number else 1, NOW_NS)
                assert session.answer()
    raise AssertionError("it never has enough to do")


def framed(data: bytes) -> bytes:
    """The bytes as the body of a message whose frame is right."""
    start = f"8={FIX44}\x019={len(data)}\1".encode() + data
    return start + f"10={sum(start) % 256:03}\1".encode()


def main() -> None:
    """Fuzz for so many seconds, from the seeds and their bodies on; needs atheris."""
    import atheris

    def both(data: bytes) -> None:
        one_input(data)
        one_input(SEEDS[0] + framed(data) + SEEDS[2])

    seconds, corpus = sys.argv[1], Path(sys.argv[2])
    corpus.mkdir(parents=True, exist_ok=True)
    for n, seed in enumerate(SEEDS):
        (corpus / f"message.{n}").write_bytes(seed)
        begin = seed.index(b"\x0135=") + 1
        (corpus / f"body.{n}").write_bytes(seed[begin : seed.rindex(b"10=")])
    atheris.instrument_all()
    options = [f"-max_total_time={seconds}", "-max_len=1024", str(corpus)]
    atheris.Setup([sys.argv[0], *options], both)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
