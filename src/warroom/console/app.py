"""The console: a client of a Session. It watches, draws and sends intents; it never decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, ClassVar, cast
from weakref import WeakSet

from rich.console import RenderableType
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.constants import MAX_FPS, TEXTUAL_ANIMATIONS
from textual.driver import Driver
from textual.events import Event, Key, Paste, Resize
from textual.filter import Monochrome, NoColor
from textual.geometry import Size
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, TextArea

from warroom.console.actions import Actions
from warroom.console.ahead import Ahead, Passed
from warroom.console.appearance import Appearance
from warroom.console.client import Client
from warroom.console.finding import commands
from warroom.console.frames import SLOW_S, Frames, Ready, pace
from warroom.console.keymap import ACTIONS, BY_ID
from warroom.console.main import MainScreen
from warroom.console.mouse import switch
from warroom.console.narrow import allow
from warroom.console.picture import plain_svg
from warroom.console.screens.base import Dialog
from warroom.console.settings import Settings
from warroom.console.steady import CONFIRMING, Steady
from warroom.console.store import utc_now
from warroom.console.styles import sheets
from warroom.console.telling import Changes, failed, of_itself, title
from warroom.console.terminal import Harmless, NoColours, outliving
from warroom.console.text import clean, clean_lines
from warroom.console.theme import THEMES
from warroom.errors import WarroomError
from warroom.model.event import Actor, AutomaticStopped, Body, EvidenceStarted, PlanProposed, VerificationEnded
from warroom.model.intent import Attach, Intent
from warroom.session import Events, Frame, Refused, Session

_SVG_LIMIT = 2_000_000
allow()
CATCH_UP_S = 0.1
"""How often it is looked whether a terminal that takes nothing takes something again."""


class WarroomConsole(App[int]):
    """``now`` is the clock that is drawn; tests hand in a still one and turn ``tick_s`` off."""

    TITLE = "warroom"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", show=False, priority=True),
        Binding("ctrl+c", "explain_leaving", show=False, system=True),
    ]

    def __init__(
        self,
        session: Session,
        *,
        now: Callable[[], datetime] = utc_now,
        tick_s: float = 1.0,
        look: Appearance | None = None,
        settings: Settings | None = None,
        steady: Steady | None = None,
        copier: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        self.look = look or Appearance()
        super().__init__(css_path=list(sheets()), watch_css=False)
        for known in THEMES:
            self.register_theme(known)
        self.theme = self.look.theme
        self._plain_colours()
        self.settings = settings or Settings()
        self.client = Client(session, now, self.settings.own_keys())
        self.mouse_on = self.settings.mouse
        self.steady = steady or Steady()
        self.copier = copier
        self.main = MainScreen(self.client, self.settings.stamps())
        self.actions = Actions(self)
        self._tick_s = tick_s
        self._changes = Changes()
        self._titled = ""
        self._frames = Frames()
        self._drawn_size = Size(0, 0)
        self._pace: float | None = None
        self._paced: WeakSet[Screen[Any]] = WeakSet()
        if self.look.slow_line:
            self.set_slow_line(True)
        self._wanted = ""
        self._ahead = Ahead()
        self._catching_up: Timer | None = None

    def get_default_screen(self) -> Screen[Any]:
        """The one screen itself: an empty one below it would be laid out again whenever this is."""
        return self.main

    def get_driver_class(self) -> type[Driver]:
        return outliving(super().get_driver_class(), unicode=self.look.unicode)

    def set_slow_line(self, slow: bool) -> None:
        self._pace = SLOW_S if slow else 1 / MAX_FPS
        self._paced.clear()
        self.animation_level = "none" if slow else TEXTUAL_ANIMATIONS

    def toggle_slow_line(self) -> None:
        slow = self._pace != SLOW_S
        self.set_slow_line(slow)
        self.tell("Slow line: at most two frames a second." if slow else "The line is a fast one again.")

    def forget_frames(self) -> None:
        """Something else may stand on the terminal now."""
        self._frames.forget()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Only what differs from what the terminal shows is written, and nothing where nothing does."""
        if self._behind():
            return self._leave_out()
        if isinstance(screen, Dialog) and screen.is_mounted and renderable is not None and not self._batch_count:
            screen.seen = True
        if self._pace is not None and screen not in self._paced:
            self._paced.add(screen)
            pace(screen, self._pace)
        if self._batch_count or self.is_headless or self._driver is None:
            return super()._display(screen, renderable)
        if self.size != self._drawn_size:
            self._drawn_size = self.size
            self._frames.forget()
        text = self._frames.render(renderable, self.console)
        if text == "" and self.cursor_position == self._previous_cursor_position:
            renderable = None
        elif text is not None:
            renderable = cast(RenderableType, Ready(text))  # an update is drawn by its render_segments alone
        super()._display(screen, renderable)

    def _behind(self) -> bool:
        """The terminal has not yet taken what it was given; others than a Unix terminal's driver can't tell."""
        return bool(getattr(self._driver, "behind", False))

    def _leave_out(self) -> None:
        """Nothing waits for the terminal, least of all the engine. All is drawn anew once it takes something again."""
        if self._catching_up is None:
            self._catching_up = self.set_interval(CATCH_UP_S, self._catch_up)

    def _catch_up(self) -> None:
        if self._catching_up is not None and not self._behind():
            self._catching_up.stop()
            self._catching_up = None
            self.forget_frames()
            self.refresh()

    def _plain_colours(self) -> None:
        """NO_COLOR: Textual would go on with shades of grey; here no colour is written at all."""
        self.no_color = not self.look.colours
        self._filters = [one for one in self._filters if not isinstance(one, Monochrome | NoColor)] + [Harmless()]
        if self.no_color:
            self._filters.append(NoColours(lambda: self.current_theme.background or "#000000"))

    def on_mount(self) -> None:
        if not self.look.tmux:
            self.tell("Outside tmux or screen a lost line ends this console: better start it inside.", bad=True)
        keys = self.client.store.keys.by_action
        self.set_keymap({action.id: keys[action.id] for action in ACTIONS if keys[action.id] != action.key})
        self.run_worker(self._watch(), group="watch", exit_on_error=False)
        if self._tick_s > 0:
            self.set_interval(self._tick_s, self._tick)

    def _tick(self) -> None:
        self.main.tick()
        if isinstance(self.screen, Dialog):
            self.screen.tick()

    # Frames

    async def _watch(self) -> None:
        store = self.client.store
        try:
            async for frame in self.client.session.watch():
                topics = store.apply(frame)
                if topics:
                    self.main.redraw(topics)
                    self._after(frame, topics)
            store.problem = f"the engine has ended this session; {store.key('quit')} leaves"
        except (WarroomError, OSError) as error:
            store.problem = f"the engine is gone: {error}"
        store.snapshot = None
        self.main.redraw(None)
        self.tell(store.problem, bad=True)

    def _after(self, frame: Frame, topics: set[str]) -> None:
        if "state" in topics and isinstance(self.screen, Dialog):
            self.screen.news()
        self._ring()
        if isinstance(frame, Events):
            for event in frame.events:
                self._happened(event.body, event.actor)

    def _happened(self, body: Body, actor: Actor) -> None:
        """What an event makes the console do by itself: its picture, and the screen that comes next.

        The policy's plan opens nothing: what then counts down, and the key against it, stay in sight.
        """
        if isinstance(body, EvidenceStarted):
            self.call_after_refresh(self._attach_picture)
        elif isinstance(body, PlanProposed) and actor.kind != "policy":
            self.call_after_refresh(self._plan_to_read)
        elif words := of_itself(body, actor):
            self.tell(words, bad=isinstance(body, AutomaticStopped))
        elif isinstance(body, VerificationEnded) and body.verdict != "pass":
            for words in failed(self.client.store):
                self.client.store.told.add(self.client.store.now(), words, bad=True)
            if body.next:
                self.call_after_refresh(self._next_screen, "ways")

    def _plan_to_read(self) -> None:
        """Not one that runs already: it was read in the emergency lane."""
        plan = self.client.store.plan
        if plan is not None and plan.status in ("proposed", "approved"):
            self._next_screen("plan")

    def _next_screen(self, name: str) -> None:
        """Never over a dialog that someone is reading or typing in: it waits until that is gone."""
        self._wanted = name
        self.open_wanted()

    def open_wanted(self) -> None:
        name = self._wanted
        if name and self.screen is self.main:
            self._wanted = ""
            if not BY_ID[name].why_not(self.client.store):
                self.steady.came()
                if name == "plan":  # the one that was just prepared, an undo too
                    self.actions.read_plan()
                else:
                    self.actions.do(name)

    def _attach_picture(self) -> None:
        svg = plain_svg(self.export_screenshot(title="warroom"))
        if len(svg) <= _SVG_LIMIT and self.client.store.writable:
            self.send(Attach(name="console.svg", text=svg), quietly=True)

    def _ring(self) -> None:
        """The bell and the terminal's title say that the state has changed, to who looks elsewhere."""
        if self._changes.loud(self.client.store) and self.look.bell:
            self.bell()
        self.entitle()

    def entitle(self) -> None:
        words = title(self.client.store)
        if words != self._titled and self.look.title:
            self._titled = words
            set_title = getattr(self._driver, "set_title", None)
            if set_title is not None:
                set_title(words)

    def on_resize(self, event: Resize) -> None:
        """A terminal that went to another size and back has lost what was drawn, though nothing seems changed."""
        if event.size == self.size:
            self.forget_frames()
            self.screen.refresh(layout=True)

    def on_main_screen_shown(self, event: MainScreen.Shown) -> None:
        self.main.redraw({"state"})
        self.call_after_refresh(self.open_wanted)

    # Keys

    async def on_event(self, event: Event) -> None:
        """Keys and pastes are taken one at a time: what opens a dialog is done before the next is looked at."""
        if not isinstance(event, Key | Paste) or event.is_forwarded:
            await super().on_event(event)
        elif not self._ahead.holds(event, self.screen, seen=not isinstance(self.screen, Dialog) or self.screen.seen):
            await self._struck(event, self.screen)
        elif self._ahead.lost():
            self._dealt_with()

    async def _struck(self, event: Key | Paste, up: object) -> None:
        """``up`` is the screen that was in front when it was struck.

        A key that is held since before a dialog came up is dropped before anything can be pressed with it; so is one
        that would confirm a dialog which was not there yet. In what is pasted, whatever a terminal obeys is a picture
        before any field takes it in.
        """
        taken = True
        if isinstance(event, Paste):
            event.text = "\n".join(clean_lines(event.text))
        else:
            typing = isinstance(self.focused, Input | TextArea)
            taken = self.steady.takes(event.key, self.screen, typing=typing)
            if taken and event.key in CONFIRMING and isinstance(self.screen, Dialog) and self.screen is not up:
                taken = isinstance(self.focused, TextArea)
                if not taken:
                    self.screen.complain(f"{event.key} came before this was on the screen: press it again.")
        target = self.focused or self.screen
        if taken:
            await super().on_event(event)
        self._ahead.began()
        if not target.post_message(Passed()):
            self._dealt_with()

    def on_ahead_passed(self, event: Passed) -> None:
        event.stop()
        self._dealt_with()

    def _dealt_with(self) -> None:
        """A screen that has just been put in front answers when it is built; the focus that it gave comes before us."""
        if not self.screen.call_later(self.call_later, self._next_struck):
            self.call_later(self._next_struck)

    async def _next_struck(self) -> None:
        waiting = self._ahead.next(self.screen)
        if waiting is not None:
            await self._struck(*waiting)

    def toggle_mouse(self) -> None:
        self.mouse_on = not self.mouse_on
        switch(self._driver, self.mouse_on)
        free = "the mouse is the console's" if self.mouse_on else "the mouse is the terminal's: it selects and copies"
        self.tell(f"Mouse {'on' if self.mouse_on else 'off'}: {free}.")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Actions are off while an input has focus."""
        if action == "act" and isinstance(self.focused, Input | TextArea):
            return False
        return super().check_action(action, parameters)

    async def action_act(self, name: str) -> None:
        self.act(name)

    def act(self, name: str) -> None:
        if self.may(name):
            self.actions.do(name)

    def may(self, name: str) -> bool:
        """Whether the action can be used now; says why where it can't."""
        action = BY_ID[name]
        why = action.why_not(self.client.store)
        if why:
            self.tell(f"{self.client.store.key(name)} {action.what.lower()}: not now. {why}", bad=True)
        return not why

    def tell(self, words: str, *, bad: bool = False, refused: bool = False) -> None:
        """In passing; it stays in the list of what was told. The engine's refusals are counted until that is read."""
        self.client.store.told.add(self.client.store.now(), words, bad=bad, unread=refused)
        self.notify(clean(words), severity="warning" if bad else "information", timeout=8 if bad else 4, markup=False)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """On a small screen a dialog says it in a line of its own: a message over it would hide what it asks."""
        if isinstance(self.screen, Dialog) and self.screen.has_class("-short"):
            self.screen.mention(f"{title}: {message}" if title else message, bad=severity != "information")
        else:
            super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def send(self, *intents: Intent, quietly: bool = False) -> None:
        """From a key that needs no dialog. A refusal is told in the engine's words."""
        self.run_worker(self._send(intents, quietly), group="actions", exclusive=False, exit_on_error=False)

    async def _send(self, intents: tuple[Intent, ...], quietly: bool) -> None:
        for intent in intents:
            reply = await self.client.submit(intent)
            if isinstance(reply, Refused):
                self.tell(reply.reason, bad=True, refused=True)
                self.main.redraw({"state"})
            elif reply.words and not quietly:
                self.tell(reply.words)

    async def action_quit(self) -> None:
        """Refused while this console's engine runs a plan: leaving would leave a step UNKNOWN."""
        store = self.client.store
        if store.snapshot is not None and store.writable and store.run_going():
            title = store.plan.plan.title if store.plan else "a plan"
            stops = f"{store.key('abort')} stops it properly, or wait for its end."
            self.tell(f"{title} is running and would be cut off: {stops}", bad=True)
            return
        await self.client.session.close()
        self.exit(0)

    def action_explain_leaving(self) -> None:
        self.tell(f"{self.client.store.key('quit')} leaves the console.")

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette."""
        return commands(self)
