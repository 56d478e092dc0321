"""Generated from messages.xml by `python -m tools.schema`; do not edit."""

from __future__ import annotations

from typing import Final, NamedTuple

from ringbus.messages import Template


class NewOrder(NamedTuple):
    """An order. On the stream: it was accepted and has its locate."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    locate: int
    client_order_id: int
    account: int
    firm: int
    side: int
    time_in_force: int
    display: bytes
    capacity: bytes
    sweep: bytes
    cross_type: bytes
    original_side: bytes
    options: int


class Cancel(NamedTuple):
    """Takes quantity off an open order, which keeps its place in the queue; the whole of it cancels the order."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    locate: int
    client_order_id: int
    account: int
    firm: int
    side: int
    reason: int
    spare: int
    remaining: int


class Replace(NamedTuple):
    """Cancels an open order and enters another in its locate; flag KeptPriority: in its place in the queue."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    locate: int
    client_order_id: int
    account: int
    firm: int
    side: int
    time_in_force: int
    display: bytes
    sweep: bytes
    original_client_order_id: int


class OrderTag(NamedTuple):
    """What the client wants to hear again: the second line of a message, behind a Continued line."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    text: bytes
    total_quantity: int
    capacity: bytes
    cross_type: bytes
    original_side: bytes
    request: bytes


class Reject(NamedTuple):
    """A port's sequenced refusal of what its client asked, cancel reject included."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    locate: int
    client_order_id: int
    account: int
    firm: int
    side: int
    refused_template: int
    reason: int
    spare: int


class MassCancel(NamedTuple):
    """Cancels every open order that has what its scope names."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    session: int
    spare: int
    spare2: int
    client_order_id: int
    account: int
    firm: int
    side: int
    scope: int
    spare3: int
    spare4: int


class SessionEvent(NamedTuple):
    """A client's session begins or ends a connection."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    connection: int
    next_message: int
    client_order_id: int
    account: int
    firm: int
    kind: int
    options: int
    spare3: int
    client_message: int


class CrossResult(NamedTuple):
    """Result of an auction that was computed outside the engine: both sides trade at one price."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    locate: int
    client_order_id: int
    account: int
    firm: int
    cross_type: int
    state: int
    spare: int
    changes: int


class Command(NamedTuple):
    """An operator's change of a rule or a state; author and reason are in the Text lines behind it."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    value: int
    client_order_id: int
    account: int
    firm: int
    kind: int
    state: int
    session: int
    scope: int
    limit: int
    spare: int


class Tick(NamedTuple):
    """Somebody's word that time has passed; the time itself is the sequencer's."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    mark: int
    every_ns: int
    spare2: int
    spare3: int


class EpochStart(NamedTuple):
    """Another engine reigns from here on: whoever waits for an answer to a proposal proposes again."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    epoch: int
    build_hash: int
    spare: int
    spare2: int


class EndOfDay(NamedTuple):
    """Nothing of this day follows: the engine takes nothing behind it."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    kept_orders: int
    kept_quantity: int
    spare3: int
    spare4: int


class InstrumentDefinition(NamedTuple):
    """One instrument of the day."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks_min: int
    price_ticks_max: int
    lot: int
    tick_1e4: int
    quantity_max: int
    symbol: bytes


class ParticipantDefinition(NamedTuple):
    """One client session of the day."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    session: int
    account: int
    firm: int
    spare: int
    spare2: int
    user: bytes
    firm_name: bytes


class BuildRecord(NamedTuple):
    """First line of a day: what made it."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    shards: int
    environment: int
    spare: int
    schema_hash: int
    configuration_hash: int
    build_hash: int


class OrderTerms(NamedTuple):
    """More about an order: the line behind a NewOrder or Replace."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    display_quantity: int
    minimum_quantity: int
    options: int
    auction: int
    customer_type: bytes
    time_in_force: bytes
    expire_time_ns: int
    group: int
    shares_located: bytes
    self_trade: bytes
    firm_name: bytes


class MultiLegOrder(NamedTuple):
    """Orders in several instruments of one group that trade in full at once or not at all; its legs are the lines behind it."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    spare: int
    spare2: int
    client_order_id: int
    account: int
    firm: int
    leg_count: int
    options: int
    spare3: int
    spare4: int


class Leg(NamedTuple):
    """One leg of a MultiLegOrder."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    locate: int
    client_order_id: int
    account: int
    firm: int
    side: int
    spare: int
    spare2: int
    spare3: int


class StopOrder(NamedTuple):
    """An order that is to come in when a trade reaches its stop; an application holds it till then, the book does not know of it."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    stop_ticks: int
    client_order_id: int
    account: int
    firm: int
    side: int
    time_in_force: int
    display: bytes
    capacity: bytes
    sweep: bytes
    cross_type: bytes
    original_side: bytes
    options: int


class StopCancel(NamedTuple):
    """Takes back a StopOrder of the same topic that has not come in."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    spare: int
    spare2: int
    client_order_id: int
    account: int
    firm: int
    spare3: int


class Imbalance(NamedTuple):
    """What the cross of an instrument would come to now, of all orders that an auction has seen."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    reference_ticks: int
    paired: int
    imbalance: int
    near_ticks: int
    far_ticks: int
    changes: int
    side: int
    cross_type: int
    spare: int


class AuctionExtension(NamedTuple):
    """The price of a cross would be outside its collars: orders are collected for longer."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    low_ticks: int
    high_ticks: int
    until_ns: int
    cross_type: int
    extension: int
    spare: int
    spare2: int


class TradeReported(NamedTuple):
    """The trade reporter's word that the facility has answered for all trades up to a place."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    reports: int
    reported: int
    refused: int
    reason: int
    spare: int
    spare2: int


class TradeChange(NamedTuple):
    """An operator's bust or correction of a trade. Behind it: each party's TradeParty with its OrderTag, then Text lines."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    match: int
    client_order_id: int
    account: int
    firm: int
    kind: int
    reason: bytes
    spare: int
    quantity: int


class TradeParty(NamedTuple):
    """One side of the trade that a TradeChange is about. The OrderTag behind it: the order's text as its client gave it, and in total_quantity the price before, in ticks."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    session: int
    side: int
    liquidity: bytes
    notional_1e4: int
    client_order_id: int
    account: int
    firm: int
    quantity: int
    spare: int


class Text(NamedTuple):
    """A piece of what an operator says of a Command, MassCancel, CommandAsked or TradeChange, which it stands behind: who (as said), the number of the local user who said it, and why, a line each, in UTF-8 over all pieces."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    text: bytes


class CommandAsked(NamedTuple):
    """A Command, MassCancel or TradeChange that waits for a second author, or the word that one waits no more; it becomes true when a line of that template with its number follows. Of a TradeChange price_ticks, value (its match), kind and state (its reason) are where it has them."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    value: int
    client_order_id: int
    account: int
    firm: int
    kind: int
    state: int
    session: int
    scope: int
    limit: int
    asked_template: int
    side: int


class Alarm(NamedTuple):
    """A guardian found that a rule of its table does not hold."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    session: int
    rule: int
    value: int
    kind: int
    scope: int
    action: int
    spare: int
    account: int
    firm: int
    bound: int


class CarriedOver(NamedTuple):
    """What the former day has left to this one; behind the definitions. The orders that are carried follow, each as NewOrder or StopOrder on its session's topic behind a SessionEvent, in the priority that they had; for each that cannot be a Reject there, if the session is still there."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    messages: int
    orders: int
    left_orders: int
    quantity: int
    former_digest: int


class Executed(NamedTuple):
    """One side of a trade, on that side's topic: the incoming side's line first, the resting side's behind it."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    locate: int
    client_order_id: int
    account: int
    firm: int
    side: int
    liquidity: int
    detail: int
    remaining: int


class Canceled(NamedTuple):
    """The engine took the rest of an order away."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    locate: int
    client_order_id: int
    account: int
    firm: int
    side: int
    reason: int
    liquidity: int
    remaining: int


class Rejected(NamedTuple):
    """The engine refused a proposal."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    locate: int
    client_order_id: int
    account: int
    firm: int
    side: int
    refused_template: int
    reason: int
    spare: int


class StateChanged(NamedTuple):
    """An instrument's state changed."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    spare: int
    spare2: int
    spare3: int
    state_before: int
    state: int
    spare4: int
    spare5: int


class Replenished(NamedTuple):
    """An order in reserve shows its next part, at the back of its queue."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    locate: int
    client_order_id: int
    account: int
    firm: int
    side: int
    spare: int
    spare2: int
    remaining: int


class TradeChanged(NamedTuple):
    """One side of a trade is void or has another price, on that side's topic. The OrderTag behind it: as behind its TradeParty."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    match: int
    client_order_id: int
    account: int
    firm: int
    side: int
    liquidity: bytes
    kind: int
    reason: bytes
    quantity: int


class Skip(NamedTuple):
    """A shard's answer to a dropped proposal: tells the publisher to go on. Never on the stream."""

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template_id: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    spare: int
    spare2: int
    spare3: int
    spare4: int


Line = NewOrder | Cancel | Replace | OrderTag | Reject | MassCancel | SessionEvent | CrossResult | Command | Tick | EpochStart | EndOfDay | InstrumentDefinition | ParticipantDefinition | BuildRecord | OrderTerms | MultiLegOrder | Leg | StopOrder | StopCancel | Imbalance | AuctionExtension | TradeReported | TradeChange | TradeParty | Text | CommandAsked | Alarm | CarriedOver | Executed | Canceled | Rejected | StateChanged | Replenished | TradeChanged | Skip
LINES: Final[dict[Template, type[Line]]] = {
    Template.NEW_ORDER: NewOrder,
    Template.CANCEL: Cancel,
    Template.REPLACE: Replace,
    Template.ORDER_TAG: OrderTag,
    Template.REJECT: Reject,
    Template.MASS_CANCEL: MassCancel,
    Template.SESSION_EVENT: SessionEvent,
    Template.CROSS_RESULT: CrossResult,
    Template.COMMAND: Command,
    Template.TICK: Tick,
    Template.EPOCH_START: EpochStart,
    Template.END_OF_DAY: EndOfDay,
    Template.INSTRUMENT_DEFINITION: InstrumentDefinition,
    Template.PARTICIPANT_DEFINITION: ParticipantDefinition,
    Template.BUILD_RECORD: BuildRecord,
    Template.ORDER_TERMS: OrderTerms,
    Template.MULTI_LEG_ORDER: MultiLegOrder,
    Template.LEG: Leg,
    Template.STOP_ORDER: StopOrder,
    Template.STOP_CANCEL: StopCancel,
    Template.IMBALANCE: Imbalance,
    Template.AUCTION_EXTENSION: AuctionExtension,
    Template.TRADE_REPORTED: TradeReported,
    Template.TRADE_CHANGE: TradeChange,
    Template.TRADE_PARTY: TradeParty,
    Template.TEXT: Text,
    Template.COMMAND_ASKED: CommandAsked,
    Template.ALARM: Alarm,
    Template.CARRIED_OVER: CarriedOver,
    Template.EXECUTED: Executed,
    Template.CANCELED: Canceled,
    Template.REJECTED: Rejected,
    Template.STATE_CHANGED: StateChanged,
    Template.REPLENISHED: Replenished,
    Template.TRADE_CHANGED: TradeChanged,
    Template.SKIP: Skip,
}
