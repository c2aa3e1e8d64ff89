"""A rollback that somebody else took back: the release that was gone back to isn't blamed for it."""

from __future__ import annotations

import pytest

from tests.unit.test_model_cutover import BAD, CHOSEN, FAIL, OLD, ROLLBACK, STOP, TARGET, UNDO, ran
from warroom.model import event as ev
from warroom.model.cutover import spent
from warroom.model.event import Body
from warroom.model.event_acting import NextWay
from warroom.model.next import next_action
from warroom.model.release import Release
from warroom.model.replaced import replaced
from warroom.model.signal import TriggerReading
from warroom.testing.builders import a_runbook, a_state, an_incident

BOOK = a_runbook(
    triggers={
        "as-left": {
            "title": "Changed again",
            "severity": "critical",
            "of_health": False,
            "conditions": {"changed": {"sentence": "A template was changed", "signal": "errors", "below": 1}},
        }
    }
)
BEGAN = an_incident(running=BAD)
FIRES = ev.TriggerChanged(
    was="ok", reading=TriggerReading(id="as-left", title="Changed again", severity="critical", status="firing")
)
BACK = f"{BAD.name} is back in place of {TARGET.name}"
CHOOSE = ("choose-way", f"Choose the way on: {BACK}")
AGAIN = NextWay(kind="older-release", title="again", release=TARGET)
FAILED_MEANWHILE = (
    ev.VerificationStarted(checks=("health",)),
    ev.VerificationEnded(verdict="fail", words="it fires", next=(AGAIN,)),
)


def to(release: Release, *, rollback: bool = False) -> ev.ReleaseChanged:
    return ev.ReleaseChanged(was=None, now=release, seen_by="world", rollback=rollback)


DONE = (BEGAN, CHOSEN, *ran(ROLLBACK), to(TARGET, rollback=True))


@pytest.mark.parametrize(
    ("bodies", "why"),
    [
        (DONE, ""),
        ((*DONE, to(BAD)), BACK),
        ((*DONE, to(BAD), *ran(ROLLBACK)), ""),
        ((*DONE, to(OLD)), ""),
        ((*DONE, *FAIL, to(BAD)), ""),
        ((*DONE, to(BAD), *FAILED_MEANWHILE), BACK),
        ((*DONE, *FAIL, *ran(ROLLBACK), to(BAD)), BACK),
        ((*DONE, *ran(UNDO), to(BAD)), ""),
        ((*DONE, *ran(STOP), to(BAD)), ""),
        ((*DONE, FIRES), "Changed again"),
        ((BEGAN, CHOSEN, *ran(ROLLBACK, "failed"), to(BAD)), ""),
    ],
)
def test_a_release_that_came_back_is_told_from_one_that_never_left(bodies: tuple[Body, ...], why: str) -> None:
    assert replaced(BOOK, a_state(*bodies)) == why


def test_that_comes_before_proving_what_was_rolled_back_to_and_is_no_word_on_it() -> None:
    for bodies in ((*DONE, to(BAD)), (*DONE, to(BAD), *FAILED_MEANWHILE)):
        state = a_state(*bodies)
        found = next_action(BOOK, state)
        assert (found.action, found.sentence) == CHOOSE
        assert (state.failed_targets, spent(state)) == ((), "")
