"""The plan to be read: its steps with what each would do, change and take back; and what lies between the releases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.widgets import OptionList, Static

from warroom.console.calls import call_rows, in_full
from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, button
from warroom.console.steps import changes_nothing, taking_back
from warroom.console.text import cut, line, spread, wrapped
from warroom.console.theme import RISK, mark
from warroom.model.base import span_text
from warroom.model.call import Call
from warroom.model.choice import Chosen
from warroom.model.intent import ApprovePlan
from warroom.model.plan import Step
from warroom.model.release import ReleaseDiff
from warroom.model.state import PlanState, StepState
from warroom.model.units import many


class PlanScreen(Dialog):
    """What is shown here is what runs, to the byte. The first line is the plan, then its steps; details below."""

    heading = "the plan"
    fills = True
    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "copy_calls", "copy the step's Calls", show=False)]

    def __init__(self, client: Client, run: Callable[[], None], other: Callable[[], None]) -> None:
        super().__init__(client)
        self.run_it, self.other = run, other
        self.at = 0
        self._shown: object = None
        runs, another = client.store.key("run"), client.store.key("plan")
        self.hint = f"arrows · tab to details · {runs} runs it · {another} another · y copies Calls · esc"

    def inside(self) -> ComposeResult:
        yield Choice(name="plan-steps")
        with VerticalScroll(id="details"):
            yield Static("", id="detail", markup=False)

    def buttons(self) -> ComposeResult:
        plan = self.store.plan
        if plan is not None and plan.status in ("proposed", "approved", "failed", "unknown"):
            yield button("Run it …", "run", "main")
            if plan.status in ("proposed", "approved") and self.store.me not in plan.approvals:
                yield button("Approve", "approve")
        yield button("Another procedure …", "other")
        yield button("Close", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.bind_keys()
        self.query_one("#plan-steps", Choice).focus()
        self.call_after_refresh(self.frame)

    def bind_keys(self) -> None:
        """The main screen's keys go on from here: the one that runs a plan to running it, the plan's own to another."""
        by_action = self.store.keys.by_action
        self._bindings.bind(by_action["run"], "run", show=False)
        self._bindings.bind(by_action["plan"], "other", show=False)

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self._shown = None
        self.frame()

    @property
    def _cells(self) -> int:
        return max(40, self.query_one("#inside").size.width - 2)

    def frame(self) -> None:
        plan = self.store.plan
        if plan is None or self.query_one("#inside").size.width < 10:
            return
        said = (plan.hash, plan.status, plan.approvals, plan.void_reason, tuple(plan.steps.values()))
        if said == self._shown:
            return
        self._shown = said
        choice = self.query_one("#plan-steps", Choice)
        choice.clear_options()
        choice.add_options([_headline(plan, self._cells), *_rows(plan, self._cells)])
        choice.highlighted = min(self.at, len(plan.plan.steps))
        self._detail()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_index != self.at:
            self.at = event.option_index
            self._detail()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.query_one("#details").focus()

    def _detail(self) -> None:
        plan = self.store.plan
        if plan is None:
            return
        steps = plan.plan.steps
        target = self.store.state.target
        diff = target.diff if target is not None and plan.plan.target == target.release else None
        lines = about_plan(plan, diff, self._cells) if self.at == 0 else about_step(steps[self.at - 1], self._cells)
        self.query_one("#detail", Static).update(Content("\n").join(lines))
        self.query_one("#details").scroll_home(animate=False)

    def action_run(self) -> None:
        self.pressed("run")

    def action_other(self) -> None:
        self.pressed("other")

    def action_copy_calls(self) -> None:
        plan = self.store.plan
        if plan is None:
            return
        steps = plan.plan.steps if self.at == 0 else (plan.plan.steps[self.at - 1],)
        self.copy("\n".join(call.paste() for step in steps for call in step.preview.calls) + "\n", "the Calls")

    def pressed(self, name: str) -> None:
        plan = self.store.plan
        if plan is None:
            return
        if name == "approve":
            self.send(ApprovePlan(hash=plan.hash))
            return
        self.leave()
        self.run_it() if name == "run" else self.other()


def _headline(plan: PlanState, cells: int) -> Content:
    goal = f" → {plan.plan.aim}" if plan.plan.aim else ""
    risk, style = RISK[plan.plan.risk]
    about = f"about {span_text(plan.plan.expected_s)}" if plan.plan.expected_s else ""
    left, end = line((plan.plan.title + goal, "bold"), f" · {plan.status}"), line((risk, style))
    whole = line((f"{about}  ", "$text-muted"), (risk, style)) if about else end
    # Where it is narrow the title is cut, never what it risks.
    return spread(left, whole if left.cell_length + whole.cell_length < cells else end, cells)


def _rows(plan: PlanState, cells: int) -> Iterator[Content]:
    for number, step in enumerate(plan.plan.steps, 1):
        sign, style = mark(plan.steps.get(step.id, StepState()).status)
        risk, risk_style = RISK[step.risk]
        by = " by hand" if step.manual else ""
        left = line((f"{sign} ", style), f"{number} {step.title}", (by, "$warning"), "  ", (risk, risk_style))
        yield spread(left, line(taking_back(step)), cells)


def about_plan(plan: PlanState, diff: ReleaseDiff | None, cells: int) -> list[Content]:
    """The whole of it: where to, what lies between, who has approved, and what an approval binds."""
    target = plan.plan.target
    lines: list[Content] = []
    if plan.void_reason:
        lines += wrapped(f"voided: {plan.void_reason}", cells, "$error bold")
    lines += what_is_lost(plan.plan.steps, cells)
    for chosen in plan.plan.choices:
        lines += what_was_chosen(chosen, cells)
    if target is not None:
        lines += wrapped(f"target {target.name}  {target.digest or target.commit or ''}", cells)
    named = (each.value for each in plan.plan.choices if each.value != each.words)
    lines += [row for value in named for row in wrapped(value, cells, "$text-muted")]
    for number, step in enumerate(plan.plan.steps, 1):
        lines += _calls(step.preview.calls, cells, f"{number} ", "$accent")
    for note in plan.plan.notes:
        lines += wrapped(note, cells, "$warning", "! ")
    if target is not None:
        lines += what_lies_between(diff, cells)
    if plan.approvals:
        lines += wrapped("approved by " + ", ".join(plan.approvals), cells, "$success")
    for platform, seen in plan.plan.fingerprint.items():
        lines += wrapped(f"made for {platform} {seen}", cells, "$text-muted")
    return lines + wrapped(f"hash {plan.hash.removeprefix('sha256:')}", cells, "$text-muted")  # one line of eighty


def what_is_lost(steps: Sequence[Step], cells: int) -> list[Content]:
    """Before anything else of it: this is what is approved, or not."""
    return [row for step in steps for words in step.preview.loses for row in wrapped(words, cells, "$error", "✖ ")]


def what_was_chosen(chosen: Chosen, cells: int) -> list[Content]:
    """By the name that people know it by, and what speaks against it."""
    lines = wrapped(f"{chosen.title}: {chosen.words}", cells, "bold")
    return lines + (wrapped(f"{chosen.called}: {chosen.doubt}", cells, "$warning", "! ") if chosen.doubt else [])


def what_lies_between(diff: ReleaseDiff | None, cells: int, most: int = 12) -> list[Content]:
    """What going back takes away, by kind: what changes data and settings first."""
    if diff is None:
        return wrapped("what lies between is not known", cells, "$warning", "? ")
    lines = [row for note in diff.notes for row in wrapped(note, cells, "$warning", "! ")]
    config = tuple(name for name in diff.files if _is_config(name))
    rest = tuple(name for name in diff.files if name not in config)
    kinds = (
        *(("migration", diff.migrations), ("configuration key", diff.config_keys or ()), ("settings file", config)),
        *(("commit", diff.commits), ("file", rest)),
    )
    for one, entries in kinds:
        if entries:
            lines.append(line((f"{many(len(entries), one)} taken back", "underline")))
            lines += [line("  ", cut(entry, cells - 2)) for entry in entries[:most]]
            if len(entries) > most:
                lines.append(line((f"  and {len(entries) - most} more", "$text-muted")))
    if diff.config_keys is None:
        lines += wrapped("which configuration keys changed is not known", cells, "$text-muted", "? ")
    return lines or [line(("nothing lies between", "$text-muted"))]


def _is_config(name: str) -> bool:
    """A file that settings are kept in, by its name."""
    last = name.rpartition("/")[2].lower()
    ends = (".env", ".toml", ".ini", ".cfg", ".conf", ".yaml", ".yml", ".json", ".properties")
    return last.startswith((".env", "dockerfile", "docker-compose", "settings.", "config.")) or last.endswith(ends)


def about_step(step: Step, cells: int) -> list[Content]:
    """One step: who does it, exactly what, what that changes, and what must still be so when it begins."""
    preview = step.preview
    by = "by hand" if step.manual else f"{step.platform}.{step.operation} ({step.plugin} {step.plugin_version})"
    about = f" · about {span_text(preview.expected_s)}" if preview.expected_s else ""
    lines = [line((f"{by}{about} · at most {span_text(preview.timeout_s)}", "$text-muted"))]
    lines += what_is_lost([step], cells)
    lines += _calls(preview.calls, cells, "", "$accent")
    if preview.inverse:
        lines.append(line(("taken back by", "$text-muted")))
        lines += _calls(preview.inverse, cells, "  ", "")
    elif changes_nothing(step):
        lines += wrapped(f"changes nothing: {preview.no_inverse or 'it only looks'}", cells, "$text-muted")
    else:
        words, style = taking_back(step)
        lines += wrapped(f"{words}: {preview.no_inverse or 'no inverse is known'}", cells, style)
    lines += [row for note in preview.notes for row in wrapped(note, cells, "$warning", "! ")]
    lines += _changes(step, cells)
    if preview.destroys:
        lines += wrapped("sealed before it: " + ", ".join(preview.destroys), cells, "$text-muted")
    if whole := in_full((*preview.calls, *(preview.inverse or ())), cells):
        lines.append(line(("what stands above in words only, in full", "underline")))
        lines += [row for call in whole for row in call_rows(call, cells, "$text-muted", "$ ", whole=True)]
    return lines


def _changes(step: Step, cells: int) -> list[Content]:
    """What it changes, from what it is now to what it is told; and what must still be so when it begins."""
    lines: list[Content] = []
    for name, value in step.preview.pinned.items():
        if name in step.preview.changes:
            lines += wrapped(f"changes {name}, which is {value} now", cells, "$warning")
    told = ", ".join(f"{name} {value}" for name, value in step.args.items() if value not in (None, "", [], {}))
    lines += wrapped(f"is told {told}", cells, "$text-muted") if told else []
    for name, value in step.preview.pinned.items():
        if name not in step.preview.changes:
            lines += wrapped(f"must still hold: {name} = {value}", cells, "$text-muted")
    return lines


def _calls(calls: tuple[Call, ...], cells: int, indent: str, style: str) -> list[Content]:
    lines: list[Content] = []
    for call in calls:
        lines += call_rows(call, cells, style, indent + "$ ")
    return lines
