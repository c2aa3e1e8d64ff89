"""What begins by itself, and who is to be called: announced in sight, and answered with one key."""

from __future__ import annotations

from datetime import timedelta

from tests.console.conftest import Start
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.keymap import BY_ID
from warroom.model import event as ev
from warroom.model.intent import Acknowledge, Veto

POLICY = {"trigger": "high-error-rate", "procedure": "lab-rollback", "countdown": 120}
PATH = [{"after": 0, "sentence": "On-call decides"}, {"after": 300, "sentence": "Notify CTO", "contacts": ["cto"]}]


def announced() -> Story:
    story = Story(a_runbook(automatic_rollback=POLICY))
    story.fires()
    story.opened("High error rate")
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
        assert "There is none any more: op1 vetoed it." in console.told()


async def test_without_such_a_policy_the_key_says_why(start: Start) -> None:
    story = Story(a_runbook())
    story.opened("High error rate")
    async with start(story) as console:
        await console.press(BY_ID["veto"].key)
        assert console.sent("veto") == []
        assert "nothing is done by itself" in console.told()


async def test_a_call_that_is_due_is_in_the_header_until_it_is_acknowledged(start: Start) -> None:
    story = Story(a_runbook(escalation=PATH, contacts={"cto": {"title": "CTO", "reach": "+49 1"}}))
    story.opened("High error rate")
    story.push(ev.Escalated(step=1, sentence="Notify CTO", contacts=("cto",), elapsed_s=300), who="engine")
    async with start(story, (160, 45)) as console:
        assert "CALL NOW: notify CTO (CTO +49 1)" in console.flat()
        await console.press("k")
        assert Acknowledge(what="escalation-1") in console.sent("acknowledge")
        assert "CALL NOW" not in console.flat()
