"""`ringbus tap`: prints what is published on a ring, or on the stream of an exchange, as it comes.

It is in nobody's way: it is lossy, and says which records it missed. An exchange's
memory it only reads, so it looks again every few milliseconds instead of taking a bell.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from ringbus.describe import describe
from ringbus.multicast import Reader
from ringbus.ring import Ring, ring_segment
from ringbus.segment import segment_path
from ringbus.status import Lapped, NotFoundError, RingbusError
from ringbus.subscriber import Start
from tools.manual import Parser
from tools.memory import Attachment

LOOK_S = 0.005


def text(value: object) -> str:
    """A field as it is printed: bytes as text, arrays as lists."""
    if isinstance(value, bytes):
        return value.decode("latin-1").strip() or "-"
    if isinstance(value, np.ndarray):
        return f"[{' '.join(text(one) for one in value)}]"
    if isinstance(value, np.void):
        return f"({fields(value)})" if value.dtype.names else value.tobytes().hex()
    return str(value)


def fields(record: np.void) -> str:
    """The named fields of a record."""
    return " ".join(f"{name}={text(record[name])}" for name in record.dtype.names or ())


def ring_lines(name: str, oldest: bool) -> Generator[str]:
    """What is published on a ring, for ever; an empty line when nothing came for a while."""
    start: Start = "oldest" if oldest else "newest"
    with Ring.attach(name) as ring, ring.subscriber(start) as subscriber:
        while True:
            try:
                batch = subscriber.read(timeout=0.1)
            except Lapped as gap:
                yield f"-- {gap.last - gap.first + 1} lost: {gap.first}..{gap.last}"
                continue
            for n, record in enumerate(batch, subscriber.first):
                said = fields(record) if ring.dtype.names else text(record)
                yield f"{n} {said}"
            if len(batch) == 0:
                yield ""


def stream_lines(exchange: str, oldest: bool) -> Generator[str]:
    """The same for the stream of an exchange."""
    with Attachment(exchange) as shared:
        reader = Reader(shared.attach("stream"), 0)
        if oldest:
            reader.seek(reader.oldest)
        while True:
            try:
                batch: NDArray[np.void] = reader.poll()
            except Lapped:
                first, next_ = reader.next, reader.oldest
                reader.seek(next_)
                yield f"-- {next_ - first} lost: {first}..{next_ - 1}"
                continue
            for message in batch:
                yield describe(message)
            if len(batch) == 0:
                time.sleep(LOOK_S)
                yield ""


def main(argv: Sequence[str]) -> int:
    """Print until it is enough; 1: there is no such ring or exchange."""
    parser = Parser(prog="ringbus tap", description="Print records as they come.")
    parser.add_argument("name", help="of a ring or of an exchange")
    parser.add_argument("--oldest", action="store_true", help="begin with the oldest still there")
    parser.add_argument("--count", type=int, metavar="N", help="end after N records")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after S seconds")
    options = parser.parse_args(argv)
    end_s = None if options.seconds is None else time.monotonic() + options.seconds
    left = options.count
    try:
        is_ring = "." not in options.name and segment_path(ring_segment(options.name)).exists()
        lines = (ring_lines if is_ring else stream_lines)(options.name, options.oldest)
        for line in lines:
            if line:
                print(line, flush=True)
                if left is not None and not line.startswith("--"):
                    left -= 1
            if left == 0 or (end_s is not None and time.monotonic() >= end_s):
                break
    except KeyboardInterrupt:
        return 0
    except NotFoundError:
        print(f"ringbus tap: no ring or exchange {options.name} is here", file=sys.stderr)
        return 1
    except RingbusError as error:
        print(f"ringbus tap: {error}", file=sys.stderr)
        return 1
    return 0
