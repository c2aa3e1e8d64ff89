"""What the keys that only look do: panes, the log, the screens that are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warroom.console.log_keys import LogKeys
from warroom.console.panes.metrics import MetricsPane
from warroom.console.screens import helping
from warroom.console.screens.commands import CommandsScreen
from warroom.console.screens.incidents import IncidentsScreen
from warroom.console.screens.timeline import TimelineScreen
from warroom.console.screens.told import ToldScreen
from warroom.console.settings import local_keys

if TYPE_CHECKING:
    from warroom.console.app import WarroomConsole


class Looking(LogKeys):
    """One method for each action of the group Look."""

    def __init__(self, app: WarroomConsole) -> None:
        self.app = app
        self.client = app.client

    def zoom(self) -> None:
        self.app.main.toggle_zoom()

    def graph(self) -> None:
        """The metrics alone; the same key goes back."""
        main = self.app.main
        pane = main.query_one(MetricsPane)
        main.zoom(None if main.zoomed == pane.id else pane.id)
        pane.focus()

    def commands(self) -> None:
        self.app.push_screen(CommandsScreen(self.client))

    def timeline(self) -> None:
        self.app.push_screen(TimelineScreen(self.client))

    def mouse(self) -> None:
        self.app.toggle_mouse()

    def told(self) -> None:
        self.app.push_screen(ToldScreen(self.client))
        self.app.main.redraw({"state"})

    def incidents(self) -> None:
        self.app.push_screen(IncidentsScreen(self.client))

    def help(self) -> None:
        self.app.push_screen(helping.HelpScreen(self.client, local_keys()))

    def palette(self) -> None:
        self.app.action_command_palette()

    def quit(self) -> None:
        self.app.call_later(self.app.action_quit)
