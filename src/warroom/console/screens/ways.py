"""After FAIL, INCONCLUSIVE, a stopped or a failed run: what to do next, each way with its plan worked out beside it."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList, Static

from warroom.console.client import Client
from warroom.console.panes.plan import found
from warroom.console.screens.base import Choice, Dialog, button
from warroom.console.screens.choosing import propose
from warroom.console.screens.ending import CloseScreen
from warroom.console.steps import changes_nothing, taking_back
from warroom.console.text import line, wrapped
from warroom.console.theme import RISK
from warroom.model.base import span_text
from warroom.model.event import NextWay
from warroom.model.intent import ChooseTarget, Intent, ProposePlan, Undo, Verify
from warroom.model.live import EmergencyPage, EmergencyQuery, WaysPage, WaysQuery
from warroom.model.units import listed

_SAID = {
    "escalate": "calls the next people of the escalation path",
    "verify-again": "changes nothing",
    "close": "changes nothing that runs: you say how it ended, and why; the report says that recovery was not proven",
    "put-back": "prepares a plan of what each step captured to take it back; you read it before it runs",
}


_MOST = (6, 3)
"""Of the checks that failed: on a high terminal, and on a short one."""
_RESUMES = "prepares a plan that starts what was stopped, with what it asks for now; you read it before it runs"


class WaysScreen(Dialog):
    """Best first. A release or a way that was tried and did not recover is not offered again."""

    heading = "the way on"
    hint = "arrows choose · enter takes it · esc goes back"

    def __init__(self, client: Client, escalate: Callable[[], None]) -> None:
        super().__init__(client)
        self.escalate = escalate
        self.ways: tuple[NextWay, ...] = ()

    def inside(self) -> ComposeResult:
        yield Static(line(("looking what can be done …", "$text-muted")), id="why", markup=False)
        yield Choice(name="ways")
        yield Static("", id="about-way", markup=False)

    def buttons(self) -> ComposeResult:
        yield button("Take this way", "take", "main")
        yield button("Not now", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#ways", Choice).focus()
        self.read(self._look(), "ways")

    async def _look(self) -> None:
        page = await self.client.ask(WaysQuery(), WaysPage)
        self.ways = page.ways
        lines = wrapped(page.words, self._cells, "bold") + self._found()
        self.query_one("#why", Static).update(Content("\n").join(lines))
        choice = self.query_one("#ways", Choice)
        choice.clear_options()
        choice.add_options(
            [line(f"{n}  ", (way.title, "bold" if n == 1 else "")) for n, way in enumerate(self.ways, 1)]
        )
        choice.highlighted = 0

    def _found(self) -> list[Content]:
        """What the checks that failed have found, where that is why a way on is looked for."""
        checked = self.store.state.verification
        if checked is None or checked.verdict != "fail" or self.store.run_going():
            return []
        failed = [result for result in checked.results.values() if result.verdict == "fail"]
        most = _MOST[self.has_class("-short")]
        lines = [row for result in failed[:most] for row in found(result, self._cells)]
        more = len(failed) - most
        return lines + ([line((f"  and {more} more: {self.store.key('checks')}", "$text-muted"))] if more > 0 else [])

    @property
    def _cells(self) -> int:
        """What a line has room for; before the box is laid out, by the size of the terminal."""
        laid_out = self.query_one("#inside").size.width
        return max(40, laid_out - 2 if laid_out else min(90, self.size.width - 9))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self.read(self._about(self.ways[event.option_index]), "way")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.pressed("take")

    async def _about(self, way: NextWay) -> None:
        """The plan that this way would prepare, worked out without preparing it."""
        about = self.query_one("#about-way", Static)
        said = self._asked(way) or (_RESUMES if self._resumes(way) else _SAID.get(way.kind, ""))
        if said:
            about.update(Content("\n").join(wrapped(said, self._cells, "$text-muted")))
            return
        about.update(line(("working the plan out …", "$text-muted")))
        stops = way.kind == "stop-writes"
        release = way.release
        named = (release.digest or release.commit or release.version) if release is not None else ""
        page = await self.client.ask(
            EmergencyQuery(
                purpose="stop-writes" if stops else "rollback", target=named, procedure=self._procedure(way)
            ),
            EmergencyPage,
        )
        about.update(Content("\n").join(self._plan(page)))

    def _plan(self, page: EmergencyPage) -> list[Content]:
        if page.plan is None:
            return wrapped(page.problem, self._cells, "$warning", "? ")
        risk, style = RISK[page.plan.risk]
        goal = f" to {page.plan.target.name}" if page.plan.target else ""
        about = f", about {span_text(page.plan.expected_s)}" if page.plan.expected_s else ""
        lines = [line((f"{page.plan.title}{goal}", "bold"), "  ", (risk, style), (about, "$text-muted"))]
        for number, step in enumerate(page.plan.steps, 1):
            back, style = taking_back(step, self.store.lets_go_on() if page.purpose == "stop-writes" else "")
            stays = [(f"  {back}", style)] if step.preview.inverse is None and not changes_nothing(step) else []
            lines.append(line((f"  {number} ", "$text-muted"), step.title, *stays))
        for guard in page.held:
            lines += wrapped(guard.words, self._cells, "$error", "  ✖ ")
        return lines

    def _asked(self, way: NextWay) -> str:
        """What has to be chosen before its plan can be worked out."""
        runbook = self.store.runbook
        plans = way.kind in ("procedure", "older-release", "stop-writes")
        procedure = runbook.procedures.get(self._procedure(way)) if runbook is not None and plans else None
        if procedure is None or not procedure.choices:
            return ""
        asked = listed([choice.title for choice in procedure.choices.values()])
        return f"you choose first: {asked}; then a plan is prepared, and you read it before it runs"

    def _resumes(self, way: NextWay) -> bool:
        runbook = self.store.runbook
        procedure = runbook.procedures.get(way.procedure or "") if runbook is not None else None
        return procedure is not None and procedure.kind == "resume-writes"

    def _procedure(self, way: NextWay) -> str:
        last = self.store.plan.plan if self.store.plan is not None and self.store.plan.plan.target is not None else None
        return way.procedure or (last.procedure if last is not None else "")

    def pressed(self, name: str) -> None:
        choice = self.query_one("#ways", Choice)
        if not self.ways or choice.highlighted is None:
            self.complain("There is nothing to take yet.")
            return
        way = self.ways[choice.highlighted]
        if way.kind == "escalate":
            self.leave()
            self.escalate()
            return
        if way.kind == "close":
            self.leave()
            self.app.push_screen(CloseScreen(self.client))
            return
        propose(self, *self._intents(way))

    def _intents(self, way: NextWay) -> tuple[Intent, ...]:
        if way.kind == "verify-again":
            return (Verify(),)
        if way.kind == "put-back":
            return (Undo(run=way.run or ""),)
        first: tuple[Intent, ...] = ()
        chosen = self.store.state.target
        if way.release is not None and not (chosen is not None and chosen.release.matches(way.release)):
            named = way.release.digest or way.release.commit or way.release.version
            first = (ChooseTarget(text=named, reason=f"a way on: {way.title}"),)
        return (*first, ProposePlan(procedure=self._procedure(way)))
