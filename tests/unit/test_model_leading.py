"""Which procedure the next right action leads to: what answers the harm, what follows on its first part, or any."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from warroom.engine.ways import Ways
from warroom.model import event as ev
from warroom.model.event import Body
from warroom.model.leading import leads_to
from warroom.model.next import next_action
from warroom.model.plan import Look, Plan
from warroom.model.runbook import Runbook
from warroom.model.state import State
from warroom.testing.builders import a_plan, a_release, a_runbook, a_state, a_step, a_trigger, an_incident

STEP = {"title": "Do it", "op": "lab.restart"}
RESTORE = {
    "title": "Restore beside",
    "use_when": "data is damaged",
    "kind": "other",
    "needs": ["lab"],
    "first_for": ["rows-broken"],
    "then": "swap",
    "steps": {"restore": STEP},
}
SWAP = {
    "title": "Swap",
    "use_when": "it was compared",
    "kind": "database",
    "steps": {"swap": {**STEP, "role": "database"}},
}
PLAIN = {"title": "Roll back", "use_when": "bad", "steps": {"up": {**STEP, "role": "application"}}}
TRIGGER = {
    "title": "Data is damaged",
    "severity": "critical",
    "conditions": {
        "rows-broken": {"sentence": "Rows break a rule", "signal": "errors", "above": 0},
        "migration": {"sentence": "A migration failed", "signal": "errors", "above": 0.5},
    },
}


def runbook(**procedures: Any) -> Runbook:
    every = {"plain": PLAIN, "restore": RESTORE, "swap": SWAP, **procedures}
    return a_runbook(triggers={"damage": TRIGGER}, procedures=every, drill_windows={})


def ready(book: Runbook, *more: Body, condition: str = "Rows break a rule", status: str = "firing") -> State:
    """Decided, told, captured, with a target: what is left is the plan."""
    fired = a_trigger(id="damage", title="Data is damaged", condition=condition)
    now = a_trigger(status, id="damage", title="Data is damaged", condition=condition)
    return a_state(
        an_incident(runbook=book, triggers=(fired,)),
        ev.TriggerChanged(was="ok", reading=now),
        ev.Decided(choice="rollback-now", reason="", followed_advice=True),
        ev.ItemMarked(item="notify", mark="waived", reason="a test"),
        ev.ItemMarked(item="capture", mark="waived", reason="a test"),
        ev.TargetChosen(release=a_release(), reason="the newest before"),
        *more,
        opened=False,
    )


def ran(plan: Plan, outcome: Any = "done") -> tuple[Body, ...]:
    last = plan.steps[-1]
    look = Look(verdict="done", seen="you lose 3 rows of Message")
    return (
        ev.PlanProposed(plan=plan, hash=plan.hash),
        ev.RunStarted(hash=plan.hash),
        ev.StepEnded(plan=plan.hash, step=last.id, attempt=1, status="done", detail="", look=look),
        ev.RunEnded(hash=plan.hash, outcome=outcome, detail="", seconds=1),
    )


PHASE_ONE = a_plan(
    a_step("restore", role="other"), purpose="other", procedure="restore", title="Restore beside", target=None
)
PHASE_TWO = a_plan(a_step("swap", role="database"), id="plan-2", procedure="swap", title="Swap")


def led(book: Runbook, state: State) -> tuple[str, str, str]:
    """The procedure, and what a person reads."""
    action = next_action(book, state)
    return leads_to(book, state).procedure, action.action, action.sentence


@pytest.mark.parametrize("status", ["firing", "clearing", "unknown"])
def test_a_harm_leads_to_what_answers_it(status: str) -> None:
    """Also while nothing can be measured: that it is over, nobody knows then."""
    book = runbook()
    assert led(book, ready(book, status=status)) == ("restore", "propose-plan", "Prepare the plan: Restore beside")


@pytest.mark.parametrize(
    ("condition", "status"), [("A migration failed", "firing"), ("", "firing"), ("Rows break a rule", "ok")]
)
def test_another_condition_or_none_that_fires_leads_nowhere_in_particular(condition: str, status: str) -> None:
    book = runbook()
    state = ready(book, condition=condition, status=status)
    assert led(book, state) == ("", "propose-plan", "Prepare the plan to v1.0.0-beta.2")


def test_what_needs_a_platform_that_is_not_there_is_not_led_to() -> None:
    book = runbook(restore={**RESTORE, "needs": ["database"]})
    assert led(book, ready(book))[0] == ""


def test_the_first_part_leads_to_the_second_with_what_it_has_shown_and_nothing_is_rolled_back_yet() -> None:
    book = runbook()
    state = ready(book, *ran(PHASE_ONE))
    assert "procedure-executed" not in state.proofs
    assert led(book, state) == ("swap", "propose-plan", "Prepare the plan: Swap")
    assert next_action(book, state).why == "you lose 3 rows of Message"
    proposed = ready(book, *ran(PHASE_ONE), ev.PlanProposed(plan=PHASE_TWO, hash=PHASE_TWO.hash))
    assert led(book, proposed)[1:] == ("run", "Run the plan: Swap")


def test_a_first_part_before_any_decision_leads_to_the_second_not_to_a_question() -> None:
    book = runbook()
    state = ready(book, *ran(PHASE_ONE)).model_copy(update={"decision": None})
    action = next_action(book, state)
    assert (action.action, action.sentence) == ("propose-plan", "Read what was found, then: Swap")
    assert action.why == "you lose 3 rows of Message"
    before = ready(book).model_copy(update={"decision": None})
    assert next_action(book, before).action in ("answer", "decide")
    failed = ready(book, *ran(PHASE_ONE, "failed")).model_copy(update={"decision": None})
    assert next_action(book, failed).action in ("answer", "decide")


def test_a_first_part_that_did_not_end_well_leads_no_further() -> None:
    book = runbook()
    assert leads_to(book, ready(book, *ran(PHASE_ONE, "failed"))).procedure == "restore"


def test_after_the_second_part_recovery_is_verified_whatever_harmless_plan_comes_after() -> None:
    book = runbook()
    after = (*ran(PHASE_ONE), *ran(PHASE_TWO))
    assert led(book, ready(book, *after)) == ("", "verify", "Verify the recovery")
    discard = a_plan(a_step("discard", role="other"), id="plan-3", purpose="other", procedure="discard", target=None)
    assert led(book, ready(book, *after, *ran(discard)))[1] == "verify"


def test_where_the_application_alone_was_rolled_back_in_vain_the_parts_still_lead_on() -> None:
    book = runbook()
    plain = a_plan(procedure="plain")
    failed = (
        ev.VerificationStarted(checks=("health",)),
        ev.VerificationEnded(verdict="fail", words="rows are broken", next=()),
    )
    state = ready(book, *ran(plain), *failed)
    assert led(book, state)[:2] == ("", "choose-way")
    state = ready(book, *ran(plain), *failed, *ran(PHASE_ONE))
    assert led(book, state) == ("swap", "propose-plan", "Prepare the plan: Swap")
    state = ready(book, *ran(plain), *failed, *ran(PHASE_ONE), *ran(PHASE_TWO))
    assert led(book, state) == ("", "verify", "Verify the recovery")


async def ways(book: Runbook, state: State) -> list[tuple[str, str | None]]:
    """The first ones, as they are offered where something did not end well."""

    async def releases() -> Any:
        return SimpleNamespace(releases=(), running=None)

    core: Any = SimpleNamespace(state=state, runbook=book, platforms=book.platforms)
    preparing: Any = SimpleNamespace(releases=releases)
    return [(way.title, way.procedure) for way in await Ways(core, preparing).on(again=False)]


async def test_what_answers_the_harm_is_the_best_way_on_and_then_what_follows_on_it() -> None:
    book = runbook()
    plain = a_plan(procedure="plain")
    assert (await ways(book, ready(book, *ran(plain))))[0] == ("Restore beside", "restore")
    assert (await ways(book, ready(book, *ran(plain), *ran(PHASE_ONE))))[0] == ("Go on: Swap", "swap")
    both = (*ran(PHASE_ONE), *ran(PHASE_TWO))
    assert (await ways(book, ready(book, *both)))[0][1] != "restore", "it was tried, and would end as it did"
    choosing = runbook(restore={**RESTORE, "choices": {"it": {"title": "Which", "use": "lab.backups"}}})
    assert (await ways(choosing, ready(choosing, *both)))[0] == ("Restore beside, with another choice", "restore")
    assert (await ways(book, ready(book, *ran(plain), status="ok")))[0][1] != "restore"


def test_a_second_part_that_is_not_in_the_runbook_is_not_led_to() -> None:
    book = runbook()
    gone = book.model_copy(update={"procedures": {name: p for name, p in book.procedures.items() if name != "swap"}})
    assert led(gone, ready(gone, *ran(PHASE_ONE)))[0] == "restore"
