"""What a dialog asks by, where it takes more than words or one line of a list."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.css.query import NoMatches
from textual.events import Paste
from textual.message import Message
from textual.widgets import Input, OptionList, Select
from textual.widgets.select import NoSelection

from warroom.console.screens.base import Choice
from warroom.console.text import clean, line

T = TypeVar("T")


class OneOf(Select[T]):
    """One of a few, in a list that opens."""

    def _watch_value(self, value: T | NoSelection) -> None:
        # Of a dialog that is being taken down parts are gone already; what was chosen last has nowhere to stand then.
        with suppress(NoMatches):
            super()._watch_value(value)


class Toggles(Choice):
    """Lines that are taken or left, by space or enter. The box says which, not a colour alone."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "select", "take or leave the line", show=False)]

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)
        self._offered: list[tuple[str, Content]] = []
        self._taken: set[str] = set()

    @property
    def taken(self) -> list[str]:
        """The names of the lines taken, in their order."""
        return [name for name, _ in self._offered if name in self._taken]

    def offer(self, lines: list[tuple[str, Content]]) -> None:
        self._offered, self._taken = lines, set()
        self.clear_options()
        self.add_options([self._drawn(name, words) for name, words in lines])
        self.display = bool(lines)

    def _drawn(self, name: str, words: Content) -> Content:
        box = ("[x] ", "$accent bold") if name in self._taken else ("[ ] ", "$text-muted")
        return Content.assemble(line(box), words)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        name, words = self._offered[event.option_index]
        self._taken ^= {name}
        self.replace_option_prompt_at_index(event.option_index, self._drawn(name, words))


class TypedName(Input):
    """A name that must be typed. Paste is refused: a pasted name was not read."""

    class Pasted(Message):
        """Someone tried."""

    def __init__(self, wanted: str) -> None:
        super().__init__(placeholder=f"type {clean(wanted)}", id="typed")
        self.wanted = wanted

    def ask(self, wanted: str) -> None:
        self.wanted = wanted
        self.placeholder = f"type {clean(wanted)}"

    @property
    def right(self) -> bool:
        return self.value == self.wanted

    def _on_paste(self, event: Paste) -> None:
        event.prevent_default()
        event.stop()
        self.post_message(self.Pasted())

    def action_paste(self) -> None:
        self.post_message(self.Pasted())
