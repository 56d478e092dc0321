"""Makes the engine's agents in a core: sequencer, shards, publisher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.book import Book
from engine.publisher import Publisher
from engine.risk import Admission
from engine.sequencer import Sequencer
from engine.shard import Shard

if TYPE_CHECKING:
    from tools.core import CoreProcess


def add_sequencer(process: CoreProcess, name: str) -> None:
    """The one of the exchange."""
    topology, configuration, shared = process.topology, process.configuration, process.shared
    shards = range(topology.exchange.shards)
    # What the publisher has mapped for writing is mapped once.
    has_publisher = "publisher" in process.section.agents
    sequencer = Sequencer(
        process.core,
        process.lane("doorbell"),
        [process.lane(f"lane.{one}") for one in topology.contributors],
        [(process.lane(f"shard.{n}.in"), process.mask(f"shard.{n}")) for n in shards],
        configuration.shard_of,
        configuration.topics,
        configuration.group_of,
        Admission(
            configuration.risk(),
            shared.attach("settled", has_publisher),
            shared.attach("stream", has_publisher),
            shared.attach("stream.readers", writable=True),
        ),
    )
    metrics = process.metrics
    sequencer.measure(
        metrics.histogram_address("port to sequencer"),
        metrics.counter_address("refused proposals"),
        metrics.counter_address("dropped proposals"),
    )
    process.core.add(name, sequencer)


def add_shard(process: CoreProcess, name: str) -> None:
    """One, by the number in its name."""
    number, limits = int(name.removeprefix("shard.")), process.topology.limits
    shard = Shard(
        process.core,
        number,
        process.lane(f"{name}.in"),
        process.lane(f"{name}.out"),
        Book(len(process.configuration.instruments), limits.orders, limits.price_nodes),
        process.configuration.topics,
        process.mask("publisher"),
    )
    shard.measure(
        process.metrics.histogram_address("sequencer to shard"),
        process.metrics.counter_address(f"stale proposals of {name}"),
    )
    process.core.add(name, shard)


def add_publisher(process: CoreProcess, name: str) -> None:
    """The one of the exchange."""
    shared = process.shared
    publisher = Publisher(
        process.core,
        shared.attach("stream", writable=True),
        shared.attach("stream.readers"),
        [process.lane(f"shard.{n}.out") for n in range(process.topology.exchange.shards)],
    )
    publisher.settle(shared.attach("settled", writable=True))
    publisher.measure(process.metrics.histogram_address("shard to publisher"))
    process.core.add(name, publisher)
