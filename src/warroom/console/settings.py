"""What a person may set about the console, and what is wrong with what they set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import Field
from textual.binding import Binding

from warroom.console.keymap import ACTIONS, BY_ID, DEFAULT_KEYS
from warroom.console.keys import FORBIDDEN, Keys, drawn, named
from warroom.console.panes.logmoment import Stamps
from warroom.console.theme import THEMES
from warroom.model.base import Fact


class Settings(Fact):
    """One settings file. ``keys`` maps an action's id to a key; ``theme`` empty is what suits the terminal.

    ``timestamps`` are the log's; ``auto`` is UTC where there is room for it.
    """

    keys: dict[str, str] = Field(default_factory=dict)
    theme: str = ""
    timestamps: Literal["auto", "utc", "local", "off"] = "auto"
    mouse: bool = True
    slow_line: bool = False
    bell: bool = True
    title: bool = True

    def stamps(self) -> Stamps | None:
        return None if self.timestamps == "auto" else self.timestamps

    def own_keys(self) -> Keys:
        """The table of keys with these in place. For settings that ``mistakes`` finds nothing wrong with."""
        return DEFAULT_KEYS.changed({action: named(key) or key for action, key in self.keys.items()})


@dataclass(frozen=True)
class Mistake:
    """``path`` leads to the value; ``at_key`` says that its name is meant. The words are in a problem's order."""

    path: tuple[str, ...]
    found: str
    expected: str
    hint: str = ""
    near: tuple[str, ...] = ()
    at_key: bool = False


def mistakes(settings: Settings) -> list[Mistake]:
    """Everything that is wrong with these settings beyond their types."""
    themes = tuple(theme.name for theme in THEMES)
    found = list(_keys(settings))
    if settings.theme and settings.theme not in themes:
        found.append(Mistake(("theme",), f'the unknown theme "{settings.theme}"', f"one of {', '.join(themes)}"))
    return found


def _keys(settings: Settings) -> Iterator[Mistake]:
    taken, usable = reserved(), {}
    for action, text in settings.keys.items():
        path, key = ("keys", action), named(text)
        if action not in BY_ID:
            ids = tuple(BY_ID)
            yield Mistake(path, f'the unknown action "{action}"', "an id from KEYS.md", near=ids, at_key=True)
        elif key is None:
            words = "one character such as t or /, or one of space, F1 to F12, ctrl+a to ctrl+y"
            yield Mistake(path, f'"{text}", which is no key', words)
        elif key in FORBIDDEN:
            yield Mistake(path, f"{drawn(key)}, which no action may stand on", "another key", FORBIDDEN[key])
        elif key in taken:
            yield Mistake(path, f"{drawn(key)}, which {taken[key]} uses", "another key", _free())
        else:
            usable[action] = key
    now = DEFAULT_KEYS.changed(usable).by_action
    for action, key in usable.items():
        for other in now:
            if other != action and now[other] == key and (other not in usable or _after(settings, action, other)):
                whose = f'"{other}" is on' + ("" if other in usable else " already")
                hint = f'give "{other}" another key too, or choose one that is free'
                yield Mistake(("keys", action), f"{drawn(key)}, which {whose}", "a key of its own", hint)


def _after(settings: Settings, action: str, other: str) -> bool:
    order = list(settings.keys)
    return order.index(action) > order.index(other)


def _free() -> str:
    used = {action.key for action in ACTIONS} | set(reserved())
    free = [letter for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in used]
    return f"free are {' '.join(free)} and most of F1 to F12"


def owners() -> tuple[tuple[type, str], ...]:
    """What binds keys of its own, each in words."""
    from warroom.console.panes.base import Pane
    from warroom.console.panes.checklist import ChecklistPane
    from warroom.console.panes.log import LogView
    from warroom.console.panes.metrics import MetricsPane
    from warroom.console.screens.base import Choice, Dialog

    return (
        (LogView, "the log"),
        (ChecklistPane, "the checklist"),
        (MetricsPane, "the metrics"),
        (Pane, "every pane"),
        (Choice, "every list"),
        (Dialog, "every dialog"),
    )


def screens() -> tuple[tuple[type, str], ...]:
    """Screens and lists with keys of their own. No action acts while they are in front, so nothing can clash."""
    from warroom.console.screens.commands import CommandsScreen
    from warroom.console.screens.fields import Toggles
    from warroom.console.screens.helping import HelpScreen
    from warroom.console.screens.logs import JumpScreen
    from warroom.console.screens.plan import PlanScreen
    from warroom.console.screens.running import AbortScreen, ClaimScreen
    from warroom.console.screens.timeline import TimelineScreen

    return (
        (Toggles, "lists of choices"),
        (CommandsScreen, "the commands"),
        (TimelineScreen, "the timeline"),
        (JumpScreen, "the jump in the log"),
        (PlanScreen, "the whole plan"),
        (ClaimScreen, "a step by hand"),
        (AbortScreen, "stopping a run"),
        (HelpScreen, "the help"),
    )


def reserved() -> dict[str, str]:
    """Keys that panes and dialogs use themselves, each with who does."""
    found: dict[str, str] = {}
    for owner, words in owners():
        for key in bound(owner):
            found.setdefault(key, words)
    return found


def bound(owner: type) -> set[str]:
    """Every key that a class of widgets binds, itself or by inheritance."""
    every = [made for above in owner.__mro__ for made in vars(above).get("BINDINGS", ())]
    return {binding.key for binding in Binding.make_bindings(every)}


def local_keys() -> list[tuple[str, str, str]]:
    """(where, keys as they are drawn, what) of each thing that panes and dialogs bind themselves."""
    rows = []
    for owner, where in (*owners(), *screens()):
        for made in vars(owner).get("BINDINGS", ()):
            if isinstance(made, Binding) and made.description:
                names = [binding.key for binding in Binding.make_bindings([made])]
                rows.append((where, " ".join(drawn(name) for name in names), made.description))
    return rows
