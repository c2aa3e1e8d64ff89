"""Telling people: messages previewed, queued, sent, receipted; and the escalation clock. No action waits for it."""

from __future__ import annotations

import contextlib
import uuid

from warroom.actions.ingress import clean_fact
from warroom.comms import BY_HAND, carry, outstanding, queue, render
from warroom.engine.core import Core
from warroom.errors import Refusal, WarroomError
from warroom.model import escalation
from warroom.model.event import Actor, Escalated, MessageFailed, MessageSent
from warroom.model.intent import Escalate, Notify, SentByHand
from warroom.model.live import MessagePage, MessageQuery
from warroom.model.state import Message
from warroom.plugins import isolated

ANNOUNCED = "announced"
"""The automatic rollback's own message: it has no template, and nobody else may send under its name."""


class Talking:
    def __init__(self, core: Core) -> None:
        self._core = core

    def preview(self, query: MessageQuery) -> MessagePage:
        core = self._core
        template = core.runbook.templates.get(query.template)
        if template is None:
            raise Refusal(f"There is no template {query.template}", f"known: {', '.join(core.runbook.templates)}", "")
        text = render(template, core.runbook, core.state, core.clock.now())
        return MessagePage(template=query.template, text=text, channels=tuple(core.runbook.channels))

    async def notify(self, actor: Actor, intent: Notify) -> str:
        """Queues what the person saw, once for each channel; without channels it is for a person to pass on."""
        core = self._core
        if intent.template not in core.runbook.templates and (actor.kind, intent.template) != ("policy", ANNOUNCED):
            raise Refusal(f"There is no template {intent.template}", "", "")
        if not intent.text.strip():
            raise Refusal("The message is empty", "", "write something")
        text = core.redactor.clean(intent.text)
        queued = queue(core.runbook, intent.template, text, lambda: uuid.uuid4().hex[:12])
        await core.record(*queued, actor=actor)
        by_hand = [body for body in queued if body.channel == BY_HAND]
        for body in queued:
            if body.channel != BY_HAND:
                core.spawn(f"message {body.message}", self._deliver(core.state.messages[body.message]))
        return "written down: send it yourself, then say that you did" if by_hand else "queued"

    async def _deliver(self, message: Message) -> None:
        """Until the channel has taken it, or says that it never will: also past the end of its incident."""
        core = self._core
        channel = core.runbook.channels.get(message.channel)
        platform = core.platforms.get(channel.platform) if channel else None
        async with core.holding() as record:
            if platform is None or platform.plugin.notifier is None:
                reason = f"{message.channel} has no platform that can send"
                await record(MessageFailed(message=message.id, reason=reason, final=True))
                return
            notifier, context = platform.plugin.notifier, platform.context

            async def send(message_id: str, text: str) -> str:
                return await isolated(platform.id, notifier.send(context, message_id, text))

            async for outcome in carry(message, send, core.clock):
                await record(clean_fact(core.redactor, outcome))

    async def sent_by_hand(self, actor: Actor, intent: SentByHand) -> str:
        message = self._core.state.messages.get(intent.message)
        if message is None or message.status == "sent":
            raise Refusal("That message is not waiting", "", "look at the messages again", helps="notify")
        body = MessageSent(message=message.id, receipt=f"{actor.name} says so", by_hand=True)
        await self._core.record(body, actor=actor)
        return "recorded"

    async def escalate(self, actor: Actor, intent: Escalate) -> str:
        """The next step of the path that was not taken yet, now."""
        core = self._core
        taken = {e.step for e in core.state.escalations}
        coming = [(i, step) for i, step in enumerate(core.runbook.escalation) if i not in taken]
        if not coming:
            raise Refusal(
                "The whole escalation path is taken", "", "call who is missing, and note it", helps="add-note"
            )
        await self._escalated(coming[0][0], actor)
        return coming[0][1].sentence

    async def _escalated(self, index: int, actor: Actor | None = None) -> None:
        core = self._core
        assert core.state.incident is not None
        step = core.runbook.escalation[index]
        elapsed = (core.clock.now() - core.state.incident.detected_at).total_seconds()
        body = Escalated(step=index, sentence=step.sentence, contacts=step.contacts, elapsed_s=max(0.0, elapsed))
        await (core.record(body, actor=actor) if actor else core.record(body))

    async def clock(self) -> None:
        """Always runs from detection, on a clock that does not jump; stops when the incident is verified or closed."""
        core = self._core
        detected: tuple[str, float] | None = None
        while True:
            await core.clock.sleep(1)
            incident = core.state.incident
            if incident is None or incident.closed is not None or "verified" in core.state.proofs:
                continue
            if detected is None or detected[0] != incident.id:
                passed = max(0.0, (core.clock.now() - incident.detected_at).total_seconds())
                detected = (incident.id, core.clock.monotonic() - passed)
            taken = {e.step for e in core.state.escalations}
            for index, _ in escalation.due_after(core.runbook, core.clock.monotonic() - detected[1], taken):
                with contextlib.suppress(WarroomError):  # not recorded, which every console was told: it is due still
                    await self._escalated(index)

    async def resume(self) -> None:
        """Messages that were queued when warroom ended are still owed."""
        for message in outstanding(self._core.state):
            self._core.spawn(f"message {message.id}", self._deliver(message))
