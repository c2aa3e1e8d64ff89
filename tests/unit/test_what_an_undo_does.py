"""What an undo puts back, and what it takes out of service: told by what its steps captured, and asked for."""

from __future__ import annotations

import pytest

from tests.unit.test_model_cutover import BAD, CHOSEN, ME, TARGET, proposed, ran
from warroom.actions.planner import Situation, undo_plan
from warroom.decision.guards import guards
from warroom.model.cutover import brings_back, spent, takes_down
from warroom.model.plan import Plan, Preview, Step
from warroom.model.state import PlanState, State
from warroom.testing.builders import a_call, a_plan, a_preview, a_runbook, a_state, a_step

BACK = (a_call("back"),)


def a_told(step: str, restores: str | None = "", **told: tuple[str, ...]) -> Step:
    role = "application" if step != "stop" else "stop-writes"
    preview: Preview = a_preview(inverse=BACK, restores=restores, **told)
    return a_step(step, title=step, role=role, preview=preview)


STOP = a_told("stop", stops=("web", "cron"))
UNDO, UNDO_TOO = a_told("undo", "crash3"), a_told("undo-worker", "crash3")
START = a_told("start", starts=("web", "cron"))


def begun(*steps: Step) -> tuple[State, PlanState]:
    """A rollback of these steps, made when warroom took TARGET for what ran."""
    plan = a_plan(*steps, title="Option C", target=BAD, running=TARGET)
    state = a_state(CHOSEN, *ran(plan))
    assert state.plan is not None
    return state, state.plan


def undo_of(run: PlanState) -> Plan:
    situation = Situation("INC-0001", a_runbook(), TARGET, None, {})
    return undo_plan(situation, [(step, BACK) for step in run.plan.steps], "Undo Option C")


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ((UNDO, UNDO_TOO, START), "crash3"),
        ((UNDO, a_told("undo-worker", "w7")), "crash3 and w7"),
        ((START,), ""),
        ((a_told("undo", None),), TARGET.name),
        ((a_told("undo", None), START), TARGET.name),
    ],
)
def test_what_comes_back_is_named_by_what_was_captured_and_not_by_what_seemed_to_run(
    steps: tuple[Step, ...], name: str
) -> None:
    state, run = begun(*steps)
    assert brings_back(state, run) == name


def test_what_was_put_back_is_named_by_it_too() -> None:
    rollback = a_plan(UNDO, title="Option C", target=TARGET, running=TARGET)
    undo = a_plan(a_step("undo-undo", undoes=True), id="p2", purpose="undo", target=None)
    assert spent(a_state(CHOSEN, *ran(rollback), *ran(undo))) == f"crash3 was put back, in place of {TARGET.name}"


@pytest.mark.parametrize(
    ("steps", "title", "words"),
    [
        (
            (UNDO, START),
            "Undo Option C: an outage",
            "An outage: web and cron stop, and nothing of them answers until they are started again",
        ),
        (
            (a_told("start", starts=("web",)),),
            "Undo Option C: an outage",
            "An outage: web stops, and nothing of it answers until it is started again",
        ),
        (
            (STOP, UNDO, START),
            "Undo Option C: an outage while it runs",
            "An outage while it runs: web and cron stop first, and are started again by its last steps",
        ),
        ((STOP, UNDO), "Undo Option C", ""),
        ((UNDO,), "Undo Option C", ""),
    ],
)
def test_an_undo_that_stops_what_serves_says_so_and_asks(steps: tuple[Step, ...], title: str, words: str) -> None:
    _, run = begun(*steps)
    plan = undo_of(run)
    assert plan.title == title
    assert plan.notes == ((words,) if words else ())
    assert bool(takes_down(run)) == title.endswith(": an outage")
    found = guards(a_runbook(), a_state(CHOSEN, *ran(run.plan), proposed(plan)), fingerprints={}, me=ME)
    assert [(one.words, one.hard) for one in found if one.id == "outage"] == ([(words, False)] if words else [])


def test_what_is_said_of_a_step_is_no_part_of_what_an_approval_binds() -> None:
    assert a_plan(UNDO).hash == a_plan(a_told("undo", None).model_copy(update={"title": "undo"})).hash
