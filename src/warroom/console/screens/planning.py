"""Choosing a procedure, its optional steps, and the steps that are done by hand."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList, Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, button, rows
from warroom.console.screens.choosing import propose
from warroom.console.screens.fields import Toggles
from warroom.console.text import line, wrapped
from warroom.model.base import span_text
from warroom.model.halted import stops_again
from warroom.model.intent import ProposePlan
from warroom.model.leading import leads_to
from warroom.model.procedures import Offer, offered
from warroom.model.units import listed


class ProcedureScreen(Dialog):
    """Which procedure, which of its "if needed" steps, and which steps are done by hand."""

    heading = "plan: choose the procedure"
    hint = "arrows choose · enter prepares · tab, space take steps along · esc"

    def __init__(self, client: Client, wanted: str = "") -> None:
        super().__init__(client)
        runbook = client.store.runbook
        self.wanted = wanted
        self.offers = offered(runbook, client.store.state) if runbook else ()
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
        yield Choice(*(self._prompt(offer) for offer in self.offers), name="procedures")
        yield Static("", id="about-procedure", markup=False)
        yield Toggles(name="steps")

    def _prompt(self, offer: Offer) -> Content:
        title = offer.procedure.title
        if offer.why_not:
            return line((f"{title}  – {offer.why_not}", "$text-disabled"))
        times = ", ".join(f"{span_text(e.least)} to {span_text(e.most)}" for e in offer.procedure.expected[:1])
        return line((title, "bold"), (f"  {times}", "$text-muted"))

    def buttons(self) -> ComposeResult:
        yield button("Prepare the plan", "prepare", "main")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        plan = self.store.plan.plan if self.store.plan is not None else None
        led = leads_to(self.store.runbook, self.store.state).procedure if self.store.runbook is not None else ""
        last = plan.procedure if plan is not None and plan.purpose == "rollback" else ""
        places = {
            offer.name: at for at, offer in enumerate(self.offers) if not offer.why_not or offer.name == self.wanted
        }
        if self.offers:  # the first of these that can be prepared, else the first of all: it says what it waits for
            meant = (places[name] for name in (self.wanted, led, last) if name in places)
            self.query_one("#procedures", Choice).highlighted = next(meant, 0)
        self.query_one("#procedures", Choice).focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_list.id != "procedures":
            return
        self.at = event.option_index
        offer = self.offers[self.at]
        procedure = offer.procedure
        lines = wrapped(procedure.use_when, 80, "$text-muted")
        if offer.lacks:
            lines += wrapped(f"{offer.why_not}, which this runbook does not configure", 80, "$warning", "? ")
        elif offer.targetless:
            lines += wrapped(f"needs a target: {self.store.key('target')} chooses one", 80, "$warning", "? ")
        if procedure.choices:
            asked = listed([choice.title for choice in procedure.choices.values()])
            lines += wrapped(f"you choose next: {asked}", 80, "$accent")
        halt = self.store.halt()
        stopped = stops_again(procedure) if halt is not None else {}
        if halt is not None and stopped:
            lines += wrapped(halt.words, 80, "bold", "▪ ")
        if not any(step.op for step in procedure.steps.values()):
            lines.append(line(("done by hand: you are shown the lines to paste", "$warning")))
        self.query_one("#about-procedure", Static).update(Content("\n").join(lines))
        self.query_one(Toggles).offer(
            [
                (f"include:{name}", line("take along: ", step.title))
                for name, step in procedure.steps.items()
                if step.if_needed and name not in stopped
            ]
            + [
                (f"manual:{name}", line(("by hand: ", "$text-muted"), step.title))
                for name, step in procedure.steps.items()
                if step.op and not step.if_needed and not step.after_stop and name not in stopped
            ]
        )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if event.option_list.id == "procedures":
            self.pressed("prepare")

    def pressed(self, name: str) -> None:
        if not self.offers:
            self.complain("The runbook has no procedures.")
            return
        chosen = self.query_one(Toggles).taken
        propose(
            self,
            ProposePlan(
                procedure=self.offers[self.at].name,
                include=tuple(c.removeprefix("include:") for c in chosen if c.startswith("include:")),
                manual=tuple(c.removeprefix("manual:") for c in chosen if c.startswith("manual:")),
            ),
        )
