"""Running, stopping, and deciding about a step whose outcome a person must choose."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Button, Input, Static

from warroom.console.client import Client
from warroom.console.screens.base import Dialog, Reason, TypedName, button, rows
from warroom.console.text import line, wrapped
from warroom.console.theme import RISK
from warroom.model.base import span_text
from warroom.model.call import Call
from warroom.model.intent import AbortRun, ClaimStep, ResolveStep, RunPlan
from warroom.model.live import Guard, GuardsPage, GuardsQuery
from warroom.model.plan import Step
from warroom.model.state import PlanState
from warroom.model.units import many


class RunScreen(Dialog):
    """The last look. Guards say why not; soft ones are waived with a reason; production asks for the service's name."""

    heading = "RUN"
    hint = "tab moves · enter presses · esc goes back"
    below_rows = 5

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        plan = client.store.plan
        if plan is None:
            raise ValueError("RunScreen is opened for a plan")
        self.plan: PlanState = plan
        self.guards: tuple[Guard, ...] | None = None
        runbook = client.store.runbook
        self.name_wanted = runbook.service if runbook and runbook.environment.kind == "production" else ""
        self._seen = -1

    def inside(self) -> ComposeResult:
        yield Static("", id="what", markup=False)
        yield Static(line(("looking whether anything stands against it …", "$text-muted")), id="guards", markup=False)

    def below(self) -> ComposeResult:
        yield Reason("why you waive these (needed)", draft="waive guards")
        yield Static(
            line("To run it, type the service's name: ", (self.name_wanted, "bold")), id="ask-name", markup=False
        )
        yield TypedName(self.name_wanted)

    def buttons(self) -> ComposeResult:
        yield button("Run it", "run", "danger")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Reason).display = False
        self._ask_name()
        steps = self.plan.plan.steps
        risk, style = RISK[self.plan.plan.risk]
        target = self.plan.plan.target
        goal = f" → {target.name}" if target else ""
        about = f", about {span_text(self.plan.plan.expected_s)}" if self.plan.plan.expected_s else ""
        lines = [
            line((self.plan.plan.title + goal, "bold"), "  ", (risk, style)),
            line(
                (
                    f"{many(len(steps), 'step')}{about} · {self.plan.hash[:19]}…",
                    "$text-muted",
                )
            ),
            *(
                line(("  " + str(n), "$text-muted"), f" {s.title}", (" by hand" if s.manual else "", "$warning"))
                for n, s in enumerate(steps, 1)
            ),
        ]
        self.query_one("#what", Static).update(Content("\n").join(lines))
        self.query_one("#cancel" if self.name_wanted else "#run", Button).focus()
        if self.name_wanted:
            self.query_one(TypedName).focus()
        self.frame()

    def _ask_name(self) -> None:
        for name in ("#ask-name", "#typed"):
            self.query_one(name).display = bool(self.name_wanted)

    def frame(self) -> None:
        """The guards are read again whenever the state moved."""
        if self.store.state.seq != self._seen:
            self._seen = self.store.state.seq
            self.read(self._read_guards(), "guards")

    async def _read_guards(self) -> None:
        page = await self.client.ask(GuardsQuery(), GuardsPage)
        self.guards = page.guards
        if page.name_to_type and page.name_to_type != self.name_wanted:
            self.name_wanted = self.query_one(TypedName).wanted = page.name_to_type
            self.query_one("#ask-name", Static).update(line("To run it, type the name: ", (page.name_to_type, "bold")))
            self._ask_name()
        lines, cells = [], min(72, self.size.width - 14)
        for guard in sorted(page.guards, key=lambda g: not g.hard):
            sign, style = ("✖ held: ", "$error bold") if guard.hard else ("! ", "$warning")
            lines += wrapped(guard.words, cells, "" if guard.hard else "$warning", sign)
            lines[-1] = lines[-1].stylize(style, 0, len(sign)) if len(lines[-1]) >= len(sign) else lines[-1]
        soft, hard = self._soft(), [g for g in page.guards if g.hard]
        if not page.guards:
            lines = [line(("✔ ", "$success"), "nothing stands against it")]
        elif hard:
            lines.append(line(("It can't run until these are gone.", "$error")))
        elif soft:
            lines.append(line(("These can be waived with a reason; they stay on the checklist.", "$text-muted")))
        self.query_one("#guards", Static).update(Content("\n").join(lines))
        reason = self.query_one(Reason)
        was, reason.display = reason.display, bool(soft) and not hard
        if reason.display and not was and not self.name_wanted:
            reason.focus()
        self.query_one("#run", Button).disabled = bool(hard)

    def _soft(self) -> tuple[Guard, ...]:
        return tuple(g for g in self.guards or () if not g.hard)

    def on_typed_name_pasted(self, event: TypedName.Pasted) -> None:
        self.complain("Paste is refused here: type the name.")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.pressed("run")

    def pressed(self, name: str) -> None:
        now = self.store.plan
        if now is None or now.hash != self.plan.hash:
            self.complain("Another plan has taken this one's place: go back and read it first.")
        elif self.guards is None:
            self.complain("The guards have not been read yet.")
        elif any(g.hard for g in self.guards):
            self.complain("It is held: " + next(g.words for g in self.guards if g.hard))
        elif self._soft() and not (reason := self.query_one(Reason)).said:
            self.complain("Say why you waive what stands against it.")
            reason.focus()
        elif self.name_wanted and not (typed := self.query_one(TypedName)).right:
            self.complain(f"That is not {self.name_wanted}.")
            typed.focus()
        else:
            confirm = self.query_one(TypedName).value if self.name_wanted else ""
            waive = tuple(g.id for g in self._soft())
            self.send(
                RunPlan(
                    hash=self.plan.hash,
                    confirm=confirm,
                    waive=waive,
                    reason=self.query_one(Reason).said if waive else "",
                )
            )


class AbortScreen(Dialog):
    """Says what state is left behind before it asks.

    One letter stops the run, and only that: two keys in all, and none that a reflex, a click, a paste or a key held
    down would press.
    """

    heading = "ABORT"
    hint = "Y stops it · enter or esc keeps it running"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("Y", "stop", "stop the run", show=False)]

    def inside(self) -> ComposeResult:
        plan = self.store.plan
        if plan is None:
            return
        lines = [line(("Stopping now leaves this behind:", "bold"))]
        for index, step in enumerate(plan.plan.steps, 1):
            lines += wrapped(f"{index} {step.title}: {_left(step, plan)}", 72, "", "  ")
        lines.append(
            line((f"{self.store.key('undo')} then prepares a plan that takes back what was done.", "$text-muted"))
        )
        yield rows(*lines)

    def buttons(self) -> ComposeResult:
        yield button("Keep it running", "cancel")
        yield button("Stop it: Y", "abort", "danger")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#cancel", Button).focus()

    def pressed(self, name: str) -> None:
        self.complain("It goes on: Y stops it, and no other key does.")

    def action_stop(self) -> None:
        plan = self.store.plan
        if plan is not None:
            self.send(AbortRun(hash=plan.hash))


def _left(step: Step, plan: PlanState) -> str:
    state = plan.steps[step.id]
    can = (
        "can be taken back"
        if step.preview.inverse
        else f"can't be taken back ({step.preview.no_inverse or 'no inverse'})"
    )
    if state.status in ("done", "claimed"):
        return f"stays done; {can}"
    if state.status == "intended":
        return f"is cut short after call {state.calls_made} of {len(step.preview.calls)}, and may be partly done; {can}"
    return "is not begun" if state.status == "planned" else f"stays {state.status}"


class ResolveScreen(Dialog):
    """A step that is UNKNOWN or failed: what check saw, and what happens to it now."""

    heading = "decide about a step"
    hint = "tab and arrows choose · enter decides · esc goes back"

    def inside(self) -> ComposeResult:
        plan, waiting = self.store.plan, self.store.waiting_steps()
        if plan is None or not waiting:
            return
        self.step, state = waiting[0]
        self.hash, self.attempt = plan.hash, state.attempt
        step = next(s for s in plan.plan.steps if s.id == self.step)
        lines = [line((step.title, "bold"), f"  {state.status.upper()}, attempt {state.attempt}")]
        calls = f"{state.calls_made} of {len(step.preview.calls)} calls are known to have come back"
        lines.append(line((calls, "$text-muted")))
        if state.detail:
            lines += wrapped(state.detail, 72)
        if state.look is not None:
            words = {"not-begun": "NOT BEGUN", "partly": "PARTLY DONE", "done": "DONE", "cannot-tell": "CAN'T TELL"}[
                state.look.verdict
            ]
            lines += wrapped(f"check says {words}: {state.look.seen}", 72, "bold $warning")
        else:
            lines.append(line(("check has not looked yet", "$warning")))
        for call in step.preview.calls[state.calls_made :]:
            lines += wrapped(call.paste(), 72, "$accent", "$ ", "  ")
        yield rows(*lines)
        yield Reason("why (goes into the journal)", draft=f"resolve {self.step}")

    def buttons(self) -> ComposeResult:
        yield button("Done", "done")
        yield button("Run again", "again")
        yield button("Take back", "undo")
        yield button("Skip", "skip")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#cancel", Button).focus()

    def pressed(self, name: str) -> None:
        reason = self.query_one(Reason).said
        self.send(
            ResolveStep(
                hash=self.hash,
                step=self.step,
                attempt=self.attempt,
                choice="done"
                if name == "done"
                else "again"
                if name == "again"
                else "undo"
                if name == "undo"
                else "skip",
                reason=reason,
            )
        )


class ClaimScreen(Dialog):
    """A manual step: what to do elsewhere, ready to paste; then what came out of it."""

    heading = "a step by hand"
    hint = "ctrl+y copies what to do · ctrl+s claims it · esc goes back"
    calls: tuple[Call, ...] = ()
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+y", "copy_calls", "copy what to do", show=False, priority=True)
    ]

    def inside(self) -> ComposeResult:
        plan, manual = self.store.plan, self.store.manual_steps()
        if plan is None or not manual:
            return
        self.step, state = manual[0]
        self.hash, self.attempt = plan.hash, state.attempt
        step = next(s for s in plan.plan.steps if s.id == self.step)
        self.calls = step.preview.calls
        lines = [line((step.title, "bold"))]
        for call in step.preview.calls:
            for text in call.paste().split("\n"):
                lines += wrapped(text, 74, "$text-muted" if text.startswith("# ") else "$accent")
        proves = (
            "warroom looks itself whether it is done, and says so."
            if step.platform
            else "Nothing but your word can prove it: it stays “claimed”."
        )
        lines += wrapped(proves, 74, "$text-muted")
        yield rows(*lines)
        yield Reason("paste what came out of it", name="output", draft=f"claim {self.step} {self.attempt}")

    def buttons(self) -> ComposeResult:
        yield button("I did this", "claim", "main")
        yield button("Copy what to do", "copy")
        yield button("Not yet", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#output", Reason).focus()

    def action_confirm(self) -> None:
        self.pressed("claim")

    def action_copy_calls(self) -> None:
        self.copy("\n".join(call.paste() for call in self.calls) + "\n", "what to do")

    def pressed(self, name: str) -> None:
        if name == "copy":
            self.action_copy_calls()
            return
        output = self.query_one("#output", Reason).said
        self.send(ClaimStep(hash=self.hash, step=self.step, attempt=self.attempt, output=output[:65536]))
