"""Random runs of the book against its oracle; ten million messages are `make test-long`."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from ringbus.messages import (
    CANCELED,
    REJECTED,
    STATE_CHANGED,
    CancelReason,
    InstrumentState,
    RejectReason,
    Template,
)
from tests.engine import long
from tests.engine.long import Piece
from tests.engine.mix import Message, Mix
from tests.engine.oracle import Oracle, Order
from tests.engine.oracle.market import badness
from tests.engine.profiles import PROFILES
from tests.engine.trial import Difference, Trial, as_lines, run, shrink

SEED = 20261122
# 10^5 in all.
MESSAGES = {
    "realistic": 30_000,
    "nasty": 20_000,
    "ends": 10_000,
    "tiny": 10_000,
    "auctions": 10_000,
    "collars": 10_000,
    "legs": 10_000,
    "reserve": 10_000,
    "operators": 6_000,
}
# What is refused by ports and the sequencer only.
NOT_THE_BOOKS = {
    *(RejectReason.OFF_TICK, RejectReason.OFF_LOT, RejectReason.INVALID_CLIENT_ORDER_ID),
    RejectReason.NOT_SUPPORTED,
    # Limits, kills, and what ports check.
    *(reason for reason in RejectReason if reason > RejectReason.STALE_CROSS),
} - {RejectReason.PRICE_COLLAR, RejectReason.FAT_FINGER}


def said(profile: str, seed: int, messages: int) -> tuple[list[Message], NDArray[np.void]]:
    """Run it; what was sent, and all lines of the answers."""
    sent: list[Message] = []
    answers: list[bytes] = []

    def hear(_: Trial, message: Message, answer: bytes) -> None:
        sent.append(message)
        answers.append(answer)

    run(PROFILES[profile], seed, messages, told=hear)
    return sent, as_lines(b"".join(answers))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_random_run(profile: str) -> None:
    said(profile, SEED, MESSAGES[profile])


def test_what_failed_once() -> None:
    for piece in long.read_seeds():
        assert piece.run(every=100) == ""


@cache
def counted() -> dict[str, Counter[int]]:
    """What the runs hold, by the oracle alone: all profiles together."""
    raw = b""
    for profile in PROFILES.values():
        sizes = profile.instruments, profile.orders, profile.nodes
        oracle = Oracle(*sizes)
        mix = Mix(SEED, profile, oracle)
        raw += b"".join(oracle.submit(mix.message()) for _ in range(3_000))
    lines = as_lines(raw)
    template = lines["template_id"]
    return {
        "template": Counter(template.tolist()),
        "rejected": of(lines.view(REJECTED)["reason"][template == Template.REJECTED]),
        "canceled": of(lines.view(CANCELED)["reason"][template == Template.CANCELED]),
        "state": of(lines.view(STATE_CHANGED)["state"][template == Template.STATE_CHANGED]),
    }


def of(column: NDArray[np.void]) -> Counter[int]:
    return Counter(column.tolist())


def test_the_runs_hold_everything() -> None:
    """Each line, each reason and each state came, and more than once or twice."""
    told = counted()
    of_ports = {1 + int(Template.ORDER_TAG)}  # Reject.
    lines = {*Template} - of_ports - {Template.SESSION_EVENT, Template.END_OF_DAY, Template.SKIP}
    lines -= {Template.INSTRUMENT_DEFINITION, Template.PARTICIPANT_DEFINITION}
    lines -= {Template.BUILD_RECORD, Template.EPOCH_START}
    # Those that the engine only repeats.
    lines -= {Template.TICK, Template.STOP_ORDER, Template.STOP_CANCEL, Template.TRADE_REPORTED}
    lines -= {Template.IMBALANCE, Template.AUCTION_EXTENSION, Template.COMMAND_ASKED}
    lines -= {Template.ALARM, Template.CARRIED_OVER}
    # Those of trades, which the book does not keep.
    lines -= {Template.TRADE_CHANGE, Template.TRADE_PARTY, Template.TRADE_CHANGED}
    assert [one.name for one in sorted(lines) if told["template"][one] < 20] == []
    reasons = [one for one in RejectReason if one not in NOT_THE_BOOKS]
    assert [one.name for one in reasons if told["rejected"][one] < 5] == []
    canceled = [one for one in CancelReason if one not in (CancelReason.USER, CancelReason.EXPIRED)]
    assert [one.name for one in canceled if told["canceled"][one] < 5] == []
    assert [one.name for one in InstrumentState if told["state"][one] < 20] == []


def test_the_realistic_mix_is_that_of_a_market() -> None:
    """R09: about half new orders, 30-40 % cancels, 1-2 % executions; of what was accepted."""
    messages = 10_000
    _, lines = said("realistic", 9, messages)
    came = Counter(lines["template_id"].tolist())
    assert 0.47 < came[Template.NEW_ORDER] / messages < 0.53
    assert 0.30 < came[Template.CANCEL] / messages < 0.40
    # Two lines a trade.
    assert 0.01 < came[Template.EXECUTED] / 2 / messages < 0.02
    assert came[Template.REJECTED] / messages < 0.05


def test_a_seed_says_everything() -> None:
    first, second = (said("nasty", 7, 500) for _ in range(2))
    assert first[0] == second[0]
    assert first[1].tobytes() == second[1].tobytes()
    assert said("nasty", 8, 500)[0] != first[0]


def test_pieces_cover_a_long_run() -> None:
    whole = list(long.pieces(5, 420_000))
    assert sum(piece.messages for piece in whole) == 420_000
    assert [piece.seed for piece in whole] == list(range(5, 14))
    assert {piece.profile for piece in whole} == set(PROFILES)
    assert list(long.pieces(9, 20_000, "tiny")) == [Piece("tiny", 9, 20_000)]


def test_a_difference_is_said_with_its_command_and_the_fewest_messages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The net itself is tried: an oracle that knows no hidden orders is caught."""
    monkeypatch.setattr(Order, "rank", property(lambda order: badness(order.side, order.price)))
    assert long.main(["--seed", "3", "--messages", "2000", "--profile", "nasty"]) == 1
    text = capsys.readouterr().out
    assert "make test-long PROFILE=nasty SEED=3 N=2000" in text
    assert "the fewest messages:" in text


def test_shrinking_finds_the_fewest() -> None:
    messages = [[bytes([n])] for n in range(100)]
    assert shrink(messages, lambda some: [b"\x07"] in some and [b"\x5b"] in some) == [
        [b"\x07"],
        [b"\x5b"],
    ]


def test_a_difference_in_state_is_seen() -> None:
    profile = PROFILES["nasty"]
    with Trial(profile) as trial:
        mix = Mix(1, profile, trial.oracle)
        while not trial.oracle.open:
            trial.send(mix.message())
        trial.compare()
        next(iter(trial.oracle.open.values())).quantity += 1
        with pytest.raises(Difference, match="book:"):
            trial.compare()
