"""The live view of `ringbus top`: one panel at a time, with the summary above and the keys below.

Two timers, no thread: one hears the stream, some thousand messages at a time, the other looks at
everything and fills the table anew. A look that fails because the exchange has gone leaves the last
one on the screen, says so, and tries again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Literal

from rich.console import Group
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from tools.watch.frame import ROWS_MAX, details
from tools.watch.frame import table as text_table
from tools.watch.lookout import Lookout
from tools.watch.panels import PANELS, Cell, Panel, Row, summary
from tools.watch.sample import Sample

FOLLOW_S: Final = 0.1
# What is heard at a time: 25 ms of a CPU, and more than half a million messages a second.
FOLLOW_MESSAGES: Final = 1 << 16
HISTORY: Final = 30
# From this height on these stand below whatever else is shown, so many lines of each.
TALL: Final = 36
BELOW: Final = ("cores", "latency", "events")
MORE_ROWS: Final = 7
HELP: Final = """\
[b]1[/b] to [b]9[/b], [b]tab[/b]    another panel
[b]s[/b], [b]r[/b]         sort by the next column; the other way round
[b]enter[/b]        look into the line under the cursor
[b]space[/b]        hold the picture; go on
[b]q[/b]            quit (the exchange goes on)

[b]duty[/b]      how much of the time a core, or an agent, was at work
[b]waited[/b]    how much of it a core was ready to run and had no CPU
[b]stalls[/b]    times that none of a core's agents had a turn for long
[b]faults[/b]    page faults since it was warm; red where there should be none
[b]behind[/b]    messages on the stream that a reader has not taken
[b]waiting[/b]   messages in the lanes towards an agent
[b]held[/b]      messages of a ring that cannot be overwritten yet
[b]waits[/b]     times that gating readers held the publisher up
[b]laps[/b]      times that a lossy reader was overtaken

Everything is read only; nothing here slows or changes the exchange.
"""


class Words(ModalScreen[None]):
    """Text above everything else, until a key is pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,question_mark,h", "back", "back")
    ]
    DEFAULT_CSS = """
    Words { align: center middle; }
    Words VerticalScroll { width: 90%; height: 90%; border: round $accent; padding: 0 1; }
    Words Static { width: auto; }
    """

    def __init__(self, title: str, text: str | Text) -> None:
        super().__init__()
        self._title = title
        self.words = Static(text)

    def compose(self) -> ComposeResult:
        """The text, with a bar where it is too long."""
        box = VerticalScroll(self.words)
        box.border_title = self._title
        yield box

    def action_back(self) -> None:
        """Back to what is below."""
        self.dismiss(None)


class Top(App[int]):
    """`ringbus top`.

    Args: lookout: on the exchange, its maker closes it; now_ns: says the time since 1970;
    interval_s: between two pictures; panel: shown first; leaves: end when the exchange does.
    """

    TITLE = "ringbus top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #summary, #tabs { height: auto; padding: 0 1; }
    #table { height: 1fr; }
    #more { height: auto; padding: 0 1; display: none; }
    #more.tall { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(n), f"show('{name}')", name, show=False) for n, name in enumerate(PANELS, 1)),
        Binding("tab", "next(1)", "panel", priority=True),
        Binding("shift+tab", "next(-1)", "former panel", show=False, priority=True),
        Binding("s", "sort", "sort"),
        Binding("r", "reverse", "reverse"),
        Binding("space,p", "pause", "pause"),
        Binding("question_mark,h", "help", "help"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(
        self,
        lookout: Lookout,
        now_ns: Callable[[], int],
        interval_s: float = 1.0,
        panel: str = "cores",
        leaves: bool = False,
    ) -> None:
        super().__init__()
        self.sample: Sample | None = None
        self.panel: Panel = PANELS[panel]
        self.is_held = False
        self.is_gone = False
        self._lookout = lookout
        self._now_ns = now_ns
        self._interval_s = interval_s
        self._leaves = leaves
        self._sorts: dict[str, tuple[int, bool]] = {}  # by panel: column, and whether downwards
        self._rows: list[Row] = []
        self._history: dict[str, deque[int]] = {}
        self._looked_into: tuple[str, Words] | None = None
        self._summary = Static(id="summary", markup=False)
        self._tabs = Static(id="tabs")
        self._table: DataTable[Text] = DataTable(id="table", cursor_type="row", zebra_stripes=True)
        self._more = Static(id="more", markup=False)

    @property
    def is_full(self) -> bool:
        """Whether as much of the past is shown as there is room for."""
        return any(len(past) == HISTORY for past in self._history.values())

    def compose(self) -> ComposeResult:
        """Summary, names of the panels, the panel, the keys."""
        yield self._summary
        yield self._tabs
        yield self._table
        yield self._more
        yield Footer()

    def on_mount(self) -> None:
        """Look for the first time, then again and again."""
        self._show_columns()
        self.look()
        self.set_interval(FOLLOW_S, self.follow)
        self.set_interval(self._interval_s, self.look)

    # Looking.

    def follow(self) -> None:
        """Hear what the stream has new."""
        self._lookout.follow(FOLLOW_MESSAGES)

    def look(self) -> None:
        """Take a sample and show it; find the exchange again if it has gone."""
        if self.is_held or not self._table.is_attached:
            return
        self._lookout.find()
        self._lookout.follow(FOLLOW_MESSAGES)
        sample = self._lookout.look(self._now_ns())
        if sample is None:
            self._lose(self._lookout.why)
            return
        if self.is_gone:
            self._history.clear()
        self.is_gone = False
        self.sample = sample
        for hop in sample.hops:
            past = self._history.setdefault(hop.name, deque(maxlen=HISTORY))
            past.append(hop.p99_ns)
        self._show_sample(sample, self._row_at_cursor)

    def _lose(self, why: str) -> None:
        """The exchange has gone: say so."""
        self.is_gone = True
        if self._leaves:
            self.exit(1, message=f"ringbus top: {why}")
            return
        waits = "waiting for it to come up; q quits"
        self._summary.update(Text(f"{self._lookout.name}: {why}\n{waits}", "bold red"))

    # Showing.

    def _show_sample(self, sample: Sample, here: Row | None) -> None:
        """All of it, the cursor on that line again where it was."""
        first, second = summary(sample)
        held = "  HELD" if self.is_held else ""
        lines = [Text(sample.banner, "bold red")] if sample.banner else []
        style = "" if sample.healthy and not sample.alarms_count else "bold red"
        own = f"  top {100 * sample.own_cpu_share:.1f} % CPU"
        lines += [Text(first + held, "bold"), Text(second + own, style)]
        self._summary.update(Text("\n").join(lines))
        self._show_rows(sample, here)
        self._show_more(sample)
        if self._looked_into is not None:
            key, words = self._looked_into
            for row in self._rows:
                if row.key == key:
                    words.words.update(_full(row))

    def _show_columns(self) -> None:
        """The panel's headings, the sorted one marked, and which panels there are."""
        names = Text()
        for n, name in enumerate(PANELS, 1):
            names.append(str(n), "dim")
            names.append(name, "reverse" if name == self.panel.name else "")
            names.append(" ")
        self._tabs.update(names)
        at, downwards = self._sorts.get(self.panel.name, (-1, False))
        self._table.clear(columns=True)
        for n, name in enumerate(self.panel.columns):
            mark = ("▼" if downwards else "▲") if n == at else ""
            self._table.add_column(Text(name + mark, justify=self._side(name)), key=name)

    def _side(self, column: str) -> Literal["left", "right"]:
        return "left" if column in self.panel.words else "right"

    def _show_rows(self, sample: Sample, here: Row | None) -> None:
        table, rows = self._table, self.panel.rows(sample, self._history)
        if self.panel.name in self._sorts:
            at, downwards = self._sorts[self.panel.name]
            rows.sort(key=lambda row: row.cells[at].order, reverse=downwards)
        scrolled, before = table.scroll_offset, self._rows
        self._rows = rows[:ROWS_MAX]
        if table.row_count == len(rows) and _said(before) == _said(self._rows):
            # Drawing is most of what this program costs.
            return
        table.clear()
        for row in self._rows:
            sides = zip(row.cells, self.panel.columns, strict=True)
            cells = (Text(one.text, one.style, justify=self._side(name)) for one, name in sides)
            table.add_row(*cells, key=row.key)
        keys = [row.key for row in self._rows]
        if here is not None and here.key in keys:
            table.move_cursor(row=keys.index(here.key), animate=False, scroll=False)
            table.scroll_to(scrolled.x, scrolled.y, animate=False)

    @property
    def _row_at_cursor(self) -> Row | None:
        at = self._table.cursor_row
        return self._rows[at] if 0 <= at < len(self._rows) else None

    def _show_more(self, sample: Sample) -> None:
        """What everybody wants to see, where there is room for it."""
        is_tall = self.size.height >= TALL
        self._more.set_class(is_tall, "tall")
        if is_tall:
            others = [PANELS[name] for name in BELOW if name != self.panel.name]
            parts = [text_table(one, one.rows(sample, self._history)[:MORE_ROWS]) for one in others]
            self._more.update(Group(*parts))

    def _show(self) -> None:
        """What was last seen, after a key."""
        here = self._row_at_cursor
        self._show_columns()
        if self.sample is not None and not self.is_gone:
            self._show_sample(self.sample, here)

    def on_resize(self) -> None:
        """More or less room."""
        if self.sample is not None and not self.is_gone:
            self._show_more(self.sample)

    # Keys.

    def action_show(self, name: str) -> None:
        """Another panel."""
        self.panel = PANELS[name]
        self._rows = []
        self._show()

    def action_next(self, step: int) -> None:
        """The panel beside this one."""
        names = list(PANELS)
        self.action_show(names[(names.index(self.panel.name) + step) % len(names)])

    def action_sort(self) -> None:
        """By the next column: words upwards, numbers downwards; behind the last by none."""
        at = self._sorts.pop(self.panel.name, (-1, False))[0] + 1
        if at < len(self.panel.columns):
            self._sorts[self.panel.name] = at, self.panel.columns[at] not in self.panel.words
        self._show()

    def action_reverse(self) -> None:
        """The other way round."""
        if self.panel.name in self._sorts:
            at, downwards = self._sorts[self.panel.name]
            self._sorts[self.panel.name] = at, not downwards
            self._show()

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        """Sort by the column whose heading was clicked, the other way round if it was before."""
        at, downwards = self._sorts.get(self.panel.name, (-1, False))
        way = self.panel.columns[event.column_index] not in self.panel.words
        same = at == event.column_index
        self._sorts[self.panel.name] = event.column_index, not downwards if same else way
        self._show()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Look into the line under the cursor, for as long as the words stand there."""
        row = self._row_at_cursor
        if row is not None:
            words = Words(row.cells[0].text, _full(row))
            self._looked_into = row.key, words
            self.push_screen(words, self._looked)

    def _looked(self, result: None) -> None:
        self._looked_into = None

    def action_pause(self) -> None:
        """Hold the picture; the stream is heard all the same."""
        self.is_held = not self.is_held
        if self.is_held:
            self._show()
        else:
            self.look()

    def action_help(self) -> None:
        """What the keys do, and what the words mean."""
        self.push_screen(Words("ringbus top", Text.from_markup(HELP)))


def _said(rows: Sequence[Row]) -> list[tuple[str, tuple[Cell, ...]]]:
    return [(row.key, row.cells) for row in rows]


def _full(row: Row) -> Text:
    return Text("\n".join(details(row.subject)))
