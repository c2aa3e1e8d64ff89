"""What failed is not said for ever: a later run and a later look at recovery take its place; a mere look does not."""

from __future__ import annotations

import pytest

from tests.unit.test_model_cutover import CHOSEN, FAIL, OLD, RESUME, ROLLBACK, STOP, TARGET, UNDO, proposed, ran
from warroom.model import event as ev
from warroom.model.cutover import spent
from warroom.model.event import Body
from warroom.model.next import next_action
from warroom.model.plan import Plan
from warroom.testing.builders import a_plan, a_runbook, a_state, a_step

LEFT = (
    ev.Decided(choice="rollback-now", reason="it burns", followed_advice=True),
    CHOSEN,
)


def looked(verdict: str) -> tuple[Body, ...]:
    said = {"verdict": verdict, "words": "as it is"}
    return (ev.VerificationStarted(checks=("health",)), ev.VerificationEnded.model_validate(said))


def advised(*bodies: Body) -> tuple[str, str]:
    found = next_action(a_runbook(), a_state(*LEFT, *bodies))
    return found.action, found.sentence


FAILED = ran(ROLLBACK, "failed")
VERIFY = ("verify", "Verify the recovery")
FIRST = a_plan(a_step("pull", role="other"), a_step("up"), target=TARGET)
CUT_OVER = ("choose-way", f"The cut-over to {TARGET.name} failed: choose the way on")
SAYS = "Verification says {}: choose the way on"


@pytest.mark.parametrize(
    ("bodies", "said"),
    [
        (FAILED, True),
        ((*FAILED, *ran(STOP)), True),
        ((*FAILED, *ran(STOP), *ran(RESUME, "failed")), True),
        ((*FAILED, *ran(RESUME)), False),
        ((*FAILED, *ran(RESUME), *looked("inconclusive")), False),
        ((*FAILED, *looked("inconclusive")), True),
        ((*FAILED, *looked("pass")), False),
        ((*ran(ROLLBACK), *FAIL), True),
        ((*ran(ROLLBACK), *FAIL, *ran(RESUME)), False),
        ((*ran(ROLLBACK), *FAIL, *looked("inconclusive")), False),
        ((*ran(ROLLBACK), *FAIL, *looked("pass")), False),
        ((*ran(ROLLBACK), *FAIL, *ran(ROLLBACK)), False),
        ((*ran(ROLLBACK), *looked("pass"), *FAIL), True),
        ((*FAILED, *ran(RESUME), *FAIL), True),
    ],
)
def test_a_fail_is_said_until_something_newer_is_known(bodies: tuple[Body, ...], said: bool) -> None:
    assert spent(a_state(CHOSEN, *bodies)).startswith("FAIL: ") == said


@pytest.mark.parametrize(
    ("bodies", "next_is"),
    [
        (FAILED, CUT_OVER),
        ((*FAILED, *ran(RESUME)), VERIFY),
        ((*FAILED, *ran(RESUME), *looked("inconclusive")), ("choose-way", SAYS.format("INCONCLUSIVE"))),
        ((*ran(ROLLBACK), *ran(STOP), *ran(RESUME)), VERIFY),
        ((*ran(ROLLBACK), *FAIL, *looked("inconclusive")), ("choose-way", SAYS.format("INCONCLUSIVE"))),
        ((*ran(ROLLBACK), *FAIL, *ran(RESUME)), VERIFY),
    ],
)
def test_the_line_says_what_the_newest_is(bodies: tuple[Body, ...], next_is: tuple[str, str]) -> None:
    assert advised(*bodies) == next_is


def test_a_release_that_was_found_well_at_last_is_not_kept_among_those_that_failed() -> None:
    assert a_state(CHOSEN, *ran(ROLLBACK), *FAIL).failed_targets
    assert not a_state(CHOSEN, *ran(ROLLBACK), *FAIL, *looked("pass")).failed_targets


# An undo that was only looked at


@pytest.mark.parametrize(
    "bodies",
    [FAILED, ran(ROLLBACK), (*ran(ROLLBACK), *looked("inconclusive")), (*ran(ROLLBACK), *ran(STOP), *ran(RESUME))],
)
def test_looking_at_an_undo_leaves_what_comes_next_as_it_was(bodies: tuple[Body, ...]) -> None:
    before = advised(*bodies)
    assert advised(*bodies, proposed(UNDO)) == before
    void = ev.PlanVoided(hash=UNDO.hash, reason="a pod was deleted")
    assert advised(*bodies, proposed(UNDO), void) == before


@pytest.mark.parametrize(
    ("bodies", "next_is"),
    [
        (ran(FIRST, "unknown"), ("choose-way", "Choose the way on")),
        (
            (*ran(FIRST, "failed"), ev.StepResolved(plan=FIRST.hash, step="up", attempt=1, choice="again", reason="x")),
            ("propose-plan", "Prepare the plan again"),
        ),
    ],
)
def test_nothing_is_advised_that_would_act_on_the_undo(bodies: tuple[Body, ...], next_is: tuple[str, str]) -> None:
    """The keys act on the plan that is there: what it has taken the place of can only be prepared again."""
    assert advised(*bodies)[0] in ("run", "resolve-step")
    assert advised(*bodies, proposed(UNDO)) == next_is


def test_an_undo_that_was_asked_for_comes_next() -> None:
    run = ("run", f"Run the plan: {UNDO.title}")
    assert advised(*ran(ROLLBACK), proposed(UNDO), ev.PlanApproved(hash=UNDO.hash)) == run
    word = ev.StepResolved(plan=ROLLBACK.hash, step="up", attempt=1, choice="undo", reason="seen")
    assert advised(*FAILED, word, proposed(UNDO)) == run


def test_an_older_target_has_its_own_word() -> None:
    other: Plan = a_plan(a_step("up"), id="p9", target=OLD)
    bodies = (*FAILED, ev.TargetChosen(release=OLD, reason="older"), *ran(other))
    assert spent(a_state(CHOSEN, *bodies)) == ""
