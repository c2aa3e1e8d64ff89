"""Text that means harm, and a console fed with it everywhere: ``python -m tests.console.hostile PAYLOADS WALKS``.

Each payload carries a word of its own, so that the bytes on the terminal can be asked where it went. The console is
driven by keys through its screens; it ends by itself, with exit status 0 if nothing was done that nobody asked for.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Iterator
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
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model import live as lv
from warroom.model.base import sha256
from warroom.model.signal import ComponentReading, LogHead, LogLine, SignalReading
from warroom.session import Refused

LINES = 20
FEEDS = 6
"""So often new text comes between two walks through the screens."""
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

    def __init__(self, total: int, walks: int = len(SHAPES)) -> None:
        self.total, self.walks = total, walks
        self.story = Story(a_runbook("drill", service="ai-saas-app"))
        self.source = payloads(total)
        self.used = 0
        self.rows: list[LogLine] = []
        self.logged = 0
        self.seen: set[str] = set()

    def text(self, most: int = 3000) -> str:
        self.used += 1
        return next(self.source)[1][:most]

    def begin(self) -> None:
        story = self.story
        story.fires()
        story.opened(self.text(200))
        story.pages[lv.LogQuery] = self._log
        story.pages[lv.MessageQuery] = lambda q: lv.MessagePage(
            template=q.template, text=self.text(), channels=(self.text(60),)
        )
        story.pages[lv.DiffQuery] = lambda q: lv.DiffPage(diff=self._diff())
        story.pages[lv.CommandsQuery] = lambda q: lv.CommandsPage(
            commands=tuple(lv.CommandLine(at=story.now(), door="read", text=self.text()) for _ in range(4))
        )
        story.pages[lv.ReleasesQuery] = lambda q: lv.ReleasesPage(
            releases=(BAD, GOOD.model_copy(update={"version": self.text(60)}), OLDER),
            running=BAD,
            best=1,
            reason=self.text(200),
        )
        story.pages[lv.GuardsQuery] = lambda q: lv.GuardsPage(
            guards=(lv.Guard(id="g", words=self.text(300), hard=False),)
        )
        story.on[it.AddNote] = lambda i: Refused(reason=self.text(400))
        self.feed()

    def _log(self, query: lv.LogQuery) -> lv.LogPage:
        return page_of(self.rows, query)

    def _lines(self) -> None:
        """As many new lines as the log pane shows."""
        for _ in range(LINES):
            self.logged += 1
            source = self.text(20) if self.logged % 7 == 0 else "web"
            row = LogLine(source=source, text=self.text(), at=self.story.now(), level="error", index=self.logged)
            self.rows = [*self.rows[-100:], row]

    def _diff(self) -> Any:
        return the_diff().model_copy(
            update={"commits": (self.text(200), self.text(200)), "files": (self.text(100),), "notes": (self.text(100),)}
        )

    def feed(self) -> None:
        story = self.story
        story.pass_time(1)
        self._lines()
        story.live(
            bad=ComponentReading(id="bad", title=self.text(80), status="failing", words=self.text(), age_s=1),
            head=LogHead(source="web", lines=self.logged, errors=3, note=self.text(100)),
            platform=lv.PlatformReading(id="lab", plugin="lab", status="broken", words=self.text()),
            worse=SignalReading(
                id="worse",
                title=self.text(80),
                unit="ms",
                value=1,
                freshness="stale",
                source=self.text(50),
                words=self.text(),
            ),
            busy=lv.Busy(words=(self.text(200),)),
            who=lv.Presence(names=(self.text(40), self.text(40))),
            running=lv.RunningRelease(release=BAD.model_copy(update={"version": self.text(60)})),
        )
        story.push(ev.NoteAdded(text=self.text(), about="cause"), who="op1")
        story.push(ev.ItemMarked(item="notify", mark="waived", reason=self.text(200)), who="op1")
        story.push(ev.TreeAnswered(node="severity", answer="critical", reason=self.text(200)), who="op1")
        story.push(ev.Decided(choice="rollback-now", reason=self.text(300), followed_advice=True), who=self.text(30))
        story.push(
            ev.TargetChosen(
                release=GOOD.model_copy(update={"version": self.text(60)}), reason=self.text(200), diff=self._diff()
            )
        )
        self._plan()

    def _plan(self) -> None:
        story, plan = self.story, the_plan()
        steps = tuple(step.model_copy(update={"title": self.text(100)}) for step in plan.steps)
        plan = plan.model_copy(update={"steps": steps, "title": self.text(100)})
        story.push(ev.PlanProposed(plan=plan, hash=sha256(str(self.used).encode())))
        if self.used % 3 == 0:
            story.push(ev.RunStarted(hash=sha256(str(self.used).encode()), waived=()))

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
        round_ = 0
        while self.used < self.total or round_ < self.walks:
            for _ in range(1 if self.total < 5000 else FEEDS):
                self.feed()
                await self._drawn(pilot)
            await pilot.press("escape", "escape")
            app.tell(self.text(300), bad=True)
            app.tell("\ud800 half a pair " + self.text(50))
            for keys in KEYS[round_ % len(KEYS)]:
                if keys == "PASTE":
                    app.post_message(Paste(self.text(200)))
                else:
                    await pilot.press(keys)
                await pilot.pause()
                self.seen.add(type(app.screen).__name__)
            await pilot.press("escape", "escape", "escape")
            await pilot.pause()
            app.clear_notifications()
            round_ += 1
        long = "y\x1b]0;" * 200_000
        story.live(long=SignalReading(id="long", title="1 MB", unit="ms", value=1, freshness="fresh", words=long))
        await pilot.pause()
        asked = {intent.type for intent in story.intents}
        app.exit(0 if asked <= {"add-note"} and app.screen is app.main else 3)


KEYS: tuple[tuple[str, ...], ...] = (
    ("d", "tab"),
    ("m", "tab", "PASTE"),
    ("l", "x", "PASTE", "ctrl+s"),
    ("g", "PASTE"),
    ("T",),
    ("at",),
    ("p",),
    ("colon", "PASTE"),
    ("question_mark", "PASTE"),
    ("5", "z", "z"),
    ("slash", "PASTE", "enter"),
    ("2", "z", "down", "down"),
    ("1", "3", "4", "6", "6"),
    ("x", "PASTE"),
    ("D", "PASTE"),
)


async def main(total: int, walks: int) -> int:
    hostile = Hostile(total, walks)
    hostile.begin()
    app = WarroomConsole(
        hostile.story, now=hostile.story.now, tick_s=0, look=appearance(environment()), steady=Steady(count().__next__)
    )
    code = await asyncio.wait_for(app.run_async(auto_pilot=hostile.drive), 600)  # type: ignore[arg-type]  # App[int]
    print(
        f"\nused {hostile.used}; seen {' '.join(sorted(hostile.seen))}; asked {len(hostile.story.intents)}", flush=True
    )
    return code if code is not None else 4


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]))))
