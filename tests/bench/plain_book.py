"""A book as it is written in plain Python: dicts of dicts and a sorted list of prices."""

from __future__ import annotations

from bisect import bisect_left, insort

from ringbus.messages import Side

Event = tuple[str, int, int, int]


class PlainBook:
    """One instrument, price then time.

    Each call returns its events: (what, order, price, quantity).
    """

    def __init__(self) -> None:
        # By side: price to the orders there, oldest first. Bids are kept under minus their price,
        # so that the best is the first of both.
        self._levels: dict[int, dict[int, dict[int, int]]] = {Side.BUY: {}, Side.SELL: {}}
        self._prices: dict[int, list[int]] = {Side.BUY: [], Side.SELL: []}
        self._orders: dict[int, tuple[int, int]] = {}

    @property
    def open_orders(self) -> int:
        """Orders that rest in the book."""
        return len(self._orders)

    def new(self, order: int, side: int, price: int, quantity: int, rests: bool) -> list[Event]:
        """Match an order, then let the rest of it rest or go."""
        events: list[Event] = [("accepted", order, price, quantity)]
        other = Side.SELL if side == Side.BUY else Side.BUY
        limit = price if side == Side.BUY else -price
        prices = self._prices[other]
        levels = self._levels[other]
        while quantity and prices and prices[0] <= limit:
            level = levels[prices[0]]
            at = abs(prices[0])
            while quantity and level:
                resting, available = next(iter(level.items()))
                traded = min(quantity, available)
                quantity -= traded
                events.append(("executed", order, at, traded))
                events.append(("executed", resting, at, traded))
                if traded == available:
                    del level[resting]
                    del self._orders[resting]
                else:
                    level[resting] = available - traded
            if not level:
                del levels[prices.pop(0)]
        if quantity and rests:
            self._rest(order, side, -limit, quantity)
        elif quantity:
            events.append(("canceled", order, price, quantity))
        return events

    def cancel(self, order: int) -> list[Event]:
        """Take an order out."""
        if order not in self._orders:
            return [("rejected", order, 0, 0)]
        side, key = self._orders[order]
        return [("canceled", order, abs(key), self._leave(order, side, key))]

    def replace(self, order: int, new_order: int, price: int, quantity: int) -> list[Event]:
        """Take an order out and enter it anew."""
        if order not in self._orders:
            return [("rejected", order, 0, 0)]
        side, key = self._orders[order]
        self._leave(order, side, key)
        return self.new(new_order, side, price, quantity, True)

    def _rest(self, order: int, side: int, key: int, quantity: int) -> None:
        level = self._levels[side].get(key)
        if level is None:
            level = self._levels[side][key] = {}
            insort(self._prices[side], key)
        level[order] = quantity
        self._orders[order] = (side, key)

    def _leave(self, order: int, side: int, key: int) -> int:
        del self._orders[order]
        level = self._levels[side][key]
        quantity = level.pop(order)
        if not level:
            del self._levels[side][key]
            del self._prices[side][bisect_left(self._prices[side], key)]
        return quantity
