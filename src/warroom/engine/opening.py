"""Opening, closing and resuming an incident."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping

import warroom
from warroom.engine.core import ENGINE, Core
from warroom.errors import JournalDamaged, JournalFull, JournalReadOnly, Refusal
from warroom.journal.store import Journal
from warroom.model.decision import TreeReading
from warroom.model.event import Actor, EngineStarted, IncidentOpened, TreeChanged
from warroom.model.fold import fold_all
from warroom.model.signal import TriggerReading


async def open_incident(
    core: Core,
    title: str,
    readings: Mapping[str, TriggerReading],
    tree: TreeReading,
    actor: Actor = ENGINE,
) -> str:
    """Journals the whole runbook, the detection and its evidence, then makes that journal the truth. Returns its id.

    ``tree`` is what it says of those readings: from the first moment there is advice to decide by.

    Only for who holds ``core.turn``: two at once would open two.
    """
    if core.state.incident is not None and core.state.incident.closed is None:
        raise Refusal(
            f"{core.state.incident.id} is open", "one incident at a time", "close it first", helps="close-incident"
        )
    firing = [r for r in readings.values() if r.status == "firing"]
    severity = min((r.severity for r in firing), key=("critical", "warning").index, default=None)
    detected = core.clock.now()
    fingerprints = await core.fingerprints()
    incident = core.folder.new_incident_id()
    opened = IncidentOpened(
        incident=incident,
        title=core.redactor.clean(title)[:400],
        detected_at=detected,
        severity=severity,
        triggers=tuple(readings.values()),
        running=core.running,
        fingerprint=fingerprints,
        runbook=core.runbook,
        runbook_hash=core.runbook.hash,
        scenario=core.options.scenario,
        fault_at=core.options.fault_at(),
    )
    started = EngineStarted(pid=os.getpid(), version=warroom.__version__)
    journal = await asyncio.to_thread(
        Journal.create, core.folder.folder(incident), incident, now=core.clock.now, disk=core.options.disk
    )
    try:
        events = await journal.append(actor, opened, started, TreeChanged(reading=tree))
    except BaseException:
        await journal.close()  # what is not in it is not taken up by the next start
        raise
    await core.attach(journal, fold_all(events))
    return incident


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
        journal = Journal.open(core.folder.folder(summary.id), now=core.clock.now, disk=core.options.disk)
        await core.attach(journal, fold_all(journal.events()))
        if not journal.read_only:
            with contextlib.suppress(JournalFull, JournalReadOnly):  # told to every console, and no reason not to look
                await core.record(EngineStarted(pid=os.getpid(), version=warroom.__version__))
        return True
    return False
