"""The emergency lane, and stopping writes: all of it on one screen, begun by the service's name and enter."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.events import Resize
from textual.widgets import Button, Input, Static

from warroom.console.calls import call_rows
from warroom.console.client import Client
from warroom.console.screens.base import Dialog, button
from warroom.console.screens.choosing import propose
from warroom.console.screens.fields import TypedName
from warroom.console.showing import show
from warroom.console.steps import changes_nothing, taking_all_back, taking_back
from warroom.console.text import line, wrapped
from warroom.console.theme import RISK
from warroom.model.base import span_text
from warroom.model.halted import ways_to_resume
from warroom.model.intent import ProposePlan, RunEmergency
from warroom.model.live import EmergencyPage, EmergencyQuery, Guard
from warroom.model.pages import LanePurpose
from warroom.model.plan import Plan, Step
from warroom.model.units import listed

HEADINGS: dict[LanePurpose, str] = {"rollback": "EMERGENCY: ROLL BACK", "stop-writes": "STOP WRITES"}


class EmergencyScreen(Dialog):
    """The target, the plan to the last Call, what holds it, and what the typed name waives. Nothing else is asked.

    What is shown is what runs: when it changes under the reader, the name is to be typed again.
    """

    fills = True

    def __init__(self, client: Client, purpose: LanePurpose = "rollback") -> None:
        super().__init__(client)
        self.purpose: LanePurpose = purpose
        self.heading = HEADINGS[purpose]
        self.page: EmergencyPage | None = None
        self.target = ""
        self.way = ""
        self._reason = ""
        self._basis: object = None
        self._asking = 0
        self._stale = False
        runbook = client.store.runbook
        named = runbook is not None and runbook.environment.kind != "drill"
        self.name_wanted = runbook.service if runbook is not None and named else ""
        self.hint = "esc goes back, and nothing is done" + ("" if named else " · enter begins")

    def inside(self) -> ComposeResult:
        yield Static(line(("working it out …", "$text-muted")), id="lane", markup=False)

    def below(self) -> ComposeResult:
        typed = Input(placeholder="a version, commit or digest, then enter", id="typed-target", max_length=300)
        typed.display = False
        yield typed
        ask = Static("", id="ask-name", markup=False)
        ask.display = bool(self.name_wanted)
        yield ask
        name = TypedName(self.name_wanted)
        name.display = bool(self.name_wanted)
        yield name

    def buttons(self) -> ComposeResult:
        yield button("Run it now" if self.purpose == "rollback" else "Stop writes now", "go", "danger")
        if self.purpose == "rollback":
            yield button("Stop writes first", "stop-first")
            yield button("Other target", "other-target")
        elif self._resuming():
            yield button("Let writes go on", "resume")
        if len(self._ways()) > 1:
            yield button("Other way", "other-way")
        yield button("Cancel", "cancel")

    def _resuming(self) -> str:
        """By which procedure writes go on again; empty where they are not stopped."""
        runbook, halt = self.store.runbook, self.store.halt()
        found = ways_to_resume(runbook, halt) if runbook is not None and halt is not None else ()
        return found[0] if found else ""

    @property
    def _resumes(self) -> str:
        """The title of what takes back a stop of writes, by hand too; empty for anything else."""
        return self.store.lets_go_on() if self.purpose == "stop-writes" else ""

    def _ways(self) -> list[str]:
        runbook = self.store.runbook
        procedures = runbook.procedures if runbook is not None else {}
        platforms = runbook.platforms if runbook is not None else {}
        found = [
            name
            for name, procedure in procedures.items()
            if procedure.kind == self.purpose
            and not procedure.choices
            and all(need in platforms for need in procedure.needs)
        ]
        # What is done by hand is for services that run elsewhere, where this one's platform has a way of its own.
        return [name for name in found if procedures[name].runs_itself] or found

    def on_mount(self) -> None:
        super().on_mount()
        inside = self.query_one("#inside")
        inside.can_focus = True
        if self.purpose == "rollback":
            self.query_one("#stop-first").display = False
        self._first().focus()
        self.frame()

    def _first(self) -> Input | Button:
        return self.query_one(TypedName) if self.name_wanted else self.query_one("#go", Button)

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self._draw()

    def frame(self) -> None:
        """Worked out again whenever what it rests on has moved; while it is being worked out, once that is there.

        On a slow engine things may move more often than it takes: then there would never be an answer.
        """
        state = self.store.state
        plan = state.plan
        basis = (
            state.incident.id if state.incident else "",
            state.driver,
            state.decision,
            state.target,
            len(state.sealed),
            (plan.hash, plan.status) if plan else None,
            self.store.running(),
            frozenset(state.proofs),
            frozenset(state.marks),
        )
        if basis != self._basis:
            self._basis = basis
            if self._asking:
                self._stale = True
            else:
                self._ask()

    def refused(self, reason: str) -> None:
        """What stood against it may have changed the plan as well: it is worked out again under the reason."""
        super().refused(reason)
        self._reason = f"{reason}."
        self._ask()

    def _ask(self) -> None:
        self.read(self._work_out(), "lane")

    async def _work_out(self) -> None:
        query = EmergencyQuery(purpose=self.purpose, target=self.target, procedure=self.way)
        self._stale = False
        self._asking += 1
        try:
            page = await self.client.ask(query, EmergencyPage)
        finally:
            self._asking -= 1
            if self._stale and not self._asking and self.is_mounted:
                self.call_later(self._ask)
        was, self.page = self.page, page
        if was is not None and was.hash and was.hash != page.hash:
            self.query_one(TypedName).value = ""
            self.complain(f"{self._reason} What would run has changed: read it again.".strip())
        elif was is not None and (was.problem or was.held) and not page.problem:
            self.complain("")
        self.query_one("#go", Button).disabled = bool(page.held) or page.plan is None
        if self.purpose == "rollback":
            self.query_one("#stop-first").display = page.stop_writes_first
        if page.plan is None and not self.target and self.purpose == "rollback" and was is None:
            self._type_target()
        self._draw()

    # Drawing

    @property
    def _cells(self) -> int:
        return max(40, self.query_one("#inside").size.width - 2)

    def _draw(self) -> None:
        page = self.page
        if page is None or not self.is_mounted:
            return
        cells = self._cells
        lines: list[Content] = []
        if page.stop_writes_first:
            lines += wrapped("data may be in danger: stop writes first", cells, "$error bold", "✖ ")
        halt = self.store.halt()
        if halt is not None and self.purpose == "stop-writes":
            lines += wrapped(f"{halt.words}: “Let writes go on” prepares what starts them again", cells, "bold", "▪ ")
        for guard in page.held:
            lines += wrapped(f"HELD: {guard.words}", cells, "$error bold", "✖ ")
        if page.plan is None:
            lines += wrapped(page.problem, cells, "$error", "✖ ")
        else:
            lines += self._goal(page, page.plan, cells)
            if page.waives:
                does = "typing the name waives" if self.name_wanted else "going on waives"
                lines.append(line((f"{does} these; they stay on the checklist:", "$warning")))
                lines += self._waived(page, cells)
            for number, step in enumerate(page.plan.steps, 1):
                lines += _step(number, step, cells, self._resumes)
        show(self.query_one("#lane", Static), Content("\n").join(lines))
        if self.name_wanted:
            opens = "opens an incident, " if page.opens else ""
            wheel = "" if self.store.state.driver == self.store.me else "takes the wheel, and "
            words = line("Type ", (self.name_wanted, "bold"), f", then enter: {opens}{wheel}it begins")
            self.query_one("#ask-name", Static).update(words)

    def _waived(self, page: EmergencyPage, cells: int) -> list[Content]:
        """One below the other where there is room, else one after the other."""
        told = list(dict.fromkeys(_brief(guard, page) for guard in page.waives))
        if self.has_class("-short"):
            return wrapped(" · ".join(told), cells, "", "  ~ ")
        return [row for words in told for row in wrapped(words, cells, "", "  ~ ")]

    def _goal(self, page: EmergencyPage, plan: Plan, cells: int) -> list[Content]:
        risk, style = RISK[plan.risk]
        back = taking_all_back(plan.steps, self._resumes)
        about = f", about {span_text(plan.expected_s)}" if plan.expected_s else ""
        goal = plan.title
        if plan.target is not None:
            runs = page.running.name if page.running else "what runs now"
            goal = f"{runs} → {plan.target.name}"
        lines = [line((goal, "bold"), "  ", (risk, style), (f" · {back}{about}", "$text-muted"))]
        if plan.target is not None:
            lines += wrapped(f"{plan.title}: {page.reason}", cells, "$text-muted")
        if page.diff is not None:
            took = page.diff
            counted = (("commit", took.commits), ("migration", took.migrations), ("file", took.files))
            parts = [f"{len(n)} {word}{'s' if len(n) > 1 else ''}" for word, n in counted if n]
            if parts:
                lines.append(line((f"takes away {', '.join(parts)}", "$text-muted")))
        if page.first:
            kept = ", ".join(page.first)
            lines += wrapped(f"captures {kept} first, for at most {span_text(page.first_s)}", cells, "$accent")
        return lines

    # Doing

    def _type_target(self) -> None:
        typed = self.query_one("#typed-target", Input)
        typed.display = True
        typed.focus()

    def on_typed_name_pasted(self, event: TypedName.Pasted) -> None:
        self.complain("Paste is refused here: type the name.")

    def on_input_changed(self, event: Input.Changed) -> None:
        """The opening key, held or struck again, is no part of the name."""
        opening = self.store.key("emergency" if self.purpose == "rollback" else "stop-writes")
        if event.input.id == "typed" and event.value and not event.value.strip(opening):
            event.input.value = "" if not self.name_wanted.startswith(opening) else event.value

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.input.id == "typed-target":
            self.target = event.value.strip()
            self.page = None
            self._ask()
            self._first().focus()
        else:
            self.pressed("go")

    def pressed(self, name: str) -> None:
        if name == "stop-first":
            self.leave()
            self.app.push_screen(EmergencyScreen(self.client, "stop-writes"))
        elif name == "resume":
            propose(self, ProposePlan(procedure=self._resuming()))
        elif name == "other-target":
            self._type_target()
        elif name == "other-way":
            ways, now = self._ways(), self.page.plan.procedure if self.page and self.page.plan else ""
            self.way = ways[(ways.index(now) + 1) % len(ways)] if now in ways else ways[0]
            self.page = None
            self._ask()
        else:
            self._go()

    def _go(self) -> None:
        page = self.page
        if page is None:
            self.complain("It is still being worked out: a moment, then enter again.")
        elif page.plan is None:
            self.complain(f"There is nothing to run: {page.problem}")
        elif page.held:
            self.complain(f"It is held: {page.held[0].words}")
        elif self.name_wanted and not (typed := self.query_one(TypedName)).right:
            self.complain(f"That is not {self.name_wanted}." if typed.value else f"Type {self.name_wanted} first.")
            typed.focus()
        else:
            self.send(RunEmergency(hash=page.hash, confirm=self.query_one(TypedName).value if self.name_wanted else ""))


_BRIEF = ("evidence", "decision", "notified", "cause", "schema", "target-unseen", "second-person")


def _brief(guard: Guard, page: EmergencyPage) -> str:
    """Without what to do about it: here it is waived. What is captured first is no step's own matter any more."""
    if guard.id.startswith("evidence-") and page.first:
        return f"What is not captured of {listed(page.first)} by then is lost"
    return guard.words.partition(": ")[0] if guard.id in _BRIEF else guard.words


def _step(number: int, step: Step, cells: int, resumes: str = "") -> list[Content]:
    """A step with exactly what would be done, and what would take it back."""
    risk, style = RISK[step.risk]
    by = " by hand" if step.manual else ""
    lines = [line((f"{number} {step.title}", "bold"), (by, "$warning"), "  ", (risk, style))]
    for call in step.preview.calls:
        lines += call_rows(call, cells, "$accent", "  $ ")
    if step.preview.inverse is None and changes_nothing(step):
        said = f"changes nothing: {step.preview.no_inverse}"
        return lines + (wrapped(said, cells, "$text-muted", "  ") if step.risk != "safe" else [])
    if step.preview.inverse is None:
        words, style = taking_back(step, resumes)
        return lines + wrapped(f"{words}: {step.preview.no_inverse or 'no inverse is known'}", cells, style, "  ")
    for call in step.preview.inverse:
        lines += call_rows(call, cells, "$text-muted", "  back: ")
    return lines
