"""Text that people write for the record or for others: several lines, with what would be kept or sent beside it."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList, Static, TextArea

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, Reason, button, rows
from warroom.console.screens.fields import OneOf
from warroom.console.text import clean_lines, cut, line, wrapped
from warroom.console.words import utc
from warroom.model.intent import AddNote, Notify, SentByHand
from warroom.model.live import DraftPage, DraftQuery, MessagePage, MessageQuery
from warroom.model.units import many

About = Literal["note", "cause", "impact", "well", "wrong", "action", "post-mortem-at"]
_ABOUTS: tuple[tuple[str, About], ...] = (
    ("a note for the timeline", "note"),
    ("root cause", "cause"),
    ("impact on users", "impact"),
    ("what went well", "well"),
    ("what went wrong", "wrong"),
    ("an action to take", "action"),
    ("when the post-mortem is", "post-mortem-at"),
)
LONGEST = 4000
"""Characters that one entry or message may have; the intents hold it too."""
LIMITS: dict[str, int] = {"discord": 2000, "slack": 4000, "teams": 4000, "telegram": 4096}
"""Characters that a chat takes in one message, by what its channel or plugin is called."""


class Writing(Dialog):
    """``field`` is what is written in. What is in it is shown as it would be kept; undo is the field's own."""

    field: ClassVar[str] = "#reason"
    verb: ClassVar[str] = "recorded"

    def below(self) -> ComposeResult:
        yield Static("", id="preview", markup=False)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        if self.is_current and event.text_area.id == self.field.removeprefix("#"):
            self.read(self._preview(event.text_area.text), "preview")

    async def _preview(self, text: str) -> None:
        shown = self.query_one("#preview", Static)
        if not text.strip():
            shown.update("")
            return
        page = await self.client.ask(DraftQuery(text=text[:20_000]), DraftPage)
        shown.update(Content("\n").join(self._previewed(text, page)))

    def _previewed(self, text: str, page: DraftPage) -> list[Content]:
        count = len(page.text.strip())
        over = [name for name, limit in self.limits().items() if count > limit]
        said = [line((f"{count:,} of {LONGEST:,} characters", "$error bold" if count > LONGEST else "$text-muted"))]
        for name in over:
            limit = self.limits()[name]
            said += wrapped(f"{name} takes {limit:,}: it is {count - limit:,} too long", 74, "$error", "✖ ")
        if page.text != text:
            hidden = f", {many(page.hidden, 'part')} hidden" if page.hidden else ""
            said.append(line((f"{self.verb} like this{hidden}:", "$warning")))
            said += [row for part in clean_lines(page.text)[:6] for row in wrapped(part, 74, "$text-muted", "  ")]
        return said

    def limits(self) -> dict[str, int]:
        """By name of what it goes to; beyond these it is not taken whole."""
        return {}

    def too_long(self, text: str) -> str:
        """Why it can't go as it is, in words; empty when it can."""
        limits = {**self.limits(), "an entry": LONGEST}
        name = min(limits, key=lambda each: limits[each])
        if len(text) <= limits[name]:
            return ""
        return f"It is {len(text):,} characters long, and {name} takes {limits[name]:,}: shorten it."


class MessageScreen(Writing):
    """Pick a template, see exactly what will be sent, change it, send it."""

    heading = "message"
    hint = "tab to the text · ctrl+z undoes · ctrl+s sends · esc keeps a draft"
    field = "#text"
    verb = "sent"

    def __init__(self, client: Client, wanted: str = "") -> None:
        super().__init__(client)
        runbook = client.store.runbook
        self.wanted = wanted
        self.templates = tuple(runbook.templates.items()) if runbook else ()
        self.template = ""
        self.channels: tuple[str, ...] = ()

    def inside(self) -> ComposeResult:
        yield Choice(*(line(template.title) for _, template in self.templates), name="templates")
        yield Reason("the message", name="text")
        yield Static("", id="outbox", markup=False)

    def buttons(self) -> ComposeResult:
        owed = self._failed()
        if owed:
            yield button("I sent it by hand", "by-hand")
        by_hand = self.store.runbook is not None and not self.store.runbook.channels
        yield button("Write it down" if by_hand else "Send", "send", "main")
        yield button("Copy", "copy")
        yield button("As the template has it", "again")
        yield button("Cancel", "cancel")

    def _failed(self) -> str | None:
        waiting = [m.id for m in self.store.state.messages.values() if m.status != "sent"]
        return waiting[-1] if waiting else None

    def on_mount(self) -> None:
        super().on_mount()
        if not self.templates:
            self.complain("The runbook has no message templates.")
            return
        sent = {message.template for message in self.store.state.messages.values()}
        verified = self.store.state.verification is not None and self.store.state.verification.verdict == "pass"
        wanted = self.wanted or ("completed" if verified and "started" in sent else "started")
        ids = [name for name, _ in self.templates]
        self.query_one("#templates", Choice).highlighted = ids.index(wanted) if wanted in ids else 0
        self.query_one("#text", Reason).focus()
        self.frame()

    def frame(self) -> None:
        lines = []
        for message in list(self.store.state.messages.values())[-4:]:
            sign, style = {"sent": ("✔", "$success"), "queued": ("⧗", "$warning"), "failed": ("✖", "$error")}[
                message.status
            ]
            by_hand = message.waits_for_a_person
            about = f"{message.template} {utc(message.at)} " if by_hand else f"{message.template} to {message.channel} "
            about += "" if by_hand else f"{utc(message.at)} "
            status = "waits for you to send it" if by_hand else message.status
            lines.append(line((f"{sign} ", style), f"{status} ", (about, "$text-muted"), message.receipt))
        self.query_one("#outbox", Static).update(Content("\n").join(lines))

    def limits(self) -> dict[str, int]:
        runbook = self.store.runbook
        if runbook is None:
            return {}
        found: dict[str, int] = {}
        for name in self.channels:
            channel = runbook.channels.get(name)
            plugin = (
                runbook.platforms[channel.platform].plugin if channel and channel.platform in runbook.platforms else ""
            )
            limit = next((most for chat, most in LIMITS.items() if chat in f"{name} {plugin}".lower()), None)
            if limit is not None:
                found[name] = limit
        return found

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._keep()
        self.read(self._fill(self.templates[event.option_index][0]), "template")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.query_one("#text", Reason).focus()

    def _keep(self) -> None:
        """Looking at another template takes nothing of what was written for this one."""
        self.query_one("#text", Reason).keep(self.client.drafts)

    async def _fill(self, template: str, *, fresh: bool = False) -> None:
        page = await self.client.ask(MessageQuery(template=template), MessagePage)
        self.template, self.channels = template, page.channels
        field = self.query_one("#text", Reason)
        field.draft = f"message {template}"
        filled = "\n".join(clean_lines(page.text))
        kept = "" if fresh else self.client.drafts.get(field.draft, "")
        field.origin, field.text = filled, kept or filled
        names = ", ".join(page.channels) or "no channel: you send it by hand, warroom records it"
        draft = " · your draft" if kept and kept != filled else ""
        field.border_title = line(f"to {names}{draft}")

    def action_confirm(self) -> None:
        self.pressed("send")

    def pressed(self, name: str) -> None:
        if name == "by-hand":
            failed = self._failed()
            if failed is not None:
                self.send(SentByHand(message=failed))
            return
        if name == "again":
            self.read(self._fill(self.template, fresh=True), "template")
            return
        text = self.query_one("#text", Reason).said
        if name == "copy":
            self.copy(text + "\n", "the message")
        elif not self.template or not text:
            self.complain("There is nothing to send yet.")
        elif why := self.too_long(text):
            self.complain(why)
        else:
            self.send(Notify(template=self.template, text=text))


class NoteScreen(Writing):
    heading = "note"
    hint = "tab moves · ctrl+z undoes · ctrl+s writes it · esc keeps it as a draft"

    def inside(self) -> ComposeResult:
        first, text = self._first()
        yield OneOf[About](_ABOUTS, value=first, allow_blank=False, id="about", compact=True)
        yield Reason("as many lines as it takes", text=text, draft="note")
        recent = self.store.state.notes[-3:]
        if recent:
            yield rows(*(line((f"{utc(n.at)} {n.by} {n.about}: ", "$text-muted"), cut(n.text, 60)) for n in recent))

    def _first(self) -> tuple[About, str]:
        """What is most likely wanted now: the cause, and once it is over the time of the post-mortem."""
        state, runbook = self.store.state, self.store.runbook
        if "verified" in state.proofs and "post-mortem-scheduled" not in state.proofs and runbook is not None:
            latest = self.store.now() + timedelta(seconds=runbook.post_mortem.within)
            return "post-mortem-at", f"{latest:%Y-%m-%d %H:%M} UTC"
        return ("note" if "cause-noted" in state.proofs else "cause"), ""

    def buttons(self) -> ComposeResult:
        yield button("Write it down", "write", "main")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Reason).focus()

    def action_confirm(self) -> None:
        self.pressed("write")

    def pressed(self, name: str) -> None:
        text, about = self.query_one(Reason).said, self.query_one("#about", OneOf).value
        if not text:
            self.complain("There is nothing to write down yet.")
        elif why := self.too_long(text):
            self.complain(why)
        else:
            self.send(AddNote(text=text, about=next(known for _, known in _ABOUTS if known == about)))
