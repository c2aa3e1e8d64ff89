"""Pane 1: the runbook's tree with the answered path, the numbers behind each answer, and the advice it ends in."""

from __future__ import annotations

from textual.content import Content

from warroom.console.panes.base import Drawn, Pane
from warroom.console.store import Store
from warroom.console.text import Part, cut, line, spread, wide, wrapped
from warroom.model.base import clock_text
from warroom.model.decision import ADVICE, TreeAnswer, TreeReading
from warroom.model.runbook import Runbook

_BY = {"signals": "read", "timer": "clock", "person": "said", "open": "asks"}
_ADVICE_STYLE = {
    "monitor": "bold $success",
    "rollback": "bold $warning",
    "rollback-now": "bold $error",
    "hotfix": "bold $accent",
}


class DecidePane(Pane):
    number, label = 1, "Decide"
    topics = frozenset({"state", "tree", "trigger"})

    def draw(self, cells: int, rows: int) -> Drawn:
        tree, runbook = self.store.tree(), self.store.runbook
        if tree is None or runbook is None:
            return Drawn([line(("The tree has not been read yet.", "$text-muted"))])
        roomy = rows > 12
        lines: list[Content] = []
        for depth, answer in enumerate(tree.path):
            lines += _question(answer, depth, cells, roomy, runbook, self.store.key("answer"))
        advice = _advice(tree, len(tree.path), cells, roomy)
        focus = len(lines) + (0 if tree.advice is not None else -1)
        lines += advice
        decided = _decided(self.store, cells, roomy)
        if decided:
            focus = len(lines)
            lines += decided
        if focus < rows:
            focus = 0
        incident = self.store.incident
        title = line((cut(incident.title, max(0, cells - 14)), "$text-muted")) if incident else Content("")
        return Drawn(lines, max(0, focus), title)


def _question(answer: TreeAnswer, depth: int, cells: int, roomy: bool, runbook: Runbook, key: str) -> list[Content]:
    indent = "  " * (depth - 1) + "└ " if depth else ""
    said = answer.answer.upper() if answer.answer else "?"
    style = "bold $warning" if answer.answer is None else "bold"
    end = line((said, style))
    ask: Part = (answer.ask, "bold") if answer.answer is None else answer.ask
    lines = [spread(line((indent, "$text-muted"), ask), end, cells)]
    bar = "  " * depth + ("│ " if roomy else "")
    if answer.answer is None:
        words = "  ".join(choice.upper() for choice in answer.choices)
        lines.append(line((bar, "$text-muted"), (f" {key} ", "reverse bold $warning"), " ", (words, "bold $warning")))
        if answer.evidence and roomy:
            lines += wrapped(answer.evidence, cells, "$text-muted", bar)
        return lines
    if not roomy:
        return lines
    source = _BY[answer.by] if answer.by != "person" else f"{answer.who or 'somebody'} {_BY[answer.by]}"
    why = "; ".join(part for part in (answer.evidence, answer.reason) if part)
    lines += wrapped(f"{source}: {why}" if why else source, cells, "$text-muted", bar)
    question = runbook.tree.questions.get(answer.node)
    for other, goal in (question.answers if question else {}).items():
        if other != answer.answer:
            leaf = runbook.tree.leaves.get(goal)
            title = leaf.title if leaf else runbook.tree.questions[goal].ask if goal in runbook.tree.questions else goal
            text = cut(f"{other} → {title}", cells - wide(bar) - 2)
            lines.append(line((bar, "$text-muted"), (text, "$text-disabled")))
    return lines


def _advice(tree: TreeReading, depth: int, cells: int, roomy: bool) -> list[Content]:
    if tree.advice is None:
        return []
    style = _ADVICE_STYLE[tree.advice]
    indent = "  " * max(0, depth - 1) + "└ " if depth else ""
    title = tree.title or ADVICE[tree.advice]
    lines = [line((indent, "$text-muted"), (f"{title} ◀", style)).truncate(cells, ellipsis=True)]
    blank = " " * wide(indent)
    if tree.reason and roomy:
        lines += wrapped(tree.reason, cells, "", blank)
    if tree.would_change and roomy:
        lines += wrapped(tree.would_change, cells, "$text-muted italic", blank)
    return lines


def _decided(store: Store, cells: int, roomy: bool) -> list[Content]:
    decision, incident = store.state.decision, store.incident
    if decision is None or incident is None:
        return []
    when = clock_text((decision.at - incident.detected_at).total_seconds())
    against = "" if decision.followed_advice else ", against the advice"
    end = line((f"{decision.by} {when}", "$text-muted"))
    lines = [Content("")] if roomy else []
    words = line(("✔ ", "$success"), (f"Decided: {ADVICE[decision.choice].lower()}{against}", "bold"))
    lines.append(spread(words, end, cells))
    if decision.reason and roomy:
        lines += wrapped(decision.reason, cells, "$text-muted", "  ")
    return lines
