"""The emergency lane on the screen: what it shows, what it takes to begin, and what never begins it."""

from __future__ import annotations

import asyncio

import pytest
from textual.events import Paste
from textual.widgets import Button

from tests.console.conftest import Start
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.screens.fields import TypedName
from warroom.model import event as ev
from warroom.model import live as lv
from warroom.model.intent import RunEmergency

SIZES = [(80, 24), (200, 60)]


def burning(kind: str = "production") -> Story:
    story = Story(a_runbook(kind))
    story.fires()
    return story


@pytest.mark.parametrize("size", SIZES)
async def test_one_screen_has_the_target_the_calls_the_risk_and_what_is_waived(
    start: Start, size: tuple[int, int]
) -> None:
    async with start(burning(), size) as console:
        await console.press("!")
        shown = console.flat()
        for words in (
            "PRODUCTION",
            "EMERGENCY",
            "v1.0.0-beta.3 → v1.0.0-beta.2",
            "disruptive",
            "The stakeholders have not been notified",
            "they stay on the checklist",
            "opens an incident",
            "Type ai-saas-app",
        ):
            assert words in shown, words
        if size[1] > 24:
            assert "$ curl -fsS -X POST" in shown


async def test_who_drives_is_not_told_that_the_wheel_is_taken(start: Start) -> None:
    for driver, said in (("", True), ("op1", False), ("op2", True)):
        story = burning()
        story.opened("High error rate")
        if driver:
            story.push(ev.WheelTaken(), who=driver)
        async with start(story) as console:
            await console.press("!")
            assert ("takes the wheel" in console.flat()) == said
            assert "it begins" in console.flat()


async def test_from_the_key_to_the_run_it_takes_two_keys_and_the_name(start: Start) -> None:
    story = burning()
    async with start(story) as console:
        await console.press("!")
        await console.type("ai-saas-app")
        await console.press("enter")
        assert isinstance(last := console.last(), RunEmergency)
        assert last.confirm == "ai-saas-app"
        assert story.state.plan is not None
        assert last.hash == story.state.plan.hash
        assert console.on_top == "MainScreen"
        assert "RUNNING" in console.text()


async def test_paste_reflexes_and_the_opening_key_begin_nothing(start: Start) -> None:
    story = burning()
    async with start(story) as console:
        await console.press("!", "!", "!", "enter", "enter")
        assert story.intents == []
        typed = console.screen.query_one(TypedName)
        typed.value = ""
        typed.post_message(Paste("ai-saas-app"))
        await console.settle()
        assert "Paste is refused" in console.text()
        await console.press("ctrl+v", "enter", "escape")
        assert story.intents == []
        assert console.on_top == "MainScreen"


async def test_a_drill_asks_for_no_name_but_for_another_key(start: Start) -> None:
    story = burning("drill")
    async with start(story) as console:
        await console.press("!", "!")
        assert story.intents == []
        await console.press("enter")
        assert isinstance(console.last(), RunEmergency)


async def test_what_holds_it_is_said_first_and_no_name_lifts_it(start: Start) -> None:
    story = burning()
    story.lane = {"held": (lv.Guard(id="fingerprint-lab", words="lab is another one: lab-9", hard=True),)}
    async with start(story) as console:
        await console.press("!")
        assert "HELD: lab is another one" in console.text()
        assert console.screen.query_one("#go", Button).disabled
        await console.type("ai-saas-app")
        await console.press("enter")
        assert story.intents == []
        assert "It is held" in console.text()


async def test_a_plan_that_changes_under_the_reader_wants_the_name_again(start: Start) -> None:
    story = burning()
    async with start(story) as console:
        await console.press("!")
        await console.type("ai-saas-app")
        changed = story._lane(lv.EmergencyQuery()).plan
        assert changed is not None
        changed = changed.model_copy(update={"incident": "another"})
        story.lane = {"plan": changed, "hash": changed.hash}
        story.opened("High error rate")
        await console.settle()
        assert "What would run has changed" in console.text()
        assert console.screen.query_one(TypedName).value == ""
        await console.press("enter")
        assert story.intents == []


async def test_a_history_out_of_reach_asks_for_a_target_at_once(start: Start) -> None:
    story = burning()
    story.lane = {"plan": None, "hash": "", "problem": "No release to go back to is known: git does not answer"}
    async with start(story) as console:
        await console.press("!")
        assert "git does not answer" in console.flat()
        assert console.app.focused is not None
        assert console.app.focused.id == "typed-target"
        story.lane = {}
        await console.type("v1.0.0-beta.2")
        await console.press("enter")
        assert "v1.0.0-beta.3 → v1.0.0-beta.2" in console.flat()
        await console.type("ai-saas-app")
        await console.press("enter")
        assert isinstance(console.last(), RunEmergency)


async def test_a_refusal_stays_in_sight_and_the_name_is_not_lost(start: Start) -> None:
    story = burning()
    from warroom.session import Refused

    story.on[RunEmergency] = lambda intent: Refused(reason="Swap is running. Wait for it")
    async with start(story) as console:
        await console.press("!")
        await console.type("ai-saas-app")
        await console.press("enter")
        assert "Swap is running" in console.text()
        assert console.screen.query_one(TypedName).value == "ai-saas-app"
        await console.press("escape")
        assert "1 refused" in console.text()
        await console.press("H")
        assert "Swap is running" in console.text()


@pytest.mark.parametrize("kind", ["production", "drill"])
async def test_writes_are_stopped_with_the_name_before_anything_is_chosen(start: Start, kind: str) -> None:
    story = burning(kind)
    async with start(story) as console:
        await console.press("S", "S")
        assert "STOP WRITES" in console.text()
        assert story.intents == []
        if kind == "production":
            await console.press("enter")
            assert story.intents == []
            await console.type("ai-saas-app")
        await console.press("enter")
        assert isinstance(console.last(), RunEmergency)
        assert story.state.target is None
        assert story.state.plan is not None
        assert story.state.plan.plan.purpose == "stop-writes"


async def test_where_data_is_in_danger_the_lane_says_to_stop_writes_first(start: Start) -> None:
    story = burning()
    story.lane = {"stop_writes_first": True}
    async with start(story) as console:
        await console.press("!")
        assert "stop writes first" in console.text()
        await console.focus("#stop-first")
        story.lane = {}
        await console.press("enter")
        assert "STOP WRITES" in console.text()
        assert "Stop all writes" in console.flat()


async def test_nothing_of_it_is_possible_where_nothing_can_be_changed(start: Start) -> None:
    story = burning()
    story.writable = False
    async with start(story) as console:
        await console.press("!", "S")
        assert console.on_top == "MainScreen"
        assert "read-only" in console.told()


class SlowEngine(Story):
    """Things move four times while it works the lane out for the first time."""

    def __init__(self) -> None:
        super().__init__(a_runbook("production"))
        self.asked = 0

    async def query(self, query: lv.Query) -> lv.Page:
        if isinstance(query, lv.EmergencyQuery):
            self.asked += 1
            for who in ("op1", "op2", "op1", "op2") if self.asked == 1 else ():
                self.push(ev.WheelTaken(), who=who)
                await asyncio.sleep(0.1)
        return await super().query(query)


async def test_what_moves_while_it_is_worked_out_does_not_put_the_answer_off(start: Start) -> None:
    story = SlowEngine()
    story.fires()
    async with start(story) as console:
        await console.press("!")
        assert story.asked == 2, "once, and once more for what had moved by then"
        assert "v1.0.0-beta.3 → v1.0.0-beta.2" in console.flat()


async def test_other_ways_are_those_that_this_services_platforms_have(start: Start) -> None:
    """What a person would do by hand, for a service that runs elsewhere, is no other way of this one."""
    known = a_runbook("production").model_dump(mode="json", by_alias=True)["procedures"]
    own = {"lab-rollback": known["lab-rollback"]}
    by_hand = {
        "title": "By hand",
        "use_when": "x",
        "steps": {"go": {"title": "Go", "manual": {"do": "x", "proof": "x"}}},
    }
    swap = {"title": "Swap", "use_when": "x", "steps": {"go": {"title": "Go", "op": "lab.deploy"}}}
    for others, offered in (({"by-hand": by_hand}, False), ({"by-hand": by_hand, "swap": swap}, True)):
        story = Story(a_runbook("production", procedures={**own, **others}))
        story.fires()
        async with start(story) as console:
            await console.press("!")
            assert bool(console.screen.query("#other-way")) == offered
