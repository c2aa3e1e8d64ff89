"""A dialog: the environment on its border and in its first line, the refusal in words, Cancel within reach."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click, DescendantFocus, Key, Paste, Resize
from textual.message import Message
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static, TextArea

from warroom.console.client import Client
from warroom.console.panes.header import badge, by_itself
from warroom.console.showing import show
from warroom.console.store import Store
from warroom.console.text import clean, clean_lines, line, pasteable
from warroom.errors import WarroomError
from warroom.model.intent import Intent
from warroom.session import Refused

TERMINAL_TAKES = 74_000
"""Bytes that a terminal takes into its clipboard at once (OSC 52)."""

MENTIONED_S = 6.0


class Dialog(ModalScreen[None]):
    """``send`` carries intents in the app's workers, so that closing the dialog never takes one back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back"),
        Binding("left", "app.focus_previous", "the button before", show=False),
        Binding("right", "app.focus_next", "the next button", show=False),
        Binding("ctrl+s", "confirm", "send", show=False),
        Binding("pageup", "page(-1)", "scroll up", show=False),
        Binding("pagedown", "page(1)", "scroll down", show=False),
    ]
    heading: str = ""
    below_rows: ClassVar[int] = 0
    fills: ClassVar[bool] = False
    """The dialog takes all the height there is, and what is inside takes what the rest leaves."""
    hint: str = "tab and arrows move · enter presses · esc goes back"

    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client
        self.seen = False
        """Whether it has been drawn: what is struck from then on is meant for it."""
        self._sending = False
        self._sent = False
        self._button: Button | None = None
        """That had the focus last."""
        self._reads: dict[str, Coroutine[Any, Any, None]] = {}
        self._headed = Content("")
        # What begins by itself can be stopped from wherever one is; in a field the key is a letter like any other.
        self._bindings.bind(self.store.keys.by_action["veto"], "app.act('veto')", show=False)

    @property
    def store(self) -> Store:
        return self.client.store

    @property
    def there(self) -> bool:
        """Built, and not being taken down: of one that was left, some parts are gone before it is."""
        return self.is_mounted and self.display

    def call_after_refresh(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
        """Never of a dialog that was left meanwhile: what looks for its parts would end the console, and its run."""

        def still() -> Any:
            return callback(*args, **kwargs) if self.there else None

        return super().call_after_refresh(still)

    def compose(self) -> ComposeResult:
        kind = self.store.runbook.environment.kind if self.store.runbook else "production"
        rows = self.app.size.height
        self.set_class(rows < 30, "-short", update=False)  # now, and all below is laid out and drawn once, not twice
        with Vertical(id="dialog", classes=kind):
            yield Static(self._head(), id="head")
            with VerticalScroll(id="inside", can_focus=False) as inside:
                self._leave_room(inside, rows)
                yield from self.inside()
            with Vertical(id="below"):
                yield from self.below()
            yield Static("", id="problem", markup=False)
            with Horizontal(id="buttons"):
                yield from self.buttons()
            yield Static(line((self.hint, "$text-muted")), id="hint")

    def _head(self) -> Content:
        service = self.store.runbook.service if self.store.runbook else ""
        typing = self.is_mounted and isinstance(self.focused, Input | TextArea)
        urgent = by_itself(self.store, short=True, typing=typing)
        return line(*badge(self.store), " ", *urgent, (service, "bold"), (" · ", "$text-muted"), (self.heading, "bold"))

    def tick(self) -> None:
        """A second has passed, or the state has changed: what is about to begin by itself is said here too."""
        if not self.there:
            return  # put in front, and still being built; or left
        head = self._head()
        if not head.is_same(self._headed):
            self._headed = head
            self.query_one("#head", Static).update(head, layout=False)

    def news(self) -> None:
        """The state has changed. What is still being built shows it as soon as it is there."""
        if self.is_mounted:
            self.frame()
            self.tick()
        else:
            self.call_later(self.news)

    def inside(self) -> ComposeResult:
        yield from ()

    def below(self) -> ComposeResult:
        """What stays in sight below what scrolls."""
        yield from ()

    def buttons(self) -> ComposeResult:
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        self.query_one("#problem", Static).display = False
        for reason in self.query(Reason):
            if reason.draft and (kept := self.client.drafts.get(reason.draft)):
                reason.text = kept
                reason.move_cursor(reason.document.end)

    def on_resize(self, event: Resize) -> None:
        """What is inside scrolls; the problem, the buttons and the hint are always in sight."""
        self.set_class(event.size.height < 30, "-short")
        self._leave_room(self.query_one("#inside"), event.size.height)

    def _leave_room(self, inside: Widget, rows: int) -> None:
        if not self.fills:
            inside.styles.max_height = max(3, rows - (8 if rows < 30 else 12) - self.below_rows)

    def frame(self) -> None:
        """Called after each frame that changed the state, while the dialog is on top."""

    def refused(self, reason: str) -> None:
        """The engine has said why not; it stays in sight."""
        self.complain(reason)

    def complain(self, words: str) -> None:
        problem = self.query_one("#problem", Static)
        show(problem, line(("✖ ", "$error bold"), (words, "$error")))
        problem.display = bool(words)
        self._leave_room(self.query_one("#inside"), self.app.size.height)
        if words and not self.fills:
            self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """Long words on a small screen: what is inside gives way, never the buttons and the hint."""
        inside, dialog = self.query_one("#inside"), self.query_one("#dialog")
        over = self.query_one("#hint").virtual_region.bottom - dialog.content_size.height
        if over > 0:
            inside.styles.max_height = max(3, inside.outer_size.height - over)

    def mention(self, words: str, *, bad: bool) -> None:
        """In passing, where a message over the dialog would hide its buttons and hint. A problem is never replaced."""
        problem = self.query_one("#problem", Static)
        if bad:
            self.complain(words)
        elif not problem.display:
            said = line(("· ", "$accent"), (words, "$text-muted"))
            problem.update(said)
            problem.display = True
            self.set_timer(MENTIONED_S, lambda: self._forget(said))

    def _forget(self, said: Content) -> None:
        problem = self.query_one("#problem", Static)
        if problem.content is said:
            self.complain("")

    def action_leave(self) -> None:
        self.leave()

    def action_page(self, way: int) -> None:
        """What is inside, where nothing that has the focus scrolls by itself."""
        inside = self.query_one("#inside", VerticalScroll)
        inside.scroll_relative(y=way * max(1, inside.size.height - 1), animate=False)

    def action_confirm(self) -> None:
        """What ctrl+s does where it is offered."""

    def leave(self) -> None:
        """What was written and not sent is there again when the dialog is opened the next time."""
        if self.is_current:
            if not self._sent:
                for reason in self.query(Reason):
                    reason.keep(self.client.drafts)
            self.dismiss()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "cancel":
            self.leave()
        else:
            self.pressed(event.button.id or "")

    def pressed(self, name: str) -> None:
        """A button other than Cancel."""

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        if isinstance(event.widget, Button):
            self._button = event.widget

    def on_reason_entered(self, event: Reason.Entered) -> None:
        self.entered()

    def entered(self) -> None:
        """Enter in a reason: on to the buttons, to the one that one came from. It presses none of them."""
        before = self._button
        button = before if before is not None and before.is_attached else self.query(Button).first()
        button.focus()

    def copy(self, text: str, what: str) -> None:
        """To the clipboard, by the app's copier where it was given one; it is said how far that went."""
        self.app.run_worker(self._copy(text, what), group="copy", exit_on_error=False)

    async def _copy(self, text: str, what: str) -> None:
        """Copied is only said where somebody has confirmed it; a terminal never does."""
        text = pasteable(text)
        copier: Callable[[str], Awaitable[str]] | None = getattr(self.app, "copier", None)
        try:
            if copier is not None:
                words = f"{what} {await copier(text)}"
            elif len(text.encode()) > TERMINAL_TAKES:
                raise WarroomError(f"{what} not copied", "it is more than terminals take at once", "copy less")
            else:
                self.app.copy_to_clipboard(text)
                words = f"{what} sent to the terminal; if nothing arrives, it does not allow that"
        except WarroomError as error:
            self.complain(str(error))
            return
        self.store.told.add(self.store.now(), words, bad=False)
        self.app.notify(clean(words), markup=False)

    # Sending and asking

    def send(self, *intents: Intent, then: Callable[[], None] | None = None) -> None:
        """One after another, stopping at the first refusal, which stays in sight. Accepted: the dialog closes."""
        if self._sending:
            self.complain("It is on its way; the engine has not answered yet.")
            return
        self._sending = True
        drafts = [reason.draft for reason in self.query(Reason)]
        self.app.run_worker(self._send(intents, then, drafts), group="actions", exclusive=False, exit_on_error=False)

    async def _send(self, intents: tuple[Intent, ...], then: Callable[[], None] | None, drafts: list[str]) -> None:
        words = ""
        for intent in intents:
            reply = await self.client.submit(intent)
            if isinstance(reply, Refused):
                self._sending = False
                self.store.told.add(self.store.now(), reply.reason, bad=True, unread=True)
                if self.is_current:
                    self.refused(reply.reason)
                else:
                    self.app.notify(clean(reply.reason), title="Refused", severity="warning", timeout=12, markup=False)
                return
            words = reply.words
        self._sending, self._sent = False, True
        for draft in drafts:
            self.client.drafts.pop(draft, None)
        if words:
            self.store.told.add(self.store.now(), words, bad=False)
            self.app.notify(clean(words), markup=False)
        self.leave()
        if then is not None:
            then()

    def read(self, work: Coroutine[Any, Any, None], group: str = "reading") -> None:
        """A question's worker: the newest one of its group wins, and a failure is told in the dialog."""
        before = self._reads.get(group)
        if before is not None and inspect.getcoroutinestate(before) == inspect.CORO_CREATED:
            before.close()  # its worker is cancelled before it has begun
        self._reads[group] = work

        async def ask() -> None:
            await self._read(work)

        # mypy finds no one type among the kinds of work that Textual takes.
        self.run_worker(ask, group=group, exclusive=True, exit_on_error=False)  # type: ignore[arg-type]  # as above

    async def _read(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except WarroomError as error:
            self.complain(str(error))


class Pressed(Button):
    """A button that keys press. A click only goes to it, but for Cancel: what is clicked was not always aimed at."""

    def __init__(self, label: Content, name: str, classes: str) -> None:
        super().__init__(label, id=name, classes=classes)
        # Textual takes no press while the last one is still drawn as such: a second one, meant, would be lost.
        self.active_effect_duration = 0.0

    async def _on_click(self, event: Click) -> None:
        if self.id != "cancel":
            event.stop()
            event.prevent_default()
            self.focus()


def button(label: str, name: str, variant: str = "default") -> Button:
    """A button whose label is drawn as it is."""
    made = Pressed(Content(clean(label)), name, variant)
    made.compact = True
    return made


def rows(*lines: Content) -> Static:
    return Static(Content("\n").join(list(lines)), classes="rows", markup=False)


class Reason(TextArea):
    """Text that people write. Several lines; tab leaves it. ``draft`` names what is kept when it is not sent.

    ``goes_on``: enter ends it instead of beginning another line, where it is one answer among others.
    """

    class Entered(Message):
        """Enter was pressed in one that ``goes_on``."""

    def __init__(
        self, placeholder: str = "", *, text: str = "", name: str = "reason", draft: str = "", goes_on: bool = False
    ) -> None:
        super().__init__(text, id=name, placeholder=placeholder, tab_behavior="focus", highlight_cursor_line=False)
        self.draft, self.origin, self.goes_on = draft, text, goes_on

    async def _on_key(self, event: Key) -> None:
        if self.goes_on and event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Entered())
            return
        # Textual goes on to the same method of the base class by itself.

    async def _on_paste(self, event: Paste) -> None:
        """What a terminal would obey is a picture before it is drawn. Textual calls the same method of the base class
        by itself, unless it is told not to: all would be there twice.
        """
        event.prevent_default()
        await super()._on_paste(Paste("\n".join(clean_lines(event.text))))

    def keep(self, drafts: dict[str, str]) -> None:
        """What was changed is kept; what stands as it came is not a draft."""
        if self.draft and self.text != self.origin:
            drafts[self.draft] = self.text
        else:
            drafts.pop(self.draft, None)

    @property
    def said(self) -> str:
        return self.text.strip()


class Choice(OptionList):
    """A list; ``j`` and ``i`` move too. A click goes to a line and takes nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "down", show=False),
        Binding("i", "cursor_up", "up", show=False),
    ]

    def __init__(self, *prompts: Content, name: str = "choice") -> None:
        super().__init__(*prompts, id=name, markup=False)

    async def _on_click(self, event: Click) -> None:
        event.prevent_default()
        option: int | None = event.style.meta.get("option")
        if option is not None:
            self.highlighted = option
