"""Stopping a run, and deciding about a step whose outcome a person must choose."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Button

from warroom.console.calls import call_rows
from warroom.console.screens.base import Dialog, Reason, button, rows
from warroom.console.steps import beside_the_look, taking_back
from warroom.console.text import line, wrapped
from warroom.model.call import Call
from warroom.model.intent import AbortRun, ClaimStep, ResolveStep
from warroom.model.plan import Step
from warroom.model.state import PlanState


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
    can = taking_back(step)[0]
    if not step.preview.inverse:
        can += f" ({step.preview.no_inverse or 'no inverse'})"
    if state.status in ("done", "claimed"):
        return f"stays done; {can}"
    if state.status == "intended":
        return f"is cut short after call {state.calls_made} of {len(step.preview.calls)}, and may be partly done; {can}"
    return "is not begun" if state.status == "planned" else f"stays {state.status}"


class ResolveScreen(Dialog):
    """A step that is UNKNOWN or failed: what check saw, and what happens to it now."""

    heading = "decide about a step"
    hint = "tab, arrows move · page keys scroll · enter goes on, then decides · esc"
    below_rows = 2
    step = ""

    def inside(self) -> ComposeResult:
        plan, waiting = self.store.plan, self.store.waiting_steps()
        if plan is None or not waiting:
            return
        self.step, state = waiting[0]
        self.hash, self.attempt = plan.hash, state.attempt
        step = next(s for s in plan.plan.steps if s.id == self.step)
        lines = [line((step.title, "bold"), f"  {state.status.upper()}, attempt {state.attempt}")]
        if state.look is not None:
            words = {"not-begun": "NOT BEGUN", "partly": "PARTLY DONE", "done": "DONE", "cannot-tell": "CAN'T TELL"}[
                state.look.verdict
            ]
            lines += wrapped(f"check says {words}: {state.look.seen}", 71, "bold $warning")
        else:
            lines.append(line(("check has not looked yet", "$warning")))
        if detail := beside_the_look(state):
            lines += wrapped(detail, 71)
        calls = f"{state.calls_made} of {len(step.preview.calls)} calls are known to have come back; not known of:"
        left = step.preview.calls[state.calls_made :]
        lines.append(line((calls if left else calls.partition(";")[0], "$text-muted")))
        for call in left:
            lines += call_rows(call, 71, "$accent", "$ ")
        yield rows(*lines)

    def below(self) -> ComposeResult:
        yield Reason("why (goes into the journal)", draft=f"resolve {self.step}", goes_on=True)

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
                lines += wrapped(text, 71, "$text-muted" if text.startswith("# ") else "$accent")
        proves = (
            "warroom looks itself whether it is done, and says so."
            if step.platform
            else "Nothing but your word can prove it: it stays “claimed”."
        )
        lines += wrapped(proves, 71, "$text-muted")
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
