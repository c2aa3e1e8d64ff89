"""Whether writes stand stopped: told from what warroom itself has run, whichever way they went on or stopped again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_model_cutover import CHOSEN, ran
from warroom.model.event import Body, StepEnded
from warroom.model.halted import halted, starts, ways_to_resume
from warroom.model.plan import Plan
from warroom.model.runbook import Runbook
from warroom.testing.builders import a_plan, a_runbook, a_state, a_step


def op(name: str, **more: Any) -> dict[str, Any]:
    return {"title": name, "op": f"lab.{name}", **more}


def procedure(kind: str, **steps: Any) -> dict[str, Any]:
    return {"title": "It", "use_when": "always", "kind": kind, "needs": ["lab"], "steps": steps}


PROCEDURES = {
    "by-template": procedure(
        "rollback",
        stop=op("stop", role="stop-writes", if_needed=True),
        undo=op("undo", role="application"),
        start=op("start", role="application", after_stop=True),
    ),
    "by-container": procedure("rollback", up=op("up", role="application")),
    "stop": procedure("stop-writes", stop=op("stop", role="stop-writes")),
    "zero": procedure("stop-writes", zero=op("scale", role="stop-writes")),
    "resume": procedure("resume-writes", start=op("start")),
    "scale-back": procedure("resume-writes", up=op("scale")),
    "elsewhere": {**procedure("resume-writes", up=op("scale")), "needs": ["moon"]},
}
STOP = a_plan(a_step("stop", role="stop-writes", operation="stop"), id="s", procedure="stop", purpose="stop-writes")
ZERO = a_plan(a_step("zero", role="stop-writes", operation="scale"), id="z", procedure="zero", purpose="stop-writes")
RESUME = a_plan(a_step("start"), id="r", procedure="resume", purpose="resume-writes")
TEMPLATE = a_plan(a_step("undo"), id="t", procedure="by-template")
STARTING = a_plan(a_step("undo"), a_step("start"), id="u", procedure="by-template")
WHOLE = a_plan(a_step("stop", role="stop-writes"), a_step("undo"), a_step("start"), id="w", procedure="by-template")
CONTAINER = a_plan(a_step("up"), id="c", procedure="by-container")
BACK = a_plan(a_step("undo-start", undoes=True), a_step("undo-undo", undoes=True), id="b", purpose="undo", procedure="")
UNSTOPPED = a_plan(a_step("undo-stop", role="stop-writes", undoes=True), id="n", purpose="undo", procedure="")
DOWNED = a_plan(a_step("undo-up", undoes=True), id="d", purpose="undo", procedure="")


def book() -> Runbook:
    return a_runbook(procedures=PROCEDURES)


@pytest.mark.parametrize(
    ("bodies", "stopped"),
    [
        ((), False),
        (ran(STOP), True),
        (ran(STOP, "failed"), False),
        ((*ran(STOP), *ran(RESUME)), False),
        ((*ran(STOP), *ran(RESUME, "failed")), True),
        ((*ran(STOP), *ran(UNSTOPPED)), False),
        ((*ran(STOP), *ran(TEMPLATE)), True),
        ((*ran(STOP), *ran(TEMPLATE, "failed")), True),
        ((*ran(STOP), *ran(STARTING)), False),
        ((*ran(STOP), *ran(STARTING), *ran(BACK)), True),
        ((*ran(STOP), *ran(STARTING), *ran(BACK), *ran(TEMPLATE, "failed")), True),
        ((*ran(STOP), *ran(STARTING), *ran(BACK), *ran(RESUME)), False),
        (ran(WHOLE), False),
        ((*ran(WHOLE), *ran(BACK)), True),
        (ran(WHOLE)[:4], True),
        ((*ran(STOP), *ran(CONTAINER, "failed")), False),
        ((*ran(CONTAINER), *ran(STOP)), True),
        ((*ran(CONTAINER), *ran(STOP), *ran(DOWNED)), False),
    ],
)
def test_stopped_until_something_lets_them_go_on(bodies: tuple[Body, ...], stopped: bool) -> None:
    halt = halted(book(), a_state(CHOSEN, *bodies))
    assert (halt is not None) == stopped
    if halt is not None:
        assert halt.since is not None
        assert halt.words == f"Writes are stopped since {halt.since:%H:%M} UTC"


def said(plan: Plan, *steps: str) -> tuple[Body, ...]:
    """It has run, and of these steps a person alone says that they are done."""
    return tuple(
        body.model_copy(update={"status": "claimed"}) if isinstance(body, StepEnded) and body.step in steps else body
        for body in ran(plan)
    )


CLAIMED = said(STOP, "stop")


@pytest.mark.parametrize(
    ("bodies", "by_word"),
    [
        (CLAIMED, True),
        (ran(STOP), False),
        ((*CLAIMED, *ran(ZERO)), False),
        ((*ran(STOP), *said(ZERO, "zero")), False),
        ((*CLAIMED, *ran(RESUME), *ran(STOP)), False),
        (said(WHOLE, "stop")[:4], True),
    ],
)
def test_a_persons_word_alone_is_told_as_that(bodies: tuple[Body, ...], by_word: bool) -> None:
    halt = halted(book(), a_state(CHOSEN, *bodies))
    assert halt is not None
    assert halt.by_word == by_word
    assert halt.words.startswith("Writes are stopped (by word) since" if by_word else "Writes are stopped since")


def test_one_stop_of_two_that_is_only_claimed_leaves_the_whole_unproven() -> None:
    stops = (a_step(name, role="stop-writes") for name in ("stop", "worker"))
    two = a_plan(*stops, id="2", procedure="stop", purpose="stop-writes")
    for claimed in ("stop", "worker"):
        halt = halted(book(), a_state(CHOSEN, *said(two, claimed)))
        assert halt is not None
        assert halt.by_word


def test_only_what_has_a_step_for_it_starts_what_was_stopped() -> None:
    runbook = book()
    assert [starts(runbook, plan) for plan in (TEMPLATE, STARTING, CONTAINER, RESUME)] == [False, True, True, True]


def test_what_was_scaled_to_zero_is_scaled_back_first() -> None:
    runbook = book()
    stop, zero = (halted(runbook, a_state(*ran(plan))) for plan in (STOP, ZERO))
    assert stop is not None
    assert ways_to_resume(runbook, stop) == ("resume", "scale-back")
    assert zero is not None
    assert ways_to_resume(runbook, zero) == ("scale-back", "resume")
