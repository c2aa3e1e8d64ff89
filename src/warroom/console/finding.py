"""What the palette finds: every action, procedure, message and theme; what can't be used now says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.screen import Screen

from warroom.console.keymap import ACTIONS, BY_ID
from warroom.console.screens.planning import ProcedureScreen
from warroom.console.screens.writing import MessageScreen
from warroom.console.text import clean
from warroom.console.theme import THEMES

if TYPE_CHECKING:
    from warroom.console.app import WarroomConsole


def commands(app: WarroomConsole) -> Iterator[SystemCommand]:
    store = app.client.store
    for action in ACTIONS:
        if action.id != "palette":
            title = f"{store.key(action.id)}  {action.what}"
            yield SystemCommand(title, action.why_not(store), partial(app.act, action.id))
    if store.runbook is not None:
        for name, procedure in store.runbook.procedures.items():
            opens = _opener(app, "plan", partial(ProcedureScreen, app.client, name))
            yield SystemCommand(clean(f"Plan: {procedure.title}"), BY_ID["plan"].why_not(store), opens)
        for name, template in store.runbook.templates.items():
            opens = _opener(app, "message", partial(MessageScreen, app.client, name))
            yield SystemCommand(clean(f"Message: {template.title}"), BY_ID["message"].why_not(store), opens)
    yield SystemCommand("Slow line: few frames and few bytes, or as many as it takes", "", app.toggle_slow_line)
    for theme in THEMES:
        yield SystemCommand(f"Theme {theme.name}", "", partial(setattr, app, "theme", theme.name))


def _opener(app: WarroomConsole, action: str, screen: Callable[[], Screen[None]]) -> Callable[[], None]:
    """Opens the screen where the action may be used; else says why not."""

    def open_it() -> None:
        if app.may(action):
            app.push_screen(screen())

    return open_it
