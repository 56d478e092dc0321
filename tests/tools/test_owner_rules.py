"""Rules in the exchange's files: from the opening on each is obeyed, and every mistake is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.fused import FusedEngine, Size
from ringbus.messages import (
    COMMAND,
    NEW_ORDER,
    REJECTED,
    OrderOption,
    RejectReason,
    RiskLimit,
    Side,
    Template,
    TimeInForce,
)
from ringbus.multicast import Reader
from tests.engine.trader import lines
from tests.tools.conftest import Maker
from tools.configuration import Configuration
from tools.console.names import Names
from tools.diff import DIFFERENT, differences, main
from tools.instruments import PRICE_RULES as PRICE_RULE_COLUMNS
from tools.opening import opening_lines
from tools.owner_rules import FIELDS, LIMIT_FIELDS, OwnerRules
from tools.topology import ConfigurationError

HEAD = ("owner", "open_orders", "self_trade", "sell_only", "no_orders")


def ruled(path: Path, *rows: str, head: tuple[str, ...] = HEAD) -> Path:
    """The same exchange with a file of owners."""
    path.with_name("owners.csv").write_text("\n".join([",".join(head), *rows]) + "\n")
    text = path.read_text()
    named = 'owners = "owners.csv"\n'
    path.write_text(text if named in text else text.replace("[stream]", f"{named}[stream]", 1))
    return path


def priced(path: Path, **columns: str) -> Path:
    """With these columns, for its first instrument."""
    file = path.with_name("instruments.csv")
    head, first, *others = file.read_text().splitlines()
    rest = [row + "," * len(columns) for row in others]
    rows = [",".join((head, *columns)), ",".join((first, *columns.values())), *rest]
    file.write_text("\n".join(rows) + "\n")
    return path


class Opened:
    """An engine whose day was opened with a configuration."""

    def __init__(self, path: Path) -> None:
        self.configuration = one = Configuration.load(path)
        shards = one.topology.exchange.shards
        size = Size(3, shards, one.topics, 1, orders=1024, price_nodes=1024)
        risk = one.risk()
        self.engine = FusedEngine(size, shard_of=one.shard_of, risk=risk)
        self.opening = opening_lines(one, 7)
        for n in range(len(self.opening)):
            self.engine.propose(self.opening[n : n + 1])
        self.numbers = 0
        assert self.day()["template_id"].tolist() == self.opening["template_id"].tolist()

    def day(self) -> NDArray[np.void]:
        return Reader(self.engine.ring).poll(4096).copy()

    def order(
        self, side: Side = Side.BUY, price: int = 100, quantity: int = 10, **more: int
    ) -> int:
        """ALICE's order in S0: 0, or why it is refused."""
        self.numbers += 1
        fields = {"topic": 1, "account": 101, "firm": 1, "instrument": 0} | more
        day = self.day()
        own = (day["topic"] == fields["topic"]) & (day["shard"] == 0)
        order = lines(
            NEW_ORDER, Template.NEW_ORDER, side=side, price_ticks=price, quantity=quantity,
            topic_sequence=int(own.sum()) + 1, client_order_id=self.numbers,
            time_in_force=TimeInForce.DAY, **fields,
        )  # fmt: skip
        self.engine.propose(order)
        answer = self.day()[len(day) :]
        assert len(answer)
        is_refused = int(answer["template_id"][0]) == Template.REJECTED
        return int(answer[:1].view(REJECTED)["reason"][0]) if is_refused else 0


@pytest.mark.parametrize("limit", RiskLimit)
@pytest.mark.parametrize("owner", ["account:101", "firm:ACME"])
def test_each_limit_of_the_file_refuses_the_first_order_above_it(
    make: Maker, owner: str, limit: RiskLimit
) -> None:
    """R107: a column that were connected to nothing would fail here. 10 at 1.00 are 10 of money."""
    counts = {
        RiskLimit.TRADED_QUANTITY: 10,
        RiskLimit.OPEN_ORDERS: 1,
        RiskLimit.MESSAGES_PER_SECOND: 1,
    }
    side = Side.SELL if limit == RiskLimit.OPEN_SHORT else Side.BUY
    bound = counts.get(limit, 10)
    head = ("owner", limit.name.lower())
    # A sell counts at the reference, or the highest price that the instrument may have.
    path = priced(ruled(make(shards=1), f"{owner},{bound}", head=head), reference="1")
    opened = Opened(path)
    assert opened.order(side) == 0
    reason = RejectReason(RejectReason.OPEN_LONG_LIMIT + limit - 1)
    assert opened.order(side, quantity=1) == reason
    # Another owner is not meant.
    assert opened.order(side, topic=7, account=102, firm=2) == 0
    free = Opened(ruled(path, "account:102,10", head=head))
    assert [free.order(side), free.order(side, quantity=1)] == [0, 0]


COLLAR, FINGER = RejectReason.PRICE_COLLAR, RejectReason.FAT_FINGER
# Columns of an instrument, prices of buys that are refused, and such as are not.
PRICE_RULES = {
    "collar": ({"collar_min": "0.95", "collar_max": "1.05"}, COLLAR, (94, 106), (95, 105)),
    "width": ({"reference": "1", "collar_width": "0.05"}, COLLAR, (94, 106), (95, 105)),
    "finger": ({"reference": "1", "finger_width": "0.03"}, FINGER, (104, 200), (1, 103)),
    "notional": ({"reference": "1", "finger_notional": "9"}, FINGER, (1, 100), ()),
    "enough": ({"reference": "1", "finger_notional": "10"}, FINGER, (), (1, 100)),
    "auction": ({"auction_min": "0.95", "auction_max": "1.05"}, COLLAR, (), (94, 106)),
}


@pytest.mark.parametrize("case", PRICE_RULES)
def test_each_rule_of_an_instrument_is_obeyed(make: Maker, case: str) -> None:
    columns, reason, refused, taken = PRICE_RULES[case]
    opened = Opened(priced(make(shards=1), **columns))
    assert [opened.order(price=price) for price in refused] == [reason] * len(refused)
    assert [opened.order(price=price) for price in taken] == [0] * len(taken)


def test_rules_of_an_auction_hold_in_auctions(make: Maker) -> None:
    path = priced(make(shards=1), auction_min="0.95", auction_max="1.05", auction_width="0.02")
    commands = opening_lines(Configuration.load(path), 7)[-1:].view(COMMAND)
    assert Names.of(Configuration.load(path)).words(commands.tobytes()) == (
        "collar of S0 in auction: at least 0.95, at most 1.05, width 0.02"
    )


def test_restrictions_and_self_trade_of_the_file_are_obeyed(make: Maker) -> None:
    rows = ("account:101,,oldest,S0,S1", "firm:BETA,,both,,S2 S0")
    opened = Opened(ruled(make(shards=1), *rows))
    assert opened.order() == RejectReason.RESTRICTED
    assert opened.order(Side.SELL) == 0
    bob = {"topic": 7, "account": 102, "firm": 2}
    for instrument, taken in ((0, False), (1, True), (2, False)):
        reason = opened.order(Side.SELL, instrument=instrument, **bob)
        assert (reason == 0) == taken
    for instrument, taken in ((1, False), (2, True)):
        assert (opened.order(Side.SELL, instrument=instrument) == 0) == taken
    day = opened.day()
    entered = day[day["template_id"] == Template.NEW_ORDER].view(NEW_ORDER)
    both = OrderOption.SELF_TRADE_NEWEST | OrderOption.SELF_TRADE_OLDEST
    options = {int(one["account"]): int(one["options"]) for one in entered}
    assert options == {
        101: OrderOption.SELF_TRADE_OLDEST,
        102: both | OrderOption.SELF_TRADE_FIRM,
    }


def test_a_full_file_is_as_many_commands_as_it_says(make: Maker, tmp_path: Path) -> None:
    """What is saved comes back; the opening counts what it says; the log has words for all."""
    numbers = ["1000000"] * len(LIMIT_FIELDS)
    path = ruled(
        make(shards=2),
        ",".join(["firm:ACME", *numbers, "decrement", "S0", "S1 S2"]),
        head=FIELDS,
    )
    one = Configuration.load(
        priced(path, reference="1", collar_width="0.5", auction_min="1", finger_width="2")
    )
    one.save(tmp_path / "saved")
    assert Configuration.restore(tmp_path / "saved") == one
    opening = opening_lines(one, 7)
    assert len(opening) == one.opening == 1 + 3 + 2 + 4 + len(LIMIT_FIELDS) + 1 + 3
    names = Names.of(one)
    words = [names.words(line.tobytes()) for line in opening[6:]]
    assert words[:4] == [
        "count sells of S0 at 1 at least",
        "collar of S0 in continuous: width 0.5",
        "collar of S0 in auction: at least 1",
        "fat finger in S0: 2 past the last trade at most",
    ]
    # Notional in 1/10,000 of the currency.
    assert words[4] == "limit open-long of firm ACME to 10000000000"
    assert words[11:] == [
        "limit messages-per-second of firm ACME to 1000000",
        "when orders of firm ACME meet, cancel: decrement",
        "let firm ACME only sell in S0",
        "let firm ACME do nothing new in S1",
        "let firm ACME do nothing new in S2",
    ]
    # Numbers of the operator's topic are dense in each shard.
    for shard in range(2):
        shards = [0, *one.shard_of, 0, 0, *([0] * 4), *([0] * 9), 0, 1, 0]
        own = opening["topic_sequence"][np.array(shards) == shard]
        assert own.tolist() == list(range(1, len(own) + 1))


MISTAKES = {
    "owner": ("account:11,,,,", "owner", "found 'account:11'", 'did you mean "account:101"?'),
    "firm": ("firm:ACE,,,,", "owner", "found 'firm:ACE'", 'did you mean "firm:ACME"?'),
    "twice": ("firm:ACME,1,,,\nfirm:ACME,2,,,", "owner", "is on line 2 too", "stands once"),
    "number": ("firm:ACME,-1,,,", "open_orders", "found '-1'", "write a whole number from 0"),
    "word": ("firm:ACME,many,,,", "open_orders", "found 'many'", "write a whole number from 0"),
    "mode": ("firm:ACME,,newset,,", "self_trade", "found 'newset'", 'did you mean "newest"?'),
    "symbol": ("firm:ACME,,,S0 SX,", "sell_only", "no instrument 'SX'", "write symbols"),
    "double": ("firm:ACME,,,S0 S0,", "sell_only", "found 'S0 S0'", "each symbol once"),
    "both": ("firm:ACME,,,S0,S0", "no_orders", "S0 is in sell_only too", "write it once"),
    "fields": ("firm:ACME,,", "found 3 fields", "the header has 5", "write owner"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_names_file_line_column_and_cure(make: Maker, case: str) -> None:
    row, *expected = MISTAKES[case]
    with pytest.raises(ConfigurationError) as caught:
        Configuration.load(ruled(make(), row))
    line = 3 if case == "twice" else 2
    assert f"owners.csv:{line}: " in str(caught.value)
    for text in expected:
        assert text in str(caught.value)


def test_all_rows_with_mistakes_are_named_at_once(make: Maker) -> None:
    rows = (
        "firm:ACE,1,,,",
        "account:101,1,,,",
        "firm:ACME,many,,,",
        "firm:BETA,1",
        "firm:ACME,,,,",
    )
    with pytest.raises(ConfigurationError) as caught:
        Configuration.load(ruled(make(), *rows))
    said = [
        line.partition("owners.csv:")[2].split(";")[0] for line in str(caught.value).split("\n")
    ]
    assert said == [
        "2: owner: found 'firm:ACE'",
        "4: open_orders: found 'many'",
        "5: found 2 fields, the header has 5",
        "6: owner: firm:ACME is on line 4 too",
    ]


def test_a_column_that_nobody_knows_is_no_limit(make: Maker) -> None:
    """R107: a limit whose name is misspelled is connected to nothing: it is an error."""
    with pytest.raises(ConfigurationError, match=r"owners.csv:1: found the column 'open_order'"):
        Configuration.load(ruled(make(), "firm:ACME,1", head=("owner", "open_order")))
    path = make()
    path.write_text(path.read_text().replace("[stream]", 'owners = "x.csv"\n[stream]', 1))
    with pytest.raises(ConfigurationError, match="there is no file"):
        Configuration.load(path)


def test_restrictions_leave_room_for_positions(make: Maker) -> None:
    path = ruled(make(instruments=9), f"firm:ACME,,,{' '.join(f'S{n}' for n in range(9))},")
    Configuration.load(path)
    path.write_text(path.read_text().replace("[limits]\n", "[limits]\npositions = 16\n"))
    with pytest.raises(ConfigurationError, match=r"toml:\d+: .*9 restrictions.*write 32 or more"):
        Configuration.load(path)


PRICE_MISTAKES = {
    "tick": ({"collar_min": "0.955"}, "not a multiple of the tick"),
    "order": ({"collar_min": "2", "collar_max": "1"}, "collar_max: '1' is below collar_min"),
    "range": ({"auction_max": "2000"}, "auction_max: '2000' is a price that the instrument cannot"),
    "zero": ({"reference": "0"}, "prices are above zero"),
    "text": ({"finger_width": "x"}, "write a price such as"),
    "notional": ({"finger_notional": "0.5"}, "write a whole number from 1"),
    "column": ({"colar_min": "1"}, 'did you mean "collar_min"?'),
}


@pytest.mark.parametrize("case", PRICE_MISTAKES)
def test_a_mistake_in_an_instruments_rules_is_named(make: Maker, case: str) -> None:
    columns, expected = PRICE_MISTAKES[case]
    with pytest.raises(ConfigurationError) as caught:
        Configuration.load(priced(make(), **columns))
    assert "instruments.csv:" in str(caught.value)
    assert expected in str(caught.value)


def test_every_rule_is_in_the_fingerprint_and_is_said(make: Maker) -> None:
    """R103, R107: each column of both files, by itself."""
    path = make()
    plain = Configuration.load(path)
    hashes = [plain.hash]
    values = dict.fromkeys(LIMIT_FIELDS, "7")
    values |= {"self_trade": "both", "sell_only": "S0", "no_orders": "S0"}
    for name, value in values.items():
        one = Configuration.load(ruled(path, f"firm:ACME,{value}", head=("owner", name)))
        hashes.append(one.hash)
        assert str(differences(plain, one)[-1]) == "rules of firm:ACME: is new"
        other = Configuration.load(ruled(path, "firm:ACME,", head=("owner", name)))
        said = [str(one) for one in differences(other, one)]
        before = '""' if name == "self_trade" else "none"
        assert said == [f"rules of firm:ACME: {name} {before} to {value}"]
    columns = {name: name.replace("_", "_ticks_") + " 0 to 100" for name in PRICE_RULE_COLUMNS}
    columns |= {"reference": "reference_ticks 0 to 100"}
    columns |= {"finger_notional": "finger_notional_1e4 0 to 10,000"}
    for name, said_of in columns.items():
        one = Configuration.load(priced(make(), **{name: "1"}))
        hashes.append(one.hash)
        assert f"instrument S0: {said_of}" in [str(each) for each in differences(plain, one)]
    assert len(set(hashes)) == 1 + len(values) + len(columns)


def test_a_limit_that_is_changed_is_said_in_words(
    make: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ruled(make(), "account:101,5,,,")
    other = tmp_path / "new"
    other.mkdir()
    for file in path.parent.glob("*.*"):
        if file.is_file():
            (other / file.name).write_text(file.read_text())
    ruled(other / path.name, "account:101,9,oldest,,", "firm:BETA,1,,,")
    assert main([str(path), str(other / path.name)]) == DIFFERENT
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [
        "rules of account:101: open_orders 5 to 9",
        'rules of account:101: self_trade "" to oldest',
        "rules of firm:BETA: is new",
    ]
    assert "cannot go on with it" in said[-1]


def test_restored_rules_are_rules() -> None:
    rules = OwnerRules("firm:A", open_orders=3, sell_only=("S0",))
    saved = ["firm:A", *[None] * 6, 3, None, "", ["S0"], []]
    assert OwnerRules.restored(saved) == rules
