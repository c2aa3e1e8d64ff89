"""Folds of what comes before acting: opening, sensing, deciding, the checklist, evidence, the target."""

from __future__ import annotations

from warroom.model import event as ev
from warroom.model import state as st
from warroom.model.decision import Decision
from warroom.model.escalation import call_id
from warroom.model.event import Event
from warroom.model.fold.registry import NAMED, having, named, on, prove
from warroom.model.release import ran_then
from warroom.model.state import KEPT, State
from warroom.model.units import many

FIRED = ("firing", "clearing")


@on(ev.IncidentOpened)
def _opened(state: State, event: Event, body: ev.IncidentOpened) -> State:
    incident = st.Incident(
        id=body.incident,
        title=body.title,
        severity=body.severity,
        detected_at=body.detected_at,
        opened_at=event.at,
        fingerprint=body.fingerprint,
        runbook_hash=body.runbook_hash,
        scenario=body.scenario,
        fault_at=body.fault_at,
        running=body.running,
    )
    fired = tuple(t.id for t in body.triggers if t.status in FIRED)[:NAMED]
    after = having(
        state, incident=incident, running=body.running, triggers={t.id: t for t in body.triggers}, fired=fired
    )
    if body.severity is None:
        return after
    return prove(after, event, "severity-assessed", f"{body.severity}: {body.title}")


@on(ev.IncidentClosed)
def _closed(state: State, event: Event, body: ev.IncidentClosed) -> State:
    if state.incident is None:
        return state
    return having(state, incident=state.incident.model_copy(update={"closed": body.outcome, "closed_at": event.at}))


@on(ev.WheelTaken)
def _wheel(state: State, event: Event, body: ev.WheelTaken) -> State:
    return having(state, driver=event.actor.name)


@on(ev.WheelReleased)
def _wheel_free(state: State, event: Event, body: ev.WheelReleased) -> State:
    return having(state, driver=None)


@on(ev.TriggerChanged)
def _trigger(state: State, event: Event, body: ev.TriggerChanged) -> State:
    name = body.reading.id
    fired = state.fired
    if body.reading.status in FIRED and name not in fired:
        fired = (*fired, name)[-NAMED:]
    return having(state, triggers=named(state.triggers, name, body.reading), fired=fired)


@on(ev.ReleaseChanged)
def _release(state: State, event: Event, body: ev.ReleaseChanged) -> State:
    change = st.Change(
        at=event.at,
        was=body.was.name if body.was else "unknown",
        now=body.now.name if body.now else "unknown",
        rollback=body.rollback,
    )
    incident = state.incident
    if incident is not None and not body.rollback and ran_then(body.now, incident.running, incident.opened_at):
        incident = incident.model_copy(update={"running": body.now})
    return having(state, incident=incident, running=body.now, changes=(*state.changes, change)[-KEPT:])


@on(ev.TreeChanged)
def _tree(state: State, event: Event, body: ev.TreeChanged) -> State:
    after = having(state, tree=body.reading)
    for answer in body.reading.path:
        if answer.answer in ("critical", "warning") and "severity-assessed" not in after.proofs:
            after = prove(after, event, "severity-assessed", f"{answer.answer}: {answer.evidence or answer.reason}")
    return after


@on(ev.TreeAnswered)
def _answered(state: State, event: Event, body: ev.TreeAnswered) -> State:
    overrides = {k: v for k, v in state.overrides.items() if k != body.node}
    if body.answer is not None:
        given = st.Override(answer=body.answer, by=event.actor.name, reason=body.reason, at=event.at)
        overrides = named(overrides, body.node, given)
    return having(state, overrides=overrides)


@on(ev.Decided)
def _decided(state: State, event: Event, body: ev.Decided) -> State:
    decision = Decision(
        choice=body.choice, reason=body.reason, by=event.actor.name, at=event.at, followed_advice=body.followed_advice
    )
    return having(state, decision=decision)


@on(ev.ItemMarked)
def _marked(state: State, event: Event, body: ev.ItemMarked) -> State:
    marks = {k: v for k, v in state.marks.items() if k != body.item}
    if body.mark != "open":
        mark = st.Mark(mark=body.mark, by=event.actor.name, reason=body.reason, at=event.at)
        marks = named(marks, body.item, mark)
    return having(state, marks=marks)


@on(ev.NoteAdded)
def _noted(state: State, event: Event, body: ev.NoteAdded) -> State:
    note = st.Note(text=body.text, about=body.about, by=event.actor.name, at=event.at)
    after = having(state, notes=(*state.notes, note)[-KEPT:])
    if body.about == "cause":
        return prove(after, event, "cause-noted", body.text[:200])
    if body.about == "post-mortem-at":
        return prove(after, event, "post-mortem-scheduled", body.text[:200])
    return after


@on(ev.Acknowledged)
def _acknowledged(state: State, event: Event, body: ev.Acknowledged) -> State:
    known = (*(a for a in state.acknowledged if a != body.what), body.what)[-KEPT:]
    called = tuple(
        each.model_copy(update={"acknowledged": event.actor.name}) if call_id(each.step) == body.what else each
        for each in state.escalations
    )
    return having(state, acknowledged=known, escalations=called)


@on(ev.EvidenceStarted)
def _evidence(state: State, event: Event, body: ev.EvidenceStarted) -> State:
    return having(
        state, evidence=st.Evidence(status="collecting", bundle=body.bundle, collectors=body.collectors, at=event.at)
    )


@on(ev.EvidenceCollected)
def _collected(state: State, event: Event, body: ev.EvidenceCollected) -> State:
    now = state.evidence
    if now is None or now.bundle != body.bundle:
        return state
    return having(
        state,
        evidence=now.model_copy(
            update={
                "collected": (*now.collected, body.collector)[-NAMED:],
                "files": now.files + len(body.artifacts),
                "size": now.size + sum(a.size for a in body.artifacts),
            }
        ),
    )


@on(ev.EvidenceMissing)
def _missing(state: State, event: Event, body: ev.EvidenceMissing) -> State:
    now = state.evidence
    if now is None or now.bundle != body.bundle:
        return state
    return having(state, evidence=now.model_copy(update={"missing": named(now.missing, body.collector, body.reason)}))


@on(ev.EvidenceSealed)
def _sealed(state: State, event: Event, body: ev.EvidenceSealed) -> State:
    now = state.evidence
    if now is None or now.bundle != body.bundle:
        return state
    sealed = now.model_copy(
        update={
            "status": "sealed",
            "path": body.path,
            "seal": body.seal,
            "files": body.files,
            "size": body.size,
            "kinds": body.kinds,
            "counts": body.counts,
            "at": event.at,
        }
    )
    after = having(state, evidence=sealed, sealed=(*state.sealed, sealed)[-KEPT:])
    words = f"{many(body.files, 'file')}, {many(body.size, 'byte')}, sealed {body.seal[:19]}"
    return prove(after, event, "evidence-sealed", words)


@on(ev.EvidenceUnsealed)
def _unsealed(state: State, event: Event, body: ev.EvidenceUnsealed) -> State:
    now = state.evidence
    if now is None or now.bundle != body.bundle or now.status != "collecting":
        return state
    return having(state, evidence=now.model_copy(update={"status": "unsealed", "at": event.at}))


@on(ev.ProofStarted)
def _tried(state: State, event: Event, body: ev.ProofStarted) -> State:
    return _of_bundle(state, body.bundle, body.collector, st.Tried(verdict=None, words=body.words, at=event.at))


@on(ev.ProofEnded)
def _proven(state: State, event: Event, body: ev.ProofEnded) -> State:
    return _of_bundle(state, body.bundle, body.collector, st.Tried(verdict=body.verdict, words=body.words, at=event.at))


def _of_bundle(state: State, bundle: str, collector: str, tried: st.Tried) -> State:
    """Another bundle may have been captured since."""

    def told(one: st.Evidence) -> st.Evidence:
        if one.bundle != bundle or (collector not in one.tried and len(one.tried) >= NAMED):
            return one
        return one.model_copy(update={"tried": {**one.tried, collector: tried}})

    now = told(state.evidence) if state.evidence else None
    return having(state, evidence=now, sealed=tuple(told(one) for one in state.sealed))


@on(ev.TargetChosen)
def _target(state: State, event: Event, body: ev.TargetChosen) -> State:
    target = st.Target(
        release=body.release, reason=body.reason, typed=body.typed, by=event.actor.name, diff=body.diff, at=event.at
    )
    return prove(having(state, target=target), event, "target-chosen", body.release.name)
