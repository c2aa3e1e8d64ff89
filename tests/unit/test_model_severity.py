"""How severe an incident is: what fired, and what a person answered, wherever it is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from warroom.model import event as ev
from warroom.model.event import Actor, Body, Event
from warroom.model.severity import severity_of
from warroom.report.post_mortem import post_mortem
from warroom.report.status import sentences, status
from warroom.runbook import default_runbook
from warroom.testing.builders import a_trigger, an_incident

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OP1 = Actor(name="op1", kind="person", uid=1001)


def journal(*bodies: Body, **opened: Any) -> list[Event]:
    first = an_incident(**{"severity": None, "triggers": (), "runbook": default_runbook(), **opened})
    return [Event(id=f"e{n}", seq=n, at=NOW, actor=OP1, body=body) for n, body in enumerate((first, *bodies), 1)]


def says(answer: str | None, node: str = "severity") -> ev.TreeAnswered:
    return ev.TreeAnswered(node=node, answer=answer, reason="I looked")


def fires(severity: str) -> ev.TriggerChanged:
    return ev.TriggerChanged(was="ok", reading=a_trigger("firing").model_copy(update={"severity": severity}))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (journal(), None),
        (journal(severity="warning"), "warning"),
        (journal(says("critical")), "critical"),
        (journal(says("critical"), says(None)), None),
        (journal(says("critical"), says("warning")), "warning"),
        (journal(says("yes", "degraded")), None),
        (journal(fires("warning"), says("critical")), "critical"),
        (journal(fires("critical"), says("warning")), "critical"),
        ([], None),
    ],
)
def test_it_is_the_worst_that_fired_or_was_answered(events: list[Event], expected: str | None) -> None:
    assert severity_of(events) == expected


def test_the_status_and_the_report_say_what_was_answered() -> None:
    events = journal(says("critical"))
    found = status(events, NOW)
    assert found is not None
    assert "Severity: critical." in list(sentences(found))
    assert "- Severity: critical" in post_mortem(events, now=NOW)
