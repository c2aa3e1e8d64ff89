"""What begins by itself, and who is to be called: announced in sight, and answered with one key."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.runbook import a_runbook
from tests.console.story import Story
from tests.console.test_telling import Told
from warroom.console.keymap import BY_ID
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model.intent import Acknowledge, Veto
from warroom.report.status import sentences, status

POLICY = {"trigger": "high-error-rate", "procedure": "lab-rollback", "countdown": 120}
PATH = [{"after": 0, "sentence": "On-call decides"}, {"after": 300, "sentence": "Notify CTO", "contacts": ["cto"]}]


def policed(kind: str = "drill", name: str = "") -> Story:
    story = Story(a_runbook(kind, automatic_rollback=POLICY, environment={"kind": kind, "name": name}))
    story.fires()
    story.opened("High error rate")
    return story


def announced(kind: str = "drill", name: str = "") -> Story:
    return announce(policed(kind, name))


def announce(story: Story) -> Story:
    story.push(
        ev.AutomaticAnnounced(
            trigger="high-error-rate",
            evidence="High error rate: 9 %",
            procedure="lab-rollback",
            target="v1.0.0-beta.2",
            hash="h",
            countdown_s=120,
            until=story.now() + timedelta(seconds=120),
        ),
        who="policy",
    )
    story.on[Veto] = lambda i: story.push(ev.AutomaticVetoed(reason=i.reason), who="op1")
    return story


async def test_the_countdown_stands_in_the_next_line_and_one_key_vetoes(start: Start) -> None:
    story = announced()
    async with start(story, (160, 45)) as console:
        assert "Veto the automatic rollback to v1.0.0-beta.2, or let it begin at" in console.flat()
        assert f" {BY_ID['veto'].key} 2:00 Veto" in console.flat()
        assert f"ROLLS BACK BY ITSELF in 2:00: {BY_ID['veto'].key} vetoes" in console.flat()
        await console.press(BY_ID["veto"].key)
        assert console.sent("veto") == [Veto()]
        assert "Veto the automatic rollback" not in console.flat()
        await console.press(BY_ID["veto"].key)
        assert console.sent("veto") == [Veto()]
        assert any("There is none any more: op1 vetoed it." in words for words in _told(console))


@pytest.mark.parametrize(("kind", "name"), [("drill", ""), ("production", "production eu-west")])
async def test_on_a_small_screen_the_environment_the_countdown_and_its_key_stay(
    begin: Start, kind: str, name: str
) -> None:
    story = announced(kind, name)
    async with begin(story, (80, 24)) as console:
        story.pass_time(27)
        story.live()
        await console.settle()
        console.app.main.tick()
        await console.settle()
        first = console.text().splitlines()[0]
        assert (name or kind).upper() in first
        assert " ROLLS BACK in 1:33: B vetoes" in first
        if kind == "drill":
            assert "inc-0042" in first
            assert "CRITICAL" in first
        story.pass_time(94)
        story.live()
        await console.settle()
        console.app.main.tick()
        await console.settle()
        assert " ROLLS BACK NOW: B vetoes" in console.text().splitlines()[0]


async def test_on_a_small_screen_neither_silence_nor_the_countdown_hides_the_other(begin: Start) -> None:
    story = announced()
    async with begin(story, (80, 24)) as console:
        story.pass_time(60)
        console.app.main.tick()
        await console.settle()
        first = console.text().splitlines()[0]
        assert "NO NEWS for 1:00" in first
        assert "ROLLS BACK in 1:00: B vetoes" in first
        assert first.startswith("○ DRILL")


async def test_the_policys_plan_opens_nothing_over_its_countdown_and_a_persons_does(begin: Start) -> None:
    story = policed()
    plan = story.on[it.ProposePlan]
    async with begin(story, (80, 24)) as console:
        story.push(_proposed(story), who="policy")
        announce(story)
        await console.settle()
        assert console.on_top == "MainScreen"
        assert "ROLLS BACK in 2:00" in console.text()
        plan(it.ProposePlan(procedure="lab-rollback"))
        await console.settle()
        assert console.on_top == "PlanScreen"


def _proposed(story: Story) -> ev.PlanProposed:
    other = Story(story.runbook)
    other.opened("High error rate")
    other.on[it.ProposePlan](it.ProposePlan(procedure="lab-rollback"))
    return next(event.body for event in other.events if isinstance(event.body, ev.PlanProposed))


async def test_a_dialog_shows_the_countdown_and_the_key_vetoes_from_it(begin: Start) -> None:
    story = policed()
    async with begin(story, (80, 24)) as console:
        await console.press("T")
        announce(story)
        await console.settle()
        assert console.on_top != "MainScreen"
        assert "ROLLS BACK in 2:00: B vetoes" in console.text()
        story.pass_time(5)
        console.app._tick()
        await console.settle()
        assert "ROLLS BACK in 1:55: B vetoes" in console.text()
        await console.press("B")
        assert console.sent("veto") == [Veto()]
        assert "ROLLS BACK" not in console.text()


async def test_where_something_is_written_the_key_is_a_letter_and_the_way_to_veto_is_said(begin: Start) -> None:
    story = announced()
    async with begin(story, (80, 24)) as console:
        await console.press("l")
        console.app._tick()
        await console.settle()
        assert "ROLLS BACK in 2:00: esc, B vetoes" in console.text()
        await console.type("Because")
        assert console.sent("veto") == []
        assert "Because" in console.text()
        await console.press("escape", "B")
        assert console.sent("veto") == [Veto()]


async def test_no_other_key_vetoes_and_none_of_those_that_look_ends_it(begin: Start) -> None:
    story = announced()
    async with begin(story) as console:
        for key in ("b", "y", "Y", "n", "delete", "ctrl+b", "z", "4", "G", "escape", "T", "enter", "escape"):
            await console.press(key)
        assert console.sent("veto") == []
        assert story.state.automatic is not None
        assert story.state.automatic.status == "announced"
        assert "ROLLS BACK" in console.text()
        await console.press("B")
        assert console.sent("veto") == [Veto()]


async def test_what_became_of_it_is_told(begin: Start) -> None:
    story = announced()
    async with begin(story) as console:
        story.push(ev.AutomaticStopped(trigger="high-error-rate", reason="a deployment is in progress"), who="policy")
        await console.settle()
        assert "Nothing is rolled back by itself in this incident: a deployment is in progress" in _told(console)
    story = announced()
    async with begin(story) as console:
        story.push(ev.AutomaticVetoed(), who="op2")
        await console.settle()
        assert "op2 vetoed it: nothing is rolled back by itself in this incident." in _told(console)
    story = policed()
    async with begin(story) as console:
        story.push(proposed := _proposed(story), who="policy")
        announce(story)
        story.push(ev.RunStarted(hash=proposed.hash), who="policy")
        await console.settle()
        assert "Nobody vetoed it: the automatic rollback has begun." in _told(console)


def test_the_title_and_the_bell_say_it_once_and_what_became_of_it() -> None:
    told = Told(policed("production"))
    assert told.now() == ("PRODUCTION ai-saas-app INC-0042 FIRING", True)
    announce(told.story)
    assert told.now() == ("PRODUCTION ai-saas-app INC-0042 ROLLS BACK BY ITSELF", True)
    told.story.pass_time(5)
    assert told.now() == ("PRODUCTION ai-saas-app INC-0042 ROLLS BACK BY ITSELF", False)
    told.story.push(ev.AutomaticVetoed(), who="op2")
    assert told.now() == ("PRODUCTION ai-saas-app INC-0042 FIRING", True)
    assert told.now()[1] is False


def test_status_says_when_it_begins_and_what_became_of_it() -> None:
    story = announced("production")
    assert _said(story)[1] == (
        "Automatic rollback: to v1.0.0-beta.2 at 03:02:00 UTC, unless somebody vetoes it in a console."
    )
    story.push(ev.AutomaticVetoed(reason="it is the network"), who="op2")
    assert "Automatic rollback: vetoed by op2: it is the network." in _said(story)
    story = announced()
    story.push(ev.AutomaticStopped(trigger="high-error-rate", reason="a person has acted"), who="policy")
    assert any(line.startswith("Automatic rollback: stopped") for line in _said(story))


def _told(console: Driver) -> list[str]:
    """All of it, also what the screen has let go of meanwhile."""
    return [told.words for told in console.app.client.store.told.all]


def _said(story: Story) -> list[str]:
    found = status(story.events, story.now())
    assert found is not None
    return list(sentences(found))


async def test_without_such_a_policy_the_key_says_why(start: Start) -> None:
    story = Story(a_runbook())
    story.opened("High error rate")
    async with start(story) as console:
        await console.press(BY_ID["veto"].key)
        assert console.sent("veto") == []
        assert any("nothing is done by itself" in words for words in _told(console))


async def test_a_call_that_is_due_is_in_the_header_until_it_is_acknowledged(start: Start) -> None:
    story = Story(a_runbook(escalation=PATH, contacts={"cto": {"title": "CTO", "reach": "+49 1"}}))
    story.opened("High error rate")
    story.push(ev.Escalated(step=1, sentence="Notify CTO", contacts=("cto",), elapsed_s=300), who="engine")
    async with start(story, (160, 45)) as console:
        assert "CALL NOW: notify CTO (CTO +49 1)" in console.flat()
        await console.press("k")
        assert Acknowledge(what="escalation-1") in console.sent("acknowledge")
        assert "CALL NOW" not in console.flat()
