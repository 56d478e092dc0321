"""The whole configuration of a day: topology, instruments, participants.

The launcher reads the files once and saves what they said; its cores, a restarted one hours later
included, read only what was saved, so that an edit cannot reach half an exchange.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from engine.risk import Risk, RiskInstrument, RiskSize
from tools.applications import KINDS
from tools.instruments import (
    RULES,
    Instrument,
    Participant,
    load_instruments,
    load_participants,
)
from tools.kind import ApplicationSection
from tools.owner_rules import OwnerRules, commands_of, load_owner_rules
from tools.placement import placed
from tools.private import write_private
from tools.source import Source
from tools.table import Faults
from tools.topology import (
    REPEATED,
    SINGLE,
    ConfigurationError,
    Topology,
    load_topology,
)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that the operator has said."""

    topology: Topology
    instruments: tuple[Instrument, ...]
    participants: tuple[Participant, ...]
    owners: tuple[OwnerRules, ...] = ()
    # Messages of the opening with which a former day's orders come in: no part of the files.
    carried: int = 0

    @classmethod
    def load(cls, path: Path | str, cpus: frozenset[int] | None = None) -> Configuration:
        """Read and check a topology file and what it names. Raises: ConfigurationError."""
        topology = placed(load_topology(path, cpus))
        instruments: tuple[Instrument, ...] = ()
        participants: tuple[Participant, ...] = ()
        owners: tuple[OwnerRules, ...] = ()
        faults = Faults()
        with faults:
            instruments = load_instruments(topology.instruments, topology.exchange.shards)
        with faults:
            participants = load_participants(topology.participants)
        faults.say()
        if topology.owners is not None:
            owners = load_owner_rules(topology.owners, instruments, participants)
            _check_places(topology, owners)
        return cls(topology, instruments, participants, owners)

    @property
    def topics(self) -> int:
        """Topics are 0 (the operator's) to this number - 1.

        Sessions come first, then those of applications, then one an instrument if there is an
        application of a kind that needs them.
        """
        return self._topic_of_instruments + (
            len(self.instruments) if self._has_instrument_topics else 0
        )

    def topic_of(self, application: str) -> int:
        """The first of the topics of an application; 0 if it has none."""
        topic = self._topic_of_applications
        for one in self.topology.applications:
            if one.name == application:
                return topic if KINDS[one.kind].topics else 0
            topic += KINDS[one.kind].topics
        raise KeyError(application)

    def topic_of_instrument(self, instrument: int) -> int:
        """The topic on which the auctions of an instrument compete."""
        return self._topic_of_instruments + instrument

    @property
    def _topic_of_applications(self) -> int:
        return 1 + max(participant.session for participant in self.participants)

    @property
    def _topic_of_instruments(self) -> int:
        own = sum(KINDS[one.kind].topics for one in self.topology.applications)
        return self._topic_of_applications + own

    @property
    def _has_instrument_topics(self) -> bool:
        return any(KINDS[one.kind].instruments for one in self.topology.applications)

    @property
    def opening(self) -> int:
        """Messages of the day's opening."""
        rules = len(commands_of(self))
        return 1 + len(self.instruments) + len(self.participants) + rules + self.carried

    @property
    def shard_of(self) -> bytes:
        """Shard by instrument."""
        return bytes(instrument.shard for instrument in self.instruments)

    @property
    def group_of(self) -> list[int]:
        """Group by instrument: 1, 2, … in the order in which they are first named, 0 for none."""
        groups = {"": 0}
        return [groups.setdefault(one.group, len(groups)) for one in self.instruments]

    def risk(self) -> Risk:
        """The state of all accounts and firms, as it is before the first message."""
        limits = self.topology.limits
        accounts = 1 + max(who.account for who in self.participants)
        firms = 1 + max(who.firm for who in self.participants)
        return Risk(
            [RiskInstrument(one.tick_1e4, one.price_ticks_max) for one in self.instruments],
            self.topology.exchange.shards,
            limits.orders,
            RiskSize(accounts, firms, limits.positions),
            self.topics,
        )

    @property
    def hash(self) -> int:
        """Fingerprint (u64) of all that decides what stands on the stream.

        Placement, waiting, names, paths, passwords, where applications are reached and the number
        of shards are left out: the same input gives the same stream whatever they are (the number
        of shards has its own field). What decides which instrument is on which of them, and which
        legs belong together, is in it, as are all options of applications but the local ones.
        """
        return _print(self._content())

    @property
    def prints(self) -> dict[str, int]:
        """The same of each part, by what it is called and the file that it is in."""
        topology = self.topology
        files: dict[str, Path | None] = {
            "instruments": topology.instruments,
            "participants": topology.participants,
            "owners": topology.owners,
        }
        return {
            f"{name} ({files.get(name) or topology.path})": _print(part)
            for name, part in self._content().items()
        }

    def _content(self) -> dict[str, object]:
        exchange, limits = self.topology.exchange, self.topology.limits
        return {
            "topology": [
                [exchange.environment, exchange.session],
                dataclasses.asdict(self.topology.control),
                [limits.orders, limits.price_nodes, limits.positions],
                [[one.name, one.kind] for one in self.topology.applications],
            ],
            "instruments": [
                [
                    instrument.symbol,
                    instrument.tick_1e4,
                    instrument.lot,
                    instrument.price_ticks_min,
                    instrument.price_ticks_max,
                    instrument.quantity_max,
                    instrument.shard if instrument.shard_chosen else -1,
                    instrument.group,
                    instrument.load,
                    *(getattr(instrument, name) for name in RULES),
                ]
                for instrument in self.instruments
            ],
            "participants": [
                [
                    who.user,
                    who.session,
                    who.account,
                    who.firm,
                    who.firm_name,
                    who.protocol,
                    who.rate,
                    who.notional_max_1e4,
                    who.cancels_on_disconnect,
                    who.self_trade,
                    who.hears,
                ]
                for who in self.participants
            ],
            "owners": [dataclasses.astuple(one) for one in self.owners],
            **{
                f"application {one.name}": one.bound
                for one in self.topology.applications
                if one.bound
            },
        }

    def save(self, path: Path) -> None:
        """Write what was read; for the owner's eyes, since hashed passwords are in it."""
        document = {
            "path": str(self.topology.path),
            **{name: dataclasses.asdict(getattr(self.topology, name)) for name in SINGLE},
            **{
                name: [dataclasses.asdict(one) for one in getattr(self.topology, f"{name}s")]
                for name in REPEATED
            },
            "all_instruments": [dataclasses.astuple(one) for one in self.instruments],
            "all_participants": [dataclasses.astuple(one) for one in self.participants],
            "all_owners": [dataclasses.astuple(one) for one in self.owners],
            "carried": self.carried,
        }
        write_private(path, json.dumps(document))

    @classmethod
    def restore(cls, path: Path) -> Configuration:
        """Read what `save` wrote. Raises: ConfigurationError: it is not there, or not whole."""
        try:
            document = cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
            parts: dict[str, Any] = {
                name: _section(kind, document[name]) for name, kind in SINGLE.items()
            }
            for name, kind in REPEATED.items():
                if name == "application":
                    parts[f"{name}s"] = tuple(_application(one) for one in document[name])
                else:
                    parts[f"{name}s"] = tuple(_section(kind, one) for one in document[name])
            original = Path(document["path"])
            return cls(
                Topology(path=original, source=Source(original, ""), **parts),
                tuple(Instrument(*one) for one in document["all_instruments"]),
                tuple(_participant(one) for one in document["all_participants"]),
                tuple(OwnerRules.restored(one) for one in document["all_owners"]),
                document["carried"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{path}: not a saved configuration ({error!r}); `ringbus up` writes one"
            ) from None


def _check_places(topology: Topology, owners: tuple[OwnerRules, ...]) -> None:
    """Raises: ConfigurationError: restrictions, which take places of positions, leave too few."""
    most = topology.limits.positions
    count = sum(len(one.sell_only) + len(one.no_orders) for one in owners)
    if 2 * count > most:
        raise topology.source.error(
            ("limits", 0, "positions"),
            f"{topology.owners} has {count} restrictions, there are {most} places for them and for "
            "positions",
            f"write {1 << (2 * count - 1).bit_length()} or more",
        )


def _print(content: object) -> int:
    """Fingerprint (u64) of what JSON can say."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _participant(saved: list[Any]) -> Participant:
    """One participant from what was saved; JSON knows lists only."""
    return dataclasses.replace(Participant(*saved), hears=tuple(saved[-1]))


def _section(kind: type[object], saved: dict[str, Any]) -> Any:
    """A section from what was saved; JSON knows lists only."""
    values = {
        key: tuple(value) if isinstance(value, list) else value for key, value in saved.items()
    }
    return cast(Callable[..., object], kind)(**values)


def _application(saved: dict[str, Any]) -> ApplicationSection:
    """One application from what was saved."""
    options = _section(KINDS[saved["kind"]].options, saved["options"])
    return ApplicationSection(saved["name"], saved["kind"], options)
