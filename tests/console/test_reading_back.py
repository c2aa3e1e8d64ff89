"""Reading back: the timeline, the commands, the incidents, the checks, what was refused; and drafts that stay."""

from __future__ import annotations

import pytest

from tests.console.conftest import Start
from tests.console.facts import OLDER
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.screens.base import Choice, Reason
from warroom.model import event as ev
from warroom.model.intent import AnswerCheck, CaptureEvidence, ChooseTarget, Notify, ProposePlan
from warroom.session import Refused


def opened(kind: str = "drill") -> Story:
    story = Story(a_runbook(kind))
    story.fires()
    story.opened("High error rate")
    return story


async def test_the_timeline_is_searched_filtered_and_each_entry_opened(begin: Start) -> None:
    story = opened()
    story.push(ev.NoteAdded(text="the cache was cold"), who="op2")
    async with begin(story) as console:
        await console.press("T")
        assert "the cache was cold" in console.flat()
        await console.press("slash")
        await console.type("Cache was")
        await console.press("enter")
        assert "1 shown of" in console.flat()
        await console.press("enter")
        assert console.on_top == "EntryScreen"
        assert "the cache was cold" in console.flat()
        assert "op2" in console.flat()
        await console.press("escape", "escape")
        assert "all kinds" in console.flat(), "the first escape leaves the search"
        await console.press("k")
        assert "decisions" in console.flat()
        await console.press("escape")
        assert console.on_top == "MainScreen"


async def test_the_timeline_goes_back_to_the_first_entry_and_follows_the_last(begin: Start) -> None:
    story = opened()
    story.push(*(ev.NoteAdded(text=f"note {number}") for number in range(450)))
    async with begin(story, (120, 40)) as console:
        await console.press("T")
        assert "200 shown of 452" in console.flat()
        assert "b goes further back" in console.flat()
        await console.press("b", "b")
        assert "452 shown of 452" in console.flat()
        await console.press("b")
        assert "This is the beginning" in console.text()
        await console.press("end")
        story.push(ev.NoteAdded(text="the newest of all"))
        await console.settle()
        assert "the newest of all" in console.text()


async def test_commands_are_chosen_by_what_they_do_and_copied(begin: Start) -> None:
    async with begin(opened()) as console:
        copied: list[str] = []
        console.app.copy_to_clipboard = copied.append  # type: ignore[method-assign,assignment]  # no terminal to hand it to
        await console.press("at")
        assert "1 of 1" in console.flat()
        await console.press("y")
        assert copied == ["curl -fsS http://127.0.0.1:7001/status"]
        await console.press("Y")
        assert copied[-1] == "curl -fsS http://127.0.0.1:7001/status\n"
        await console.press("k")
        assert "what changes something · 0 of 1" in console.flat()
        await console.press("y")
        assert console.screen.query_one("#problem").display
        assert len(copied) == 2


async def test_incidents_are_listed_with_their_state_and_read(begin: Start) -> None:
    async with begin(opened()) as console:
        await console.press("h")
        for words in ("INC-0042", "open here", "Sign-in fails", "recovered", "damaged"):
            assert words in console.flat(), words
        await console.press("down")
        assert "took 12:00" in console.flat()
        await console.press("enter")
        assert console.on_top == "TimelineScreen"
        assert "timeline of INC-0041, to be read" in console.flat()


async def test_a_check_that_a_person_answers_is_answered_here(begin: Start) -> None:
    runbook = a_runbook()
    asked = {"use": "ask-a-person", "sentence": "5. Two users can sign in"}
    story = Story(
        runbook.model_copy(
            update={
                "verification": {
                    **runbook.verification,
                    "users": next(iter(runbook.verification.values())).model_copy(update=asked),
                }
            }
        )
    )
    story.fires()
    story.opened("High error rate")
    async with begin(story, (100, 40)) as console:
        await console.press("V")
        assert "5. Two users can sign in" in console.flat()
        assert "you answer" in console.flat()
        await console.focus("#pass")
        await console.press("enter")
        assert "Say what you saw" in console.text()
        await console.type("Ana and Bo can")
        await console.focus("#pass")
        await console.press("enter")
        assert console.last() == AnswerCheck(check="users", verdict="pass", words="Ana and Bo can")


async def test_a_refusal_without_a_dialog_can_be_read_again(begin: Start) -> None:
    story = opened()
    story.on[CaptureEvidence] = lambda intent: Refused(reason="The disk is full.")
    async with begin(story, (110, 30)) as console:
        await console.press("R")
        assert "refused" not in console.text(), "a key that can't be used now says so at once, and no more"
        await console.press("c")
        assert "1 refused" in console.text()
        await console.press("H")
        assert "The disk is full." in console.flat()
        assert "There is no plan yet" in console.flat()
        await console.press("escape")
        assert "1 refused" not in console.text()


async def test_what_was_written_outlives_escape_and_a_refusal_and_goes_once_it_is_sent(begin: Start) -> None:
    story = opened()
    async with begin(story) as console:
        await console.press("l")
        await console.type("beta.3 reads a column")
        await console.press("escape", "l")
        assert console.screen.query_one(Reason).text == "beta.3 reads a column"
        await console.press("ctrl+s", "l")
        assert console.screen.query_one(Reason).text == ""
        await console.press("escape")
        story.on[Notify] = lambda intent: Refused(reason="The message is too odd.")
        await console.press("m")
        await console.type("PLEASE READ ")
        await console.press("ctrl+s")
        assert "too odd" in console.text()
        await console.press("escape", "m")
        assert console.screen.query_one("#text", Reason).text.startswith("PLEASE READ ")


async def test_what_is_written_is_shown_as_it_would_be_kept(begin: Start) -> None:
    async with begin(opened(), (100, 40)) as console:
        await console.press("l")
        await console.type("password hunter2hunter2")
        assert "‹redacted: password›" in console.flat()
        assert "of 4,000 characters" in console.flat()
        console.screen.query_one(Reason).text = "x" * 4001
        await console.settle()
        await console.press("ctrl+s")
        assert "shorten it" in console.flat()
        assert console.on_top == "NoteScreen"


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_the_plan_is_read_step_by_step_and_run_from_there(begin: Start, size: tuple[int, int]) -> None:
    story = opened()
    story.on[ChooseTarget](ChooseTarget(text="v1.0.0-beta.2"))
    story.on[ProposePlan](ProposePlan(procedure="lab-rollback"))
    async with begin(story, size) as console:
        await console.press("p")
        assert console.on_top == "PlanScreen"
        assert "taken back" in console.flat()
        await console.press("down")
        assert "is told" in console.flat() or "must still hold" in console.flat()
        await console.press("R")
        assert console.on_top == "RunScreen"


async def test_releases_are_filtered_and_say_how_they_ran(begin: Start) -> None:
    async with begin(opened(), (110, 40)) as console:
        await console.press("g")
        assert "runs now" in console.flat()
        assert "best" in console.flat()
        await console.focus("#typed-target")
        await console.type(OLDER.version)
        assert console.screen.query_one("#releases", Choice).option_count == 1
        assert "how it ran" in console.flat() or "it ran" in console.flat()
        await console.press("enter")
        assert console.last() == ChooseTarget(text=OLDER.digest or OLDER.version)
