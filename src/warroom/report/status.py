"""How an incident stands, from its journal alone: as data for scripts, and as sentences that can be read aloud."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from warroom.model.action import do
from warroom.model.base import Fact, Instant
from warroom.model.checklist import done_count, lines
from warroom.model.escalation import who_decides
from warroom.model.event import Event, IncidentOpened, TriggerChanged
from warroom.model.fold import fold
from warroom.model.halted import halted
from warroom.model.next import next_action
from warroom.model.plan import Step
from warroom.model.runbook import Runbook
from warroom.model.severity import severity_of
from warroom.model.signal import TriggerReading
from warroom.model.state import Evidence, PlanState, State, StepState
from warroom.model.words import one_line

CALM, OPEN, NEEDS_A_PERSON = 0, 2, 3
"""Exit statuses; 1 is an error. 3: open, and a person must say what became of a step, a run or a verification."""
CUT_OFF = "it ended while the plan ran: the next one looks what became of it"
_CHOICES = {"rollback": "roll back", "rollback-now": "roll back now", "hotfix": "hotfix", "monitor": "monitor"}


class Fires(Fact):
    id: str
    title: str
    severity: str
    since: Instant


class Progress(Fact):
    title: str
    settled: int
    all: int
    open: tuple[str, ...]


class StepStanding(Fact):
    id: str
    title: str
    status: str
    resolved: str = ""
    detail: str = ""
    told: tuple[str, ...] = ()
    """What it was done for, and what it left behind."""


class PlanStanding(Fact):
    procedure: str
    title: str
    target: str
    status: str
    steps: tuple[StepStanding, ...]


class Status(Fact):
    """``engine`` names the process that holds the state folder; empty: no warroom runs, and nothing is being read."""

    incident: str
    title: str
    environment: str
    environment_name: str
    service: str
    severity: str | None
    detected_at: Instant
    elapsed_s: float
    closed: str | None
    driver: str | None
    fires: tuple[Fires, ...]
    unknown_triggers: tuple[str, ...]
    advice: str
    advice_reason: str
    decided: str
    automatic: str
    decides: str
    checklists: tuple[Progress, ...]
    evidence: str
    evidence_proof: str
    plan: PlanStanding | None
    verification: str
    verification_words: str
    watching_until: Instant | None
    next: str
    next_why: str
    as_of: Instant
    entries: int
    engine: str = ""
    damaged: str = ""
    stopped: str = ""
    """That writes stand stopped, and since when."""

    @property
    def exit_status(self) -> int:
        if self.closed:
            return CALM
        waits = self.plan is not None and (
            self.plan.status in ("failed", "unknown")
            or any(s.status == "unknown" and not s.resolved for s in self.plan.steps)
        )
        return NEEDS_A_PERSON if waits or self.verification in ("fail", "inconclusive") else OPEN


def status(events: Sequence[Event], now: datetime, *, engine: str = "", damaged: str = "") -> Status | None:
    """None where the journal has no incident in it: its first entry can't be read."""
    state, runbook = State(), None
    since: dict[str, datetime] = {}
    for event in events:
        state = fold(state, event)
        if isinstance(event.body, IncidentOpened):
            runbook = event.body.runbook
            since |= {one.id: one.began_at or event.at for one in event.body.triggers}
        elif isinstance(event.body, TriggerChanged):
            reading = event.body.reading
            since[reading.id] = event.at if reading.status != "firing" else reading.began_at or event.at
    incident = state.incident
    if incident is None or runbook is None:
        return None
    elapsed = ((incident.closed_at or now) - incident.detected_at).total_seconds()
    cut_off = not engine and not incident.closed and state.plan is not None and state.plan.status == "running"
    advised = next_action(runbook, state) if not cut_off else do("none", "Start warroom", CUT_OFF)
    evidence, halt = state.evidence, halted(runbook, state)
    return Status(
        incident=incident.id,
        title=incident.title,
        environment=runbook.environment.kind,
        environment_name=runbook.environment.name,
        service=runbook.service,
        severity=severity_of(events),
        detected_at=incident.detected_at,
        elapsed_s=elapsed,
        closed=incident.closed,
        driver=state.driver,
        fires=tuple(_fires(one, since.get(one.id, incident.detected_at)) for one in _with(state, "firing")),
        unknown_triggers=tuple(one.title for one in _with(state, "unknown")),
        advice=_CHOICES.get(state.tree.advice or "", "") if state.tree else "",
        advice_reason=state.tree.reason if state.tree else "",
        decided=f"{_CHOICES[state.decision.choice]}, by {state.decision.by}" if state.decision else "",
        automatic="" if incident.closed else _by_itself(state),
        decides="" if incident.closed else who_decides(runbook, elapsed, state),
        checklists=tuple(_progress(runbook, state, name) for name in runbook.checklists),
        evidence=evidence.status if evidence else "",
        evidence_proof=_tried(evidence) if evidence else "",
        plan=_plan(state.plan, cut_off=cut_off) if state.plan else None,
        verification=(state.verification.verdict or "running") if state.verification else "",
        verification_words=state.verification.words if state.verification else "",
        watching_until=state.watch.until if state.watch and state.watch.quiet is None else None,
        next=advised.sentence,
        next_why=advised.why,
        as_of=events[-1].at,
        entries=len(events),
        engine=engine,
        damaged=damaged,
        stopped=halt.words if halt is not None and not incident.closed else "",
    )


def _by_itself(state: State) -> str:
    """What becomes of the automatic rollback; empty where there is none."""
    now = state.automatic
    if now is None:
        return ""
    if now.status == "announced" and now.until is not None:
        return f"to {now.target} at {now.until:%H:%M:%S} UTC, unless somebody vetoes it in a console"
    return f"{now.status}{f' by {now.by}' if now.by else ''}{f': {now.reason}' if now.reason else ''}"


def _with(state: State, wanted: str) -> list[TriggerReading]:
    return [one for one in state.triggers.values() if one.status == wanted]


def _fires(reading: TriggerReading, since: datetime) -> Fires:
    return Fires(id=reading.id, title=reading.title, severity=reading.severity, since=since)


def _progress(runbook: Runbook, state: State, name: str) -> Progress:
    found = lines(runbook, state, name)
    settled, every = done_count(found)
    left = tuple(line.sentence for line in found if line.depth == 0 and line.status == "open")
    return Progress(title=runbook.checklists[name].title, settled=settled, all=every, open=left)


def _plan(plan: PlanState, *, cut_off: bool) -> PlanStanding:
    """``cut_off``: it was running, and the process that ran it is gone; what it was at has an end that nobody knows."""
    steps = []
    for step in plan.plan.steps:
        now = plan.steps.get(step.id)
        if cut_off and now is not None and now.status == "intended":
            now = now.model_copy(update={"status": "unknown", "detail": CUT_OFF})
        steps.append(
            StepStanding(
                id=step.id,
                title=step.title,
                status=now.status if now else "planned",
                resolved=now.resolved if now else "",
                detail=now.detail if now else "",
                told=_told(step, now) if now else (),
            )
        )
    target = plan.plan.target
    return PlanStanding(
        procedure=plan.plan.procedure,
        title=plan.plan.name,
        target=target.name if target else "",
        status="unknown" if cut_off else plan.status,
        steps=tuple(steps),
    )


def _told(step: Step, now: StepState) -> tuple[str, ...]:
    if now.status != "done" or step.undoes:
        return ()
    seen = (now.look.seen,) if step.preview.tells and now.look is not None else ()
    return seen + step.preview.leaves


def sentences(found: Status) -> Iterator[str]:
    """One thing a line, the most urgent first, in words alone."""
    where = found.environment.upper()
    name = found.environment_name
    named = f" ({name})" if name and name.upper() != where else ""
    long = _long(found.elapsed_s)
    stands = f"was closed as {found.closed} after {long}" if found.closed else f"is open, for {long} now"
    for sentence in (
        f"{where}{named}, service {found.service}: incident {found.incident} {stands}.",
        *((f"Automatic rollback: {found.automatic}.",) if found.automatic else ()),
        f"Title: {found.title}.",
        f"Severity: {found.severity or 'unknown'}.",
        *_alarms(found),
        *_deciding(found),
        *(_checklist(one) for one in found.checklists),
        f"Evidence: {'; '.join(filter(None, (found.evidence, found.evidence_proof))) or 'not captured yet'}.",
        *_planned(found.plan),
        *_proof(found),
        f"Next: {found.next}" + (f" ({found.next_why})." if found.next_why else "."),
        *_age(found),
    ):
        yield one_line(sentence.replace("..", "."), 400)


def _tried(evidence: Evidence) -> str:
    """Whether it is known to be of use, with what was seen of each that was tried."""
    told = "; ".join(f"{name}: {one.words}" for name, one in evidence.tried.items())
    return f"{evidence.proof} ({told})" if told else evidence.proof


def _alarms(found: Status) -> Iterator[str]:
    if found.stopped:
        yield f"{found.stopped}."
    for one in found.fires:
        yield f"Fires: {one.title} ({one.severity}), since {one.since:%H:%M:%S} UTC."
    if not found.fires:
        yield "Nothing fires."
    if found.unknown_triggers:
        yield f"Unknown, for want of readings: {', '.join(found.unknown_triggers)}."


def _deciding(found: Status) -> Iterator[str]:
    if found.advice:
        yield f"The runbook advises: {found.advice}" + (
            f", because {found.advice_reason}." if found.advice_reason else "."
        )
    else:
        yield "The runbook gives no advice yet."
    yield f"Decided: {found.decided}." if found.decided else "Nothing is decided yet."
    yield f"{found.driver} drives." if found.driver else "Nobody drives."
    if found.decides:
        yield f"Who decides: {found.decides}."


def _checklist(one: Progress) -> str:
    left = f" Open: {'; '.join(one.open[:3])}" + (f"; and {len(one.open) - 3} more." if len(one.open) > 3 else ".")
    return f"Checklist {one.title}: {one.settled} of {one.all} done." + (left if one.open else "")


def _planned(plan: PlanStanding | None) -> Iterator[str]:
    if plan is None:
        yield "There is no plan yet."
        return
    to = f" to {plan.target}" if plan.target else ""
    yield f"Plan {plan.procedure}{to}: {plan.status.upper() if plan.status in ('failed', 'unknown') else plan.status}."
    for number, step in enumerate(plan.steps, 1):
        standing = "under way" if step.status == "intended" else step.status
        loud = standing.upper() if standing in ("failed", "unknown") else standing
        said = f", taken as {step.resolved}" if step.resolved else ""
        yield f"Step {number} of {len(plan.steps)}, {step.title}: {loud}{said}" + (
            f" ({step.detail})." if step.detail and loud.isupper() else "."
        )
        yield from (f"{words.rstrip('.')}." for words in step.told)


def _proof(found: Status) -> Iterator[str]:
    if not found.verification:
        yield "Recovery is not verified."
    elif found.verification == "running":
        yield "Recovery is being verified."
    else:
        word = {"pass": "PASS", "fail": "FAIL", "inconclusive": "INCONCLUSIVE"}[found.verification]
        yield f"Verification: {word}. {found.verification_words}."
    if found.watching_until is not None:
        yield f"Watching until {found.watching_until:%H:%M:%S} UTC."


def _age(found: Status) -> Iterator[str]:
    holder = (
        f"A warroom is at work on it ({found.engine})" if found.engine else "No warroom is running: nothing is measured"
    )
    yield f"{holder}. Last entry: {found.entries}, at {found.as_of:%Y-%m-%d %H:%M:%S} UTC."
    if found.damaged:
        yield f"DAMAGED journal: {found.damaged}. This is what can still be read."


def _long(seconds: float) -> str:
    """``3 minutes 12 seconds``: a screen reader says 3:12 as a time of day."""
    whole = max(0, int(seconds))
    parts = (
        ("day", whole // 86400),
        ("hour", whole // 3600 % 24),
        ("minute", whole // 60 % 60),
        ("second", whole % 60),
    )
    said = [f"{n} {unit}{'' if n == 1 else 's'}" for unit, n in parts if n]
    return " ".join(said[:2]) or "0 seconds"
