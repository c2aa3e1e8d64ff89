"""What every pane shares: it draws lines from the store, and touches the screen only where they changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from warroom.console.store import Store
from warroom.console.text import line


@dataclass(frozen=True)
class Drawn:
    """``focus`` is the line that must be in sight; ``note`` stands at the title's end."""

    lines: Sequence[Content]
    focus: int | None = None
    note: Content = field(default_factory=lambda: Content(""))


def same(left: Sequence[Content], right: Sequence[Content]) -> bool:
    return len(left) == len(right) and all(a.is_same(b) for a, b in zip(left, right, strict=True))


class Pane(VerticalScroll, can_focus=True):
    """A numbered box. ``topics`` are what it is drawn from; ``ticks`` whether a second passing changes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "down", show=False),
        Binding("i", "scroll_up", "up", show=False),
    ]
    number: ClassVar[int] = 0
    label: ClassVar[str] = ""
    topics: ClassVar[frozenset[str]] = frozenset({"state"})
    ticks: ClassVar[bool] = False

    def __init__(self, store: Store, name: str) -> None:
        super().__init__(id=name, classes="pane")
        self.store = store
        self._lines: Sequence[Content] = ()
        self._focus: int | None = None
        self._title = Content("")

    def compose(self) -> ComposeResult:
        yield Static("", id="body", markup=False)

    def draw(self, cells: int, rows: int) -> Drawn:
        """The lines for a pane of this inner size."""
        raise NotImplementedError

    def on_resize(self, event: Resize) -> None:
        self.redraw()

    def redraw(self) -> None:
        cells, rows = self.scrollable_content_region.width, self.scrollable_content_region.height
        if not self.is_mounted or cells < 4 or rows < 1:
            return
        drawn = self.draw(cells, rows)
        title = Content.assemble(
            line((f" {self.number} ", "$accent bold"), (f"{self.label} ", "bold")),
            Content.assemble(drawn.note, " ") if drawn.note else "",
        ).truncate(max(8, cells - 2), ellipsis=True)
        if not title.is_same(self._title):
            self._title = title
            self.border_title = title
        if not same(drawn.lines, self._lines):
            taller = len(drawn.lines) != len(self._lines)
            self._lines = tuple(drawn.lines)
            self.query_one("#body", Static).update(Content("\n").join(self._lines), layout=taller)
        self._follow(drawn.focus, rows)

    def _follow(self, focus: int | None, rows: int) -> None:
        """Bring the line that matters into sight when it moves; a person's own scrolling is left alone."""
        if focus is None or focus == self._focus:
            return
        self._focus = focus
        top = self.scroll_offset.y
        if not top <= focus < top + rows - 1 or focus == 0:
            self.call_after_refresh(
                self.scroll_to, y=max(0, focus - max(0, rows - 2) // 2 if focus else 0), animate=False
            )
