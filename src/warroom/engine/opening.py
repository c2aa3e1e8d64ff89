"""Opening, closing and resuming an incident."""

from __future__ import annotations

import os
from collections.abc import Mapping

import warroom
from warroom.engine.core import ENGINE, Core
from warroom.errors import JournalDamaged, Refusal
from warroom.journal.store import Journal
from warroom.model.event import Actor, EngineStarted, IncidentClosed, IncidentOpened
from warroom.model.fold import fold_all
from warroom.model.signal import TriggerReading
from warroom.model.state import State


async def open_incident(core: Core, title: str, readings: Mapping[str, TriggerReading], actor: Actor = ENGINE) -> str:
    """Journals the whole runbook, the detection and its evidence, then makes that journal the truth. Returns its id."""
    if core.state.incident is not None and core.state.incident.closed is None:
        raise Refusal(f"{core.state.incident.id} is open", "one incident at a time", "close it first (X)")
    firing = [r for r in readings.values() if r.status == "firing"]
    severity = min((r.severity for r in firing), key=("critical", "warning").index, default=None)
    fingerprints = await core.fingerprints()
    incident = core.folder.new_incident_id()
    journal = Journal.create(core.folder.folder(incident), incident, now=core.clock.now)
    if core.journal is not None:
        await core.journal.close()
    core.attach(journal, State())
    opened = IncidentOpened(
        incident=incident,
        title=core.redactor.clean(title)[:400],
        detected_at=core.clock.now(),
        severity=severity,
        triggers=tuple(readings.values()),
        running=core.running,
        fingerprint=fingerprints,
        runbook=core.runbook,
        runbook_hash=core.runbook.hash,
        scenario=core.options.scenario,
        fault_at=core.options.fault_at(),
    )
    await core.record(opened, EngineStarted(pid=os.getpid(), version=warroom.__version__), actor=actor)
    return incident


async def close_incident(core: Core, actor: Actor, body: IncidentClosed) -> None:
    await core.record(body, actor=actor)


async def resume(core: Core) -> bool:
    """Takes up the newest open incident of this service and environment, if there is one. True when there was.

    Raises JournalDamaged when that journal can't be trusted: a new incident is then a person's choice.
    """
    here = core.runbook.environment.name or core.runbook.environment.kind
    for summary in reversed(core.folder.incidents()):
        if summary.damaged and summary.closed is None and summary.service in ("", core.runbook.service):
            raise JournalDamaged(
                f"The journal of {summary.id} is damaged",
                summary.damaged,
                f"`warroom journal export {summary.id}` saves what can be read; move its folder away to go on",
            )
        if summary.closed or summary.service != core.runbook.service or summary.environment != here:
            continue
        journal = Journal.open(core.folder.folder(summary.id), now=core.clock.now)
        core.attach(journal, fold_all(journal.events()))
        if journal.read_only:
            return True
        await core.record(EngineStarted(pid=os.getpid(), version=warroom.__version__))
        return True
    return False
