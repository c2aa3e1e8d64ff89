"""What clients read page by page. Nothing here changes anything."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from warroom.actions.choosing import best, choices
from warroom.actions.evidence import MANIFEST
from warroom.engine.acting import Acting
from warroom.engine.closing import Closing
from warroom.engine.core import Core
from warroom.engine.emergency import Emergency
from warroom.engine.history import History
from warroom.engine.preparing import Preparing
from warroom.engine.sensing import Sensing
from warroom.engine.talking import Talking
from warroom.errors import Refusal, WarroomError
from warroom.model import live
from warroom.model.event import Actor
from warroom.model.verification import Artifact


class Queries:
    def __init__(
        self,
        core: Core,
        sensing: Sensing,
        preparing: Preparing,
        acting: Acting,
        emergency: Emergency,
        talking: Talking,
        closing: Closing,
    ) -> None:
        self._core = core
        self._emergency = emergency
        self._closing = closing
        self._history = History(core)
        self._sensing = sensing
        self._preparing = preparing
        self._acting = acting
        self._talking = talking

    async def answer(self, actor: Actor, query: live.Query) -> live.Page:
        match query:
            case live.LogQuery():
                page = await asyncio.to_thread(self._sensing.spool.page, query)
                return page.model_copy(update={"marks": tuple(self._core.marks.changes)})
            case live.SamplesQuery():
                return await self._samples(query)
            case live.TimelineQuery():
                return await self._history.timeline(query)
            case live.ReleasesQuery():
                return await self._preparing.releases()
            case live.DiffQuery():
                return await self._diff(query)
            case live.MessageQuery():
                return self._talking.preview(query)
            case live.GuardsQuery():
                return await self._acting.why_not(actor)
            case live.EvidenceQuery():
                return await asyncio.to_thread(self._evidence)
            case live.CommandsQuery():
                return live.CommandsPage(commands=self._core.commands.newest(query.limit))
            case live.EmergencyQuery():
                return await self._emergency.page(actor, query)
            case live.WaysQuery():
                return await self._closing.ways()
            case live.IncidentsQuery():
                return await self._history.incidents(query)
            case live.DraftQuery():
                return self._draft(query)
            case live.ChoicesQuery():
                return await self._choices(query)

    async def _samples(self, query: live.SamplesQuery) -> live.SamplesPage:
        samples = await self._sensing.store.samples(query.signal, query.seconds)
        return live.SamplesPage(samples=samples, marks=tuple(self._core.marks.changes))

    def _draft(self, query: live.DraftQuery) -> live.DraftPage:
        """As it would be kept. What is counted here is counted for this text alone."""
        before = sum(self._core.redactor.counts.values())
        text = self._core.redactor.clean(query.text)
        return live.DraftPage(text=text, hidden=sum(self._core.redactor.counts.values()) - before)

    async def _choices(self, query: live.ChoicesQuery) -> live.ChoicesPage:
        core = self._core
        procedure = core.runbook.procedures.get(query.procedure)
        if procedure is None:
            known = ", ".join(core.runbook.procedures) or "none"
            raise Refusal(f"There is no procedure {query.procedure}", f"the runbook has: {known}", "")
        found = best(await choices(procedure, core.platforms, core.redactor))
        return live.ChoicesPage(procedure=query.procedure, choices=found)

    async def _diff(self, query: live.DiffQuery) -> live.DiffPage:
        page = await self._preparing.releases()
        wanted = next((r for r in page.releases if query.to in (r.version, r.commit, r.digest)), None)
        if wanted is None:
            return live.DiffPage(diff=None, problem=page.problem or f"{query.to} is not in the history")
        diff = await self._preparing.diff(wanted)
        return live.DiffPage(diff=diff, problem="" if diff else "no platform could tell what changed")

    def _evidence(self) -> live.EvidencePage:
        state = self._core.state.evidence
        if state is None or not state.path:
            raise Refusal("No evidence is sealed", "", "capture it", helps="capture-evidence")
        try:
            files = json.loads((Path(state.path) / MANIFEST).read_bytes())["files"]
            return live.EvidencePage(path=state.path, artifacts=tuple(Artifact.model_validate(f) for f in files))
        except (OSError, ValueError, KeyError) as error:
            raise WarroomError("The bundle's manifest can't be read", str(error), "verify the evidence") from error
