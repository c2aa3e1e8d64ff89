"""What a drill came to: the one JSON object that a headless drill prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from warroom.model.cutover import failed_cut_over, last_rollback
from warroom.model.event import Event
from warroom.model.state import State
from warroom.model.verification import Verdict
from warroom.report import timings

JOURNAL = "journal.db"


def result(
    scenario: str,
    state: State,
    events: Sequence[Event],
    fault_at: datetime | None,
    folder: Path | None,
    rows: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Any]:
    """Always the same keys; None for what there was not.

    ``verified`` is "pass", "fail" or "inconclusive", which it is too when it was never verified. ``timings`` are
    seconds since the fault began, which is when users could first meet it; ``verified`` among them is the moment of
    the pass. ``kept`` and ``lost`` are rows by table, of those that were there when the drill began or that users had
    the app's word for since. ``journal``, ``evidence`` and ``report`` are absolute paths.
    """
    verdict = verified(state)
    times = timings(events, fault_at)
    return {
        "scenario": scenario,
        "incident": state.incident.id if state.incident else None,
        "from": _from(state),
        "to": state.target.release.name if state.target else None,
        "rolled_back": "procedure-executed" in state.proofs,
        "verified": verdict,
        "timings": times if verdict == "pass" else {**times, "verified": None},
        "kept": None if rows is None else {table: each["kept"] for table, each in rows.items()},
        "lost": None if rows is None else {table: each["lost"] for table, each in rows.items()},
        "journal": str(folder / JOURNAL) if folder else None,
        "evidence": state.sealed[-1].path if state.sealed else None,
        "report": state.report,
    }


def verified(state: State) -> Verdict:
    """The last word on the recovery. One that passed and came back during the watch did not hold; and where the target
    did not come up there is nothing to verify."""
    if state.watch is not None and state.watch.quiet is False and "verified" in state.proofs:
        return "fail"
    if "verified" not in state.proofs and failed_cut_over(last_rollback(state)) is not None:
        return "fail"
    return (state.verification.verdict if state.verification else None) or "inconclusive"


def _from(state: State) -> str | None:
    """The release that was rolled away from: what ran when the target was chosen."""
    if state.target is not None and state.target.diff is not None:
        return state.target.diff.newer
    return state.changes[0].was if state.changes else (state.running.name if state.running else None)
