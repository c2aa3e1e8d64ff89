"""What can be asked about acting: the emergency lane, the ways on, the incidents there are, and what a draft becomes.

Import them from ``warroom.model.live``, which has every query and page.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from warroom.model.base import Fact, Instant
from warroom.model.event import NextWay
from warroom.model.plan import Plan
from warroom.model.release import Release, ReleaseDiff
from warroom.model.signal import Severity


class Guard(Fact):
    """One reason why not. ``hard`` ones cannot be waived."""

    id: str
    words: str
    hard: bool


LanePurpose = Literal["rollback", "stop-writes"]


class EmergencyQuery(Fact):
    """The emergency lane, worked out to the last Call; nothing is journaled or changed by asking.

    Without ``target`` and ``procedure`` the best of each is taken. ``target`` is a version, commit or digest as typed.
    """

    ask: Literal["emergency"] = "emergency"
    purpose: LanePurpose = "rollback"
    target: str = Field(default="", max_length=300)
    procedure: str = ""


class EmergencyPage(Fact):
    """``hash`` is what ``RunEmergency`` names: what is shown here is what runs. No plan: ``problem`` says why not.

    ``held`` are the reasons that no name lifts. ``waives`` are those that the typed name lifts; they stay on the
    checklist. ``first`` are the kinds of evidence captured before the first step, for ``first_s`` seconds at most.
    """

    kind: Literal["emergency-page"] = "emergency-page"
    purpose: LanePurpose = "rollback"
    plan: Plan | None = None
    hash: str = ""
    problem: str = ""
    running: Release | None = None
    reason: str = ""
    diff: ReleaseDiff | None = None
    held: tuple[Guard, ...] = ()
    waives: tuple[Guard, ...] = ()
    first: tuple[str, ...] = ()
    first_s: float = 0
    name_to_type: str = ""
    opens: bool = False
    stop_writes_first: bool = False


class WaysQuery(Fact):
    """What to do next after a run or a verification that did not end well."""

    ask: Literal["ways"] = "ways"


class WaysPage(Fact):
    """Best first. ``words`` say what came to what it came to."""

    kind: Literal["ways-page"] = "ways-page"
    ways: tuple[NextWay, ...]
    words: str = ""


class IncidentsQuery(Fact):
    """The newest ``limit`` incidents and drills of this state folder, before the one called ``before``."""

    ask: Literal["incidents"] = "incidents"
    limit: int = Field(default=50, ge=1, le=500)
    before: str | None = None


class IncidentSummary(Fact):
    """One line of the list. ``severity`` is the worst that fired.

    ``damaged`` says what is wrong with its journal, ``newer`` why it is read-only though whole; both are empty when all
    is well.
    """

    id: str
    title: str = ""
    service: str = ""
    environment: str = ""
    scenario: str | None = None
    opened_at: Instant | None = None
    closed: Literal["recovered", "mitigated", "false-alarm", "unresolved"] | None = None
    closed_at: Instant | None = None
    severity: Severity | None = None
    entries: int = 0
    damaged: str = ""
    newer: str = ""


class IncidentLine(IncidentSummary):
    """``here`` marks the one that this engine has open."""

    here: bool = False


class IncidentsPage(Fact):
    """Newest first. ``total`` counts all there are."""

    kind: Literal["incidents-page"] = "incidents-page"
    incidents: tuple[IncidentLine, ...]
    total: int


class DraftQuery(Fact):
    """What would be recorded or sent of a text that somebody writes: nothing is kept of it."""

    ask: Literal["draft"] = "draft"
    text: str = Field(max_length=20_000)


class DraftPage(Fact):
    """``text`` is cleaned and redacted, as it would be kept. ``hidden`` counts what was redacted."""

    kind: Literal["draft-page"] = "draft-page"
    text: str
    hidden: int = 0
