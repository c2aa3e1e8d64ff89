"""The desk: every intent to the part that answers it, behind what holds for all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from warroom.engine.acting import Acting
from warroom.engine.closing import Closing
from warroom.engine.core import Core
from warroom.engine.deciding import Deciding
from warroom.engine.emergency import Emergency
from warroom.engine.preparing import Preparing
from warroom.engine.talking import Talking
from warroom.errors import Refusal
from warroom.model import intent as it
from warroom.model.event import Actor

Handler = Callable[[Actor, Any], Awaitable[str]]

ALWAYS = (it.OpenIncident, it.RunEmergency)
"""Need no open incident."""

WHEEL = (
    it.Decide,
    it.ProposePlan,
    it.ApprovePlan,
    it.RunPlan,
    it.ResolveStep,
    it.ClaimStep,
    it.Undo,
    it.ChooseTarget,
    it.Verify,
    it.CloseIncident,
)
"""In production only who drives may do these. Aborting, noting, telling and looking are everybody's, and so is the
emergency lane: its typed name takes the wheel."""


class Desk:
    def __init__(
        self,
        core: Core,
        deciding: Deciding,
        preparing: Preparing,
        acting: Acting,
        emergency: Emergency,
        talking: Talking,
        closing: Closing,
    ) -> None:
        self._core = core
        self._handlers: dict[type[Any], Handler] = {
            it.OpenIncident: deciding.open,
            it.TakeWheel: deciding.take_wheel,
            it.ReleaseWheel: deciding.release_wheel,
            it.AnswerQuestion: deciding.answer,
            it.Decide: deciding.decide,
            it.MarkItem: deciding.mark,
            it.AddNote: deciding.note,
            it.Acknowledge: deciding.acknowledge,
            it.CaptureEvidence: preparing.capture,
            it.Attach: preparing.attach,
            it.ChooseTarget: preparing.choose_target,
            it.ProposePlan: acting.propose,
            it.ApprovePlan: acting.approve,
            it.RunPlan: acting.run,
            it.RunEmergency: emergency.run,
            it.AbortRun: acting.abort,
            it.ResolveStep: acting.resolve,
            it.ClaimStep: acting.claim,
            it.Undo: acting.undo,
            it.Verify: closing.verify,
            it.AnswerCheck: closing.answer,
            it.Notify: talking.notify,
            it.SentByHand: talking.sent_by_hand,
            it.Escalate: talking.escalate,
            it.WriteReport: closing.report,
            it.CloseIncident: closing.close,
        }

    def add(self, kind: type[Any], handler: Handler) -> None:
        """For a part that itself asks over this desk."""
        self._handlers[kind] = handler

    @property
    def known(self) -> frozenset[type[Any]]:
        return frozenset(self._handlers)

    async def take(self, actor: Actor, intent: it.Intent) -> str:
        """The words of acceptance. Raises Refusal (or another WarroomError) with the reason why not."""
        self._allowed(actor)
        if not isinstance(intent, ALWAYS):
            self._open(intent)
        if isinstance(intent, WHEEL):
            self._driven(actor)
        return await self._handlers[type(intent)](actor, intent)

    def _allowed(self, actor: Actor) -> None:
        """The autopilot acts in drills only, whatever client it comes by."""
        kind = self._core.runbook.environment.kind
        if actor.kind == "autopilot" and kind != "drill":
            raise Refusal("The autopilot is for drill environments", f"this is {kind}", "a person has to do this")
        if actor.kind == "policy" and self._core.runbook.automatic_rollback is None:
            raise Refusal("Nothing is done by itself here", "the runbook has no automatic_rollback", "")

    def _open(self, intent: it.Intent) -> None:
        """Stopping what runs needs no journal that can be written; a report needs no incident that is still open."""
        core = self._core
        if core.journal is not None and core.journal.read_only and not isinstance(intent, it.AbortRun):
            raise Refusal("This journal is read-only", core.journal.read_only, "it can be read and exported")
        if core.state.incident is None:
            raise Refusal("No incident is open", "", "open one first", helps="open-incident")
        if core.state.incident.closed is not None and not isinstance(intent, it.WriteReport):
            raise Refusal(f"{core.state.incident.id} is closed", "", "open a new incident", helps="open-incident")

    def _driven(self, actor: Actor) -> None:
        driver = self._core.state.driver
        if actor.kind == "policy" and driver is None:
            return
        if driver not in (None, actor.name):
            raise Refusal(
                f"{driver} drives",
                "one person at a time changes things",
                f"ask {driver} for the wheel",
                helps="take-wheel",
            )
        if driver is None and self._core.runbook.environment.kind == "production":
            raise Refusal("Production is read-only until someone drives", "", "take the wheel", helps="take-wheel")
