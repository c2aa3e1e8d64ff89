"""Text that means harm, and a console fed with it everywhere: ``python -m tests.console.hostile PAYLOADS WALKS``.

Each payload carries a word of its own, so that the bytes on the terminal can be asked where it went. The console is
driven by keys through its screens, then draws page after page of the log until all payloads were used; it ends by
itself, with exit status 0 if nothing was done that nobody asked for. ``--bare`` is without the last look at what is
drawn: then everything must have been cleaned where it came in.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from textual.events import Paste
from textual.pilot import Pilot

from tests.console.facts import BAD, GOOD, OLDER, the_diff, the_plan
from tests.console.pages import page_of
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.app import WarroomConsole
from warroom.console.appearance import appearance, environment
from warroom.console.steady import Steady
from warroom.console.terminal import Harmless
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model import live as lv
from warroom.model.plan import Look
from warroom.model.signal import ComponentReading, LogHead, LogLine, SignalReading
from warroom.model.verification import CheckResult
from warroom.session import Refused

LINES = 20
PAGE = 45
"""Log lines on one page of the log alone, on a terminal of 60 rows."""
WORD = "Zq"
"""Every canary is this and a number."""

SHAPES = (
    "\x1b]0;{0}\x07{0}",
    "\x1b]2;{0}\x1b\\{0}",
    "\x1b]8;;http://{0}/\x1b\\{0}\x1b]8;;\x1b\\",
    "\x1b]52;c;{0}\x07{0}",
    "\x1b]22;{0}\x07{0}",
    "\x1bP1$r{0}\x1b\\{0}",
    "\x1bP+q{0}\x1b\\{0}",
    "\x1b_{0}\x1b\\{0}",
    "\x1b^{0}\x1b\\{0}",
    "\x1bX{0}\x1b\\{0}",
    "\x9d0;{0}\x9c{0}",
    "\x90{0}\x9c{0}",
    "\x9b31m{0}\x9b2J",
    "\x1b[2J\x1b[H{0}\x1b[31m",
    "\x1b[?1049l{0}\x1b[?1003h",
    "\x1bc{0}\x1b[!p",
    "\x1b[6n{0}\x1b[21t\x1b[c",
    "\x1bPtmux;\x1b\x1b]52;c;{0}\x07\x1b\\{0}",
    "{0}\r\x0b\x0c\x08\x08\x7f\x00\x07{0}",
    "{0}\u202egnp.exe\u202c\u2066{0}\u2069\u061c",
    "{0}" + "👩\u200d" * 20 + "👦{0}",
    "{0}" + "e" + "\u0301" * 300,
    "{0}\u0e01" + "\u0e49" * 200,
    "[@click=app.quit]{0}[/]",
    "[@click=app.act('run')]{0}[/@click=app.act('run')]",
    "[/{0}]",
    "[bold {0}",
    "[link=http://{0}]{0}[/link]",
    "[on red blink]{0}[/]" * 4,
    "[[{0}]]$error[/bin/bash -c]",
    "\\[{0}\\]\\",
    "{0}\ufeff\u200b\u2028\u2029\u0085{0}",
    "{0}\ufffe\U000e0041\U000e007f{0}",
    "国" * 30 + "{0}",
    "{0}" + "x" * 2000,
    "\t\n\n{0}\n\t",
)


def payloads(seed: int) -> Iterator[tuple[str, str]]:
    """(canary, text), without end: each shape in turn, some of them joined or cut in the middle."""
    rng = random.Random(seed)
    number = 0
    while True:
        for shape in SHAPES:
            number += 1
            canary = f"{WORD}{seed}x{number}z"
            text = shape.format(canary)
            if rng.random() < 0.3:
                text = f"{canary} {rng.choice(SHAPES).format(canary)}{text}"
            if rng.random() < 0.2:
                text = f"{canary} {text[: rng.randrange(1, len(text))]}"
            if rng.random() < 0.1:
                text = canary + "".join(rng.choice("\x1b\x9b[]\x07;m\\P0?\r\x00[/bold]") for _ in range(30))
            yield canary, text


class Hostile:
    """One console and one story; ``feed`` puts new text everywhere."""

    def __init__(self, total: int, walks: int) -> None:
        self.total, self.walks = total, walks
        self.story = Story(a_runbook("production", service="ai-saas-app"))
        self.source = payloads(total)
        self.used = 0
        self.rows: list[LogLine] = []
        self.logged = 0
        self.seen: set[str] = set()

    def text(self, most: int = 3000) -> str:
        self.used += 1
        return next(self.source)[1][:most]

    def begin(self) -> None:
        story, text = self.story, self.text
        story.fires()
        pages: dict[type[Any], Callable[[Any], lv.Page]] = {
            lv.LogQuery: lambda q: page_of(self.rows, q),
            lv.MessageQuery: lambda q: lv.MessagePage(template=q.template, text=text(), channels=(text(60),)),
            lv.DraftQuery: lambda q: lv.DraftPage(text=text(), hidden=1),
            lv.DiffQuery: lambda q: lv.DiffPage(diff=self._diff()),
            lv.CommandsQuery: lambda q: lv.CommandsPage(
                commands=tuple(lv.CommandLine(at=story.now(), door="read", text=text()) for _ in range(4))
            ),
            lv.ReleasesQuery: lambda q: lv.ReleasesPage(
                releases=(BAD, self._release(), OLDER), running=BAD, best=1, reason=text(200), problem=text(100)
            ),
            lv.GuardsQuery: lambda q: lv.GuardsPage(guards=(lv.Guard(id="g", words=text(300), hard=False),)),
            lv.WaysQuery: lambda q: lv.WaysPage(
                ways=(ev.NextWay(kind="older-release", title=text(200), release=OLDER), *story.ways), words=text(300)
            ),
            lv.IncidentsQuery: lambda q: lv.IncidentsPage(
                incidents=(
                    lv.IncidentLine(
                        id="INC-0041", title=text(200), service=text(60), environment=text(40), scenario=text(40)
                    ),
                    lv.IncidentLine(id=text(20), title=text(100), damaged=text(300)),
                ),
                total=2,
            ),
            lv.EmergencyQuery: self._lane,
        }
        story.pages |= pages
        story.on[it.AddNote] = lambda i: Refused(reason=text(400))

    def _lane(self, query: lv.EmergencyQuery) -> lv.EmergencyPage:
        page = self.story._lane(query)
        assert page.plan is not None
        plan = self._named(page.plan)
        return page.model_copy(
            update={
                "plan": plan,
                "hash": plan.hash,
                "running": self._release(),
                "reason": self.text(200),
                "diff": self._diff(),
                "held": (lv.Guard(id="lab", words=self.text(300), hard=True),),
                "waives": (lv.Guard(id="g", words=self.text(300), hard=False),),
                "first": (self.text(40),),
            }
        )

    def _release(self) -> Any:
        return GOOD.model_copy(update={"version": self.text(60)})

    def _named(self, plan: Any) -> Any:
        steps = tuple(step.model_copy(update={"title": self.text(100)}) for step in plan.steps)
        notes = (self.text(200),)
        return plan.model_copy(update={"steps": steps, "title": self.text(100), "notes": notes})

    def _diff(self) -> Any:
        return the_diff().model_copy(
            update={"commits": (self.text(200), self.text(200)), "files": (self.text(100),), "notes": (self.text(100),)}
        )

    def _lines(self, many: int, *, sources: bool) -> None:
        for _ in range(many):
            self.logged += 1
            source = self.text(20) if sources and self.logged % 7 == 0 else "web"
            row = LogLine(source=source, text=self.text(), at=self.story.now(), level="error", index=self.logged)
            self.rows = [*self.rows[-100:], row]

    def feed(self) -> None:
        story, text = self.story, self.text
        story.pass_time(1)
        self._lines(LINES, sources=True)
        story.live(
            bad=ComponentReading(id="bad", title=text(80), status="failing", words=text(), age_s=1),
            head=LogHead(source="web", lines=self.logged, errors=3, lately=3, over=text(60), note=text(100)),
            platform=lv.PlatformReading(id="lab", plugin="lab", status="broken", words=text()),
            worse=SignalReading(
                id="worse", title=text(80), unit="ms", value=1, freshness="stale", source=text(50), words=text()
            ),
            busy=lv.Busy(words=(text(200),)),
            who=lv.Presence(names=(text(40), text(40))),
            running=lv.RunningRelease(release=BAD.model_copy(update={"version": text(60)})),
        )
        if story.state.incident is None:
            return
        story.push(ev.NoteAdded(text=text(), about="cause"), who="op1")
        story.push(ev.ItemMarked(item="notify", mark="waived", reason=text(200)), who="op1")
        story.push(ev.TreeAnswered(node="severity", answer="critical", reason=text(200)), who="op1")
        story.push(ev.Decided(choice="rollback-now", reason=text(300), followed_advice=True), who=text(30))
        story.push(ev.TargetChosen(release=self._release(), reason=text(200), diff=self._diff()))

    def stage(self, name: str) -> None:
        """How far the run has come: every dialog has a moment when it can be opened."""
        story = self.story
        if story.state.incident is None and name != "nothing":
            story.opened(self.text(200))
            story.push(ev.WheelTaken(), who="op1")
        if name in ("nothing", "any"):
            return
        plan = self._named(the_plan())
        first, *rest = plan.steps
        plan = plan.model_copy(update={"steps": (first.model_copy(update={"manual": True}), *rest)})
        story.push(ev.PlanProposed(plan=plan, hash=plan.hash))
        if name == "voided":
            story.push(ev.PlanVoided(hash=plan.hash, reason=self.text(200)))
        if name in ("planned", "voided"):
            return
        story.push(ev.RunStarted(hash=plan.hash, waived=(self.text(200),)))
        story.step_begins("deploy")
        progress = lv.StepProgress(
            step="deploy", attempt=1, elapsed_s=0, expected_s=9, words=self.text(), output=(self.text(), self.text())
        )
        story.live(progress=progress)
        if name == "ended":
            story.step_ends("deploy", "unknown", self.text(), Look(verdict="partly", seen=self.text()))
            story.push(ev.RunEnded(hash=plan.hash, outcome="unknown", detail=self.text(300), seconds=9))
            checked = CheckResult(
                id="health", title=self.text(60), verdict="fail", words=self.text(), numbers={"n": self.text(60)}
            )
            story.push(ev.CheckEnded(result=checked))
            story.push(ev.CheckAnswered(check="flows", verdict="fail", words=self.text()), who=self.text(30))
            story.push(ev.VerificationEnded(verdict="fail", words=self.text(), next=story.ways))

    async def _drawn(self, pilot: Pilot[int]) -> None:
        """Until the newest log line has been asked for: the log fetches a few times a second, not after each line."""
        before = len(self.story.queries)
        for _ in range(40):
            await pilot.pause(0.01)
            if len(self.story.queries) > before:
                break
        await pilot.pause()

    async def drive(self, pilot: Pilot[int]) -> None:
        app, story = pilot.app, self.story
        assert isinstance(app, WarroomConsole)
        await pilot.pause()
        for walk in WALKS[: self.walks]:
            await self._walk(app, pilot, walk)
        await self._pages(app, pilot)
        long = "y\x1b]0;" * 200_000
        story.live(long=SignalReading(id="long", title="1 MB", unit="ms", value=1, freshness="fresh", words=long))
        await pilot.pause()
        asked = {intent.type for intent in story.intents}
        app.exit(0 if asked <= {"add-note"} and app.screen is app.main else 3)

    async def _walk(self, app: WarroomConsole, pilot: Pilot[int], walk: Walk) -> None:
        """New text, two toasts, and the keys; then back to the main screen."""
        self.stage(walk.stage)
        self.feed()
        await self._drawn(pilot)
        await pilot.press("escape", "escape")
        app.tell(self.text(300), bad=True)
        app.tell("\ud800 half a pair " + self.text(50))
        for keys in walk.keys:
            if keys == PASTE:
                app.post_message(Paste(self.text(200)))
            else:
                await pilot.press(keys)
            await pilot.pause()
            self.seen.add(type(app.screen).__name__)
        await pilot.press("escape", "escape", "escape")
        await pilot.pause()
        app.clear_notifications()

    async def _pages(self, app: WarroomConsole, pilot: Pilot[int]) -> None:
        """The rest of the payloads, a page of the log at a time. Nothing of a page is left out as drawn already."""
        await pilot.press("5", "z")
        while self.used < self.total:
            self._lines(PAGE, sources=False)
            self.story.live(head=LogHead(source="web", lines=self.logged, errors=3, note=self.text(100)))
            app.forget_frames()
            await self._shown(app, pilot, f"{WORD}{self.total}x{self.used - 1}z")
        await pilot.press("z", "escape")
        await pilot.pause()

    async def _shown(self, app: WarroomConsole, pilot: Pilot[int], canary: str) -> None:
        """Until the last line of the page stands on the screen."""
        for _ in range(500):
            await pilot.pause(0.01)
            if any(canary in strip.text for strip in app.screen._compositor.render_strips()):
                return
        raise AssertionError(f"{canary} was never drawn")


@dataclass(frozen=True)
class Walk:
    stage: str
    keys: tuple[str, ...]


PASTE = "PASTE"
WALKS = tuple(
    Walk(stage, tuple(keys))
    for stage, *keys in (
        ("nothing", "o", PASTE),
        ("planned", "d", "tab"),
        ("planned", "R", PASTE),
        ("running", "A", "tab"),
        ("ended", "f", "down"),
        ("planned", "exclamation_mark", PASTE, "x", "escape"),
        ("any", "m", "tab", PASTE),
        ("any", "l", "x", PASTE, "ctrl+s"),
        ("planned", "g", PASTE),
        ("any", "T", "down", "enter"),
        ("any", "at"),
        ("planned", "p", "down"),
        ("any", "colon", PASTE),
        ("any", "question_mark", PASTE),
        ("any", "5", "z", "z"),
        ("any", "slash", PASTE, "enter", "slash", "ctrl+u", "enter"),
        ("any", "s", PASTE, "enter"),
        ("any", "2", "z", "down", "down", "z"),
        ("any", "1", "3", "4", "6", "6"),
        ("any", "x", "x", PASTE),
        ("any", "D", PASTE),
        ("running", "M", PASTE),
        ("ended", "r", PASTE),
        ("ended", "V", "down", PASTE),
        ("any", "P", PASTE),
        ("voided", "p", "down"),
        ("any", "a", PASTE),
        ("any", "h", "down"),
        ("any", "H", "down"),
        ("any", "L", "down"),
        ("any", "J", PASTE),
        ("any", "G", "G"),
        ("planned", "S", PASTE),
        ("ended", "p", "tab", "tab"),
        ("ended", "X", PASTE),
        ("planned", "p", "tab", "tab", "right", "right"),
    )
)


async def main(total: int, walks: int, bare: bool) -> int:
    hostile = Hostile(total, walks)
    hostile.begin()
    app = WarroomConsole(
        hostile.story, now=hostile.story.now, tick_s=0, look=appearance(environment()), steady=Steady(count().__next__)
    )
    if bare:
        app._filters = [one for one in app._filters if not isinstance(one, Harmless)]
    async with asyncio.timeout(600):
        code = await app.run_async(auto_pilot=hostile.drive)  # type: ignore[arg-type]  # App[int]
    asked = " ".join(intent.type for intent in hostile.story.intents)
    print(f"\nused {hostile.used}; seen {' '.join(sorted(hostile.seen))}; asked {asked}", flush=True)
    return code if code is not None else 4


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), "--bare" in sys.argv)))
