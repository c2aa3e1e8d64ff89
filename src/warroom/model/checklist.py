"""The checklists as they stand: a view of the runbook's lines and the journal's proofs and marks."""

from __future__ import annotations

from typing import Literal

from warroom.model.base import Fact, Instant
from warroom.model.runbook import Item, Proof, Runbook
from warroom.model.state import State

Status = Literal["open", "done", "waived", "not-needed"]


class Line(Fact):
    """One checklist line. ``number`` is as the runbook counts ("5" or "5.1"); ``how`` says what ticked it."""

    id: str
    number: str
    depth: int
    sentence: str
    status: Status
    if_needed: bool
    how: str = ""
    by: str = ""
    at: Instant | None = None
    hints: tuple[str, ...] = ()


def lines(runbook: Runbook, state: State, checklist: str) -> tuple[Line, ...]:
    """The lines of one checklist, sub-lines right after their line."""
    found: list[Line] = []
    for number, (item_id, item) in enumerate(runbook.checklists[checklist].items.items(), 1):
        found += _line(state, item_id, item, str(number), 0)
    return tuple(found)


def done_count(all_lines: tuple[Line, ...]) -> tuple[int, int]:
    """(settled, all) over the top lines: done, waived and not needed all count as settled."""
    top = [line for line in all_lines if line.depth == 0]
    return sum(line.status != "open" for line in top), len(top)


def settled(runbook: Runbook, state: State, proof: Proof) -> bool:
    """Is it proven, or did a person tick or waive a line that this proof would tick?"""
    marked = (item_id for item_id, item in runbook.items() if item.done_when == proof and item_id in state.marks)
    return proof in state.proofs or any(True for _ in marked)


def _line(state: State, item_id: str, item: Item, number: str, depth: int) -> list[Line]:
    below: list[Line] = []
    for index, (sub_id, sub) in enumerate(item.items.items(), 1):
        below += _line(state, sub_id, sub, f"{number}.{index}", depth + 1)
    status, how, by, at = _status(state, item_id, item, [line.status for line in below if line.depth == depth + 1])
    line = Line(
        id=item_id,
        number=number,
        depth=depth,
        sentence=item.sentence,
        status=status,
        if_needed=item.if_needed,
        how=how,
        by=by,
        at=at,
        hints=item.hints,
    )
    return [line, *below]


def _status(state: State, item_id: str, item: Item, below: list[Status]) -> tuple[Status, str, str, Instant | None]:
    """A proof beats a person's mark; without either, a line with sub-lines is done when all of them are settled."""
    proven = state.proofs.get(item.done_when) if item.done_when else None
    if proven is not None:
        return "done", proven.words, proven.by, proven.at
    mark = state.marks.get(item_id)
    if mark is not None:
        status: Status = "done" if mark.mark == "ticked" else mark.mark
        return status, mark.reason, mark.by, mark.at
    if below and item.done_when is None and all(status != "open" for status in below):
        return "done", "every line below it is settled", "", None
    return "open", "", "", None
