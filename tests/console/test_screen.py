"""The screen itself: sizes, zoom, the log, hostile text, resync, and a lost engine."""

from __future__ import annotations

import re

import pytest

from tests.console import facts
from tests.console.conftest import Start
from tests.console.pages import log_page
from tests.console.runbook import a_runbook
from tests.console.story import Story
from tests.console.test_text import HOSTILE
from warroom.model import event as ev
from warroom.model import live as lv
from warroom.model.signal import ComponentReading, LogHead, LogLine, SignalReading
from warroom.testing.clock import START


def opened(kind: str = "drill") -> Story:
    story = Story(a_runbook(kind))
    story.fires()
    story.opened("High error rate")
    return story


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (300, 80), (100, 30), (60, 16)])
async def test_six_live_panes_on_one_screen(begin: Start, size: tuple[int, int]) -> None:
    async with begin(opened(), size) as console:
        text = console.text()
        for title in ("1 Decide", "2 Checklist", "3 Health", "4 Metrics", "5 Log", "6 Plan"):
            assert title in text
        assert all(len(row) <= size[0] for row in text.splitlines())


async def test_a_storm_of_sizes_never_crashes(begin: Start) -> None:
    async with begin(opened()) as console:
        for size in ((1, 1), (200, 60), (59, 40), (80, 15), (60, 16), (300, 80), (2, 90), (80, 24)):
            await console.pilot.resize_terminal(*size)
            await console.settle()
        assert "1 Decide" in console.text()
        await console.pilot.resize_terminal(59, 40)
        await console.settle()
        assert "Too small" in console.text()


@pytest.mark.parametrize(
    ("kind", "sign"), [("production", "▌PRODUCTION▐"), ("staging", "◇ STAGING ◇"), ("drill", "○ DRILL ○")]
)
async def test_the_environment_is_on_every_screen_and_dialog(begin: Start, kind: str, sign: str) -> None:
    story = opened(kind)
    story.push(ev.WheelTaken(), who="op1")
    async with begin(story, (100, 32)) as console:
        assert sign in console.text()
        for key in "dmlagpDPX?":
            await console.press({"?": "question_mark"}.get(key, key))
            assert console.on_top != "MainScreen", key
            assert len(console.screen.query("#head")) == 1
            assert console.text().count(sign) >= 1
            await console.press("escape")


async def test_zoom_and_panes_by_number(begin: Start) -> None:
    async with begin(opened()) as console:
        await console.press("2")
        text = console.text()
        assert "Rollback procedure executed" in text
        assert "3 Health" not in text
        assert "6 Plan" in text  # stays where panes are stacked
        await console.press("2")
        assert "3 Health" in console.text()
        await console.press("4", "escape")
        assert "3 Health" in console.text()
    async with begin(opened(), (200, 60)) as console:
        await console.press("5")
        assert "3 Health" in console.text()
        await console.press("z")
        assert "3 Health" not in console.text()
        assert "5 Log" in console.text()
        await console.press("z")
        assert "3 Health" in console.text()


async def test_both_windows_are_shown_in_a_drill(begin: Start) -> None:
    async with begin(opened(), (200, 60)) as console:
        assert "firing 0:20, after 0:20 (prod. 5 m)" in console.text()
        assert "watch 1 m, production 30 m" in console.text()


async def test_old_is_stale_and_missing_is_unknown(begin: Start) -> None:
    story = opened()
    async with begin(story, (200, 60)) as console:
        story.live(
            old=SignalReading(id="old", title="old", unit="ms", value=12, age_s=65, freshness="stale", limit=3000),
            none=SignalReading(
                id="none", title="none", unit="ms", value=None, freshness="unknown", words="asked, no answer"
            ),
            gone=ComponentReading(id="gone", title="gone", status="unknown", words="no answer"),
        )
        await console.settle()
        text = console.text()
        assert re.search(r"\? old .*stale 12 ms .*65 s", text)
        assert re.search(r"\? none .*unknown asked, no answer .*no age", text)
        assert re.search(r"\? gone .*unknown no answer .*no age", text)


async def test_what_serves_beside_what_is_rolled_out_is_said_with_it(begin: Start) -> None:
    """And where nothing is seen to run, what ran last is not shown as what runs."""
    story = opened()
    async with begin(story, (200, 60)) as console:
        bad = facts.BAD.model_copy(update={"beside": "0 of 1 pod ready, beside v2 (3 of 3 pods ready)"})
        story.live(running=lv.RunningRelease(release=bad))
        await console.settle()
        assert f"▪ runs {bad.name}" in console.text()
        assert bad.beside in console.text()
        story.live(running=lv.RunningRelease(release=None))
        await console.settle()
        assert "? what runs is unknown" in console.text()
        assert f"▪ runs {bad.name}" not in console.text()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_text_is_drawn_as_text_everywhere(begin: Start, text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    story = opened()
    story.pages[lv.LogQuery] = lambda query: hostile_page(query, text)
    story.pages[lv.MessageQuery] = lambda query: lv.MessagePage(template=query.template, text=text, channels=(text,))
    async with begin(story, (120, 40)) as console:
        story.opened(text[:300])
        story.live(
            bad=ComponentReading(id="bad", title=text, status="failing", words=text),
            head=LogHead(source="web", lines=10, note=text),
            platform=lv.PlatformReading(id="lab", plugin="lab", status="broken", words=text),
            worse=SignalReading(id="worse", title=text, unit="ms", value=1, freshness="fresh", source=text),
            busy=lv.Busy(words=(text,)),
            who=lv.Presence(names=(text,)),
        )
        story.push(ev.NoteAdded(text=text, about="cause"), who="op1")
        story.push(ev.ItemMarked(item="notify", mark="waived", reason=text), who="op1")
        await console.settle()
        for key in ("m", "escape", "l", "escape", "T", "escape", "d", "escape", "z"):
            await console.press(key)
            for char in console.text():
                assert char == "\n" or (ord(char) >= 0x20 and not 0x7F <= ord(char) < 0xA0)
        assert story.intents == []


def hostile_page(query: lv.LogQuery, text: str) -> lv.LogPage:
    page = log_page(query, 10, START)
    lines = tuple(LogLine(source=text[:20] or "x", text=text, at=START, level="error", index=n) for n in range(10))
    return page.model_copy(update={"lines": lines, "first": 0, "matching": 10})


async def test_resync_starts_again_and_a_lost_engine_is_said(start: Start) -> None:
    story = opened()
    async with start(story) as console:
        story.resync("1,000 events behind")
        await console.settle()
        assert "inc-0042" in console.text()
        story.end()
        await console.settle()
        assert "the engine has ended this session" in console.text()
        await console.press("c")
        assert story.intents == []
        assert "Not yet" in console.told()


async def test_the_clock_ticks_and_only_what_changed_is_drawn(begin: Start) -> None:
    story = opened()
    async with begin(story) as console:
        assert "T+1:12" in console.text()
        story.pass_time(5)
        console.app.main.tick()
        await console.settle()
        assert "T+1:17" in console.text()


async def test_before_any_plan_the_pane_lists_what_can_be_run_here_first(begin: Start) -> None:
    known = a_runbook().model_dump(mode="json", by_alias=True)["procedures"]
    procedures = {"option-b": known["option-b"], "lab-rollback": known["lab-rollback"]}
    story = Story(a_runbook(procedures=procedures))
    story.opened("High error rate")
    async with begin(story, (160, 48)) as console:
        text = console.text()
        assert "No plan yet" in text
        assert 0 < text.index("lab-rollback  ") < text.index("option-b  ")


async def test_what_can_never_be_proven_is_closed_from_the_ways_on(begin: Start) -> None:
    story = opened()
    story.ways = (ev.NextWay(kind="close", title="Close it as mitigated, with a reason"),)
    story.push(ev.VerificationStarted(checks=()))
    story.verified("inconclusive")
    async with begin(story) as console:
        await console.press("f")
        assert "recovery was not proven" in console.flat()
        await console.press("enter")
        assert console.on_top == "CloseScreen"


async def test_a_second_that_passes_while_the_screen_is_taken_down_ends_nothing(begin: Start) -> None:
    """A slow machine takes its parts away one after another, and its clock still ticks."""
    async with begin(Story()) as console:
        main = console.app.main
        await main.query("*").remove()
        main.tick()
