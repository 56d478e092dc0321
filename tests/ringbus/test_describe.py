"""Messages by name."""

from __future__ import annotations

import numpy as np

from ringbus.describe import describe, record
from ringbus.messages import (
    EXECUTED,
    NEW_ORDER,
    ORDER_TAG,
    REJECTED,
    Flag,
    OrderOption,
    RejectReason,
    Side,
    Template,
)


def order() -> np.ndarray[tuple[int], np.dtype[np.void]]:
    out = np.zeros(1, NEW_ORDER)
    out["sequence"] = 7
    out["template_id"] = Template.NEW_ORDER
    out["side"] = Side.BUY
    out["display"] = b"Y"
    return out


def test_enums_sets_and_text_are_named() -> None:
    line = order()
    line["flags"] = Flag.CONTINUED | Flag.REFUSED
    line["options"] = OrderOption.HIDDEN | OrderOption.SELF_TRADE_FIRM
    said = record(line[0])
    assert list(said)[:3] == ["sequence", "template", "time_ns"]
    assert said["template"] == "NEW_ORDER"
    assert said["flags"] == "CONTINUED|REFUSED"
    assert said["options"] == "HIDDEN|SELF_TRADE_FIRM"
    assert (said["side"], said["time_in_force"], said["display"]) == ("BUY", "DAY", "Y")
    assert describe(line[0]).startswith("7 NEW_ORDER time_ns=0 ")
    assert " sweep=- " in describe(line[0])


def test_reasons_are_those_of_their_template() -> None:
    line = np.zeros(1, REJECTED)
    line["template_id"] = Template.REJECTED
    line["reason"] = RejectReason.OFF_TICK
    line["refused_template"] = Template.REPLACE
    said = record(line[0])
    assert (said["reason"], said["refused_template"]) == ("OFF_TICK", "REPLACE")
    trade = np.zeros(1, EXECUTED)
    trade["template_id"] = Template.EXECUTED
    trade["liquidity"] = 2
    assert record(trade[0])["liquidity"] == "REMOVED"


def test_numbers_without_a_name_stay_numbers() -> None:
    line = order()
    line["side"] = 9
    line["flags"] = 0x41
    said = record(line[0])
    assert (said["side"], said["flags"]) == ("9", "LAST_OF_GROUP|64")


def test_bytes_that_mean_nothing_are_left_out() -> None:
    line = np.zeros(1, ORDER_TAG)
    line["template_id"] = Template.ORDER_TAG
    line["text"] = b"mine"
    said = record(line[0])
    assert said["text"] == "mine"
    assert not any(name.startswith(("spare", "reserved")) for name in said)


def test_an_unknown_template_is_shown_as_it_is() -> None:
    line = order()
    line["template_id"] = 99
    assert describe(line[0]) == f"7 TEMPLATE_99 bytes={line.tobytes().hex()}"
    assert describe(None) == "nothing"
