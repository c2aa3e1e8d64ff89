"""What a failed check has found is read on the smallest screen: in the pane, in the box that comes up, and in H."""

from __future__ import annotations

import pytest

from tests.console.conftest import Start
from tests.console.story import Story
from tests.console.test_acting import running
from warroom.model import event as ev
from warroom.model.verification import CheckResult

RULE = "Record counts match the pre-rollback snapshot, or the loss that was accepted before the swap"
FOUND = "Message has 15 rows too many, and 7 rows of User have no e-mail address"


def failed() -> Story:
    story = running()
    story.runs_through()
    result = CheckResult(id="identity", title=RULE, verdict="fail", words=FOUND)
    story.verified("pass")
    story.push(
        ev.VerificationStarted(checks=("identity",)),
        ev.CheckEnded(result=result),
        ev.VerificationEnded(verdict="fail", words=f"1 of 1 required checks failed: {RULE}", next=story.ways),
    )
    return story


@pytest.mark.parametrize("keys", [("6",), ("f",)])
async def test_what_was_found_is_whole(start: Start, keys: tuple[str, ...]) -> None:
    async with start(failed(), (80, 24)) as console:
        await console.press(*keys)
        text = console.text()
        assert FOUND.split(", ")[0] in text
        assert "have no e-mail address" in text
        assert text.index("Message has 15") < text.rindex("Record counts match")


async def test_it_is_among_what_was_told(start: Start) -> None:
    story = running()
    story.runs_through()
    async with start(story, (80, 24)) as console:
        await console.press("v")
        story.verified("fail")
        await console.settle()
        await console.press("escape", "H")
        assert "FAIL: 8.1 % of 412 requests, limit 5 %" in console.text()
