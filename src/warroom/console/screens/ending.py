"""Closing the incident."""

from __future__ import annotations

from typing import Literal

from textual.app import ComposeResult

from warroom.console.screens.base import Dialog, Reason, button, rows
from warroom.console.text import line, wrapped
from warroom.model.checklist import lines
from warroom.model.intent import CloseIncident
from warroom.model.units import many

Outcome = Literal["recovered", "mitigated", "false-alarm", "unresolved"]
_OUTCOMES: tuple[tuple[Outcome, str], ...] = (
    ("recovered", "Recovered"),
    ("mitigated", "Mitigated"),
    ("false-alarm", "False alarm"),
    ("unresolved", "Unresolved"),
)


class CloseScreen(Dialog):
    """How it ended, and what is still open on the checklist."""

    heading = "close the incident"
    hint = "say how it ended · tab to a button · enter presses · esc goes back"

    def inside(self) -> ComposeResult:
        runbook, state = self.store.runbook, self.store.state
        left = [
            entry
            for name in (runbook.checklists if runbook else ())
            for entry in (lines(runbook, state, name) if runbook else ())
        ]
        still = [entry for entry in left if entry.status == "open" and entry.depth == 0]
        shown = [line(("Everything on the checklist is settled.", "$success"))]
        if still:
            shown = [line((f"still open: {many(len(still), 'checklist line')}", "$warning"))]
            shown += [row for entry in still[:8] for row in wrapped(entry.sentence, 66, "", f"  ○ {entry.number} ")]
        verification = state.verification
        if verification is None or verification.verdict is None:
            shown.append(line(("Recovery has not been verified.", "$warning bold")))
        elif verification.verdict != "pass":
            said = f"Recovery is not proven: verification said {verification.verdict.upper()}."
            shown.append(line((said, "$warning bold")))
        if state.watch is not None and state.watch.quiet is None:
            shown.append(line(("The watch is still running.", "$warning")))
        yield rows(*shown)
        yield Reason("a sentence on how it ended", draft="close")

    def buttons(self) -> ComposeResult:
        for outcome, label in _OUTCOMES:
            yield button(label, f"as-{outcome}")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Reason).focus()  # enter closes nothing here

    def pressed(self, name: str) -> None:
        outcome = next(known for known, _ in _OUTCOMES if name == f"as-{known}")
        self.send(CloseIncident(outcome=outcome, reason=self.query_one(Reason).said))
