"""The autopilot: a client that always takes the next right action. Only drills have it; it proves the road is walkable.

It sees what a person sees and asks as a person asks. What it can't honestly do (tell somebody, ask a user) it waives,
and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable

from warroom.errors import Refusal
from warroom.model import intent as it
from warroom.model.event import Actor, Event
from warroom.model.fold import fold
from warroom.model.leading import leads_to
from warroom.model.live import (
    ChoicesPage,
    ChoicesQuery,
    EmergencyPage,
    EmergencyQuery,
    GuardsPage,
    GuardsQuery,
    MessagePage,
    MessageQuery,
    ReleasesPage,
    ReleasesQuery,
    TimelinePage,
    TimelineQuery,
)
from warroom.model.next import NextAction, next_action
from warroom.model.runbook import Proof, Runbook
from warroom.model.state import State
from warroom.model.units import many
from warroom.session import Accepted, Events, Session, Snapshot

AUTOPILOT = Actor(name="autopilot", kind="autopilot")
"""The engine refuses this kind of actor everything outside drill environments."""
WHY = "a drill on autopilot: there is nobody to tell or to ask"


async def _nobody_counts() -> str:
    return ""


class Autopilot:
    """``stopped_because`` says why it went no further: recovery is not proven, and only a person should choose.

    ``rows`` says what became of the data, empty where nobody counts it.
    """

    def __init__(
        self, session: Session, say: Callable[[str], None], rows: Callable[[], Awaitable[str]] | None = None
    ) -> None:
        self._session = session
        self._rows = rows or _nobody_counts
        self._noted = False
        self._say = say
        self._state = State()
        self._runbook: Runbook | None = None
        self._asked: tuple[str, int] | None = None
        self._answered = 0
        self._told = 0
        self._looked_again = False
        self.stopped_because = ""

    @property
    def state(self) -> State:
        return self._state

    def ways(self) -> tuple[str, ...]:
        """What a person could do now that recovery is not proven, best first."""
        checked = self._state.verification
        return tuple(way.title for way in checked.next) if checked is not None else ()

    async def fly(self) -> State:
        """Until the drill is over. Raises Refusal outside drill environments."""
        frames = self._session.watch()
        pending = asyncio.ensure_future(anext(frames))
        try:
            while not self._over():
                done, _ = await asyncio.wait({pending}, timeout=0.5)
                if done:
                    await self._take(pending.result())
                    pending = asyncio.ensure_future(anext(frames))
                await self._act()
        finally:
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await pending
            await frames.aclose()
        return self._state

    async def _take(self, frame: object) -> None:
        if isinstance(frame, Snapshot):
            if frame.runbook.environment.kind != "drill":
                raise Refusal("The autopilot flies drills only", f"this is {frame.runbook.environment.kind}", "")
            self._runbook, self._state = frame.runbook, frame.state
            page = await self._session.query(TimelineQuery())
            assert isinstance(page, TimelinePage)
            for event in page.events:
                if self._told < event.seq <= self._state.seq:
                    self._tell(event)
        elif isinstance(frame, Events):
            for event in frame.events:
                self._state = fold(self._state, event)
                self._tell(event)

    def _tell(self, event: Event) -> None:
        from warroom.model.words import words

        self._told = event.seq
        self._say(words(event))

    def _over(self) -> bool:
        incident = self._state.incident
        return bool(self.stopped_because) or (incident is not None and incident.closed is not None)

    async def _act(self) -> None:
        """One action at a time, once the effect of the last one is seen; the same again only if the state moved."""
        if self._runbook is None or self._state.incident is None or self._state.seq < self._answered:
            return
        action = next_action(self._runbook, self._state)
        key = (action.action, self._state.seq)
        if action.action in ("none", "watch", "open-incident") or key == self._asked:
            return
        self._asked = key
        handler = self._handlers().get(action.action)
        if handler is None:
            self.stopped_because = f"{action.sentence}: {action.why}"
            return
        await handler(action)

    def _handlers(self) -> dict[str, Callable[[NextAction], Awaitable[object]]]:
        return {
            "take-wheel": lambda action: self._do(it.TakeWheel(service=self._book.service)),
            "veto": self._let,
            "answer": self._answer,
            "decide": self._decide,
            "notify-started": lambda action: self._notify("started", "stakeholders-notified"),
            "capture": lambda action: self._do(it.CaptureEvidence()),
            "choose-target": self._target,
            "propose-plan": self._propose,
            "run": self._run,
            "stop-writes": self._stop_writes,
            "verify": lambda action: self._do(it.Verify()),
            "choose-way": self._way,
            "notify-completed": lambda action: self._notify("completed", "completion-sent"),
            "schedule-post-mortem": lambda action: self._waive("post-mortem-scheduled"),
            "report": self._report,
            "close": self._close,
        }

    @property
    def _book(self) -> Runbook:
        assert self._runbook is not None
        return self._runbook

    async def _do(self, intent: it.Intent) -> bool:
        reply = await self._session.submit(uuid.uuid4().hex, intent)
        if isinstance(reply, Accepted):
            self._answered = reply.seq
            return True
        self._say(f"refused: {reply.reason}")
        await asyncio.sleep(0.5)
        self._asked = None
        return False

    async def _answer(self, action: NextAction) -> None:
        """A person's question: the answer that leads to a rollback, else the first."""
        tree = self._state.tree
        question = next((a for a in tree.path if a.answer is None), None) if tree else None
        if question is None or question.by in ("signals", "timer"):
            return
        decl = self._book.tree.questions[question.node]
        leaves = self._book.tree.leaves
        best = [w for w, to in decl.answers.items() if to in leaves and leaves[to].advice.startswith("rollback")]
        await self._do(it.AnswerQuestion(node=question.node, answer=(best or list(decl.answers))[0], reason=WHY))

    async def _let(self, action: NextAction) -> None:
        """An automatic rollback that counts down is let go on: nobody here knows better."""

    async def _decide(self, action: NextAction) -> None:
        tree = self._state.tree
        if tree is not None and tree.advice is not None:
            await self._do(it.Decide(choice=tree.advice))

    async def _notify(self, template: str, proof: Proof) -> None:
        page = await self._session.query(MessageQuery(template=template))
        assert isinstance(page, MessagePage)
        if page.channels:
            await self._do(it.Notify(template=template, text=page.text))
        else:
            await self._waive(proof)

    async def _waive(self, proof: Proof) -> None:
        for item_id, item in self._book.items():
            if item.done_when == proof and item_id not in self._state.marks:
                await self._do(it.MarkItem(item=item_id, mark="waived", reason=WHY))

    async def _target(self, action: NextAction) -> None:
        page = await self._session.query(ReleasesQuery())
        assert isinstance(page, ReleasesPage)
        if page.best is None:
            self.stopped_because = f"there is no release to go back to: {page.reason or page.problem}"
            return
        release = page.releases[page.best]
        await self._do(it.ChooseTarget(text=release.commit or release.version, reason=page.reason))

    async def _propose(self, action: NextAction) -> None:
        procedure = leads_to(self._book, self._state).procedure or self._rollback()
        if not procedure:
            self.stopped_because = "the runbook has no rollback procedure whose platforms are there"
            return
        choices: dict[str, str] = {}
        if self._book.procedures[procedure].choices:
            page = await self._session.query(ChoicesQuery(procedure=procedure))
            assert isinstance(page, ChoicesPage)
            for each in page.choices:
                option = next((option for option in each.options if option.verdict == "good"), None)
                if option is None:
                    self.stopped_because = f"{each.title}: {each.problem or 'nothing there is good'}"
                    return
                because = f": {option.words}" if option.words else ""
                self._say(f"{each.title}, of {many(len(each.options), 'one')}: {option.title}{because}")
                choices[each.choice] = option.value
        await self._do(it.ProposePlan(procedure=procedure, choices=choices))

    def _rollback(self) -> str:
        for procedure_id, procedure in self._book.procedures.items():
            usable = procedure.needs and all(need in self._book.platforms for need in procedure.needs)
            if procedure.kind == "rollback" and usable:
                return procedure_id
        return ""

    async def _run(self, action: NextAction) -> None:
        page = await self._session.query(GuardsQuery())
        assert isinstance(page, GuardsPage)
        if self._state.evidence is not None and self._state.evidence.status == "collecting":
            self._asked = None
            return
        plan = self._state.plan
        if plan is not None:
            waive = tuple(guard.id for guard in page.guards if not guard.hard)
            await self._do(it.RunPlan(hash=plan.hash, waive=waive, reason=WHY if waive else ""))

    async def _stop_writes(self, action: NextAction) -> None:
        """In the lane that a person would use; a procedure that only a person can do is left to one."""
        page = await self._session.query(EmergencyQuery(purpose="stop-writes"))
        assert isinstance(page, EmergencyPage)
        if page.plan is None or page.held or any(step.manual for step in page.plan.steps):
            self.stopped_because = page.problem or f"{action.sentence}: a person has to do this"
            return
        await self._do(it.RunEmergency(hash=page.hash, reason=WHY))

    async def _way(self, action: NextAction) -> None:
        """Looks again once when it was inconclusive. Anything else is a person's choice."""
        ways = self._state.verification.next if self._state.verification else ()
        if not self._looked_again and any(way.kind == "verify-again" for way in ways):
            self._looked_again = True
            await self._do(it.Verify())
            return
        self.stopped_because = f"{action.sentence}; {action.why}"

    async def _report(self, action: NextAction) -> None:
        """Whoever plays the drill has counted what became of the rows: that belongs into the report."""
        if not self._noted and (words := await self._rows()):
            self._noted = True
            await self._do(it.AddNote(text=words, about="impact"))
        await self._do(it.WriteReport())

    async def _close(self, action: NextAction) -> None:
        await self._do(it.CloseIncident(outcome="recovered"))
