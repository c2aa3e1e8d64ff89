"""Messages, notes, checklist marks, and the target."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Select, Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, Reason, button, rows
from warroom.console.text import clean_lines, cut, fit, line, wrapped
from warroom.console.theme import mark
from warroom.console.words import utc
from warroom.model.checklist import Line
from warroom.model.intent import AddNote, ChooseTarget, MarkItem, Notify, SentByHand
from warroom.model.live import DiffPage, DiffQuery, MessagePage, MessageQuery, ReleasesPage, ReleasesQuery
from warroom.model.release import Release

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


class MessageScreen(Dialog):
    """Pick a template, see exactly what will be sent, change it, send it."""

    heading = "message"
    hint = "tab to the text to change it · ctrl+s sends · esc goes back"

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
        yield button("Send", "send", "main")
        if self._failed():
            yield button("I sent it by hand", "by-hand")
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
            lines.append(
                line(
                    (f"{sign} ", style),
                    f"{message.status} ",
                    (f"{message.template} to {message.channel} {utc(message.at)} ", "$text-muted"),
                    message.receipt,
                )
            )
        self.query_one("#outbox", Static).update(Content("\n").join(lines))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self.read(self._preview(self.templates[event.option_index][0]))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.query_one("#text", Reason).focus()

    async def _preview(self, template: str) -> None:
        page = await self.client.ask(MessageQuery(template=template), MessagePage)
        self.template, self.channels = template, page.channels
        self.query_one("#text", Reason).text = "\n".join(clean_lines(page.text))
        names = ", ".join(page.channels) or "no channel: you send it by hand, warroom records it"
        self.query_one("#text", Reason).border_title = line(f"to {names}")

    def action_confirm(self) -> None:
        self.pressed("send")

    def pressed(self, name: str) -> None:
        if name == "by-hand":
            failed = self._failed()
            if failed is not None:
                self.send(SentByHand(message=failed))
            return
        text = self.query_one("#text", Reason).said
        if not self.template or not text:
            self.complain("There is nothing to send yet.")
            return
        self.send(Notify(template=self.template, text=text))


class NoteScreen(Dialog):
    heading = "note"
    hint = "tab moves · ctrl+s writes it · esc goes back"

    def inside(self) -> ComposeResult:
        first, text = self._first()
        yield Select[About](_ABOUTS, value=first, allow_blank=False, id="about", compact=True)
        yield Reason("as many lines as it takes", text=text)
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
        text, about = self.query_one(Reason).said, self.query_one("#about", Select).value
        if not text:
            self.complain("There is nothing to write down yet.")
            return
        self.send(AddNote(text=text, about=next(known for _, known in _ABOUTS if known == about)))


class WaiveScreen(Dialog):
    """A line that is left out, with its reason."""

    hint = "tab moves · enter presses · esc goes back"

    def __init__(self, client: Client, item: Line) -> None:
        super().__init__(client)
        self.item = item
        self.heading = "waive a checklist line"

    def inside(self) -> ComposeResult:
        yield rows(*wrapped(self.item.sentence, 70, "bold", f"{self.item.number} "))
        yield Reason("why it is left out; it stays on the checklist with this reason")

    def buttons(self) -> ComposeResult:
        if self.item.if_needed:
            yield button("Not needed, because", "not-needed", "main")
        yield button("Waive, because", "waived", "" if self.item.if_needed else "main")
        if self.item.status in ("waived", "not-needed"):
            yield button("Open it again", "open")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Reason).focus()

    def pressed(self, name: str) -> None:
        reason = self.query_one(Reason).said
        if name == "open":
            self.send(MarkItem(item=self.item.id, mark="open", reason=reason))
            return
        if not reason:
            self.complain("Say why.")
            self.query_one(Reason).focus()
            return
        self.send(MarkItem(item=self.item.id, mark="not-needed" if name == "not-needed" else "waived", reason=reason))


def identity(release: Release) -> str:
    """What names the release's content, so that a moved tag can't change what was picked."""
    return release.digest or release.commit or release.version


class TargetScreen(Dialog):
    """The history, newest first, the best one chosen beforehand, with what going back to it takes away. Or typed."""

    heading = "target"
    hint = "arrows look at a release · enter takes it · tab to type one · esc goes back"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.page: ReleasesPage | None = None

    def inside(self) -> ComposeResult:
        yield Static(line(("reading the history …", "$text-muted")), id="why", markup=False)
        with Horizontal(id="two"):
            yield Choice(name="releases")
            with Vertical(id="beside"):
                yield Static("", id="diff", markup=False)
        yield Input(
            placeholder="or type a version, a commit or a digest, then enter", id="typed-target", max_length=300
        )

    def buttons(self) -> ComposeResult:
        yield button("Take this release", "take", "main")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#releases", Choice).focus()
        self.read(self._history(), "history")

    async def _history(self) -> None:
        page = self.page = await self.client.ask(ReleasesQuery(), ReleasesPage)
        why = self.query_one("#why", Static)
        if page.problem:
            why.update(line(("? ", "$warning"), (page.problem + " — type the target instead", "$warning")))
        else:
            why.update(rows(*wrapped(page.reason or "no release is known to be good", 90, "$text-muted")).content)
        choice = self.query_one("#releases", Choice)
        failed = self.store.state.failed_targets
        for index, release in enumerate(page.releases):
            choice.add_option(self._prompt(release, index == page.best, page.running, failed))
        if page.releases:
            choice.highlighted = page.best if page.best is not None else 0

    def _prompt(self, release: Release, best: bool, running: Release | None, failed: tuple[Release, ...]) -> Content:
        sign, style = {"good": mark("ok"), "bad": mark("failed"), "unknown": mark("unknown")}[release.verdict]
        said: str = release.verdict
        if running is not None and running.name == release.name:
            said = "running now"
        elif any(other.same_as(release) for other in failed):
            said, (sign, style) = "did not recover", mark("failed")
        elif best:
            said = "best"
        return line(
            (f"{sign} ", style),
            (fit(release.name, 16), "bold" if best else ""),
            " ",
            (fit(said, 15), style if not best else "bold $accent"),
            (
                f"{(release.commit or '')[:7]} {release.deployed_at:%d %b %H:%M}" if release.deployed_at else "",
                "$text-muted",
            ),
        )

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if self.page is not None:
            self.read(self._diff(self.page.releases[event.option_index]), "diff")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.pressed("take")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.send(ChooseTarget(text=event.value.strip()))

    async def _diff(self, release: Release) -> None:
        self.query_one("#diff", Static).update(line(("reading what changed since …", "$text-muted")))
        page = await self.client.ask(DiffQuery(to=identity(release)), DiffPage)
        lines = [line((release.name, "bold"), (f"  {(release.digest or '')[:19]}", "$text-muted"))]
        if release.note:
            lines += wrapped(release.note, 44, "$text-muted")
        if page.diff is None:
            lines.append(line((page.problem or "what changed since is unknown", "$warning")))
        else:
            lines += [line(("! ", "$warning"), (note, "$warning")) for note in page.diff.notes]
            for title, entries in (
                ("migrations", page.diff.migrations),
                ("commits", page.diff.commits),
                ("files", page.diff.files),
            ):
                if entries:
                    lines.append(line((f"{len(entries)} {title} taken back", "$text-muted underline")))
                    lines += [line(f"  {entry}") for entry in entries[:8]]
        self.query_one("#diff", Static).update(Content("\n").join(lines))

    def pressed(self, name: str) -> None:
        choice = self.query_one("#releases", Choice)
        if self.page is None or choice.highlighted is None:
            self.complain("No release is chosen: type one.")
            self.query_one("#typed-target", Input).focus()
            return
        self.send(ChooseTarget(text=identity(self.page.releases[choice.highlighted])))
