"""A rollback while nothing runs, while what it goes to runs already, and while all is well: each is said, or not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_decision_guards import READY, ended, found, proposed
from tests.unit.test_model_cutover import ran
from tests.unit.test_model_halted import STARTING, STOP, TEMPLATE, book
from warroom.decision.guards import emergency_guards
from warroom.model.event import Actor, Body, TriggerChanged
from warroom.model.plan import Plan
from warroom.model.state import State
from warroom.testing.builders import a_call, a_plan, a_preview, a_release, a_state, a_step, a_trigger

V3 = a_release("v1.0.0-beta.3")
"""What the incident began on, and runs."""
OK = TriggerChanged(was="firing", reading=a_trigger("ok"))


def to(target: Any, *facts: dict[str, Any], **more: Any) -> Plan:
    """A plan of the template's kind, its steps with these facts."""
    steps = (a_step(f"undo-{n}", facts=fact) for n, fact in enumerate(facts))
    return a_plan(*steps, id="now", procedure="by-template", target=target, **more)


def words(state: State, guard_id: str) -> str:
    guard = found(state, book()).get(guard_id)
    return guard.words if guard is not None else ""


@pytest.mark.parametrize(
    ("before", "plan", "said"),
    [
        (ran(STOP), TEMPLATE, "and no step of this plan starts them again: let writes go on first"),
        (ran(STOP), STARTING, ""),
        ((), TEMPLATE, ""),
        ((), to(V3, {"stopped": "elsewhere"}), "“Restart the web service” is about what is scaled to zero"),
        ((), STARTING.model_copy(update={"steps": (*to(V3, {"stopped": "recorded"}).steps, *STARTING.steps)}), ""),
    ],
)
def test_a_rollback_that_starts_nothing_is_told_before_it_runs(before: tuple[Body, ...], plan: Plan, said: str) -> None:
    shown = words(a_state(*READY, *before, proposed(plan)), "stopped")
    assert said in shown
    assert bool(said) == bool(shown)


@pytest.mark.parametrize(
    ("before", "plan", "said"),
    [
        ((), to(V3, {}), True),
        ((), to(V3, {"already": True}), True),
        ((), to(V3, {"already": False}), False),
        ((), to(V3, {"stopped": "recorded"}), False),
        (ran(STOP), to(V3, {}), False),
    ],
)
def test_what_runs_is_told_to_choose_another_only_where_it_runs(
    before: tuple[Body, ...], plan: Plan, said: bool
) -> None:
    assert bool(words(a_state(*READY, *before, proposed(plan)), "target-running")) == said


@pytest.mark.parametrize(
    ("after", "outcome", "target", "said"),
    [
        ((OK,), "done", "v1.0.0-beta.1", True),
        ((), "done", "v1.0.0-beta.1", False),
        ((OK,), "failed", "v1.0.0-beta.1", False),
        ((OK,), "done", "v1.0.0-beta.2", False),
        ((OK, *ran(STOP)), "done", "v1.0.0-beta.1", False),
    ],
)
def test_the_lane_says_that_what_it_leaves_is_well(
    after: tuple[Body, ...], outcome: str, target: str, said: bool
) -> None:
    done = a_plan(id="done", procedure="by-container", steps=(a_step("up"),))
    state = a_state(*READY, proposed(done), *ended(done, outcome), *after)
    state = state.model_copy(update={"running": done.target})
    me, plan = Actor(name="op1"), to(a_release(target), {})
    guards = emergency_guards(
        book(), state, plan, fingerprints={"lab": "lab-0001"}, me=me, others=(), journal="", diff=None
    )
    shown = [guard.words for guard in guards if guard.id == "well-again"]
    assert bool(shown) == said
    assert all("v1.0.0-beta.2 runs since the rollback that ended at " in each for each in shown)


@pytest.mark.parametrize(("first", "said"), [("failed", True), ("done", False)])
def test_an_undo_that_puts_back_what_did_not_come_up_says_so(first: str, said: bool) -> None:
    bad, good = a_release("v1.0.0-beta.2"), a_release("v1.0.0-beta.1")
    back = a_preview(inverse=(a_call("up", "beta.2"),), restores=bad.name)
    tried = a_plan(a_step("up"), id="tried", target=bad)
    left = a_plan(a_step("up", preview=back), id="left", target=good, running=bad)
    undo = a_plan(a_step("undo-up", undoes=True), id="undo", purpose="undo", target=None)
    state = a_state(*READY, *ran(tried, first), *ran(left), proposed(undo))
    assert bool(words(state, "back-to-failed")) == said
