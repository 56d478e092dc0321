"""One message a call: the same book as in batches, and what is refused before it sees anything."""

from __future__ import annotations

import ast
import gc
import inspect
import pickle
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine
from engine import _calls
from engine._engine import ffi
from engine.book import Book
from engine.event import Event
from ringbus.messages import Flag, OrderOption, RejectReason, Side, Template, TimeInForce
from ringbus.status import CorruptionError, UsageError
from tests.engine.mix import Message, Mix
from tests.engine.oracle import Oracle, Order
from tests.engine.oracle.wire import Fields, decode, encode
from tests.engine.profiles import PROFILES
from tests.engine.trial import as_lines

BUY, SELL = Side.BUY, Side.SELL
IMMEDIATE_OR_CANCEL = TimeInForce.IMMEDIATE_OR_CANCEL
METHODS = ("new", "cancel", "reduce", "replace")
Events = tuple[Event, ...]

# What a call does not say and the book does not keep: header, letters that are echoed.
ECHOED = {
    *("sequence", "time_ns", "topic_sequence", "publisher", "checksum", "flags", "template_id"),
    *("display", "capacity", "sweep", "shard", "expire_time_ns"),
}
NAMED = {
    **{Template.NEW_ORDER: ("instrument", "topic", "account", "firm")},
    **{Template.CANCEL: ("instrument", "topic")},
    **{Template.REPLACE: ("instrument", "topic", "account", "firm")},
}
PLAIN = {
    Template.NEW_ORDER: (
        *("client_order_id", "side", "price_ticks", "quantity", "time_in_force", "options"),
    ),
    Template.CANCEL: ("locate", "client_order_id", "quantity"),
    Template.REPLACE: (
        *("locate", "original_client_order_id", "client_order_id", "price_ticks", "quantity"),
        "time_in_force",
    ),
}
OF_TERMS = ("options", "display_quantity", "minimum_quantity", "auction")


@pytest.fixture
def book() -> Iterator[Book]:
    with Book(instruments=2, orders=100, nodes=200) as book:
        yield book


# --- the same as in batches ----------------------------------------------------------------------


def expected(raw: bytes) -> Events:
    """Lines of an answer as events, by the tables of the schema."""
    events = []
    for at in range(0, len(raw), 64):
        line = decode(raw[at : at + 64])
        template = Template(line["template_id"])
        if template == Template.ORDER_TERMS:
            continue
        is_taken = template in (Template.NEW_ORDER, Template.REPLACE)
        remaining = line["quantity"] if is_taken else line.get("remaining", 0)
        last = line["locate"], line.get("reason", 0), line["topic"]
        first = line["client_order_id"], line["side"], line["price_ticks"], line["quantity"]
        events.append(Event(template, *first, remaining, *last))
    return tuple(events)


def can_be_said(first: Fields, terms: Fields | None) -> bool:
    """Whether numbers alone say it all."""
    template = first["template_id"]
    if template not in PLAIN:
        return False
    said = {*PLAIN[Template(template)], *NAMED[Template(template)], *ECHOED}
    said |= {"account", "firm", "reason"} if template == Template.CANCEL else set()
    if any(value for name, value in first.items() if name not in said):
        return False
    if terms is None:
        return True
    if terms["template_id"] != Template.ORDER_TERMS or template == Template.CANCEL:
        return False
    return template == Template.REPLACE or terms["options"] == first["options"]


def call(book: Book, first: Fields, terms: Fields | None, order: Order | None) -> Events:
    """The method and the numbers of a message; `order`: the one of which it takes all."""
    template = Template(first["template_id"])
    numbers = [first[name] for name in PLAIN[template]]
    named = {name: first[name] for name in NAMED[template]}
    if template == Template.CANCEL:
        name = "reduce" if order is None else "cancel"
        numbers = numbers if order is None else numbers[:2]
    else:
        name = "new" if template == Template.NEW_ORDER else "replace"
    if terms is not None:
        named |= {one: terms[one] for one in OF_TERMS if one not in first}
    events: Events = getattr(book, name)(*numbers, **named)
    return events


def all_of_it(oracle: Oracle, first: Fields) -> Order | None:
    """The order that a Cancel takes out, if it is that order's own and names all that is open."""
    if first["template_id"] != Template.CANCEL:
        return None
    order = oracle.open.get(first["locate"])
    names = ("client_order_id", "instrument", "topic", "quantity")
    return order if order and all(getattr(order, n) == first[n] for n in names) else None


class Both:
    """Two books and the oracle that thinks of messages: one is called, one is given lines."""

    def __init__(self, name: str, seed: int) -> None:
        profile = PROFILES[name]
        sizes = profile.instruments, profile.orders, profile.nodes
        self.called, self.lines, self.oracle = Book(*sizes), Book(*sizes), Oracle(*sizes)
        self.mix = Mix(seed, profile, self.oracle)
        self.said: Counter[str] = Counter()

    def one(self) -> None:
        message = self.mix.message()
        decoded = [decode(line) for line in message] if is_numbers(message) else []
        terms = decoded[1] if len(decoded) == 2 else None
        if 1 <= len(decoded) <= 2 and can_be_said(decoded[0], terms):
            order = all_of_it(self.oracle, decoded[0])
            raw = self.lines.submit(as_lines(b"".join(message))).tobytes()
            events = call(self.called, decoded[0], terms, order)
            assert events == expected(raw), message
            self.said.update(event.template.name for event in events)
            self.said["one call"] += 1
            self.said["cancel"] += order is not None
        else:
            for book in (self.called, self.lines):
                book.submit(as_lines(b"".join(message)))
        self.oracle.submit(message)
        self.said["messages"] += 1


def is_numbers(message: Message) -> bool:
    return all(line[24] not in (Template.TEXT, Template.ORDER_TAG) for line in message)


@pytest.mark.parametrize("name", PROFILES)
def test_a_random_run_says_the_same_as_lines(name: str) -> None:
    """Every order kind of every world, refusals included; other messages come in between."""
    both = Both(name, seed=14)
    for n in range(4_000):
        both.one()
        if n % 500 == 0:
            assert both.called.hash() == both.lines.hash()
            both.called.verify()
    assert both.called.hash() == both.lines.hash()
    said = both.said
    assert said["one call"] > said["messages"] / 2
    wanted = {*("NEW_ORDER", "CANCEL", "REPLACE", "EXECUTED", "REJECTED", "cancel")}
    wanted |= {"CANCELED"} if name != "realistic" else set()
    wanted |= {"REPLENISHED"} if name in ("nasty", "reserve") else set()
    assert {one for one in wanted if said[one] < 20} == set()


def test_what_a_call_says(book: Book) -> None:
    """new, cancel, reduce and replace by locate, each answered by its events."""
    first = book.new(1, BUY, 100, 10, topic=3)
    assert first == (Event(Template.NEW_ORDER, 1, BUY, 100, 10, 10, 1, 0, 3),)
    assert book.new(2, SELL, 100, 4, IMMEDIATE_OR_CANCEL) == (
        Event(Template.NEW_ORDER, 2, SELL, 100, 4, 4, 0, 0, 0),
        Event(Template.EXECUTED, 2, SELL, 100, 4, 0, 0, 0, 0),
        Event(Template.EXECUTED, 1, BUY, 100, 4, 6, 1, 0, 3),
    )
    assert book.replace(1, 1, 5, 99, 20, topic=3)[0].remaining == 20
    assert book.reduce(1, 5, 3, topic=3) == (Event(Template.CANCEL, 5, BUY, 99, 3, 17, 1, 1, 3),)
    assert book.cancel(1, 5, topic=3) == (Event(Template.CANCEL, 5, BUY, 99, 17, 0, 1, 1, 3),)
    gone = RejectReason.UNKNOWN_ORDER
    assert book.cancel(1, 5, topic=3) == (Event(Template.REJECTED, 5, 0, 0, 0, 0, 1, gone, 3),)
    assert book.open_orders == 0


def test_cancel_takes_the_reserve_too(book: Book) -> None:
    (order,) = book.new(1, BUY, 100, 1_000, display_quantity=10)
    assert book.best(0, BUY) == (100, 10)
    (gone,) = book.cancel(order.locate, 1)
    assert (gone.quantity, gone.remaining) == (1_000, 0)
    assert book.open_orders == 0


def test_an_order_that_is_not_there_is_not_canceled(book: Book) -> None:
    (order,) = book.new(1, BUY, 100, 10, instrument=1, topic=2)
    stale: list[tuple[int, int, dict[str, int]]] = [
        *((locate, 1, {"instrument": 1, "topic": 2}) for locate in (0, 2, 100, 101, 2**32 - 1)),
        (order.locate, 2, {"instrument": 1, "topic": 2}),
        (order.locate, 1, {"instrument": 0, "topic": 2}),
        (order.locate, 1, {"instrument": 1}),
    ]
    for locate, number, named in stale:
        (event,) = book.cancel(locate, number, **named)
        refused = Template.REJECTED, RejectReason.UNKNOWN_ORDER
        assert (event.template, event.reason) == refused
    assert book.open_orders == 1


def test_terms_of_a_replace_are_kept_or_all_new(book: Book) -> None:
    shown = {"options": 0, "display_quantity": 10}
    (order,) = book.new(1, BUY, 100, 100, display_quantity=10)
    book.replace(order.locate, 1, 2, 101, 100)
    assert book.best(0, BUY) == (101, 10)
    book.replace(order.locate, 2, 3, 102, 100, options=0)
    assert book.best(0, BUY) == (102, 100)
    book.replace(order.locate, 3, 4, 103, 100, **shown)
    assert book.best(0, BUY) == (103, 10)
    book.replace(order.locate, 4, 5, 104, 100, options=OrderOption.HIDDEN, display_quantity=None)
    assert book.best(0, BUY) == (0, 0)


@pytest.mark.parametrize("resting", [14, 15, 16, 17, 31, 32, 33, 100, 1_000, 5_000])
@pytest.mark.parametrize("terms", [{}, {"minimum_quantity": 1}])
def test_a_long_answer_is_whole(resting: int, terms: dict[str, int]) -> None:
    """The answer outgrows the memory at hand; one line more than it holds, or many times over."""
    with Book(1, 5_000, 100) as book:
        for n in range(resting):
            book.new(n + 1, SELL, 100, 1)
        events = book.new(9_000, BUY, 100, resting + 1, IMMEDIATE_OR_CANCEL, **terms)
        book.verify()
        assert book.open_orders == 0
        # Nothing of it is left for the next call.
        assert len(book.new(9_001, SELL, 101, 1)) == 1
    assert len(events) == 2 * resting + 2
    assert [one.client_order_id for one in events[2:-1:2]] == list(range(1, resting + 1))
    assert [one.remaining for one in events[1:-1:2]] == list(range(resting, 0, -1))
    assert (events[-1].template, events[-1].quantity) == (Template.CANCELED, 1)


# --- a few lines ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 40, 76, 77, 78, 100])
def test_few_lines_are_answered_as_many_are(count: int) -> None:
    """Each sweeps some orders, with and without terms, so that the answers outgrow the room."""
    fields: Fields = {"template_id": Template.NEW_ORDER, "side": BUY, "price_ticks": 100}
    fields |= {"quantity": 7, "time_in_force": IMMEDIATE_OR_CANCEL, "sequence": 77}
    terms: Fields = {"template_id": Template.ORDER_TERMS, "minimum_quantity": 1}
    raw = b""
    for n in range(count):
        first = fields | {"client_order_id": 1_000 + n}
        raw += encode(first | {"flags": Flag.CONTINUED}) + encode(terms) if n % 3 else encode(first)
    batch = as_lines(raw)
    with Book(1, 700, 100) as few, Book(1, 700, 100) as many:
        for book in (few, many):
            for n in range(7 * count):
                book.new(n + 1, SELL, 100, 1)
        answers = few.submit(batch)
        assert answers.tobytes() == many.submit(batch, limit=1_000).tobytes()
        assert len(answers) == len(batch) + 2 * 7 * count
        assert set(answers["sequence"].tolist()) == {0}
        assert answers.flags.writeable
        assert few.hash() == many.hash()


@pytest.mark.parametrize("behind", [{}, {"flags": Flag.CONTINUED}])
def test_few_lines_that_are_no_messages(book: Book, behind: Fields) -> None:
    """What comes before them is applied."""
    order: Fields = {"template_id": Template.NEW_ORDER, "side": BUY, "price_ticks": 100}
    order |= {"quantity": 7}
    wrong = order | behind if behind else {"template_id": Template.EXECUTED}
    with pytest.raises(UsageError, match="book: an argument"):
        book.submit(as_lines(encode(order) + encode(wrong)))
    assert book.open_orders == 1
    assert book.new(1, SELL, 101, 1)[0].template == Template.NEW_ORDER


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "text", "what"),
    [
        (OverflowError, "new: quantity is 4294967296, not 0 to 4294967295", (1, 1, 1, 2**32)),
        (OverflowError, "new: client_order_id is -1, not 0 to 4294967295", (-1, 1, 1, 1)),
        (OverflowError, "new: side is 256, not 0 to 255", (1, 256, 1, 1)),
        (OverflowError, "new: price_ticks is 2147483648, not -2147483648", (1, 1, 2**31, 1)),
        (OverflowError, "new: price_ticks is -2147483649", (1, 1, -(2**31) - 1, 1)),
        (OverflowError, f"new: price_ticks is {10**30}", (1, 1, 10**30, 1)),
        (OverflowError, f"new: quantity is {-(10**30)}", (1, 1, 1, -(10**30))),
        (TypeError, "new: price_ticks is a float, not a whole number", (1, 1, 1.0, 1)),
        (TypeError, "new: side is a str", (1, "B", 1, 1)),
        (TypeError, "new: quantity is a NoneType", (1, 1, 1, None)),
        (TypeError, "new: time_in_force is a NoneType", (1, 1, 1, 1, None)),
        (TypeError, "new: quantity is missing", (1, 1, 1)),
        (TypeError, "new: client_order_id is missing", ()),
        (TypeError, "new: 7 arguments without a name, not at most 6", (1, 1, 1, 1, 0, 0, 0)),
    ],
)
def test_what_has_no_place_in_a_message(
    book: Book, error: type[Exception], text: str, what: Any
) -> None:
    before = book.hash()
    with pytest.raises(error, match=f"Book.{text}"):
        book.new(*what)
    assert book.hash() == before


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("no argument has the name 'sides'", {"sides": 1}),
        ("side is given twice", {"side": 1}),
        ("topic is 65536, not 0 to 65535", {"topic": 2**16}),
        ("options is a NoneType", {"options": None}),
        ("display_quantity is a NoneType", {"display_quantity": None}),
    ],
)
def test_names_that_are_none_or_say_nothing(book: Book, text: str, named: Any) -> None:
    with pytest.raises((TypeError, OverflowError), match=text):
        book.new(1, BUY, 100, 10, **named)
    assert book.open_orders == 0


def test_every_field_takes_its_ends_and_no_more(book: Book) -> None:
    """All methods, all arguments: what fits is answered, what does not says which it is."""
    for name in METHODS:
        method = getattr(book, name)
        for parameter in inspect.signature(method).parameters.values():
            numbers = dict.fromkeys(names_of(method), 1)
            for bad in (-(2**31) - 1, 2**32):
                with pytest.raises(OverflowError, match=f"Book.{name}: {parameter.name} is {bad},"):
                    method(**(numbers | {parameter.name: bad}))
            assert method(**(numbers | {parameter.name: 0}))


def names_of(method: Callable[..., object]) -> list[str]:
    parameters = inspect.signature(method).parameters.values()
    return [one.name for one in parameters if one.default is inspect.Parameter.empty]


def test_what_the_rules_refuse_is_an_event(book: Book) -> None:
    refused = {
        RejectReason.INVALID_SIDE: book.new(1, 3, 100, 10),
        RejectReason.INVALID_QUANTITY: book.new(1, BUY, 100, 0),
        RejectReason.INVALID_PRICE: book.new(1, BUY, -1, 10),
        RejectReason.INVALID_TIME_IN_FORCE: book.new(1, BUY, 100, 10, 5),
        RejectReason.INVALID_OPTIONS: book.new(1, BUY, 100, 10, 0, 255),
        RejectReason.UNKNOWN_INSTRUMENT: book.new(1, BUY, 100, 10, instrument=2),
        RejectReason.INVALID_DISPLAY: book.new(1, BUY, 100, 10, display_quantity=11),
    }
    for reason, (event,) in refused.items():
        assert (event.template, event.reason, event.remaining) == (Template.REJECTED, reason, 0)
    assert book.new(1, 3, 100, 10)[0].side == 3


def test_whole_numbers_of_other_kinds(book: Book) -> None:
    """numpy's scalars, enumerations and bools are numbers; names may be made while it runs."""
    events = book.new(np.uint32(7), np.int8(1), np.int64(100), np.uint64(10))  # type: ignore[arg-type]
    assert events == (Event(Template.NEW_ORDER, 7, BUY, 100, 10, 10, 1, 0, 0),)
    assert all(type(value) in (int, Template) for value in events[0])
    assert book.new(True, True, True, True)[0].quantity == 1
    named = {"".join(("to", "pic")): 3, "".join(("instru", "ment")): 1}
    assert book.new(8, BUY, 100, 10, **named)[0].topic == 3
    assert book.open_orders == 3


def test_a_closed_book_says_so() -> None:
    book = Book(1, 10, 50)
    book.close()
    for method in (getattr(book, name) for name in METHODS):
        with pytest.raises(UsageError, match="closed"):
            method(**dict.fromkeys(names_of(method), 1))


class Closing:
    """A number that closes the book as it is looked at, or is none."""

    def __init__(self, book: Book, error: Exception | None = None) -> None:
        self.book, self.error = book, error

    def __index__(self) -> int:
        if self.error is not None:
            raise self.error
        self.book.close()
        return 1


def test_a_number_that_closes_the_book() -> None:
    book = Book(1, 10, 50)
    odd: Any = Closing(book, ZeroDivisionError("mine"))
    with pytest.raises(ZeroDivisionError, match="mine"):
        book.new(1, BUY, 100, odd)
    odd = Closing(book)
    with pytest.raises(UsageError, match="closed"):
        book.new(1, BUY, 100, odd)


def test_the_base_alone_does_nothing() -> None:
    with pytest.raises(AttributeError, match="_failed"):
        _calls.Calls().cancel(1, 1)


def test_a_broken_invariant_latches_the_book(book: Book) -> None:
    (order,) = book.new(1, BUY, 100, 123_457)
    orders = int(ffi.cast("uint64_t *", book.handle)[0])
    quantity = ffi.cast("uint32_t *", orders + 32 * order.locate + 8)
    assert quantity[0] == 123_457
    quantity[0] = 0
    for text in ("match.c.*quantity", "book: "):
        with pytest.raises(CorruptionError, match=text):
            book.new(2, SELL, 100, 10)
    with pytest.raises(CorruptionError):
        book.submit(as_lines(bytes(64)))


# --- memory --------------------------------------------------------------------------------------


def test_a_long_answer_without_memory_is_lost_but_said() -> None:
    """The book has done it all; what came next is answered as if it had been heard."""
    testing = pytest.importorskip("_testcapi")
    sizes = 1, 1_000, 100
    with Book(*sizes) as book, Book(*sizes) as other:
        for one in (book, other):
            for n in range(500):
                one.new(n + 1, SELL, 100, 1)
        other.new(600, BUY, 100, 501)
        testing.set_nomemory(0, 0)
        try:
            book.new(600, BUY, 100, 501)
            failed = False
        except MemoryError:
            failed = True
        finally:
            testing.remove_mem_hooks()
        assert failed
        assert book.hash() == other.hash()
        assert len(book.new(601, SELL, 101, 1)) == 1
        book.verify()


def test_no_memory_at_any_place() -> None:
    """Wherever the first allocation fails: MemoryError, and nothing is left behind."""
    testing = pytest.importorskip("_testcapi")
    with Book(1, 1_000, 100) as book:
        for at in range(1, 60):
            locate = book.new(1, SELL, 100_000, 100_000)[0].locate
            testing.set_nomemory(at, at + 1)
            try:
                events: Events | None = book.new(2, BUY, 100_000, 50_000, IMMEDIATE_OR_CANCEL)
            except MemoryError:
                events = None
            finally:
                testing.remove_mem_hooks()
            assert events is None or len(events) == 3
            (left,) = book.cancel(locate, 1)
            assert left.quantity == 50_000
        assert events is not None


def use(book: Book, rounds: int) -> None:
    """Every way through the module, refusals and long answers included."""
    for n in range(rounds):
        (order,) = book.new(n, BUY, 100_000, 100_000, topic=n % 60_000, display_quantity=50_000)
        book.reduce(order.locate, n, 10_000, topic=n % 60_000)
        book.replace(order.locate, n, n, 100_001, 70_000, topic=n % 60_000, options=0)
        book.new(n, SELL, 100_000, 1_000, IMMEDIATE_OR_CANCEL)
        book.cancel(order.locate, n, topic=n % 60_000)
        with pytest.raises(OverflowError):
            book.new(n, BUY, 100_000, 2**32)
        with pytest.raises(TypeError):
            book.new(n, BUY, 100_000, 1, sides=3)  # type: ignore[call-arg]
    for n in range(90):
        book.new(n, SELL, 200, 1)
    assert len(book.new(1, BUY, 200, 90)) == 181


def test_nothing_is_leaked() -> None:
    """Many rounds: no memory is kept."""
    ours = [tracemalloc.Filter(True, f"*{name}") for name in ("test_calls.py", "engine/*.py")]
    kept = []
    tracemalloc.start()
    with Book(1, 100, 200) as book:
        for _ in range(4):
            use(book, 2_000)
            gc.collect()
            statistics = tracemalloc.take_snapshot().filter_traces(ours).statistics("filename")
            kept.append(sum(one.size for one in statistics))
    tracemalloc.stop()
    # A leak of one number a round is 56,000 bytes each time; caches of others fill up once.
    assert min(later - before for before, later in pairwise(kept)) < 20_000


def test_references_are_given_back(book: Book) -> None:
    numbers = [100_000 + n for n in range(4)]

    def counts() -> list[int]:
        shared = (*numbers, Event, book, book.handle, *Template, *METHODS)
        return [sys.getrefcount(one) for one in shared]

    def go() -> None:
        for _ in range(1_000):
            book.new(numbers[0], BUY, numbers[1], numbers[2])
            book.replace(1, numbers[0], numbers[3], numbers[1], numbers[2])
            book.cancel(1, numbers[3])

    go()
    before = counts()
    go()
    assert counts() == before
    held, plain = sys.getrefcount(book.handle), sys.getrefcount(Event)
    events = [book.new(numbers[0], BUY, numbers[1], numbers[2]) for _ in range(10)]
    assert sys.getrefcount(Event) == plain + 10
    del events
    assert sys.getrefcount(Event) == plain
    handle = book.handle
    book.close()
    assert sys.getrefcount(handle) == held - 1


def test_the_collector_of_cycles_leaves_events_alone(book: Book) -> None:
    """A program that keeps millions of them is not slowed down by them."""
    events = book.new(1, BUY, 100, 10)
    assert not gc.is_tracked(events)
    assert not gc.is_tracked(events[0])


# --- for people and editors ----------------------------------------------------------------------


def test_events_have_names_and_travel(book: Book) -> None:
    (event,) = book.new(1, BUY, 100, 10)
    assert event._asdict()["price_ticks"] == 100
    assert event.template is Template.NEW_ORDER
    assert pickle.loads(pickle.dumps(event)) == event
    assert {event: 1}[tuple(event)] == 1  # type: ignore[index]
    assert repr(event).startswith("Event(template=<Template.NEW_ORDER: 1>, client_order_id=1,")


@pytest.mark.parametrize("name", METHODS)
def test_the_stub_is_fresh(name: str) -> None:
    """Names, order, defaults and which arguments need their name, as the module says."""
    stub = ast.parse((Path(engine.__path__[0]) / "_calls.pyi").read_text())
    methods = {node.name: node for node in ast.walk(stub) if isinstance(node, ast.FunctionDef)}
    arguments = methods[name].args
    plain = [one.arg for one in arguments.args]
    behind = [ast.literal_eval(one) for one in arguments.defaults]
    named = [one.arg for one in arguments.kwonlyargs]
    own = [ast.literal_eval(one) for one in arguments.kw_defaults if one is not None]
    defaults = dict(zip(plain[len(plain) - len(behind) :], behind, strict=True))
    defaults |= dict(zip(named, own, strict=True))
    found = inspect.signature(getattr(Book, name)).parameters.values()
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert [one.name for one in found if one.kind in kinds] == plain
    assert [one.name for one in found if one.kind not in kinds] == named
    told = {one.name: one.default for one in found if one.default is not inspect.Parameter.empty}
    assert told == defaults
    assert len(getattr(Book, name).__doc__) > 200
