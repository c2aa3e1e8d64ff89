"""Choosing a procedure, and reading the plan to the last call."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.content import Content
from textual.events import Resize
from textual.widgets import OptionList, Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, Toggles, button, rows
from warroom.console.text import line, wrapped
from warroom.console.theme import RISK, mark
from warroom.model.base import span_text
from warroom.model.call import Call
from warroom.model.intent import ApprovePlan, ProposePlan
from warroom.model.plan import Step
from warroom.model.runbook import Procedure
from warroom.model.state import PlanState, StepState


class ProcedureScreen(Dialog):
    """Which procedure, which of its "if needed" steps, and which steps are done by hand."""

    heading = "plan: choose the procedure"
    hint = "arrows choose · enter prepares · tab to the steps, space takes one along · esc goes back"

    def __init__(self, client: Client, wanted: str = "") -> None:
        super().__init__(client)
        runbook = client.store.runbook
        self.wanted = wanted
        self.procedures: tuple[tuple[str, Procedure], ...] = tuple(runbook.procedures.items()) if runbook else ()
        self.at = 0

    def inside(self) -> ComposeResult:
        target = self.store.state.target
        yield rows(
            line("Target: ", (target.release.name, "bold"), ("  " + target.reason, "$text-muted"))
            if target
            else line(
                (f"No target is chosen yet ({self.store.key('target')}): ", "$warning"),
                ("only a procedure without one can be prepared.", "$warning"),
            )
        )
        yield Choice(*(self._prompt(name, procedure) for name, procedure in self.procedures), name="procedures")
        yield Static("", id="about-procedure", markup=False)
        yield Toggles(name="steps")

    def _prompt(self, name: str, procedure: Procedure) -> Content:
        times = ", ".join(f"{span_text(e.least)} to {span_text(e.most)}" for e in procedure.expected[:1])
        return line((procedure.title, "bold"), (f"  {times}", "$text-muted"))

    def buttons(self) -> ComposeResult:
        yield button("Prepare the plan", "prepare", "main")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        last = self.wanted or (self.store.plan.plan.procedure if self.store.plan else "")
        names = [name for name, _ in self.procedures]
        runbook = self.store.runbook
        usable = [
            n
            for n, p in self.procedures
            if runbook and p.kind == "rollback" and all(need in runbook.platforms for need in p.needs)
        ]
        first = last if last in names else usable[0] if usable else names[0] if names else ""
        if first:
            self.query_one("#procedures", Choice).highlighted = names.index(first)
        self.query_one("#procedures", Choice).focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_list.id != "procedures":
            return
        self.at = event.option_index
        _, procedure = self.procedures[self.at]
        runbook = self.store.runbook
        lines = wrapped(procedure.use_when, 80, "$text-muted")
        missing = [need for need in procedure.needs if runbook is not None and need not in runbook.platforms]
        if missing:
            lines.append(
                line(
                    ("? ", "$warning"),
                    (f"needs {', '.join(missing)}, which this runbook does not configure", "$warning"),
                )
            )
        self.query_one("#about-procedure", Static).update(Content("\n").join(lines))
        self.query_one(Toggles).offer(
            [
                (f"include:{name}", line("take along: ", step.title))
                for name, step in procedure.steps.items()
                if step.if_needed
            ]
            + [
                (f"manual:{name}", line(("by hand: ", "$text-muted"), step.title))
                for name, step in procedure.steps.items()
                if step.op
            ]
        )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if event.option_list.id == "procedures":
            self.pressed("prepare")

    def pressed(self, name: str) -> None:
        if not self.procedures:
            self.complain("The runbook has no procedures.")
            return
        chosen = self.query_one(Toggles).taken
        self.send(
            ProposePlan(
                procedure=self.procedures[self.at][0],
                include=tuple(c.removeprefix("include:") for c in chosen if c.startswith("include:")),
                manual=tuple(c.removeprefix("manual:") for c in chosen if c.startswith("manual:")),
            )
        )


class PlanScreen(Dialog):
    """The whole plan: what is shown here is what runs, to the byte."""

    heading = "the plan"
    hint = "arrows scroll · tab to the buttons · esc goes back"

    def __init__(self, client: Client, run: Callable[[], None], other: Callable[[], None]) -> None:
        super().__init__(client)
        self.run_it, self.other = run, other
        self._shown = ""

    def inside(self) -> ComposeResult:
        yield Static("", id="whole", markup=False)

    def buttons(self) -> ComposeResult:
        plan = self.store.plan
        if plan is not None and plan.status in ("proposed", "approved"):
            yield button("Run it …", "run", "main")
            if self.store.me not in plan.approvals:
                yield button("Approve", "approve")
        yield button("Another procedure …", "other")
        yield button("Close", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        inside = self.query_one("#inside")
        inside.can_focus = True
        inside.focus()
        self.frame()

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self._shown = ""
        self.frame()

    def frame(self) -> None:
        plan = self.store.plan
        if plan is None or (said := repr((plan.hash, plan.status, plan.approvals, plan.steps))) == self._shown:
            return
        self._shown = said
        cells = max(40, self.query_one("#inside").size.width - 3)
        self.query_one("#whole", Static).update(Content("\n").join(whole_plan(plan, cells)))

    def pressed(self, name: str) -> None:
        plan = self.store.plan
        if plan is None:
            return
        if name == "approve":
            self.send(ApprovePlan(hash=plan.hash))
            return
        self.leave()
        self.run_it() if name == "run" else self.other()


def whole_plan(plan: PlanState, cells: int) -> list[Content]:
    """Every step with its calls, what takes it back, its risk, and what must still hold when it starts."""
    target = plan.plan.target
    lines = [
        line(
            (plan.plan.title, "bold"),
            f" · {plan.status}",
            (f" · about {span_text(plan.plan.expected_s)}" if plan.plan.expected_s else "", "$text-muted"),
        )
    ]
    if target is not None:
        named = target.digest or target.commit or ""
        lines += wrapped(f"target {target.name}  {named}", cells, "")
    lines += wrapped(f"hash {plan.hash}", cells, "$text-muted")
    if plan.approvals:
        lines += wrapped("approved by " + ", ".join(plan.approvals), cells, "$success")
    if plan.void_reason:
        lines += wrapped(f"voided: {plan.void_reason}", cells, "$error bold")
    for note in plan.plan.notes:
        lines += wrapped(note, cells, "$warning", "! ")
    for index, step in enumerate(plan.plan.steps, 1):
        lines += [Content(""), *_step(index, step, plan.steps.get(step.id, StepState()), cells)]
    return lines


def _step(index: int, step: Step, state: StepState, cells: int) -> list[Content]:
    sign, style = mark(state.status)
    risk, risk_style = RISK[step.risk]
    preview = step.preview
    about = f"  about {span_text(preview.expected_s)}, at most {span_text(preview.timeout_s)}"
    lines = [
        line((f"{sign} ", style), (f"{index} {step.title}", "bold"), "  ", (risk, risk_style), (about, "$text-muted"))
    ]
    by = "by hand" if step.manual else f"{step.platform}.{step.operation} ({step.plugin} {step.plugin_version})"
    lines.append(line(("    " + by, "$text-muted")))
    lines += _calls(preview.calls, cells, "    ", "$accent")
    if preview.inverse:
        lines.append(line(("    taken back by", "$text-muted")))
        lines += _calls(preview.inverse, cells, "      ", "")
    else:
        lines += wrapped(
            f"can't be taken back: {preview.no_inverse or 'no inverse is known'}", cells, "$warning", "    "
        )
    if preview.destroys:
        lines += wrapped("sealed before it: " + ", ".join(preview.destroys), cells, "$text-muted", "    ")
    for name, value in preview.pinned.items():
        lines += wrapped(f"must still hold: {name} = {value}", cells, "$text-muted", "    ")
    for note in preview.notes:
        lines += wrapped(note, cells, "$warning", "    ! ")
    return lines


def _calls(calls: tuple[Call, ...], cells: int, indent: str, style: str) -> list[Content]:
    lines: list[Content] = []
    for call in calls:
        lines += wrapped(call.paste(), cells, style, indent + "$ ", indent + "  ")
    return lines
