"""The releases there were: which runs, which is the best to go back to, and what going back to each takes away."""

from __future__ import annotations

from datetime import datetime

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Key, Resize
from textual.widgets import Input, OptionList, Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, button
from warroom.console.screens.plan import what_lies_between
from warroom.console.text import clean, fit, line, right, spread, wide, wrapped
from warroom.console.theme import mark
from warroom.model.base import passed_text
from warroom.model.intent import ChooseTarget
from warroom.model.live import DiffPage, DiffQuery, ReleasesPage, ReleasesQuery
from warroom.model.release import Release


def identity(release: Release) -> str:
    """What names the release's content, so that a moved tag can't change what was picked."""
    return release.digest or release.commit or release.version


class TargetScreen(Dialog):
    """The history, newest first, the best one chosen beforehand. Or filtered, or typed when it can't be reached."""

    heading = "target"
    hint = "arrows look · enter takes it · tab to filter or type one · esc"
    fills = True

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.page: ReleasesPage | None = None
        self.shown: tuple[int, ...] = ()
        self.contains = ""

    def inside(self) -> ComposeResult:
        yield Static(line(("reading the history …", "$text-muted")), id="why", markup=False)
        with Horizontal(id="two"):
            yield Choice(name="releases")
            with Vertical(id="beside"):
                yield Static("", id="diff", markup=False)

    def below(self) -> ComposeResult:
        placeholder = "filter, or type a version, a commit or a digest; enter takes it"
        # What is typed from the list comes here: the second letter must not take the first one's place.
        yield Input(placeholder=placeholder, id="typed-target", max_length=300, select_on_focus=False)

    def buttons(self) -> ComposeResult:
        yield button("Take this release", "take", "main")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#beside").can_focus = True
        self.query_one("#releases", Choice).focus()
        self.read(self._history(), "history")

    async def _history(self) -> None:
        self.page = await self.client.ask(ReleasesQuery(), ReleasesPage)
        self._say_why(self.page)
        self._list()

    def _say_why(self, page: ReleasesPage) -> None:
        why = self.query_one("#why", Static)
        cells = max(40, self.query_one("#inside").size.width - 2)
        if page.problem:
            why.update(
                Content("\n").join(wrapped(f"{page.problem} — type the target instead", cells, "$warning", "? "))
            )
        else:
            said = page.reason or "no release is known to be good"
            why.update(
                Content("\n").join(wrapped(f"best: {said}" if page.best is not None else said, cells, "$accent"))
            )

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.call_after_refresh(self._again)

    def _again(self) -> None:
        """Drawn for the room that there is now."""
        if self.page is not None:
            self._say_why(self.page)
            self._list(keep=True)

    def _list(self, *, keep: bool = False) -> None:
        """Those whose name, commit, digest, note or bringer has what was typed. ``keep`` stays on the same line."""
        page = self.page
        if page is None:
            return
        wanted = self.contains.casefold()
        self.shown = tuple(
            index
            for index, r in enumerate(page.releases)
            if wanted in f"{r.version} {r.commit or ''} {r.digest or ''} {r.note} {r.deployed_by}".casefold()
        )
        choice = self.query_one("#releases", Choice)
        at = choice.highlighted
        choice.clear_options()
        choice.add_options([self._prompt(page, index) for index in self.shown])
        if self.shown:
            best = self.shown.index(page.best) if page.best in self.shown else 0
            choice.highlighted = at if keep and at is not None else best
        elif self.contains:
            words = f"none of these has “{self.contains}” in its name: enter asks for it as it stands"
            self.query_one("#diff", Static).update(line((clean(words), "$text-muted")))

    def _prompt(self, page: ReleasesPage, index: int) -> Content:
        release = page.releases[index]
        sign, style = {"good": mark("ok"), "bad": mark("failed"), "unknown": mark("unknown")}[release.verdict]
        best = index == page.best
        said = f"{release.verdict}"
        if page.running is not None and page.running.matches(release):
            said = "runs now"
        elif any(other.matches(release) for other in self.store.state.failed_targets):
            said, (sign, style) = "failed", mark("failed")
        elif best:
            said = "best"
        age = _ago(release.deployed_at, self.store.now())
        cells = max(30, self.query_one("#releases").size.width - 2)
        name = line((f"{sign} ", style), (release.name, "bold" if best else ""))
        columns = ((fit(said, 9), "bold $accent" if best else style), (right(age, 9), "$text-muted"))
        return spread(name, line(*columns[: _room(page, cells)]), cells)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        # The list may have been filtered since: then another line is highlighted, and told as well.
        if self.page is not None and event.option_index < len(self.shown):
            self.read(self._diff(self.page, self.shown[event.option_index]), "diff")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.pressed("take")

    def on_input_changed(self, event: Input.Changed) -> None:
        self.contains = event.value.strip()
        self._list()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """What was typed is taken as it stands; a list of one that it filtered to is taken from the list."""
        if len(self.shown) == 1 and event.value.strip():
            self.pressed("take")
        elif event.value.strip():
            self.send(ChooseTarget(text=event.value.strip()))

    def on_key(self, event: Key) -> None:
        """A letter typed at the list, or at what is told of a release, is meant for the filter."""
        letter = event.character if event.is_printable else None
        if letter is None or letter == " " or event.key == self.store.keys.by_action["veto"]:
            return
        at_list = self.focused is self.query_one("#releases")
        if at_list and event.key in ("i", "j"):  # these move in it
            return
        if at_list or self.focused is self.query_one("#beside"):
            event.stop()
            box = self.query_one("#typed-target", Input)
            box.focus()
            box.insert_text_at_cursor(letter)

    async def _diff(self, page: ReleasesPage, index: int) -> None:
        beside = self.query_one("#diff", Static)
        beside.update(line(("reading what changed since …", "$text-muted")))
        release = page.releases[index]
        cells = max(30, self.query_one("#beside").size.width - 3)
        lines = about(page, index, self.store.now(), cells)
        found = await self.client.ask(DiffQuery(to=identity(release)), DiffPage)
        if found.diff is None:
            lines += wrapped(found.problem or "what changed since is unknown", cells, "$warning", "? ")
        else:
            lines += what_lies_between(found.diff, cells, 8)
        beside.update(Content("\n").join(lines))

    def pressed(self, name: str) -> None:
        choice = self.query_one("#releases", Choice)
        if self.page is None or choice.highlighted is None or not self.shown:
            self.complain("No release is chosen: type one.")
            self.query_one("#typed-target", Input).focus()
            return
        self.send(ChooseTarget(text=identity(self.page.releases[self.shown[choice.highlighted]])))


def _room(page: ReleasesPage, cells: int) -> int:
    """How many columns stand beside the names: what names a release is whole before anything else is shown."""
    left = cells - 3 - max(wide(release.name) for release in page.releases)
    return 2 if left >= 18 else 1 if left >= 9 else 0


def about(page: ReleasesPage, index: int, now: datetime, cells: int) -> list[Content]:
    """One release: what names it, when it came and the next one did, who brought it, and how it ran."""
    release = page.releases[index]
    lines = [
        line((release.name, "bold"), (f"  {(release.commit or '')[:12]}  {(release.digest or '')[:19]}", "$text-muted"))
    ]
    facts = []
    if release.deployed_at is not None:
        facts.append(f"deployed {release.deployed_at:%Y-%m-%d %H:%M} UTC, {_ago(release.deployed_at, now)}")
        facts += _then(page, index, now, release.deployed_at)
    else:
        facts.append("when it was deployed is not known")
    if release.deployed_by:
        facts.append(f"by {release.deployed_by}")
    how = {"good": "it ran well", "bad": "it ran badly", "unknown": "how it ran is not known"}[release.verdict]
    lines += wrapped(" · ".join([*facts, how]), cells, "$text-muted")
    return lines + (wrapped(release.note, cells, "$text-muted") if release.note else [])


def _then(page: ReleasesPage, index: int, now: datetime, came: datetime) -> list[str]:
    """How long it has run, of the newest where it runs; of others only when the next one came (the history is newest
    first): between the two ran also what the history doesn't tell, or knows no time of.
    """
    if index == 0:
        runs = page.running is not None and page.running.matches(page.releases[0])
        return [f"has run for {passed_text((now - came).total_seconds())}"] if runs else []
    following = page.releases[index - 1].deployed_at
    if following is None or following < came:
        return []
    return [f"the next in this list came {passed_text((following - came).total_seconds())} later"]


def _ago(then: datetime | None, now: datetime) -> str:
    if then is None:
        return "unknown"
    seconds = max(0.0, (now - then).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds)} s ago"
