"""What must hold of a simulated exchange when it has come to rest."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from engine.passive import PassiveEngine
from ports.ouch import OrderAccepted, OrderExecuted, OrderReplaced
from ringbus.journal import read_day
from ringbus.messages import (
    CANCEL,
    CANCELED,
    EXECUTED,
    NEW_ORDER,
    REJECTED,
    REPLACE,
    Flag,
    Template,
)
from tests.sim.world import Client, World

Lines = NDArray[np.void]
SHOWN = (
    Template.NEW_ORDER, Template.REPLACE, Template.CANCEL, Template.EXECUTED, Template.CANCELED,
    Template.REJECT, Template.REJECTED,
)  # fmt: skip


def check_all(world: World) -> Lines:
    """Every promise; returns the stream. Raises: AssertionError."""
    stream = world.stream()
    journals_are_the_stream(world, stream)
    numbers_are_in_order(world, stream)
    quantity_is_conserved(stream)
    passive = passive_is_active(world, stream)
    books_are_not_crossed(world, passive)
    passive.close()
    for client in world.clients:
        client_got_its_messages(client, stream)
    return stream


def journals_are_the_stream(world: World, stream: Lines) -> None:
    """Every journal holds every message once, in its place, whatever was done to it."""
    assert np.array_equal(stream["sequence"], np.arange(1, len(stream) + 1))
    assert np.all(np.diff(stream["time_ns"].astype(np.int64)) >= 0)
    for directory in world.directories:
        assert np.array_equal(read_day(directory), stream), directory.name


def numbers_are_in_order(world: World, stream: Lines) -> None:
    """Each topic counts in each shard without a gap; groups are whole, with a head."""
    reached: dict[tuple[int, int], int] = defaultdict(int)
    for line in stream[stream["template_id"] != Template.ORDER_TAG]:
        key = int(line["topic"]), int(line["shard"])
        reached[key] += 1
        assert int(line["topic_sequence"]) == reached[key], f"message {line['sequence']}"
    ends = (stream["flags"] & Flag.LAST_OF_GROUP) != 0
    if len(stream):
        assert ends[-1], "the stream ends inside a group"
        begins = np.concatenate(([True], ends[:-1]))
        heads = stream[begins]
        made = (heads["flags"] & Flag.GENERATED) != 0
        assert np.all(~made | (heads["template_id"] == Template.REJECTED)), "a group without a head"


def quantity_is_conserved(stream: Lines) -> None:
    """Per order: what was entered is executed, canceled or open; every trade has two sides."""
    open_: dict[tuple[int, int], int] = {}
    traded: dict[int, int] = defaultdict(int)
    for n, line in enumerate(stream):
        template, topic = int(line["template_id"]), int(line["topic"])
        if template == Template.NEW_ORDER:
            one = stream[n : n + 1].view(NEW_ORDER)[0]
            key = topic, int(one["client_order_id"])
            assert key not in open_, f"message {line['sequence']}: the number was used before"
            open_[key] = int(one["quantity"])
        elif template == Template.REPLACE:
            one = stream[n : n + 1].view(REPLACE)[0]
            assert open_.pop((topic, int(one["original_client_order_id"]))) > 0
            open_[topic, int(one["client_order_id"])] = int(one["quantity"])
        elif template in (Template.CANCEL, Template.CANCELED, Template.EXECUTED):
            kind = {Template.CANCEL: CANCEL, Template.CANCELED: CANCELED}.get(
                Template(template), EXECUTED
            )
            one = stream[n : n + 1].view(kind)[0]
            key = topic, int(one["client_order_id"])
            open_[key] -= int(one["quantity"])
            assert open_[key] == int(one["remaining"]), f"message {line['sequence']}"
            if template == Template.EXECUTED:
                sign = 1 if int(one["side"]) == 1 else -1
                traded[int(one["instrument"])] += sign * int(one["quantity"])
    assert not any(traded.values()), "a trade with one side"


def passive_is_active(world: World, stream: Lines) -> PassiveEngine:
    """The same code makes the same bytes from what was contributed."""
    passive = PassiveEngine(world.size, world.shard_of)
    passive.feed(stream)
    assert passive.lines == len(stream)
    assert len(passive.ahead) == len(passive.held) == 0
    for book in passive.books:
        book.verify()
    return passive


def books_are_not_crossed(world: World, passive: PassiveEngine) -> None:
    """Best bid below best offer, in every instrument."""
    for instrument, shard in enumerate(world.shard_of):
        bids, asks = (passive.books[shard].walk(instrument, side) for side in (1, 2))
        if len(bids) and len(asks):
            assert bids["price_ticks"][0] < asks["price_ticks"][0]


def client_got_its_messages(client: Client, stream: Lines) -> None:
    """What a client was told is its part of the stream: all of it, once, in order, in time."""
    refused = stream.view(REJECTED)["refused_template"]
    mine = (stream["topic"] == client.topic) & np.isin(stream["template_id"], SHOWN)
    mine &= ~np.isin(stream["template_id"], (Template.REJECT, Template.REJECTED)) | (
        refused <= Template.REPLACE
    )
    places = np.flatnonzero(mine)
    assert len(client.got) == len(places), f"{client.user}: {len(client.got)} of {len(places)}"
    for message, durable, place in zip(client.messages(), client.durable, places, strict=True):
        line = stream[place : place + 1].view(NEW_ORDER)[0]
        assert int(line["sequence"]) <= durable, f"{client.user} was told before it was promised"
        if isinstance(message, OrderAccepted | OrderReplaced | OrderExecuted):
            assert message.user_ref == int(line["client_order_id"])
        if isinstance(message, OrderAccepted | OrderExecuted):
            assert message.quantity == int(line["quantity"])
    # Whatever was asked under a new number was answered under it, once.
    asked = {getattr(one, "user_ref", 0) for one in client.sent if hasattr(one, "symbol")}
    entered = stream[mine & (stream["template_id"] == Template.NEW_ORDER)].view(NEW_ORDER)
    numbers = entered["client_order_id"].tolist()
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= asked
