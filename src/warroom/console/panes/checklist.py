"""Pane 2: the runbook's checklists. Lines tick themselves when the thing is done; a person ticks or waives the rest."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from warroom.console.panes.base import Drawn, Pane
from warroom.console.store import Store
from warroom.console.text import line, spread, wrapped
from warroom.console.theme import mark
from warroom.model.base import clock_text
from warroom.model.checklist import Line, done_count, lines

Entry = Line | str
"""A line, or a checklist's title."""


_SHORT = {
    "dump not proven": "unproven",
    "dump proven": "proven",
    "dump being tried": "trying",
    "dump of no use": "no use",
}
"""What stands at the end of a narrow line, so that its own words stay."""


class ChecklistPane(Pane):
    """The cursor is the line that ``space`` and ``x`` are about; until it is moved it stays on the first open line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,i", "move(-1)", "up", show=False),
    ]
    number, label = 2, "Checklist"
    topics = frozenset({"state", "busy"})

    def __init__(self, store: Store, name: str) -> None:
        super().__init__(store, name)
        self.cursor: str | None = None

    def entries(self) -> list[Entry]:
        runbook = self.store.runbook
        if runbook is None:
            return []
        found: list[Entry] = []
        for name, checklist in runbook.checklists.items():
            if len(runbook.checklists) > 1:
                found.append(checklist.title)
            found += lines(runbook, self.store.state, name)
        return found

    def chosen(self) -> Line | None:
        """The line under the cursor."""
        every = [entry for entry in self.entries() if isinstance(entry, Line)]
        for entry in every:
            if entry.id == self.cursor:
                return entry
        return next((entry for entry in every if entry.status == "open"), every[0] if every else None)

    def action_move(self, by: int) -> None:
        every = [entry for entry in self.entries() if isinstance(entry, Line)]
        now = self.chosen()
        if now is None:
            return
        index = next(i for i, entry in enumerate(every) if entry.id == now.id)
        self.cursor = every[max(0, min(len(every) - 1, index + by))].id
        self.redraw()

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.cursor = None
        self.redraw()

    def draw(self, cells: int, rows: int) -> Drawn:
        entries, chosen, runbook = self.entries(), self.chosen(), self.store.runbook
        if runbook is None:
            return Drawn([])
        drawn: list[Content] = []
        focus = 0
        for entry in entries:
            if isinstance(entry, str):
                drawn.append(line((entry, "$text-muted underline")).truncate(cells, ellipsis=True))
                continue
            here = chosen is not None and entry.id == chosen.id
            if here:
                focus = len(drawn)
            drawn.append(self._line(entry, here, cells))
            if here and rows > 12:
                for hint in entry.hints:
                    drawn += wrapped(hint, cells, "$text-muted italic", "       ")
        counts = [done_count(lines(runbook, self.store.state, name)) for name in runbook.checklists]
        note = line((" · ".join(f"{done}/{every}" for done, every in counts), "$text-muted"))
        return Drawn(drawn, 0 if len(drawn) <= rows else focus, note)

    def _line(self, entry: Line, here: bool, cells: int) -> Content:
        sign, style = mark(entry.status)
        quiet = "$text-muted" if entry.status != "open" else "bold" if here else ""
        optional = entry.if_needed and entry.status == "open" and "(if " not in entry.sentence
        sentence = entry.sentence + (" (if needed)" if optional else "")
        left = line(
            ("▸" if here else " ", "$accent bold"),
            (f"{sign} ", style),
            ("  " * entry.depth + entry.number.ljust(3 if not entry.depth else 4), "$text-muted"),
            (sentence, quiet),
        )
        drawn = spread(left, line((self._end(entry, cells), "$text-muted")), cells)
        if here and self.has_focus:
            drawn = drawn.pad_right(max(0, cells - drawn.cell_length)).stylize("on $panel")
        return drawn

    def _sealing(self, entry: Line) -> bool:
        """Whether this line is that of sealed evidence."""
        item = dict(self.store.runbook.items()).get(entry.id) if self.store.runbook else None
        return item is not None and item.done_when == "evidence-sealed"

    def _proof(self, entry: Line) -> str:
        """Whether the evidence that this line is about is known to be of use."""
        evidence = self.store.state.evidence
        sealed = entry.status == "done" and evidence is not None and evidence.status == "sealed"
        return evidence.proof if evidence is not None and sealed and self._sealing(entry) else ""

    def _end(self, entry: Line, cells: int) -> str:
        incident = self.store.incident
        if entry.status == "open":
            evidence = self.store.state.evidence
            if evidence is not None and evidence.status == "collecting" and self._sealing(entry):
                settled = len(evidence.collected) + len(evidence.missing)
                return f"sealing {settled}/{len(evidence.collectors)}"
            return ""
        when = clock_text((entry.at - incident.detected_at).total_seconds()) if entry.at and incident else ""
        word = {"waived": "waived", "not-needed": "not needed"}.get(entry.status, "")
        proof = self._proof(entry)
        if cells > 44:
            parts = [word or proof, entry.by, when]
        else:  # whether it is of use says more than when it was taken
            parts = [_SHORT.get(proof, proof)] if proof and not word else [word or entry.by, when]
        return " ".join(part for part in parts if part)
