"""Seeded random messages of every kind, made out of dice and what the oracle has open.

A profile says how likely each kind is and how narrow the world: few prices, accounts and locates
make orders meet. Some messages are spoiled on purpose: one field gets a value that the rules
refuse, or that only looks like one.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from ringbus.messages import (
    INSTRUMENT_NONE,
    CommandKind,
    CrossType,
    Flag,
    InstrumentState,
    MassCancelScope,
    OrderOption,
    Template,
)
from ringbus.messages import TimeInForce as Force
from tests.engine.oracle import BUY, SELL, Instrument, Oracle, Order
from tests.engine.oracle.auction import can_be_matched, taking_part
from tests.engine.oracle.collar import RULES
from tests.engine.oracle.matching import CROSS_ONLY, RESTING
from tests.engine.oracle.wire import OF_THE_OPERATOR, Fields, encode
from tests.engine.profiles import NARROW, QUANTITY_MAX, SPOILED, Profile

Message = list[bytes]
SELF_TRADES = (
    *(OrderOption.SELF_TRADE_NEWEST, OrderOption.SELF_TRADE_OLDEST),
    *(OrderOption.SELF_TRADE_DECREMENT,),
    OrderOption.SELF_TRADE_NEWEST | OrderOption.SELF_TRADE_OLDEST,
)
STATES = tuple(InstrumentState)
STATE_WEIGHTS = (6, 3, 1, 1, 1)
DEAD_MAX = 50
# Seeds mean what they meant when no group was longer.
GROUP_LINES_MAX = 10
# Parts of a reserve order: each is a line, and 2^32 of them would never end.
SLICES_MAX = 20


class Mix:
    """Makes one message after the other; each must be given to the oracle before the next."""

    def __init__(self, seed: int, profile: Profile, oracle: Oracle) -> None:
        self.dice = random.Random(seed)
        self.profile = profile
        self.oracle = oracle
        self.number = 0
        self.touch = [1_000 + 50 * n for n in range(profile.instruments)]
        # Of orders that are gone: what their owners still believe.
        self._dead: deque[Fields] = deque(maxlen=DEAD_MAX)
        self._makers: dict[str, Callable[[], list[Fields]]] = {
            "new": self._new_order,
            "cancel": self._cancel,
            "replace": self._replace,
            "command": self._command,
            "rule": self._rule,
            "cross": self._cross,
            "mass_cancel": self._mass_cancel,
            "legs": self._legs,
        }
        self._kinds = list(profile.kinds)
        self._weights = list(profile.kinds.values())

    def message(self) -> Message:
        """The lines of the next message."""
        dice, profile = self.dice, self.profile
        self.number += 1
        (kind,) = dice.choices(self._kinds, self._weights)
        lines = self._reopening() or self._makers[kind]()
        if dice.random() < profile.spoiled:
            self._spoil(lines)
        header = {
            "sequence": 77,
            "time_ns": self.number * 1_000,
            "topic_sequence": 5,
            "publisher": 9,
            "checksum": self.number & 0xFFFFFFFF,
        }
        raw = [encode(line | header | {"topic": lines[0]["topic"]}) for line in lines]
        if dice.random() < profile.tagged:
            raw.append(line_behind(raw[0], Template.ORDER_TAG, b"tag %d" % self.number))
        elif profile.texts and raw[0][24] in OF_THE_OPERATOR and dice.random() < profile.texts:
            piece = line_behind(raw[0], Template.TEXT, b"\xff" * 4 + b"%28d" % self.number)
            raw += [piece] * dice.randrange(1, GROUP_LINES_MAX)
        if dice.random() < profile.spoiled / 10:
            strays = (Template.ORDER_TERMS, Template.LEG, Template.ORDER_TAG)
            stray = dice.choice((*strays, Template.TEXT) if profile.texts else strays)
            raw.insert(dice.randrange(1, len(raw) + 1), line_behind(raw[0], stray))
        return joined(raw[:GROUP_LINES_MAX])

    def _reopening(self) -> list[Fields]:
        """Halted instruments answer little of interest, so they are opened again soon."""
        markets = self.oracle.market.instruments
        halted = [one.number for one in markets if one.state in (STATES[2:])]
        if not halted or not self._chance(0.1):
            return []
        state = self.dice.choice(STATES[:2])
        line = self._header(Template.COMMAND) | {"kind": 1, "state": state}
        return [line | {"instrument": self.dice.choice(halted)}]

    def _spoil(self, lines: list[Fields]) -> None:
        line = self.dice.choice(lines)
        fields = SPOILED[line["template_id"]]
        name = self.dice.choice(list(fields))
        # The first number that no instrument has.
        beyond = (self.profile.instruments,) if name == "instrument" else ()
        line[name] = self.dice.choice(fields[name] + beyond)

    # What a message is made of

    def _header(self, template: Template) -> Fields:
        dice, profile = self.dice, self.profile
        return {
            "template_id": template,
            "topic": dice.randrange(1, profile.topics + 1),
            "client_order_id": self.number if dice.random() < 0.98 else dice.randrange(1, 4),
            "account": dice.randrange(1, profile.accounts + 1),
            "firm": dice.randrange(1, profile.firms + 1),
        }

    def _chance(self, share: float) -> bool:
        return self.dice.random() < share

    def _instrument(self) -> int:
        return self.dice.randrange(self.profile.instruments)

    def _price(self, instrument: int, side: int) -> int:
        dice = self.dice
        if self.profile.prices:
            return dice.choice(self.profile.prices)
        if self._chance(0.01):
            self.touch[instrument] += dice.choice((-2, -1, 1, 2))
        up = 1 if side == SELL else -1
        others = self.oracle.market.instruments[instrument].others(side)
        if not others:
            return self.touch[instrument] + up * (1 + int(dice.expovariate(0.25)))
        best = others[0].price
        if self._chance(self.profile.aggressive):
            return best - up
        # Behind the touch, and short of the other side.
        price = self.touch[instrument] + up * int(dice.expovariate(0.25))
        return max(price, best + 1) if side == SELL else min(price, best - 1)

    def _quantity(self) -> int:
        return self.dice.choice(self.profile.quantities)

    def _options(self, force: int) -> int:
        """Most of them go together."""
        options = 0
        if self._chance(self.profile.self_trade):
            options |= self.dice.choice(SELF_TRADES)
            options |= OrderOption.SELF_TRADE_FIRM if self._chance(0.3) else 0
        if self._chance(self.profile.plain):
            return options
        if force in RESTING:
            kinds = (OrderOption.HIDDEN, OrderOption.POST_ONLY, OrderOption.SLIDE)
        else:
            kinds = (OrderOption.MARKET,) * 3
        return options | self.dice.choice((0, *kinds))

    def _force(self) -> int:
        if self._chance(self.profile.plain):
            return Force.DAY
        return self.dice.choice((*RESTING, *CROSS_ONLY, *(3, 3, 3, 4, 4, 4)))

    def _terms(self, force: int, quantity: int, options: int) -> Fields:
        dice = self.dice
        line: Fields = {"template_id": Template.ORDER_TERMS, "options": options}
        if force in RESTING and not options & OrderOption.HIDDEN:
            line["display_quantity"] = -(-quantity // dice.randrange(1, SLICES_MAX + 1))
        elif force == Force.IMMEDIATE_OR_CANCEL:
            line["minimum_quantity"] = dice.randrange(1, min(quantity, 40) + 1)
        elif force in CROSS_ONLY and not options & OrderOption.MARKET:
            line["auction"] = dice.randrange(2)
        if force == Force.GOOD_TILL_TIME:
            line["expire_time_ns"] = self.number * 2_000
        return line

    # Kinds

    def _new_order(self) -> list[Fields]:
        dice = self.dice
        instrument, side, force = self._instrument(), dice.choice((BUY, SELL)), self._force()
        quantity = self._quantity()
        # Now and then one that takes a whole side.
        if self._chance(0.01):
            quantity = min(50 * quantity, QUANTITY_MAX)
        options = self._options(force)
        line = self._header(Template.NEW_ORDER) | {
            **{"instrument": instrument, "side": side, "time_in_force": force},
            **{"price_ticks": self._price(instrument, side), "quantity": quantity},
            **{"options": options, "display": ord("Y"), "capacity": ord("P"), "sweep": ord("N")},
        }
        if not self._chance(self.profile.terms):
            return [line]
        return [line, self._terms(force, quantity, options)]

    def _some_order(self) -> Order | None:
        """Any open order; none if a few throws of the dice find none."""
        for _ in range(12):
            order = self.oracle.open.get(self.dice.randrange(1, self.profile.orders + 1))
            if order is not None:
                return order
        return None

    def _named(self, template: Template, name: str) -> tuple[Fields, Order | None]:
        """A message about an order that is open, or was."""
        order = self._some_order()
        line = self._header(template)
        if self._dead and (order is None or self._chance(self.profile.stale)):
            gone = dict(self.dice.choice(self._dead))
            return line | gone | {name: gone.get("client_order_id", 0)}, None
        if order is None:
            return line | {"instrument": self._instrument(), "locate": 1, name: 1}, None
        named = {"instrument": order.instrument, "topic": order.topic, "locate": order.locate}
        self._dead.append(named | {"client_order_id": order.client_order_id})
        return line | named | {name: order.client_order_id}, order

    def _cancel(self) -> list[Fields]:
        line, order = self._named(Template.CANCEL, "client_order_id")
        quantity = order.quantity if order is not None else 1
        if self._chance(0.4):
            quantity = self.dice.randrange(1, quantity + 2) & QUANTITY_MAX
        return [line | {"quantity": quantity, "reason": 1}]

    def _replace(self) -> list[Fields]:
        dice = self.dice
        line, order = self._named(Template.REPLACE, "original_client_order_id")
        line["client_order_id"] = self.number
        instrument = line["instrument"]
        force = order.time_in_force if order is not None else 0
        if self._chance(0.2):
            force = dice.choice((*RESTING, Force.IMMEDIATE_OR_CANCEL, Force.IMMEDIATE_OR_CANCEL))
        line |= {"time_in_force": force, "quantity": self._quantity(), "display": ord("Y")}
        line["price_ticks"] = self._price(instrument, order.side if order is not None else BUY)
        if order is None:
            # It may be there all the same, and show one at a time.
            return [line | {"quantity": min(line["quantity"], SLICES_MAX)}]
        options, shown = order.options, order.display_quantity
        if self._chance(0.5):
            line["price_ticks"] = order.price
            line["quantity"] = dice.randrange(1, min(order.quantity + 1, QUANTITY_MAX) + 1)
        if shown:
            line["quantity"] = min(line["quantity"], SLICES_MAX * shown)
        if not self._chance(self.profile.terms):
            return [line]
        if self._chance(0.5):
            options = self._options(force)
        terms = self._terms(force, line["quantity"], options)
        if self._chance(0.5):
            terms["display_quantity"] = shown
        return [line, terms]

    def _command(self) -> list[Fields]:
        line = self._header(Template.COMMAND) | {"instrument": self._instrument(), "kind": 1}
        return [line | {"state": self.dice.choices(STATES, STATE_WEIGHTS)[0]}]

    def _rule(self) -> list[Fields]:
        """Collars and fat fingers that some orders pass and some do not."""
        dice = self.dice
        line = self._header(Template.COMMAND) | {"instrument": self._instrument()}
        kind = dice.choice(RULES)
        price = dice.choice((0, dice.randrange(1, 5)))
        if kind == CommandKind.COLLAR:
            low, high = sorted(dice.choices(NARROW, k=2))
            value = dice.choice((0, low, high << 32, high << 32 | low, low << 32 | high))
            line |= {"state": dice.choice(STATES[:2]), "value": value}
        elif kind == CommandKind.FAT_FINGER:
            line["value"] = dice.choice((0, dice.randrange(100, 2_000)))
        else:
            price = dice.choice((0, *NARROW))
        return [line | {"kind": kind, "price_ticks": price}]

    def _cross(self) -> list[Fields]:
        dice = self.dice
        instrument = self.oracle.market.instruments[self._instrument()]
        cross = dice.choice(tuple(CrossType))
        price, quantity = auction(instrument, cross)
        if self._chance(0.3):
            quantity = dice.randrange(0, quantity + 2)
        if self._chance(0.1):
            price += dice.choice((-1, 1))
        return [
            self._header(Template.CROSS_RESULT)
            | {"instrument": instrument.number, "price_ticks": price}
            | {"quantity": min(quantity, QUANTITY_MAX), "cross_type": cross}
            | {"state": dice.choices(STATES, STATE_WEIGHTS)[0]}
            | {"changes": instrument.changes - self._chance(0.05) & QUANTITY_MAX}
        ]

    def _mass_cancel(self) -> list[Fields]:
        dice = self.dice
        scope = dice.choice((1, 65, *range(2, 128, 2)))
        in_one = scope & MassCancelScope.INSTRUMENT
        return [
            self._header(Template.MASS_CANCEL)
            | {"scope": scope, "side": dice.choice((BUY, SELL))}
            | {"instrument": self._instrument() if in_one else INSTRUMENT_NONE}
            | {"session": dice.randrange(1, self.profile.topics + 1)}
        ]

    def _legs(self) -> list[Fields]:
        dice, count = self.dice, self.profile.group or self.profile.instruments
        wanted = dice.choice((1, 2, 2, 2, 2, 3, 8, count))
        start = self._instrument() // count * count
        chosen = [start + n for n in dice.sample(range(count), min(wanted, count))]
        first = self._header(Template.MULTI_LEG_ORDER) | {"instrument": chosen[0]}
        first |= {"leg_count": len(chosen)}
        if self._chance(self.profile.self_trade):
            first["options"] = dice.choice(SELF_TRADES)
        legs = []
        for instrument in chosen:
            side = dice.choice((BUY, SELL))
            price = self._price(instrument, side)
            if self._chance(0.7) and self.profile.prices:
                price = max(self.profile.prices) if side == BUY else min(self.profile.prices)
            who = {name: first[name] for name in ("client_order_id", "account", "firm")}
            leg = who | {"template_id": Template.LEG, "instrument": instrument, "side": side}
            legs.append(leg | {"price_ticks": price, "quantity": dice.randrange(1, 6)})
        return [first, *legs]


def joined(lines: Message) -> Message:
    """Each line but the last says that the next belongs to it."""
    flags = [Flag.CONTINUED] * (len(lines) - 1) + [0]
    return [one[:25] + bytes([flag]) + one[26:] for one, flag in zip(lines, flags, strict=True)]


def line_behind(first: bytes, template: int, body: bytes = b"") -> bytes:
    """A line with the header of its message."""
    return first[:24] + bytes([template]) + first[25:32] + body.ljust(32, b"\0")


def auction(instrument: Instrument, cross: int) -> tuple[int, int]:
    """The price at which most would trade, and how much; of several the lowest."""
    every = (*taking_part(instrument, BUY, 1, cross), *taking_part(instrument, SELL, 2**30, cross))
    prices = sorted({order.price for order in every})
    matched = [(can_be_matched(instrument, price, cross), -price) for price in prices]
    quantity, price = max(matched, default=(0, -1))
    return -price, quantity
