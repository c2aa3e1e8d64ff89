"""Pane 6: the plan, its run step by step, then what verification says, the ways on, and the watch."""

from __future__ import annotations

from textual.content import Content

from warroom.console.panes.base import Drawn, Pane
from warroom.console.store import Store
from warroom.console.text import Part, clean_lines, cut, line, spread, wrapped
from warroom.console.theme import RISK, mark
from warroom.console.words import bar, utc
from warroom.model.base import clock_text, span_text
from warroom.model.plan import Step
from warroom.model.state import PlanState, StepState, Verification, Watch
from warroom.model.units import downtime_words, many

_STATUS = {
    "proposed": ("prepared, not run", "$accent"),
    "approved": ("approved, not run", "$accent"),
    "voided": ("VOIDED", "$error bold"),
    "running": ("RUNNING", "$accent bold"),
    "done": ("done", "$success"),
    "failed": ("FAILED", "$error bold"),
    "cancelled": ("stopped", "$warning bold"),
    "unknown": ("UNKNOWN", "$warning bold"),
}
_LOOKS = {"not-begun": "not begun", "partly": "partly done", "done": "done", "cannot-tell": "cannot tell"}


class PlanPane(Pane):
    number, label = 6, "Plan"
    topics = frozenset({"state", "progress"})
    ticks = True

    def draw(self, cells: int, rows: int) -> Drawn:
        store = self.store
        plan = store.plan
        if plan is None:
            return Drawn(_none(store, cells))
        lines: list[Content] = []
        focus = 0
        after = _watch(store, store.state.watch, cells) if store.state.watch else []
        after += _verification(store.state.verification, cells, store.key("ways")) if store.state.verification else []
        if after and plan.status != "running":
            lines += after
            lines.append(Content(""))
        if plan.void_reason:
            lines += wrapped(f"voided: {plan.void_reason}", cells, "$error", "✖ ")
        for index, step in enumerate(plan.plan.steps):
            state = plan.steps.get(step.id, StepState())
            if state.status in ("intended", "unknown", "failed"):
                focus = len(lines)
            lines += self._step(index, step, state, plan, cells)
        if plan.status == "running" and after:
            lines += after
        return Drawn(lines, focus if len(lines) > rows else 0, _title(store, plan, cells))

    def _step(self, index: int, step: Step, state: StepState, plan: PlanState, cells: int) -> list[Content]:
        sign, style = mark(state.status)
        loud = "bold" if state.status in ("intended", "unknown", "failed") else ""
        risk, risk_style = RISK[step.risk]
        parts: list[Part] = [(f"{sign} ", style), (f"{index + 1} ", "$text-muted"), (step.title, loud)]
        if step.manual:
            parts.append((" by hand", "$warning"))
        if step.risk != "safe":
            parts.append((f" {risk}", risk_style))
        if state.status not in ("planned", "intended", "done"):
            parts.append((f" {state.status.upper()}", style))
        elif state.resolved:
            parts.append((f" {state.resolved}", "$text-muted"))
        if down := downtime_words(state.outputs):
            parts.append((f" · {down}", "$text-muted"))
        lines = [spread(line(*parts), self._time(step, state), cells)]
        if state.status == "intended":
            lines += self._under_way(step, state, cells)
        elif state.look is not None and not state.resolved and state.status in ("unknown", "failed"):
            seen = f"check says {_LOOKS[state.look.verdict]}: {state.look.seen}"
            lines += wrapped(seen, cells, "$warning", "    ")
            lines.append(
                line(
                    "    ",
                    (f" {self.store.key('resolve')} ", "reverse bold $warning"),
                    " decide: done, again, undo or skip",
                )
            )
        if state.detail and state.status in ("failed", "unknown", "cancelled", "claimed"):
            lines += wrapped(state.detail, cells, "$text-muted", "    ")
        return lines

    def _time(self, step: Step, state: StepState) -> Content:
        expected = step.preview.expected_s
        about = f"about {span_text(expected)}" if expected else ""
        if state.status == "intended" and state.began_at is not None:
            elapsed = (self.store.now() - state.began_at).total_seconds()
            gauge = bar(elapsed / expected, 8) + " " if expected else ""
            of = f" of {about}" if about else ""
            return line((gauge, "$accent"), (f"{clock_text(elapsed)}{of}", "bold"))
        if state.began_at is not None and state.ended_at is not None:
            return line((clock_text((state.ended_at - state.began_at).total_seconds()), "$text-muted"))
        return line((about, "$text-disabled"))

    def _under_way(self, step: Step, state: StepState, cells: int) -> list[Content]:
        if step.manual:
            return [
                line(
                    "    ",
                    (f" {self.store.key('claim')} ", "reverse bold $warning"),
                    " shows what to do by hand, and claims it as done",
                )
            ]
        progress = self.store.progress(step.id, state.attempt)
        if progress is None:
            return []
        lines = [line("    ", (cut(progress.words, cells - 4), "$accent"))] if progress.words else []
        newest = [part for text in progress.output[-3:] for part in clean_lines(text)][-3:]
        lines += [line("    ", (cut(text, cells - 4), "$text-muted")) for text in newest]
        return lines


def _title(store: Store, plan: PlanState, cells: int) -> Content:
    words, style = _STATUS[plan.status]
    settled = sum(s.status in ("done", "skipped", "claimed") for s in plan.steps.values())
    target = plan.plan.target
    goal = f" → {target.name}" if target else ""
    identity = f" @{(target.digest or target.commit or '')[:15]}…" if target and cells > 90 else ""
    aborting = (" · stopping", "$warning bold") if plan.aborting else ""
    parts: list[Part] = [(plan.plan.procedure + goal, "bold"), (identity, "$text-muted"), "  "]
    parts += [(words, style), f" {settled} of {len(plan.steps)}"]
    if aborting:
        parts.append(aborting)
    if plan.status == "running" and plan.began_at is not None:
        elapsed = clock_text((store.now() - plan.began_at).total_seconds())
        parts.append(f" · {elapsed}" + (f" of about {span_text(plan.plan.expected_s)}" if plan.plan.expected_s else ""))
    elif plan.plan.expected_s and plan.status in ("proposed", "approved"):
        parts.append((f" · about {span_text(plan.plan.expected_s)}", "$text-muted"))
    return line(*parts)


def _none(store: Store, cells: int) -> list[Content]:
    lines = [
        line(
            ("No plan yet: ", "$text-muted"),
            (store.key("target"), "bold $accent"),
            (" chooses the target, ", "$text-muted"),
            (store.key("plan"), "bold $accent"),
            (" prepares the plan.", "$text-muted"),
        )
    ]
    target = store.state.target
    if target is not None:
        lines.append(line(("◎ ", "$accent"), "target ", (target.release.name, "bold"), f"  {target.reason}"))
    procedures = store.runbook.procedures if store.runbook else {}
    for name, procedure in procedures.items():
        times = " or ".join(f"{span_text(e.least)} to {span_text(e.most)}" for e in procedure.expected[:1])
        lines.append(
            spread(
                line("  ", (f"{name}  ", ""), (procedure.use_when, "$text-muted")),
                line((times, "$text-disabled")),
                cells,
            )
        )
    return [row.truncate(cells, ellipsis=True) for row in lines]


def _verification(verification: Verification, cells: int, ways: str) -> list[Content]:
    if verification.verdict is None:
        count = f"{len(verification.results)} of {many(len(verification.checks), 'check')}"
        lines = [line(("⧗ ", "$accent bold"), ("Verifying", "bold"), f"  {count}")]
    else:
        sign, style = mark(verification.verdict)
        word = verification.verdict.upper()
        lines = wrapped(verification.words, cells, "bold", f"{sign} {word}  ", "  ")
        lines[0] = lines[0].stylize(style, 0, len(f"{sign} {word}"))
    for number, way in enumerate(verification.next, 1):
        key: Part = (f" {ways} ", "reverse bold $warning") if number == 1 else " " * (len(ways) + 2)
        lines.append(
            line("  ", key, f" {number} ", (way.title, "bold" if number == 1 else "")).truncate(cells, ellipsis=True)
        )
    order = {"fail": 0, "inconclusive": 1, "pass": 2}
    for result in sorted(verification.results.values(), key=lambda r: order[r.verdict]):
        sign, style = mark(result.verdict)
        loud = "" if result.verdict == "pass" else style
        lines.append(
            line("  ", (f"{sign} ", style), (result.title, loud), ("  " + result.words, "$text-muted")).truncate(
                cells, ellipsis=True
            )
        )
    for check in verification.checks:
        if check not in verification.results and verification.verdict is None:
            lines.append(line("  ", ("○ ", "$text-muted"), (check, "$text-muted")))
    return lines


def _watch(store: Store, watch: Watch, cells: int) -> list[Content]:
    if watch.quiet is not None:
        sign, _ = mark("pass" if watch.quiet else "fail")
        return wrapped(f"Watch ended: {watch.words}", cells, "bold" if not watch.quiet else "", f"{sign} ", "  ")
    left = max(0.0, (watch.until - store.now()).total_seconds())
    both = f" (production {span_text(watch.production_s)})" if watch.production_s != watch.window_s else ""
    done = 1 - left / watch.window_s if watch.window_s else 1
    return [
        line(
            ("◉ ", "$accent bold"),
            ("Watching", "bold"),
            f"  {clock_text(left)} left of {span_text(watch.window_s)}{both}  ",
            (bar(done, 16), "$accent"),
            (f"  until {utc(watch.until)} UTC", "$text-muted"),
        ).truncate(cells, ellipsis=True)
    ]
