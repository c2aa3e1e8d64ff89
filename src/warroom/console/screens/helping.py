"""Every key, and why one can't be used now; what is typed narrows it down."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Mount
from textual.widgets import Input

from warroom.console.client import Client
from warroom.console.keymap import ACTIONS, Action
from warroom.console.screens.reading import Reading
from warroom.console.text import clean, fit, line, wide, wrapped


class HelpScreen(Reading):
    """The typed words are looked for in the key, the id and what the action does; each must be found."""

    heading = "every key"
    hint = "type to find · arrows and page keys scroll · esc goes back"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"scroll('{how}')", "scroll", show=False)
        for key, how in (("up", "up"), ("down", "down"), ("pageup", "page_up"), ("pagedown", "page_down"))
    ]

    def __init__(self, client: Client, local: Sequence[tuple[str, str, str]]) -> None:
        """``local``: where, keys and what of each thing that panes and dialogs bind themselves."""
        super().__init__(client)
        self.local = local

    def inside(self) -> ComposeResult:
        yield Input(placeholder="find a key, an action or a word", id="find", max_length=80)
        yield from super().inside()

    def on_mount(self, event: Mount | None = None) -> None:
        super().on_mount()
        if event is not None:
            event.prevent_default()  # else Textual calls the one above once more, and it takes the focus
        self.query_one("#inside").can_focus = False
        self.query_one("#find", Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()

    def action_scroll(self, how: str) -> None:
        getattr(self.query_one("#inside"), f"scroll_{how}")(animate=False)

    def frame(self) -> None:
        self.fill()

    def fill(self) -> None:
        typed = self.query_one("#find", Input).value.split()
        found = [action for action in ACTIONS if self._meant(typed, self.store.key(action.id), action.id, action.what)]
        keys = max((wide(self.store.key(action.id)) for action in ACTIONS), default=4) + 2
        lines: list[Content] = []
        for group, actions in groupby(found, key=lambda action: action.group):
            lines += [line((group, "bold underline")), *(self._action(action, keys) for action in actions), Content("")]
        local = [row for row in self.local if self._meant(typed, *row)]
        for where, rows in groupby(local, key=lambda row: row[0]):
            lines.append(line((f"In {where}", "bold underline")))
            lines += [line("  ", (fit(key, max(keys, 9)), "bold $accent"), what) for _, key, what in rows]
            lines.append(Content(""))
        if not lines:
            lines = [line((f"Nothing here is about {clean(' '.join(typed))}.", "$warning"))]
        if not typed:
            lines += wrapped(
                "tab, shift+tab and arrows move between panes and in them; esc goes back; ctrl+p is the palette too. "
                "While text is typed, no key acts. KEYS.md says how to change keys.",
                self.cells,
                "$text-muted",
            )
        self.show(lines)

    def _meant(self, typed: list[str], key: str, *words: str) -> bool:
        """A single character is a key, as it is; more are looked for anywhere."""
        text = " ".join((key, *words)).lower()
        return all(word in key.split() if len(word) == 1 else word.lower() in text for word in typed)

    def _action(self, action: Action, keys: int) -> Content:
        why = action.why_not(self.store)
        return line(
            "  ",
            (fit(self.store.key(action.id), keys), "bold $accent" if not why else "$text-muted"),
            action.what,
            (f"  [{action.id}]", "$text-disabled"),
            (f"  not now: {why}" if why else "", "$text-muted"),
        ).truncate(self.cells, ellipsis=True)
