"""Live frames' values: the newest of each key, coalesced, never folded into the state; and what can be queried."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from warroom.model.base import Fact, Instant
from warroom.model.choice import ChoiceList as ChoiceList
from warroom.model.choice import ChoicesPage as ChoicesPage
from warroom.model.choice import ChoicesQuery as ChoicesQuery
from warroom.model.decision import TreeReading
from warroom.model.event import Event
from warroom.model.pages import DraftPage as DraftPage
from warroom.model.pages import DraftQuery as DraftQuery
from warroom.model.pages import EmergencyPage as EmergencyPage
from warroom.model.pages import EmergencyQuery as EmergencyQuery
from warroom.model.pages import Guard as Guard
from warroom.model.pages import IncidentLine as IncidentLine
from warroom.model.pages import IncidentsPage as IncidentsPage
from warroom.model.pages import IncidentsQuery as IncidentsQuery
from warroom.model.pages import WaysPage as WaysPage
from warroom.model.pages import WaysQuery as WaysQuery
from warroom.model.release import Release, ReleaseDiff
from warroom.model.signal import ComponentReading, Level, LogHead, LogLine, Sample, SignalReading, TriggerReading
from warroom.model.verification import Artifact


class StepProgress(Fact):
    """A running step: ``output`` are its newest lines (bounded), ``expected_s`` None where nobody knows."""

    kind: Literal["progress"] = "progress"
    step: str
    attempt: int
    elapsed_s: float
    expected_s: float | None = None
    output: tuple[str, ...] = Field(default=(), max_length=20)
    words: str = ""


class Presence(Fact):
    kind: Literal["presence"] = "presence"
    names: tuple[str, ...]


class PlatformReading(Fact):
    """One platform of the runbook: loaded and reachable, or the one red row with its error."""

    kind: Literal["platform"] = "platform"
    id: str
    plugin: str
    status: Literal["ok", "broken", "unknown"]
    words: str = ""
    fingerprint: str | None = None


class RunningRelease(Fact):
    kind: Literal["running"] = "running"
    release: Release | None
    since: Instant | None = None


class Busy(Fact):
    """What the engine is doing now, in words: "sealing evidence", "checking recovery". Empty when nothing."""

    kind: Literal["busy"] = "busy"
    words: tuple[str, ...] = ()


LiveValue = Annotated[
    SignalReading
    | TriggerReading
    | ComponentReading
    | LogHead
    | StepProgress
    | Presence
    | PlatformReading
    | RunningRelease
    | TreeReading
    | Busy,
    Field(discriminator="kind"),
]


class LogFilter(Fact):
    """What a line must be like to be shown; empty parts pass all. Texts and expressions disregard case.

    ``sources`` are names; where none has that name, all that begin with it. ``without`` are sources left out, by their
    whole name. ``folded`` leaves out lines that repeat the one before them in their source.
    """

    sources: tuple[str, ...] = Field(default=(), max_length=300)
    without: tuple[str, ...] = Field(default=(), max_length=300)
    levels: tuple[Level, ...] = ()
    has: tuple[str, ...] = Field(default=(), max_length=20)
    lacks: tuple[str, ...] = Field(default=(), max_length=20)
    matches: tuple[str, ...] = Field(default=(), max_length=8)
    unlike: tuple[str, ...] = Field(default=(), max_length=8)
    folded: bool = False


class LogQuery(Fact):
    """At most ``limit`` lines that pass ``filter``, oldest first.

    Where from: ``before`` or ``after`` a line's ``index``, ``at`` a moment and later, else position ``first`` among
    what passes; a negative one counts from the end. A page may be shorter than the limit: a search looks for
    ``spend_s`` at most, and answers with what it is sure of by then. ``count`` lets it use that time up, to look on
    through what is older (or newer) than the page.
    """

    ask: Literal["log"] = "log"
    filter: LogFilter = LogFilter()
    first: int = -200
    limit: int = Field(default=200, ge=1, le=2000)
    before: int | None = None
    after: int | None = None
    at: Instant | None = None
    spend_s: float = Field(default=0.25, ge=0, le=5)
    count: bool = False


class LogPage(Fact):
    """``first`` is the position of the first line among the ``matching`` that are known.

    ``more`` says that it is shorter than it could be, because time or size ran out.
    ``searched`` of ``of`` lines have been looked at so far. ``repeats`` says of each line how many times it came one
    after the other, where the filter folds. ``total`` are all lines that are kept, ``dropped`` those that are not any
    more. ``marks`` are release changes, oldest first. ``problem`` says why a search was given up.
    """

    kind: Literal["log-page"] = "log-page"
    lines: tuple[LogLine, ...]
    first: int
    matching: int
    total: int
    more: bool = False
    dropped: int = 0
    searched: int = 0
    of: int = 0
    repeats: tuple[int, ...] = ()
    marks: tuple[tuple[Instant, str], ...] = ()
    problem: str = ""


class SamplesQuery(Fact):
    ask: Literal["samples"] = "samples"
    signal: str
    seconds: float = Field(default=900, gt=0, le=7 * 86400)


class SamplesPage(Fact):
    """``marks`` are release changes in the same span."""

    kind: Literal["samples-page"] = "samples-page"
    samples: tuple[Sample, ...]
    marks: tuple[tuple[Instant, str], ...] = ()


TimelineKind = Literal["decisions", "actions", "signals", "messages", "notes", "evidence", "other"]


class TimelineQuery(Fact):
    """The last ``limit`` matching events before ``before`` (None: the newest), newest last.

    ``contains`` is looked for in an entry's words and its author's name, whatever the case; empty filters pass all.
    ``incident`` names another one of this state folder, to be read only.
    """

    ask: Literal["timeline"] = "timeline"
    before: int | None = None
    limit: int = Field(default=200, ge=1, le=1000)
    kinds: tuple[TimelineKind, ...] = ()
    contains: str = Field(default="", max_length=200)
    incident: str | None = None


class TimelinePage(Fact):
    """``looked`` is the first entry that was looked at: 1 when there is nothing before."""

    kind: Literal["timeline-page"] = "timeline-page"
    events: tuple[Event, ...]
    total: int
    looked: int = 1


class ReleasesQuery(Fact):
    ask: Literal["releases"] = "releases"


class ReleasesPage(Fact):
    """Newest first. ``best`` is the index of the target warroom would choose, with its reason in words."""

    kind: Literal["releases-page"] = "releases-page"
    releases: tuple[Release, ...]
    running: Release | None
    best: int | None = None
    reason: str = ""
    problem: str = ""


class DiffQuery(Fact):
    ask: Literal["diff"] = "diff"
    to: str


class DiffPage(Fact):
    kind: Literal["diff-page"] = "diff-page"
    diff: ReleaseDiff | None
    problem: str = ""


class MessageQuery(Fact):
    """The text of a template filled from the journal, for a preview."""

    ask: Literal["message"] = "message"
    template: str


class MessagePage(Fact):
    kind: Literal["message-page"] = "message-page"
    template: str
    text: str
    channels: tuple[str, ...] = ()


class GuardsQuery(Fact):
    """Why can this plan not run yet?"""

    ask: Literal["guards"] = "guards"


class GuardsPage(Fact):
    kind: Literal["guards-page"] = "guards-page"
    guards: tuple[Guard, ...]
    name_to_type: str = ""


class EvidenceQuery(Fact):
    ask: Literal["evidence"] = "evidence"


class EvidencePage(Fact):
    kind: Literal["evidence-page"] = "evidence-page"
    path: str
    artifacts: tuple[Artifact, ...]


class CommandsQuery(Fact):
    """Commands and requests made so far, newest last, ready to paste."""

    ask: Literal["commands"] = "commands"
    limit: int = Field(default=200, ge=1, le=2000)


class CommandLine(Fact):
    at: Instant
    door: Literal["read", "change"]
    text: str
    status: int | None = None
    seconds: float | None = None


class CommandsPage(Fact):
    kind: Literal["commands-page"] = "commands-page"
    commands: tuple[CommandLine, ...]


Query = Annotated[
    LogQuery
    | SamplesQuery
    | TimelineQuery
    | ReleasesQuery
    | DiffQuery
    | MessageQuery
    | GuardsQuery
    | EvidenceQuery
    | CommandsQuery
    | EmergencyQuery
    | WaysQuery
    | IncidentsQuery
    | DraftQuery
    | ChoicesQuery,
    Field(discriminator="ask"),
]

Page = Annotated[
    LogPage
    | SamplesPage
    | TimelinePage
    | ReleasesPage
    | DiffPage
    | MessagePage
    | GuardsPage
    | EvidencePage
    | CommandsPage
    | EmergencyPage
    | WaysPage
    | IncidentsPage
    | DraftPage
    | ChoicesPage,
    Field(discriminator="kind"),
]
