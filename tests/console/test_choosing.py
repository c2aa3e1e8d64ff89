"""What only a person can choose: the list is calm, the best is under the cursor, and what can't be used says why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unicodedata import category

import pytest

from tests.console.choices import BACKUP, GOOD, LATE, RESTORE, TORN, a_choosing_story
from tests.console.conftest import Start
from tests.console.facts import OLDER, the_plan
from tests.console.hostile import SHAPES
from warroom.errors import WarroomError
from warroom.model.choice import Chosen, Option, OptionVerdict
from warroom.model.event import NextWay, PlanProposed, PlanVoided, RunEnded, RunStarted
from warroom.model.intent import ChooseTarget, ProposePlan
from warroom.model.live import ChoicesQuery
from warroom.session import Refused

CHOSEN = Chosen(choice="backup", title="The backup to go back to", value=LATE.value, words=LATE.title, doubt=LATE.words)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_best_is_under_the_cursor_with_why_and_enter_prepares_the_plan(
    start: Start, size: tuple[int, int]
) -> None:
    story = a_choosing_story(TORN, LATE, GOOD)
    story.on[ProposePlan] = lambda intent: None
    async with start(story, size) as console:
        await console.press("p")
        assert "you choose next: The backup to go back to" in console.flat()
        await console.press("enter")
        assert console.on_top == "ChooseScreen"
        seen = console.flat()
        assert "best: the newest that was restored beside and proven" in seen
        for words in (
            "best",
            "doubtful",
            "refused",
            "1.2 GB",
            "7 h 2 m ago",
            "/backups/ai_saas-0200.dump",
            "Look again",
        ):
            assert words in seen
        await console.press("enter")
        assert console.last() == ProposePlan(procedure="restore", choices={"backup": GOOD.value})
        assert console.on_top == "MainScreen"


async def test_one_that_is_refused_is_read_and_not_taken(begin: Start) -> None:
    last = LATE.model_copy(update={"called": "unique", "at": LATE.at and LATE.at - timedelta(days=2, minutes=7)})
    async with begin(a_choosing_story(TORN, last)) as console:
        await console.press("p", "enter")
        assert "unique: made after the release" in console.flat(), "what kind of doubt it is, has a word of its own"
        assert "2 d 1 h 9 m ago" in console.flat()
        await console.press("up")
        assert "can't be chosen: it ends in the middle: 40 of 112 tables are" in console.flat()
        assert "\x1b" not in console.text()
        await console.press("enter")
        assert "Take another one." in console.flat()
        assert not console.sent("propose-plan")
        await console.press("escape")
        assert console.on_top == "ProcedureScreen"


@pytest.mark.parametrize(
    ("options", "found", "says"),
    [
        ((), {}, "Copy one into the folder, then look again."),
        ((), {"problem": "db.backups did not answer"}, "UNKNOWN: what there is can't be told. db.backups did"),
        ((TORN,), {}, "None of these can be used: each says why."),
        ((GOOD,), {"more": 12}, "12 more are not listed"),
    ],
    ids=["none", "unknown", "all refused", "more"],
)
async def test_what_is_not_there_is_told_apart_from_what_is_not_known(
    begin: Start, options: Any, found: dict[str, Any], says: str
) -> None:
    async with begin(a_choosing_story(*options, **found)) as console:
        await console.press("p", "enter")
        assert says in console.flat()
        if found.get("problem") or not options:
            await console.press("enter", "tab", "enter")
            assert "There is nothing to take." in console.flat()
            assert not console.sent("propose-plan")


async def test_it_looks_again_where_somebody_asks_and_says_what_fails(begin: Start) -> None:
    story = a_choosing_story(GOOD)
    answers, page = story.pages[ChoicesQuery], ["fails"]

    def answer(query: Any) -> Any:
        if page:
            raise WarroomError("The engine is busy", page.pop())
        return answers(query)

    story.pages[ChoicesQuery] = answer
    async with begin(story) as console:
        await console.press("p", "enter")
        assert "UNKNOWN: what there is can't be told. The engine is busy. fails" in console.flat()
        await console.focus("#again")
        await console.press("enter")
        assert "best: the newest" in console.flat()
        await console.press("enter")
        assert console.sent("propose-plan"), "enter takes it now, and does not look again for ever"


async def test_one_after_the_other_and_back_again(begin: Start) -> None:
    story = a_choosing_story(GOOD, LATE, also={"scope": {"title": "How much of it", "use": "lab.scopes"}})
    story.on[ProposePlan] = lambda intent: Refused(reason="The backup to go back to: it is not there")
    async with begin(story) as console:
        await console.press("p", "enter", "down", "enter")
        assert "How much of it 2 of 2" in console.flat()
        await console.press("escape")
        assert "The backup to go back to 1 of 2" in console.flat()
        await console.press("enter", "enter")
        assert console.last() == ProposePlan(procedure="restore", choices={"backup": GOOD.value, "scope": "all"})
        assert "it is not there" in console.flat()
        assert console.on_top == "ChooseScreen"


async def test_the_plan_names_what_was_chosen_and_a_void_one_is_made_with_the_same_again(begin: Start) -> None:
    story = a_choosing_story(GOOD, LATE)
    plan = the_plan("restore").model_copy(update={"choices": (CHOSEN,), "title": "Restore a backup beside"})
    async with begin(story, (120, 40)) as console:
        story.push(PlanProposed(plan=plan, hash=plan.hash), who="op2")
        await console.settle()
        seen = console.flat()
        assert "Restore a backup beside → ai_saas-0800.dump" in seen
        assert "The backup to go back to: ai_saas-0800.dump" in seen
        await console.press("escape")
        assert "restore → ai_saas-0800.dump" in console.flat()
        await console.press("R")
        assert console.on_top == "RunScreen"
        assert "The backup to go back to: ai_saas-0800.dump" in console.flat()
        assert "! doubtful: made after the release that spoilt the data" in console.flat()
        await console.press("escape")
        story.push(PlanVoided(hash=plan.hash, reason="the disk is fuller"))
        await console.press("p", "enter")
        assert "doubtful: made after the release" in console.flat(), "the one that was chosen is under the cursor"


async def test_hostile_names_at_any_size_are_drawn_and_obeyed_by_nothing(begin: Start) -> None:
    texts = [shape.format("Zq") for shape in SHAPES]
    verdicts: tuple[OptionVerdict, ...] = ("good", "doubtful", "refused")
    options = [
        Option(value=text, title=text[:1000], words=text * 9, verdict=verdicts[number % 3], bytes=number * 10**number)
        for number, text in enumerate(texts)
    ]
    async with begin(a_choosing_story(*options), (60, 16)) as console:
        await console.press("p", "enter", "end")
        screen = console.text()
        assert not [letter for letter in screen if letter != "\n" and category(letter) in ("Cc", "Zl", "Zp")]
        assert not set("\u202e\u2066\u2069") & set(screen)
        for words in ("Take it", "Look again", "Cancel"):
            assert words in screen, "what a hand needs stays in sight"
        await console.pilot.resize_terminal(1, 1)
        await console.press("enter")
        assert not console.sent("propose-plan")


async def test_a_way_on_that_needs_a_choice_asks_for_it_before_anything_is_sent(begin: Start) -> None:
    story = a_choosing_story(GOOD)
    story.on[ChooseTarget] = story.on[ProposePlan] = lambda intent: None
    story.ways = (NextWay(kind="older-release", title="Go back to beta.1", release=OLDER, procedure="restore"),)
    plan = the_plan("restore")
    async with begin(story) as console:
        story.push(PlanProposed(plan=plan, hash=plan.hash), RunStarted(hash=plan.hash), who="op1")
        story.push(RunEnded(hash=plan.hash, outcome="failed", detail="the disk is full", seconds=3))
        await console.settle()
        await console.press("escape", "f")
        assert "you choose first: The backup to go back to; then a plan is prepared" in console.flat()
        await console.press("enter")
        assert console.on_top == "ChooseScreen"
        assert not console.sent("choose-target")
        await console.press("enter")
        chosen, proposed = story.intents[-2:]
        assert isinstance(chosen, ChooseTarget)
        assert proposed == ProposePlan(procedure="restore", choices={"backup": GOOD.value})
        assert console.on_top == "MainScreen"


async def test_after_a_part_its_second_part_is_meant_with_what_the_first_was_made_with(begin: Start) -> None:
    """What can't be prepared stands below it, with the reason. A plan that is there is one key away from another."""
    part = {**RESTORE, "choices": {"backup": BACKUP}}
    by_hand = {"title": "Option A", "use_when": "u", "steps": {"up": {"title": "t", "manual": {"do": "it"}}}}
    procedures = {
        "option-a": by_hand,
        "elsewhere": {**part, "title": "Elsewhere", "needs": ["cloud"]},
        "compare": {**part, "title": "Compare", "kind": "other", "then": "swap"},
        "swap": {**part, "title": "Swap it in"},
    }
    story = a_choosing_story(GOOD, LATE, procedures=procedures)
    plan = the_plan("compare").model_copy(update={"choices": (CHOSEN,), "purpose": "other", "target": None})
    async with begin(story) as console:
        await console.press("p")
        seen = console.flat()
        order = ["Compare", "Swap it in", "Option A – no target", "Elsewhere – needs cloud"]
        assert sorted(order, key=seen.index) == order
        await console.press("end")
        assert "needs cloud, which this runbook does not configure" in console.flat()
        await console.press("escape")
        story.push(PlanProposed(plan=plan, hash=plan.hash), who="op1")
        await console.settle()
        await console.press("escape", "p", "p")
        assert console.on_top == "ProcedureScreen"
        await console.press("escape")
        story.push(RunStarted(hash=plan.hash), RunEnded(hash=plan.hash, outcome="done", detail="", seconds=3))
        await console.settle()
        await console.press("p", "enter")
        assert "Swap it in: choose" in console.text()
        assert "doubtful: made after the release" in console.flat(), "what was compared is under the cursor"
