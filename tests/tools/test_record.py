"""What a stream says of its operators, wherever its batches are cut; the console over a stage."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ringbus.messages import (
    CANCELED,
    COMMAND,
    COMMAND_ASKED,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    MESSAGE,
    NEW_ORDER,
    REJECTED,
    STATE_CHANGED,
    CommandKind,
    Flag,
    MassCancelScope,
    RejectReason,
    Template,
)
from ringbus.texts import texts
from tools.console.names import Names, asked_of, command_of
from tools.console.record import Change, Record
from tools.log import rows

Lines = NDArray[np.void]
WHY = "so that the text needs several lines, and one of them ends inside of a sign: äöü ✓"


def line(dtype: np.dtype[np.void], template: Template, **fields: int) -> Lines:
    one: Lines = np.zeros(1, dtype)
    one["template_id"] = template
    for name, value in fields.items():
        one[name] = value
    return one.view(MESSAGE)


def group(first: Lines, behind: Lines | None, *answers: Lines) -> Lines:
    """A proposal as the stream says it, and what the engine made of it."""
    said = first if behind is None else np.concatenate((first, behind))
    said = said.copy()
    said["flags"][:-1] |= np.uint8(Flag.CONTINUED)
    for one in answers:
        one["flags"] |= np.uint8(Flag.GENERATED)
    whole = np.concatenate((said, *answers))
    whole["flags"][-1] |= np.uint8(Flag.LAST_OF_GROUP)
    return whole


def day() -> Lines:
    """Orders of clients, and four things that operators said."""
    order = line(NEW_ORDER, Template.NEW_ORDER, topic=7, client_order_id=99)
    gone = [line(CANCELED, Template.CANCELED, topic=7) for _ in range(5)]
    kill = line(
        *(MASS_CANCEL, Template.MASS_CANCEL), instrument=INSTRUMENT_NONE, client_order_id=1,
        scope=MassCancelScope.KILL | MassCancelScope.EVERYTHING,
    )  # fmt: skip
    halt = line(COMMAND, Template.COMMAND, kind=CommandKind.INSTRUMENT_STATE, client_order_id=2)
    halt["topic"] = 9  # an auction's
    state = line(STATE_CHANGED, Template.STATE_CHANGED, topic=9, state_before=1, state=3)
    asked = np.frombuffer(asked_of(halt.tobytes()), MESSAGE).copy()
    refused = line(
        *(REJECTED, Template.REJECTED), client_order_id=4, refused_template=Template.COMMAND,
        reason=RejectReason.INSTRUMENT_STATE, flags=Flag.GENERATED,
    )  # fmt: skip
    clients = line(REJECTED, Template.REJECTED, topic=7, refused_template=Template.MASS_CANCEL)
    out = np.concatenate(
        (
            group(order, None),
            group(kill, texts("ann", 1000, WHY), *gone),
            group(order, None, *gone[:2]),
            group(halt, None, state),
            group(asked, texts("bob", 7, WHY)),
            group(clients, None),
            group(refused, texts("ann", 1000, "no")),
            group(line(MASS_CANCEL, Template.MASS_CANCEL, topic=7), None, *gone),
        )
    )
    out["sequence"] = np.arange(1, len(out) + 1)
    return out


def heard(batches: list[Lines]) -> list[Change]:
    record = Record()
    return [change for batch in batches for change in record.hear(batch)]


def test_each_change_has_its_words_and_what_came_of_it() -> None:
    kill, halt, asked, refused = heard([day()])
    assert (kill.author, kill.user, kill.reason, kill.canceled) == ("ann", "1000", WHY, 5)
    assert (halt.author, halt.states, halt.number) == ("", [(0, 1, 3)], 2)
    assert (asked.author, asked.is_asked, asked.number) == ("bob", True, 2)
    assert (refused.refused, refused.number) == (RejectReason.INSTRUMENT_STATE, 4)
    assert refused.template == Template.COMMAND
    assert not refused.is_asked


@given(st.lists(st.integers(1, 5), max_size=40))
def test_where_batches_are_cut_changes_nothing(sizes: list[int]) -> None:
    whole = day()
    cuts = np.cumsum([0, *sizes])
    parts = [whole[a:b] for a, b in pairwise(cuts)]
    assert heard([*parts, whole[cuts[-1] :]]) == heard([whole])


@given(st.binary(min_size=32, max_size=32), st.sampled_from([*Template]))
def test_a_log_says_something_of_any_line(body: bytes, template: Template) -> None:
    """A contributor can say what no console does; the log is not stopped by it."""
    one = line(MESSAGE, template, flags=Flag.LAST_OF_GROUP)
    raw = one.tobytes()[:32] + body
    for change in heard([np.frombuffer(raw, MESSAGE)]):
        assert rows([change], Names())


NUMBERS = {
    **{name: st.integers(0, 2**16 - 1) for name in ("account", "firm", "session")},
    **{name: st.integers(0, 2**32 - 1) for name in ("instrument", "client_order_id")},
    "scope": st.integers(0, 255),
}


@given(st.fixed_dictionaries(NUMBERS), st.booleans())
def test_what_waits_is_the_line_that_it_would_be(fields: dict[str, int], is_kill: bool) -> None:
    if is_kill:
        one = line(MASS_CANCEL, Template.MASS_CANCEL, side=2, scope=0)
    else:
        more = {"price_ticks": -5, "value": 2**63, "kind": 2, "state": 3, "limit": 4}
        one = line(COMMAND, Template.COMMAND, **more)
    body = one.view(MASS_CANCEL if is_kill else COMMAND)
    for name, value in fields.items():
        body[name] = value
    asked = asked_of(one.tobytes())
    assert np.frombuffer(asked, COMMAND_ASKED)["template_id"] == Template.COMMAND_ASKED
    assert command_of(asked) == one.tobytes()
