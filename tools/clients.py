"""The day's instruments and participants as ports are given them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ports.client import ClientSession, Instrument

if TYPE_CHECKING:
    from tools.configuration import Configuration
    from tools.instruments import Participant


def port_instruments(configuration: Configuration) -> list[Instrument]:
    """All instruments, in the day's order."""
    return [
        Instrument(
            one.symbol,
            one.tick_1e4,
            one.price_ticks_min,
            one.price_ticks_max,
            one.lot,
            one.quantity_max,
            one.shard,
        )
        for one in configuration.instruments
    ]


def client_sessions(
    configuration: Configuration, users: tuple[str, ...] = ()
) -> list[ClientSession]:
    """The sessions of those users, of all participants who trade if none is named."""
    return [
        _session(one)
        for one in configuration.participants
        if not one.hears and (not users or one.user in users)
    ]


def drop_sessions(configuration: Configuration, users: tuple[str, ...] = ()) -> list[ClientSession]:
    """The same of the drop copies, with the sessions that they hear."""
    speakers = {one.session: _session(one) for one in configuration.participants if not one.hears}
    return [
        replace(_session(one), hears=tuple(speakers[session] for session in one.hears))
        for one in configuration.participants
        if one.hears and (not users or one.user in users)
    ]


def _session(one: Participant) -> ClientSession:
    return ClientSession(
        one.session,
        one.user,
        one.account,
        one.firm,
        one.firm_name,
        one.rate,
        one.notional_max_1e4,
        one.cancels_on_disconnect,
        one.self_trade,
        one.protocol,
    )
