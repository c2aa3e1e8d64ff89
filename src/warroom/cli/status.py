"""``warroom status``: the newest open incident in plain sentences, for scripts, for screen readers, for a pager."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from warroom.errors import WarroomError

if TYPE_CHECKING:
    from warroom.journal.folder import StateFolder


def report_status(folder: StateFolder, incident: str | None) -> tuple[Sequence[str], str, int]:
    """Sentences, the same as JSON, and the exit status. Reads copies of the journals: nobody at work is disturbed.

    Raises ``WarroomError`` for an incident there is none of, or one that can't be read at all.
    """
    from warroom.journal.export import read_events
    from warroom.report.status import sentences, status

    here = folder.holding(incident) if incident else folder
    name = incident or newest_open(folder)
    if name is None:
        drill = newest_open(folder.drills)
        said = ["No incident is open."]
        said += [f"A drill is open: `warroom status {drill}` tells of it."] if drill else []
        return said, json.dumps({"incident": None, "drill": drill}), 0
    events, reading = read_events(here.existing(name))
    found = status(events, datetime.now(UTC), engine=here.holder(), damaged=reading.verified.reason)
    if found is None:
        raise WarroomError(f"{name} can't be read", reading.verified.reason or "its journal has no beginning")
    return [*sentences(found)], found.model_dump_json(), 1 if found.damaged else found.exit_status


def newest_open(folder: StateFolder) -> str | None:
    """The newest incident that is not closed; a journal that can't be read counts as open, as somebody must look."""
    return next((name for name in reversed(folder.ids()) if folder.summary(name).closed is None), None)
