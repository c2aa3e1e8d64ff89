"""What is known of a step whose outcome a person decides stands first and once on the smallest screen."""

from __future__ import annotations

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.runbook import a_runbook
from tests.console.story import Story
from tests.console.test_before_a_run import box
from warroom.console.screens.base import Reason
from warroom.model import event as ev
from warroom.model.call import SqlCall
from warroom.model.intent import ResolveStep
from warroom.model.plan import Look
from warroom.testing.builders import a_plan, a_preview, a_step

SEEN = (
    "shop is what was shop~scratch~20261123T233901~ccfe35c1 (OID 16560); the one of before (OID 16385) is kept as"
    " shop~before~20261123T234117~a2fbe5db"
)
KILLED = "warroom ended while this step ran"


def cut_off(seen: str = SEEN) -> Story:
    """Killed while two databases were renamed, by statements that are longer than a screen."""
    story = Story(a_runbook("production"))
    story.opened("Rows are gone")
    story.push(ev.WheelTaken(), who="op1")
    renames = tuple(f"ALTER DATABASE \"shop number {n}\" RENAME TO 'what it was'" for n in range(80))
    call = SqlCall(secret="env:DATABASE_URL", statements=renames, brief="rename both databases in one transaction")
    plan = a_plan(a_step("swap", preview=a_preview(calls=(call,))), purpose="rollback", procedure="swap", target=None)
    story.push(ev.PlanProposed(plan=plan, hash=plan.hash), ev.RunStarted(hash=plan.hash))
    story.step_begins("swap")
    story.step_ends("swap", "unknown", f"{KILLED}; now: {seen}", Look(verdict="done", seen=seen))
    story.push(ev.RunEnded(hash=plan.hash, outcome="unknown", detail="warroom ended in swap", seconds=9))
    return story


def on_cancel(console: Driver) -> bool:
    return console.screen.focused is console.screen.query_one("#cancel")


async def test_what_the_check_saw_is_in_sight_and_not_the_middle_of_a_statement(start: Start) -> None:
    async with start(cut_off(), (80, 24)) as console:
        await console.press("r")
        shown = box(console)
        assert f"check says DONE: {SEEN} {KILLED} 0 of 1 calls are known to have come back" in shown
        assert shown.count(SEEN) == 1
        assert "~ rename both databases in one transaction" in shown
        assert "why (goes into the journal)" in shown
        assert on_cancel(console)


async def test_what_is_longer_than_the_screen_is_scrolled_from_the_buttons(start: Start) -> None:
    async with start(
        cut_off(" ".join(f"shop{n} is what was shop~scratch~{n}" for n in range(40))), (80, 24)
    ) as console:
        await console.press("r")
        assert "check says DONE: shop0 is what was" in box(console)
        assert "rename both databases" not in box(console)
        await console.press("pagedown", "pagedown")
        assert "rename both databases" in box(console)
        await console.press("pageup", "pageup")
        assert "check says DONE: shop0 is what was" in box(console)
        assert on_cancel(console)


async def test_the_pane_says_it_once(start: Start) -> None:
    async with start(cut_off(), (200, 50)) as console:
        words = " ".join(console.text().split())
        assert KILLED in words
        assert "; now" not in words


async def test_going_on_names_only_what_is_still_to_be_done(start: Start) -> None:
    """What was lost is lost: a run that stands there as at first looks as if all of it were done a second time."""
    story = Story(a_runbook("production"))
    story.opened("Rows are gone")
    story.push(ev.WheelTaken(), who="op1")
    swap = a_step("swap", title="Swap them", risk="destructive", preview=a_preview(loses=("you lose 9 rows",)))
    plan = a_plan(swap, a_step("restart", title="Start it again", risk="disruptive"), target=None)
    story.push(ev.PlanProposed(plan=plan, hash=plan.hash), ev.RunStarted(hash=plan.hash))
    story.step_begins("swap")
    story.step_ends("swap", "unknown", KILLED, Look(verdict="done", seen=SEEN))
    story.push(ev.RunEnded(hash=plan.hash, outcome="unknown", detail="warroom ended in swap", seconds=9))
    done = ev.StepResolved(plan=plan.hash, step="swap", attempt=1, choice="done", reason="seen")
    story.push(done)
    async with start(story, (80, 24)) as console:
        await console.press("R")
        shown = box(console)
        assert "Go on with: " in shown
        assert "disruptive" in shown
        assert "2 Start it again" in shown
        assert not [words for words in ("you lose", "1 Swap them", "DESTRUCTIVE") if words in shown]


async def test_enter_in_the_reason_goes_on_to_the_buttons_and_decides_nothing(start: Start) -> None:
    async with start(cut_off(), (80, 24)) as console:
        await console.press("r", "left")
        await console.focus("#reason")
        await console.type("as it was seen\n")
        assert console.screen.query_one("#reason", Reason).text == "as it was seen"
        assert console.screen.focused is console.screen.query_one("#skip"), "the one that one came from"
        assert console.story.intents == []
        await console.press("enter")
        last = console.last()
        assert isinstance(last, ResolveStep)
        assert (last.choice, last.reason) == ("skip", "as it was seen")
