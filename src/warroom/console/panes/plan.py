"""Pane 6: the plan, its run step by step, then what verification says, the ways on, and the watch."""

from __future__ import annotations

from textual.content import Content

from warroom.console.panes.base import Drawn, Pane
from warroom.console.steps import beside_the_look
from warroom.console.store import Store
from warroom.console.text import Part, clean_lines, cut, line, spread, wrapped
from warroom.console.theme import RISK, mark
from warroom.console.words import bar, utc
from warroom.model.base import clock_text, span_text
from warroom.model.cutover import still_there
from warroom.model.plan import Step
from warroom.model.procedures import offered
from warroom.model.state import PlanState, StepState, Verification, Watch
from warroom.model.units import downtime_words
from warroom.model.verification import CheckResult
from warroom.model.verifying import progress, waits

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
_FEW = 6
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
        focus = tells = left = 0
        after = _watch(store, store.state.watch, cells) if store.state.watch else []
        after += _verification(store, store.state.verification, cells) if store.state.verification else []
        checked = store.state.verification
        below = plan.status == "running" or (  # what was checked before this run says nothing of it
            checked is not None and plan.began_at is not None and checked.began_at < plan.began_at
        )
        if after and not below:
            lines += after
            lines.append(Content(""))
        if plan.void_reason:
            lines += wrapped(f"voided: {plan.void_reason}", cells, "$error", "✖ ")
        for index, step in enumerate(plan.plan.steps):
            state = plan.steps.get(step.id, StepState())
            if state.status in ("intended", "unknown", "failed"):
                focus = len(lines)
            elif plan.status == "done" and state.status == "done":
                at = len(lines) + (rows < _FEW)  # its title gives its row to what was found
                tells = tells or (at if step.preview.tells else 0)
                left = left or (len(lines) if step.preview.leaves else 0)
            lines += self._step(index, step, state, plan, cells)
        if after and below:
            lines += [Content(""), *after]
        if not after or below:
            focus = focus or left or tells
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
        detail = state.detail
        if state.status == "intended":
            lines += self._under_way(step, state, cells)
        elif state.look is not None and not state.resolved and state.status in ("unknown", "failed"):
            seen = f"check says {_LOOKS[state.look.verdict]}: {state.look.seen}"
            lines += wrapped(seen, cells, "$warning", "    ")
            detail = beside_the_look(state)
            lines.append(
                line(
                    "    ",
                    (f" {self.store.key('resolve')} ", "reverse bold $warning"),
                    " decide: done, again, undo or skip",
                )
            )
        if state.status == "done" and not step.undoes:
            if step.preview.tells and state.look is not None:
                lines += wrapped(state.look.seen, cells, "", "    ")
            for words in step.preview.leaves:
                lines += wrapped(words, cells, "$text-muted", "    ")
        if detail and state.status in ("failed", "unknown", "cancelled", "claimed"):
            lines += wrapped(detail, cells, "$text-muted", "    ")
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
    goal = f" → {plan.plan.aim}" if plan.plan.aim else ""
    named = target is not None and not plan.plan.choices and cells > 90
    identity = f" @{(target.digest or target.commit or '')[:15]}…" if named and target else ""
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
    for offer in offered(store.runbook, store.state) if store.runbook else ():
        times = " or ".join(f"{span_text(e.least)} to {span_text(e.most)}" for e in offer.procedure.expected[:1])
        loud, muted = ("$text-disabled", "$text-disabled") if offer.why_not else ("", "$text-muted")
        lines.append(
            spread(
                line("  ", (f"{offer.name}  ", loud), (offer.why_not or offer.procedure.use_when, muted)),
                line((times, "$text-disabled")),
                cells,
            )
        )
    return [row.truncate(cells, ellipsis=True) for row in lines]


def _verification(store: Store, verification: Verification, cells: int) -> list[Content]:
    ways = store.key("ways")
    if verification.verdict is None:
        lines = _verifying(store, verification, cells)
    else:
        sign, style = mark(verification.verdict)
        word = verification.verdict.upper()
        lines = wrapped(verification.words, cells, "bold", f"{sign} {word}  ", "  ")
        lines[0] = lines[0].stylize(style, 0, len(f"{sign} {word}"))
    order = {"fail": 0, "inconclusive": 1, "pass": 2}
    results = sorted(verification.results.values(), key=lambda r: order[r.verdict])
    lines += [row for result in results if result.verdict == "fail" for row in found(result, cells, "  ")]
    for number, way in enumerate(still_there(store.state, verification.next), 1):
        key: Part = (f" {ways} ", "reverse bold $warning") if number == 1 else " " * (len(ways) + 2)
        lines.append(
            line("  ", key, f" {number} ", (way.title, "bold" if number == 1 else "")).truncate(cells, ellipsis=True)
        )
    lines += [row for result in results if result.verdict != "fail" for row in found(result, cells, "  ")]
    declared = store.runbook.verification if store.runbook else {}
    for check in verification.checks:
        if check not in verification.results and verification.verdict is None:
            sentence = declared[check].sentence if check in declared else check
            still = line("  ", ("○ ", "$text-muted"), (sentence, "$text-muted"))
            lines.append(still.truncate(cells, ellipsis=True))
    return lines


def _verifying(store: Store, verification: Verification, cells: int) -> list[Content]:
    """How far it is; and where it waits, for what and how long yet, so that nobody takes it for stuck."""
    runbook, now = store.runbook, store.now()
    far = progress(runbook, verification) if runbook is not None else ""
    lines = [line(("⧗ ", "$accent bold"), ("Verifying", "bold"), f"  {far}")]
    wait = waits(runbook, store.state, now) if runbook is not None else None
    if wait is not None:
        left = span_text(max(1, round((wait.until - now).total_seconds())))
        lines += wrapped(f"waits for {wait.words}: {left} yet at most", cells, "$text-muted", "  ")
    return lines


def found(result: CheckResult, cells: int, indent: str = "") -> list[Content]:
    """What did not pass says first, and whole, what was found; the rule that it was held to may be cut."""
    sign, style = mark(result.verdict)
    if result.verdict == "pass" or not result.words:
        loud = "" if result.verdict == "pass" else style
        one = line(indent, (f"{sign} ", style), (result.title, loud), ("  " + result.words, "$text-muted"))
        return [one.truncate(cells, ellipsis=True)]
    rows = wrapped(result.words, cells, style, f"{indent}{sign} ")
    rows[0] = rows[0].stylize(style, 0, len(indent) + len(sign))
    if len(rows) == 1:
        end = line(("  " + result.title, "$text-muted"))
        if rows[0].cell_length + end.cell_length <= cells:
            return [Content.assemble(rows[0], end)]
    return [*rows, line(f"{indent}  ", (result.title, "$text-muted")).truncate(cells, ellipsis=True)]


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
