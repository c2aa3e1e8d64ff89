"""The checklist is a view: a proof beats a mark, a line with lines below it follows them."""

from __future__ import annotations

from typing import Any

import pytest

from warroom.model import event as ev
from warroom.model.checklist import Line, done_count, lines, settled
from warroom.model.runbook import Runbook
from warroom.model.state import State
from warroom.testing.builders import a_plan, a_runbook, a_state, an_incident

RUNBOOK = a_runbook()
PLAN = a_plan()
SENT: list[Any] = [
    ev.MessageQueued(message="m1", template="started", channel="ops", text="x"),
    ev.MessageSent(message="m1", receipt="r-17"),
]
ROLLED_BACK: list[Any] = [
    ev.PlanProposed(plan=PLAN, hash=PLAN.hash),
    ev.RunStarted(hash=PLAN.hash),
    ev.StepEnded(plan=PLAN.hash, step="restart", attempt=1, status="done", detail="ok"),
]


def mark(item: str, how: Any, reason: str = "because") -> ev.ItemMarked:
    return ev.ItemMarked(item=item, mark=how, reason=reason)


def by_id(state: State, checklist: str = "rollback", runbook: Runbook = RUNBOOK) -> dict[str, Line]:
    return {line.id: line for line in lines(runbook, state, checklist)}


def test_lines_come_in_order_numbered_as_the_runbook_counts() -> None:
    found = lines(RUNBOOK, a_state(), "rollback")
    assert [(line.id, line.number, line.depth, line.status) for line in found] == [
        ("execute", "1", 0, "open"),
        ("application", "1.1", 1, "open"),
        ("database", "1.2", 1, "open"),
        ("tell", "2", 0, "open"),
    ]
    assert done_count(found) == (0, 2)
    assert [line.if_needed for line in found] == [False, False, True, False]


@pytest.mark.parametrize(("how", "status"), [("ticked", "done"), ("waived", "waived"), ("not-needed", "not-needed")])
def test_a_persons_mark_settles_a_line_and_names_them(how: str, status: str) -> None:
    line = by_id(a_state(mark("tell", how)))["tell"]
    assert (line.status, line.by, line.how) == (status, "op1", "because")
    assert line.at is not None


def test_a_mark_can_be_taken_back() -> None:
    assert by_id(a_state(mark("tell", "ticked"), mark("tell", "open")))["tell"].status == "open"


def test_a_proof_beats_a_mark() -> None:
    state = a_state(mark("notify", "waived"), *SENT)
    line = by_id(state, "pre-rollback")["notify"]
    assert (line.status, line.how) == ("done", "sent to ops: r-17")
    assert by_id(a_state(mark("notify", "waived")), "pre-rollback")["notify"].status == "waived"


def test_a_line_is_done_when_all_below_it_are_settled() -> None:
    state = a_state(*ROLLED_BACK)
    assert by_id(state)["application"].status == "done"
    assert by_id(state)["execute"].status == "open"
    state = a_state(*ROLLED_BACK, mark("database", "not-needed"))
    assert by_id(state)["execute"].status == "done"
    assert by_id(state)["execute"].how == "every line below it is settled"
    assert done_count(lines(RUNBOOK, state, "rollback")) == (1, 2)


def test_a_line_with_a_proof_of_its_own_waits_for_that_proof() -> None:
    items = {
        "verify": {
            "sentence": "Verify",
            "done_when": "verified",
            "items": {"health": {"sentence": "Health"}, "users": {"sentence": "Users"}},
        }
    }
    runbook = a_runbook(checklists={"rollback": {"title": "Rollback", "items": items}})
    marks = (mark("health", "ticked"), mark("users", "ticked"))
    assert by_id(a_state(*marks), runbook=runbook)["verify"].status == "open"
    passed = (ev.VerificationStarted(checks=()), ev.VerificationEnded(verdict="pass", words="all well"))
    assert by_id(a_state(*marks, *passed), runbook=runbook)["verify"].how == "all well"


def test_a_line_below_a_line_below() -> None:
    items = {"a": {"sentence": "A", "items": {"b": {"sentence": "B", "items": {"c": {"sentence": "C"}}}}}}
    runbook = a_runbook(checklists={"rollback": {"title": "Rollback", "items": items}})
    found = lines(runbook, a_state(mark("c", "ticked")), "rollback")
    assert [(line.number, line.status) for line in found] == [("1", "done"), ("1.1", "done"), ("1.1.1", "done")]
    assert [line.status for line in lines(runbook, a_state(mark("b", "waived")), "rollback")] == [
        "done",
        "waived",
        "open",
    ]


def test_a_step_that_fails_or_is_repeated_does_not_prove_its_line() -> None:
    failed = ev.StepEnded(plan=PLAN.hash, step="restart", attempt=1, status="failed", detail="no")
    assert by_id(a_state(*ROLLED_BACK[:2], failed))["application"].status == "open"
    again = (*ROLLED_BACK, ev.RunStarted(hash=PLAN.hash))
    assert by_id(a_state(*again))["application"].status == "open", "a new run takes the old run's proofs away"


def test_settled_asks_for_a_proof_or_a_persons_word() -> None:
    assert not settled(RUNBOOK, a_state(), "stakeholders-notified")
    assert settled(RUNBOOK, a_state(*SENT), "stakeholders-notified")
    assert settled(RUNBOOK, a_state(mark("notify", "waived")), "stakeholders-notified")
    assert not settled(RUNBOOK, a_state(mark("tell", "ticked")), "stakeholders-notified")


def test_an_incident_without_a_severity_has_assessed_nothing() -> None:
    assert "severity-assessed" in a_state().proofs
    assert "severity-assessed" not in a_state(an_incident(severity=None), opened=False).proofs
