"""What must be read before a run stands first and whole on a small screen, or the fields are not reached before."""

from __future__ import annotations

from textual.widgets import TextArea

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.screens.base import Reason
from warroom.console.screens.run import RunScreen
from warroom.model import event as ev
from warroom.model.choice import Chosen
from warroom.model.intent import RunPlan
from warroom.model.live import Guard
from warroom.testing.builders import a_plan, a_preview, a_step

LOSS = (
    "compared at 17:42:22 UTC: you lose 95 rows of Message, 12 rows of Conversation and 7 rows of User since"
    " 2026-11-23 17:41 UTC; you get back 201 rows of Message and 11 rows of User; 31 rows of User become what they were"
)
GUARDS = (
    "Nothing has shown that what is swapped in is sound",
    "No decision is written down",
    "Stakeholders have not been told",
    "4 triggers are unknown: nothing measures them",
)


def swapping(guards: tuple[str, ...] = GUARDS) -> Story:
    """A database is about to be swapped, in seven steps."""
    story = Story(a_runbook("production"))
    story.opened("Rows are gone")
    story.push(ev.WheelTaken(), who="op1")
    steps = [a_step(f"step-{n}", preview=a_preview(loses=(LOSS,) if n == 3 else ())) for n in range(1, 8)]
    plan = a_plan(*steps, purpose="rollback", procedure="swap", target=None)
    story.push(ev.PlanProposed(plan=plan, hash=plan.hash))
    story.guards = tuple(Guard(id=f"g{n}", words=words, hard=False) for n, words in enumerate(guards))
    return story


def box(console: Driver) -> str:
    """The words of the dialog in front, in one line."""
    inner = (row.split("┃")[1] for row in console.text().splitlines() if row.count("┃") == 2)
    return " ".join(" ".join(inner).split())


def on_field(console: Driver) -> str:
    return type(console.screen.focused).__name__


async def test_the_loss_and_what_is_waived_are_whole_on_the_smallest_screen(start: Start) -> None:
    async with start(swapping(), (80, 24)) as console:
        await console.press("R")
        shown = box(console)
        assert LOSS in shown
        assert all(words in shown for words in GUARDS)
        assert "▼ more" not in shown
        assert "why you waive these" in shown
        assert on_field(console) == "Reason"


async def test_in_the_plan_the_loss_stands_before_any_line_to_paste(start: Start) -> None:
    story = swapping()
    plan = story.state.plan
    assert plan is not None
    chosen = Chosen(choice="restored", title="The restored database", value="shop~scratch~d792", words="d792, of 02:00")
    with_choice = plan.plan.model_copy(update={"choices": (chosen,)})
    story.push(ev.PlanProposed(plan=with_choice, hash=with_choice.hash))
    async with start(story, (80, 24)) as console:
        await console.press("p")
        shown = box(console)
        assert LOSS in shown
        places = [shown.index(words) for words in (LOSS, "The restored database: d792", "$ ")]
        assert places == sorted(places)


async def test_a_draft_is_gone_on_with_at_its_end(start: Start) -> None:
    async with start(swapping(), (80, 24)) as console:
        await console.press("R")
        await console.type("no time")
        await console.press("escape", "R")
        await console.focus("#reason")
        await console.type(" now")
        assert console.screen.query_one("#reason", TextArea).text == "no time now"


async def test_what_does_not_fit_is_read_before_a_field_is_reached(start: Start) -> None:
    many = tuple(f"Thing {n} stands against it, and it takes a whole line of the screen" for n in range(1, 13))
    async with start(swapping(many), (80, 24)) as console:
        await console.press("R")
        assert "▼ more: 6 lines" in box(console)
        await console.type("no time")
        assert console.screen.query_one("#reason").disabled
        await console.press("tab")
        assert on_field(console) not in ("Reason", "TypedName")
        await console.focus("#run")
        await console.press("enter")
        assert "Read on first" in console.text()
        assert console.sent("run-plan") == []
        await console.focus("#inside")
        await console.press(*["down"] * 5)
        assert "▼ more: 1 line " in box(console)
        await console.press("down")
        assert "Thing 12 stands" in console.text()
        assert "▼ more" not in console.text()
        assert on_field(console) == "Reason"
        await console.type("no time")
        assert "no time" in console.text()


async def test_what_was_still_to_be_looked_at_in_a_dialog_that_was_left_is_let_be(start: Start) -> None:
    """It is taken down part by part while the plan it has started runs: nothing may look for a part that is gone."""
    async with start(swapping(), (80, 24)) as console:
        await console.press("R")
        dialog = console.screen
        assert isinstance(dialog, RunScreen)
        asked: list[str] = []
        dialog.call_after_refresh(asked.append, "there")
        await console.settle()
        assert asked == ["there"]
        dialog.leave()
        dialog.call_after_refresh(asked.append, "gone")
        dialog.query_one("#inside").scroll_to(y=1, animate=False, force=True)
        await console.settle()
        assert not dialog.there
        dialog._look()
        dialog.tick()
        assert asked == ["there"]


async def test_long_words_on_why_not_leave_the_buttons_and_the_hint_in_sight(start: Start) -> None:
    async with start(swapping(), (80, 24)) as console:
        await console.press("R")
        dialog = console.screen
        assert isinstance(dialog, RunScreen)
        dialog.complain(LOSS)
        await console.settle()
        shown = box(console)
        assert LOSS.partition(";")[0] in shown
        assert "Run it" in shown
        assert "esc goes back" in shown


async def test_the_name_typed_into_the_reason_is_no_reason(start: Start) -> None:
    """Both are asked for in one box: who looks at the name types it where the cursor is."""
    async with start(swapping(), (80, 24)) as console:
        await console.press("R")
        assert on_field(console) == "Reason"
        for keys in (("enter",), ("tab", "ai-saas-app", "enter")):
            await console.type("ai-saas-app")
            for key in keys:
                await (console.press(key) if key in ("tab", "enter") else console.type(key))
            assert "That is the name, and no reason" in console.flat()
            assert (on_field(console), console.screen.query_one(Reason).text) == ("Reason", "")
            assert not console.sent("run-plan")
        await console.type("data is lost each minute")
        assert "That is the name" not in console.flat()
        await console.press("enter")
        assert isinstance(last := console.last(), RunPlan)
        assert (last.confirm, last.reason) == ("ai-saas-app", "data is lost each minute")
