"""Closing: takes away what does not outlive the day, then says that the day is over.

It speaks on the console's lane once the stream has said CloseDay, from which on no order comes in.
Orders of the day, for a cross, or whose time has come are canceled (Expired) on their sessions'
topics, one in flight on each; day stop orders are taken back. When nothing is left that would go,
EndOfDay says what stays, and the engine takes nothing behind it.

All it wants follows from the stream: whoever is killed, the next one goes on where it was, and
nothing is done twice.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ports.open_orders import TEMPLATES, OpenOrders
from ringbus.application import Application
from ringbus.filter import Filter
from ringbus.messages import (
    CANCEL,
    COMMAND,
    END_OF_DAY,
    INSTRUMENT_NONE,
    MESSAGE,
    REJECTED,
    STOP_CANCEL,
    STOP_ORDER,
    CancelReason,
    CommandKind,
    Template,
    TimeInForce,
)
from ringbus.replay import Stream
from ringbus.volley import Volley

WANTED: Final = (
    *TEMPLATES,
    *(Template.COMMAND, Template.END_OF_DAY, Template.REJECT, Template.REJECTED),
    *(Template.STOP_ORDER, Template.STOP_CANCEL),
)
_STOPS: Final = (*WANTED[-4:], Template.NEW_ORDER)
KEEPS: Final = (int(TimeInForce.GOOD_TILL_CANCEL), int(TimeInForce.GOOD_TILL_TIME))
Name = tuple[int, int]  # topic and the client's number
Places = NDArray[np.intp]


class Closing(Application):
    """A contributor that ends the day, stepped by whoever closes it.

    Args: volley: on the console's lane; orders: an empty table, its own; shard_of: shard by
    instrument. Memory: the table.
    """

    def __init__(
        self, stream: Stream, volley: Volley, orders: OpenOrders, shard_of: bytes, opening: int
    ) -> None:
        self._orders = orders
        self._own = volley
        self._shard_of = shard_of
        self._stops: dict[Name, NDArray[np.void]] = {}
        # Places of orders that are to go, a run of them for each topic and shard; of each run the
        # next one, and where it ends.
        self._due: Places = np.zeros(0, np.intp)
        self._next = self._ends = self._topics = self._shards = self._due
        self.is_closed = False  # the stream has said CloseDay
        self.end = 0  # sequence of EndOfDay, 0: it is not over
        self.expired = 0  # orders that it has taken away, or others meanwhile
        super().__init__(stream, Filter(WANTED), None, opening, volley)

    def on_batch(self, batch: NDArray[np.void]) -> None:
        """Orders, stop orders, and how far the day is."""
        template = batch["template_id"]
        self._orders.hear(batch)
        if self._stops or (template == Template.STOP_ORDER).any():
            for n in np.flatnonzero(np.isin(template, _STOPS)).tolist():
                self._hear_stop(batch[n : n + 1])
        commands = batch[template == Template.COMMAND].view(COMMAND)
        self.is_closed |= bool((commands["kind"] == CommandKind.CLOSE_DAY).any())
        gone = batch[template == Template.CANCEL].view(CANCEL)
        if self.is_closed:
            self.expired += int((gone["reason"] == CancelReason.EXPIRED).sum())
        for line in batch[template == Template.END_OF_DAY]:
            self.end = int(line["sequence"])

    def fire(self) -> int:
        """Say what is to go, as much as there are free topics; when nothing is left, the end."""
        if not self.is_closed or self.end:
            return 0
        if (self._next < self._ends).any():
            return self._cancel()
        if self._own.flying:
            return 0
        if len(places := self._over()):
            self._queue(places)
            return self._cancel()
        stops = [line for line in self._stops.values() if _tif(line) not in KEEPS]
        return self._take_back(stops) if stops else self._end()

    @property
    def kept(self) -> tuple[int, int]:
        """Orders and stop orders that are open, and their quantity."""
        rows = self._orders.rows[: self._orders.used]
        quantity = sum(int(line["quantity"][0]) for line in self._stops.values())
        return (
            int((rows["open"] > 0).sum()) + len(self._stops),
            int(rows["open"].sum(dtype=np.uint64)) + quantity,
        )

    def _over(self) -> Places:
        """Places of the orders that do not stay."""
        rows = self._orders.rows[: self._orders.used]
        is_over = ~np.isin(rows["time_in_force"], KEEPS) | (rows["expire_ns"] <= self.now_ns)
        places: Places = np.flatnonzero((rows["open"] > 0) & is_over)
        return places

    def _queue(self, places: Places) -> None:
        topics = self._orders.rows["topic"][places].astype(np.intp)
        shards = places // self._orders.stride
        order = np.lexsort((places, shards, topics))
        self._due = places[order]
        keys = (topics << 16 | shards)[order]
        self._next = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        self._ends = np.append(self._next[1:], len(keys))
        self._topics, self._shards = keys[self._next] >> 16, keys[self._next] & 0xFFFF

    def _cancel(self) -> int:
        """The next order of each run where nothing is in flight; those that are gone are passed."""
        is_free = self._own.is_free(self._topics, self._shards)
        while True:
            runs = np.flatnonzero(is_free & (self._next < self._ends))
            places = self._due[self._next[runs]]
            is_gone = self._orders.rows["open"][places] == 0
            if not is_gone.any():
                break
            self._next[runs[is_gone]] += 1
        if not len(places):
            return 0
        rows = self._orders.rows[places]
        lines: NDArray[np.void] = np.zeros(len(places), CANCEL)
        shards, locates = np.divmod(places, self._orders.stride)
        lines["template_id"], lines["reason"] = Template.CANCEL, CancelReason.EXPIRED
        lines["locate"], lines["quantity"] = locates, rows["open"]
        for name in ("instrument", "client_order_id", "account", "firm"):
            lines[name] = rows[name]
        return self._own.send(lines.view(MESSAGE)[:, None], self._topics[runs], self._shards[runs])

    def _take_back(self, stops: list[NDArray[np.void]]) -> int:
        held = np.concatenate(stops)
        lines: NDArray[np.void] = np.zeros(len(held), STOP_CANCEL)
        lines["template_id"] = Template.STOP_CANCEL
        for name in ("instrument", "client_order_id", "account", "firm"):
            lines[name] = held[name]
        shards = np.frombuffer(self._shard_of, np.uint8)[held["instrument"]].astype(np.intp)
        return self._send(lines, held["topic"].astype(np.intp), shards)

    def _end(self) -> int:
        line: NDArray[np.void] = np.zeros(1, END_OF_DAY)
        line["template_id"], line["instrument"] = Template.END_OF_DAY, INSTRUMENT_NONE
        line["kept_orders"], line["kept_quantity"] = self.kept
        nowhere: Places = np.zeros(1, np.intp)
        return self._send(line, nowhere, nowhere)

    def _send(self, lines: NDArray[np.void], topics: Places, shards: Places) -> int:
        """The first one of each topic and shard where nothing is in flight."""
        free = np.flatnonzero(self._own.is_free(topics, shards))
        _, first = np.unique(topics[free] << 16 | shards[free], return_index=True)
        which = free[np.sort(first)]
        return self._own.send(lines[which].view(MESSAGE)[:, None], topics[which], shards[which])

    def _hear_stop(self, line: NDArray[np.void]) -> None:
        first = line.view(STOP_ORDER)
        name = int(first["topic"][0]), int(first["client_order_id"][0])
        template = int(first["template_id"][0])
        if template == Template.STOP_ORDER:
            self._stops[name] = first.copy()
            return
        refused = int(line.view(REJECTED)["refused_template"][0])
        is_refusal = template in (Template.REJECT, Template.REJECTED)
        if not is_refusal or refused in (Template.NEW_ORDER, Template.STOP_ORDER):
            self._stops.pop(name, None)


def _tif(line: NDArray[np.void]) -> int:
    return int(line["time_in_force"][0])
