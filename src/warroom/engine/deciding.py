"""Deciding and the checklist: answers, the decision, marks, notes, the wheel."""

from __future__ import annotations

from warroom.engine.core import Core
from warroom.engine.opening import open_incident
from warroom.engine.sensing import Sensing
from warroom.errors import Refusal
from warroom.model.checklist import lines
from warroom.model.decision import ADVICE
from warroom.model.event import (
    Acknowledged,
    Actor,
    Decided,
    ItemMarked,
    NoteAdded,
    TreeAnswered,
    WheelReleased,
    WheelTaken,
)
from warroom.model.intent import (
    Acknowledge,
    AddNote,
    AnswerQuestion,
    Decide,
    MarkItem,
    OpenIncident,
    ReleaseWheel,
    TakeWheel,
)


class Deciding:
    def __init__(self, core: Core, sensing: Sensing) -> None:
        self._core = core
        self._sensing = sensing

    async def open(self, actor: Actor, intent: OpenIncident) -> str:
        if not intent.title.strip():
            raise Refusal("An incident needs a title", "", "say in a line what is wrong")
        sensing = self._sensing
        name = await open_incident(self._core, intent.title, sensing.readings, sensing.unanswered(), actor)
        return f"{name} is open"

    async def take_wheel(self, actor: Actor, intent: TakeWheel) -> str:
        core = self._core
        if core.runbook.environment.kind != "drill" and intent.service != core.runbook.service:
            raise Refusal("The service's name was not typed as it stands", "", f"type {core.runbook.service}")
        if core.state.driver == actor.name:
            raise Refusal("You drive already", "", "")
        if core.state.plan is not None and core.state.plan.status == "running":
            raise Refusal("A plan is running", f"{core.state.driver or 'nobody'} drives", "wait for it to end")
        await core.record(WheelTaken(), actor=actor)
        return f"{actor.name} drives"

    async def release_wheel(self, actor: Actor, intent: ReleaseWheel) -> str:
        if self._core.state.driver != actor.name:
            raise Refusal("You do not drive", "", "")
        await self._core.record(WheelReleased(), actor=actor)
        return "nobody drives"

    async def answer(self, actor: Actor, intent: AnswerQuestion) -> str:
        """Signals' answers can be overridden, with a reason; the numbers they rested on are journaled beside it."""
        core = self._core
        question = core.runbook.tree.questions.get(intent.node)
        if question is None:
            raise Refusal(f"There is no question {intent.node}", "", "")
        if intent.answer is not None and intent.answer not in question.answers:
            raise Refusal(f"{intent.answer!r} is no answer to it", f"answers: {', '.join(question.answers)}", "")
        standing = next((a for a in (core.state.tree.path if core.state.tree else ()) if a.node == intent.node), None)
        overrides = standing is not None and standing.by in ("signals", "timer") and standing.answer != intent.answer
        if overrides and intent.answer is not None and not intent.reason.strip():
            raise Refusal(
                "The signals answer otherwise", standing.evidence if standing else "", "say why you override them"
            )
        body = TreeAnswered(
            node=intent.node,
            answer=intent.answer,
            reason=intent.reason,
            evidence=standing.evidence if standing else "",
        )
        await core.record(body, actor=actor)
        return f"{question.ask} {intent.answer or 'taken back'}"

    async def decide(self, actor: Actor, intent: Decide) -> str:
        tree = self._core.state.tree
        advised = tree.advice if tree is not None else None
        rollback = ("rollback", "rollback-now")
        followed = intent.choice == advised or (intent.choice in rollback and advised in rollback)
        if not followed and not intent.reason.strip():
            words = f"the tree advises {advised}" if advised else "the tree has no advice yet"
            raise Refusal("Deciding otherwise needs a reason", words, "say why")
        reason = intent.reason or (tree.reason if tree is not None else "")
        await self._core.record(Decided(choice=intent.choice, reason=reason, followed_advice=followed), actor=actor)
        return f"decided: {ADVICE[intent.choice].lower()}"

    async def mark(self, actor: Actor, intent: MarkItem) -> str:
        core = self._core
        items = dict(core.runbook.items())
        item = items.get(intent.item)
        if item is None:
            raise Refusal(f"There is no checklist line {intent.item}", "", "")
        if intent.mark == "not-needed" and not item.if_needed:
            raise Refusal("That line is always needed", item.sentence, "waive it, with a reason", helps="mark-item")
        if intent.mark in ("waived", "not-needed") and not intent.reason.strip():
            raise Refusal("This needs a reason", item.sentence, "say why")
        standing = {line.id: line for name in core.runbook.checklists for line in lines(core.runbook, core.state, name)}
        if item.done_when in core.state.proofs and intent.mark != "open":
            raise Refusal("That line is done already", standing[intent.item].how, "")
        body = ItemMarked(item=intent.item, sentence=item.sentence, mark=intent.mark, reason=intent.reason)
        await core.record(body, actor=actor)
        return f"{item.sentence}: {intent.mark}"

    async def note(self, actor: Actor, intent: AddNote) -> str:
        if not intent.text.strip():
            raise Refusal("The note is empty", "", "write something")
        text = self._core.redactor.clean(intent.text)
        await self._core.record(NoteAdded(text=text, about=intent.about), actor=actor)
        return "noted"

    async def acknowledge(self, actor: Actor, intent: Acknowledge) -> str:
        await self._core.record(Acknowledged(what=intent.what[:200]), actor=actor)
        return "acknowledged"
