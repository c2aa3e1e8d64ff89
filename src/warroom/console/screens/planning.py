"""Choosing a procedure, its optional steps, and the steps that are done by hand."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList, Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, Toggles, button, rows
from warroom.console.text import line, wrapped
from warroom.model.base import span_text
from warroom.model.intent import ProposePlan
from warroom.model.runbook import Procedure


class ProcedureScreen(Dialog):
    """Which procedure, which of its "if needed" steps, and which steps are done by hand."""

    heading = "plan: choose the procedure"
    hint = "arrows choose · enter prepares · tab, space take steps along · esc"

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
        plan = self.store.plan.plan if self.store.plan is not None else None
        last = self.wanted or (plan.procedure if plan is not None and plan.purpose == "rollback" else "")
        names = [name for name, _ in self.procedures]
        runbook = self.store.runbook
        usable = [
            n
            for n, p in self.procedures
            if runbook and p.kind == "rollback" and all(need in runbook.platforms for need in p.needs)
        ]
        known = dict(self.procedures)
        usable.sort(key=lambda name: not any(step.op for step in known[name].steps.values()))
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
        if not any(step.op for step in procedure.steps.values()):
            lines.append(line(("done by hand: you are shown the lines to paste", "$warning")))
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
