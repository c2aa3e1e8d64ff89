"""How severe an incident is, by its whole journal: the same wherever it is told. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from warroom.model.event import Event, IncidentOpened, TreeAnswered, TriggerChanged
from warroom.model.signal import Severity

_SEVERITIES: tuple[Severity, ...] = ("critical", "warning")


def severity_of(events: Iterable[Event]) -> Severity | None:
    """The worst of what it was opened with, of every trigger that fired, and of what a person says it is; None where
    nothing says so. A person's answer to the tree's question counts until it is taken back."""
    told: set[Severity] = set()
    answers: dict[str, str] = {}
    asked: set[str] = set()
    for event in events:
        match event.body:
            case IncidentOpened() as opened:
                questions = opened.runbook.tree.questions.items()
                asked = {name for name, one in questions if one.from_ is not None and one.from_.by == "severity"}
                told |= {opened.severity} if opened.severity else set()
            case TriggerChanged(reading=reading) if reading.status == "firing":
                told.add(reading.severity)
            case TreeAnswered(node=node, answer=answer) if node in asked:
                if answer is None:
                    answers.pop(node, None)
                else:
                    answers[node] = answer
    return next((one for one in _SEVERITIES if one in told or one in answers.values()), None)
