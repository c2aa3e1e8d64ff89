"""After FAIL, INCONCLUSIVE, a stopped or a failed run: what to do next, each way with its plan worked out beside it."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList, Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, button
from warroom.console.text import line, wrapped
from warroom.console.theme import RISK
from warroom.model.base import span_text
from warroom.model.event import NextWay
from warroom.model.intent import ChooseTarget, Intent, ProposePlan, Undo, Verify
from warroom.model.live import EmergencyPage, EmergencyQuery, WaysPage, WaysQuery

_SAID = {
    "escalate": "calls the next people of the escalation path",
    "verify-again": "changes nothing",
    "put-back": "prepares a plan of what each step captured to take it back; you read it before it runs",
}


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
        self.query_one("#why", Static).update(Content("\n").join(wrapped(page.words, self._cells, "bold")))
        choice = self.query_one("#ways", Choice)
        choice.clear_options()
        choice.add_options(
            [line(f"{n}  ", (way.title, "bold" if n == 1 else "")) for n, way in enumerate(self.ways, 1)]
        )
        choice.highlighted = 0

    @property
    def _cells(self) -> int:
        return max(40, self.query_one("#inside").size.width - 2)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self.read(self._about(self.ways[event.option_index]), "way")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.pressed("take")

    async def _about(self, way: NextWay) -> None:
        """The plan that this way would prepare, worked out without preparing it."""
        about = self.query_one("#about-way", Static)
        if way.kind in _SAID:
            about.update(Content("\n").join(wrapped(_SAID[way.kind], self._cells, "$text-muted")))
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
            back = "" if step.preview.inverse or step.risk == "safe" else "  can't be taken back"
            lines.append(line((f"  {number} ", "$text-muted"), step.title, (back, "$warning")))
        for guard in page.held:
            lines += wrapped(guard.words, self._cells, "$error", "  ✖ ")
        return lines

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
        self.send(*self._intents(way))

    def _intents(self, way: NextWay) -> tuple[Intent, ...]:
        if way.kind == "verify-again":
            return (Verify(),)
        if way.kind == "put-back":
            return (Undo(run=way.run or ""),)
        first: tuple[Intent, ...] = ()
        if way.release is not None:
            named = way.release.digest or way.release.commit or way.release.version
            first = (ChooseTarget(text=named, reason="the last one did not recover"),)
        return (*first, ProposePlan(procedure=self._procedure(way)))
