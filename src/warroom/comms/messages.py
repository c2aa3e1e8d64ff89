"""A message is a template of the runbook with the journal's facts in it. What is not known says so."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from warroom.errors import BadInput
from warroom.model.base import span_text
from warroom.model.runbook import Expected, Procedure, Runbook, Template
from warroom.model.state import PlanState, State
from warroom.model.units import many
from warroom.model.words import one_line
from warroom.runbook.template import TemplateProblem, compiled

LONGEST = 4000
"""Characters of a message: what an intent to send one may carry."""
UNKNOWN = "not known yet"


def render(template: Template, runbook: Runbook, state: State, now: datetime) -> str:
    """The message as it would be sent now.

    A value is put in as it is, on one line: it is never read as a template, and can't add lines of its own. Raises
    ``BadInput`` saying what is wrong with the template.
    """
    made = compiled(template.text)
    if isinstance(made, TemplateProblem):
        raise BadInput(
            f"the message {template.title!r} can't be written",
            f"line {made.line} of its template has {made.found}",
            f"expected: {made.expected}",
        )
    text = made.render(variables(runbook, state, now)).strip()
    if len(text) > LONGEST:
        raise BadInput(
            f"the message {template.title!r} is too long",
            f"{len(text):,} characters",
            f"at most {LONGEST:,} can be sent",
        )
    return text


def variables(runbook: Runbook, state: State, now: datetime) -> dict[str, str]:
    """The values of ``warroom.runbook.template.VARIABLES``."""
    incident = state.incident
    values = {
        "time_utc": f"{now:%H:%M} UTC",
        "reason": _reason(state),
        "impact": _impact(runbook, state),
        "eta": _eta(runbook, state, now),
        "status_page": runbook.status_page,
        "duration": _duration(state, now),
        "version": state.target.release.name if state.target else UNKNOWN,
        "from_version": _from(state),
        "service": runbook.service,
        "environment": runbook.environment.name or runbook.environment.kind,
        "incident": incident.id if incident else UNKNOWN,
        "title": incident.title if incident else UNKNOWN,
        "severity": (incident.severity if incident else None) or UNKNOWN,
    }
    return {name: one_line(value, 600) for name, value in values.items()}


def _reason(state: State) -> str:
    if state.decision is not None and state.decision.reason.strip():
        return state.decision.reason
    firing = [t for t in state.triggers.values() if t.status in ("firing", "clearing")]
    if firing:
        worst = min(firing, key=lambda t: t.severity != "critical")
        return worst.words or worst.title
    return state.incident.title if state.incident else UNKNOWN


def _impact(runbook: Runbook, state: State) -> str:
    """A person's newest note on it; else what the runbook says of the triggers that fire, worst first."""
    noted = [note.text for note in state.notes if note.about == "impact"]
    if noted:
        return noted[-1]
    firing = sorted(
        (t for t in state.triggers.values() if t.status in ("firing", "clearing")),
        key=lambda t: t.severity != "critical",
    )
    said = [t.impact or (runbook.triggers[t.id].impact if t.id in runbook.triggers else "") for t in firing]
    return "; ".join(dict.fromkeys(text for text in said if text)) or UNKNOWN


def _eta(runbook: Runbook, state: State, now: datetime) -> str:
    plan = state.plan
    if plan is not None and plan.status == "done" and plan.plan.purpose == "rollback":
        return "rolled back, being verified"
    if plan is not None and plan.status in ("proposed", "approved", "running") and plan.plan.expected_s > 0:
        return _planned(plan, now)
    return _usual(runbook) or UNKNOWN


def _planned(plan: PlanState, now: datetime) -> str:
    expected = timedelta(seconds=plan.plan.expected_s)
    if plan.status == "running" and plan.began_at is not None:
        end = plan.began_at + expected
        if end <= now:
            return f"later than expected ({end:%H:%M} UTC)"
        return f"{end:%H:%M} UTC (about {_about((end - now).total_seconds())})"
    return f"about {_about(plan.plan.expected_s)} from its start"


def _usual(runbook: Runbook) -> str:
    """The runbook's own expectation, where the platforms that there are leave a range to give."""
    able = [
        p
        for p in runbook.procedures.values()
        if p.kind == "rollback" and p.needs and set(p.needs) <= set(runbook.platforms)
    ]
    ranges = [e for procedure in able for e in _application_only(procedure)]
    if not ranges:
        return ""
    least, most = min(e.least for e in ranges), max(e.most for e in ranges)
    return f"usually {_range(least, most)} from its start"


def _application_only(procedure: Procedure) -> list[Expected]:
    plain = [e for e in procedure.expected if not e.when]
    return plain or list(procedure.expected)


def _range(least: float, most: float) -> str:
    """``3–5 minutes``, ``4–15 seconds``, ``40 seconds to 2 minutes``: as people say it, the end rounded up."""
    low, high = _words(least, down=True), _words(most, down=False)
    if low == high:
        return f"about {high}"
    number, unit = low.split(" ")
    return f"{number}–{high}" if unit.rstrip("s") == high.split(" ")[1].rstrip("s") else f"{low} to {high}"


def _words(seconds: float, *, down: bool) -> str:
    size, unit = (1, "second") if seconds < 60 else (60, "minute")
    whole = math.floor(seconds / size) if down else math.ceil(seconds / size)
    return many(max(1, whole), unit)


def _about(seconds: float) -> str:
    return "a minute" if seconds <= 60 else f"{-(-int(seconds) // 60)} minutes"


def _duration(state: State, now: datetime) -> str:
    """From detection to the verified recovery; while there is none, so far. The fault may be older: nobody saw it."""
    incident = state.incident
    if incident is None:
        return UNKNOWN
    verified = state.verification
    if verified is not None and verified.verdict == "pass" and verified.ended_at is not None:
        return downtime((verified.ended_at - incident.detected_at).total_seconds())
    return f"{downtime((now - incident.detected_at).total_seconds())} so far"


def downtime(seconds: float) -> str:
    """``4 m 12 s``, or ``1 h 5 m``: seconds say nothing any more after an hour."""
    whole = max(0, round(seconds))
    return span_text(whole if whole < 3600 else whole // 60 * 60)


def _from(state: State) -> str:
    """The release that was left: what ran before the target did, else what runs."""
    running, target = state.running, state.target
    if running is not None and (target is None or running.name != target.release.name):
        return running.name
    before = [change.was for change in state.changes if target is not None and change.now == target.release.name]
    return before[-1] if before else UNKNOWN
